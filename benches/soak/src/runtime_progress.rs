//! Time as this process has it: on a busy machine a moment lasts longer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

/// When a task like any other had its turns. In as many turns the others got as far.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuntimeProgress(Arc<Mutex<VecDeque<SystemTime>>>);

impl RuntimeProgress {
    pub(crate) async fn record(self) {
        loop {
            sleep(BEAT).await;
            self.beats().push_back(SystemTime::now());
        }
    }

    /// When what began then was done for sure. `None` if it may not be yet.
    pub(crate) fn moment_after(&self, at: SystemTime) -> Option<SystemTime> {
        let beats = self.beats();
        beats.get(beats.partition_point(|beat| *beat <= at) + MOMENT - 1).copied()
    }

    /// When what was done then had begun at the earliest. `None` if nobody knows.
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
/// An answer's way to who reads it, through half a dozen tasks. Of a machine with time to spare it is a fifth of a
/// second.
const MOMENT: usize = 20;
