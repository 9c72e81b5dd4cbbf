//! The provider: the handle that users hold. Each method is a few lines over the engine.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SharedTimeSource;

use crate::error::{BuildError, Error};
use crate::refresh::{Clock, EngineHandle, Monotonic, Observer, Phase, Policy, ShutdownWhen, Source, Updates};
use crate::sts::{Endpoints, StsConfig};
use crate::web_identity::{TokenClaims, WebIdentity};

/// Credentials that are refreshed in the background, whatever they come from.
///
/// | credentials | made by |
/// |---|---|
/// | the role of a service-account token | [`WebIdentityCredentialsProvider`](crate::WebIdentityCredentialsProvider), which dereferences to this type and converts into it by [`From`] |
/// | a role assumed with another provider's credentials | [`assume_role`](Self::assume_role) |
/// | any provider of the SDK (an instance's, SSO's, a process's), or one of your own | [`builder`](Self::builder) |
///
/// Store this type in a program that accepts credentials from anywhere. It is a cheap handle: clones share one snapshot
/// of the credentials, one background task and one exchange at a time. The task runs on the engine thread, from the
/// first use until the last handle is gone. A provider that must run elsewhere has a
/// [`runtime`](crate::BackgroundBuilder::runtime). The config that [`install`](Self::install) returns, and each client
/// made from that config, counts as a handle.
///
/// ```no_run
/// # async fn example() -> Result<(), aws_web_identity::Error> {
/// use aws_config::BehaviorVersion;
/// use aws_web_identity::{BackgroundCredentialsProvider, WebIdentityCredentialsProvider};
///
/// let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
/// // In a pod the role of its token. Elsewhere the credentials that the SDK finds, kept fresh in the same way.
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
    handle: EngineHandle,
    inner: Arc<Inner>,
}

struct Inner {
    /// Holds the handle. The handle must not hold it: the two would keep each other alive.
    shared: SharedCredentialsProvider,
    engine: EngineConfig,
    web_identity: Option<Arc<WebIdentity>>,
    chain_base: Result<ChainBase, BuildError>,
}

impl BackgroundCredentialsProvider {
    /// Returns the credentials if they are valid. Never waits, makes no call and no allocation.
    ///
    /// Without valid credentials this method starts the first attempt and returns `None`, whatever the
    /// [`ExpiredPolicy`](crate::ExpiredPolicy).
    #[inline]
    pub fn current(&self) -> Option<Credentials> {
        self.handle.current()
    }

    /// Refreshes the credentials now: joins the exchange that is under way, or starts one. Two exchanges start at least
    /// 1 s apart.
    ///
    /// Credentials stay fresh without calls of this method. While exchanges fail, this method starts at most one every
    /// 10 s, later one every 60 s.
    ///
    /// # Errors
    /// The error of the exchange, or [`TimedOut`](crate::ErrorKind::TimedOut) after the
    /// [`wait_timeout`](crate::Builder::wait_timeout). A throttling delay is not shortened. If it ends after the
    /// `wait_timeout`, the method fails at once with [`Throttled`](crate::ErrorKind::Throttled). Valid credentials stay
    /// in use after every error.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait, not the exchange.
    pub async fn refresh(&self) -> Result<Credentials, Error> {
        self.handle.refresh().await
    }

    /// Returns credentials that stay valid for at least this long. A presigned URL needs them, because it ends with the
    /// credentials that signed it.
    ///
    /// Returns the current credentials if they last long enough. Otherwise waits for one exchange (at most one every 10
    /// s). Other callers use the current credentials meanwhile.
    ///
    /// # Errors
    /// [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration) if `at_least` is more than 0.9 of the session
    /// length, because no refresh can give that. A wrapped provider may have a cache, so its session length is known
    /// only after an exchange for this call. Otherwise the error of the exchange.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait, not the exchange.
    pub async fn valid_for(&self, at_least: Duration) -> Result<Credentials, Error> {
        self.handle.valid_for(at_least).await
    }

