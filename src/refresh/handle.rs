//! The handle of a provider's engine: it reads the snapshot, and starts the task at the first use.
//!
//! **F. The last handle ends the task.** All handles share one [`Inner`], whose drop closes the provider, and the task holds
//! none. If the task held a handle, a dropped provider would refresh for ever.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::runtime::Handle as Runtime;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::callers::Call;
use super::clock::Clock;
use super::engine_thread::{self, TaskFuture};
use super::policy::Policy;
use super::shutdown::ShutdownWhen;
use super::snapshot::Snapshot;
use super::source::Source;
use super::state::SharedState;
use super::status::{EngineStatus, Updates};
use super::task::Task;
use super::telemetry::{self, Observer};
use crate::error::Error;

/// A cheap handle. The drop of the last clone ends the task.
#[derive(Clone)]
pub(crate) struct EngineHandle(Arc<Inner>);

/// A reference that does not count as a handle.
#[derive(Clone)]
pub(crate) struct WeakEngineHandle(Weak<Inner>);

impl WeakEngineHandle {
    /// A handle, unless the last one is gone.
    pub(crate) fn upgrade(&self) -> Option<EngineHandle> {
        self.0.upgrade().map(EngineHandle)
    }
}

struct Inner {
    shared: Arc<SharedState>,
    /// Makes the task's future.
    run: Box<dyn Fn(Task) -> TaskFuture + Send + Sync>,
    /// Calls [`Source::obstacle`].
    obstacle: Box<dyn Fn() -> Option<Error> + Send + Sync>,
    /// The runtime that the task runs on. `None`: the engine thread.
    runtime: Option<Runtime>,
    /// The subscriber that was current when the provider was built. It gets the task's events, too.
    subscriber: Option<Dispatch>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

impl EngineHandle {
    /// Starts nothing and needs no runtime.
    pub(crate) fn new<S: Source>(
        source: Arc<S>,
        policy: Policy,
        clock: Clock,
        runtime: Option<Runtime>,
        shutdown_when: ShutdownWhen,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let shared = Arc::new(SharedState::new(policy, clock, source.subject().to_owned(), observer));
        let subscriber =
            tracing::dispatcher::get_default(|current| (!current.is::<NoSubscriber>()).then(|| current.clone()));
        let asked = Arc::clone(&source);
        Self(Arc::new(Inner {
            shared,
            run: Box::new(move |task| Box::pin(task.run(Arc::clone(&source), shutdown_when.clone()))),
            obstacle: Box::new(move || asked.obstacle()),
            runtime,
            subscriber,
        }))
    }

    pub(crate) fn downgrade(&self) -> WeakEngineHandle {
        WeakEngineHandle(Arc::downgrade(&self.0))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.shared.closed.is_cancelled()
    }

    /// Valid credentials, if there are any.
    #[inline]
    pub(crate) fn current(&self) -> Option<Credentials> {
        let shared = self.shared();
        match &*shared.published.load() {
            Some(snapshot) if shared.clock.now() < snapshot.times().deadline => Some(snapshot.credentials()),
            _ => {
                self.start();
                None
            }
        }
    }

    /// Calls `take` with the snapshot if a request may use it now. Otherwise calls `wait`.
    ///
    /// Two closures are cheaper than an `Option`: the outcome is made in its place and not copied again.
    #[inline]
    pub(crate) fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T, wait: impl FnOnce() -> T) -> T {
        let shared = self.shared();
        match &*shared.published.load() {
            Some(snapshot) if shared.clock.now() < snapshot.times().readable_until => take(snapshot),
            _ => wait(),
        }
    }

    /// Waits for credentials that are valid, or that the policy still hands out, for `wait_timeout` at most.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Error> {
        self.wait_for(Call::Credentials, Snapshot::credentials).await
    }

    /// As [`credentials`](Self::credentials), ready for the SDK.
    pub(crate) async fn identity(&self) -> Result<Identity, Error> {
        self.wait_for(Call::Credentials, Snapshot::identity).await
    }

    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.wait_for(Call::Ready, |_| ()).await
    }

    pub(crate) async fn refresh(&self) -> Result<Credentials, Error> {
        self.wait_for(Call::Refresh, Snapshot::credentials).await
    }

    pub(crate) async fn valid_for(&self, at_least: Duration) -> Result<Credentials, Error> {
        self.wait_for(Call::ValidFor(at_least), Snapshot::credentials).await
    }

    /// A service rejected this access key. Nothing happens unless it is the present one and at least `least_age` old.
    pub(crate) fn rejected(&self, access_key_id: &str, least_age: Duration) {
        let shared = self.shared();
        let now = shared.clock.now();
        if let Some((generation, is_news)) = shared.locked(|state| state.rejected(access_key_id, least_age, now)) {
            telemetry::rejected(&shared.subject, generation);
            shared.observe(|observer| observer.rejected());
            if is_news {
                shared.wake.send_replace(());
            }
        }
        self.start();
    }

    /// True if this provider gave out the access key.
    pub(crate) fn issued(&self, access_key_id: &str) -> bool {
        self.shared().locked(|state| state.issued(access_key_id))
    }

    pub(crate) fn status(&self) -> EngineStatus {
        let shared = self.shared();
        let reading = shared.clock.read();
        shared.locked(|state| state.status(&reading))
    }

    /// The role or provider that the credentials belong to.
    pub(crate) fn subject(&self) -> &str {
        &self.0.shared.subject
    }

    pub(crate) fn updates(&self) -> Updates {
        self.start();
        let shared = self.shared();
        let news = shared.news.subscribe();
        Updates::new(news, shared.closed.clone(), shared.locked(|state| state.generation()))
    }

    /// The reason why the exchange under way was not sent yet.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        (self.0.obstacle)()
    }

    /// Starts the task if there is none. If that fails, the status has the error.
    #[cold]
    pub(crate) fn start(&self) {
        drop(self.ensure_task());
    }

    /// Starts the task if there is none in this process.
    pub(super) fn ensure_task(&self) -> Result<(), Error> {
        let Inner { shared, run, runtime, subscriber, .. } = &*self.0;
        if !shared.claim_task() {
            return Ok(());
        }
        let task = || {
            let task = run(Task::new(Arc::clone(shared)));
            match subscriber {
                Some(subscriber) => Box::pin(task.with_subscriber(subscriber.clone())),
                None => task,
            }
        };
        match runtime {
            Some(runtime) => drop(runtime.spawn(task())),
            None => engine_thread::spawn(&shared.subject, task).inspect_err(|error| shared.task_not_started(error))?,
        }
        Ok(())
    }

    #[inline]
    pub(super) fn shared(&self) -> &SharedState {
        &self.0.shared
    }
}

impl fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineHandle").field("subject", &self.subject()).finish_non_exhaustive()
    }
}
