//! Tokens from a source that is asked for them.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::claims::TokenClaims;
use super::config::SourceConfig;
use super::token::{Digest, Token};
use crate::error::{Error, ErrorKind, in_words};
use crate::refresh::Change;

/// One source, and what its last token was.
pub(super) struct AskedTokens {
    config: SourceConfig,
    timeout: Duration,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    digest: Option<Digest>,
    claims: Option<TokenClaims>,
    /// The source has told of a change that was not looked at yet.
    heard: bool,
    /// Until when no change is listened to: a source that always has one must not keep us busy.
    quiet_until: Option<Instant>,
}

impl AskedTokens {
    /// Nothing is asked.
    pub(super) fn new(config: SourceConfig, timeout: Duration) -> Self {
        Self { config, timeout, seen: Mutex::default() }
    }

    /// The token for an exchange.
    pub(super) async fn ask(&self) -> Result<Token, Error> {
        let name = self.config.name;
        match timeout(self.timeout, self.config.source.provide_token()).await {
            Ok(Ok(token)) => {
                let token = Token::given(token.into_text());
                self.saw(&token);
                Ok(token)
            }
            Ok(Err(cause)) => Err(unavailable(format!("the token source {name} gave no token")).with_source(cause)),
            Err(_) => {
                let within = in_words(self.timeout);
                Err(unavailable(format!("the token source {name} gave no token within {within}")))
            }
        }
    }

    /// What to say while the source is being asked.
    pub(super) fn waiting(&self) -> Error {
        unavailable(format!("the token source {} was asked and has given no token yet", self.config.name))
    }

    /// Resolves once the source says that it has another token. Cancel safe.
    pub(super) async fn changed(&self) -> Change {
        loop {
            let (heard, quiet_until) = {
                let seen = self.seen();
                (seen.heard, seen.quiet_until)
            };
            if !heard {
                if let Some(quiet_until) = quiet_until {
                    sleep_until(quiet_until).await;
                }
                self.config.source.changed().await;
            }
            let (before, identity) = {
                let mut seen = self.seen();
                seen.heard = true;
                seen.quiet_until = Some(Instant::now() + LISTENING_PAUSE);
                (seen.digest, seen.claims.clone())
            };
            // Whose it is shows in the token only.
            let token = self.ask().await.ok();
            self.seen().heard = false;
            if token.as_ref().is_some_and(|token| before == Some(token.digest())) {
                continue;
            }
            let claims = token.as_ref().and_then(|token| token.claims());
            let somebody_else = claims.zip(identity.as_ref()).is_some_and(|(new, old)| !new.same_identity(old));
            return if somebody_else { Change::Identity } else { Change::Content };
        }
    }

    /// Of the last token.
    pub(super) fn claims(&self) -> Option<TokenClaims> {
        self.seen().claims.clone()
    }

    fn saw(&self, token: &Token) {
        let mut seen = self.seen();
        seen.digest = Some(token.digest());
        seen.claims = token.claims().cloned();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::TokenUnavailable, message)
        .with_hint("see the source's own error below, or its log. The source is asked again until it gives a token")
        .with_transient(true)
}

impl fmt::Debug for AskedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedTokens").field("source", &self.config.name).finish_non_exhaustive()
    }
}

const LISTENING_PAUSE: Duration = Duration::from_secs(1);