    /// Reports that a service rejected these credentials before their expiry, and starts a refresh. Returns at once.
    ///
    /// Only a report about the current access key counts. The first report starts a refresh within 5 s. If the new key
    /// is rejected too, the next refreshes come after 30 s, then after twice as long each time, up to 15 min. So a key
    /// that one region never accepts causes no storm of calls. The old credentials stay readable until new ones replace
    /// them.
    ///
    /// Call this method from signers of your own. SDK clients have the [`interceptor`](Self::interceptor).
    pub fn invalidate(&self, rejected: &Credentials) {
        self.handle.rejected(rejected.access_key_id(), Duration::ZERO);
    }

    /// Waits without limit until there are valid credentials: for a readiness probe, or the start of a service.
    ///
    /// # Errors
    /// The method fails if waiting cannot help:
    ///
    /// - A human must mend the cause: see [`ErrorKind`](crate::ErrorKind).
    /// - The provider was shut down.
    /// - The engine thread cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait and nothing else.
    pub async fn ready(&self) -> Result<(), Error> {
        self.handle.ready().await
    }

    /// Returns the state of the provider. Cheap enough for each probe of a health endpoint. Starts the attempts if none
    /// has begun.
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
        self.handle.start();
        let status = self.handle.status();
        let principal = status.principal.unwrap_or_default();
        Status {
            phase: status.phase,
            generation: status.generation,
            expiry: status.expiry,
            next_attempt: status.next_attempt,
            consecutive_failures: status.consecutive_failures,
            last_error: status.last_error,
            assumed_role_arn: principal.assumed_role_arn.clone(),
            account_id: principal.account_id.clone(),
            endpoint: status.endpoint,
            token: self.inner.web_identity.as_ref().and_then(|source| source.claims()),
            usable: status.usable,
        }
    }

    /// Returns a listener for new credentials, for whatever must be rebuilt with them.
    ///
    /// Starts the attempts if none has begun. If the engine thread cannot be started, the listener waits until another
    /// use of the provider starts it.
    #[must_use]
    pub fn updates(&self) -> Updates {
        self.handle.updates()
    }

    /// Returns this provider for the config of one service, for `set_credentials_provider(Some(..))`.
    ///
    /// All returned providers have the same cache partition, by which [`identity_cache`](Self::identity_cache)
    /// recognises them. The plain `credentials_provider(..)` of a service's builder gives the provider another
    /// partition. That works, but the earlier identity cache of the config then answers the requests.
    #[must_use]
    pub fn credentials_provider(&self) -> SharedCredentialsProvider {
        self.inner.shared.clone()
    }

    /// Ends the background task and waits for its end. This takes a moment, because an exchange under way is dropped
    /// and not awaited. With [`runtime`](crate::Builder::runtime) it takes until that runtime next runs.
    ///
    /// Several callers may call this method, and each of them waits. Valid credentials stay readable, so that a
    /// draining server can continue to sign. They are not refreshed any more.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait. The provider stays shut down.
    pub async fn shutdown(&self) {
        self.handle.shutdown().await;
    }

    /// Waits up to `wait_timeout` for valid credentials.
    pub(crate) async fn connected(&self) -> Result<(), Error> {
        self.handle.credentials().await.map(drop)
    }

    /// Makes the first handle of this engine, with a cache partition of its own.
    pub(crate) fn of(
        handle: EngineHandle,
        engine: EngineConfig,
        web_identity: Option<Arc<WebIdentity>>,
        chain_base: Result<ChainBase, BuildError>,
    ) -> Self {
        let shared = SharedCredentialsProvider::new(handle.clone());
        Self { handle, inner: Arc::new(Inner { shared, engine, web_identity, chain_base }) }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &EngineHandle {
        &self.handle
    }

    pub(crate) fn engine(&self) -> &EngineConfig {
        &self.inner.engine
    }

    /// The settings for a chained role, or the reason why no STS can be asked.
    pub(crate) fn chain_base(&self) -> Result<&ChainBase, &BuildError> {
        self.inner.chain_base.as_ref()
    }

    /// `Debug` for this handle and for a handle of another name.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.handle.status();
        f.debug_struct(name)
            .field("of", &self.handle.subject())
            .field("phase", &status.phase)
            .field("generation", &status.generation)
            .field("expiry", &status.expiry)
            .finish_non_exhaustive()
    }
}

