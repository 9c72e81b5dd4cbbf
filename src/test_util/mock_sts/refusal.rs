//! How STS says no: codes, statuses and texts.

use std::borrow::Cow;
use std::fmt;

/// An error answer of AWS: why [`MockSts::verify`](super::MockSts::verify) did not accept a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    /// The HTTP status that AWS answers with.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The error code, such as `SignatureDoesNotMatch`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text that belongs to the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub(super) fn access_denied() -> Self {
        Self::new(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    }

    /// What `AssumeRole` says of a role that does not trust the caller, or is not there.
    pub(super) fn not_authorized(caller_arn: &str, action: &str, role_arn: &str) -> Self {
        let message = format!("User: {caller_arn} is not authorized to perform: {action} on resource: {role_arn}");
        Self::new(403, "AccessDenied", message)
    }

    pub(super) fn invalid_identity_token(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidIdentityToken", message)
    }

    pub(super) fn no_verification_key() -> Self {
        // AWS's own two spaces.
        Self::invalid_identity_token(
            "Couldn't retrieve verification key from your identity provider,  please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
    }

    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// A parameter that breaks a rule of the API's model.
    pub(super) fn constraint(value: Option<&str>, parameter: &str, constraint: impl fmt::Display) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{parameter}' failed to satisfy constraint: \
             Member must {constraint}"
        ))
    }

    /// A service's refusal of a key, with the text that belongs to the code.
    pub(super) fn of_key(code: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        let message = match &*code {
            "ExpiredToken" | "ExpiredTokenException" => "The security token included in the request is expired",
            "SignatureDoesNotMatch" => {
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
            }
            "MissingAuthenticationToken" => "Request is missing Authentication Token",
            "AccessDenied" | "AccessDeniedException" => "Access Denied",
            _ => "The security token included in the request is invalid",
        };
        Self::new(403, code, message)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request is refused: {} ({})", self.message, self.code)
    }
}

impl std::error::Error for Refusal {}
