//! The user's future that shuts a provider down.

use std::fmt;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use super::engine_thread::TaskFuture;
use super::refresher::{caught, text_of};

/// The user's future that shuts a provider down. Default: none.
///
/// Clones share the future, and the provider's task takes it. So it runs once, and a forked child has none.
#[derive(Clone, Default)]
pub(crate) struct ShutdownWhen(Arc<Mutex<Option<TaskFuture>>>);

impl ShutdownWhen {
    pub(crate) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::pin(future)))))
    }

    /// Ends when the future resolves. Without a future, or after its panic, never.
    pub(super) async fn resolved(&self) {
        let future = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(future) = future {
            let Err(panic) = caught(async || future.await).await else { return };
            // The subscriber may panic, too.
            drop(catch_unwind(AssertUnwindSafe(|| {
                tracing::error!(panic = text_of(&*panic), "the future of shutdown_when panicked; the provider goes on");
            })));
        }
        pending().await
    }
}

impl fmt::Debug for ShutdownWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShutdownWhen(..)")
    }
}
