//! The builder of a web identity, and the settings that the builders keep.

mod assume_role_builder;
mod background_builder;
mod durations;
mod endpoint_url;
mod invalid_value;
mod missing_settings;
mod refresh_window;
mod region;
mod registry;
mod resolve;
mod role_arn;
mod session_name;
mod session_settings;
mod standbys;
mod tags;
#[cfg(test)]
mod testing;
mod token_path;
mod warnings;
mod web_identity_provider;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use aws_types::region::Region;
use tokio::runtime::Handle;

pub use self::assume_role_builder::AssumeRoleBuilder;
pub use self::background_builder::BackgroundBuilder;
use self::endpoint_url::without_secrets;
use self::invalid_value::Shown;
pub use self::registry::Registry;
pub use self::web_identity_provider::WebIdentityCredentialsProvider;
#[cfg(any(test, fuzzing))]
use crate::environment::Environment;
use crate::error::{BuildError, Error};
use crate::refresh::{ExpiredPolicy, ShutdownWhen};
use crate::web_identity::token_source::ProvideToken;
use crate::web_identity::{SourceConfig, WebIdentity};

/// Builds a [`WebIdentityCredentialsProvider`].
///
/// In a pod that the EKS webhook has changed, nothing needs to be set: the variables name role, token file and region.
/// The builder looks for each value in this order: its own methods, the config of [`configure`](Self::configure),
/// environment variables, the default. An empty variable counts as absent.
///
/// [`build`](Self::build) and [`connect`](Self::connect) read the variables once and check every value. So a mistake
/// shows at start, and not in the first request that fails. A wrong value gives a [`BuildError`], which names the
/// setting, the value and the remedy. The rules are those of STS's [`AssumeRoleWithWebIdentity`] unless a method says
/// otherwise.
///
/// Every setting can be replaced, and most can be cleared. A method that takes an `Option`, or a value that converts
/// into one, reads `None` as "not set". For a text there is a second method whose name begins with `set_`, as in the
/// SDK's own builders.
///
/// ```no_run
/// # async fn example() -> Result<(), aws_web_identity::Error> {
/// use std::time::Duration;
///
/// use aws_types::region::Region;
/// use aws_web_identity::WebIdentityCredentialsProvider;
///
/// let identity = WebIdentityCredentialsProvider::builder()
///     .role_arn("arn:aws:iam::123456789012:role/checkout")
///     .token_file("/var/run/secrets/aws/token")
///     .region(Region::from_static("eu-central-1"))
///     .session_length(Duration::from_secs(4 * 3600))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// [`AssumeRoleWithWebIdentity`]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until build() or connect()"]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    /// Takes from the SDK's config what STS needs: region, HTTP client, FIPS, dual stack, time source, app name and the
    /// endpoint of STS. A later call replaces the config of an earlier one.
    ///
    /// The endpoint is the one that the config has for STS: `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`, or the
    /// `services` section of the profile. The provider never uses [`SdkConfig::endpoint_url`], because that is often an
    /// object store's, which would receive the token. Timeouts, retries, credentials and identity cache are not taken
    /// over. The STS client has [a connect timeout of its own](Self::connect_timeout), and therefore a connection pool
    /// of its own.
    ///
    /// If the config has no HTTP client, the provider makes one with hyper and rustls, like the SDK's default client
    /// (feature `default-https-client`). Without that feature the provider uses the SDK's default client, if another
    /// crate of the program enables it, as aws-config does. Without either, each exchange fails with an error that says
    /// so.
    ///
    /// Our own client behaves as follows:
    ///
    /// - It uses `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. A loopback endpoint never goes through a
    ///   proxy.
    /// - It trusts the CA certificates of the machine, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` instead. It does
    ///   not read `AWS_CA_BUNDLE`.
    /// - If the host has several addresses and one of them does not answer, the next attempt begins with another
    ///   address.
    pub fn configure(mut self, config: &SdkConfig) -> Self {
        self.settings.configure(config);
        self
    }

    /// Sets the ARN of the role to assume. Default: `AWS_ROLE_ARN`, which the EKS webhook sets from the annotation
    /// `eks.amazonaws.com/role-arn` of the service account.
    ///
    /// At AWS the value has the form `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`, in the partition of the region. At an
    /// [endpoint](Self::endpoint_url) of another server, the value is that server's name of a role: 20 to 2,048
    /// characters without blanks, with a colon. Any other value is an error. A SAML pair of role and provider is an
    /// error, and so is a placeholder that was not replaced.
    pub fn role_arn(mut self, arn: impl Into<String>) -> Self {
        self.settings.role_arn = Some(arn.into());
        self
    }

    /// Sets the path of the file with the service-account token. Default: `AWS_WEB_IDENTITY_TOKEN_FILE`, which the EKS
    /// webhook sets.
    ///
    /// The kubelet [projects the
    /// token](https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken) into the pod. It
    /// replaces the token at 80 % of its lifetime, or when the token is 24 h old. The file need not exist when the
    /// provider is built.
    ///
    /// These values are errors: a URL, a path in quotes, a path with `~` or with a variable that was not replaced, a
    /// token.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.token = Some(TokenSetting::File(path.into()));
        self
    }

    /// Sets a source of tokens other than a file: see [`token_source`](crate::token_source). Default: the tokens come
    /// from the file.
    ///
    /// With a source the provider ignores `AWS_WEB_IDENTITY_TOKEN_FILE`,
    /// [`token_poll_interval`](Self::token_poll_interval) and [`watch_token`](Self::watch_token). A source and a
    /// [`token_file`](Self::token_file) replace each other: the later call counts. To share one source among providers,
    /// give each of them a clone of an [`Arc`] with the source in it.
    pub fn token_source(mut self, source: impl ProvideToken) -> Self {
        self.settings.token = Some(TokenSetting::Source(SourceConfig::new(source)));
        self
    }

    /// Sets the session name, which CloudTrail shows: 2 to 64 characters of `A-Z a-z 0-9 _ + = , . @ -`.
    ///
    /// Default: `AWS_ROLE_SESSION_NAME`, else the pod's name from `HOSTNAME`. The last 64 characters of a long name are
    /// used. A `-` replaces each character that is not allowed. Without a pod's name, or if the name looks like a token
    /// or key, the default is this crate's name with a random number. The default stays the same for the whole process.
    pub fn session_name(self, name: impl Into<String>) -> Self {
        self.set_session_name(Some(name.into()))
    }

    /// Like [`session_name`](Self::session_name). `None` restores the default.
    pub fn set_session_name(mut self, name: Option<String>) -> Self {
        self.settings.session.name = name;
        self
    }

    /// Sets the lifetime of the credentials: whole seconds from 900 (15 min) to 43,200 (12 h). Unset or `None`: the
    /// default of STS, one hour.
    ///
    /// STS refuses a length above the role's `MaxSessionDuration`, which is one hour unless it was raised.
    pub fn session_length(mut self, length: impl Into<Option<Duration>>) -> Self {
        self.settings.session.length = length.into();
        self
    }

    /// Sets a session policy in JSON, of at most 2,048 characters. The session may do what both this policy and the role
    /// allow. Default: no session policy.
    ///
    /// STS packs this policy and the [`policy_arns`](Self::policy_arns) into one format, which has another limit. Only
    /// STS can tell whether they fit.
    pub fn policy(self, json: impl Into<String>) -> Self {
        self.set_policy(Some(json.into()))
    }

    /// Like [`policy`](Self::policy). `None` removes the session policy, which widens what the session may do.
    pub fn set_policy(mut self, json: Option<String>) -> Self {
        self.settings.session.policy = json;
        self
    }

    /// Sets up to 10 managed policies, by their ARNs, which limit the session as [`policy`](Self::policy) does. A later
    /// list replaces an earlier one. An empty list, `[""; 0]`, removes all.
    pub fn policy_arns(mut self, arns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.session.policy_arns = arns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the region whose STS is used. Unset or `None`: the region of [`configure`](Self::configure), else
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    ///
    /// There is no other default: a missing region is an error, and us-east-1 is never assumed. At AWS a name that no
    /// region has is an error too, such as `us-east-1-fips`, `aws-global` or an availability zone. The credentials are
    /// valid in every region of the partition.
    pub fn region(mut self, region: impl Into<Option<Region>>) -> Self {
        self.settings.region = region.into();
        self
    }

    /// Sets the URL of STS: a VPC endpoint, a FIPS endpoint, or another server with the same protocol.
    ///
    /// Default: the endpoint that [`configure`](Self::configure) has for STS. Without `configure`:
    /// `AWS_ENDPOINT_URL_STS`, else `AWS_ENDPOINT_URL`, unless `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is true ([as in
    /// every SDK](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)).
    ///
    /// The form is `https://HOST`, with a port or path if need be, and without user name or query. Plain http is meant
    /// for loopback; elsewhere it is allowed with a warning. An endpoint together with FIPS or dual stack is an error,
    /// because the SDK does not combine them.
    pub fn endpoint_url(self, url: impl Into<String>) -> Self {
        self.set_endpoint_url(Some(url.into()))
    }

    /// Like [`endpoint_url`](Self::endpoint_url). `None` restores the default.
    pub fn set_endpoint_url(mut self, url: Option<String>) -> Self {
        self.settings.endpoint_url = url;
        self
    }

    /// Adds a region whose STS is used when the STS of [`region`](Self::region) does not answer. Several standbys are
    /// used in the order in which they were added. Default: none.
    ///
    /// AWS [documents](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_region-endpoints.html) that
    /// credentials of any STS endpoint are valid in all regions, and leaves failover to its users. The provider turns
    /// to the first standby after two attempts in a row that found STS unreachable or failing. Without valid
    /// credentials one such attempt is enough. The next standbys follow, then the home region, and so on in a circle.
    /// After a success, and after any answer of STS itself, such as throttling or a denial, the next attempt goes home
    /// again.
    ///
    /// FIPS and dual stack are the same as at home. A standby where STS is not
    /// [activated](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html) is dropped
    /// at its first answer, with a warning. More: [`docs::standby`](crate::docs::standby).
    ///
    /// These regions are errors: one of another partition, the home region, and one that was added twice. If an
    /// endpoint of STS is set for home, any region is an error, because the token would go to another STS. Use
    /// [`standby_endpoint_url`](Self::standby_endpoint_url) then.
    pub fn standby_region(mut self, region: Region) -> Self {
        self.settings.standbys.push(RawStandby::Region(region));
        self
    }

    /// Adds a standby by its URL: a VPC endpoint, or another zone of an STS that is not AWS's. It works like
    /// [`standby_region`](Self::standby_region), and both can be mixed.
    ///
    /// The standby must know the role and accept the token, and its credentials must be valid wherever they are used.
    /// The URL follows the rules of [`endpoint_url`](Self::endpoint_url). The URL of home, and a URL that was added
    /// twice, are errors.
    pub fn standby_endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.settings.standbys.push(RawStandby::Url(url.into()));
        self
    }

    /// Removes all standbys that were added so far. A builder of
    /// [`to_builder`](WebIdentityCredentialsProvider::to_builder) begins with those of its provider, which may not fit
    /// another region or endpoint.
    pub fn no_standbys(mut self) -> Self {
        self.settings.standbys.clear();
        self
    }

    /// Sets when to refresh: at a random point between these two fractions of the lifetime of the credentials, within
    /// `0.10..=0.90`. Default: `0.60..=0.75`. Each refresh draws a new point, so that the pods of a fleet drift apart.
    pub fn refresh_window(mut self, window: RangeInclusive<f64>) -> Self {
        self.settings.engine.refresh_window = Some(window);
        self
    }

    /// Sets the time limit of one exchange with STS, from reading the token to the last byte of the answer: 10 ms to 60
    /// s. Default: 8 s, because STS itself gives the identity provider 5 s. A read of the token file that hangs is
    /// given up after the same time.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = Some(timeout);
        self
    }

    /// Sets the time limit of one connection to STS: 10 ms to 60 s. The time includes the lookup of the name and the
    /// TLS handshake. Default: 2 s. If a firewall drops packets, this leaves time for another attempt before callers
    /// give up.
    ///
    /// A shorter [`attempt_timeout`](Self::attempt_timeout) ends the connection attempt, too. The connect timeout of an
    /// `SdkConfig` is meant for other services, and is not taken over.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = Some(timeout);
        self
    }

    /// Sets how long a caller waits while there are no valid credentials: 1 ms to 12 h. Default: 30 s. The attempts
    /// continue after that. To wait without limit, call [`ready`](crate::BackgroundCredentialsProvider::ready).
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.settings.engine.wait_timeout = Some(timeout);
        self
    }

    /// Sets what callers get when the credentials have expired during an outage. Default: [`ExpiredPolicy::Never`].
    pub fn expired_policy(mut self, policy: ExpiredPolicy) -> Self {
        self.settings.engine.expired_policy = Some(policy);
        self
    }

    /// Sets the poll interval of the token file: 1 s to 5 min. Default: 30 s. File events are used as well. Without
    /// file events, for example with [`watch_token(false)`](Self::watch_token), the file is polled at least every 5 s.
    pub fn token_poll_interval(mut self, interval: Duration) -> Self {
        self.settings.token_poll_interval = Some(interval);
        self
    }

    /// Sets whether to listen to file events. Default: true.
    ///
    /// Without file events only polling finds a new token. The provider then needs no thread for events, and none of
    /// the node's inotify instances (by the kernel's default, each user id has 128).
    pub fn watch_token(mut self, on: bool) -> Self {
        self.settings.watch_token = Some(on);
        self
    }

    /// Shuts the provider down when the future resolves, as
    /// [`shutdown`](crate::BackgroundCredentialsProvider::shutdown) does. Default: never. A later call replaces the
    /// future of an earlier one.
    ///
    /// The provider's background task polls the future, on the engine thread or on [`runtime`](Self::runtime). The
    /// future must not block. A provider that is never used never polls the future. The future is dropped with the
    /// task, or with the last handle of a provider that was never used. If the future panics, the provider continues,
    /// and an ERROR event says so.
    ///
    /// The future belongs to one provider. [`to_builder`](WebIdentityCredentialsProvider::to_builder) and
    /// [`assume_role`](crate::BackgroundCredentialsProvider::assume_role) do not take it over: give each provider a
    /// future of its own. A [`Registry`] that already has the provider drops the future without polling it. A forked
    /// child does not have the future.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), aws_web_identity::Error> {
    /// use aws_web_identity::WebIdentityCredentialsProvider;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let stop = CancellationToken::new();
    /// let builder = WebIdentityCredentialsProvider::builder();
    /// let identity = builder.shutdown_when(stop.clone().cancelled_owned()).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_when(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.settings.engine.shutdown_when = ShutdownWhen::new(future);
        self
    }

    /// Sets the Tokio runtime that does the background work, for a [`token_source`](Self::token_source) or an HTTP
    /// client that must run there. Unset or `None`: the engine thread, which this crate starts and all its providers
    /// share.
    ///
    /// The runtime needs timers and I/O (`enable_all`), and its health is your responsibility. While the runtime is
    /// blocked or not driven, nothing is refreshed, and waiting callers are not woken, not even at their deadlines.
    /// When the runtime ends, the provider is closed: valid credentials stay readable, and later waits fail with
    /// [`Closed`](crate::ErrorKind::Closed). If the runtime's time is paused, credentials age in paused time.
    pub fn runtime(mut self, runtime: impl Into<Option<Handle>>) -> Self {
        self.settings.engine.runtime = runtime.into();
        self.settings.shares_client_with = None;
        self
    }

    /// Sets the wall clock, for tests and for hosts whose own clock is wrong. Default: the time source of
    /// [`configure`](Self::configure), else the system clock.
    ///
    /// With the clock of STS, the wall clock decides whether the token has expired. It signs the requests of chained
    /// roles. It gives the expiry that credentials show, and the lifetime of sessions from an STS that sends no `Date`.
    /// It also shows that the machine was suspended or the clock set. Credentials age by the monotonic clock, so moving
    /// the wall clock forward does not expire them.
    pub fn time_source(mut self, time_source: impl TimeSource + 'static) -> Self {
        self.settings.engine.time_source = Some(SharedTimeSource::new(time_source));
        self.settings.shares_client_with = None;
        self
    }

    /// Like [`build`](Self::build), with these variables and in two steps. The second step makes an SDK client, which
    /// is slow.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn resolve_in(
        self,
        env: &Environment,
    ) -> Result<impl FnOnce() -> WebIdentityCredentialsProvider, BuildError> {
        let parts = self.settings.resolve(env)?;
        Ok(|| parts.build())
    }

    /// Builds a provider without credentials. The first use of the provider starts the first exchange. This method
    /// reads environment variables and no file, and needs no runtime.
    ///
    /// # Errors
    ///
    /// - [`is_not_configured`](BuildError::is_not_configured): there is neither a role nor a token, and this is not a
    ///   pod.
    /// - [`is_not_injected`](BuildError::is_not_injected): the same, in a pod.
    /// - [`is_invalid`](BuildError::is_invalid): the role, the token or the region is missing, or a value breaks its
    ///   rule. The text names the setting and the remedy.
    pub fn build(self) -> Result<WebIdentityCredentialsProvider, BuildError> {
        Ok(self.settings.parts()?.build())
    }

    /// Builds a provider and waits for its first credentials. The returned provider can sign at once.
    ///
    /// # Errors
    ///
    /// The errors of [`build`](Self::build) have the kind
    /// [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration). If only a human can mend the cause of a failed
    /// exchange, the method returns its error at once. Two cases get retries within seconds first: a role or issuer
    /// that IAM may not know yet, and an unclear answer. During an outage the method waits for
    /// [`wait_timeout`](Self::wait_timeout), and then returns the error of the last attempt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the provider and ends its attempts.
    pub async fn connect(self) -> Result<WebIdentityCredentialsProvider, Error> {
        let provider = self.build()?;
        provider.connected().await?;
        Ok(provider)
    }
}

