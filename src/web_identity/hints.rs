//! What an error tells its reader to do. Pure: from what is known to a sentence.

use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;

use super::TokenClaims;
use super::sts::{Reason, plain};

/// What a hint can name.
pub(crate) struct Known<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) token_file: &'a Path,
    /// Of the token that was sent, if they could be read.
    pub(crate) claims: Option<&'a TokenClaims>,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    pub(crate) session_length: Option<Duration>,
}

/// The next step of whoever reads the error.
pub(crate) fn hint(reason: Reason, known: &Known<'_>) -> String {
    let Known { role_arn: role, endpoint, region, .. } = *known;
    let file = known.token_file.display();
    let account = account_text(role);
    let (issuer, subject, audience) = (known.issuer(), known.subject(), known.audience());
    match reason {
        Reason::Unreachable => format!(
            "check that the pod may reach {endpoint}: DNS, network policy, HTTPS_PROXY and NO_PROXY, the VPC endpoint of \
             STS in {region}; it is tried again until then"
        ),
        Reason::Certificate => format!(
            "the certificate of {endpoint} is not trusted here: check the container's CA certificates, its clock, and a \
             proxy that opens TLS, whose CA must be given to the HTTP client"
        ),
        Reason::NoAnswer => format!(
            "check the way to {endpoint} (a firewall that drops packets, a proxy, a VPC endpoint of STS in {region}); an \
             STS that is merely slow is tried again"
        ),
        Reason::Broken | Reason::ServerFault => format!(
            "this is an outage of {endpoint} or of a proxy before it, and is tried again; if it lasts, look at the AWS \
             Health Dashboard for {region}"
        ),
        Reason::Throttled => format!(
            "STS limits the calls of account {account} in {region}, and the limit cannot be raised: share one provider \
             per process, lengthen the sessions (session_length), start fewer pods at once"
        ),
        Reason::IssuerUnreachable => format!(
            "STS must be able to read {issuer}/.well-known/openid-configuration and the jwks_uri in it, from the internet \
             and within 5 s: check that both are public, quick, and not rate-limited"
        ),
        Reason::TokenExpired => format!(
            "the token in {file}{} and must be replaced by the kubelet: check that it still is mounted as a projected \
             volume (a subPath mount never changes), and that the node's kubelet is healthy; a new token is taken up at once",
            known.expired()
        ),
        Reason::ClaimRejected => format!(
            "the issuer {issuer} rejected the token in {file}: its pod or service account {subject} may have been deleted; \
             a new token is taken up at once"
        ),
        Reason::NoProvider => format!(
            "create an IAM OIDC provider in account {account}, where {role} is, for the URL {issuer} with the client ID \
             {audience}; if it exists, compare the URLs to the last character and the account with the role's"
        ),
        Reason::Audience => format!(
            "the token in {file} is for audience {audience}: add that as a client ID to the OIDC provider {}, or project \
             the token with an audience that is one (usually sts.amazonaws.com)",
            known.provider()
        ),
        Reason::Signature => format!(
            "the keys that {issuer} publishes did not sign the token in {file}: check that its jwks_uri holds the \
             cluster's present keys, and that no other cluster uses the same issuer URL"
        ),
        Reason::Thumbprint => format!(
            "the certificate of {issuer} has changed: update the thumbprint of the OIDC provider {}",
            known.provider()
        ),
        Reason::Malformed => format!(
            "the content of {file} is not a token that STS can read: check that AWS_WEB_IDENTITY_TOKEN_FILE names the \
             projected service-account token, signed with RS256, RS384, RS512, ES256, ES384 or ES512"
        ),
        Reason::TokenUnclear => format!(
            "compare the token in {file} (issuer {issuer}, subject {subject}, audience {audience}) with the OIDC provider \
             {}: its URL, its client IDs, its keys",
            known.provider()
        ),
        Reason::RoleDenied => role_denied(known),
        Reason::SessionTooLong => format!(
            "{} is longer than {role} allows: raise the role's MaxSessionDuration, or ask for less with session_length",
            known
                .session_length
                .map_or_else(|| "the session length".to_owned(), |length| format!("{} s", length.as_secs()))
        ),
        Reason::Setting => {
            format!("mend the setting that the answer names; the role is {role}, and nothing changes until then")
        }
        Reason::Policy => "mend the session policy (policy, policy_arns) as the answer says".to_owned(),
        Reason::PolicyTooLarge => {
            "shorten the session policy, or name fewer policies (policy, policy_arns); the answer says by how much"
                .to_owned()
        }
        Reason::RegionDisabled => format!(
            "activate STS in {region} for account {account} (IAM, Account settings), or use another region (AWS_REGION)"
        ),
        Reason::NotSent => format!(
            "check the region ({region}), AWS_ENDPOINT_URL_STS, and the FIPS and dual-stack settings; without the feature \
             default-https-client an HTTP client must be given by configure"
        ),
        Reason::UnknownCode => format!(
            "the answer's own words say what to mend; if {endpoint} is not meant to be STS, correct AWS_ENDPOINT_URL_STS"
        ),
        Reason::NotSts => format!(
            "something else answers at {endpoint}: check AWS_ENDPOINT_URL_STS, HTTPS_PROXY, and any proxy, portal or \
             firewall in between"
        ),
        Reason::BadGrant => format!(
            "{endpoint} does not keep to STS's protocol, or something in between changes its answers: check \
             AWS_ENDPOINT_URL_STS and any proxy"
        ),
    }
}

