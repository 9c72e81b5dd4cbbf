//! The handle that all providers have in common: each method a few lines over the engine.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SharedTimeSource;

use crate::error::{BuildError, Error};
use crate::refresh::{Clock, Monotonic, Observer, Phase, Policy, ShutdownWhen, Source, Supervisor, Updates};
use crate::sts::{Endpoints, StsConfig};
use crate::web_identity::{TokenClaims, WebIdentity};

/// Credentials that are always ready, whatever they come from.
///
/// The handle of every provider of this crate:
///
/// | credentials of | made by |
/// |---|---|
/// | the role of a service-account token | [`WebIdentityCredentialsProvider`](crate::WebIdentityCredentialsProvider), which is one of these with more, and turns into one by [`From`] |
/// | a role assumed with another provider's credentials | [`assume_role`](Self::assume_role) |
/// | any provider of the SDK (an instance's, SSO's, a process's), or one of your own | [`builder`](Self::builder) |
///
/// A program that does not care where its credentials come from stores this type. It is a cheap handle: clones share one
/// slot, one background task and one exchange at a time. The task runs on the engine thread, from the first use to the last
/// handle; a provider that must run elsewhere gets [`runtime`](crate::BackgroundBuilder::runtime). The config that
/// [`install`](Self::install) returns, and each client made from it, counts as a handle.
///
/// ```no_run
/// # async fn example() -> Result<(), aws_web_identity::Error> {
/// use aws_config::BehaviorVersion;
/// use aws_web_identity::{BackgroundCredentialsProvider, WebIdentityCredentialsProvider};
///
/// let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
/// // A pod's role by its token; elsewhere what the SDK finds, kept fresh in the same way.
/// let identity: BackgroundCredentialsProvider =
///     match WebIdentityCredentialsProvider::builder().configure(&base).connect().await {
///         Err(error) if error.is_not_configured() => {
///             let theirs = base.credentials_provider().expect("a default chain");
///             BackgroundCredentialsProvider::builder(theirs).configure(&base).connect().await?
///         }
///         identity => identity?.into(),
///     };
/// let sts = aws_sdk_sts::Client::new(&identity.install(base));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BackgroundCredentialsProvider {
    supervisor: Supervisor,
    inner: Arc<Inner>,
}

struct Inner {
    /// Beside the supervisor: inside it, it would keep itself alive.
    shared: SharedCredentialsProvider,
    engine: Engine,
    web_identity: Option<Arc<WebIdentity>>,
    chaining: Result<Chaining, BuildError>,
}

impl BackgroundCredentialsProvider {
    /// The credentials, if there are valid ones. Never waits, makes no call and no allocation.
    ///
    /// With nothing valid it starts the first attempt, and returns `None`, whatever the [`ExpiredPolicy`](crate::ExpiredPolicy).
    #[inline]
    pub fn current(&self) -> Option<Credentials> {
        self.supervisor.current()
    }

    /// Refreshes the credentials now: joins the exchange under way or starts one, at least 1 s after the last.
    ///
    /// Nobody needs to call this for the credentials to stay fresh. While exchanges fail, this starts at most one every
    /// 10 s, later every 60 s.
    ///
    /// # Errors
    /// That of the exchange. While STS throttles no exchange is started before its time: kind
    /// [`Throttled`](crate::ErrorKind::Throttled) at once if that is further away than the
    /// [`wait_timeout`](crate::Builder::wait_timeout). What is valid stays in use in each case.
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting, not the exchange.
    pub async fn refresh(&self) -> Result<Credentials, Error> {
        self.supervisor.refresh().await
    }

    /// Credentials that stay valid for at least this long: a presigned URL dies with the credentials that signed it.
    ///
    /// Returns the current credentials if they last long enough. Otherwise waits for one exchange (at most one every
    /// 10 s). Other callers read the current credentials meanwhile.
    ///
    /// # Errors
    /// [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration) if more than 0.9 of a session's length is asked for,
    /// which no refresh can give. Else the exchange's.
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting, not the exchange.
    pub async fn valid_for(&self, at_least: Duration) -> Result<Credentials, Error> {
        self.supervisor.valid_for(at_least).await
    }

    /// Says that a service rejected these credentials before their expiry, so that they are refreshed.
    ///
    /// Acts on the current access key only: within 5 s for the first time, then at growing distances (30 s up to 15 min).
    /// So a key that one region never accepts causes no storm of calls. The old credentials stay readable until others
    /// replace them. Returns at once. For signers of your own; SDK clients have the [`interceptor`](Self::interceptor).
    pub fn invalidate(&self, rejected: &Credentials) {
        self.supervisor.rejected(rejected.access_key_id(), Duration::ZERO);
    }

    /// Waits, without limit, until there are usable credentials: for a readiness probe or the start of a service.
    ///
    /// # Errors
    /// When waiting is of no use: somebody must mend what is wrong (see [`ErrorKind`](crate::ErrorKind)), the provider was
    /// shut down, or the engine thread cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting, nothing else.
    pub async fn ready(&self) -> Result<(), Error> {
        self.supervisor.ready().await
    }

