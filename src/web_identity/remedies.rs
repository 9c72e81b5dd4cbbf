//! The remedies of errors about a token: what the reader does next. From the known facts to a text, without I/O.

use super::expired_token::WHY_NOT_REPLACED;
use super::trust_policy::{issuer_faults, provider_name, trust_statement};
use super::{TokenClaims, TokenOrigin};
use crate::error::date;
use crate::scrub::plain;
use crate::sts::{self, Reason, account_text};

/// The facts that a remedy may name.
pub(super) struct RemedyContext<'a> {
    pub(super) exchange: sts::RemedyContext<'a>,
    pub(super) origin: &'a TokenOrigin,
    /// Claims of the token that was sent, if it is a JWT.
    pub(super) claims: Option<&'a TokenClaims>,
}

pub(super) fn remedy(reason: Reason, context: &RemedyContext<'_>) -> String {
    let role = context.role_arn();
    let from = context.origin;
    let from_source = matches!(from, TokenOrigin::Source(_));
    let account = account_text(role);
    let endpoint = context.exchange.endpoint;
    let (issuer, subject, audience) = (context.issuer(), context.subject(), context.audience());
    match (reason, context.issuer_faults()) {
        (Reason::IssuerUnreachable | Reason::NoProvider, Some(faults)) => format!(
            "AWS cannot trust the issuer {issuer}: {faults}. Set the issuer to a public https URL (in Kubernetes: \
             --service-account-issuer of the API server). Publish /.well-known/openid-configuration and the JWKS there. Then \
             create an IAM OIDC provider for that URL in {account}"
        ),
        (Reason::IssuerUnreachable, _) => format!(
            "STS must be able to read the keys of {issuer} from the internet within 5 s. Check in turn: (1) the JWKS lists the \
             key that signed the token{} (a new signing key is often not published yet); (2) /.well-known/openid-configuration \
             and the jwks_uri in it are public and answer fast; (3) neither limits the rate of requests. The exchange is tried \
             again",
            context.key(", kid ")
        ),
        (Reason::TokenExpired, _) if from_source => format!(
            "{}. The source must return a token that is still valid. The source is asked again",
            context.expired()
        ),
        (Reason::TokenExpired, _) => format!(
            "{} and was not replaced. Check in turn: {WHY_NOT_REPLACED}. A new token is used at once",
            context.expired()
        ),
        (Reason::TooEarly, _) => {
            let start = context.claims.and_then(TokenClaims::valid_from);
            let start =
                start.map_or_else(|| "not valid yet".to_owned(), |start| format!("valid only from {}", date(start)));
            format!(
                "the token {from} is {start} by the clock of STS at {endpoint}. Compare the clocks of {issuer} (the cluster's \
                 control plane) and of STS with a time server. The token is sent again within seconds"
            )
        }
        (Reason::ClaimRejected, _) if from_source => format!(
            "{issuer} rejected the token {from}. Check that its subject ({subject}) still exists. The source is asked for another \
             token"
        ),
        (Reason::ClaimRejected, _) => format!(
            "{issuer} rejected the token {from}. Check that its pod and its service account ({subject}) still exist. A new token \
             is used at once"
        ),
        (Reason::NoProvider, _) => format!(
            "create an IAM OIDC provider for {issuer} in {account}, where {role} is, with {} as client ID. If there is a \
             provider, compare its URL with the issuer to the last character (a final slash counts). The provider must be in the \
             role's account",
            context.client_id()
        ),
        (Reason::NoProviderAtStandby, _) => format!(
            "the standby {endpoint} knows no OIDC provider for {issuer} in {account}, or the region is not active for this \
             account. Create the provider, or activate STS in {} (IAM, Account settings). The next endpoint is tried",
            context.exchange.region,
        ),
        (Reason::Audience, _) if context.is_for_api_server() => context.for_api_server(),
        (Reason::Audience, _) => {
            let next = if audience.starts_with(USUAL_AUDIENCE) {
                "Add it to the client IDs, or request the token for an audience that is listed".to_owned()
            } else {
                context.if_intended("First decide") + "If it is, add it to the client IDs"
            };
            format!(
                "the OIDC provider {} does not list the audience of the token {from} ({audience}) as a client ID. {next}",
                context.provider()
            )
        }
        (Reason::Signature, _) => format!(
            "the token {from} is signed with a key that {issuer} does not publish{}. Check in turn: (1) the issuer's jwks_uri \
             lists the current signing key: a new key must be published before it signs; (2) no other cluster uses the same \
             issuer URL",
            context.key(", kid ")
        ),
        (Reason::Thumbprint, _) => format!(
            "the certificate of {issuer} has changed. Update the thumbprint of the OIDC provider {}",
            context.provider()
        ),
        (Reason::Malformed, _) => {
            let check = if from_source {
                "The source must return a JWT"
            } else {
                "Set AWS_WEB_IDENTITY_TOKEN_FILE to the path of the projected token"
            };
            format!(
                "STS cannot read the token {from}. {check}. STS accepts the algorithms RS256, RS384, RS512, ES256, ES384 and \
                 ES512"
            )
        }
        (Reason::TokenUnclear, _) => format!(
            "compare the token {from} ({}) with the OIDC provider {}: the issuer with its URL, the audience with its client IDs, \
             and the signing key{} with the published keys",
            context.bearer(),
            context.provider(),
            context.key(" ")
        ),
        (Reason::UnknownCode, _) => format!(
            "check in turn: (1) {endpoint} is the STS that you mean (AWS_ENDPOINT_URL_STS); (2) this STS can read the keys of \
             {issuer}; (3) it trusts this issuer and the audience {audience}; (4) role_arn, session_length and policy are right, \
             if the answer names one of them"
        ),
        (Reason::Unexplained, _) => format!(
            "the answer gives no reason. Most often the server at {endpoint} cannot read the keys of {issuer}. Check in turn: (1) \
             the server can fetch the issuer's /.well-known/openid-configuration and its jwks_uri; (2) role_arn, session_length \
             and policy are right. The token is sent again within seconds"
        ),
        (Reason::RoleDenied, _) if context.is_for_api_server() => context.for_api_server(),
        (Reason::RoleDenied, _) => role_denied(context),
        (other, _) => sts::remedy(other, &context.exchange),
    }
}

