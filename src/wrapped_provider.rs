//! A wrapped provider: any provider of the SDK as a source of the engine, and the class of each of its failures.

use std::error::Error as StdError;
use std::iter::successors;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::SharedTimeSource;
use tokio::time::{sleep, timeout};

use crate::error::{Error, ErrorKind, in_words};
use crate::refresh::{Attempt, Change, Class, Failure, Grant, Principal, Source};
use crate::scrub::{chain, printable};

/// Another crate's provider. One task calls it, with a time limit.
pub(crate) struct WrappedProvider {
    provider: SharedCredentialsProvider,
    /// Its name in logs and errors.
    name: String,
    attempt_timeout: Duration,
    time_source: SharedTimeSource,
    /// The last credentials never expire.
    endless: AtomicBool,
}

impl WrappedProvider {
    pub(crate) fn new(
        provider: SharedCredentialsProvider,
        name: String,
        attempt_timeout: Duration,
        time_source: SharedTimeSource,
    ) -> Self {
        Self { provider, name, attempt_timeout, time_source, endless: AtomicBool::new(false) }
    }

    fn failure(&self, error: CredentialsError) -> Failure {
        if let Some(cause) = ours(&error) {
            // Our own error holds no secret, and names the cause best.
            let (class, message) = (Class::of(cause), format!("{} gave no credentials", self.name));
            let error = Error::caused_by(cause.clone(), message, "see its own error below");
            return Failure { class, error, retry_after: None };
        }
        let (class, kind, remedy) = match &error {
            CredentialsError::CredentialsNotLoaded(_) => (
                Class::Misconfigured,
                ErrorKind::InvalidConfiguration,
                "the provider found no credentials to load. Give it a source (variables, a file, a profile, an \
                 endpoint)",
            ),
            CredentialsError::InvalidConfiguration(_) => (
                Class::Misconfigured,
                ErrorKind::InvalidConfiguration,
                "correct the provider's configuration as its message says",
            ),
            CredentialsError::ProviderTimedOut(_) => (Class::Outage, ErrorKind::TimedOut, AGAIN),
            CredentialsError::ProviderError(_) => (Class::Outage, ErrorKind::ServiceUnavailable, AGAIN),
            _ => (Class::Unclear, ErrorKind::Unexpected, AGAIN),
        };
        // The scrubbed text only: the error itself may print an answer with keys in it.
        let said = printable(&chain(&error), "", 512);
        failure(class, kind, format!("{} gave no credentials: {said}", self.name), remedy)
    }

    fn late(&self) -> Failure {
        let message = format!("{} gave no credentials within {}", self.name, in_words(self.attempt_timeout));
        let remedy = "check what the provider calls (a process, a file system, an endpoint). If it is only slow, raise \
                    attempt_timeout. The provider is called again";
        failure(Class::Outage, ErrorKind::TimedOut, message, remedy)
    }

    fn expired(&self) -> Failure {
        let message = format!("the credentials that {} gave had expired on arrival", self.name);
        let remedy = "either the provider returns old credentials from a cache, or the clock of this machine is ahead. \
                    Compare the clock with a time server first. The provider is called again";
        failure(Class::Outage, ErrorKind::Unexpected, message, remedy)
    }

    fn incomplete(&self) -> Failure {
        let message = format!("{} gave credentials without an access key or without a secret key", self.name);
        let remedy = "the provider received an incomplete answer; see its own log. The provider is called again";
        failure(Class::Outage, ErrorKind::Unexpected, message, remedy)
    }
}

impl Source for WrappedProvider {
    async fn fetch(&self, _: Attempt) -> Result<Grant, Failure> {
        let Ok(outcome) = timeout(self.attempt_timeout, self.provider.provide_credentials()).await else {
            return Err(self.late());
        };
        let credentials = outcome.map_err(|error| self.failure(error))?;
        // The STS provider of aws-config accepts an answer without a secret key.
        if credentials.access_key_id().is_empty() || credentials.secret_access_key().is_empty() {
            return Err(self.incomplete());
        }
        let now = self.time_source.now();
        let longest = now.checked_add(LONGEST).unwrap_or(now);
        let expiration = credentials.expiry().unwrap_or(longest).min(longest);
        if expiration <= now {
            return Err(self.expired());
        }
        let is_endless = credentials.expiry().is_none();
        self.endless.store(is_endless, Ordering::Relaxed);
        let principal = Principal {
            account_id: credentials.account_id().map(|id| id.as_str().to_owned()),
            // Credentials that expire replace endless ones, although those are valid for longer.
            on_behalf_of: Some(if is_endless { "endless" } else { "expiring" }.to_owned()),
            ..Principal::default()
        };
        Ok(Grant { credentials, expiration, date: None, requested: LONGEST, principal })
    }

    /// A provider cannot report a change. Credentials that never expire may be replaced, so the provider is asked for
    /// new ones from time to time.
    async fn changed(&self) -> Change {
        loop {
            sleep(ENDLESS_REFRESH).await;
            if self.endless.load(Ordering::Relaxed) {
                return Change::Identity;
            }
        }
    }

    fn subject(&self) -> &str {
        &self.name
    }
}

fn failure(class: Class, kind: ErrorKind, message: String, remedy: &str) -> Failure {
    let error = Error::new(kind, message).with_remedy(remedy).with_transient(class != Class::Misconfigured);
    Failure { class, error, retry_after: None }
}

/// The error of this crate among the causes, if there is one.
fn ours<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

