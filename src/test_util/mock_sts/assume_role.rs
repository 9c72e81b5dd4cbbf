//! `AssumeRole`: which roles can be assumed with credentials, and by whom.

use std::time::{Duration, SystemTime};

use super::exchange::{Account, DEFAULT_LENGTH, ExchangeRequest};
use super::form::Form;
use super::refusal::Refusal;
use super::session::{Grant, Session};

/// A role that other roles can assume, in any account: the far end of a chain.
///
/// ```
/// use aws_web_identity::test_util::AssumableRole;
///
/// let lake = AssumableRole::new("arn:aws:iam::210987654321:role/lake")
///     .principal("arn:aws:iam::123456789012:role/checkout")
///     .external_id("orders");
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct AssumableRole {
    arn: String,
    principals: Vec<String>,
    external_id: Option<String>,
    actions: Vec<String>,
}

impl AssumableRole {
    /// A role that trusts nobody yet.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), principals: Vec::new(), external_id: None, actions: Vec::new() }
    }

    /// Trusts the sessions of this role, by the role's own ARN. May be repeated.
    pub fn principal(mut self, role_arn: impl Into<String>) -> Self {
        self.principals.push(role_arn.into());
        self
    }

    /// Wants this `ExternalId` in each request.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Lets its trust policy allow this action beside `sts:AssumeRole`: `sts:TagSession`, without which it refuses tags, or
    /// `sts:SetSourceIdentity`. May be repeated.
    pub fn allow(mut self, action: impl Into<String>) -> Self {
        self.actions.push(action.into());
        self
    }

    fn admits(&self, caller: &Session, external_id: Option<&str>) -> bool {
        let is_told = self.external_id.as_deref().is_none_or(|wanted| external_id == Some(wanted));
        is_told && self.principals.contains(&caller.role_arn)
    }
}

impl Account {
    /// What STS would do for this caller, with sessions of this length instead of what was asked.
    pub(super) fn assume_role(
        &self,
        form: &Form,
        caller: &Session,
        now: SystemTime,
        length: Option<Duration>,
    ) -> Result<Grant, Refusal> {
        let request = ExchangeRequest::parse(form)?;
        let denied = |action| Refusal::not_authorized(&caller.assumed_role.arn, action, request.role_arn);
        let role = self.assumable.iter().find(|role| role.arn == request.role_arn);
        let role =
            role.filter(|role| role.admits(caller, form.get("ExternalId"))).ok_or_else(|| denied("sts:AssumeRole"))?;
        let is_tagged = form.list("Tags", "Key").next().is_some();
        let is_identified = form.get("SourceIdentity").is_some();
        for (is_needed, action) in [(is_tagged, "sts:TagSession"), (is_identified, "sts:SetSourceIdentity")] {
            if is_needed && !role.actions.iter().any(|allowed| allowed == action) {
                return Err(denied(action));
            }
        }
        // Whoever calls has the session of a role: it is a chain.
        if request.duration.is_some_and(|asked| asked > LONGEST_CHAINED) {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            ));
        }
        let length = length.or(request.duration).unwrap_or(DEFAULT_LENGTH);
        Ok(Grant {
            session: Session::new(&role.arn, request.session_name, now + length),
            bearer: None,
            packed_policy_size: request.packed_policy_size(),
        })
    }
}

const LONGEST_CHAINED: Duration = Duration::from_secs(3600);
