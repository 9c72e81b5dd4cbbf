//! Before a mock starts: whom it trusts.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Bytes;

use super::exchange::Account;
use super::server::Shared;
use super::{AssumableRole, MockSts, TrustedRole};
use crate::test_util::OidcIssuer;
use crate::test_util::http::{self, Server};

/// What a [`MockSts`] will know. Made by [`MockSts::builder`].
#[must_use]
#[derive(Debug, Default)]
pub struct MockStsBuilder {
    issuers: Vec<String>,
    roles: Vec<TrustedRole>,
    assumable: Vec<AssumableRole>,
}

impl MockStsBuilder {
    /// Registers this issuer as an OIDC provider of the account. May be repeated.
    pub fn issuer(mut self, issuer: &OidcIssuer) -> Self {
        self.issuers.push(issuer.url().to_owned());
        self
    }

    /// A role that can be assumed with a token. May be repeated.
    pub fn role(mut self, role: TrustedRole) -> Self {
        self.roles.push(role);
        self
    }

    /// A role that can be assumed with the credentials of another. May be repeated.
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
        serve(|endpoint_url| Shared::new(endpoint_url, account)).await
    }
}

/// A mock on a port of its own.
pub(super) async fn serve(make: impl FnOnce(String) -> Shared) -> MockSts {
    let (listener, address) = http::listen().await;
    let shared = Arc::new(make(format!("http://{address}")));
    let server = Server::start(listener, {
        let shared = Arc::clone(&shared);
        move |request: Request<Bytes>| {
            let shared = Arc::clone(&shared);
            async move { shared.handle(request).await }
        }
    });
    MockSts { shared, _server: Arc::new(server) }
}
