//! The classification table: what an answer means for the next attempt, and whose business it is.

use crate::error::ErrorKind;
use crate::key_error_codes::names_key;
use crate::refresh::Class;

/// Why an exchange gave no credentials. One row of the table each; the hints follow it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Reason {
    /// No connection: refused, reset, no such name.
    Unreachable,
    /// TLS failed for another reason than the next five.
    Certificate,
    /// The certificate is another host's.
    CertificateHost,
    /// No CA that we know signed the certificate.
    CertificateAuthority,
    /// The certificate has expired, or is not valid yet.
    CertificateTime,
    /// One side speaks TLS, the other plain HTTP.
    NotTls,
    /// This machine has no CA certificates.
    NoCertificates,
    /// No thread could be started to look the host up.
    NoThread,
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
    /// The token begins after the server's clock: two clocks differ.
    TooEarly,
    ClaimRejected,
    NoProvider,
    /// `NoProvider` at a standby, where a region that is not active for the account answers so. Another STS may know us.
    NoProviderAtStandby,
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
    /// Nothing was sent: there is no such endpoint.
    NotSent,
    /// Nothing was sent: nobody brought an HTTP client.
    NoHttpClient,
    /// A refusal with a code that is in no table, or that stands for anything.
    UnknownCode,
    /// `InvalidArgument` without a message: Ceph's gateway answers so when it cannot read the issuer's keys.
    Unexplained,
    /// HTML, JSON, a redirect, nothing.
    NotSts,
    /// Compressed, or in another encoding that nobody asked for.
    Encoded,
    /// A 200 without whole credentials.
    BadGrant,
}

/// What was sent, as far as it explains a refusal. Times are those of the server's own clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    Token,
    /// STS refuses it for that, whatever it calls the refusal.
    ExpiredToken,
    /// The same of a token that is not valid yet.
    EarlyToken,
    /// A signed request, without a token.
    Signature,
}

impl Reason {
    /// Of an answer with an error code: by code, then message, then status (STS throttles with HTTP 400).
    pub(crate) fn of_code(code: &str, message: &str, status: u16, sent: Sent) -> Self {
        let message = message.to_ascii_lowercase();
        let sent = if sent == Sent::Token && says_early(&message) { Sent::EarlyToken } else { sent };
        let by_code = by_code(code, &message, sent).filter(|_| status != 501);
        let reason = by_code.unwrap_or_else(|| match status {
            501 => Self::UnknownCode,
            408 | 429 | 500.. => Self::of_status(status, Sent::Token),
            _ if sent == Sent::Signature => Self::UnknownCode,
            _ => by_token_message(&message).unwrap_or(Self::UnknownCode),
        });
        reason.unless_untimely(status, sent)
    }

    /// Of an answer that is not STS's.
    pub(crate) fn of_status(status: u16, sent: Sent) -> Self {
        let reason = match status {
            408 => Self::NoAnswer,
            429 => Self::Throttled,
            // "Not implemented" and "log in to this network first": it is not STS that fails.
            501 | 511 => Self::NotSts,
            500.. => Self::ServerFault,
            _ => Self::NotSts,
        };
        reason.unless_untimely(status, sent)
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self::Unreachable
            | Self::Certificate
            | Self::CertificateHost
            | Self::CertificateAuthority
            | Self::CertificateTime
            | Self::NotTls
            | Self::NoCertificates
            | Self::NoThread
            | Self::NoAnswer
            | Self::Broken
            | Self::ServerFault
            | Self::TooEarly
            | Self::NoProviderAtStandby
            | Self::StandbyDisabled
            | Self::Unexplained
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
            | Self::NotSent
            | Self::NoHttpClient => Class::Config,
            Self::TokenUnclear | Self::UnknownCode | Self::NotSts | Self::Encoded | Self::BadGrant => Class::Unclear,
        }
    }

    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Unreachable
            | Self::Certificate
            | Self::CertificateHost
            | Self::CertificateAuthority
            | Self::CertificateTime
            | Self::NotTls
            | Self::NoCertificates
            | Self::NoThread
            | Self::Broken
            | Self::ServerFault
            | Self::IssuerUnreachable
            | Self::NoProviderAtStandby
            | Self::StandbyDisabled
            | Self::Unexplained => ErrorKind::ServiceUnavailable,
            Self::NoAnswer => ErrorKind::TimedOut,
            Self::Throttled => ErrorKind::Throttled,
            Self::TokenExpired
            | Self::TooEarly
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
            | Self::NotSent
            | Self::NoHttpClient => ErrorKind::InvalidConfiguration,
            Self::UnknownCode | Self::NotSts | Self::Encoded | Self::BadGrant => ErrorKind::Unexpected,
        }
    }

    /// Whether somebody answered.
    pub(crate) fn is_answer(self) -> bool {
        !self.is_unconnected() && !matches!(self, Self::NoAnswer | Self::NotSent | Self::NoHttpClient)
    }

    /// Whether nobody was found who answers as STS does, or one who fails: elsewhere it may be otherwise.
    pub(crate) fn is_outage(self) -> bool {
        self.is_unconnected()
            || matches!(
                self,
                Self::NoAnswer | Self::Broken | Self::ServerFault | Self::NotSts | Self::Encoded | Self::BadGrant
            )
    }

    /// Whether no connection came about.
    fn is_unconnected(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Certificate
                | Self::CertificateHost
                | Self::CertificateAuthority
                | Self::CertificateTime
                | Self::NotTls
                | Self::NoCertificates
                | Self::NoThread
        )
    }

    /// Whether it may pass although nobody does anything.
    pub(crate) fn is_transient(self) -> bool {
        !matches!(self.class(), Class::Config | Class::Lagging)
    }

    fn unless_untimely(self, status: u16, sent: Sent) -> Self {
        let refusal = (400..500).contains(&status) && !matches!(self.class(), Class::Transient | Class::Throttled);
        match sent {
            Sent::ExpiredToken if refusal => Self::TokenExpired,
            Sent::EarlyToken if refusal => Self::TooEarly,
            _ => self,
        }
    }
}

