//! Time measured in turns of the runtime. On a busy machine a turn lasts longer, and everything else does, too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

/// The times at which a task of the runtime had its turns. Other tasks had as many turns in the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuntimeProgress(Arc<Mutex<VecDeque<SystemTime>>>);

impl RuntimeProgress {
    pub(crate) async fn record(self) {
        loop {
            sleep(BEAT).await;
            self.beats().push_back(SystemTime::now());
        }
    }

    /// The time by which work that began at `at` was done for sure. `None` if it may still go on.
    pub(crate) fn moment_after(&self, at: SystemTime) -> Option<SystemTime> {
        let beats = self.beats();
        beats.get(beats.partition_point(|beat| *beat <= at) + MOMENT - 1).copied()
    }

    /// The earliest time at which work that was done at `at` can have begun. `None` if that is unknown.
    pub(crate) fn moment_before(&self, at: SystemTime) -> Option<SystemTime> {
        let beats = self.beats();
        beats.get(beats.partition_point(|beat| *beat < at).checked_sub(MOMENT)?).copied()
    }

    pub(crate) fn forget_before(&self, at: SystemTime) {
        let mut beats = self.beats();
        while beats.pop_front_if(|beat| *beat < at).is_some() {}
    }

    fn beats(&self) -> MutexGuard<'_, VecDeque<SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const BEAT: Duration = Duration::from_millis(10);
/// Turns that an answer needs to its reader at most, through half a dozen tasks. On an idle machine they take 0.2 s.
const MOMENT: usize = 20;
