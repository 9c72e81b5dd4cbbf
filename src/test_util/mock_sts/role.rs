//! A role, and whom its trust policy admits.

use std::time::Duration;

use super::verify::Verified;

/// A role that can be assumed, with the conditions of its trust policy.
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
    arn: String,
    subjects: Vec<String>,
    audiences: Vec<String>,
    max_session: Duration,
}

impl TrustedRole {
    /// A role that trusts all tokens of the mock's issuers, until told otherwise.
    ///
    /// # Panics
    ///
    /// If this is not a role's ARN. Its account may be empty, as other STS servers have it.
    pub fn new(arn: impl Into<String>) -> Self {
        let arn = arn.into();
        let is_role =
            arn.starts_with("arn:") && arn.splitn(6, ':').nth(5).is_some_and(|rest| rest.starts_with("role/"));
        assert!(is_role, "{arn} is not a role's ARN, such as arn:aws:iam::123456789012:role/app");
        Self { arn, subjects: Vec::new(), audiences: Vec::new(), max_session: Duration::from_secs(3600) }
    }

    /// Admits this `sub` only, or, when repeated, any of them.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push(subject.into());
        self
    }

    /// Admits this `aud` only, or, when repeated, any of them. The mock's OIDC providers list it, beside
    /// `sts.amazonaws.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The role's `MaxSessionDuration`; unless set, an hour.
    pub fn max_session(mut self, longest: Duration) -> Self {
        self.max_session = longest;
        self
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    pub(super) fn longest(&self) -> Duration {
        self.max_session
    }

    /// The audience by which the token is admitted, if it is.
    pub(super) fn admits<'a>(&self, token: &'a Verified) -> Option<&'a str> {
        let good = |among: &[String], one: &String| among.is_empty() || among.contains(one);
        let audience = token.audience.iter().find(|audience| good(&self.audiences, audience))?;
        good(&self.subjects, &token.subject).then_some(audience)
    }
}