impl ProvideCredentials for BackgroundCredentialsProvider {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.handle.provide_credentials()
    }
}

impl fmt::Debug for BackgroundCredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("BackgroundCredentialsProvider", f)
    }
}

/// The state of a provider at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The state in one word.
    pub phase: Phase,
    /// Number of the current credentials: 0 before the first, then 1, 2 and so on.
    pub generation: u64,
    /// Expiry of the last credentials, on the local clock.
    pub expiry: Option<SystemTime>,
    /// Time of the next attempt, on the local clock. `None` if the provider is closed or its task could not be started.
    pub next_attempt: Option<SystemTime>,
    /// Number of failed exchanges since the last success.
    pub consecutive_failures: u32,
    /// Last failure since the last success.
    pub last_error: Option<Error>,
    /// The identity of the session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub assumed_role_arn: Option<String>,
    /// Account of the assumed role, if its ARN names one.
    pub account_id: Option<String>,
    /// STS endpoint that answered last, with credentials or with an error. `None` before the first answer, and for a
    /// wrapped provider.
    pub endpoint: Option<String>,
    /// Claims of the newest token that was read. They are not verified. `None` before the first read, for a token that
    /// is not a JWT, and for credentials that need no token.
    pub token: Option<TokenClaims>,
    usable: bool,
}

impl Status {
    /// Returns true if a caller gets credentials now, without waiting.
    ///
    /// This includes valid credentials after a shutdown. It also includes expired credentials that
    /// [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy::UntilRejected) returns.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }
}

/// How an engine runs.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    pub(crate) policy: Policy,
    pub(crate) time_source: SharedTimeSource,
    /// `None`: the engine thread.
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

impl EngineConfig {
    /// Makes a handle, which starts nothing by itself.
    pub(crate) fn new_handle<S: Source>(
        &self,
        source: Arc<S>,
        shutdown_when: ShutdownWhen,
        observer: Option<Arc<dyn Observer>>,
    ) -> EngineHandle {
        let Self { policy, time_source, runtime } = self.clone();
        let monotonic = if runtime.is_some() { Monotonic::Tokio } else { Monotonic::System };
        EngineHandle::new(source, policy, Clock::new(monotonic, time_source), runtime, shutdown_when, observer)
    }
}

/// The settings that a chained role takes over from its base.
pub(crate) struct ChainBase {
    pub(crate) session_name: String,
    pub(crate) sts: StsConfig,
    /// Made for the first chained role, or handed on by the base.
    endpoints: OnceLock<Endpoints>,
}

impl ChainBase {
    /// `endpoints`: those of `sts`, if there are any yet. Their connections are shared.
    pub(crate) fn new(session_name: String, sts: StsConfig, endpoints: Option<&Endpoints>) -> Self {
        let endpoints = endpoints.map_or_else(OnceLock::new, |endpoints| endpoints.for_another_provider().into());
        Self { session_name, sts, endpoints }
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        self.endpoints.get_or_init(|| Endpoints::new(&self.sts)).for_another_provider()
    }
}

/// For the `SharedCredentialsProvider` inside a provider. It cannot hold the provider, which holds it.
impl ProvideCredentials for EngineHandle {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.read(|snapshot| future::ProvideCredentials::ready(Ok(snapshot.credentials())), || wait(self))
    }
}

#[cold]
fn wait(handle: &EngineHandle) -> future::ProvideCredentials<'_> {
    future::ProvideCredentials::new(async { Ok(handle.credentials().await?) })
}
