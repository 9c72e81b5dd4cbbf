//! Threads for calls that block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::task::{JoinHandle, spawn_blocking};

/// Runs the work on a blocking thread of the current runtime. `None` if no thread can be started.
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
    if THREAD_FAILED.load(Ordering::Relaxed) && !thread_can_start() {
        return None;
    }
    // Tokio panics if its first blocking thread cannot be started.
    let started = catch_unwind(AssertUnwindSafe(|| spawn_blocking(work)));
    THREAD_FAILED.store(started.is_err(), Ordering::Relaxed);
    started.ok()
}

pub(crate) fn thread_can_start() -> bool {
    thread::Builder::new().spawn(|| {}).is_ok()
}

/// Tokio could not start a thread, and panicked. Each panic is printed, so Tokio is not asked again until a thread can
/// start.
static THREAD_FAILED: AtomicBool = AtomicBool::new(false);
