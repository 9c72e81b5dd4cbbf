//! What each public handle holds, whatever its credentials come from.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SharedTimeSource;

use super::Status;
use crate::refresh::{Clock, Monotonic, Observer, Policy, ShutdownWhen, Source, Supervisor, WeakSupervisor};
use crate::web_identity::TokenClaims;

/// How the engine of a handle is to run.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) policy: Policy,
    pub(crate) time_source: SharedTimeSource,
    pub(crate) shutdown_when: ShutdownWhen,
    /// Where the background work runs, if not on the engine thread.
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

#[derive(Clone)]
pub(super) struct Handle {
    supervisor: Supervisor,
    /// Beside the supervisor: inside it, it would keep itself alive.
    shared: SharedCredentialsProvider,
}

impl Handle {
    pub(super) fn new<S: Source>(source: Arc<S>, engine: Engine, observer: Option<Arc<dyn Observer>>) -> Self {
        let Engine { policy, time_source, shutdown_when, runtime } = engine;
        let monotonic = if runtime.is_some() { Monotonic::Tokio } else { Monotonic::System };
        let clock = Clock::new(monotonic, time_source);
        Self::of(Supervisor::new(source, policy, clock, runtime, shutdown_when, observer))
    }

    /// Another handle of the same engine, of a partition of its own.
    fn of(supervisor: Supervisor) -> Self {
        let shared = SharedCredentialsProvider::new(Reader(supervisor.clone()));
        Self { supervisor, shared }
    }

    pub(super) fn downgrade(&self) -> WeakHandle {
        WeakHandle(self.supervisor.downgrade())
    }

    #[inline]
    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    pub(super) fn credentials_provider(&self) -> SharedCredentialsProvider {
        self.shared.clone()
    }

    #[inline]
    pub(super) fn provide_credentials(&self) -> future::ProvideCredentials<'_> {
        provide(&self.supervisor)
    }

    pub(super) fn status(&self, token: Option<TokenClaims>) -> Status {
        self.supervisor.start();
        let standing = self.supervisor.standing();
        let principal = self.supervisor.principal().unwrap_or_default();
        Status {
            phase: standing.phase,
            generation: standing.generation,
            expiry: standing.expiry,
            next_attempt: standing.next_attempt,
            consecutive_failures: standing.consecutive_failures,
            last_error: standing.last_error,
            assumed_role_arn: principal.assumed_role_arn.clone(),
            account_id: principal.account_id.clone(),
            endpoint: standing.endpoint,
            token,
            usable: self.supervisor.read(|_| true, || false),
        }
    }

    pub(super) fn debug(&self, name: &str, subject: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.supervisor.standing();
        f.debug_struct(name)
            .field(subject, &self.supervisor.subject())
            .field("phase", &standing.phase)
            .field("generation", &standing.generation)
            .field("expiry", &standing.expiry)
            .finish_non_exhaustive()
    }
}

/// Finds a handle again for as long as somebody else holds one.
pub(super) struct WeakHandle(WeakSupervisor);

impl WeakHandle {
    /// None, too, if the engine was shut down.
    pub(super) fn upgrade(&self) -> Option<Handle> {
        self.0.upgrade().filter(|supervisor| !supervisor.is_closed()).map(Handle::of)
    }
}

/// What the shared provider wraps: the handle without the shared provider.
#[derive(Debug)]
struct Reader(Supervisor);

impl ProvideCredentials for Reader {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(&self.0)
    }
}

#[inline]
fn provide(supervisor: &Supervisor) -> future::ProvideCredentials<'_> {
    supervisor.read(|snapshot| future::ProvideCredentials::ready(Ok(snapshot.credentials())), || wait(supervisor))
}

#[cold]
fn wait(supervisor: &Supervisor) -> future::ProvideCredentials<'_> {
    future::ProvideCredentials::new(async { Ok(supervisor.credentials().await?) })
}