fn role_denied(context: &RemedyContext<'_>) -> String {
    let role = context.role_arn();
    let missing = sts::missing_actions(&context.exchange);
    let actions: Vec<_> = ["sts:AssumeRoleWithWebIdentity"].into_iter().chain(missing).collect();
    let claims = context.claims.filter(|claims| is_printable(claims));
    let Some(statement) = claims.and_then(|claims| trust_statement(role, claims, &actions)) else {
        return format!(
            "check that {role} exists. Its trust policy must name the issuer, subject and audience of the token {} ({})",
            context.origin,
            context.bearer()
        );
    };
    let (subject, audience) = (context.subject(), context.audience());
    let intended = if audience.starts_with(USUAL_AUDIENCE) {
        String::new()
    } else {
        context.if_intended(&format!("the token has the audience {audience}. First decide")) + "If it is, "
    };
    let other = if subject.starts_with("system:serviceaccount:") {
        "run the pod under a service account that the policy names"
    } else {
        "send a token of a subject that the policy names"
    };
    format!(
        "{intended}check that {role} exists. Its trust policy must have this statement: {statement} - if {subject} must not \
         have this role, {other}. If the statement is there, check that it has no further condition, and that no resource \
         control policy, service control policy or VPC endpoint policy denies the exchange"
    )
}

/// True if the claims can stand in a statement that people paste. Odd or very long claims cannot.
fn is_printable(claims: &TokenClaims) -> bool {
    let named = [claims.issuer.as_deref(), claims.subject.as_deref(), claims.authorized_party.as_deref()];
    let named = named.into_iter().flatten().chain(claims.audience.iter().map(String::as_str));
    claims.audience.len() <= MAX_AUDIENCES && named.into_iter().all(|claim| plain(claim, MAX_CLAIM) == claim)
}

