//! Receives all failures and judges them by the records of STS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::caller::Caller;
use crate::plan::Plan;
use crate::runtime_progress::RuntimeProgress;
use crate::sts_record::StsRecord;
use crate::summary::Summary;
use crate::traffic::{Failure, Tally};
use crate::verdict::Verdict;
use crate::world::World;

pub(crate) struct Judge {
    cases: Vec<Case>,
    progress: RuntimeProgress,
    seen: mpsc::UnboundedReceiver<Seen>,
    summary: Summary,
}

/// An observation: number of the world, number of the caller, and what the caller saw.
pub(crate) type Seen = (usize, usize, Observation);

pub(crate) enum Observation {
    Failed(Failure),
    /// `current()` returned no credentials.
    Nothing(SystemTime),
}

impl Observation {
    fn at(&self) -> SystemTime {
        match self {
            Self::Failed(failure) => failure.ended,
            Self::Nothing(at) => *at,
        }
    }
}

/// A world, its callers, and the record of its STS.
struct Case {
    world: Arc<World>,
    callers: Vec<Arc<Caller>>,
    record: StsRecord,
}

impl Judge {
    pub(crate) fn new(
        worlds: Vec<(Arc<World>, Vec<Arc<Caller>>)>,
        plan: Plan,
        progress: RuntimeProgress,
        seen: mpsc::UnboundedReceiver<Seen>,
    ) -> Self {
        let record = || StsRecord::new(plan.session, progress.clone());
        let cases = worlds.into_iter().map(|(world, callers)| Case { world, callers, record: record() }).collect();
        Self { cases, progress, seen, summary: Summary::default() }
    }

    /// Runs until all callers have ended.
    pub(crate) async fn run(mut self) -> Self {
        loop {
            sleep(PAUSE).await;
            let is_last = self.seen.is_closed();
            let now = SystemTime::now();
            let until = if is_last { now } else { now - KEPT };
            self.judge(until);
            if is_last {
                return self;
            }
        }
    }

    fn judge(&mut self, until: SystemTime) {
        let mut seen = Vec::new();
        while let Ok(one) = self.seen.try_recv() {
            seen.push(one);
        }
        // Read the records after the observations: then they contain each answer that a caller may have seen.
        for case in &mut self.cases {
            case.record.read(&case.world, until);
        }
        for (world, caller, observation) in seen {
            let Case { world, callers, record } = &self.cases[world];
            let caller = &callers[caller];
            let verdict = match &observation {
                Observation::Failed(failure) => Some(Verdict::of_failure(failure, caller, world, record)),
                Observation::Nothing(at) => Verdict::of_nothing(*at, caller, record),
            };
            if let Some(verdict) = verdict {
                let seen_at = observation.at();
                let had = record.covering(caller, seen_at, seen_at).next();
                self.summary.judged(caller, verdict, &observation, had);
            }
        }
        for case in &mut self.cases {
            case.record.forget_before(until);
        }
        // Later judgements need the progress before `until` as well.
        self.progress.forget_before(until - KEPT);
    }

    pub(crate) fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.cases.iter().flat_map(|case| &case.callers).map(|caller| &**caller)
    }

    /// `tallies` has an entry for each world, and in it one for each of its callers.
    pub(crate) fn summary(mut self, tallies: &[Vec<Tally>]) -> Summary {
        for (case, tallies) in self.cases.iter().zip(tallies) {
            for (caller, tally) in case.callers.iter().zip(tallies) {
                self.summary.add(caller, tally, case.record.calls(&caller.session_name));
            }
        }
        self.summary
    }
}

const PAUSE: Duration = Duration::from_secs(2);
/// Time that records are kept. No request or exchange takes as long.
const KEPT: Duration = Duration::from_secs(30);