    /// The provider's state. Cheap enough for each probe of a health endpoint. Starts the attempts if none has begun.
    ///
    /// ```no_run
    /// # fn example(identity: aws_web_identity::WebIdentityCredentialsProvider) -> bool {
    /// let status = identity.status();
    /// if let Some(error) = &status.last_error {
    ///     println!("valid until {:?}, next attempt at {:?}: {error}", status.expiry, status.next_attempt);
    /// }
    /// status.is_usable()
    /// # }
    /// ```
    pub fn status(&self) -> Status {
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
            token: self.inner.web_identity.as_ref().and_then(|source| source.claims()),
            usable: self.supervisor.read(|_| true, || false),
        }
    }

    /// A listener for each new generation of credentials: for what must be built anew with them.
    ///
    /// Starts the attempts if none has begun. If the engine thread cannot be started, the listener waits until another use
    /// of the provider starts it.
    #[must_use]
    pub fn updates(&self) -> Updates {
        self.supervisor.updates()
    }

    /// This provider for the config of one service, with its `set_credentials_provider(Some(..))`.
    ///
    /// Always of the same partition, by which [`identity_cache`](Self::identity_cache) knows it. A service builder's plain
    /// `credentials_provider(..)` wraps it anew, in another partition: it works, by way of the cache that was there before.
    #[must_use]
    pub fn credentials_provider(&self) -> SharedCredentialsProvider {
        self.inner.shared.clone()
    }

    /// Ends the background task, and returns when it is gone. This takes a moment, since an exchange under way is dropped.
    /// With [`runtime`](crate::Builder::runtime) it takes until that runtime next runs.
    ///
    /// May be called again and by many; each waits. Credentials that are still valid stay readable, so that a draining
    /// server can go on signing; they are not refreshed any more.
    ///
    /// # Cancel safety
    /// Dropping the future ends the waiting; the provider stays shut down.
    pub async fn shutdown(&self) {
        self.supervisor.shutdown().await;
    }

    /// Waits until a caller could get credentials: at once, or within `wait_timeout`.
    pub(crate) async fn connected(&self) -> Result<(), Error> {
        self.supervisor.credentials().await.map(drop)
    }

    /// A handle of this engine, of a partition of its own.
    pub(crate) fn of(
        supervisor: Supervisor,
        engine: Engine,
        web_identity: Option<Arc<WebIdentity>>,
        chaining: Result<Chaining, BuildError>,
    ) -> Self {
        let shared = SharedCredentialsProvider::new(Reader(supervisor.clone()));
        Self { supervisor, inner: Arc::new(Inner { shared, engine, web_identity, chaining }) }
    }

    #[inline]
    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// For a role that is assumed with these credentials; or the reason why STS cannot be asked.
    pub(crate) fn chaining(&self) -> Result<&Chaining, &BuildError> {
        self.inner.chaining.as_ref()
    }

    /// For `Debug` of a handle by another name.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.supervisor.standing();
        f.debug_struct(name)
            .field("of", &self.supervisor.subject())
            .field("phase", &standing.phase)
            .field("generation", &standing.generation)
            .field("expiry", &standing.expiry)
            .finish_non_exhaustive()
    }
}

impl ProvideCredentials for BackgroundCredentialsProvider {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provide(&self.supervisor)
    }
}

impl fmt::Debug for BackgroundCredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("BackgroundCredentialsProvider", f)
    }
}

/// How the engine of a handle is to run.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) policy: Policy,
    pub(crate) time_source: SharedTimeSource,
    /// Where the background work runs, if not on the engine thread.
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

impl Engine {
    /// Starts nothing.
    pub(crate) fn supervise<S: Source>(
        &self,
        source: Arc<S>,
        shutdown_when: ShutdownWhen,
        observer: Option<Arc<dyn Observer>>,
    ) -> Supervisor {
        let Self { policy, time_source, runtime } = self.clone();
        let monotonic = if runtime.is_some() { Monotonic::Tokio } else { Monotonic::System };
        Supervisor::new(source, policy, Clock::new(monotonic, time_source), runtime, shutdown_when, observer)
    }
}

/// What a role that is assumed with a provider's credentials takes over from it.
pub(crate) struct Chaining {
    pub(crate) session_name: String,
    pub(crate) sts: StsConfig,
    /// Made with the first such role, if there is none before.
    endpoints: OnceLock<Endpoints>,
}

impl Chaining {
    /// `endpoints`: those of `sts`, if there are any yet. Their connections are shared.
    pub(crate) fn new(session_name: String, sts: StsConfig, endpoints: Option<&Endpoints>) -> Self {
        let endpoints = endpoints.map_or_else(OnceLock::new, |endpoints| endpoints.another().into());
        Self { session_name, sts, endpoints }
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        self.endpoints.get_or_init(|| Endpoints::new(&self.sts)).another()
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

/// How a provider stands at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// In one word.
    pub phase: Phase,
    /// Counts the credentials that came; 0 before the first.
    pub generation: u64,
    /// When the last credentials end, on the local clock.
    pub expiry: Option<SystemTime>,
    /// When the next attempt is due, on the local clock. `None` once the provider is closed, or if its task could not be
    /// started.
    pub next_attempt: Option<SystemTime>,
    /// Exchanges that failed since the last success.
    pub consecutive_failures: u32,
    /// The last failure since the last success.
    pub last_error: Option<Error>,
    /// Who we are: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub assumed_role_arn: Option<String>,
    /// The account of the assumed role, where its ARN names one.
    pub account_id: Option<String>,
    /// The STS endpoint that answered last, be it with credentials or with an error. `None` before the first answer, and for
    /// a wrapped provider.
    pub endpoint: Option<String>,
    /// The claims of the newest token that was read, not verified. `None` before the first read, if it is not a JWT, and if
    /// no token is behind these credentials.
    pub token: Option<TokenClaims>,
    usable: bool,
}

impl Status {
    /// Whether a caller gets credentials now, without waiting.
    ///
    /// Also true after a shutdown while the last credentials are valid, and for expired credentials that
    /// [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy::UntilRejected) hands out.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }
}
