//! Blocks all workers of a runtime again and again, as CPU-heavy or blocking handlers do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// All workers are blocked at the same time, then all are free.
#[derive(Clone, Copy)]
pub(crate) struct Blocking {
    pub(crate) blocked: Duration,
    pub(crate) free: Duration,
}

/// Blocks the workers until it is dropped.
pub(crate) struct Blocker {
    started: Instant,
    workers: usize,
    /// Nanoseconds that the workers slept, summed over all of them.
    slept: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Blocker {
    /// Blocks the workers of the current runtime.
    pub(crate) fn start(blocking: Blocking) -> Self {
        let started = Instant::now();
        let workers = Handle::current().metrics().num_workers();
        let slept = Arc::default();
        let tasks = (0..workers).map(|_| block(blocking, started, Arc::clone(&slept))).collect();
        Self { started, workers, slept, _tasks: tasks }
    }

    /// Percentage of the workers' time that they were blocked.
    pub(crate) fn percentage(&self) -> f64 {
        let slept = Duration::from_nanos(self.slept.load(Ordering::Relaxed));
        100.0 * slept.as_secs_f64() / (self.started.elapsed().as_secs_f64() * self.workers as f64)
    }
}

/// A worker that sleeps uses no processor, so that STS and the service keep theirs on a small machine.
///
/// Each block has a set end. Workers that begin late are therefore free together with the others.
async fn block(blocking: Blocking, started: Instant, slept: Arc<AtomicU64>) {
    let mut begin = started;
    loop {
        sleep_until(begin.into()).await;
        let began = Instant::now();
        thread::sleep((begin + blocking.blocked).saturating_duration_since(began));
        slept.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        begin += blocking.blocked + blocking.free;
    }
}
