//! What an error about a token tells its reader to do. Pure: from what is known to a sentence.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::trust::{provider_arn, trust_statement};
use super::{TokenClaims, TokenOrigin};
use crate::scrub::plain;
use crate::sts::{self, Asked, Reason, account_text};

/// What a hint can name.
pub(crate) struct Known<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) origin: &'a TokenOrigin,
    /// Of the token that was sent, if they could be read.
    pub(crate) claims: Option<&'a TokenClaims>,
}

/// The next step of whoever reads the error.
pub(crate) fn hint(reason: Reason, known: &Known<'_>) -> String {
    let role = known.role_arn();
    let from = known.origin;
    let (issuer, subject, audience) = (known.issuer(), known.subject(), known.audience());
    match reason {
        Reason::IssuerUnreachable => format!(
            "STS must be able to read the keys of {issuer} from the internet within 5 s: check that its \
             /.well-known/openid-configuration and the jwks_uri in that are public, quick, and not rate-limited"
        ),
        Reason::TokenExpired if known.is_asked_for() => {
            format!("the token {from}{}: see that it gives one that is still good; it is asked again", known.expired())
        }
        Reason::TokenExpired => format!(
            "the token {from}{} and must be replaced by the kubelet: check that it still is mounted as a projected \
             volume (a subPath mount never changes), and that the node's kubelet is healthy; a new token is taken up at once",
            known.expired()
        ),
        Reason::TooEarly => format!(
            "the token {from} {} by the clock of STS at {}: compare the clock of {issuer} (the cluster's control plane) and \
             that of STS with a time server; the token is sent again within seconds",
            known.begins(),
            known.asked.endpoint
        ),
        Reason::ClaimRejected if known.is_asked_for() => format!(
            "{issuer} rejected the token {from}: who it is for ({subject}) may have been deleted; it is asked for another"
        ),
        Reason::ClaimRejected => format!(
            "{issuer} rejected the token {from}: its pod or service account ({subject}) may have been deleted; a new \
             token is taken up at once"
        ),
        Reason::NoProvider => format!(
            "create an IAM OIDC provider for {issuer} in {}, where {role} is, with the token's audience ({audience}) \
             as client ID; if there is one, compare its URL with the issuer to the last character, and its account with the \
             role's",
            account_text(role)
        ),
        Reason::NoProviderAtStandby => format!(
            "the standby {} knows no OIDC provider for {issuer} in {account}, or the region is not active for this account: \
             create the provider, or activate STS in {} (IAM, Account settings); the next endpoint is asked",
            known.asked.endpoint,
            known.asked.region,
            account = account_text(role)
        ),
        Reason::Audience => format!(
            "the audience of the token {from} ({audience}) is no client ID of the OIDC provider {}: add it there, or \
             project the token with an audience that is one (usually sts.amazonaws.com)",
            known.provider()
        ),
        Reason::Signature => format!(
            "the keys that {issuer} publishes did not sign the token {from}: check that its jwks_uri holds the \
             cluster's present keys, and that no other cluster uses the same issuer URL"
        ),
        Reason::Thumbprint => format!(
            "the certificate of {issuer} has changed: update the thumbprint of the OIDC provider {}",
            known.provider()
        ),
        Reason::Malformed => {
            let check = match known.origin {
                TokenOrigin::File(_) => {
                    "check that AWS_WEB_IDENTITY_TOKEN_FILE names the projected service-account token"
                }
                TokenOrigin::Source(_) => "it must be a JWT",
            };
            format!(
                "the token {from} is not one that STS can read: {check}, signed with RS256, RS384, RS512, ES256, ES384 or \
                 ES512"
            )
        }
        Reason::TokenUnclear => format!(
            "compare the token {from} ({}) with the OIDC provider {}: its URL, its client IDs, its keys",
            known.bearer(),
            known.provider()
        ),
        Reason::UnknownCode => format!(
            "check that {} is the STS that is meant (AWS_ENDPOINT_URL_STS), that it can read the keys of {issuer}, and that \
             it trusts this issuer for the audience {audience}; then mend what the answer names, which may also be the role, \
             the session_length or the policy",
            known.asked.endpoint
        ),
        Reason::Unexplained => format!(
            "the answer gives no reason; most often the server at {} cannot read the keys of {issuer}: check that it can \
             fetch the issuer's /.well-known/openid-configuration; if it can, check role_arn, session_length and policy; the \
             token is sent again within seconds",
            known.asked.endpoint
        ),
        Reason::RoleDenied => role_denied(known),
        other => sts::hint(other, &known.asked),
    }
}

