//! What a handle holds: it starts the task at the first use, and ends it with the last handle.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::clock::Clock;
use super::demand::Need;
use super::engine_thread::{Seat, TaskFuture};
use super::observer::Observer;
use super::policy::Policy;
use super::refresher;
use super::shutdown_when::ShutdownWhen;
use super::slot::Snapshot;
use super::source::{Principal, Source};
use super::standing::Standing;
use super::state::Shared;
use super::task::Task;
use super::updates::Updates;
use crate::error::Error;

/// A cheap handle; the last one ends the task.
#[derive(Clone)]
pub(crate) struct Supervisor(Arc<Handle>);

/// Keeps nothing alive.
#[derive(Clone)]
pub(crate) struct WeakSupervisor(Weak<Handle>);

impl WeakSupervisor {
    /// A handle, unless the last one is gone.
    pub(crate) fn upgrade(&self) -> Option<Supervisor> {
        self.0.upgrade().map(Supervisor)
    }
}

struct Handle {
    shared: Arc<Shared>,
    /// Makes the task's future.
    run: Box<dyn Fn(Task) -> TaskFuture + Send + Sync>,
    obstacle: Box<dyn Fn() -> Option<Error> + Send + Sync>,
    /// Where the task runs. `None`: on the engine thread.
    runtime: Option<Runtime>,
    /// The subscriber of whoever built the provider, if there was one: the task's events go there, too.
    subscriber: Option<Dispatch>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

impl Supervisor {
    /// Starts nothing and needs no runtime.
    pub(crate) fn new<S: Source>(
        source: Arc<S>,
        policy: Policy,
        clock: Clock,
        runtime: Option<Runtime>,
        shutdown_when: ShutdownWhen,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let shared = Arc::new(Shared::new(policy, clock, source.subject().to_owned(), observer));
        let subscriber =
            tracing::dispatcher::get_default(|current| (!current.is::<NoSubscriber>()).then(|| current.clone()));
        let asked = Arc::clone(&source);
        Self(Arc::new(Handle {
            shared,
            run: Box::new(move |task| Box::pin(refresher::run(task, Arc::clone(&source), shutdown_when.clone()))),
            obstacle: Box::new(move || asked.obstacle()),
            runtime,
            subscriber,
        }))
    }

    pub(crate) fn downgrade(&self) -> WeakSupervisor {
        WeakSupervisor(Arc::downgrade(&self.0))
    }

    /// Whether it was shut down.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.shared.closed.is_cancelled()
    }

    /// Valid credentials, if there are any.
    #[inline]
    pub(crate) fn current(&self) -> Option<Credentials> {
        self.read_until(
            |snapshot| snapshot.deadline,
            |snapshot| Some(snapshot.credentials()),
            || {
                self.start();
                None
            },
        )
    }

    /// What `take` makes of the snapshot that a request is to be signed with, if that can be said at once; else what
    /// `wait` gives.
    ///
    /// Two closures rather than an `Option` to be matched: the outcome is made in its place and not copied again.
    #[inline]
    pub(crate) fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T, wait: impl FnOnce() -> T) -> T {
        self.read_until(|snapshot| snapshot.readable_until, take, wait)
    }

    #[inline]
    fn read_until<T>(
        &self,
        end: impl FnOnce(&Snapshot) -> Instant,
        take: impl FnOnce(&Snapshot) -> T,
        wait: impl FnOnce() -> T,
    ) -> T {
        let shared = &*self.0.shared;
        match &*shared.slot.load() {
            Some(snapshot) if shared.clock.now() < end(snapshot) => take(snapshot),
            _ => wait(),
        }
    }

    /// Waits for usable credentials as long as a caller waits.
    pub(crate) async fn credentials(&self) -> Result<Credentials, Error> {
        self.wait_for(Need::Usable, |snapshot| snapshot.credentials()).await
    }

    /// As [`credentials`](Self::credentials), ready for the SDK.
    pub(crate) async fn identity(&self) -> Result<Identity, Error> {
        self.wait_for(Need::Usable, |snapshot| snapshot.identity()).await
    }

    pub(crate) async fn ready(&self) -> Result<(), Error> {
        self.wait_for(Need::Ready, |_| ()).await
    }

    pub(crate) async fn refresh(&self) -> Result<Credentials, Error> {
        self.wait_for(Need::Newer, |snapshot| snapshot.credentials()).await
    }

    pub(crate) async fn valid_for(&self, at_least: Duration) -> Result<Credentials, Error> {
        self.wait_for(Need::Lasting(at_least), |snapshot| snapshot.credentials()).await
    }

    /// A service refused this key. Of no consequence unless it is the present one, and has been for at least so long.
    pub(crate) fn rejected(&self, access_key_id: &str, least_age: Duration) {
        self.0.shared.rejected(access_key_id, least_age);
        self.start();
    }

    /// Whether the access key is one of ours.
    pub(crate) fn issued(&self, access_key_id: &str) -> bool {
        self.0.shared.issued(access_key_id)
    }

    pub(crate) fn standing(&self) -> Standing {
        let reading = self.0.shared.clock.read();
        self.0.shared.standing_of(&self.0.shared.lock(), &reading)
    }

    pub(crate) fn principal(&self) -> Option<Arc<Principal>> {
        self.0.shared.slot.load_full().map(|snapshot| Arc::clone(&snapshot.principal))
    }

    pub(crate) fn subject(&self) -> &str {
        &self.0.shared.subject
    }

    pub(crate) fn updates(&self) -> Updates {
        self.start();
        let shared = self.shared();
        let news = shared.news.subscribe();
        Updates { news, closed: shared.closed.clone(), last: shared.lock().generation }
    }

    /// Ends the task and waits until it is gone.
    pub(crate) async fn shutdown(&self) {
        let shared = self.shared();
        let mut news = shared.news.subscribe();
        shared.closed.cancel();
        while shared.task_runs() && news.changed().await.is_ok() {}
    }

    /// What the attempt under way waits for.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        (self.0.obstacle)()
    }

    /// Starts the task if there is none. Should that fail, the state tells.
    #[cold]
    pub(crate) fn start(&self) {
        drop(self.ensure_task());
    }

    /// Starts the task if there is none in this process.
    pub(super) fn ensure_task(&self) -> Result<(), Error> {
        let Handle { shared, run, runtime, subscriber, .. } = &*self.0;
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
            None => Seat::take().inspect_err(|error| shared.task_not_started(error))?.run(task()),
        }
        Ok(())
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("subject", &self.subject()).finish_non_exhaustive()
    }
}
