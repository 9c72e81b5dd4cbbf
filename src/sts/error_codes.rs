//! Error codes of STS: finds the reason from the code, its message and the HTTP status.

use super::failure_reason::Reason;
use crate::refresh::Class;
use crate::rejection_codes::names_key;

/// The proof in the request. `ExpiredToken` and `EarlyToken` are judged by the server's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SentWith {
    Token,
    ExpiredToken,
    /// The token is not valid yet.
    EarlyToken,
    /// A signature, and no token.
    Signature,
}

/// Reason for an answer with an error code. The code decides, then the message, then the status: STS throttles with HTTP 400.
pub(super) fn reason(code: &str, message: &str, status: u16, sent: SentWith) -> Reason {
    let message = message.to_ascii_lowercase();
    let sent = if sent == SentWith::Token && contains_any(&message, EARLY) { SentWith::EarlyToken } else { sent };
    let reason = match status {
        501 => Reason::UnknownCode,
        _ => by_code(code, &message, sent).unwrap_or_else(|| match status {
            408 | 429 | 500.. => status_reason(status, SentWith::Token),
            _ if sent == SentWith::Signature => Reason::UnknownCode,
            _ => by_token_message(&message).unwrap_or(Reason::UnknownCode),
        }),
    };
    unless_untimely(reason, status, sent)
}

/// Reason for an answer without an error code.
pub(super) fn status_reason(status: u16, sent: SentWith) -> Reason {
    let reason = match status {
        408 => Reason::NoAnswer,
        429 => Reason::Throttled,
        // 501 says "not implemented", 511 "log in to this network first". Neither is a fault of STS.
        501 | 511 => Reason::NotSts,
        500.. => Reason::ServerFault,
        _ => Reason::NotSts,
    };
    unless_untimely(reason, status, sent)
}

/// An expired or early token explains most errors, whatever their code.
fn unless_untimely(reason: Reason, status: u16, sent: SentWith) -> Reason {
    let explained = (400..500).contains(&status) && !matches!(reason.class(), Class::Outage | Class::Throttled);
    match sent {
        SentWith::ExpiredToken if explained => Reason::TokenExpired,
        SentWith::EarlyToken if explained => Reason::TooEarly,
        _ => reason,
    }
}

/// `message` is in lower case.
fn by_code(code: &str, message: &str, sent: SentWith) -> Option<Reason> {
    let signed = sent == SentWith::Signature;
    Some(match code.strip_suffix("Exception").unwrap_or(code) {
        _ if signed && names_key(code) => Reason::KeyRejected,
        code if code.starts_with("Throttling") || code.starts_with("TooManyRequests") => Reason::Throttled,
        "BandwidthLimitExceeded" | "PriorRequestNotComplete" | "RequestLimitExceeded" => Reason::Throttled,
        "RequestThrottled" | "SlowDown" | "Throttled" => Reason::Throttled,
        "IDPCommunicationError" => Reason::IssuerUnreachable,
        "ExpiredToken" => Reason::TokenExpired,
        "IDPRejectedClaim" => Reason::ClaimRejected,
        "InvalidIdentityToken" => by_token_message(message).unwrap_or(Reason::TokenUnclear),
        "InvalidArgument" if !signed && message.is_empty() => Reason::Unexplained,
        // SeaweedFS uses this code for most token faults. AWS's own message may name any role, so it is not searched.
        "AccessDenied" if !signed && !message.contains("not authorized to perform") => {
            by_token_message(message).unwrap_or(Reason::RoleDenied)
        }
        // Ceph's gateway answers `NoSuchEntity` for a role that does not exist.
        "AccessDenied" | "NoSuchEntity" => Reason::RoleDenied,
        "ValidationError" | "Validation" if contains_any(message, &["maxsessionduration", "session limit"]) => {
            Reason::SessionTooLong
        }
        // `InvalidArgument` and `InvalidParameterValue` are missing here on purpose: other servers use them for fields and
        // for tokens, so only the message decides.
        "InvalidParameterCombination" | "MissingParameter" | "Validation" | "ValidationError" => Reason::Setting,
        "InvalidAccessKeyId" | "InvalidClientTokenId" => Reason::KeyRejected,
        "SignatureDoesNotMatch" | "UnrecognizedClient" => Reason::KeyRejected,
        "InvalidParameterValue" if signed && message.contains("tag key") => Reason::Setting,
        "MalformedPolicyDocument" => Reason::Policy,
        "PackedPolicyTooLarge" => Reason::PolicyTooLarge,
        "RegionDisabled" => Reason::RegionDisabled,
        "RequestTimeout" => Reason::NoAnswer,
        "InternalError" | "InternalFailure" | "InternalServerError" | "ServiceUnavailable" => Reason::ServerFault,
        _ => return None,
    })
}