const AGAIN: &str = "the provider is called again. If this lasts, check the service that it calls";
/// Lifetime of credentials without an expiry. No clock overflows so soon.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Interval of the calls for credentials that never expire.
const ENDLESS_REFRESH: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::future;
    use aws_smithy_async::time::StaticTimeSource;

    use std::time::SystemTime;

    use super::*;

    const CALM: Attempt = Attempt { valid: true };

    #[derive(Debug)]
    struct Gives(fn() -> Result<Credentials, CredentialsError>);

    impl ProvideCredentials for Gives {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready((self.0)())
        }
    }

    fn source(provider: impl ProvideCredentials + 'static) -> WrappedProvider {
        let time = SharedTimeSource::new(StaticTimeSource::from_secs(NOW));
        WrappedProvider::new(
            SharedCredentialsProvider::new(provider),
            "the vault".to_owned(),
            Duration::from_secs(20),
            time,
        )
    }

    const NOW: u64 = 1_900_000_000;

    fn credentials(expires_in: Option<i64>) -> Credentials {
        let expiry = expires_in.map(|seconds| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.checked_add_signed(seconds).expect("a time"))
        });
        Credentials::new("AKIA", "secret-canary", None, expiry, "test")
    }

    #[derive(Debug)]
    struct Leaky(#[expect(dead_code, reason = "for Debug")] &'static str);

    impl std::fmt::Display for Leaky {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the vault is sealed")
        }
    }

    impl StdError for Leaky {}

    #[tokio::test]
    async fn each_failure_has_its_class_and_kind() {
        for (fails, class, kind, transient) in [
            (
                (|| Err(CredentialsError::not_loaded("no file"))) as fn() -> Result<Credentials, CredentialsError>,
                Class::Misconfigured,
                ErrorKind::InvalidConfiguration,
                false,
            ),
            (
                || Err(CredentialsError::invalid_configuration("bad")),
                Class::Misconfigured,
                ErrorKind::InvalidConfiguration,
                false,
            ),
            (
                || Err(CredentialsError::provider_timed_out(Duration::from_secs(1))),
                Class::Outage,
                ErrorKind::TimedOut,
                true,
            ),
            (|| Err(CredentialsError::provider_error("away")), Class::Outage, ErrorKind::ServiceUnavailable, true),
            (|| Err(CredentialsError::unhandled("what")), Class::Unclear, ErrorKind::Unexpected, true),
            (|| Ok(credentials(Some(-1))), Class::Outage, ErrorKind::Unexpected, true),
            (|| Ok(Credentials::new("AKIA", "", None, None, "test")), Class::Outage, ErrorKind::Unexpected, true),
            (|| Ok(Credentials::new("", "secret", None, None, "test")), Class::Outage, ErrorKind::Unexpected, true),
        ] {
            let failure = source(Gives(fails)).fetch(CALM).await.err().unwrap();
            let error = failure.error;
            assert_eq!((failure.class, error.kind(), error.is_transient()), (class, kind, transient), "{error}");
            assert!(error.to_string().contains("the vault"), "{error}");
        }
    }

    #[tokio::test]
    async fn p9_foreign_error_is_quoted_but_not_kept() {
        let failure = source(Gives(|| Err(CredentialsError::provider_error(Leaky("secret-canary"))))).fetch(CALM).await;
        let error = failure.err().unwrap().error;
        assert!(error.to_string().contains("the vault is sealed"), "{error}");
        assert!(error.source().is_none());
        assert!(!format!("{error:?} {error:#?}").contains("canary"), "{error:?}");
    }

    #[tokio::test]
    async fn p12_own_error_keeps_its_class_and_stays_the_cause() {
        fn fails(kind: ErrorKind) -> Result<Credentials, CredentialsError> {
            Err(CredentialsError::provider_error(Error::new(kind, "what it says").with_remedy("what to do")))
        }
        for (failing, kind, class) in [
            ((|| fails(ErrorKind::RoleDenied)) as fn() -> _, ErrorKind::RoleDenied, Class::Misconfigured),
            (|| fails(ErrorKind::Throttled), ErrorKind::Throttled, Class::Throttled),
            (|| fails(ErrorKind::ServiceUnavailable), ErrorKind::ServiceUnavailable, Class::Outage),
            (|| fails(ErrorKind::Closed), ErrorKind::Closed, Class::Misconfigured),
        ] {
            let failure = source(Gives(failing)).fetch(CALM).await.err().unwrap();
            let error = failure.error;
            assert_eq!(
                (failure.class, error.kind(), error.is_transient()),
                (class, kind, class != Class::Misconfigured)
            );
            assert_eq!(error.to_string(), "the vault gave no credentials: what to do");
            let cause: &Error = error.source().unwrap().downcast_ref().unwrap();
            assert_eq!(cause.kind(), kind);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_hangs_is_given_up() {
        #[derive(Debug)]
        struct Hangs;
        impl ProvideCredentials for Hangs {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                future::ProvideCredentials::new(std::future::pending())
            }
        }
        let failure = source(Hangs).fetch(CALM).await.err().unwrap();
        assert_eq!((failure.class, failure.error.kind()), (Class::Outage, ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn endless_credentials_are_asked_for_again() {
        for (gives, again) in [
            ((|| Ok(credentials(None))) as fn() -> Result<Credentials, CredentialsError>, true),
            (|| Ok(credentials(Some(3600))), false),
        ] {
            let source = source(Gives(gives));
            let grant = source.fetch(CALM).await.ok().unwrap();
            let left = grant.expiration.duration_since(source.time_source.now()).unwrap();
            assert_eq!(left, if again { LONGEST } else { Duration::from_secs(3600) });
            let change = timeout(Duration::from_secs(7200), source.changed()).await;
            assert_eq!(change.ok(), again.then_some(Change::Identity));
        }
    }
}
