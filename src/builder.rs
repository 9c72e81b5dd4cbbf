//! The front door: environment and `SdkConfig` in, a provider that can work out.

mod assume_role_builder;
mod background_builder;
mod endpoint_url;
mod engine_settings;
mod invalid_value;
mod missing_settings;
mod region;
mod registry;
mod role_arn;
mod session_name;
mod session_settings;
mod settings;
mod standbys;
mod tags;
mod token_file;
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
use self::endpoint_url::RawUrl;
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
/// In a pod that the EKS webhook has prepared nothing need be set but the region, which it often sets too. What is set
/// here wins over what [`configure`](Self::configure) took, and that over environment variables; an empty variable counts
/// as absent. Variables are read once, by [`build`](Self::build) or [`connect`](Self::connect), and these check all
/// values, so that a mistake shows at start and not in the first failing request. No runtime is
/// needed. What a setting accepts is the rule of
/// STS's [`AssumeRoleWithWebIdentity`] unless said otherwise; a value that breaks it is a [`BuildError`] that names the
/// setting, the value and the way out.
///
/// Each setting can be replaced, and cleared: methods that take an `Option`, or what becomes one, read `None` as "not set". To
/// clear a text there is a method with `set_` before its name, as in the SDK's own builders.
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
    /// Takes over from the SDK's config what STS needs: region, HTTP client, FIPS, dual stack, time source, app name
    /// and the endpoint of STS. Called again, the later config replaces the earlier one.
    ///
    /// The endpoint is the one that the config has for STS (`AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`, or the
    /// profile's `services` section), never [`SdkConfig::endpoint_url`]: that is often an object store's, and the token
    /// would be sent there. Timeouts, retries, credentials and identity cache stay the config's own. The STS client has
    /// [a connect timeout of its own](Self::connect_timeout), for which the HTTP client keeps a second pool of connections.
    ///
    /// A config without an HTTP client leaves the provider its own: hyper and rustls, as the SDK's default client (feature
    /// `default-https-client`). Without that feature the SDK's default client serves, if another crate of the program
    /// enables it, as aws-config does; without either each exchange fails and says so. The client of our own heeds `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, but a loopback endpoint never
    /// goes through a proxy. It trusts the machine's CA certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` instead;
    /// `AWS_CA_BUNDLE` is not read. If the host has several addresses, an attempt that gets no answer is followed by one that
    /// begins with another address.
    pub fn configure(mut self, config: &SdkConfig) -> Self {
        self.settings.configure(config);
        self
    }

    /// The role to assume, by its ARN. Default: `AWS_ROLE_ARN`, which the EKS webhook sets from the service account's
    /// annotation `eks.amazonaws.com/role-arn`.
    ///
    /// At AWS `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`, of the region's partition. At an [endpoint](Self::endpoint_url) of
    /// another server, what that calls its roles: 20 to 2048 characters without blanks, with a colon. An error: anything else, a SAML pair
    /// of role and provider, a placeholder that was not replaced.
    pub fn role_arn(mut self, arn: impl Into<String>) -> Self {
        self.settings.role_arn = Some(arn.into());
        self
    }

    /// The file with the service account's token. Default: `AWS_WEB_IDENTITY_TOKEN_FILE`, which the EKS webhook sets.
    ///
    /// The kubelet [projects it](https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken)
    /// into the pod and replaces it when 80 % of the token's life are over. It need not exist yet. An error: what
    /// cannot be a file's path, such as a URL, a path with `~` or a variable that nobody replaced, quotes around it, or a
    /// token.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.token = Some(TokenSetting::File(path.into()));
        self
    }

    /// Where tokens come from if not from a file: see [`token_source`](crate::token_source). Unset: from the file. With it
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` is neither needed nor heeded, nor are [`token_poll_interval`](Self::token_poll_interval)
    /// and [`watch_token`](Self::watch_token); the role is.
    ///
    /// To share one source among providers give each a clone of an [`Arc`](std::sync::Arc) with the source in it.
    ///
    /// A source and a [`token_file`](Self::token_file) replace each other: the later call holds.
    pub fn token_source(mut self, source: impl ProvideToken) -> Self {
        self.settings.token = Some(TokenSetting::Source(SourceConfig::new(source)));
        self
    }

    /// The name of the session, as CloudTrail shows it. Default: `AWS_ROLE_SESSION_NAME`; else the pod's name, from
    /// `HOSTNAME` (its last 64 characters, what is not allowed becoming `-`), unless it looks like a token or key; else this
    /// crate's name and a random number. It stays the same for the process.
    ///
    /// 2 to 64 characters of `A-Z a-z 0-9 _ + = , . @ -`.
    pub fn session_name(self, name: impl Into<String>) -> Self {
        self.set_session_name(Some(name.into()))
    }

    /// As [`session_name`](Self::session_name). `None`: the default.
    pub fn set_session_name(mut self, name: Option<String>) -> Self {
        self.settings.session.name = name;
        self
    }

    /// How long credentials shall live: whole seconds, 900 (15 min) to 43 200 (12 h). Unset or `None`: STS's default,
    /// one hour.
    ///
    /// STS refuses what is longer than the role's `MaxSessionDuration`, one hour unless it was raised.
    pub fn session_length(mut self, length: impl Into<Option<Duration>>) -> Self {
        self.settings.session.length = length.into();
        self
    }

    /// A session policy, in JSON: the credentials may do what both it and the role allow. Unset: what the role allows.
    ///
    /// At most 2048 characters. What STS makes of policy and [`policy_arns`](Self::policy_arns) together has a limit,
    /// too, which only STS can tell.
    pub fn policy(self, json: impl Into<String>) -> Self {
        self.set_policy(Some(json.into()))
    }

    /// As [`policy`](Self::policy). `None`: no session policy, which widens what a session may do.
    pub fn set_policy(mut self, json: Option<String>) -> Self {
        self.settings.session.policy = json;
        self
    }

    /// Managed policies that limit the session as [`policy`](Self::policy) does, by their ARNs, at most 10. Called
    /// again, the later list replaces the earlier one; an empty list, `[""; 0]`, takes it out.
    pub fn policy_arns(mut self, arns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.session.policy_arns = arns.into_iter().map(Into::into).collect();
        self
    }

    /// The region whose STS is asked. Unset or `None`: the region of [`configure`](Self::configure), else `AWS_REGION`, else
    /// `AWS_DEFAULT_REGION`. There is no further default, least of all us-east-1: without a region, an error. At AWS an error, too: what is
    /// not called as its regions are, such as `us-east-1-fips`, `aws-global` or a zone.
    ///
    /// The credentials are good in every region of the partition.
    pub fn region(mut self, region: impl Into<Option<Region>>) -> Self {
        self.settings.region = region.into();
        self
    }

    /// Where STS is, if not where AWS has it: a VPC endpoint, a FIPS endpoint, a server that speaks the same protocol.
    /// Default: what [`configure`](Self::configure) has for STS; without `configure`, `AWS_ENDPOINT_URL_STS`, else
    /// `AWS_ENDPOINT_URL`, unless `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is true
    /// ([as in every SDK](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)).
    ///
    /// `https://HOST`, with a port or path if need be; no user name, no query. Plain http is for loopback; anywhere else it
    /// is allowed, with a warning. An error beside FIPS or dual stack, which the SDK does not combine with an endpoint.
    pub fn endpoint_url(self, url: impl Into<String>) -> Self {
        self.set_endpoint_url(Some(url.into()))
    }

    /// As [`endpoint_url`](Self::endpoint_url). `None`: the default.
    pub fn set_endpoint_url(mut self, url: Option<String>) -> Self {
        self.settings.endpoint_url = url.map(RawUrl);
        self
    }

    /// Another region whose STS is asked when that of [`region`](Self::region) is away. May be repeated: they are asked in
    /// their order. Default: none.
    ///
    /// AWS [documents](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_region-endpoints.html) that
    /// credentials from any of its STS endpoints are good in all regions, and leaves failing over to its users. After two
    /// attempts in a row that found STS unreachable or failing (with nothing usable: after one) the next goes to the first
    /// standby, then to the next, then home, and around again. A success, and any answer of STS's own such as throttling or
    /// a denial, starts over at home. FIPS and dual stack are as at home. A standby where STS is not
    /// [activated](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html) is dropped at
    /// its first answer, with a warning. More: [`docs::standby`](crate::docs::standby).
    ///
    /// An error: a region of another partition, one that is home or given twice, and any beside an endpoint of STS that was
    /// given for home, for the token would be sent to another STS than that: use
    /// [`standby_endpoint_url`](Self::standby_endpoint_url).
    pub fn standby_region(mut self, region: Region) -> Self {
        self.settings.standbys.push(RawStandby::Region(region));
        self
    }

    /// As [`standby_region`](Self::standby_region), by its URL: a VPC endpoint, another zone of an STS that is not AWS's. It
    /// must know the role and accept the token, and its credentials must be good wherever they are used. May be repeated,
    /// also beside standby regions.
    ///
    /// What a URL may be is said at [`endpoint_url`](Self::endpoint_url). An error: the URL of home, or one given twice.
    pub fn standby_endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.settings.standbys.push(RawStandby::Url(RawUrl(url.into())));
        self
    }

    /// Takes out all standbys that were given so far. A builder of
    /// [`to_builder`](WebIdentityCredentialsProvider::to_builder) begins with those of its provider: they may not fit
    /// another region or endpoint.
    pub fn no_standbys(mut self) -> Self {
        self.settings.standbys.clear();
        self
    }

    /// When to refresh: at a random point between these two fractions of the credentials' lifetime, drawn anew for
    /// each, so that a fleet drifts apart. Within `0.10..=0.90`. Default: `0.60..=0.75`.
    pub fn refresh_window(mut self, window: RangeInclusive<f64>) -> Self {
        self.settings.engine.refresh_window = Some(window);
        self
    }

    /// How long one exchange with STS may take, from taking the token to the last byte: 10 ms to 60 s. Default: 8 s, since
    /// STS itself gives the identity provider 5 s. A read of the token file that hangs is given up after the same time.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = Some(timeout);
        self
    }

    /// How long one connection to STS may take, from the lookup of the name to the end of the TLS handshake: 10 ms to 60 s.
    /// Default: 2 s, so that a firewall that drops packets leaves time for another attempt before callers give up. If
    /// [`attempt_timeout`](Self::attempt_timeout) is shorter, that counts. The connect timeout of an `SdkConfig` is for other
    /// services, and is not taken over.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = Some(timeout);
        self
    }

    /// How long a caller waits while there are no usable credentials: 1 ms to 12 h. Default: 30 s. The attempts go on
    /// behind it. To wait without limit there is
    /// [`ready`](crate::BackgroundCredentialsProvider::ready).
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.settings.engine.wait_timeout = Some(timeout);
        self
    }

    /// What callers get when the credentials have expired and STS is away. Default: [`ExpiredPolicy::Never`].
    pub fn expired_policy(mut self, policy: ExpiredPolicy) -> Self {
        self.settings.engine.expired_policy = Some(policy);
        self
    }

    /// How often to look whether the token was replaced, beside file events: 1 s to 5 min. Default: 30 s. While there are
    /// no file events, be it by [`watch_token(false)`](Self::watch_token), it is looked at every 5 s at least.
    pub fn token_poll_interval(mut self, interval: Duration) -> Self {
        self.settings.token_poll_interval = Some(interval);
        self
    }

    /// Whether to listen to file events, too. Default: true. Without them there is no thread and none of the node's
    /// inotify instances in use (128 for each user id by the kernel's default), and a new token is seen by polling
    /// alone.
    pub fn watch_token(mut self, on: bool) -> Self {
        self.settings.watch_token = Some(on);
        self
    }

    /// Shuts the provider down when the future resolves, as [`shutdown`](crate::BackgroundCredentialsProvider::shutdown) does.
    /// Default: never. Called again, the later future replaces the earlier one.
    ///
    /// The provider's background task polls the future, on the engine thread or on [`runtime`](Self::runtime): it must not
    /// block. A provider that is never used never polls it. The future is dropped with the task, or with the last handle of
    /// a provider that was never used. If it panics, the provider goes on, and an ERROR event says so.
    ///
    /// The future belongs to the one provider that is built. [`to_builder`](WebIdentityCredentialsProvider::to_builder) and
    /// [`assume_role`](crate::BackgroundCredentialsProvider::assume_role) do not carry it over: give each provider a future of its
    /// own. A [`Registry`] that has the provider already drops the future unpolled. A forked child does not have it.
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

    /// The Tokio runtime that does the background work: for a [`token_source`](Self::token_source) or an HTTP client that
    /// must run there. Unset or `None`: the engine thread, which this crate starts itself and shares among its providers.
    ///
    /// The runtime needs timers and I/O (`enable_all`), and you answer for its health. While it is blocked or not
    /// driven, nothing is refreshed, and callers who wait are not woken, not even at their deadlines. When the runtime
    /// ends, the provider is closed: valid credentials stay readable, and later waits fail with
    /// [`Closed`](crate::ErrorKind::Closed). In a runtime whose time is paused, credentials age in paused time.
    pub fn runtime(mut self, runtime: impl Into<Option<Handle>>) -> Self {
        self.settings.engine.runtime = runtime.into();
        self
    }

    /// The wall clock, for tests and for hosts whose own clock is wrong. Default: the time source of
    /// [`configure`](Self::configure), else the system's.
    ///
    /// It judges the token's expiry, signs the requests of chained roles, and times the sessions of an STS that sends no
    /// `Date`. Credentials age by the monotonic clock: to set this clock ahead does not expire them.
    pub fn time_source(mut self, time_source: impl TimeSource + 'static) -> Self {
        self.settings.engine.time_source = Some(SharedTimeSource::new(time_source));
        self.settings.shares_client_with = None;
        self
    }

    /// As [`build`](Self::build), in another environment and in two steps: the second one makes an SDK client.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn resolve_in(
        self,
        env: &Environment,
    ) -> Result<impl FnOnce() -> WebIdentityCredentialsProvider, BuildError> {
        let parts = self.settings.resolve(env)?;
        Ok(|| parts.build())
    }

    /// A provider without credentials as yet: the first to ask makes it fetch them. Reads environment variables, but no
    /// file; needs no runtime.
    ///
    /// # Errors
    ///
    /// [`is_not_configured`](BuildError::is_not_configured): neither role nor token file is given or in a variable, nor is
    /// there a token source, outside a pod. [`is_not_injected`](BuildError::is_not_injected): the same inside a pod.
    /// [`is_invalid`](BuildError::is_invalid): the role or where tokens come from is missing, there is no region, or a value breaks its
    /// rule; the text says which and what to do.
    pub fn build(self) -> Result<WebIdentityCredentialsProvider, BuildError> {
        Ok(self.settings.parts()?.build())
    }

    /// [`build`](Self::build), and the first credentials: what comes back can sign at once.
    ///
    /// # Errors
    ///
    /// Those of `build`, as [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration). That of the exchange, at
    /// once if only a human can mend it, else after [`wait_timeout`](Self::wait_timeout): an outage is waited for so
    /// long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the provider, and with it the attempts.
    pub async fn connect(self) -> Result<WebIdentityCredentialsProvider, Error> {
        let provider = self.build()?;
        provider.connected().await?;
        Ok(provider)
    }
}