/// STS has one code for most token faults, and MinIO has one for all. `message` is in lower case.
fn by_token_message(message: &str) -> Option<Reason> {
    let has_word =
        |words: &[&str]| message.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| words.contains(&part));
    let row = TOKEN_MESSAGES.iter().find(|(_, texts, words)| contains_any(message, texts) || has_word(words));
    row.map(|(reason, ..)| *reason)
}

fn contains_any(message: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| message.contains(text))
}

/// Texts within a message, and whole words of it. Source: the messages of AWS and SeaweedFS, and of the JWT libraries of Go,
/// Rust, Python and Java. The first match counts.
#[rustfmt::skip]
const TOKEN_MESSAGES: &[(Reason, &[&str], &[&str])] = &[
    (Reason::IssuerUnreachable, &["retrieve verification key", "get \"http", "fetch jwks", "refresh jwks", "jwks endpoint"], &[]),
    (Reason::NoProvider, &["no openidconnect provider", "provider registered for issuer", "invalid token issuer"], &[]),
    (Reason::NoProvider, &["issuer claim", "invalidissuer", "invalid issuer"], &[]),
    (Reason::TokenExpired, &["expired", "token too old"], &[]),
    (Reason::Audience, &["audience"], &["aud", "azp"]),
    (Reason::Thumbprint, &["thumbprint"], &[]),
    (Reason::Signature, &["signature", "verification error", "key is invalid", "key is of invalid type", "in jwks"], &["kid"]),
    (Reason::Malformed, &["malformed", "number of segments", "not a valid jwt", "could not be parsed", "failed to parse"], &[]),
    (Reason::Malformed, &["invalid token format"], &[]),
];

/// Texts for a token whose `iat` or `nbf` the server's clock has not reached.
const EARLY: &[&str] = &["used before", "before use time", "not yet valid", "not valid yet", "immature"];

#[cfg(test)]
mod tests {
    use super::SentWith::{EarlyToken, ExpiredToken, Signature, Token};
    use super::*;
    use crate::error::ErrorKind;

