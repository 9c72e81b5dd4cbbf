//! The classification table: what an answer means for the next attempt, and whose business it is.

use crate::error::ErrorKind;
use crate::refresh::Class;

/// Why an exchange gave no credentials. One row of the table each; the hints follow it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Reason {
    /// No connection: refused, reset, no such name.
    Unreachable,
    /// TLS failed on the certificate.
    Certificate,
    /// No answer in time.
    NoAnswer,
    /// The answer broke off.
    Broken,
    /// 5xx, `InternalFailure`.
    ServerFault,
    Throttled,
    /// STS cannot read the issuer's keys, or asks for them too often.
    IssuerUnreachable,
    TokenExpired,
    ClaimRejected,
    NoProvider,
    Audience,
    Signature,
    Thumbprint,
    Malformed,
    /// `InvalidIdentityToken` with a text that we do not know.
    TokenUnclear,
    /// The credentials that signed: expired, revoked, not known yet.
    KeyRejected,
    RoleDenied,
    SessionTooLong,
    Setting,
    Policy,
    PolicyTooLarge,
    RegionDisabled,
    /// The same at a standby, which is not asked again: others may be, and home.
    StandbyDisabled,
    /// Nothing was sent: no endpoint, no HTTP client.
    NotSent,
    /// A refusal with a code that is in no table.
    UnknownCode,
    /// HTML, JSON, a redirect, nothing.
    NotSts,
    /// A 200 without whole credentials.
    BadGrant,
}

impl Reason {
    /// Of an answer with an error code: by code, then message, then status (STS throttles with HTTP 400).
    ///
    /// `expired`: the token had expired by the server's own clock. Then any refusal of it is for that, whatever it is called.
    pub(crate) fn of_code(code: &str, message: &str, status: u16, expired: bool) -> Self {
        let reason = by_code(code, message).unwrap_or(match status {
            408 | 429 | 500.. => Self::of_status(status, false),
            _ => Self::UnknownCode,
        });
        reason.unless_expired(status, expired)
    }

    /// Of an answer that is not STS's.
    pub(crate) fn of_status(status: u16, expired: bool) -> Self {
        let reason = match status {
            408 => Self::NoAnswer,
            429 => Self::Throttled,
            500.. => Self::ServerFault,
            _ => Self::NotSts,
        };
        reason.unless_expired(status, expired)
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self::Unreachable
            | Self::Certificate
            | Self::NoAnswer
            | Self::Broken
            | Self::ServerFault
            | Self::StandbyDisabled
            | Self::KeyRejected
            | Self::IssuerUnreachable => Class::Transient,
            Self::Throttled => Class::Throttled,
            Self::TokenExpired | Self::ClaimRejected => Class::Blocked,
            Self::NoProvider | Self::RoleDenied => Class::Lagging,
            Self::Audience
            | Self::Signature
            | Self::Thumbprint
            | Self::Malformed
            | Self::SessionTooLong
            | Self::Setting
            | Self::Policy
            | Self::PolicyTooLarge
            | Self::RegionDisabled
            | Self::NotSent => Class::Config,
            Self::TokenUnclear | Self::UnknownCode | Self::NotSts | Self::BadGrant => Class::Unclear,
        }
    }

    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Unreachable
            | Self::Certificate
            | Self::Broken
            | Self::ServerFault
            | Self::IssuerUnreachable
            | Self::StandbyDisabled => ErrorKind::ServiceUnavailable,
            Self::NoAnswer => ErrorKind::TimedOut,
            Self::Throttled => ErrorKind::Throttled,
            Self::TokenExpired
            | Self::ClaimRejected
            | Self::NoProvider
            | Self::Audience
            | Self::Signature
            | Self::Thumbprint
            | Self::Malformed
            | Self::TokenUnclear
            | Self::KeyRejected => ErrorKind::TokenRejected,
            Self::RoleDenied => ErrorKind::RoleDenied,
            Self::SessionTooLong
            | Self::Setting
            | Self::Policy
            | Self::PolicyTooLarge
            | Self::RegionDisabled
            | Self::NotSent => ErrorKind::InvalidConfiguration,
            Self::UnknownCode | Self::NotSts | Self::BadGrant => ErrorKind::Unexpected,
        }
    }

    /// Whether somebody answered.
    pub(crate) fn is_answer(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Certificate | Self::NoAnswer | Self::NotSent)
    }

    /// Whether nobody was found who answers as STS does, or one who fails: elsewhere it may be otherwise.
    pub(crate) fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Certificate
                | Self::NoAnswer
                | Self::Broken
                | Self::ServerFault
                | Self::NotSts
                | Self::BadGrant
        )
    }

    /// Whether it may pass although nobody does anything.
    pub(crate) fn is_transient(self) -> bool {
        !matches!(self.class(), Class::Config | Class::Lagging)
    }

    fn unless_expired(self, status: u16, expired: bool) -> Self {
        let refusal = (400..500).contains(&status) && !matches!(self.class(), Class::Transient | Class::Throttled);
        if expired && refusal { Self::TokenExpired } else { self }
    }
}

