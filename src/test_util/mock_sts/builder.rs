//! The settings of a mock before its start.

use super::account::Account;
use super::{AssumableRole, MockSts, TrustedRole};
use crate::test_util::OidcIssuer;

/// Collects what a [`MockSts`] trusts. Made by [`MockSts::builder`].
#[must_use]
#[derive(Debug, Default)]
pub struct MockStsBuilder {
    issuers: Vec<String>,
    roles: Vec<TrustedRole>,
    assumable: Vec<AssumableRole>,
}

impl MockStsBuilder {
    /// Registers the issuer as an OIDC provider of the account. May be repeated.
    pub fn issuer(mut self, issuer: &OidcIssuer) -> Self {
        self.issuers.push(issuer.url().to_owned());
        self
    }

    /// Adds a role that a token can assume. May be repeated.
    pub fn role(mut self, role: TrustedRole) -> Self {
        self.roles.push(role);
        self
    }

    /// Adds a role that another role's credentials can assume. May be repeated.
    pub fn assumable_role(mut self, role: AssumableRole) -> Self {
        self.assumable.push(role);
        self
    }

    /// Starts the mock.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or when loopback has no free port.
    pub async fn start(self) -> MockSts {
        let account = Account { issuers: self.issuers, roles: self.roles.into(), assumable: self.assumable };
        MockSts::serve(account.into(), std::sync::Arc::default(), None).await
    }
}
