//! File events and polling made into "the token's content changed".
//!
//! Events are hints and content is the truth: whatever wakes us, we read and compare. Polling always runs, since there are
//! places where no event ever comes.

use std::fmt;
use std::path::{self, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_async::time::SharedTimeSource;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::claims::TokenClaims;
use super::config::TokenConfig;
use super::diagnoses::Diagnoses;
use super::file_events::FileEvents;
use super::nudge::Nudge;
use super::token::{self, Token};
use super::watch_state::{Cause, Due, WatchState};
use crate::error::Error;
use crate::refresh::Change;

/// Watches one token file while somebody polls [`changed`](Self::changed), and only then.
pub(crate) struct TokenWatch {
    file: Arc<Path>,
    /// `None`: polling alone.
    events: Option<Arc<FileEvents>>,
    nudge: Arc<Nudge>,
    time_source: SharedTimeSource,
    state: Mutex<WatchState>,
    /// A lock of its own: logging calls code that we do not know.
    diagnoses: Mutex<Diagnoses>,
}

impl TokenWatch {
    /// Reads nothing and starts nothing.
    pub(crate) fn new(config: &TokenConfig, time_source: SharedTimeSource) -> Self {
        // Events name absolute paths, and the working directory may change.
        let file = path::absolute(&config.file).unwrap_or_else(|_| config.file.clone());
        let nudge = Arc::new(Nudge::default());
        Self {
            events: config.watch.then(|| Arc::new(FileEvents::new(&file, Arc::clone(&nudge)))),
            file: file.into(),
            nudge,
            time_source,
            state: Mutex::new(WatchState::new(config.poll_interval, config.watch)),
            diagnoses: Mutex::default(),
        }
    }

    /// The token for an exchange, as it is in the file now.
    pub(crate) async fn read(&self) -> Result<Token, Error> {
        let read = token::read(&self.file).await;
        match &read {
            Ok(token) => self.used(token),
            Err(_) => {
                self.state().found_none();
                self.nudge.wake();
            }
        }
        read
    }

    /// An exchange is made with this token: anything else in the file is a change from now on.
    pub(crate) fn used(&self, token: &Token) {
        self.state().used(token);
        self.nudge.wake();
    }

    /// Resolves once the content of the file is other than what was used last, or reported last. Cancel safe.
    pub(crate) async fn changed(&self) -> Change {
        loop {
            let woken = self.nudge.woken();
            let due = self.state().due(self.nudge.count(), Instant::now());
            match due {
                Due::Now(cause) => {
                    if let Some(change) = self.look(cause).await {
                        return change;
                    }
                }
                // Woken or not, the next turn sees.
                Due::At(instant) => drop(timeout_at(instant, woken).await),
                Due::NotBefore(instant) => sleep_until(instant).await,
            }
        }
    }

    /// A better token is all that can help: look often, until told otherwise.
    pub(crate) fn look_closely(&self, on: bool) {
        self.state().look_closely(on, Instant::now());
        self.nudge.wake();
    }

    /// Of the newest token that was seen.
    pub(crate) fn claims(&self) -> Option<TokenClaims> {
        self.state().claims().cloned()
    }

    /// How often the file was seen with another token.
    #[cfg(feature = "metrics")]
    pub(crate) fn rotations(&self) -> u64 {
        self.state().rotations()
    }

    /// Whether file events come. `None`: none are wanted.
    #[cfg(feature = "metrics")]
    pub(crate) fn healthy(&self) -> Option<bool> {
        self.events.is_some().then(|| self.state().watching())
    }

    async fn look(&self, cause: Cause) -> Option<Change> {
        let look = self.state().look(cause, self.nudge.count());
        // Armed first, then read: what happens between the two is heard.
        let armed_anew = self.arm(cause).await;
        let read = token::read(&self.file).await;
        let (change, reliable) = {
            let mut state = self.state();
            let change = state.looked(look, armed_anew, read.as_ref().ok(), Instant::now());
            (change, !state.is_unreliable())
        };
        let mut diagnoses = self.diagnoses.lock().unwrap_or_else(PoisonError::into_inner);
        diagnoses.reliable(&self.file, reliable);
        diagnoses.read(&self.file, &read, self.time_source.now());
        change
    }

    /// Whether the watch is another than at the last look.
    async fn arm(&self, cause: Cause) -> bool {
        let outcome = match &self.events {
            Some(events) if cause == Cause::Clock || events.is_lost() => {
                let events = Arc::clone(events);
                let Ok(outcome) = spawn_blocking(move || events.arm()).await else { return true };
                self.state().armed(outcome.is_ok());
                Some(outcome)
            }
            Some(_) => return false,
            None => None,
        };
        self.diagnoses.lock().unwrap_or_else(PoisonError::into_inner).watch(&self.file, outcome.as_ref());
        !matches!(outcome, Some(Ok(false)))
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("TokenWatch")
            .field("file", &self.file)
            .field("watching", &state.watching())
            .field("looks", &state.looks())
            .field("rotations", &state.rotations())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(all(unix, feature = "test-util"))]
mod tests;
