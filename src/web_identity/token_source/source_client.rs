//! The crate's side of a token source: requests tokens with a time limit, and detects changes.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::error::{Error, ErrorKind, in_words};
use crate::locks::lock;
use crate::refresh::Change;
use crate::web_identity::claims::TokenClaims;
use crate::web_identity::config::SourceConfig;
use crate::web_identity::loaded_token::{Digest, LoadedToken};

/// One token source, with the facts about its last token.
pub(in crate::web_identity) struct SourceClient {
    config: SourceConfig,
    timeout: Duration,
    last: Mutex<LastToken>,
}

#[derive(Default)]
struct LastToken {
    digest: Option<Digest>,
    claims: Option<TokenClaims>,
    /// The source has reported a change, and has not been asked for the new token yet.
    changed: bool,
    /// Earliest time to listen for the next change, or to ask for the new token again. Limits a source that reports changes
    /// without end.
    listen_at: Option<Instant>,
}

impl SourceClient {
    pub(in crate::web_identity) fn new(config: SourceConfig, timeout: Duration) -> Self {
        Self { config, timeout, last: Mutex::default() }
    }

    /// Asks the source for the token of an exchange.
    pub(in crate::web_identity) async fn token(&self) -> Result<LoadedToken, Error> {
        let name = self.config.name;
        match timeout(self.timeout, self.config.source.provide_token()).await {
            Ok(Ok(token)) => {
                let token = LoadedToken::from_source(token.into_text());
                let mut last = self.last();
                last.digest = Some(token.digest);
                last.claims = token.claims().cloned();
                Ok(token)
            }
            Ok(Err(cause)) => Err(unavailable(format!("the token source {name} gave no token")).with_source(cause)),
            Err(_) => {
                let within = in_words(self.timeout);
                Err(unavailable(format!("the token source {name} gave no token within {within}")))
            }
        }
    }

    /// The error for a caller who gives up while the source is being asked.
    pub(in crate::web_identity) fn obstacle(&self) -> Error {
        unavailable(format!("the token source {} was asked and has given no token yet", self.config.name))
    }

    /// Resolves once the source has another token. Cancel safe.
    pub(in crate::web_identity) async fn changed(&self) -> Change {
        loop {
            let (changed, listen_at) = {
                let last = self.last();
                (last.changed, last.listen_at)
            };
            if let Some(listen_at) = listen_at {
                sleep_until(listen_at).await;
            }
            if !changed {
                self.config.source.changed().await;
            }
            let (digest, claims) = {
                let mut last = self.last();
                last.changed = true;
                last.listen_at = Some(Instant::now() + LISTENING_PAUSE);
                (last.digest, last.claims.clone())
            };
            // Only the token itself shows whether its identity is another.
            let token = self.token().await.ok();
            match &token {
                Some(_) => self.last().changed = false,
                None => {
                    self.last().listen_at = Some(Instant::now() + PAUSE_AFTER_FAILURE);
                    if changed {
                        // This change was reported when the source failed for the first time.
                        continue;
                    }
                }
            }
            if token.as_ref().is_some_and(|token| digest == Some(token.digest)) {
                continue;
            }
            let new_claims = token.as_ref().and_then(LoadedToken::claims);
            let other_identity = new_claims.zip(claims.as_ref()).is_some_and(|(new, old)| !new.same_identity(old));
            return if other_identity { Change::Identity } else { Change::Content };
        }
    }

    /// Claims of the last token.
    pub(in crate::web_identity) fn claims(&self) -> Option<TokenClaims> {
        self.last().claims.clone()
    }

    fn last(&self) -> MutexGuard<'_, LastToken> {
        lock(&self.last)
    }
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::TokenUnavailable, message)
        .with_remedy("see the source's own error below, or its log. The source is asked again until it gives a token")
        .with_transient(true)
}

const LISTENING_PAUSE: Duration = Duration::from_secs(1);
/// After a change, a source may fail when it is asked for the new token.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::web_identity::token_source::{ProvideToken, TokenError, future};

    /// Reports a change once, and gives no token.
    #[derive(Debug, Default)]
    struct Broken {
        reported: AtomicUsize,
        asked: Arc<AtomicUsize>,
    }

    impl ProvideToken for Broken {
        fn provide_token(&self) -> future::ProvideToken<'_> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            future::ProvideToken::new(async { Err(TokenError::new("sealed")) })
        }

        fn changed(&self) -> future::Changed<'_> {
            future::Changed::new(async {
                if self.reported.fetch_add(1, Ordering::Relaxed) > 0 {
                    std::future::pending::<()>().await;
                }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failing_source_reports_its_change_once() {
        let source = Broken::default();
        let asked = Arc::clone(&source.asked);
        let config = SourceConfig { name: "broken", source: Arc::new(source) };
        let client = SourceClient::new(config, Duration::from_secs(8));
        assert_eq!(client.changed().await, Change::Content);
        assert!(
            timeout(Duration::from_secs(95), client.changed()).await.is_err(),
            "an engine would call STS each time"
        );
        assert_eq!(asked.load(Ordering::Relaxed), 4, "it must be asked every 30 s");
    }
}