impl RemedyContext<'_> {
    fn role_arn(&self) -> &str {
        &self.exchange.session.role_arn
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

    fn client_id(&self) -> String {
        if self.is_for_api_server() {
            return format!(
                "sts.amazonaws.com (not the token's audience {}, which is the API server's: project a token for \
                 sts.amazonaws.com)",
                self.audience()
            );
        }
        match self.claims.and_then(|claims| claims.authorized_party.as_deref()) {
            Some(client) => format!("the token's azp ({})", plain(client, MAX_CLAIM)),
            None => format!("the token's audience ({})", self.audience()),
        }
    }

    /// The id of the signing key after `before`. Empty if the token does not name its key.
    fn key(&self, before: &str) -> String {
        let key = self.claims.and_then(|claims| claims.key_id.as_deref());
        key.map_or_else(String::new, |key| format!("{before}{}", plain(key, MAX_CLAIM)))
    }

    fn bearer(&self) -> String {
        match self.claims {
            Some(_) => format!("issuer {}, subject {}, audience {}", self.issuer(), self.subject(), self.audience()),
            None => "not a JWT, so its claims are not readable".to_owned(),
        }
    }

    fn issuer_faults(&self) -> Option<String> {
        issuer_faults(self.role_arn(), self.claims?.issuer.as_deref()?)
    }

    fn is_for_api_server(&self) -> bool {
        self.claims.is_some_and(TokenClaims::is_for_api_server)
    }

    fn for_api_server(&self) -> String {
        format!(
            "the token {} is for the API server (audience {}), not for STS. Do not make a role or an OIDC provider trust this \
             audience. Project a serviceAccountToken with the audience of the OIDC provider (usually sts.amazonaws.com) into the \
             pod, and set AWS_WEB_IDENTITY_TOKEN_FILE to its path",
            self.origin,
            self.audience()
        )
    }

    /// The decision about an unusual audience, and what to do if it is a mistake.
    fn if_intended(&self, decide: &str) -> String {
        let place = match self.origin {
            TokenOrigin::File(_) => "in `audience` of the volume's serviceAccountToken",
            TokenOrigin::Source(_) => "where the source requests the token",
        };
        format!(
            "{decide} whether this audience is intended. If it is not, correct it {place}, usually to {USUAL_AUDIENCE}. "
        )
    }

    fn provider(&self) -> String {
        match self.claims.and_then(|claims| claims.issuer.as_deref()) {
            Some(issuer) => plain(&provider_name(self.role_arn(), issuer), MAX_CLAIM),
            None => format!("of the token's issuer in {}", account_text(self.role_arn())),
        }
    }

    fn expired(&self) -> String {
        let expiry = self.claims.and_then(|claims| claims.expires_at);
        let from = self.origin;
        expiry.map_or_else(
            || format!("the token {from} has expired"),
            |expiry| format!("the token {from} expired at {}", date(expiry)),
        )
    }
}

/// A claim made fit to print, because it may hold any text.
fn claim(value: Option<&str>, absent: &str) -> String {
    value.map_or_else(|| absent.to_owned(), |value| plain(value, MAX_CLAIM))
}

