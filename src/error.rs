//! The errors. Each says what failed, on what, why, and what to do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// The reason why there are no credentials, or why the last refresh failed.
///
/// `Display` says what failed, on what, and what to do. The cause, if there is one, is the
/// [`source`](StdError::source), and `Display` does not repeat it. The type is opaque and cheap to clone: all callers
/// that waited for one exchange share its error.
///
/// ```no_run
/// # async fn example() {
/// use aws_web_identity::{ErrorKind, WebIdentityCredentialsProvider};
///
/// match WebIdentityCredentialsProvider::builder().connect().await {
///     Ok(identity) => println!("{:?}", identity.status().assumed_role_arn),
///     Err(error) if error.kind() == ErrorKind::RoleDenied => eprintln!("ask the owner of the role: {error}"),
///     Err(error) if error.is_transient() => eprintln!("try again: {error}"),
///     Err(error) => eprintln!("mend this first: {error}"),
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    transient: bool,
    message: String,
    remedy: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
    endpoint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// Set for a `BuildError`.
    build: Option<BuildErrorKind>,
    /// Set for a `BuildError`: the variable or method whose value is wrong.
    setting: Option<Cow<'static, str>>,
}

impl Error {
    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns true if a later attempt may succeed without any action. Examples: an outage, throttling, a timeout, a
    /// token that is about to be replaced.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// The error code of the answer, as STS wrote it: `AccessDenied`, `InvalidIdentityToken`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The request id of the answer, for AWS support and CloudTrail.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The next step, if it is known: the part of `Display` after what failed.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// Returns true if neither the role nor the token is set, and this is not a pod: most likely a laptop. The same as
    /// [`BuildError::is_not_configured`], for callers of [`connect`](crate::Builder::connect).
    pub fn is_not_configured(&self) -> bool {
        self.0.build == Some(BuildErrorKind::NotConfigured)
    }

    /// Returns true if neither the role nor the token is set, although this is a pod: the webhook did not inject the
    /// variables. The same as [`BuildError::is_not_injected`], for callers of [`connect`](crate::Builder::connect).
    pub fn is_not_injected(&self) -> bool {
        self.0.build == Some(BuildErrorKind::NotInjected)
    }

    /// The endpoint that answered, if any did.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let transient = matches!(kind, ErrorKind::ServiceUnavailable | ErrorKind::Throttled | ErrorKind::TimedOut);
        Self(Arc::new(Inner {
            kind,
            transient,
            message: message.into(),
            remedy: None,
            code: None,
            request_id: None,
            endpoint: None,
            source: None,
            build: None,
            setting: None,
        }))
    }

    /// `remedy`: what to do next, in one or more sentences without the final full stop.
    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.inner().remedy = Some(remedy.into());
        self
    }

    pub(crate) fn with_transient(mut self, transient: bool) -> Self {
        self.inner().transient = transient;
        self
    }

    /// Adds the error code and the request id of the answer.
    pub(crate) fn with_answer(mut self, code: Option<String>, request_id: Option<String>) -> Self {
        let inner = self.inner();
        (inner.code, inner.request_id) = (code, request_id);
        self
    }

    pub(crate) fn with_endpoint(mut self, endpoint: Option<String>) -> Self {
        self.inner().endpoint = endpoint;
        self
    }

    /// Adds the cause. An `SdkError` or a raw answer must not be one: they print secrets.
    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.inner().source = Some(Arc::new(source));
        self
    }

    /// A failure because of another of our errors, with the kind and the remedy of that error. `remedy`: for a cause
    /// without one.
    pub(crate) fn caused_by(cause: Self, message: impl Into<String>, remedy: &str) -> Self {
        Self::new(cause.kind(), message)
            .with_remedy(cause.remedy().unwrap_or(remedy))
            .with_transient(cause.is_transient())
            .with_source(cause)
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(remedy) = &self.0.remedy {
            write!(f, ": {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.0.message);
        let setting = self.0.setting.as_deref();
        for (name, value) in
            [("remedy", self.remedy()), ("setting", setting), ("code", self.code()), ("request_id", self.request_id())]
        {
            if let Some(value) = value {
                out.field(name, &value);
            }
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        error.0
    }
}

/// Uses variants at which a provider chain stops: a failure of web identity must never lead to another identity.
impl From<Error> for CredentialsError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidConfiguration => Self::invalid_configuration(error),
            _ => Self::provider_error(error),
        }
    }
}

/// The kind of an [`Error`], by what its reader can do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The provider was shut down. Build a new one.
    Closed,
    /// A setting cannot work: an ARN, a region, a session length, a policy. Correct the setting and restart.
    InvalidConfiguration,
    /// The role's trust policy does not allow this token or, for a chained role, the base. Correct the trust policy.
    RoleDenied,
    /// STS, the issuer that STS asks, or a wrapped provider fails or cannot be reached. Wait. If the failure lasts,
    /// check the network.
    ServiceUnavailable,
    /// STS throttles this account or issuer. Share one provider per process, or lengthen the sessions.
    Throttled,
    /// No answer came in time. Wait. If the failure lasts, check the network and the endpoint.
    TimedOut,
    /// STS rejected the token: it is expired, of an unknown issuer, or for another audience. For a chained role: STS
    /// rejected the base's credentials, which are refreshed then.
    TokenRejected,
    /// There is no token to send. Its file is missing, unreadable, empty or not a token, or its
    /// [source](crate::token_source) failed.
    TokenUnavailable,
    /// The answer is not one of STS: a proxy's page, or a truncated body. Check what stands between the pod and the
    /// endpoint.
    Unexpected,
}