/// What the builder was told. Nothing here is known to be valid.
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
    endpoint_url: Option<RawUrl>,
    standbys: Vec<RawStandby>,
    attempt_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    engine: EngineSettings,
    /// The provider whose STS client is shared, if that client fits these settings.
    shares_client_with: Option<Arc<WebIdentity>>,
}

/// Shows who is asked for what, and where. A token may stand in the place of any of it.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("role_arn", &self.role_arn.as_deref().map(Shown))
            .field("token", &self.token)
            .field("session_name", &self.session.name.as_deref().map(Shown))
            .field("region", &self.region.as_ref().map(|region| Shown(region.as_ref())))
            .field("endpoint_url", &self.endpoint_url)
            .field("standbys", &self.standbys)
            .finish_non_exhaustive()
    }
}

/// Where tokens come from, as given.
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

/// The settings that a web identity and a chained role have in common.
#[derive(Clone, Default)]
struct SessionSettings {
    name: Option<String>,
    length: Option<Duration>,
    policy: Option<String>,
    policy_arns: Vec<String>,
}

/// The settings that all providers have in common.
#[derive(Clone, Default)]
struct EngineSettings {
    refresh_window: Option<RangeInclusive<f64>>,
    wait_timeout: Option<Duration>,
    expired_policy: Option<ExpiredPolicy>,
    runtime: Option<Handle>,
    time_source: Option<SharedTimeSource>,
    /// This provider's alone: no other provider takes it over.
    shutdown_when: ShutdownWhen,
}

/// A standby as it was given.
#[derive(Clone)]
enum RawStandby {
    Region(Region),
    Url(RawUrl),
}

impl fmt::Debug for RawStandby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region) => Shown(region.as_ref()).fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}
