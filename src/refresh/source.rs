//! The source of credentials, as the engine sees it: attempts, their outcomes, and the classes of failure.

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;

use crate::error::{Error, ErrorKind};

/// Gives credentials, one exchange at a time, to one task.
pub(crate) trait Source: Send + Sync + 'static {
    /// Makes one exchange. The source limits its time. Dropping the future cancels it.
    fn fetch(&self, attempt: Attempt) -> impl Future<Output = Result<Grant, Failure>> + Send;

    /// Resolves when the input of an exchange, such as the token, differs from the one that the last exchange used or the
    /// last call reported.
    ///
    /// Cancel safe: dropping the future loses no change. It is polled during a [`fetch`](Self::fetch), too.
    fn changed(&self) -> impl Future<Output = Change> + Send;

    /// The role's ARN or the provider's name, for logs and errors.
    fn subject(&self) -> &str;

    /// The reason why the exchange under way was not even sent, such as a token that cannot be read. A caller whose time is
    /// up gets it as the cause. Cheap, and never called under the engine's lock.
    fn obstacle(&self) -> Option<Error> {
        None
    }
}

/// An attempt, as its source may want to know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Attempt {
    /// Credentials are valid, so no request waits.
    pub(crate) valid: bool,
}

/// The answer of a successful exchange.
pub(crate) struct Grant {
    /// With the server's expiry. The engine replaces it by one on the local clock.
    pub(crate) credentials: Credentials,
    /// End of the credentials on the server's clock.
    pub(crate) expiration: SystemTime,
    /// The server's clock when it answered. `None` if the answer has no time of its own, or comes from a cache.
    pub(crate) date: Option<SystemTime>,
    /// The requested lifetime. A longer one counts only if two clocks agree on it.
    pub(crate) requested: Duration,
    pub(crate) principal: Principal,
}

/// The identity that the credentials stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Principal {
    pub(crate) assumed_role_arn: Option<String>,
    pub(crate) account_id: Option<String>,
    /// The source's identity that they were requested with. Those of another identity replace the present ones, even if they
    /// expire sooner. `None`: unknown.
    pub(crate) on_behalf_of: Option<String>,
    /// The endpoint that gave them.
    pub(crate) endpoint: Option<String>,
    /// How they were obtained, unless the credentials say it. The SDK's clients tell AWS in the user agent.
    pub(crate) feature: Option<AwsCredentialFeature>,
}

/// The outcome of a failed exchange.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) error: Error,
    /// The server's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

/// The class of a failure. It decides the retry delay.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Class {
    /// An outage or a timeout: retried soon.
    Outage,
    /// The server asks for fewer calls: retried later.
    Throttled,
    /// Misconfigured: only a person can mend it.
    Misconfigured,
    /// As `Misconfigured`, but the role or issuer may be too new. Before the first success the exchange is retried soon.
    NotYetKnown,
    /// Not understood. Counts as `Outage` twice in a row, then as `Misconfigured`.
    Unclear,
    /// The input of the exchange, such as the token, cannot be used. No attempt helps until the source reports a change.
    BadInput,
}

impl Class {
    /// The class of an error that came from another provider.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Throttled => Self::Throttled,
            _ if error.is_transient() => Self::Outage,
            _ => Self::Misconfigured,
        }
    }
}

#[cfg(test)]
impl Class {
    pub(crate) const ALL: [Self; 6] =
        [Self::Outage, Self::Throttled, Self::Misconfigured, Self::NotYetKnown, Self::Unclear, Self::BadInput];
}

/// A change that [`Source::changed`] reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// New content of the same identity, as when the kubelet rotates a token.
    Content,
    /// Another issuer, subject or audience.
    Identity,
}
