//! The clocks of one machine and of STS. They follow Tokio's paused time, and differ as the history wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use tokio::time::Instant;

use crate::refresh::{Clock, Monotonic};

#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    origin: Instant,
    /// Somebody set the wall clock by this many seconds.
    set_by: Arc<AtomicI64>,
    /// Seconds of suspends. Tokio's clock stood still in them.
    suspended: Arc<AtomicU64>,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), set_by: Arc::default(), suspended: Arc::default() }
    }

    pub(crate) fn for_engine(&self) -> Clock {
        let boot = self.clone();
        Clock::with_boot_clock(Monotonic::Tokio, SharedTimeSource::new(self.clone()), move || Some(boot.true_time()))
    }

    /// Time since the start of the history, suspends included.
    pub(crate) fn true_time(&self) -> Duration {
        self.origin.elapsed() + Duration::from_secs(self.suspended.load(Ordering::Relaxed))
    }

    /// This time on the clock of STS, which nobody sets.
    pub(crate) fn server(time: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + EPOCH + time
    }

    pub(crate) fn set_wall_by(&self, seconds: i64) {
        self.set_by.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn suspend(&self, seconds: u64) {
        self.suspended.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl TimeSource for Clocks {
    fn now(&self) -> SystemTime {
        let by = self.set_by.load(Ordering::Relaxed);
        let set_by = Duration::from_secs(by.unsigned_abs());
        let time = Self::server(self.true_time());
        if by < 0 { time - set_by } else { time + set_by }
    }
}

const EPOCH: Duration = Duration::from_secs(1_800_000_000);
