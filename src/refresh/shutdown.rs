//! The end of a provider: `shutdown`, the user's future that causes it, and the error of whoever comes after it.

use std::future::{Future, pending};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::engine_thread::TaskFuture;
use super::handle::EngineHandle;
use super::panics::{caught, ignored, text_of};
use super::state::SharedState;
use crate::error::{Error, ErrorKind};

impl EngineHandle {
    /// Closes the provider and waits until its task is gone.
    pub(crate) async fn shutdown(&self) {
        let shared = self.shared();
        let mut news = shared.news.subscribe();
        shared.closed.cancel();
        while shared.task_runs() && news.changed().await.is_ok() {}
    }
}

impl SharedState {
    /// The error of a caller who comes after the end.
    pub(super) fn closed_error(&self) -> Error {
        let subject = &self.subject;
        let (message, remedy) = if self.lost.load(Ordering::Acquire) {
            let remedy = "the runtime given to `runtime` must live as long as the provider, with timers and I/O (`enable_all`); \
                          or leave `runtime` unset";
            (format!("the runtime that fetched the credentials of {subject} has ended"), remedy)
        } else {
            (format!("the credentials provider of {subject} was shut down"), "build a new provider")
        };
        Error::new(ErrorKind::Closed, message).with_remedy(remedy)
    }
}

/// The user's future that shuts a provider down. Default: none.
///
/// Clones share the future, and the provider's task takes it. So the future runs once, and not in a forked child.
#[derive(Clone, Default)]
pub(crate) struct ShutdownWhen(Arc<Mutex<Option<TaskFuture>>>);

impl ShutdownWhen {
    pub(crate) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::pin(future)))))
    }

    /// Ends when the future resolves. Without a future, or after its panic, this never ends.
    pub(super) async fn resolved(&self) {
        let future = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(future) = future {
            let Err(panic) = caught(async || future.await).await else { return };
            ignored(|| {
                tracing::error!(
                    panic = text_of(&*panic),
                    "the future of shutdown_when panicked; the provider stays open"
                );
            });
        }
        pending().await
    }
}
