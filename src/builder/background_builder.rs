//! The builder of a wrapped provider.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use tokio::runtime::Handle;

use super::durations::CALL_TIMEOUT;
use super::invalid_value::Shown;
use super::resolve::default_engine_config;
use super::{Settings, session_name};
use crate::adapters;
use crate::environment::Environment;
use crate::error::{BuildError, Error};
use crate::provider::{BackgroundCredentialsProvider, ChainBase};
use crate::refresh::{ExpiredPolicy, ShutdownWhen};
use crate::wrapped_provider::WrappedProvider;

/// Builds a [`BackgroundCredentialsProvider`] around another provider.
///
/// Only the background task calls the wrapped provider, one call at a time. The next call is due at a fraction of the
/// lifetime of the last credentials. A cache in the wrapped provider should not return credentials that expire soon.
/// Credentials without an expiry are used until the provider returns others. The task calls the provider for them once
/// an hour.
///
/// A failure of the wrapped provider counts by its
/// [`CredentialsError`](aws_credential_types::provider::error::CredentialsError):
///
/// | error | counts as |
/// |---|---|
/// | any, with an [`Error`] of this crate as a source | the class of that [`Error`] |
/// | credentials not loaded, invalid configuration | misconfigured: somebody must mend it |
/// | timeout, provider error | an outage |
/// | any other | an outage twice, then misconfigured |
#[must_use = "a builder does nothing until build() or connect()"]
pub struct BackgroundBuilder {
    provider: SharedCredentialsProvider,
    name: String,
    attempt_timeout: Option<Duration>,
    settings: Settings,
}

impl BackgroundCredentialsProvider {
    /// Returns a builder with the defaults for this provider.
    pub fn builder(provider: impl ProvideCredentials + 'static) -> BackgroundBuilder {
        BackgroundBuilder {
            provider: SharedCredentialsProvider::new(provider),
            name: "the wrapped provider".to_owned(),
            attempt_timeout: None,
            settings: Settings::default(),
        }
    }
}

impl BackgroundBuilder {
    /// Takes the time source from the SDK's config. For [`assume_role`](BackgroundCredentialsProvider::assume_role) it
    /// also takes what STS needs, as [`Builder::configure`](crate::Builder::configure) does. How the wrapped provider
    /// reaches its service is not affected.
    pub fn configure(mut self, config: &SdkConfig) -> Self {
        self.settings.configure(config);
        self
    }

    /// Sets the name of the wrapped provider in logs and errors. Default: `the wrapped provider`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets when to refresh, as [`Builder::refresh_window`](crate::Builder::refresh_window). Default: `0.60..=0.75`.
    pub fn refresh_window(mut self, window: RangeInclusive<f64>) -> Self {
        self.settings.engine.refresh_window = Some(window);
        self
    }

