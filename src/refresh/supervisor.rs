//! What a handle holds: it spawns the task, replaces it when it is lost, and ends it with the last handle.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::lease::Lease;
use super::observer::Observer;
use super::policy::Policy;
use super::refresher;
use super::slot::Snapshot;
use super::source::{Principal, Source};
use super::standing::Standing;
use super::state::Shared;
use super::updates::Updates;
use super::waiters::Need;
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

type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Handle {
    shared: Arc<Shared>,
    /// Makes the task's future: the only thing that knows what the source is.
    task: Box<dyn Fn(Lease) -> TaskFuture + Send + Sync>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

impl Supervisor {
    /// Neither spawns nor needs a runtime.
    pub(crate) fn new<S: Source>(
        source: Arc<S>,
        policy: Policy,
        clock: Clock,
        parent: Option<&CancellationToken>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let closed = parent.map_or_else(CancellationToken::new, CancellationToken::child_token);
        let shared = Shared::new(policy, clock, source.subject().to_owned(), closed, observer);
        let task = Box::new(move |lease| Box::pin(refresher::run(lease, Arc::clone(&source))) as TaskFuture);
        Self(Arc::new(Handle { shared: Arc::new(shared), task }))
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
        self.read_until(|snapshot| snapshot.deadline, |snapshot| Some(snapshot.credentials()), || None)
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
        shared.slot.with(|snapshot| {
            if let Some(snapshot) = snapshot {
                let now = shared.clock.now();
                if now < snapshot.calm || self.past_calm(now, end(snapshot)) {
                    return take(snapshot);
                }
            }
            wait()
        })
    }

    /// A read that has more to think of: perhaps the task is gone, perhaps the credentials are.
    #[cold]
    #[inline(never)]
    fn past_calm(&self, now: Instant, end: Instant) -> bool {
        self.ensure_task();
        now < end
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
        self.ensure_task();
    }

    /// Whether the access key is one of ours.
    pub(crate) fn issued(&self, access_key_id: &str) -> bool {
        self.0.shared.issued(access_key_id)
    }

    pub(crate) fn standing(&self) -> Standing {
        self.0.shared.standing()
    }

    pub(crate) fn principal(&self) -> Option<Arc<Principal>> {
        self.0.shared.slot.load().map(|snapshot| Arc::clone(&snapshot.principal))
    }

    pub(crate) fn subject(&self) -> &str {
        &self.0.shared.subject
    }

    pub(crate) fn updates(&self) -> Updates {
        let shared = self.shared();
        Updates::new(shared.generations.subscribe(), shared.closed.clone(), shared.lock().generation)
    }

    /// Ends the task and waits until it is gone, or for as long as a runtime may take that is not driven.
    pub(crate) async fn shutdown(&self) {
        let shared = self.shared();
        let mut news = shared.news.subscribe();
        shared.closed.cancel();
        let gone = async {
            while shared.task_alive() {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        if shared.task_alive() && tokio::runtime::Handle::try_current().is_ok() {
            // Past it the task ends as soon as its runtime runs again.
            drop(timeout(LONGEST_SHUTDOWN, gone).await);
        }
    }

    /// Spawns the task where there is none that moves, if there is a runtime to spawn it on.
    pub(super) fn ensure_task(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if let Some(lease) = self.0.shared.lease_if_needed() {
            drop(runtime.spawn((self.0.task)(lease)));
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.standing();
        f.debug_struct("Supervisor")
            .field("subject", &self.subject())
            .field("phase", &standing.phase)
            .field("generation", &standing.generation)
            .field("expiry", &standing.expiry)
            .finish_non_exhaustive()
    }
}

const LONGEST_SHUTDOWN: Duration = Duration::from_secs(5);