/// `message` in lower case.
fn by_code(code: &str, message: &str, sent: Sent) -> Option<Reason> {
    let signed = sent == Sent::Signature;
    Some(match code.strip_suffix("Exception").unwrap_or(code) {
        _ if signed && names_key(code) => Reason::KeyRejected,
        code if code.starts_with("Throttling") || code.starts_with("TooManyRequests") => Reason::Throttled,
        "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "SlowDown"
        | "Throttled" => Reason::Throttled,
        "IDPCommunicationError" => Reason::IssuerUnreachable,
        "ExpiredToken" => Reason::TokenExpired,
        "IDPRejectedClaim" => Reason::ClaimRejected,
        "InvalidIdentityToken" => by_token_message(message).unwrap_or(Reason::TokenUnclear),
        "InvalidArgument" if !signed && message.is_empty() => Reason::Unexplained,
        // SeaweedFS says so of most tokens. AWS's own text may name any role.
        "AccessDenied" if !signed && !message.contains("not authorized to perform") => {
            by_token_message(message).unwrap_or(Reason::RoleDenied)
        }
        // The latter from Ceph's gateway, of a role that is not there.
        "AccessDenied" | "NoSuchEntity" => Reason::RoleDenied,
        "ValidationError" | "Validation" if session_too_long(message) => Reason::SessionTooLong,
        // STS says so of a field. `InvalidArgument` and `InvalidParameterValue` are not here: other servers have one code
        // for fields and for tokens, so that only the message can tell.
        "InvalidParameterCombination" | "MissingParameter" | "Validation" | "ValidationError" => Reason::Setting,
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClient" => {
            Reason::KeyRejected
        }
        // Of session tags. Tokens have none, so that there is no other meaning.
        "InvalidParameterValue" if signed && message.contains("tag key") => Reason::Setting,
        "MalformedPolicyDocument" => Reason::Policy,
        "PackedPolicyTooLarge" => Reason::PolicyTooLarge,
        "RegionDisabled" => Reason::RegionDisabled,
        "RequestTimeout" => Reason::NoAnswer,
        "InternalError" | "InternalFailure" | "InternalServerError" | "ServiceUnavailable" => Reason::ServerFault,
        _ => return None,
    })
}

/// STS has one code for most of what can be wrong with a token, MinIO one for all of it. `message` in lower case. The texts
/// are those of AWS, SeaweedFS, and the JWT libraries of Go, Rust, Python and Java.
fn by_token_message(message: &str) -> Option<Reason> {
    let says = |any: &[&str]| any.iter().any(|text| message.contains(text));
    let names = |word| message.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
    Some(match () {
        () if says(&["retrieve verification key", "get \"http", "fetch jwks", "refresh jwks", "jwks endpoint"]) => {
            Reason::IssuerUnreachable
        }
        () if says(&["no openidconnect provider", "provider registered for issuer", "invalid token issuer"])
            || says(&["issuer claim", "invalidissuer", "invalid issuer"]) =>
        {
            Reason::NoProvider
        }
        () if says(&["expired", "token too old"]) => Reason::TokenExpired,
        () if says(&["audience"]) || names("aud") || names("azp") => Reason::Audience,
        () if says(&["thumbprint"]) => Reason::Thumbprint,
        () if says(&["signature", "verification error", "key is invalid", "key is of invalid type", "in jwks"])
            || names("kid") =>
        {
            Reason::Signature
        }
        () if says(&[
            "malformed",
            "number of segments",
            "not a valid jwt",
            "could not be parsed",
            "failed to parse",
            "invalid token format",
        ]) =>
        {
            Reason::Malformed
        }
        () => return None,
    })
}