/// The settings of a web identity, not yet checked. The builder of a wrapped provider keeps a part of them.
#[derive(Clone, Default)]
struct Settings {
    /// Without its credentials and its identity cache, which would keep other providers alive.
    sdk_config: Option<SdkConfig>,
    role_arn: Option<String>,
    token: Option<TokenSetting>,
    token_poll_interval: Option<Duration>,
    watch_token: Option<bool>,
    session: SessionSettings,
    region: Option<Region>,
    endpoint_url: Option<String>,
    standbys: Vec<RawStandby>,
    attempt_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    engine: EngineSettings,
    /// The provider whose STS client is used as well, if that client fits these settings.
    shares_client_with: Option<Arc<WebIdentity>>,
}

/// Shows the settings that identify the role and the STS. Each value is quoted as in errors: it may be a misplaced
/// token.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("role_arn", &self.role_arn.as_deref().map(Shown))
            .field("token", &self.token)
            .field("session_name", &self.session.name.as_deref().map(Shown))
            .field("region", &self.region.as_ref().map(|region| Shown(region.as_ref())))
            .field("endpoint_url", &self.endpoint_url.as_deref().map(without_secrets).as_deref().map(Shown))
            .field("standbys", &self.standbys)
            .finish_non_exhaustive()
    }
}

