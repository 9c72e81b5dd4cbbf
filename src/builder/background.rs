//! The front door for any provider.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use tokio::runtime::Handle;

use super::parse::{self, Shown};
use crate::adapters;
use crate::environment::Given;
use crate::error::{BuildError, Error};
use crate::provider::{BackgroundCredentialsProvider, Engine};
use crate::refresh::{ExpiredPolicy, Policy, ShutdownWhen, Source};
use crate::wrapped::Wrapped;

/// Builds a [`BackgroundCredentialsProvider`] around another provider.
///
/// That one is asked by the background task alone, one call at a time, at a fraction of the lifetime of what it gave
/// last; its own cache, if it has one, should hand out nothing that is near its end. Credentials without an expiry are
/// used until the provider gives others, for which it is asked once an hour.
///
/// A failure of its counts by the [kind](aws_credential_types::provider::error::CredentialsError) that it has: not
/// loaded and invalid configuration as something that a human must mend, a timeout and a provider's error as an outage
/// that passes, any other as that twice and then as something to mend. Behind it may be an [`Error`] of this crate: that
/// counts as what it says itself.
#[must_use = "a builder does nothing until build() or connect()"]
pub struct BackgroundBuilder {
    provider: SharedCredentialsProvider,
    name: String,
    refresh_window: RangeInclusive<f64>,
    attempt_timeout: Duration,
    wait_timeout: Duration,
    expired_policy: ExpiredPolicy,
    shutdown_when: ShutdownWhen,
    runtime: Option<Handle>,
    shared_time_source: Option<SharedTimeSource>,
    time_source: Option<SharedTimeSource>,
}

impl BackgroundCredentialsProvider {
    /// Starts with the defaults.
    pub fn builder(provider: impl ProvideCredentials + 'static) -> BackgroundBuilder {
        BackgroundBuilder {
            provider: SharedCredentialsProvider::new(provider),
            name: "the wrapped provider".to_owned(),
            refresh_window: 0.60..=0.75,
            attempt_timeout: Duration::from_secs(20),
            wait_timeout: Duration::from_secs(30),
            expired_policy: ExpiredPolicy::default(),
            shutdown_when: ShutdownWhen::default(),
            runtime: None,
            shared_time_source: None,
            time_source: None,
        }
    }
}

impl BackgroundBuilder {
    /// Takes the time source over from the SDK's config, and nothing else: how the provider reaches its service is its
    /// own affair.
    pub fn configure(mut self, config: &SdkConfig) -> Self {
        self.shared_time_source = config.time_source();
        self
    }

    /// What the provider is called in logs and errors. Default: `the wrapped provider`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// When to refresh, as [`Builder::refresh_window`](crate::Builder::refresh_window). Default: `0.60..=0.75`.
    pub fn refresh_window(mut self, window: RangeInclusive<f64>) -> Self {
        self.refresh_window = window;
        self
    }

    /// How long one call of the provider may take: 10 ms to 60 s. Default: 20 s, since many make several attempts of
    /// their own.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How long a caller waits while there are no usable credentials: 1 ms to 12 h. Default: 30 s.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = timeout;
        self
    }

    /// What callers get when the credentials have expired and the provider fails. Default: [`ExpiredPolicy::Never`].
    pub fn expired_policy(mut self, policy: ExpiredPolicy) -> Self {
        self.expired_policy = policy;
        self
    }

    /// Shuts the provider down when the future resolves, as [`Builder::shutdown_when`](crate::Builder::shutdown_when).
    pub fn shutdown_when(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown_when = ShutdownWhen::new(future);
        self
    }

    /// The runtime that calls the provider, as [`Builder::runtime`](crate::Builder::runtime): for a provider that must run
    /// there.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// What the time is, for tests. Default: the time source of [`configure`](Self::configure), else the system's
    /// clock.
    pub fn time_source(mut self, time_source: impl TimeSource + 'static) -> Self {
        self.time_source = Some(SharedTimeSource::new(time_source));
        self
    }

    /// A provider without credentials as yet: the first to ask makes it fetch them. Needs no runtime.
    ///
    /// # Errors
    /// [`is_invalid`](BuildError::is_invalid): a value breaks its rule; the text says which.
    pub fn build(self) -> Result<BackgroundCredentialsProvider, BuildError> {
        let policy = Policy {
            refresh_window: parse::refresh_window(Given {
                by: "BackgroundBuilder::refresh_window",
                value: self.refresh_window,
            })?,
            wait_timeout: parse::wait_timeout(Given {
                by: "BackgroundBuilder::wait_timeout",
                value: self.wait_timeout,
            })?,
            expired: self.expired_policy,
        };
        let time_source = self.time_source.or(self.shared_time_source).unwrap_or_default();
        let attempt_timeout = parse::call_timeout(self.attempt_timeout)?;
        let source = Wrapped::new(self.provider, self.name, attempt_timeout, time_source.clone());
        let engine = Engine { policy, time_source, shutdown_when: self.shutdown_when, runtime: self.runtime };
        let observer = adapters::observer(source.subject(), None);
        Ok(BackgroundCredentialsProvider::from_parts(source, engine, observer))
    }

    /// [`build`](Self::build), and the first credentials.
    ///
    /// # Errors
    /// Those of `build`, as [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration). The provider's, at once
    /// if only a human can mend it, else after [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Cancel safety
    /// Dropping the future drops the provider, and with it the attempts.
    pub async fn connect(self) -> Result<BackgroundCredentialsProvider, Error> {
        self.build()?.connected().await
    }
}

/// What the provider itself would print is somebody else's care.
impl fmt::Debug for BackgroundBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundBuilder").field("name", &Shown(&self.name)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    #[test]
    fn p12_each_value_that_cannot_be_is_refused_by_the_name_of_its_setting() {
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
}
