//! File events and polling made into "the token's content changed".
//!
//! Events are hints and content is the truth: whatever wakes us, we read and compare. Polling always runs, since there are
//! places where no event ever comes.

use std::fmt;
use std::path::{self, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::claims::TokenClaims;
use super::config::TokenConfig;
use super::diagnoses::Diagnoses;
use super::file_access::access;
use super::file_events::FileEvents;
use super::nudge::Nudge;
use super::token::{self, Token};
use super::watch_error::WatchError;
use super::watch_state::{Cause, Due, Look, WatchState};
use crate::error::Error;
use crate::refresh::{Change, Failure};

/// Watches one token file while somebody polls [`changed`](Self::changed), and only then.
pub(crate) struct TokenWatch {
    file: Arc<Path>,
    /// Longest wait for the file system.
    limit: Duration,
    /// `None`: polling alone.
    events: Option<Arc<FileEvents>>,
    nudge: Arc<Nudge>,
    time_source: SharedTimeSource,
    state: Arc<Mutex<WatchState>>,
    /// A lock of its own: logging calls code that we do not know.
    diagnoses: Mutex<Diagnoses>,
}

impl TokenWatch {
    /// Reads nothing and starts nothing.
    pub(crate) fn new(config: &TokenConfig, limit: Duration, time_source: SharedTimeSource) -> Self {
        // Events name absolute paths, and the working directory may change.
        let file = path::absolute(&config.file).unwrap_or_else(|_| config.file.clone());
        let nudge = Arc::new(Nudge::default());
        Self {
            events: config.watch.then(|| Arc::new(FileEvents::new(&file, Arc::clone(&nudge)))),
            file: file.into(),
            limit,
            nudge,
            time_source,
            state: Arc::new(Mutex::new(WatchState::new(config.poll_interval, config.watch))),
            diagnoses: Mutex::default(),
        }
    }

    /// The token for an exchange, as it is in the file now. `obstacle` hears what the read waits for.
    pub(crate) async fn read(&self, obstacle: impl Fn(Error)) -> Result<Token, Failure> {
        let read = token::read(&self.file, self.limit, obstacle).await;
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

    /// Resolves once the content of the file is other than what was used last, or reported last. Cancel safe: also if it is
    /// dropped again and again before a look can end, the next call has what that look saw.
    pub(crate) async fn changed(&self) -> Change {
        loop {
            let woken = self.nudge.woken();
            let (news, due) = {
                let mut state = self.state();
                (state.take_news(), state.due(self.nudge.count(), Instant::now()))
            };
            if let Some(change) = news {
                return change;
            }
            match due {
                Due::Now(cause) => self.look(cause).await,
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

    async fn look(&self, cause: Cause) {
        let look = self.state().look(cause, self.nudge.count());
        let glance = access(&self.file, (self.limit, Instant::now()), {
            let (file, events, state) = (Arc::clone(&self.file), self.events.clone(), Arc::clone(&self.state));
            move || glance(&file, events.as_deref(), &state, look)
        });
        let Glance { armed, armed_anew, read } = glance.await.unwrap_or_else(|stuck| {
            self.state().looked(look, false, None, Instant::now());
            Glance { read: Some(Err(stuck.explain(&self.file))), ..Glance::default() }
        });
        let read = match read {
            Some(read) => read,
            None => {
                let read = token::read(&self.file, self.limit, drop).await.map_err(|failure| failure.error);
                self.state().looked(look, armed_anew, read.as_ref().ok(), Instant::now());
                read
            }
        };
        let reliable = !self.state().is_unreliable();
        let mut diagnoses = self.diagnoses.lock().unwrap_or_else(PoisonError::into_inner);
        if self.events.is_none() || armed.is_some() {
            diagnoses.watch(&self.file, armed.as_ref());
        }
        diagnoses.reliable(&self.file, reliable);
        diagnoses.read(&self.file, &read, self.time_source.now());
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        lock(&self.state)
    }
}

/// What one look saw at once.
#[derive(Default)]
struct Glance {
    /// `None`: there was no reason to.
    armed: Option<Result<bool, WatchError>>,
    armed_anew: bool,
    /// `None`: patience is needed.
    read: Option<Result<Token, Error>>,
}

/// The whole of most looks. It runs on a thread of its own and remembers what it saw by itself, so that whoever waits for it
/// may be dropped. Blocks.
fn glance(file: &Path, events: Option<&FileEvents>, state: &Mutex<WatchState>, look: Look) -> Glance {
    // Armed first, then read: what happens between the two is heard.
    let armed = events.and_then(|events| if look.is_a_poll() { Some(events.arm()) } else { events.follow() });
    if let Some(outcome) = &armed {
        lock(state).armed(outcome.is_ok());
    }
    let armed_anew = armed.as_ref().map_or(events.is_none(), |outcome| !matches!(outcome, Ok(false)));
    let token = token::glance(file);
    if token.is_some() {
        lock(state).looked(look, armed_anew, token.as_ref(), Instant::now());
    }
    Glance { armed, armed_anew, read: token.map(Ok) }
}

fn lock(state: &Mutex<WatchState>) -> MutexGuard<'_, WatchState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
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