/// Also the beginning of the audience in China, `sts.amazonaws.com.cn`.
const USUAL_AUDIENCE: &str = "sts.amazonaws.com";
const MAX_CLAIM: usize = 200;
const MAX_AUDIENCES: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;
    use crate::sts::{NoConnection, Session, testing as server};
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

    /// Signed with the key `key-1`.
    fn signed(payload: &str) -> TokenClaims {
        let token = jwt(payload);
        TokenClaims::parse(&format!("eyJhbGciOiJSUzI1NiIsImtpZCI6ImtleS0xIn0.{}", token.split_once('.').unwrap().1))
            .unwrap()
    }

    fn session(role_arn: &str) -> Session {
        Session { length: Some(Duration::from_secs(7200)), ..server::session(role_arn) }
    }

    fn context<'a>(session: &'a Session, claims: Option<&'a TokenClaims>) -> RemedyContext<'a> {
        static FILE: LazyLock<TokenOrigin> = LazyLock::new(|| {
            let file = "/var/run/secrets/token".into();
            TokenOrigin::File(TokenConfig { file, poll_interval: Duration::from_secs(30), watch: false })
        });
        let (endpoint, region) = ("https://sts.eu-central-1.amazonaws.com", "eu-central-1");
        let said = "STS answered AccessDenied";
        RemedyContext {
            exchange: sts::RemedyContext { session, endpoint, region, message: said },
            origin: &FILE,
            claims,
        }
    }

    #[rustfmt::skip]
    const REMEDIES: &[(Reason, &str)] = &[
        (Reason::NoConnection(NoConnection::Unreachable), "check that this pod can reach https://sts.eu-central-1.amazonaws.com: DNS, network policy, security groups, HTTPS_PROXY and NO_PROXY, the VPC endpoint of STS in eu-central-1. The exchange is tried again"),
        (Reason::NoAnswer, "check the network path to https://sts.eu-central-1.amazonaws.com: a firewall or security group that drops packets, a proxy, the VPC endpoint of STS in eu-central-1. The exchange is tried again. If STS is only slow, raise attempt_timeout"),
        (Reason::Broken, "this is an outage of https://sts.eu-central-1.amazonaws.com, or of a proxy in front of it. The exchange is tried again. If the outage lasts, look at the AWS Health Dashboard for eu-central-1"),
        (Reason::ServerFault, "this is an outage of https://sts.eu-central-1.amazonaws.com, or of a proxy in front of it. The exchange is tried again. If the outage lasts, look at the AWS Health Dashboard for eu-central-1"),
        (Reason::Throttled, "STS limits the calls of account 123456789012 in eu-central-1, and the limit cannot be raised. Share one provider per process, lengthen the sessions (session_length), start fewer pods at once. The exchange is tried again"),
        (Reason::IssuerUnreachable, "STS must be able to read the keys of https://issuer.example.com/cluster from the internet within 5 s. Check in turn: (1) the JWKS lists the key that signed the token (a new signing key is often not published yet); (2) /.well-known/openid-configuration and the jwks_uri in it are public and answer fast; (3) neither limits the rate of requests. The exchange is tried again"),
        (Reason::TokenExpired, "the token in /var/run/secrets/token expired at 2030-01-01T00:00:00Z and was not replaced. Check in turn: (1) this pod is not terminating: a kubelet replaces no token of a terminating pod; (2) the volume is mounted as a directory: a subPath mount never changes; (3) the kubelet of this node is healthy; (4) the file is not a copy: a copied token is never replaced. A new token is used at once"),
        (Reason::ClaimRejected, "https://issuer.example.com/cluster rejected the token in /var/run/secrets/token. Check that its pod and its service account (system:serviceaccount:shop:orders) still exist. A new token is used at once"),
        (Reason::NoProvider, "create an IAM OIDC provider for https://issuer.example.com/cluster in account 123456789012, where arn:aws:iam::123456789012:role/app is, with the token's audience (sts.amazonaws.com) as client ID. If there is a provider, compare its URL with the issuer to the last character (a final slash counts). The provider must be in the role's account"),
        (Reason::Audience, "the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster does not list the audience of the token in /var/run/secrets/token (sts.amazonaws.com) as a client ID. Add it to the client IDs, or request the token for an audience that is listed"),
        (Reason::Signature, "the token in /var/run/secrets/token is signed with a key that https://issuer.example.com/cluster does not publish. Check in turn: (1) the issuer's jwks_uri lists the current signing key: a new key must be published before it signs; (2) no other cluster uses the same issuer URL"),
        (Reason::Thumbprint, "the certificate of https://issuer.example.com/cluster has changed. Update the thumbprint of the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster"),
        (Reason::Malformed, "STS cannot read the token in /var/run/secrets/token. Set AWS_WEB_IDENTITY_TOKEN_FILE to the path of the projected token. STS accepts the algorithms RS256, RS384, RS512, ES256, ES384 and ES512"),
        (Reason::TokenUnclear, "compare the token in /var/run/secrets/token (issuer https://issuer.example.com/cluster, subject system:serviceaccount:shop:orders, audience sts.amazonaws.com) with the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster: the issuer with its URL, the audience with its client IDs, and the signing key with the published keys"),
        (Reason::RoleDenied, r#"check that arn:aws:iam::123456789012:role/app exists. Its trust policy must have this statement: {"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"issuer.example.com/cluster:sub":"system:serviceaccount:shop:orders","issuer.example.com/cluster:aud":"sts.amazonaws.com"}}} - if system:serviceaccount:shop:orders must not have this role, run the pod under a service account that the policy names. If the statement is there, check that it has no further condition, and that no resource control policy, service control policy or VPC endpoint policy denies the exchange"#),
        (Reason::SessionTooLong, "7200 s is longer than arn:aws:iam::123456789012:role/app allows. Raise the role's MaxSessionDuration, or ask for less with session_length"),
        (Reason::Setting, "correct the setting that the answer names: role_arn (arn:aws:iam::123456789012:role/app), session_name, session_length or policy"),
        (Reason::Policy, "correct the session policy (policy, policy_arns) as the answer says. Each ARN of policy_arns must exist"),
        (Reason::PolicyTooLarge, "shorten the session policy (policy), or name fewer policies (policy_arns). The answer says by how much"),
        (Reason::RegionDisabled, "activate STS in eu-central-1 for account 123456789012 (IAM, Account settings), or set AWS_REGION to an active region"),
        (Reason::StandbyDisabled, "activate STS for account 123456789012 at the standby https://sts.eu-central-1.amazonaws.com (IAM, Account settings), or name another standby. This standby is not asked again; the next endpoint is asked instead"),
        (Reason::NotSent, "check the region (eu-central-1), AWS_ENDPOINT_URL_STS, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT: the region may have no such endpoint"),
        (Reason::NoHttpClient, "enable the feature default-https-client of aws-web-identity or of aws-config, or give Builder::configure an SdkConfig with an http_client"),
        (Reason::TooEarly, "the token in /var/run/secrets/token is valid only from 2029-12-31T23:00:00Z by the clock of STS at https://sts.eu-central-1.amazonaws.com. Compare the clocks of https://issuer.example.com/cluster (the cluster's control plane) and of STS with a time server. The token is sent again within seconds"),
        (Reason::NoProviderAtStandby, "the standby https://sts.eu-central-1.amazonaws.com knows no OIDC provider for https://issuer.example.com/cluster in account 123456789012, or the region is not active for this account. Create the provider, or activate STS in eu-central-1 (IAM, Account settings). The next endpoint is tried"),
        (Reason::UnknownCode, "check in turn: (1) https://sts.eu-central-1.amazonaws.com is the STS that you mean (AWS_ENDPOINT_URL_STS); (2) this STS can read the keys of https://issuer.example.com/cluster; (3) it trusts this issuer and the audience sts.amazonaws.com; (4) role_arn, session_length and policy are right, if the answer names one of them"),
        (Reason::Unexplained, "the answer gives no reason. Most often the server at https://sts.eu-central-1.amazonaws.com cannot read the keys of https://issuer.example.com/cluster. Check in turn: (1) the server can fetch the issuer's /.well-known/openid-configuration and its jwks_uri; (2) role_arn, session_length and policy are right. The token is sent again within seconds"),
        (Reason::NotSts, "a server that is not STS answers at https://sts.eu-central-1.amazonaws.com. Check AWS_ENDPOINT_URL_STS, HTTPS_PROXY, and any proxy, portal or firewall in between"),
        (Reason::Encoded, "a proxy, gateway or service mesh in front of https://sts.eu-central-1.amazonaws.com compresses the answers. Switch compression off there for answers of STS"),
        (Reason::BadGrant, "https://sts.eu-central-1.amazonaws.com does not answer as STS does, or a proxy changes its answers. Check AWS_ENDPOINT_URL_STS and any proxy in between"),
    ];

    /// For a token that is not a JWT, and a role without an account.
    #[rustfmt::skip]
    const LESS_KNOWN: &[(Reason, &str)] = &[
        (Reason::TokenExpired, "the token in /var/run/secrets/token has expired and was not replaced. Check in turn: (1) this pod is not terminating: a kubelet replaces no token of a terminating pod; (2) the volume is mounted as a directory: a subPath mount never changes; (3) the kubelet of this node is healthy; (4) the file is not a copy: a copied token is never replaced. A new token is used at once"),
        (Reason::TooEarly, "the token in /var/run/secrets/token is not valid yet by the clock of STS at https://sts.eu-central-1.amazonaws.com. Compare the clocks of the token's issuer (the cluster's control plane) and of STS with a time server. The token is sent again within seconds"),
        (Reason::IssuerUnreachable, "STS must be able to read the keys of the token's issuer from the internet within 5 s. Check in turn: (1) the JWKS lists the key that signed the token (a new signing key is often not published yet); (2) /.well-known/openid-configuration and the jwks_uri in it are public and answer fast; (3) neither limits the rate of requests. The exchange is tried again"),
        (Reason::NoProvider, "create an IAM OIDC provider for the token's issuer in the role's account, where arn:aws:iam:::role/app is, with the token's audience (not readable) as client ID. If there is a provider, compare its URL with the issuer to the last character (a final slash counts). The provider must be in the role's account"),
        (Reason::Audience, "the OIDC provider of the token's issuer in the role's account does not list the audience of the token in /var/run/secrets/token (not readable) as a client ID. First decide whether this audience is intended. If it is not, correct it in `audience` of the volume's serviceAccountToken, usually to sts.amazonaws.com. If it is, add it to the client IDs"),
        (Reason::Thumbprint, "the certificate of the token's issuer has changed. Update the thumbprint of the OIDC provider of the token's issuer in the role's account"),
        (Reason::TokenUnclear, "compare the token in /var/run/secrets/token (not a JWT, so its claims are not readable) with the OIDC provider of the token's issuer in the role's account: the issuer with its URL, the audience with its client IDs, and the signing key with the published keys"),
        (Reason::RoleDenied, "check that arn:aws:iam:::role/app exists. Its trust policy must name the issuer, subject and audience of the token in /var/run/secrets/token (not a JWT, so its claims are not readable)"),
        (Reason::Throttled, "STS limits the calls of the role's account in eu-central-1, and the limit cannot be raised. Share one provider per process, lengthen the sessions (session_length), start fewer pods at once. The exchange is tried again"),
        (Reason::ClaimRejected, "the token's issuer rejected the token in /var/run/secrets/token. Check that its pod and its service account (not readable) still exist. A new token is used at once"),
    ];

    #[test]
    fn p12_every_reason_has_its_remedy() {
        let claims = ours();
        for (reason, expected) in REMEDIES {
            assert_eq!(remedy(*reason, &context(&session(ROLE), Some(&claims))), *expected, "{reason:?}");
        }
    }

    /// For a token from a source.
    #[rustfmt::skip]
    const ASKED: &[(Reason, &str)] = &[
        (Reason::TokenExpired, "the token from the source app::Vault expired at 2030-01-01T00:00:00Z. The source must return a token that is still valid. The source is asked again"),
        (Reason::ClaimRejected, "https://issuer.example.com/cluster rejected the token from the source app::Vault. Check that its subject (system:serviceaccount:shop:orders) still exists. The source is asked for another token"),
        (Reason::Malformed, "STS cannot read the token from the source app::Vault. The source must return a JWT. STS accepts the algorithms RS256, RS384, RS512, ES256, ES384 and ES512"),
        (Reason::Audience, "the OIDC provider arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster does not list the audience of the token from the source app::Vault (sts.amazonaws.com) as a client ID. Add it to the client IDs, or request the token for an audience that is listed"),
    ];

    #[test]
    fn p12_remedy_about_source_token_names_no_file() {
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
            assert_eq!(
                remedy(*reason, &RemedyContext { origin: &origin, ..context(&session, Some(&claims)) }),
                *expected
            );
        }
    }

    #[test]
    fn each_tls_failure_names_its_remedy() {
        let (session, claims) = (session(ROLE), ours());
        let of = |reason, endpoint| {
            let context = context(&session, Some(&claims));
            remedy(reason, &RemedyContext { exchange: sts::RemedyContext { endpoint, ..context.exchange }, ..context })
        };
        for (reason, endpoint, parts) in [
            (Reason::NoConnection(NoConnection::Certificate), "https://sts.a", ["https://sts.a", "TLS", "proxy"]),
            (
                Reason::NoConnection(NoConnection::CertificateHost),
                "https://sts.a",
                ["another host", "AWS_ENDPOINT_URL_STS", "must name the host"],
            ),
            (
                Reason::NoConnection(NoConnection::CertificateAuthority),
                "https://sts.a",
                ["private CA", "SSL_CERT_FILE", "AWS_CA_BUNDLE is not read"],
            ),
            (
                Reason::NoConnection(NoConnection::CertificateTime),
                "https://sts.a",
                ["expired", "not valid yet", "clock of this machine"],
            ),
            (
                Reason::NoConnection(NoConnection::NotTls),
                "https://sts.a:8080",
                ["does not speak TLS", "https://sts.a:8080", "URL with http"],
            ),
            (
                Reason::NoConnection(NoConnection::NotTls),
                "http://sts.a",
                ["http://sts.a speaks TLS", "AWS_ENDPOINT_URL_STS", "with https"],
            ),
            (
                Reason::NoConnection(NoConnection::NoCertificates),
                "https://sts.a",
                ["package ca-certificates", "SSL_CERT_FILE", "SSL_CERT_DIR"],
            ),
        ] {
            let remedy = of(reason, endpoint);
            assert!(parts.iter().all(|part| remedy.contains(part)), "{reason:?}: {remedy}");
        }
    }

    /// Claims, and the parts that the remedy must and must not have.
    #[rustfmt::skip]
    const CASES: &[(Reason, &str, &[&str], &[&str])] = &[
        (Reason::IssuerUnreachable, r#"{"iss":"https://a.example"}"#, &["keys of https://a.example", "kid key-1", "not published yet"], &[]),
        (Reason::IssuerUnreachable, r#"{"iss":"https://kubernetes.default.svc.cluster.local"}"#, &["AWS cannot trust the issuer https://kubernetes.default.svc.cluster.local: its host is not known on the internet", "--service-account-issuer"], &[]),
        (Reason::NoProvider, r#"{"iss":"https://10.0.0.1:6443","aud":"a"}"#, &["AWS cannot trust the issuer https://10.0.0.1:6443: its host is an IP address, it has a port", "JWKS", "account 123456789012"], &["create an IAM OIDC provider for https://10"]),
        (Reason::NoProvider, r#"{"iss":"https://a.example","aud":"https://kubernetes.default.svc"}"#, &["for https://a.example", "with sts.amazonaws.com (not the token's audience"], &[]),
        (Reason::NoProvider, r#"{"iss":"https://a.example","aud":"a","azp":"client"}"#, &["with the token's azp (client) as client ID"], &[]),
        (Reason::Signature, r#"{"iss":"https://a.example"}"#, &["does not publish, kid key-1", "jwks_uri"], &[]),
        (Reason::TokenUnclear, r#"{"iss":"https://a.example"}"#, &["the signing key key-1 with"], &[]),
        (Reason::Audience, r#"{"iss":"https://a.example","aud":"vault"}"#, &["(vault)", "First decide whether", "`audience`"], &[]),
        (Reason::Audience, r#"{"iss":"https://a.example","aud":"https://kubernetes.default.svc"}"#, &["for the API server", "Do not make", "AWS_WEB_IDENTITY_TOKEN_FILE"], &["dd it to"]),
        (Reason::RoleDenied, r#"{"iss":"https://a.example","sub":"system:serviceaccount:a:b","aud":"https://kubernetes.default.svc"}"#, &["for the API server", "Do not make"], &["{", "must have"]),
        (Reason::RoleDenied, r#"{"iss":"https://a.example","sub":"system:serviceaccount:a:b","aud":"vault"}"#, &["the audience vault. First decide", "run the pod under a service account", "resource control policy"], &["TagSession"]),
        (Reason::RoleDenied, r#"{"iss":"https://accounts.google.com","sub":"1","aud":"sts.amazonaws.com","azp":"2"}"#, &[r#""Federated":"accounts.google.com""#, r#""accounts.google.com:aud":"2""#], &["oidc-provider", "the pod"]),
        (Reason::TokenExpired, r#"{"exp":1893456000}"#, &["2030-01-01T00:00:00Z", "terminating", "subPath"], &[]),
    ];

    #[test]
    fn remedy_fits_issuer_audience_and_key() {
        let session = session(ROLE);
        for (reason, payload, says, not) in CASES {
            let claims = signed(payload);
            let remedy = remedy(*reason, &context(&session, Some(&claims)));
            for part in *says {
                assert!(remedy.contains(part), "{reason:?} {part}: {remedy}");
            }
            for part in *not {
                assert!(!remedy.contains(part), "{reason:?} {part}: {remedy}");
            }
        }
    }

    #[test]
    fn fips_switch_is_named_where_it_is_on() {
        let session = session(ROLE);
        for (endpoint, named) in [("https://sts-fips.eu-central-1.amazonaws.com", true), ("https://sts.a", false)] {
            for reason in [Reason::NoConnection(NoConnection::Unreachable), Reason::NoAnswer] {
                let context = context(&session, None);
                let remedy = remedy(
                    reason,
                    &RemedyContext { exchange: sts::RemedyContext { endpoint, ..context.exchange }, ..context },
                );
                assert_eq!(remedy.contains("AWS_USE_FIPS_ENDPOINT=false"), named, "{remedy}");
            }
        }
    }

    #[test]
    fn denied_session_tags_are_named() {
        let (session, claims) = (session(ROLE), ours());
        let context = context(&session, Some(&claims));
        let said = "Not authorized to perform sts:TagSession";
        let remedy = remedy(
            Reason::RoleDenied,
            &RemedyContext { exchange: sts::RemedyContext { message: said, ..context.exchange }, ..context },
        );
        assert!(remedy.contains(r#""Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]"#), "{remedy}");
    }

    /// Every claim has two thousand letters, and control and bidi characters.
    #[test]
    fn every_remedy_is_bounded_and_printable() {
        let strange = format!(r"https://\u001b[31m\u202e{}", "x".repeat(2_000));
        let payload = format!(
            r#"{{"iss":"{strange}","sub":"system:serviceaccount:{strange}","aud":["{strange}","b"],"azp":"{strange}","exp":1}}"#
        );
        let payload = jwt(&payload);
        let header = aws_smithy_types::base64::encode(format!(r#"{{"kid":"{strange}"}}"#));
        let claims = TokenClaims::parse(&format!("{header}.{}", payload.split_once('.').unwrap().1)).unwrap();
        assert!(claims.key_id.is_some());
        let session = session(ROLE);
        let reasons = REMEDIES.iter().map(|(reason, _)| *reason);
        for reason in reasons {
            let remedy = remedy(reason, &context(&session, Some(&claims)));
            assert!(remedy.chars().count() < 1500, "{reason:?}: {}", remedy.len());
            assert!(!remedy.contains(|c: char| c.is_control() || c == '\u{202e}'), "{reason:?}: {remedy}");
        }
    }

    #[test]
    fn p12_remedy_without_claims_or_account_is_complete() {
        for (reason, expected) in LESS_KNOWN {
            assert_eq!(remedy(*reason, &context(&session("arn:aws:iam:::role/app"), None)), *expected, "{reason:?}");
        }
    }

    #[test]
    fn a_claim_is_printed_as_one_bounded_line() {
        let claims = claims(&format!(r#"{{"iss":"https://a\u001b[31m\nb","sub":"{}"}}"#, "x".repeat(2000)));
        let remedy = remedy(Reason::ClaimRejected, &context(&session(ROLE), Some(&claims)));
        assert!(remedy.starts_with("https://a [31m b rejected the token"), "{remedy}");
        assert!(remedy.len() < 1000, "{remedy}");
    }
}
