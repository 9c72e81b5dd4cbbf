//! The roles of the account, each with its trust policy.

use std::time::Duration;

/// A role that a token can assume, with the conditions of its trust policy.
///
/// ```
/// use std::time::Duration;
///
/// use aws_web_identity::test_util::TrustedRole;
///
/// let role = TrustedRole::new("arn:aws:iam::123456789012:role/checkout")
///     .subject("system:serviceaccount:shop:checkout")
///     .audience("sts.amazonaws.com")
///     .max_session(Duration::from_secs(12 * 3600));
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct TrustedRole {
    pub(super) arn: String,
    subjects: Vec<String>,
    pub(super) audiences: Vec<String>,
    pub(super) max_session: Duration,
}

impl TrustedRole {
    /// Makes a role that trusts every token of the mock's issuers, until conditions are added.
    ///
    /// # Panics
    ///
    /// If `arn` is not the ARN of a role. The account in it may be empty, as other STS servers write it.
    pub fn new(arn: impl Into<String>) -> Self {
        let arn = arn.into();
        let is_role =
            arn.starts_with("arn:") && arn.splitn(6, ':').nth(5).is_some_and(|rest| rest.starts_with("role/"));
        assert!(is_role, "{arn} is not a role's ARN, such as arn:aws:iam::123456789012:role/app");
        Self { arn, subjects: Vec::new(), audiences: Vec::new(), max_session: Duration::from_secs(3600) }
    }

    /// Trusts only tokens with this `sub`. May be repeated: any of the subjects is trusted then.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push(subject.into());
        self
    }

    /// Trusts only tokens with this `aud`. May be repeated: any of the audiences is trusted then.
    ///
    /// The mock's OIDC providers list the audience, beside `sts.amazonaws.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the role's `MaxSessionDuration`. Default: one hour.
    pub fn max_session(mut self, longest: Duration) -> Self {
        self.max_session = longest;
        self
    }

    /// The audience by which the role trusts a token with these claims. `None` if the role does not trust it.
    pub(super) fn admitted_audience(&self, subject: &String, audiences: Vec<String>) -> Option<String> {
        let admits = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        let audience = audiences.into_iter().find(|audience| admits(&self.audiences, audience))?;
        admits(&self.subjects, subject).then_some(audience)
    }
}

/// A role that another role can assume, in any account: the far end of a chain.
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
    pub(super) arn: String,
    principals: Vec<String>,
    external_id: Option<String>,
    pub(super) actions: Vec<String>,
}

impl AssumableRole {
    /// Makes a role that trusts nobody yet.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), principals: Vec::new(), external_id: None, actions: Vec::new() }
    }

    /// Trusts the sessions of the role with this ARN. May be repeated.
    pub fn principal(mut self, role_arn: impl Into<String>) -> Self {
        self.principals.push(role_arn.into());
        self
    }

    /// Demands this `ExternalId` in each request.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Allows another action beside `sts:AssumeRole` in the trust policy. May be repeated.
    ///
    /// Session tags need `sts:TagSession`. A source identity needs `sts:SetSourceIdentity`.
    pub fn allow(mut self, action: impl Into<String>) -> Self {
        self.actions.push(action.into());
        self
    }

    pub(super) fn trusts(&self, role_arn: &String, external_id: Option<&str>) -> bool {
        let has_id = self.external_id.as_deref().is_none_or(|wanted| external_id == Some(wanted));
        has_id && self.principals.contains(role_arn)
    }
}
