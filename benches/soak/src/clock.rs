//! A clock that somebody sets, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;

#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// In seconds.
    offset: Arc<AtomicI64>,
}

impl Clock {
    /// Ahead or back, by seconds, minutes or hours; or right.
    pub(crate) fn jump(&self) {
        let offsets = [0, 7, -7, 90, -90, 3600, -3600, 86_400, -86_400];
        self.offset.store(offsets[fastrand::usize(..offsets.len())], Ordering::Relaxed);
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let offset = self.offset.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}