/// The policy document that lets `claims` assume `role_arn`, as compact JSON; none if the token does not say whose it is.
pub(crate) fn trust_policy(role_arn: &str, claims: &TokenClaims) -> Option<String> {
    let statement = trust_statement(role_arn, claims)?;
    Some(format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#))
}

/// Its one statement, in the order in which people write it.
fn trust_statement(role_arn: &str, claims: &TokenClaims) -> Option<String> {
    let issuer = bare(claims.issuer.as_deref()?);
    let subject = claims.subject.as_deref()?;
    let audience = match claims.audience.as_slice() {
        [] => return None,
        [one] => Value::from(one.as_str()),
        several => Value::from(several),
    };
    // `Value` escapes whatever a claim may hold.
    let [federated, sub_key, aud_key, subject] =
        [provider_arn(role_arn, issuer), format!("{issuer}:sub"), format!("{issuer}:aud"), subject.to_owned()]
            .map(Value::from);
    Some(format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":{federated}}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{{sub_key}:{subject},{aud_key}:{audience}}}}}}}"#
    ))
}

fn role_denied(known: &Known<'_>) -> String {
    let role = known.role_arn;
    match known.claims.and_then(|claims| trust_statement(role, claims)) {
        Some(statement) => format!(
            "the trust policy of {role} must have this statement: {statement} - if it has, check that the role exists, \
             that the statement has no further condition, and that no service control policy or VPC endpoint policy denies it"
        ),
        None => format!(
            "the trust policy of {role} must name the issuer, subject and audience of the token in {} (issuer {}, subject \
             {}, audience {})",
            known.token_file.display(),
            known.issuer(),
            known.subject(),
            known.audience()
        ),
    }
}

impl Known<'_> {
    fn issuer(&self) -> String {
        claim(self.claims.and_then(|claims| claims.issuer.as_deref()), "of the token")
    }

    fn subject(&self) -> String {
        claim(self.claims.and_then(|claims| claims.subject.as_deref()), "unknown")
    }

    fn audience(&self) -> String {
        let audience = self.claims.map(|claims| claims.audience.join(" or ")).filter(|audience| !audience.is_empty());
        claim(audience.as_deref(), "unknown")
    }

    /// The IAM provider that vouches for the token's issuer.
    fn provider(&self) -> String {
        match self.claims.and_then(|claims| claims.issuer.as_deref()) {
            Some(issuer) => plain(&provider_arn(self.role_arn, bare(issuer)), MAX_CLAIM),
            None => format!("in account {} for the token's issuer", account_text(self.role_arn)),
        }
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

fn provider_arn(role_arn: &str, bare_issuer: &str) -> String {
    let mut parts = role_arn.split(':');
    let partition = parts.nth(1).unwrap_or("aws");
    // Servers other than AWS have no accounts: the part stays empty.
    let account = parts.nth(2).unwrap_or_default();
    format!("arn:{partition}:iam::{account}:oidc-provider/{bare_issuer}")
}

fn account_text(role_arn: &str) -> &str {
    role_arn.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or("of the role")
}

/// IAM names an issuer without its scheme.
fn bare(issuer: &str) -> &str {
    issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://")).unwrap_or(issuer)
}

fn date(time: SystemTime) -> Option<String> {
    DateTime::from(time).fmt(Format::DateTime).ok()
}

const MAX_CLAIM: usize = 512;
