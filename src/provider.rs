//! The public handles: each method a few lines over the engine.

mod background;
mod handle;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

pub use self::background::BackgroundCredentialsProvider;
pub(crate) use self::handle::Engine;
use self::handle::{Handle, WeakHandle};
use crate::error::Error;
use crate::refresh::{Observer, Phase, ShutdownWhen, Supervisor, Updates};
use crate::web_identity::{TokenClaims, WebIdentity};

/// What both kinds of providers can do, written once. The body of an `impl`.
macro_rules! each_provider {
    ($($body:tt)*) => {
        impl crate::provider::WebIdentityCredentialsProvider { $($body)* }
        impl crate::provider::BackgroundCredentialsProvider { $($body)* }
    };
}
pub(crate) use each_provider;

/// Credentials of an IAM role for a Kubernetes service-account token, always ready.
///
/// A cheap handle: clones share one slot, one background task and one STS exchange at a time. The task runs on the engine
/// thread. It starts with the first use, in a runtime or not, and ends with the last handle. The config that
/// [`install`](Self::install) returns, and each client made from it, counts as a handle.
///
/// ```no_run
/// # async fn example() -> Result<(), aws_web_identity::Error> {
/// use aws_config::BehaviorVersion;
/// use aws_web_identity::WebIdentityCredentialsProvider;
///
/// let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
/// let identity = WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
/// let sts = aws_sdk_sts::Client::new(&identity.install(base));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebIdentityCredentialsProvider {
    handle: Handle,
    source: Arc<WebIdentity>,
    /// For those that are made from this one.
    engine: Arc<Engine>,
}

each_provider! {
    /// The credentials, if there are valid ones. Never waits, makes no call and no allocation.
    ///
    /// With nothing valid it starts the first attempt, and returns `None`, whatever the [`ExpiredPolicy`](crate::ExpiredPolicy).
    #[inline]
    pub fn current(&self) -> Option<Credentials> {
        self.handle.supervisor().current()
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
        self.handle.supervisor().refresh().await
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
        self.handle.supervisor().valid_for(at_least).await
    }

    /// Says that a service rejected these credentials before their expiry, so that they are refreshed.
    ///
    /// Acts on the current access key only: within 5 s for the first time, then at growing distances (30 s up to 15 min).
    /// So a key that one region never accepts causes no storm of calls. The old credentials stay readable until others
    /// replace them. Returns at once. For signers of your own; SDK clients have the [`interceptor`](Self::interceptor).
    pub fn invalidate(&self, rejected: &Credentials) {
        self.handle.supervisor().rejected(rejected.access_key_id(), Duration::ZERO);
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
        self.handle.supervisor().ready().await
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
        self.handle.status(self.token())
    }

    /// A listener for each new generation of credentials: for what must be built anew with them.
    ///
    /// Starts the attempts if none has begun. If the engine thread cannot be started, the listener waits until another use
    /// of the provider starts it.
    #[must_use]
    pub fn updates(&self) -> Updates {
        self.handle.supervisor().updates()
    }

    /// This provider for the config of one service, with its `set_credentials_provider(Some(..))`.
    ///
    /// Always of the same partition, by which [`identity_cache`](Self::identity_cache) knows it. A service builder's plain
    /// `credentials_provider(..)` wraps it anew, in another partition: it works, by way of the cache that was there before.
    #[must_use]
    pub fn credentials_provider(&self) -> SharedCredentialsProvider {
        self.handle.credentials_provider()
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
        self.handle.supervisor().shutdown().await;
    }

    /// Itself, once a caller could get credentials: at once, or within `wait_timeout`.
    pub(crate) async fn connected(self) -> Result<Self, Error> {
        self.handle.supervisor().credentials().await?;
        Ok(self)
    }

    pub(crate) fn supervisor(&self) -> &Supervisor {
        self.handle.supervisor()
    }
}

impl WebIdentityCredentialsProvider {
    pub(crate) fn from_parts(source: Arc<WebIdentity>, engine: Engine, observer: Option<Arc<dyn Observer>>) -> Self {
        // The future is this provider's alone.
        let kept = Engine { shutdown_when: ShutdownWhen::default(), ..engine.clone() };
        Self { handle: Handle::new(Arc::clone(&source), engine, observer), source, engine: Arc::new(kept) }
    }

    pub(crate) fn source(&self) -> &WebIdentity {
        &self.source
    }

    pub(crate) fn downgrade(&self) -> WeakProvider {
        let Self { handle, source, engine } = self;
        WeakProvider { handle: handle.downgrade(), source: Arc::downgrade(source), engine: Arc::clone(engine) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    fn token(&self) -> Option<TokenClaims> {
        self.source.claims()
    }
}

/// Finds a provider again for as long as somebody else holds a handle of it, be it a client or a config.
pub(crate) struct WeakProvider {
    handle: WeakHandle,
    source: Weak<WebIdentity>,
    engine: Arc<Engine>,
}

impl WeakProvider {
    pub(crate) fn is_alive(&self) -> bool {
        self.source.strong_count() > 0
    }

    /// None, too, if it was shut down.
    pub(crate) fn upgrade(&self) -> Option<WebIdentityCredentialsProvider> {
        let (handle, source) = (self.handle.upgrade()?, self.source.upgrade()?);
        Some(WebIdentityCredentialsProvider { handle, source, engine: Arc::clone(&self.engine) })
    }
}

impl ProvideCredentials for WebIdentityCredentialsProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.handle.provide_credentials()
    }
}

impl fmt::Debug for WebIdentityCredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.debug("WebIdentityCredentialsProvider", "role_arn", f)
    }
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
    /// The claims of the newest token that was read, not verified. `None` before the first read, if it is not a JWT, and for
    /// a [`BackgroundCredentialsProvider`].
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