impl ErrorKind {
    /// The kind in snake case, as events and metrics have it: `role_denied`. The text of a kind never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::InvalidConfiguration => "invalid_configuration",
            Self::RoleDenied => "role_denied",
            Self::ServiceUnavailable => "service_unavailable",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed_out",
            Self::TokenRejected => "token_rejected",
            Self::TokenUnavailable => "token_unavailable",
            Self::Unexpected => "unexpected",
        }
    }
}

/// The reason why [`build`](crate::Builder::build) failed. Building reads only environment variables and sends nothing.
///
/// `Display` names the setting and its value, says what is wrong with them, and what to do. The cause, if there is one,
/// is the [`source`](StdError::source), and `Display` does not repeat it.
#[derive(Clone)]
pub struct BuildError(Error);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum BuildErrorKind {
    NotConfigured,
    NotInjected,
    Invalid,
}

impl BuildError {
    /// Returns true if this is not a pod, and neither the builder nor a variable (`AWS_ROLE_ARN`,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`) gives a role or a token.
    ///
    /// A program that also runs on a laptop can then use its other credentials. In a pod that would be the node's role:
    /// there [`is_not_injected`](Self::is_not_injected) is true instead.
    pub fn is_not_configured(&self) -> bool {
        self.0.is_not_configured()
    }

    /// Returns true if neither variable is set although this is a pod (`KUBERNETES_SERVICE_HOST` is set). Usually the
    /// webhook did not inject them. This includes a pod with EKS Pod Identity alone; the text says how to use that.
    pub fn is_not_injected(&self) -> bool {
        self.0.is_not_injected()
    }

    /// Returns true if a setting is missing or invalid.
    pub fn is_invalid(&self) -> bool {
        self.0.0.build == Some(BuildErrorKind::Invalid)
    }

    /// The next step: the part of `Display` after what is wrong.
    pub fn remedy(&self) -> &str {
        self.0.remedy().unwrap_or_default()
    }

    /// The variable or method that the text is about: `AWS_REGION`, `Builder::role_arn`. Of two values that belong
    /// together, it is the one that is set, or the first. `None` if no value is set.
    pub fn setting(&self) -> Option<&str> {
        self.0.0.setting.as_deref()
    }

    /// `remedy`: one or more sentences without the final full stop.
    pub(crate) fn not_configured(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(BuildErrorKind::NotConfigured, message, remedy)
    }

    pub(crate) fn not_injected(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(BuildErrorKind::NotInjected, message, remedy)
    }

    pub(crate) fn invalid(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(BuildErrorKind::Invalid, message, remedy)
    }

    fn new(kind: BuildErrorKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let mut error = Error::new(ErrorKind::InvalidConfiguration, message).with_remedy(remedy);
        error.inner().build = Some(kind);
        Self(error)
    }

    pub(crate) fn with_setting(mut self, setting: impl Into<Cow<'static, str>>) -> Self {
        self.0.inner().setting = Some(setting.into());
        self
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self(self.0.with_source(source))
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BuildError").field(&self.0).finish()
    }
}

impl StdError for BuildError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// The remedy if no thread can be started.
pub(crate) const RAISE_THREAD_LIMIT: &str = "raise the limit of threads: the pod's pids limit (pids.max of its cgroup, \
                                             podPidsLimit of the kubelet) or RLIMIT_NPROC";

/// A duration for texts: in seconds, or in milliseconds below one second. Cut off, never rounded up.
pub(crate) fn in_words(duration: Duration) -> String {
    let (seconds, hundredths) = (duration.as_secs(), duration.subsec_millis() / 10);
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 if hundredths % 10 > 0 => format!("{seconds}.{hundredths:02} s"),
        1..100 if hundredths >= 10 => format!("{seconds}.{} s", hundredths / 10),
        _ => format!("{seconds} s"),
    }
}

/// A time for texts: RFC 3339, in seconds.
pub(crate) fn date(time: SystemTime) -> String {
    let seconds = DateTime::from_secs(DateTime::from(time).secs());
    seconds.fmt(Format::DateTime).unwrap_or_else(|_| "a time out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_shown_in_one_unit() {
        for (millis, text) in [
            (0, "0 ms"),
            (120, "120 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (1004, "1 s"),
            (1500, "1.5 s"),
            (1250, "1.25 s"),
            (8000, "8 s"),
            (9999, "9.99 s"),
            (10_500, "10.5 s"),
            (30_050, "30 s"),
            (99_950, "99.9 s"),
            (608_230, "608 s"),
        ] {
            assert_eq!(in_words(Duration::from_millis(millis)), text, "{millis}");
        }
    }

    #[test]
    fn time_is_shown_in_seconds() {
        assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_millis(1_893_456_000_999)), "2030-01-01T00:00:00Z");
        assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60)), "a time out of range");
    }
}
