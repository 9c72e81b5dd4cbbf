//! An AWS account: its OIDC providers, its roles, and how they decide about a request for credentials.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::refusal::Refusal;
use super::request::{ExchangeRequest, Form};
use super::roles::{AssumableRole, TrustedRole};
use super::session::Session;
use super::token_check::{Token, Verified};
use crate::test_util::lock;

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) issuers: Vec<String>,
    pub(super) roles: Mutex<Vec<TrustedRole>>,
    pub(super) assumable: Vec<AssumableRole>,
}

/// The result of a successful exchange.
pub(super) struct Grant {
    pub(super) session: Session,
    /// `None` for `AssumeRole`.
    pub(super) bearer: Option<Bearer>,
    pub(super) packed_policy_size: Option<usize>,
}

/// Claims of the token that `AssumeRoleWithWebIdentity` repeats in its answer.
pub(super) struct Bearer {
    pub(super) subject: String,
    pub(super) audience: String,
    pub(super) provider: String,
}

impl Account {
    /// `AssumeRoleWithWebIdentity` at `now`, the time of the mock. `length` replaces the length that the request asks for.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        form: &Form,
        now: SystemTime,
        length: Option<Duration>,
    ) -> Result<Grant, Refusal> {
        let request = ExchangeRequest::parse(form)?;
        let token = Token::parse(form.sized("WebIdentityToken", 4, 20_000)?).ok_or_else(|| {
            Refusal::invalid_identity_token(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            )
        })?;
        let Verified { issuer, subject, audience } = token.verify(&self.issuers, &self.audiences(), now).await?;
        let role = lock(&self.roles).iter().find(|role| role.arn == request.role_arn).cloned();
        let role = role.ok_or_else(Refusal::access_denied)?;
        let audience = role.admitted_audience(&subject, audience).ok_or_else(Refusal::access_denied)?;
        if request.duration.is_some_and(|asked| asked > role.max_session) {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let (account, _) = role.arn.split_once(":role/").unwrap_or_default();
        let provider = format!("{account}:oidc-provider/{}", issuer.trim_start_matches("http://"));
        Ok(grant(&request, now, length, Some(Bearer { subject, audience, provider })))
    }

    /// `AssumeRole` by the session `caller`, at `now`, the time of the mock. `length` replaces the length that the request
    /// asks for.
    pub(super) fn assume_role(
        &self,
        form: &Form,
        caller: &Session,
        now: SystemTime,
        length: Option<Duration>,
    ) -> Result<Grant, Refusal> {
        let request = ExchangeRequest::parse(form)?;
        let denied = |action| Refusal::not_authorized(&caller.arn, action, request.role_arn);
        let role = self.assumable.iter().find(|role| role.arn == request.role_arn);
        let role = role
            .filter(|role| role.trusts(&caller.role_arn, form.get("ExternalId")))
            .ok_or_else(|| denied("sts:AssumeRole"))?;
        let is_tagged = form.list("Tags", "Key").next().is_some();
        let is_identified = form.get("SourceIdentity").is_some();
        for (is_needed, action) in [(is_tagged, "sts:TagSession"), (is_identified, "sts:SetSourceIdentity")] {
            if is_needed && !role.actions.iter().any(|allowed| allowed == action) {
                return Err(denied(action));
            }
        }
        // The caller is the session of a role, so that this is role chaining.
        if request.duration.is_some_and(|asked| asked > HOUR) {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            ));
        }
        Ok(grant(&request, now, length, None))
    }

    /// The audiences that the account's OIDC providers list.
    fn audiences(&self) -> Vec<String> {
        let roles = lock(&self.roles);
        let of_roles = roles.iter().flat_map(|role| &role.audiences).cloned();
        of_roles.chain(["sts.amazonaws.com".to_owned()]).collect()
    }

    /// Adds the role, or replaces the role of the same ARN.
    pub(super) fn set_role(&self, role: TrustedRole) {
        let mut roles = lock(&self.roles);
        roles.retain(|other| other.arn != role.arn);
        roles.push(role);
    }
}

fn grant(request: &ExchangeRequest<'_>, now: SystemTime, length: Option<Duration>, bearer: Option<Bearer>) -> Grant {
    let length = length.or(request.duration).unwrap_or(HOUR);
    let session = Session::new(request.role_arn, request.session_name, now + length);
    Grant { session, bearer, packed_policy_size: request.packed_policy_size }
}

/// Length of a session unless the request asks for another, and the longest session of a chained role.
const HOUR: Duration = Duration::from_secs(3600);
