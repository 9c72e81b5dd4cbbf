//! The trade: a token for credentials.
//!
//! The token is read for every exchange, and sent in a body only. What STS answers becomes a grant, or a failure with
//! its class for the engine and a hint for people. Nothing here knows when an exchange is due.

mod claims;
mod config;
mod hints;
mod obstacle;
mod sts;
#[cfg(test)]
mod testing;
mod token;
mod watch;

pub use claims::TokenClaims;
pub(crate) use config::{Config, StsConfig, TokenConfig};
pub(crate) use hints::trust_policy;

use self::hints::Known;
use self::sts::{Refusal, Sts};
use self::token::Token;
use self::watch::TokenWatch;
use crate::error::Error;
use crate::refresh::source::{Change, Class, Failure, Grant, Source};

/// Credentials of one role, from STS, for whatever token its file holds.
pub(crate) struct WebIdentity {
    config: Config,
    sts: Sts,
    watch: TokenWatch,
}

impl WebIdentity {
    /// Nothing is read, sent or spawned.
    pub(crate) fn new(config: Config) -> Self {
        let sts = Sts::new(&config);
        let watch = TokenWatch::new(&config.token, config.sts.time_source.clone());
        Self { config, sts, watch }
    }

    /// Of the token that was used or seen last. Read, not verified.
    pub(crate) fn claims(&self) -> Option<TokenClaims> {
        self.watch.claims()
    }

    async fn trade(&self) -> Result<Grant, Failure> {
        // From here on another token is a change, also while STS still ponders this one.
        let token = self.watch.read().await.map_err(unreadable)?;
        let expires_at = token.claims().and_then(|claims| claims.expires_at);
        self.sts.exchange(token.expose(), expires_at).await.map_err(|refusal| self.failure(refusal, &token))
    }

    fn failure(&self, refusal: Refusal, token: &Token) -> Failure {
        let Refusal { reason, message, endpoint, code, request_id, retry_after } = refusal;
        let known = Known {
            role_arn: &self.config.role_arn,
            token_file: &self.config.token.file,
            claims: token.claims(),
            endpoint: &endpoint,
            region: self.config.sts.region.as_ref(),
            session_length: self.config.session_length,
        };
        let error = Error::new(reason.kind(), message)
            .with_hint(hints::hint(reason, &known))
            .with_transient(reason.is_transient())
            .with_code(code)
            .with_request_id(request_id);
        Failure { class: reason.class(), error, retry_after }
    }
}

impl Source for WebIdentity {
    async fn fetch(&self) -> Result<Grant, Failure> {
        let outcome = self.trade().await;
        match &outcome {
            Ok(_) => self.watch.look_closely(false),
            Err(failure) if failure.class == Class::Blocked => self.watch.look_closely(true),
            Err(_) => {}
        }
        outcome
    }

    async fn changed(&self) -> Change {
        self.watch.changed().await
    }

    fn subject(&self) -> &str {
        &self.config.role_arn
    }
}

/// Without a token there is nothing to try; the watch sees the next one.
fn unreadable(error: Error) -> Failure {
    Failure { class: Class::Blocked, error, retry_after: None }
}