/// Where tokens come from.
#[derive(Clone)]
enum TokenSetting {
    File(PathBuf),
    Source(SourceConfig),
}

impl fmt::Debug for TokenSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => Shown(&path.to_string_lossy()).fmt(f),
            Self::Source(source) => source.fmt(f),
        }
    }
}

/// The session settings, which a web identity and a chained role have in common. Not yet checked.
#[derive(Clone, Default)]
struct SessionSettings {
    name: Option<String>,
    length: Option<Duration>,
    policy: Option<String>,
    policy_arns: Vec<String>,
}

/// The engine settings, which all providers have in common. Not yet checked.
#[derive(Clone, Default)]
struct EngineSettings {
    refresh_window: Option<RangeInclusive<f64>>,
    wait_timeout: Option<Duration>,
    expired_policy: Option<ExpiredPolicy>,
    runtime: Option<Handle>,
    time_source: Option<SharedTimeSource>,
    /// Never taken over by another provider.
    shutdown_when: ShutdownWhen,
}

/// A standby, not yet checked.
#[derive(Clone)]
enum RawStandby {
    Region(Region),
    Url(String),
}

impl fmt::Debug for RawStandby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region) => Shown(region.as_ref()).fmt(f),
            Self::Url(url) => Shown(&without_secrets(url)).fmt(f),
        }
    }
}
