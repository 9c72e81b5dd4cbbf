//! The claims of a token: issuer, subject, audience and times.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::base64;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::token_format;
use crate::scrub::plain;

/// Claims of a token. This crate does not verify them: it uses them for messages and for timing. Only STS verifies a
/// token.
///
/// A claim that is absent or has the wrong type is `None`, or an empty list. A claim may hold any text of any length.
/// `Debug` shows at most 512 characters of it, and only printable ones.
#[non_exhaustive]
#[derive(Clone, Eq, PartialEq)]
pub struct TokenClaims {
    /// `iss`: the cluster's issuer. IAM must have an OIDC provider for it.
    pub issuer: Option<String>,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME`. The role's trust policy must name it.
    pub subject: Option<String>,
    /// `aud`: the intended recipients, usually `sts.amazonaws.com`.
    pub audience: Vec<String>,
    /// `iat`: time of issue.
    pub issued_at: Option<SystemTime>,
    /// `exp`: time of expiry.
    pub expires_at: Option<SystemTime>,
    /// `nbf`: start of validity.
    not_before: Option<SystemTime>,
    /// `kubernetes.io.warnafter`: the time by which the token must be replaced. The API server sets it if it has
    /// extended `exp`.
    warn_after: Option<SystemTime>,
    /// `azp`: the client that received the token. If a token has both claims, AWS compares `azp` and not `aud`.
    pub(super) authorized_party: Option<String>,
    /// `kid` of the header: the signing key.
    pub(super) key_id: Option<String>,
}

impl TokenClaims {
    /// Reads the claims of a JWT without verifying it. Ignores white space around the token.
    ///
    /// `None` if the text is not exactly one JWT. It may still be an opaque token that STS accepts.
    pub fn parse(token: &str) -> Option<Self> {
        let token = token_format::parse(token.as_bytes()).ok()?;
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let claims = decode(payload)?;
        let header = decode(header).unwrap_or_default();
        let time = |value: Option<&Value>| value.and_then(numeric_date);
        Some(Self {
            issuer: claims.get("iss").and_then(text),
            subject: claims.get("sub").and_then(text),
            audience: match claims.get("aud") {
                Some(Value::Array(list)) => list.iter().filter_map(text).collect(),
                Some(one) => text(one).into_iter().collect(),
                None => Vec::new(),
            },
            issued_at: time(claims.get("iat")),
            expires_at: time(claims.get("exp")),
            not_before: time(claims.get("nbf")),
            warn_after: time(claims.get("kubernetes.io").and_then(|claims| claims.get("warnafter"))),
            authorized_party: claims.get("azp").and_then(text),
            key_id: header.get("kid").and_then(text),
        })
    }

    /// The time at which a healthy kubelet starts to replace the token: [at 80 % of its
    /// lifetime](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#launch-a-pod-using-service-account-token-projection).
    /// A kubelet replaces a token that lives longer than 30 h earlier, when it is 24 h old; this time does not show that. `None` if the token lacks its time
    /// of issue or of expiry.
    pub fn rotation_due(&self) -> Option<SystemTime> {
        let issued_at = self.issued_at?;
        let life = self.replace_by()?.duration_since(issued_at).unwrap_or_default();
        issued_at.checked_add(life.mul_f64(ROTATION))
    }

    /// Start of validity at every STS: some check `nbf`, others `iat`.
    pub(super) fn valid_from(&self) -> Option<SystemTime> {
        self.issued_at.max(self.not_before)
    }

    /// Time by which a newer token must have replaced this one.
    pub(super) fn replace_by(&self) -> Option<SystemTime> {
        match (self.expires_at, self.warn_after) {
            (Some(expires_at), Some(warn_after)) => Some(expires_at.min(warn_after)),
            (one, other) => one.or(other),
        }
    }

    /// A trust policy compares issuer, subject and audience.
    pub(super) fn same_identity(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// The identity as one text, for comparisons.
    pub(super) fn identity(&self) -> String {
        format!("{:?}", (&self.issuer, &self.subject, &self.audience))
    }
}

impl fmt::Debug for TokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |claim: &str| plain(claim, MAX_SHOWN);
        f.debug_struct("TokenClaims")
            .field("issuer", &self.issuer.as_deref().map(shown))
            .field("subject", &self.subject.as_deref().map(shown))
            .field("audience", &shown(&self.audience.join(", ")))
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .field("not_before", &self.not_before)
            .field("warn_after", &self.warn_after)
            .finish()
    }
}

const MAX_SHOWN: usize = 512;

/// Share of its lifetime after which a kubelet replaces a token.
const ROTATION: f64 = 0.8;

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Decodes the header or the payload of a JWT.
pub(super) fn decode(part: &str) -> Option<Map<String, Value>> {
    let json = Zeroizing::new(base64::decode(&*standard_alphabet(part)).ok()?);
    serde_json::from_slice(&json).ok()
}

/// A `NumericDate` of RFC 7519: seconds since 1970, which may have a fraction.
fn numeric_date(value: &Value) -> Option<SystemTime> {
    let since_epoch = match value.as_u64() {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::try_from_secs_f64(value.as_f64()?).ok()?,
    };
    UNIX_EPOCH.checked_add(since_epoch)
}

/// Turns base64url without padding into base64 with padding.
fn standard_alphabet(base64url: &str) -> Zeroizing<String> {
    let unpadded = base64url.trim_end_matches('=');
    let mut out = Zeroizing::new(String::with_capacity(unpadded.len() + 3));
    out.extend(unpadded.chars().map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    }));
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_claims_of_a_kubelets_token_are_read() {
        let claims = parse(
            r#"{"aud":["sts.amazonaws.com","other"],"exp":1731613413,"iat":1700077413,"iss":"https://oidc.example",
                "jti":"ea28ed49","kubernetes.io":{"namespace":"ns","warnafter":1700081020},"sub":"system:serviceaccount:ns:sa"}"#,
        )
        .unwrap();

        assert_eq!(claims.issuer.as_deref(), Some("https://oidc.example"));
        assert_eq!(claims.subject.as_deref(), Some("system:serviceaccount:ns:sa"));
        assert_eq!(claims.audience, ["sts.amazonaws.com", "other"]);
        assert_eq!(claims.issued_at, Some(at(1_700_077_413.0)));
        assert_eq!(claims.expires_at, Some(at(1_731_613_413.0)));
        assert_eq!(claims.replace_by(), Some(at(1_700_081_020.0)), "an extended token is due before it expires");
    }

    #[test]
    fn signing_key_and_client_are_read() {
        let token = crate::web_identity::testing::jwt(r#"{"azp":"client"}"#);
        let payload = token.split('.').nth(1).unwrap();
        // {"alg":"RS256","kid":"key-1"}
        let claims = TokenClaims::parse(&format!("eyJhbGciOiJSUzI1NiIsImtpZCI6ImtleS0xIn0.{payload}.c")).unwrap();
        assert_eq!((claims.key_id.as_deref(), claims.authorized_party.as_deref()), (Some("key-1"), Some("client")));
        let claims = parse("{}").unwrap();
        assert_eq!((claims.key_id.as_deref(), claims.authorized_party.as_deref()), (None, None));
    }

    #[test]
    fn audience_may_be_string_and_times_fractions() {
        let claims = parse(r#"{"aud":"sts.amazonaws.com","exp":1700000000.5,"iat":1.6e9}"#).unwrap();

        assert_eq!(claims.audience, ["sts.amazonaws.com"]);
        assert_eq!(claims.expires_at, Some(at(1_700_000_000.5)));
        assert_eq!(claims.issued_at, Some(at(1.6e9)));
        assert_eq!(claims.replace_by(), claims.expires_at);
    }

    #[test]
    fn claims_that_make_no_sense_are_absent() {
        let claims = parse(
            r#"{"iss":7,"sub":null,"aud":{"a":1},"exp":-1,"iat":1e300,"kubernetes.io":[{"warnafter":1}],"nbf":"later"}"#,
        )
        .unwrap();

        assert_eq!(claims, parse("{}").unwrap());
        assert_eq!(claims.replace_by(), None);
        assert_eq!(parse(r#"{"exp":18446744073709551615}"#).unwrap().expires_at, None, "beyond what a clock can show");
    }

    #[test]
    fn rotation_is_due_at_80_percent_of_lifetime() {
        let due = |payload: &str| parse(payload).unwrap().rotation_due();

        assert_eq!(due(r#"{"iat":1000,"exp":4600}"#), Some(at(3880.0)));
        assert_eq!(due(r#"{"iat":1000,"exp":9000000,"kubernetes.io":{"warnafter":4600}}"#), Some(at(3880.0)));
        assert_eq!(due(r#"{"exp":4600}"#), None);
        assert_eq!(due(r#"{"iat":1000}"#), None);
    }

    #[test]
    fn opaque_token_has_no_claims() {
        for token in ["", "opaque", "a.b", "a.b.c", "a..c", "a.bnVsbA.c", "a.e30.c.d", "a.e30=x.c", "ä.ö.ü"] {
            assert_eq!(TokenClaims::parse(token), None, "{token}");
        }
        assert!(TokenClaims::parse("a.e30.c").is_some());
        assert!(TokenClaims::parse("a.e30=.c").is_some(), "padding is tolerated");
    }

    #[test]
    fn text_around_a_jwt_has_no_claims() {
        let token = crate::web_identity::testing::jwt("{}");
        assert!(TokenClaims::parse(&format!(" {token}\n")).is_some());
        for text in
            [format!("Bearer {token}"), format!("\"{token}\""), format!("\u{feff}{token}"), format!("{token} x")]
        {
            assert_eq!(TokenClaims::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn debug_of_claims_is_bounded_and_printable() {
        let long = "x".repeat(6000);
        let claims =
            parse(&format!(r#"{{"sub":"a\u202e\u001b[1m{long}","aud":["{long}","y"],"iss":"https://i"}}"#)).unwrap();
        assert_eq!(claims.subject.as_deref().unwrap().len(), 6008, "the value is as it is");
        let shown = format!("{claims:?}");
        assert!(shown.len() < 1500 && shown.contains("\"a [1mxx") && shown.contains("https://i"), "{shown}");
    }

    fn parse(payload: &str) -> Option<TokenClaims> {
        TokenClaims::parse(&crate::web_identity::testing::jwt(payload))
    }

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }
}