    /// Sets the time limit of one call of the wrapped provider: 10 ms to 60 s. Default: 20 s, because many providers
    /// make several attempts of their own.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Sets how long a caller waits while there are no valid credentials: 1 ms to 12 h. Default: 30 s. The attempts
    /// continue after that.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.settings.engine.wait_timeout = Some(timeout);
        self
    }

    /// Sets what callers get when the credentials have expired and the wrapped provider fails. Default:
    /// [`ExpiredPolicy::Never`].
    pub fn expired_policy(mut self, policy: ExpiredPolicy) -> Self {
        self.settings.engine.expired_policy = Some(policy);
        self
    }

    /// Shuts the provider down when the future resolves, as [`Builder::shutdown_when`](crate::Builder::shutdown_when).
    /// Default: never.
    pub fn shutdown_when(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.settings.engine.shutdown_when = ShutdownWhen::new(future);
        self
    }

    /// Sets the Tokio runtime that calls the wrapped provider, as [`Builder::runtime`](crate::Builder::runtime), for a
    /// provider that must run there. Default: the engine thread.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.settings.engine.runtime = Some(runtime);
        self
    }

    /// Sets the wall clock, for tests and for hosts whose own clock is wrong. Default: the time source of
    /// [`configure`](Self::configure), else the system clock.
    ///
    /// The wall clock decides how long new credentials last. From then on they age by the monotonic clock, so moving
    /// the wall clock forward does not expire them.
    pub fn time_source(mut self, time_source: impl TimeSource + 'static) -> Self {
        self.settings.engine.time_source = Some(SharedTimeSource::new(time_source));
        self
    }

    /// Builds a provider without credentials. The first use of the provider starts the first call of the wrapped
    /// provider. This method needs no runtime.
    ///
    /// # Errors
    /// [`is_invalid`](BuildError::is_invalid): a value breaks its rule. The text names the setting and the remedy.
    pub fn build(self) -> Result<BackgroundCredentialsProvider, BuildError> {
        let Self { provider, name, attempt_timeout, settings } = self;
        let (env, time_source) = (Environment::real(), settings.time_source());
        let attempt_timeout = CALL_TIMEOUT.parse(BUILDER, attempt_timeout)?;
        let sts = settings.sts(&env);
        let chain_base = sts.and_then(|sts| Ok(ChainBase::new(session_name::given_or_default(None, &env)?, sts, None)));
        let shutdown_when = settings.engine.shutdown_when.clone();
        let engine = settings.engine.resolve(BUILDER, default_engine_config(time_source.clone()))?;
        let observer = adapters::observer(&name, None);
        let source = WrappedProvider::new(provider, name, attempt_timeout, time_source);
        let handle = engine.new_handle(Arc::new(source), shutdown_when, observer);
        Ok(BackgroundCredentialsProvider::of(handle, engine, None, chain_base))
    }

    /// Builds a provider and waits for its first credentials.
    ///
    /// # Errors
    /// The errors of [`build`](Self::build) have the kind
    /// [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration). If the wrapped provider fails and only a human
    /// can mend the cause, the error returns at once. Otherwise the method waits for
    /// [`wait_timeout`](Self::wait_timeout), and then returns the error of the last attempt.
    ///
    /// # Cancel safety
    /// Dropping the future drops the provider and ends its attempts.
    pub async fn connect(self) -> Result<BackgroundCredentialsProvider, Error> {
        let provider = self.build()?;
        provider.connected().await?;
        Ok(provider)
    }
}

/// Leaves the wrapped provider out: its `Debug` may print secrets.
impl fmt::Debug for BackgroundBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundBuilder").field("name", &Shown(&self.name)).finish_non_exhaustive()
    }
}

const BUILDER: &str = "BackgroundBuilder";

#[cfg(test)]
#[cfg(feature = "default-https-client")]
mod tests {
    use aws_credential_types::Credentials;
    use aws_types::region::Region;
    use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

    use super::*;

    #[test]
    fn p12_invalid_value_names_its_setting() {
        let builder = || BackgroundCredentialsProvider::builder(Credentials::for_tests());
        for (builder, problem) in [
            (builder().refresh_window(0.0..=0.5), "BackgroundBuilder::refresh_window is 0.0..=0.5: "),
            (builder().wait_timeout(Duration::ZERO), "BackgroundBuilder::wait_timeout is 0ns: "),
            (builder().attempt_timeout(Duration::from_secs(61)), "BackgroundBuilder::attempt_timeout is 61s: "),
        ] {
            let error = builder.build().unwrap_err();
            assert!(error.is_invalid() && error.to_string().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn chain_over_plain_http_is_warned_of() {
        #[derive(Debug)]
        struct Profile;
        impl LoadServiceConfig for Profile {
            fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
                Some("http://chain.example".to_owned())
            }
        }
        let config = SdkConfig::builder().region(Region::from_static("eu-central-1")).service_config(Profile).build();
        let (log, _guard) = crate::sts::testing::Log::capture();
        let base = BackgroundCredentialsProvider::builder(Credentials::for_tests()).configure(&config).build().unwrap();
        assert_eq!(log.count(&["WARN"]), 0, "no chained role uses the endpoint yet");
        for _ in 0..2 {
            base.assume_role("arn:aws:iam::210987654321:role/lake").build().unwrap();
        }
        assert_eq!(log.count(&["WARN", "requests to STS use plain http", "http://chain.example"]), 1, "{}", log.text());
    }

    #[test]
    fn chain_from_wrapped_provider_needs_a_region() {
        const ROLE: &str = "arn:aws:iam::210987654321:role/lake";
        let builder = || BackgroundCredentialsProvider::builder(Credentials::for_tests());
        let of = |region| SdkConfig::builder().region(Region::from_static(region)).build();
        let wrong = builder().configure(&of("US")).build().unwrap();
        let error = wrong.assume_role(ROLE).build().unwrap_err();
        assert!(error.to_string().starts_with("the region of the SdkConfig is \"US\""), "{error}");
        let china = builder().configure(&of("cn-north-1")).build().unwrap();
        let error = china.assume_role(ROLE).build().unwrap_err();
        assert!(error.to_string().contains("the base's region"), "{error}");
    }
}