    /// Code, status, message, proof in the request; class, kind, `is_transient`.
    type Row = (&'static str, u16, &'static str, SentWith, Class, ErrorKind, bool);

    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        ("InternalFailure", 500, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("InternalFailure", 400, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("InternalError", 500, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("ServiceUnavailable", 503, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("NobodyKnows", 502, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("RequestTimeout", 400, "", Token, Class::Outage, ErrorKind::TimedOut, true),
        ("RequestTimeoutException", 408, "", Token, Class::Outage, ErrorKind::TimedOut, true),
        ("IDPCommunicationError", 400, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("InvalidIdentityToken", 400, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("Throttling", 400, "Rate exceeded", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("ThrottlingException", 400, "Rate exceeded", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("ThrottledException", 400, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("TooManyRequestsException", 400, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("RequestLimitExceeded", 503, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("RequestThrottledException", 400, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("SlowDown", 503, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("NobodyKnows", 429, "", Token, Class::Throttled, ErrorKind::Throttled, true),
        ("ExpiredTokenException", 400, "Token expired: current date/time 1700000001 must be before the expiration date/time1700000000", Token, Class::BadInput, ErrorKind::TokenRejected, true),
        ("ExpiredToken", 400, "", Token, Class::BadInput, ErrorKind::TokenRejected, true),
        ("IDPRejectedClaim", 403, "", Token, Class::BadInput, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "The token has expired", Token, Class::BadInput, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for https://issuer.example.com", Token, Class::NotYetKnown, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Incorrect token audience", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Token signature verification failed", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "The ID Token provided is malformed", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidIdentityToken", 400, "Something new", Token, Class::Unclear, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "", Token, Class::Unclear, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity", Token, Class::NotYetKnown, ErrorKind::RoleDenied, false),
        ("AccessDenied", 403, "", Token, Class::NotYetKnown, ErrorKind::RoleDenied, false),
        ("AccessDeniedException", 403, "", Token, Class::NotYetKnown, ErrorKind::RoleDenied, false),
        ("ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("ValidationError", 400, "1 validation error detected", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("InvalidParameterCombination", 400, "", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("MissingParameter", 400, "", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("MalformedPolicyDocument", 400, "", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("PackedPolicyTooLarge", 400, "", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("RegionDisabledException", 403, "", Token, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("MethodNotAllowed", 405, "", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 400, "", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidClientTokenId", 403, "", Token, Class::Outage, ErrorKind::TokenRejected, true),
        ("InvalidAccessKeyId", 403, "", Token, Class::Outage, ErrorKind::TokenRejected, true),
        // Ceph's gateway sends no message when it cannot read the issuer's keys.
        ("InvalidArgument", 400, "", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("InvalidArgument", 400, "Authorization", Token, Class::Unclear, ErrorKind::Unexpected, true),
        // MinIO has one code for tokens and fields, and the texts of Go's libraries.
        ("InvalidParameterValue", 400, "Token used before issued", Token, Class::Outage, ErrorKind::TokenRejected, true),
        ("InvalidParameterValue", 400, "token has invalid claims: token is not valid yet", Token, Class::Outage, ErrorKind::TokenRejected, true),
        ("InvalidParameterValue", 400, "Token is expired", Token, Class::BadInput, ErrorKind::TokenRejected, true),
        ("InvalidParameterValue", 400, "STS JWT Token has `aud` claim invalid, `aud` must match configured OpenID Client ID", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "STS JWT Token has `azp` claim invalid, `azp` must match configured OpenID Client ID", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "token signature is invalid: crypto/rsa: verification error", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "crypto/ecdsa: verification error", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "Invalid kid value <nil>", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "key is of invalid type", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "token contains an invalid number of segments", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("InvalidParameterValue", 400, "Get \"https://issuer.example.com/jwks\": dial tcp: i/o timeout", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("InvalidParameterValue", 400, "Role arn:minio:iam:::role/app does not exist", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidParameterValue", 400, "", Token, Class::Unclear, ErrorKind::Unexpected, true),
        // Unknown codes with the same texts.
        ("InvalidToken", 400, "the token's signature is wrong", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("NobodyKnows", 400, "wrong audience", Token, Class::Misconfigured, ErrorKind::TokenRejected, false),
        ("NobodyKnows", 400, "we are kidding", Token, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 500, "wrong audience", Token, Class::Outage, ErrorKind::ServiceUnavailable, true),
        // The token is not valid yet, as the message or the server's clock shows.
        ("InvalidIdentityToken", 400, "The token is not yet valid", Token, Class::Outage, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "token used before issued", Token, Class::Outage, ErrorKind::TokenRejected, true),
        ("AccessDenied", 403, "", EarlyToken, Class::Outage, ErrorKind::TokenRejected, true),
        ("IDPRejectedClaim", 403, "", EarlyToken, Class::Outage, ErrorKind::TokenRejected, true),
        ("Throttling", 400, "Rate exceeded", EarlyToken, Class::Throttled, ErrorKind::Throttled, true),
        ("InternalFailure", 500, "", EarlyToken, Class::Outage, ErrorKind::ServiceUnavailable, true),
        // The request has no token, so codes about keys mean the key that signed.
        ("ExpiredToken", 403, "", Signature, Class::Outage, ErrorKind::TokenRejected, true),
        ("ExpiredTokenException", 403, "", Signature, Class::Outage, ErrorKind::TokenRejected, true),
        ("InvalidToken", 403, "", Signature, Class::Outage, ErrorKind::TokenRejected, true),
        ("RequestExpired", 400, "Request has expired.", Signature, Class::Outage, ErrorKind::TokenRejected, true),
        ("SignatureDoesNotMatch", 403, "", Signature, Class::Outage, ErrorKind::TokenRejected, true),
        ("InvalidArgument", 400, "", Signature, Class::Unclear, ErrorKind::Unexpected, true),
        ("NobodyKnows", 400, "The signature has expired", Signature, Class::Unclear, ErrorKind::Unexpected, true),
        ("InvalidParameterValue", 400, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.", Signature, Class::Misconfigured, ErrorKind::InvalidConfiguration, false),
        ("InvalidParameterValue", 400, "", Signature, Class::Unclear, ErrorKind::Unexpected, true),
        ("AccessDenied", 403, "not yet valid", Signature, Class::NotYetKnown, ErrorKind::RoleDenied, false),
        // The token's own `exp` has passed.
        ("AccessDenied", 403, "", ExpiredToken, Class::BadInput, ErrorKind::TokenRejected, true),
        ("InvalidIdentityToken", 400, "", ExpiredToken, Class::BadInput, ErrorKind::TokenRejected, true),
        ("NobodyKnows", 400, "", ExpiredToken, Class::BadInput, ErrorKind::TokenRejected, true),
        ("Throttling", 400, "Rate exceeded", ExpiredToken, Class::Throttled, ErrorKind::Throttled, true),
        ("IDPCommunicationError", 400, "", ExpiredToken, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("InternalFailure", 500, "", ExpiredToken, Class::Outage, ErrorKind::ServiceUnavailable, true),
        ("AccessDenied", 500, "", ExpiredToken, Class::NotYetKnown, ErrorKind::RoleDenied, false),
    ];

    #[test]
    fn every_code_has_its_class_and_kind() {
        for &(code, status, message, sent, class, kind, transient) in TABLE {
            let reason = reason(code, message, status, sent);
            let got = (reason.class(), reason.kind(), reason.is_transient());
            assert_eq!(got, (class, kind, transient), "{code} {status} {message:?} {sent:?}");
        }
    }

    #[test]
    fn answer_without_code_is_judged_by_status() {
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
            assert_eq!(status_reason(status, sent), reason, "{status} {sent:?}");
        }
    }
}