fn role_denied(known: &Known<'_>) -> String {
    let role = known.role_arn();
    match known.claims.and_then(|claims| trust_statement(role, claims)) {
        Some(statement) => format!(
            "the trust policy of {role} must have this statement: {statement} - if it has, check that the role exists, \
             that the statement has no further condition, and that no service control policy or VPC endpoint policy denies it"
        ),
        None => format!(
            "the trust policy of {role} must name the issuer, subject and audience of the token {} ({})",
            known.origin,
            known.bearer()
        ),
    }
}

impl Known<'_> {
    /// Not read from a file, which somebody else keeps.
    fn is_asked_for(&self) -> bool {
        matches!(self.origin, TokenOrigin::Source(_))
    }

    fn role_arn(&self) -> &str {
        &self.asked.session.role_arn
    }

    fn issuer(&self) -> String {
        claim(self.claims.and_then(|claims| claims.issuer.as_deref()), "the token's issuer")
    }

    fn subject(&self) -> String {
        claim(self.claims.and_then(|claims| claims.subject.as_deref()), "not readable")
    }

    fn audience(&self) -> String {
        let audience = self.claims.map(|claims| claims.audience.join(" or ")).filter(|audience| !audience.is_empty());
        claim(audience.as_deref(), "not readable")
    }

    fn bearer(&self) -> String {
        match self.claims {
            Some(_) => format!("issuer {}, subject {}, audience {}", self.issuer(), self.subject(), self.audience()),
            None => "it is no JWT, and so its claims are not readable".to_owned(),
        }
    }

    /// The IAM provider that vouches for the token's issuer.
    fn provider(&self) -> String {
        match self.claims.and_then(|claims| claims.issuer.as_deref()) {
            Some(issuer) => plain(&provider_arn(self.role_arn(), issuer), MAX_CLAIM),
            None => format!("of the token's issuer in {}", account_text(self.role_arn())),
        }
    }

    fn begins(&self) -> String {
        let start = self.claims.and_then(TokenClaims::valid_from).and_then(date);
        start.map_or_else(|| "is not valid yet".to_owned(), |date| format!("is valid from {date}, which has not come"))
    }

    fn expired(&self) -> String {
        let expiry = self.claims.and_then(|claims| claims.expires_at);
        expiry.and_then(date).map_or_else(|| " has expired".to_owned(), |date| format!(" expired at {date}"))
    }
}

/// What stands in a token is somebody's text, too.
fn claim(value: Option<&str>, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), |value| plain(value, MAX_CLAIM))
}

fn date(time: SystemTime) -> Option<String> {
    DateTime::from(time).fmt(Format::DateTime).ok()
}

