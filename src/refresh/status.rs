//! A provider's state as its user sees it: the phase, the status, and the stream of updates.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::source::Principal;
use crate::error::Error;

/// The state of a provider, in one word.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// The provider was shut down. Its last credentials may still be valid.
    Closed,
    /// No exchange has succeeded yet.
    Empty,
    /// The last credentials have expired.
    Expired,
    /// The credentials are valid, and the last attempt succeeded.
    Fresh,
    /// The credentials are valid, and an exchange is under way.
    Refreshing,
    /// The credentials are valid, and the last attempt failed.
    Stale,
}

impl Phase {
    /// True if there are valid credentials that are kept fresh: `Fresh`, `Refreshing` or `Stale`.
    ///
    /// A health check asks [`Status::is_usable`](crate::Status::is_usable): it also knows whether credentials are left after
    /// a shutdown, and whether expired ones are handed out.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Fresh | Self::Refreshing | Self::Stale)
    }
}

/// The engine's state at one moment. `State::status` makes it under the lock, so its parts agree.
#[derive(Clone, Debug)]
pub(crate) struct EngineStatus {
    pub(crate) phase: Phase,
    pub(crate) generation: u64,
    pub(crate) expiry: Option<SystemTime>,
    pub(crate) next_attempt: Option<SystemTime>,
    pub(crate) consecutive_failures: u32,
    pub(crate) last_error: Option<Error>,
    /// The endpoint that answered last.
    pub(crate) endpoint: Option<String>,
    pub(crate) principal: Option<Arc<Principal>>,
    /// A request gets credentials without waiting.
    pub(crate) usable: bool,
}

/// Reports each new generation of credentials. It keeps no provider alive.
///
/// ```no_run
/// # async fn example(provider: aws_web_identity::WebIdentityCredentialsProvider) {
/// let mut updates = provider.updates();
/// while let Ok(generation) = updates.changed().await {
///     println!("now at generation {generation}");
/// }
/// # }
/// ```
pub struct Updates {
    news: watch::Receiver<u64>,
    closed: CancellationToken,
    last: u64,
}

impl Updates {
    /// `last`: the generation that is readable now. `news` may not have it yet.
    pub(super) fn new(news: watch::Receiver<u64>, closed: CancellationToken, last: u64) -> Self {
        Self { news, closed, last }
    }

    /// Waits for a generation newer than [`last`](Self::last). Generations in between may be skipped.
    ///
    /// # Errors
    /// [`Closed`] once the provider was shut down or its last handle dropped. A generation from before is reported first.
    ///
    /// # Cancel safety
    /// Dropping the future loses no generation.
    pub async fn changed(&mut self) -> Result<u64, Closed> {
        tokio::select! {
            biased;
            newer = self.news.wait_for(|&generation| generation > self.last) => {
                self.last = *newer.map_err(|_| Closed(()))?;
                Ok(self.last)
            }
            () = self.closed.cancelled() => Err(Closed(())),
        }
    }

    /// The newest generation that this listener knows; 0 before the first credentials.
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").field("last", &self.last).finish_non_exhaustive()
    }
}

/// There will be no more updates: the provider was shut down, or its last handle is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Closed(());

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the credentials provider is closed: it will publish no new credentials")
    }
}

impl std::error::Error for Closed {}
