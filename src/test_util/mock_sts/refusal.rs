//! The error answers of AWS: status, code and message.

use std::borrow::Cow;
use std::fmt;

/// The error answer of AWS to a request that [`MockSts::verify`](super::MockSts::verify) does not accept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The error code, such as `SignatureDoesNotMatch`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message that goes with the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub(super) fn access_denied() -> Self {
        Self::new(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    }

    /// `AssumeRole` answers so if the role does not trust the caller, and if it does not exist.
    pub(super) fn not_authorized(caller_arn: &str, action: &str, role_arn: &str) -> Self {
        let message = format!("User: {caller_arn} is not authorized to perform: {action} on resource: {role_arn}");
        Self::new(403, "AccessDenied", message)
    }

    pub(super) fn invalid_identity_token(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidIdentityToken", message)
    }

    pub(super) fn no_verification_key() -> Self {
        // The two spaces are AWS's own.
        Self::invalid_identity_token(
            "Couldn't retrieve verification key from your identity provider,  please reference \
             AssumeRoleWithWebIdentity documentation for requirements",
        )
    }

    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// A parameter is out of the bounds of the API's model.
    pub(super) fn constraint(value: Option<&str>, parameter: &str, constraint: impl fmt::Display) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{parameter}' failed to satisfy constraint: \
             Member must {constraint}"
        ))
    }

    /// A service rejects a key with this code. The message follows from the code.
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