/// Whether the server's clock has not reached the token's `iat` or `nbf`. `message` in lower case.
fn says_early(message: &str) -> bool {
    ["used before", "before use time", "not yet valid", "not valid yet", "immature"]
        .iter()
        .any(|text| message.contains(text))
}

fn session_too_long(message: &str) -> bool {
    ["maxsessionduration", "session limit"].iter().any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::Sent::{EarlyToken, ExpiredToken, Signature, Token};
    use super::*;

    /// Code, status, message, what was sent; class, kind, `is_transient`.
    type Row = (&'static str, u16, &'static str, Sent, Class, ErrorKind, bool);

    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        ("InternalFailure", 500, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InternalFailure", 400, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InternalError", 500, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("ServiceUnavailable", 503, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("NobodyKnows", 502, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("RequestTimeout", 400, "", Token, Class::Transient, ErrorKind::TimedOut, true),
        ("RequestTimeoutException", 408, "", Token, Class::Transient, ErrorKind::TimedOut, true),
        ("IDPCommunicationError", 400, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InvalidIdentityToken", 400, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("Throttling", 400, "Rate exceeded", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("ThrottlingException", 400, "Rate exceeded", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("ThrottledException", 400, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("TooManyRequestsException", 400, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("RequestLimitExceeded", 503, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("RequestThrottledException", 400, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("SlowDown", 503, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("NobodyKnows", 429, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("ExpiredTokenException", 400, "Token expired: current date/time 1700000001 must be before the expiration date/time1700000000", Token, Class::Blocked, ErrorKind::TokenRejected, true),
        ("ExpiredToken", 400, "", Token, Class::Blocked, ErrorKind::TokenRejected, true),
        ("IDPRejectedClaim", 403, "", Token, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "The token has expired", Token, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for https://issuer.example.com", Token, Class::Lagging, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Incorrect token audience", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Token signature verification failed", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "The ID Token provided is malformed", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Something new", Token, Class::Unclear, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "", Token, Class::Unclear, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity", Token, Class::Lagging, ErrorKind::RoleDenied, false),
        ("AccessDenied", 403, "", Token, Class::Lagging, ErrorKind::RoleDenied, false),
        ("AccessDeniedException", 403, "", Token, Class::Lagging, ErrorKind::RoleDenied, false),
        ("ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("ValidationError", 400, "1 validation error detected", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("InvalidParameterCombination", 400, "", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("MissingParameter", 400, "", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("MalformedPolicyDocument", 400, "", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("PackedPolicyTooLarge", 400, "", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("RegionDisabledException", 403, "", Token, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("MethodNotAllowed", 405, "", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 400, "", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidClientTokenId", 403, "", Token, Class::Transient, ErrorKind::TokenRejected, true),
        ("InvalidAccessKeyId", 403, "", Token, Class::Transient, ErrorKind::TokenRejected, true),
        // Ceph's gateway says no more when it cannot read the issuer's keys.
        ("InvalidArgument", 400, "", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InvalidArgument", 400, "Authorization", Token, Class::Unclear, ErrorKind::Unexpected, true),
        // MinIO's only code for tokens and fields, with the texts of Go's libraries.
        ("InvalidParameterValue", 400, "Token used before issued", Token, Class::Transient, ErrorKind::TokenRejected, true),
        ("InvalidParameterValue", 400, "token has invalid claims: token is not valid yet", Token, Class::Transient, ErrorKind::TokenRejected, true),
        ("InvalidParameterValue", 400, "Token is expired", Token, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidParameterValue", 400, "STS JWT Token has `aud` claim invalid, `aud` must match configured OpenID Client ID", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "STS JWT Token has `azp` claim invalid, `azp` must match configured OpenID Client ID", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "token signature is invalid: crypto/rsa: verification error", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "crypto/ecdsa: verification error", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "Invalid kid value <nil>", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "key is of invalid type", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "token contains an invalid number of segments", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "Get \"https://issuer.example.com/jwks\": dial tcp: i/o timeout", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InvalidParameterValue", 400, "Role arn:minio:iam:::role/app does not exist", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidParameterValue", 400, "", Token, Class::Unclear, ErrorKind::Unexpected, true),
        // Codes that nobody knows, by the same texts.
        ("InvalidToken", 400, "the token's signature is wrong", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("NobodyKnows", 400, "wrong audience", Token, Class::Config, ErrorKind::TokenRejected, false),
        ("NobodyKnows", 400, "we are kidding", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 500, "wrong audience", Token, Class::Transient, ErrorKind::ServiceUnavailable, true),
        // The token is not valid yet, by the message or by the server's clock.
        ("InvalidIdentityToken", 400, "The token is not yet valid", Token, Class::Transient, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "token used before issued", Token, Class::Transient, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "", EarlyToken, Class::Transient, ErrorKind::TokenRejected, true),
        ("IDPRejectedClaim", 403, "", EarlyToken, Class::Transient, ErrorKind::TokenRejected, true),
        ("Throttling", 400, "Rate exceeded", EarlyToken, Class::Throttled, ErrorKind::Throttled, true),
        ("InternalFailure", 500, "", EarlyToken, Class::Transient, ErrorKind::ServiceUnavailable, true),
        // No token was sent: what is said of keys is said of those that signed.
        ("ExpiredToken", 403, "", Signature, Class::Transient, ErrorKind::TokenRejected, true),
        ("ExpiredTokenException", 403, "", Signature, Class::Transient, ErrorKind::TokenRejected, true),
        ("InvalidToken", 403, "", Signature, Class::Transient, ErrorKind::TokenRejected, true),
        ("RequestExpired", 400, "Request has expired.", Signature, Class::Transient, ErrorKind::TokenRejected, true),
        ("SignatureDoesNotMatch", 403, "", Signature, Class::Transient, ErrorKind::TokenRejected, true),
        ("InvalidArgument", 400, "", Signature, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 400, "The signature has expired", Signature, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidParameterValue", 400, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.", Signature, Class::Config, ErrorKind::InvalidConfiguration, false),
        ("InvalidParameterValue", 400, "", Signature, Class::Unclear, ErrorKind::Unexpected, true),
        ("AccessDenied", 403, "not yet valid", Signature, Class::Lagging, ErrorKind::RoleDenied, false),
        // The token's own `exp` has passed.
        ("AccessDenied", 403, "", ExpiredToken, Class::Blocked, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "", ExpiredToken, Class::Blocked, ErrorKind::TokenRejected, true),
        ("NobodyKnows", 400, "", ExpiredToken, Class::Blocked, ErrorKind::TokenRejected, true),
        ("Throttling", 400, "Rate exceeded", ExpiredToken, Class::Throttled, ErrorKind::Throttled, true),
        ("IDPCommunicationError", 400, "", ExpiredToken, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("InternalFailure", 500, "", ExpiredToken, Class::Transient, ErrorKind::ServiceUnavailable, true),
        ("AccessDenied", 500, "", ExpiredToken, Class::Lagging, ErrorKind::RoleDenied, false),
    ];

    #[test]
    fn every_code_has_its_class_and_kind() {
        for &(code, status, message, sent, class, kind, transient) in TABLE {
            let reason = Reason::of_code(code, message, status, sent);
            let got = (reason.class(), reason.kind(), reason.is_transient());
            assert_eq!(got, (class, kind, transient), "{code} {status} {message:?} {sent:?}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_judged_by_its_status() {
        for (status, sent, reason) in [
            (200, Token, Reason::NotSts),
            (302, Token, Reason::NotSts),
            (403, Token, Reason::NotSts),
            (501, Token, Reason::NotSts),
            (511, Token, Reason::NotSts),
            (403, ExpiredToken, Reason::TokenExpired),
            (403, EarlyToken, Reason::TooEarly),
            (408, ExpiredToken, Reason::NoAnswer),
            (429, ExpiredToken, Reason::Throttled),
            (500, ExpiredToken, Reason::ServerFault),
            (504, Token, Reason::ServerFault),
        ] {
            assert_eq!(Reason::of_status(status, sent), reason, "{status} {sent:?}");
        }
    }

    #[test]
    fn what_has_no_code_has_its_class_and_kind() {
        for (reason, class, kind) in [
            (Reason::Unreachable, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::Certificate, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::CertificateHost, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::CertificateAuthority, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::CertificateTime, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::NotTls, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::NoCertificates, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::NoAnswer, Class::Transient, ErrorKind::TimedOut),
            (Reason::Broken, Class::Transient, ErrorKind::ServiceUnavailable),
            (Reason::NotSent, Class::Config, ErrorKind::InvalidConfiguration),
            (Reason::NoHttpClient, Class::Config, ErrorKind::InvalidConfiguration),
            (Reason::NotSts, Class::Unclear, ErrorKind::Unexpected),
            (Reason::Encoded, Class::Unclear, ErrorKind::Unexpected),
            (Reason::BadGrant, Class::Unclear, ErrorKind::Unexpected),
        ] {
            assert_eq!((reason.class(), reason.kind()), (class, kind), "{reason:?}");
        }
    }

    #[test]
    fn tls_failure_is_an_outage_without_answer() {
        for reason in [
            Reason::Certificate,
            Reason::CertificateHost,
            Reason::CertificateAuthority,
            Reason::CertificateTime,
            Reason::NotTls,
            Reason::NoCertificates,
        ] {
            assert!(reason.is_outage() && !reason.is_answer() && reason.is_transient(), "{reason:?}");
        }
    }
}
