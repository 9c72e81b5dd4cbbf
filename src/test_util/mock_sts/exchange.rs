//! `AssumeRoleWithWebIdentity`: from the parameters to a grant.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::assume_role::AssumableRole;
use super::call::Call;
use super::form::Form;
use super::refusal::Refusal;
use super::role::TrustedRole;
use super::session::{Bearer, Grant, Session};
use super::verify::{Token, Verified};
use crate::test_util::lock;

/// What an account in AWS knows of providers and roles.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) issuers: Vec<String>,
    pub(super) roles: Mutex<Vec<TrustedRole>>,
    pub(super) assumable: Vec<AssumableRole>,
}

impl Account {
    /// What STS would do, at this moment of its clock, with sessions of this length instead of what was asked.
    pub(super) async fn exchange(
        &self,
        form: &Form,
        now: SystemTime,
        length: Option<Duration>,
    ) -> Result<Grant, Refusal> {
        let request = ExchangeRequest::parse(form)?;
        let token = sized(form, "WebIdentityToken", "webIdentityToken", 4, 20_000)?;
        let token = Token::parse(token).ok_or_else(|| {
            Refusal::invalid_identity_token(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            )
        })?;
        let verified = token.verify(&self.issuers, &self.audiences(), now).await?;
        let role = self.role(request.role_arn).ok_or_else(Refusal::access_denied)?;
        let audience = role.admits(&verified).ok_or_else(Refusal::access_denied)?.to_owned();
        if request.duration.is_some_and(|asked| asked > role.longest()) {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let length = length.or(request.duration).unwrap_or(DEFAULT_LENGTH);
        Ok(Grant {
            session: Session::new(role.arn(), request.session_name, now + length),
            bearer: Some(Bearer { provider: provider_arn(role.arn(), &verified), subject: verified.subject, audience }),
            packed_policy_size: request.packed_policy_size(),
        })
    }

    /// What the providers list: what any role asks for, and what every provider is made with.
    fn audiences(&self) -> Vec<String> {
        let roles = lock(&self.roles);
        let of_roles = roles.iter().flat_map(TrustedRole::audiences).cloned();
        of_roles.chain([DEFAULT_AUDIENCE.to_owned()]).collect()
    }

    fn role(&self, arn: &str) -> Option<TrustedRole> {
        lock(&self.roles).iter().find(|role| role.arn() == arn).cloned()
    }

    /// In place of the one with its ARN, if there is one.
    pub(super) fn set_role(&self, role: TrustedRole) {
        let mut roles = lock(&self.roles);
        roles.retain(|other| other.arn() != role.arn());
        roles.push(role);
    }
}

/// Notes what can be known of a request, good or not.
pub(super) fn describe(form: &Form, call: &mut Call) {
    let owned = |name| form.get(name).map(str::to_owned);
    call.role_arn = owned("RoleArn");
    call.session_name = owned("RoleSessionName");
    call.duration = form.get("DurationSeconds").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    call.policy = owned("Policy");
    call.policy_arns = form.list("PolicyArns", "arn").map(str::to_owned).collect();
    call.external_id = owned("ExternalId");
    call.tags = form
        .list("Tags", "Key")
        .zip(form.list("Tags", "Value"))
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    call.transitive_tag_keys = form.list("TransitiveTagKeys", "").map(str::to_owned).collect();
    call.source_identity = owned("SourceIdentity");
    if let Some(token) = form.get("WebIdentityToken") {
        call.subject = Token::parse(token).and_then(|token| token.subject().map(str::to_owned));
        let hash = digest(&SHA256, token.as_bytes());
        call.token_sha256 = Some(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect());
    }
}

/// Parameters that keep the rules of the API's model.
pub(super) struct ExchangeRequest<'a> {
    pub(super) role_arn: &'a str,
    pub(super) session_name: &'a str,
    pub(super) duration: Option<Duration>,
    /// Bytes of all session policies.
    policy_size: Option<usize>,
}

impl<'a> ExchangeRequest<'a> {
    pub(super) fn parse(form: &'a Form) -> Result<Self, Refusal> {
        let role_arn = sized(form, "RoleArn", "roleArn", 20, 2048)?;
        if !role_arn.starts_with("arn:") {
            return Err(Refusal::validation("Request ARN is invalid"));
        }
        let session_name = sized(form, "RoleSessionName", "roleSessionName", 2, 64)?;
        if !session_name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
            let constraint = r"satisfy regular expression pattern: [\w+=,.@-]*";
            return Err(Refusal::constraint(Some(session_name), "roleSessionName", constraint));
        }
        Ok(Self {
            role_arn,
            session_name,
            duration: form.get("DurationSeconds").map(parse_duration).transpose()?,
            policy_size: parse_policies(form)?,
        })
    }

    /// In percent of what there is room for.
    pub(super) fn packed_policy_size(&self) -> Option<usize> {
        self.policy_size.map(|bytes| (bytes * 100 / MAX_POLICY).min(100))
    }
}

fn sized<'a>(form: &'a Form, name: &str, parameter: &str, least: usize, most: usize) -> Result<&'a str, Refusal> {
    let value = form.get(name).ok_or_else(|| Refusal::constraint(None, parameter, "not be null"))?;
    // A token is never echoed.
    let shown = if name == "WebIdentityToken" { "***" } else { value };
    let length = value.chars().count();
    if length < least {
        let constraint = format!("have length greater than or equal to {least}");
        return Err(Refusal::constraint(Some(shown), parameter, constraint));
    }
    if length > most {
        let constraint = format!("have length less than or equal to {most}");
        return Err(Refusal::constraint(Some(shown), parameter, constraint));
    }
    Ok(value)
}

fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let refuse = |constraint| Refusal::constraint(Some(text), "durationSeconds", constraint);
    match text.parse() {
        Ok(..900) => Err(refuse("have value greater than or equal to 900")),
        Ok(seconds @ 900..=43_200) => Ok(Duration::from_secs(seconds)),
        Ok(43_201..) => Err(refuse("have value less than or equal to 43200")),
        Err(_) => Err(refuse("be a number")),
    }
}

fn parse_policies(form: &Form) -> Result<Option<usize>, Refusal> {
    let mut size = None;
    if form.get("Policy").is_some() {
        let policy = sized(form, "Policy", "policy", 1, MAX_POLICY)?;
        if !serde_json::from_str(policy).is_ok_and(|policy: Value| policy.is_object()) {
            return Err(Refusal::malformed_policy());
        }
        size = Some(policy.len());
    }
    for arn in form.list("PolicyArns", "arn") {
        if !arn.starts_with("arn:") {
            return Err(Refusal::validation(format!("ARN {arn} is not valid.")));
        }
        size = Some(size.unwrap_or_default() + arn.len());
    }
    Ok(size)
}

/// IAM knows the provider by its URL without the scheme.
fn provider_arn(role_arn: &str, verified: &Verified) -> String {
    let host_and_path = verified.issuer.split_once("://").map_or(&*verified.issuer, |(_, rest)| rest);
    match role_arn.split_once(":role/") {
        Some((account, _)) => format!("{account}:oidc-provider/{host_and_path}"),
        None => host_and_path.to_owned(),
    }
}

const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
pub(super) const DEFAULT_LENGTH: Duration = Duration::from_secs(3600);
const MAX_POLICY: usize = 2048;
