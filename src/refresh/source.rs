//! Where credentials come from, as the engine sees it.

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;

use crate::error::{Error, ErrorKind};

/// Something that can be asked for credentials, again and again, by one task.
pub(crate) trait Source: Send + Sync + 'static {
    /// One attempt. The source bounds it in time; dropping the future cancels it.
    fn fetch(&self, attempt: Attempt) -> impl Future<Output = Result<Grant, Failure>> + Send;

    /// Resolves once what a fetch rests on is other than what the last fetch used, or the last call of this reported.
    ///
    /// Cancel safe: nothing is lost if the future is dropped. It is polled beside [`fetch`](Self::fetch), too.
    fn changed(&self) -> impl Future<Output = Change> + Send;

    /// Whose credentials these are, for logs and errors: a role's ARN.
    fn subject(&self) -> &str;

    /// What the attempt under way waits for at this moment, for the error of a caller who gives up before it ends.
    /// `None`: an answer to the exchange itself. Cheap; never called under the engine's lock.
    fn obstacle(&self) -> Option<Error> {
        None
    }
}

/// What a source may want to know of an attempt before it makes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Attempt {
    /// Nobody is in a hurry: there are usable credentials.
    pub(crate) usable: bool,
}

/// What a successful fetch gives.
pub(crate) struct Grant {
    /// With the expiry as the server wrote it; the engine shows another.
    pub(crate) credentials: Credentials,
    /// The end of the credentials on the server's clock.
    pub(crate) expiration: SystemTime,
    /// The server's clock when it answered, if the answer said so itself (no cache in between).
    pub(crate) date: Option<SystemTime>,
    /// The lifetime that was asked for. A longer one is not believed.
    pub(crate) requested: Duration,
    pub(crate) principal: Principal,
}

/// Who the credentials make us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Principal {
    pub(crate) assumed_role_arn: Option<String>,
    pub(crate) account_id: Option<String>,
    /// Who gave them.
    pub(crate) endpoint: Option<String>,
    /// How they were obtained, where the credentials do not say it: the SDK's clients tell AWS in the user agent.
    pub(crate) feature: Option<AwsCredentialFeature>,
}

/// What a failed fetch gives.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) error: Error,
    /// The server's own wish for the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

/// What a failure says about the next attempt.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Class {
    /// An outage, a timeout: soon.
    Transient,
    /// The server asks for less: later.
    Throttled,
    /// Only a human can mend it.
    Config,
    /// As `Config`, but a newly made configuration may only be lagging: before the first success, worth a few tries.
    Lagging,
    /// Not understood: `Transient` twice in a row, then `Config`.
    Unclear,
    /// No attempt makes sense until the source says that something changed.
    Blocked,
}

impl Class {
    /// What an error says that had another source as its cause.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Throttled => Self::Throttled,
            _ if error.is_transient() => Self::Transient,
            _ => Self::Config,
        }
    }
}

#[cfg(test)]
impl Class {
    pub(crate) const ALL: [Self; 6] =
        [Self::Transient, Self::Throttled, Self::Config, Self::Lagging, Self::Unclear, Self::Blocked];
}

/// What [`Source::changed`] saw.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// New content, of the same identity.
    Content,
    /// The content is somebody else's now: other issuer, subject or audience.
    Identity,
}