const MAX_CLAIM: usize = 512;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;
    use crate::sts::{Session, testing as server};
    use crate::web_identity::testing::jwt;
    use crate::web_identity::token_source::{ProvideToken, future};
    use crate::web_identity::{SourceConfig, TokenConfig};

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";

    fn claims(payload: &str) -> TokenClaims {
        TokenClaims::parse(&jwt(payload)).unwrap()
    }

    fn ours() -> TokenClaims {
        claims(
            r#"{"iss":"https://issuer.example.com/cluster","sub":"system:serviceaccount:shop:orders","aud":["sts.amazonaws.com"],"iat":1893452400,"exp":1893456000}"#,
        )
    }

    fn session(role_arn: &str) -> Session {
        Session { length: Some(Duration::from_secs(7200)), ..server::session(role_arn) }
    }

    fn known<'a>(session: &'a Session, claims: Option<&'a TokenClaims>) -> Known<'a> {
        static FILE: LazyLock<TokenOrigin> = LazyLock::new(|| {
            let file = "/var/run/secrets/token".into();
            TokenOrigin::File(TokenConfig { file, poll_interval: Duration::from_secs(30), watch: false })
        });
        let (endpoint, region) = ("https://sts.eu-central-1.amazonaws.com", "eu-central-1");
        Known { asked: Asked { session, endpoint, region }, origin: &FILE, claims }
    }

    #[rustfmt::skip]
    const HINTS: &[(Reason, &str)] = &[
        (Reason::Unreachable, "check that the pod may reach https://sts.eu-central-1.amazonaws.com: DNS, network policy, HTTPS_PROXY and NO_PROXY, the VPC endpoint of STS in eu-central-1; it is tried again until then"),
        (Reason::NoAnswer, "check the way to https://sts.eu-central-1.amazonaws.com (a firewall that drops packets, a proxy, a VPC endpoint of STS in eu-central-1); an STS that is merely slow is tried again"),
        (Reason::Broken, "this is an outage of https://sts.eu-central-1.amazonaws.com or of a proxy before it, and is tried again; if it lasts, look at the AWS Health Dashboard for eu-central-1"),
        (Reason::ServerFault, "this is an outage of https://sts.eu-central-1.amazonaws.com or of a proxy before it, and is tried again; if it lasts, look at the AWS Health Dashboard for eu-central-1"),
        (Reason::Throttled, "STS limits the calls of account 123456789012 in eu-central-1, and the limit cannot be raised: share one provider per process, lengthen the sessions (session_length), start fewer pods at once"),
        (Reason::IssuerUnreachable, "STS must be able to read the keys of https://issuer.example.com/cluster from the internet within 5 s: check that its /.well-known/openid-configuration and the jwks_uri in that are public, quick, and not rate-limited"),
        (Reason::TokenExpired, "the token in /var/run/secrets/token expired at 2030-01-01T00:00:00Z and must be replaced by the kubelet: check that it still is mounted as a projected volume (a subPath mount never changes), and that the node's kubelet is healthy; a new token is taken up at once"),
        (Reason::ClaimRejected, "https://issuer.example.com/cluster rejected the token in /var/run/secrets/token: its pod or service account (system:serviceaccount:shop:orders) may have been deleted; a new token is taken up at once"),
        (Reason::NoProvider, "create an IAM OIDC provider for https://issuer.example.com/cluster in account 123456789012, where arn:aws:iam::123456789012:role/app is, with the token's audience (sts.amazonaws.com) as client ID; if there is one, compare its URL with the issuer to the last character, and its account with the role's"),
        (Reason::Audience, "the audience of the token in /var/run/secrets/token (sts.amazonaws.com) is no client ID of the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster: add it there, or project the token with an audience that is one (usually sts.amazonaws.com)"),
        (Reason::Signature, "the keys that https://issuer.example.com/cluster publishes did not sign the token in /var/run/secrets/token: check that its jwks_uri holds the cluster's present keys, and that no other cluster uses the same issuer URL"),
        (Reason::Thumbprint, "the certificate of https://issuer.example.com/cluster has changed: update the thumbprint of the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster"),
        (Reason::Malformed, "the token in /var/run/secrets/token is not one that STS can read: check that AWS_WEB_IDENTITY_TOKEN_FILE names the projected service-account token, signed with RS256, RS384, RS512, ES256, ES384 or ES512"),
        (Reason::TokenUnclear, "compare the token in /var/run/secrets/token (issuer https://issuer.example.com/cluster, subject system:serviceaccount:shop:orders, audience sts.amazonaws.com) with the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster: its URL, its client IDs, its keys"),
        (Reason::RoleDenied, r#"the trust policy of arn:aws:iam::123456789012:role/app must have this statement: {"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"issuer.example.com/cluster:sub":"system:serviceaccount:shop:orders","issuer.example.com/cluster:aud":"sts.amazonaws.com"}}} - if it has, check that the role exists, that the statement has no further condition, and that no service control policy or VPC endpoint policy denies it"#),
        (Reason::SessionTooLong, "7200 s is longer than arn:aws:iam::123456789012:role/app allows: raise the role's MaxSessionDuration, or ask for less with session_length"),
        (Reason::Setting, "mend role_arn (arn:aws:iam::123456789012:role/app), session_name, session_length or policy, whichever the answer names"),
        (Reason::Policy, "mend the session policy (policy, policy_arns) as the answer says"),
        (Reason::PolicyTooLarge, "shorten the session policy, or name fewer policies (policy, policy_arns); the answer says by how much"),
        (Reason::RegionDisabled, "activate STS in eu-central-1 for account 123456789012 (IAM, Account settings), or use another region (AWS_REGION)"),
        (Reason::StandbyDisabled, "activate STS for account 123456789012 at the standby https://sts.eu-central-1.amazonaws.com (IAM, Account settings), or name another; it is not asked there again, and tried elsewhere"),
        (Reason::NotSent, "check the region (eu-central-1), AWS_ENDPOINT_URL_STS, and the FIPS and dual-stack settings; without the feature default-https-client an HTTP client must be given by configure"),
        (Reason::TooEarly, "the token in /var/run/secrets/token is valid from 2029-12-31T23:00:00Z, which has not come by the clock of STS at https://sts.eu-central-1.amazonaws.com: compare the clock of https://issuer.example.com/cluster (the cluster's control plane) and that of STS with a time server; the token is sent again within seconds"),
        (Reason::NoProviderAtStandby, "the standby https://sts.eu-central-1.amazonaws.com knows no OIDC provider for https://issuer.example.com/cluster in account 123456789012, or the region is not active for this account: create the provider, or activate STS in eu-central-1 (IAM, Account settings); the next endpoint is asked"),
        (Reason::UnknownCode, "check that https://sts.eu-central-1.amazonaws.com is the STS that is meant (AWS_ENDPOINT_URL_STS), that it can read the keys of https://issuer.example.com/cluster, and that it trusts this issuer for the audience sts.amazonaws.com; then mend what the answer names, which may also be the role, the session_length or the policy"),
        (Reason::Unexplained, "the answer gives no reason; most often the server at https://sts.eu-central-1.amazonaws.com cannot read the keys of https://issuer.example.com/cluster: check that it can fetch the issuer's /.well-known/openid-configuration; if it can, check role_arn, session_length and policy; the token is sent again within seconds"),
        (Reason::NotSts, "something else answers at https://sts.eu-central-1.amazonaws.com: check AWS_ENDPOINT_URL_STS, HTTPS_PROXY, and any proxy, portal or firewall in between"),
        (Reason::BadGrant, "https://sts.eu-central-1.amazonaws.com does not keep to STS's protocol, or something in between changes its answers: check AWS_ENDPOINT_URL_STS and any proxy"),
    ];

    /// Of a token that is no JWT, and a role without account.
    #[rustfmt::skip]
    const LESS_KNOWN: &[(Reason, &str)] = &[
        (Reason::TokenExpired, "the token in /var/run/secrets/token has expired and must be replaced by the kubelet: check that it still is mounted as a projected volume (a subPath mount never changes), and that the node's kubelet is healthy; a new token is taken up at once"),
        (Reason::TooEarly, "the token in /var/run/secrets/token is not valid yet by the clock of STS at https://sts.eu-central-1.amazonaws.com: compare the clock of the token's issuer (the cluster's control plane) and that of STS with a time server; the token is sent again within seconds"),
        (Reason::IssuerUnreachable, "STS must be able to read the keys of the token's issuer from the internet within 5 s: check that its /.well-known/openid-configuration and the jwks_uri in that are public, quick, and not rate-limited"),
        (Reason::NoProvider, "create an IAM OIDC provider for the token's issuer in the role's account, where arn:aws:iam:::role/app is, with the token's audience (not readable) as client ID; if there is one, compare its URL with the issuer to the last character, and its account with the role's"),
        (Reason::Audience, "the audience of the token in /var/run/secrets/token (not readable) is no client ID of the OIDC provider of the token's issuer in the role's account: add it there, or project the token with an audience that is one (usually sts.amazonaws.com)"),
        (Reason::Thumbprint, "the certificate of the token's issuer has changed: update the thumbprint of the OIDC provider of the token's issuer in the role's account"),
        (Reason::TokenUnclear, "compare the token in /var/run/secrets/token (it is no JWT, and so its claims are not readable) with the OIDC provider of the token's issuer in the role's account: its URL, its client IDs, its keys"),
        (Reason::RoleDenied, "the trust policy of arn:aws:iam:::role/app must name the issuer, subject and audience of the token in /var/run/secrets/token (it is no JWT, and so its claims are not readable)"),
        (Reason::Throttled, "STS limits the calls of the role's account in eu-central-1, and the limit cannot be raised: share one provider per process, lengthen the sessions (session_length), start fewer pods at once"),
        (Reason::ClaimRejected, "the token's issuer rejected the token in /var/run/secrets/token: its pod or service account (not readable) may have been deleted; a new token is taken up at once"),
    ];

    #[test]
    fn p12_every_reason_has_its_hint() {
        let claims = ours();
        for (reason, expected) in HINTS {
            assert_eq!(hint(*reason, &known(&session(ROLE), Some(&claims))), *expected, "{reason:?}");
        }
    }

    /// Of a token that a source gave.
    #[rustfmt::skip]
    const ASKED: &[(Reason, &str)] = &[
        (Reason::TokenExpired, "the token from the source app::Vault expired at 2030-01-01T00:00:00Z: see that it gives one that is still good; it is asked again"),
        (Reason::ClaimRejected, "https://issuer.example.com/cluster rejected the token from the source app::Vault: who it is for (system:serviceaccount:shop:orders) may have been deleted; it is asked for another"),
        (Reason::Malformed, "the token from the source app::Vault is not one that STS can read: it must be a JWT, signed with RS256, RS384, RS512, ES256, ES384 or ES512"),
        (Reason::Audience, "the audience of the token from the source app::Vault (sts.amazonaws.com) is no client ID of the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster: add it there, or project the token with an audience that is one (usually sts.amazonaws.com)"),
    ];

    #[test]
    fn p12_a_hint_about_a_token_that_was_asked_for_names_no_file_and_no_kubelet() {
        #[derive(Debug)]
        struct Vault;
        impl ProvideToken for Vault {
            fn provide_token(&self) -> future::ProvideToken<'_> {
                unreachable!("nobody asks")
            }
        }
        let (claims, session) = (ours(), session(ROLE));
        let origin = TokenOrigin::Source(SourceConfig { name: "app::Vault", ..SourceConfig::new(Vault) });
        for (reason, expected) in ASKED {
            assert_eq!(hint(*reason, &Known { origin: &origin, ..known(&session, Some(&claims)) }), *expected);
        }
    }

    #[test]
    fn each_tls_failure_names_its_remedy() {
        let (session, claims) = (session(ROLE), ours());
        let of = |reason, endpoint| {
            let known = known(&session, Some(&claims));
            hint(reason, &Known { asked: Asked { endpoint, ..known.asked }, ..known })
        };
        for (reason, endpoint, parts) in [
            (Reason::Certificate, "https://sts.a", ["https://sts.a", "TLS", "proxy"]),
            (Reason::CertificateHost, "https://sts.a", ["another host", "AWS_ENDPOINT_URL_STS", "must name the host"]),
            (
                Reason::CertificateAuthority,
                "https://sts.a",
                ["private CA", "SSL_CERT_FILE", "AWS_CA_BUNDLE is not read"],
            ),
            (Reason::CertificateTime, "https://sts.a", ["expired", "not valid yet", "clock of this machine"]),
            (Reason::NotTls, "https://sts.a:8080", ["does not speak TLS", "https://sts.a:8080", "URL with http"]),
            (Reason::NotTls, "http://sts.a", ["http://sts.a speaks TLS", "AWS_ENDPOINT_URL_STS", "with https"]),
            (Reason::NoCertificates, "https://sts.a", ["package ca-certificates", "SSL_CERT_FILE", "SSL_CERT_DIR"]),
        ] {
            let hint = of(reason, endpoint);
            assert!(parts.iter().all(|part| hint.contains(part)), "{reason:?}: {hint}");
        }
    }

    #[test]
    fn p12_a_hint_makes_do_with_what_is_known() {
        for (reason, expected) in LESS_KNOWN {
            assert_eq!(hint(*reason, &known(&session("arn:aws:iam:::role/app"), None)), *expected, "{reason:?}");
        }
    }

    #[test]
    fn a_claim_is_printed_as_one_bounded_line() {
        let claims = claims(&format!(r#"{{"iss":"https://a\u001b[31m\nb","sub":"{}"}}"#, "x".repeat(2000)));
        let hint = hint(Reason::ClaimRejected, &known(&session(ROLE), Some(&claims)));
        assert!(hint.starts_with("https://a [31m b rejected the token"), "{hint}");
        assert!(hint.len() < 1000, "{hint}");
    }
}
