//! Simulates 5,000 pods that start without credentials while STS is limited or does not answer. Each pod has one request
//! a second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

use crate::refresh::source::Class;
use crate::world::Policy;

pub(crate) const PODS: u32 = 5000;
/// Time within which all pods start, in seconds.
const ROLLOUT: f64 = 5.0;
/// Duration of an outage that begins with the roll-out, in seconds.
const OUTAGE: f64 = 1800.0;
/// Every policy must be done by then, in seconds.
const ENDS: f64 = 4.0 * OUTAGE;

/// The obstacle to the first credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Obstacle {
    /// A token bucket with this many calls a second, and as many at once. STS answers further calls with an error.
    Limit(f64),
    Outage,
}

impl Obstacle {
    fn class(self) -> Class {
        match self {
            Self::Limit(_) => Class::Throttled,
            Self::Outage => Class::Outage,
        }
    }
}

/// Times of all calls, and times at which pods got credentials; sorted, in seconds.
pub(crate) struct Start {
    pub(crate) calls: Vec<f64>,
    pub(crate) grants: Vec<f64>,
}

impl Start {
    pub(crate) fn of(policy: Policy, obstacle: Obstacle, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut pods = Vec::new();
        let mut line = BinaryHeap::new();
        for number in 0..PODS {
            let starts = random.f64() * ROLLOUT;
            pods.push(policy.pod(starts, obstacle.class()));
            line.push(Reverse((Moment(starts), number)));
        }
        let mut bucket = match obstacle {
            Obstacle::Limit(limit) => limit,
            Obstacle::Outage => 0.0,
        };
        let mut start = Self { calls: Vec::new(), grants: Vec::new() };
        let mut last = 0.0;
        while let Some(Reverse((Moment(at), number))) = line.pop() {
            assert!(at < ENDS, "{policy:?} does not end");
            start.calls.push(at);
            let granted = match obstacle {
                Obstacle::Limit(limit) => {
                    bucket = (bucket + limit * (at - last)).min(limit);
                    bucket >= 1.0
                }
                Obstacle::Outage => at >= OUTAGE,
            };
            last = at;
            if granted {
                bucket -= 1.0;
                start.grants.push(at);
                continue;
            }
            // The answer takes a moment.
            let answered = at + 0.05 + 0.1 * random.f64();
            let pod = &mut pods[number as usize];
            pod.failed(answered, &mut random);
            line.push(Reverse((Moment(pod.due()), number)));
        }
        start
    }

    pub(crate) fn calls_per_grant(&self) -> f64 {
        self.calls.len() as f64 / self.grants.len() as f64
    }

    pub(crate) fn last_grant(&self) -> f64 {
        self.grants[self.grants.len() - 1]
    }

    /// Time from the end of the outage until this share of the pods has credentials, in seconds.
    pub(crate) fn recovery(&self, share: f64) -> f64 {
        crate::support::quantile(&self.grants, share).unwrap_or(f64::INFINITY) - OUTAGE
    }

    /// Calls per pod in the first 10 s.
    pub(crate) fn first_calls(&self) -> f64 {
        self.calls.iter().take_while(|&&at| at < 10.0).count() as f64 / f64::from(PODS)
    }

    /// Calls per second from the fifth minute of the outage to its end.
    pub(crate) fn later_calls(&self) -> f64 {
        self.calls.iter().filter(|at| (LATER..OUTAGE).contains(at)).count() as f64 / (OUTAGE - LATER)
    }
}

const LATER: f64 = 300.0;

/// A time, ordered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
