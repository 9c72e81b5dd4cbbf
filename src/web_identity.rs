//! The exchange of a token for the credentials of a role.
//!
//! Each exchange reads the token anew, and sends it in the body of one request to STS. The result is a grant, or a failure
//! with its class for the engine and a remedy for the reader. The engine decides when to exchange.

mod claims;
mod config;
mod expired_token;
mod loaded_token;
mod remedies;
#[cfg(test)]
mod testing;
mod token_file;
mod token_format;
pub mod token_source;
mod token_watch;
mod trust_policy;

pub use claims::TokenClaims;
pub(crate) use config::{Config, SourceConfig, TokenConfig, TokenId, TokenOrigin};

use std::sync::Mutex;

use self::expired_token::StsClock;
use self::remedies::{RemedyContext, remedy};
use self::token_source::SourceClient;
use self::token_watch::TokenWatch;
use crate::error::Error;
use crate::locks::lock;
use crate::refresh::{Attempt, Change, Class, Failure, Grant, Source};
use crate::sts::{self, Authentication, Endpoints, ExchangeFailure, Session};

/// The source of one role's credentials, from tokens.
pub(crate) struct WebIdentity {
    config: Config,
    sts: Endpoints,
    sts_clock: StsClock,
    tokens: Tokens,
    /// The error for a caller who gives up before the current attempt has a token.
    token_obstacle: Mutex<Option<Error>>,
}

enum Tokens {
    File(TokenWatch),
    Source(SourceClient),
}

impl WebIdentity {
    /// Reads, sends and spawns nothing. `sts`: the endpoints of a provider with the same STS settings, to share its
    /// connections.
    pub(crate) fn new(config: Config, sts: Option<Endpoints>) -> Self {
        let sts = sts.unwrap_or_else(|| Endpoints::new(&config.sts));
        let limit = config.sts.attempt_timeout;
        let tokens = match &config.token {
            TokenOrigin::File(file) => Tokens::File(TokenWatch::new(file, limit, config.sts.time_source.clone())),
            TokenOrigin::Source(source) => Tokens::Source(SourceClient::new(source.clone(), limit)),
        };
        Self { config, sts, sts_clock: StsClock::default(), tokens, token_obstacle: Mutex::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn sts(&self) -> &Endpoints {
        &self.sts
    }

    /// Claims of the newest token that was read. Nobody has verified them.
    pub(crate) fn claims(&self) -> Option<TokenClaims> {
        match &self.tokens {
            Tokens::File(file) => file.claims(),
            Tokens::Source(source) => source.claims(),
        }
    }

    /// Number of rotations of the token file. `None` with a token source.
    #[cfg(feature = "metrics")]
    pub(crate) fn rotations(&self) -> Option<u64> {
        match &self.tokens {
            Tokens::File(file) => Some(file.rotations()),
            Tokens::Source(_) => None,
        }
    }

    /// True if file events arrive. `None` where none are wanted.
    #[cfg(feature = "metrics")]
    pub(crate) fn watch_healthy(&self) -> Option<bool> {
        match &self.tokens {
            Tokens::File(file) => file.healthy(),
            Tokens::Source(_) => None,
        }
    }

    async fn exchange(&self, attempt: Attempt) -> Result<Grant, Failure> {
        let waiting = WaitsForToken(&self.token_obstacle);
        let on_obstacle = |error| waiting.set(Some(error));
        if let Tokens::File(file) = &self.tokens {
            // Read before and after the wait for the permit: an attempt without a token must not hold a permit,
            // and the wait may be long.
            file.read(on_obstacle).await?;
        }
        let permit = self.sts.permit(attempt).await;
        // From here on another token is a change, even before STS has answered.
        let token = match &self.tokens {
            Tokens::File(file) => file.read(on_obstacle).await?,
            Tokens::Source(source) => {
                on_obstacle(source.obstacle());
                source.token().await.map_err(no_token)?
            }
        };
        drop(waiting);
        if let Some(error) = self.sts_clock.check(&token, &self.config.token, self.config.sts.time_source.now()) {
            return Err(no_token(error));
        }
        let expires_at = token.claims().and_then(|claims| claims.expires_at);
        let valid_from = token.claims().and_then(TokenClaims::valid_from);
        let authentication = Authentication::Token { jwt: token.expose(), expires_at, valid_from };
        let session = &self.config.session;
        let mut outcome = permit.exchange(session, &authentication).await;
        if let Ok(grant) = &mut outcome {
            self.sts_clock.set(sts::agreed_date(grant));
            grant.principal.on_behalf_of = token.claims().map(TokenClaims::identity);
        }
        outcome.map_err(|failure| failure_with_remedy(*failure, session, &self.config.token, token.claims()))
    }
}

impl Source for WebIdentity {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        let mut outcome = self.exchange(attempt).await;
        match (&self.tokens, &mut outcome) {
            (Tokens::File(file), Ok(_)) => file.poll_often(false),
            (Tokens::File(file), Err(failure)) if failure.class == Class::BadInput => file.poll_often(true),
            // A source need not report changes, so the next attempt has to ask it.
            (Tokens::Source(_), Err(failure)) if failure.class == Class::BadInput => failure.class = Class::Outage,
            _ => {}
        }
        outcome
    }

    async fn changed(&self) -> Change {
        match &self.tokens {
            Tokens::File(file) => file.changed().await,
            Tokens::Source(source) => source.changed().await,
        }
    }

    fn subject(&self) -> &str {
        &self.config.session.role_arn
    }

    fn obstacle(&self) -> Option<Error> {
        let token = || lock(&self.token_obstacle).clone();
        self.sts.obstacle().or_else(token)
    }
}

/// An attempt that has no token yet. Its drop clears the error, even if the user's source panics.
struct WaitsForToken<'a>(&'a Mutex<Option<Error>>);

impl WaitsForToken<'_> {
    fn set(&self, error: Option<Error>) {
        *lock(self.0) = error;
    }
}

impl Drop for WaitsForToken<'_> {
    fn drop(&mut self) {
        self.set(None);
    }
}

/// The failure of an exchange, with the remedy that fits the token.
pub(crate) fn failure_with_remedy(
    failure: ExchangeFailure,
    session: &Session,
    origin: &TokenOrigin,
    claims: Option<&TokenClaims>,
) -> Failure {
    let remedy = remedy(failure.reason, &RemedyContext { exchange: failure.remedy_context(session), origin, claims });
    failure.into_failure(remedy)
}

/// The failure of an exchange that has no token to send. Only another token ends it.
fn no_token(error: Error) -> Failure {
    Failure { class: Class::BadInput, error, retry_after: None }
}

#[cfg(test)]
mod tests;
