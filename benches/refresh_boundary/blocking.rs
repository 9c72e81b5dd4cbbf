//! Blocks all workers of a runtime again and again, as CPU-heavy or blocking handlers do.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// All workers are blocked at the same time, then all are free.
#[derive(Clone, Copy)]
pub(crate) struct Blocking {
    pub(crate) blocked: Duration,
    pub(crate) free: Duration,
}

/// Blocks the workers until it is dropped.
pub(crate) struct Blocker {
    started: Instant,
    workers: Arc<Workers>,
    _tasks: JoinSet<()>,
}

struct Workers {
    count: usize,
    /// Blocks that have begun, summed over all workers.
    arrivals: Mutex<usize>,
    arrived: Condvar,
    /// Nanoseconds of blocks that have ended, summed over all workers.
    blocked: AtomicU64,
}

impl Blocker {
    /// Blocks the workers of the current runtime.
    pub(crate) fn start(blocking: Blocking) -> Self {
        let workers = Arc::new(Workers {
            count: Handle::current().metrics().num_workers(),
            arrivals: Mutex::default(),
            arrived: Condvar::new(),
            blocked: AtomicU64::new(0),
        });
        let tasks = (0..workers.count).map(|_| block(blocking, Arc::clone(&workers))).collect();
        Self { started: Instant::now(), workers, _tasks: tasks }
    }

    /// Percentage of the workers' time that they were blocked.
    pub(crate) fn percentage(&self) -> f64 {
        let blocked = Duration::from_nanos(self.workers.blocked.load(Ordering::Relaxed));
        100.0 * blocked.as_secs_f64() / (self.started.elapsed().as_secs_f64() * self.workers.count as f64)
    }
}

/// A worker that sleeps uses no processor, so that STS and the service keep theirs on a small machine.
async fn block(blocking: Blocking, workers: Arc<Workers>) {
    for nth in 1.. {
        let began = Instant::now();
        workers.wait_for_all(nth, blocking.blocked);
        thread::sleep(blocking.blocked);
        workers.blocked.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let ended = Instant::now();
        poll_fn(|context| {
            if ended.elapsed() >= blocking.free {
                return Poll::Ready(());
            }
            // A timer would be late: a worker with many tasks looks at its timers only after 61 of them.
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl Workers {
    /// Blocks this worker until all are in their `nth` block.
    ///
    /// Another worker may first have to steal its block from the queue of this one. A limit prevents a deadlock.
    fn wait_for_all(&self, nth: usize, at_most: Duration) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        *arrivals += 1;
        self.arrived.notify_all();
        let missing = |arrivals: &mut usize| *arrivals < nth * self.count;
        drop(self.arrived.wait_timeout_while(arrivals, at_most, missing));
    }
}