fn by_code(code: &str, message: &str) -> Option<Reason> {
    let code = code.strip_suffix("Exception").unwrap_or(code);
    Some(match code {
        _ if code.starts_with("Throttling") || code.starts_with("TooManyRequests") => Reason::Throttled,
        "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "SlowDown"
        | "Throttled" => Reason::Throttled,
        "IDPCommunicationError" => Reason::IssuerUnreachable,
        "ExpiredToken" => Reason::TokenExpired,
        "IDPRejectedClaim" => Reason::ClaimRejected,
        "InvalidIdentityToken" => by_token_message(message),
        "AccessDenied" => Reason::RoleDenied,
        "ValidationError" | "Validation" if session_too_long(message) => Reason::SessionTooLong,
        // What STS says of a field, and what others do.
        "InvalidArgument"
        | "InvalidParameterCombination"
        | "InvalidParameterValue"
        | "MissingParameter"
        | "Validation"
        | "ValidationError" => Reason::Setting,
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClient" => {
            Reason::KeyRejected
        }
        "MalformedPolicyDocument" => Reason::Policy,
        "PackedPolicyTooLarge" => Reason::PolicyTooLarge,
        "RegionDisabled" => Reason::RegionDisabled,
        "RequestTimeout" => Reason::NoAnswer,
        "InternalError" | "InternalFailure" | "InternalServerError" | "ServiceUnavailable" => Reason::ServerFault,
        _ => return None,
    })
}

/// STS has one code for most of what can be wrong with a token; some other servers have no second one.
fn by_token_message(message: &str) -> Reason {
    let message = message.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|text| message.contains(text));
    match () {
        () if says(&["retrieve verification key"]) => Reason::IssuerUnreachable,
        () if says(&["no openidconnect provider"]) => Reason::NoProvider,
        () if says(&["expired", "token too old"]) => Reason::TokenExpired,
        () if says(&["audience"]) => Reason::Audience,
        () if says(&["thumbprint"]) => Reason::Thumbprint,
        () if says(&["signature"]) => Reason::Signature,
        () if says(&["malformed", "not a valid jwt", "could not be parsed", "failed to parse"]) => Reason::Malformed,
        () => Reason::TokenUnclear,
    }
}

