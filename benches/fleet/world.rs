//! Ten thousand pods, one by one: when each calls STS, second by second.

use std::ops::Range;

use fastrand::Rng;

use crate::places::Places;
use crate::refresh::peers::{Coming, Lazy, Ours, Provider};
use crate::refresh::source::Class;

pub(crate) const PODS: usize = 10_000;
pub(crate) const LIFETIME: f64 = 3600.0;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Policy {
    Ours,
    LazyCache,
    Coming,
}

impl Policy {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::LazyCache, Self::Coming];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::LazyCache => "lazy_cache",
            Self::Coming => "coming",
        }
    }

    /// A pod that starts then, and the class of its failures.
    pub(crate) fn pod(self, starts: f64, class: Class) -> Box<dyn Provider> {
        match self {
            Self::Ours => Box::new(Ours::starting(starts, LIFETIME, class)),
            Self::LazyCache => Box::new(Lazy::starting(starts, LIFETIME, class)),
            Self::Coming => Box::new(Coming::starting(starts, LIFETIME, class)),
        }
    }
}

/// What happens to the fleet.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// The pods start within so many seconds.
    pub(crate) rollout: f64,
    /// STS at home answers with errors.
    pub(crate) outage: Range<f64>,
    /// Regions beside it that are well.
    pub(crate) standbys: usize,
    pub(crate) ends: f64,
}

impl Scenario {
    /// Whether an attempt at this second gets credentials.
    fn answers(&self, at: f64, home: bool) -> bool {
        !home || !self.outage.contains(&at)
    }
}

/// Calls, second by second.
#[derive(Default)]
pub(crate) struct Load {
    /// All of them, and those of them that did not go home.
    pub(crate) calls: Vec<u32>,
    pub(crate) elsewhere: Vec<u32>,
    /// The first of each pod, its first refresh, its second …
    pub(crate) cycles: Vec<Vec<u32>>,
    /// Pods that had no valid credentials left at some time.
    pub(crate) ran_out: usize,
}

impl Load {
    pub(crate) fn of(policy: Policy, scenario: &Scenario, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let none = || vec![0; scenario.ends as usize + 1];
        let mut load = Self { calls: none(), elsewhere: none(), ..Self::default() };
        for _ in 0..PODS {
            let starts = random.f64() * scenario.rollout;
            let mut pod = policy.pod(starts, Class::Transient);
            let mut places = Places::new(scenario.standbys);
            let mut cycle = 0;
            let mut expires = f64::INFINITY;
            let mut ran_out = false;
            while pod.due() < scenario.ends {
                let at = pod.due();
                load.calls[at as usize] += 1;
                ran_out |= at > expires;
                let home = places.next_is_home(at < expires);
                load.elsewhere[at as usize] += u32::from(!home);
                let answered = scenario.answers(at, home);
                places.ended(answered);
                if !answered {
                    pod.failed(at, &mut random);
                    continue;
                }
                if load.cycles.len() == cycle {
                    load.cycles.push(none());
                }
                load.cycles[cycle][at as usize] += 1;
                cycle += 1;
                expires = at + LIFETIME;
                pod.succeeded(at, &mut random);
            }
            load.ran_out += usize::from(ran_out);
        }
        load
    }
}

/// The most calls in one second.
pub(crate) fn peak(calls: &[u32]) -> u32 {
    calls.iter().copied().max().unwrap_or_default()
}

/// Calls per second from the first call to the last.
pub(crate) fn mean(calls: &[u32]) -> f64 {
    let busy = |&count: &u32| count > 0;
    match (calls.iter().position(busy), calls.iter().rposition(busy)) {
        (Some(first), Some(last)) => calls.iter().sum::<u32>() as f64 / (last - first + 1) as f64,
        _ => 0.0,
    }
}
