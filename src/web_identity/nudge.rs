//! "Look now", from threads to a task.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Counted, so that none is lost whoever is dropped meanwhile, and any number of them amounts to one look.
#[derive(Debug, Default)]
pub(super) struct Nudge {
    count: AtomicU64,
    wake: Notify,
}

impl Nudge {
    pub(super) fn give(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// To whoever waits: see for yourself whether you still must.
    pub(super) fn wake(&self) {
        self.wake.notify_waiters();
    }

    /// Hears from the moment of its making: make it first, then see whether there is anything to wait for.
    pub(super) fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }
}