fn session_too_long(message: &str) -> bool {
    ["MaxSessionDuration", "session limit"].iter().any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code, status, message, whether the token had expired by the server's clock; class, kind, `is_transient`.
    type Row = (&'static str, u16, &'static str, bool, Class, ErrorKind, bool);

    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        ("InternalFailure", 500, "", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InternalFailure", 400, "", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InternalError", 500, "", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("ServiceUnavailable", 503, "", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("NobodyKnows", 502, "", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("RequestTimeout", 400, "", false, Class::Transient, ErrorKind::TimedOut, true),
        ("RequestTimeoutException", 408, "", false, Class::Transient, ErrorKind::TimedOut, true),
        ("IDPCommunicationError", 400, "", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InvalidIdentityToken", 400, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements", false, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("Throttling", 400, "Rate exceeded", false, Class::Throttled, ErrorKind::Throttled, true),
        ("ThrottlingException", 400, "Rate exceeded", false, Class::Throttled, ErrorKind::Throttled, true),
        ("ThrottledException", 400, "", false, Class::Throttled, ErrorKind::Throttled, true),
        ("TooManyRequestsException", 400, "", false, Class::Throttled, ErrorKind::Throttled, true),
        ("RequestLimitExceeded", 503, "", false, Class::Throttled, ErrorKind::Throttled, true),
        ("RequestThrottledException", 400, "", false, Class::Throttled, ErrorKind::Throttled, true),
        ("SlowDown", 503, "", false, Class::Throttled, ErrorKind::Throttled, true),
        ("NobodyKnows", 429, "", false, Class::Throttled, ErrorKind::Throttled, true),
        ("ExpiredTokenException", 400, "Token expired: current date/time 1700000001 must be before the expiration date/time1700000000", false, Class::Blocked, ErrorKind::TokenRejected, true),
        ("ExpiredToken", 400, "", false, Class::Blocked, ErrorKind::TokenRejected, true),
        ("IDPRejectedClaim", 403, "", false, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "The token has expired", false, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for https://issuer.example.com", false, Class::Lagging, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Incorrect token audience", false, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Token signature verification failed", false, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint", false, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "The ID Token provided is malformed", false, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Something new", false, Class::Unclear, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "", false, Class::Unclear, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity", false, Class::Lagging, ErrorKind::RoleDenied, false),
        ("AccessDenied", 403, "", false, Class::Lagging, ErrorKind::RoleDenied, false),
        ("AccessDeniedException", 403, "", false, Class::Lagging, ErrorKind::RoleDenied, false),
        ("ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("ValidationError", 400, "1 validation error detected", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("InvalidArgument", 400, "", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("MissingParameter", 400, "", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("MalformedPolicyDocument", 400, "", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("PackedPolicyTooLarge", 400, "", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("RegionDisabledException", 403, "", false, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("MethodNotAllowed", 405, "", false, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 400, "", false, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidClientTokenId", 403, "", false, Class::Transient, ErrorKind::TokenRejected, true),
        ("InvalidAccessKeyId", 403, "", false, Class::Transient, ErrorKind::TokenRejected, true),
        // The token's own `exp` has passed.
        ("AccessDenied", 403, "", true, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "", true, Class::Blocked, ErrorKind::TokenRejected, true),
        ("NobodyKnows", 400, "", true, Class::Blocked, ErrorKind::TokenRejected, true),
        ("Throttling", 400, "Rate exceeded", true, Class::Throttled, ErrorKind::Throttled, true),
        ("IDPCommunicationError", 400, "", true, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InternalFailure", 500, "", true, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("AccessDenied", 500, "", true, Class::Lagging, ErrorKind::RoleDenied, false),
    ];

    #[test]
    fn every_code_has_its_class_and_kind() {
        for &(code, status, message, expired, class, kind, transient) in TABLE {
            let reason = Reason::of_code(code, message, status, expired);
            let got = (reason.class(), reason.kind(), reason.is_transient());
            assert_eq!(got, (class, kind, transient), "{code} {status} {message:?} expired: {expired}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_judged_by_its_status() {
        for (status, expired, reason) in [
            (200, false, Reason::NotSts),
            (302, false, Reason::NotSts),
            (403, false, Reason::NotSts),
            (403, true, Reason::TokenExpired),
            (408, true, Reason::NoAnswer),
            (429, true, Reason::Throttled),
            (500, true, Reason::ServerFault),
            (504, false, Reason::ServerFault),
        ] {
            assert_eq!(Reason::of_status(status, expired), reason, "{status} expired: {expired}");
        }
    }

    #[test]
    fn what_has_no_code_has_its_class_and_kind() {
        for (reason, class, kind) in [
            (Reason::Unreachable, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::Certificate, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::NoAnswer, Class::Transient, ErrorKind::TimedOut),
            (Reason::Broken, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::NotSent, Class::Config, ErrorKind::InvalidConfiguration),
            (Reason::NotSts, Class::Unclear, ErrorKind::Unexpected),
            (Reason::BadGrant, Class::Unclear, ErrorKind::Unexpected),
        ] {
            assert_eq!((reason.class(), reason.kind()), (class, kind), "{reason:?}");
        }
    }
}
