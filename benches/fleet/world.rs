//! Simulates 10,000 pods, and counts their calls to STS second by second.

use std::ops::Range;

use fastrand::Rng;

use crate::refresh::Endpoints;
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

    /// A pod that starts at `starts`, in seconds. All its failures have this class.
    pub(crate) fn pod(self, starts: f64, class: Class) -> Box<dyn Provider> {
        match self {
            Self::Ours => Box::new(Ours::starting(starts, LIFETIME, class)),
            Self::LazyCache => Box::new(Lazy::starting(starts, LIFETIME, class)),
            Self::Coming => Box::new(Coming::starting(starts, LIFETIME, class)),
        }
    }
}

/// The course of a simulation. Times are in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Time within which all pods start.
    pub(crate) rollout: f64,
    /// Time in which STS of the home region answers with errors.
    pub(crate) outage: Range<f64>,
    /// Number of standby regions, which have no outage.
    pub(crate) standbys: usize,
    pub(crate) ends: f64,
}

impl Scenario {
    /// True if an attempt at this time gets credentials.
    fn answers(&self, at: f64, home: bool) -> bool {
        !home || !self.outage.contains(&at)
    }
}

/// Calls per second.
#[derive(Default)]
pub(crate) struct Load {
    /// All calls. `elsewhere` counts those to a standby.
    pub(crate) calls: Vec<u32>,
    pub(crate) elsewhere: Vec<u32>,
    /// Calls for the first credentials, then for the first refresh, the second, and so on.
    pub(crate) cycles: Vec<Vec<u32>>,
    /// Number of pods that had no valid credentials at some time after their start.
    pub(crate) ran_out: usize,
}

impl Load {
    pub(crate) fn of(policy: Policy, scenario: &Scenario, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let none = || vec![0; scenario.ends as usize + 1];
        let mut load = Self { calls: none(), elsewhere: none(), ..Self::default() };
        for _ in 0..PODS {
            let starts = random.f64() * scenario.rollout;
            let mut pod = policy.pod(starts, Class::Outage);
            let mut endpoints = Endpoints::new(scenario.standbys);
            let mut cycle = 0;
            let mut expires = f64::INFINITY;
            let mut ran_out = false;
            while pod.due() < scenario.ends {
                let at = pod.due();
                load.calls[at as usize] += 1;
                ran_out |= at > expires;
                let home = endpoints.next_is_home(at < expires);
                load.elsewhere[at as usize] += u32::from(!home);
                let answered = scenario.answers(at, home);
                endpoints.ended(answered);
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

/// Most calls in one second.
pub(crate) fn peak(calls: &[u32]) -> u32 {
    calls.iter().copied().max().unwrap_or_default()
}

/// Mean calls per second from the first call to the last.
pub(crate) fn mean(calls: &[u32]) -> f64 {
    let busy = |&count: &u32| count > 0;
    match (calls.iter().position(busy), calls.iter().rposition(busy)) {
        (Some(first), Some(last)) => calls.iter().sum::<u32>() as f64 / (last - first + 1) as f64,
        _ => 0.0,
    }
}
