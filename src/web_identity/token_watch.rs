//! Watches one token file: reports once its content is another token than the last exchange used.
//!
//! **What is watched.** The directory of the file, and each directory that its symlinks lead through ([`symlinks`]). A kubelet
//! replaces a token by swapping a symlink in that directory; a watch of the file itself would end with the first swap. All
//! providers of a process share one watcher for each directory ([`directory_watcher`]).
//!
//! **An event** causes a check: the file is read, and its content is compared with what the last exchange used ([`changes`]).
//! An event is only a hint, because most events do not change the token. A flood of events causes few checks ([`poll_schedule`]).
//!
//! **Polling** always runs, because some places never send an event. While events work, the interval is `token_poll_interval`
//! ±10 % (30 s by default). Without events it is at most 5 s. It is 1 s at first while there is no token, STS rejects the
//! token, or the directory is missing. Each poll also renews the watch of a directory that was replaced. A poll that finds a
//! change without an event shows that events do not work here (gVisor, network file systems). Then the interval is 5 s, until
//! an event announces a change.
//!
//! **Without inotify** (no instance, watch or thread is left) the file is polled, and each poll tries to watch again
//! ([`watch_error`] has the texts).
//!
//! **A file system that hangs** holds one thread. The check ends with an error after the attempt timeout, and the next poll
//! checks again (`token_file/read_timeout.rs`).
//!
//! Each of these states is logged once when it begins and once when it ends ([`warnings`]).

mod changes;
mod directory_watcher;
mod poll_schedule;
mod symlinks;
mod warnings;
mod watch_error;

use std::path::{self, Path};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::changes::Changes;
use self::directory_watcher::EventSignal;
use self::poll_schedule::{Cause, Check, Due, PollSchedule};
use self::symlinks::WatchedPath;
use self::warnings::Warnings;
use self::watch_error::WatchError;
use super::claims::TokenClaims;
use super::config::TokenConfig;
use super::loaded_token::LoadedToken;
use super::token_file;
use crate::error::Error;
use crate::locks::lock;
use crate::refresh::{Change, Failure};

/// Reads one token file, and watches it while somebody polls [`changed`](Self::changed).
pub(super) struct TokenWatch {
    file: Arc<Path>,
    /// Longest wait for the file system.
    limit: Duration,
    /// The watched directories. `None`: polling alone.
    path: Option<Arc<WatchedPath>>,
    events: Arc<EventSignal>,
    time_source: SharedTimeSource,
    state: Arc<Mutex<WatchState>>,
    /// Not part of `state`, because logging calls foreign code.
    warnings: Mutex<Warnings>,
}

impl TokenWatch {
    /// Reads and starts nothing.
    pub(super) fn new(config: &TokenConfig, limit: Duration, time_source: SharedTimeSource) -> Self {
        // Events name absolute paths, and the working directory may change.
        let file = path::absolute(&config.file).unwrap_or_else(|_| config.file.clone());
        let events = Arc::new(EventSignal::default());
        Self {
            path: config.watch.then(|| Arc::new(WatchedPath::new(&file, Arc::clone(&events)))),
            file: file.into(),
            limit,
            events,
            time_source,
            state: Arc::new(Mutex::new(WatchState::new(config.poll_interval, config.watch))),
            warnings: Mutex::default(),
        }
    }

    /// Reads the token for an exchange. `on_obstacle` receives the error for a caller who gives up meanwhile.
    pub(super) async fn read(&self, on_obstacle: impl Fn(Error)) -> Result<LoadedToken, Failure> {
        let read = token_file::read(&self.file, self.limit, on_obstacle).await;
        self.used(read.as_ref().ok());
        read
    }

    /// An exchange uses this token, or found none. From now on, any other content is a change.
    fn used(&self, token: Option<&LoadedToken>) {
        self.state().used(token);
        self.events.wake();
    }

    /// Resolves once the file holds another token than was last used or reported. Cancel safe: a check that has begun goes
    /// on without its caller, and the next call reports what it found.
    pub(super) async fn changed(&self) -> Change {
        loop {
            let woken = self.events.woken();
            let (change, due) = {
                let mut state = self.state();
                (state.changes.take(), state.schedule.due(self.events.count(), Instant::now()))
            };
            if let Some(change) = change {
                return change;
            }
            match due {
                Due::Now(cause) => self.check(cause).await,
                Due::At(instant) => drop(timeout_at(instant, woken).await),
                Due::NotBefore(instant) => sleep_until(instant).await,
            }
        }
    }

    /// Polls often while `on`, because only another token can end the failure.
    pub(super) fn poll_often(&self, on: bool) {
        self.state().schedule.poll_often(on, Instant::now());
        self.events.wake();
    }

    /// Claims of the newest token that was read.
    pub(super) fn claims(&self) -> Option<TokenClaims> {
        self.state().changes.claims.clone()
    }

    /// Number of times that another token was found in the file.
    #[cfg(feature = "metrics")]
    pub(super) fn rotations(&self) -> u64 {
        self.state().changes.rotations
    }

    /// True if file events arrive. `None`: none are wanted.
    #[cfg(feature = "metrics")]
    pub(super) fn healthy(&self) -> Option<bool> {
        self.path.is_some().then(|| self.state().schedule.events_work())
    }

    async fn check(&self, cause: Cause) {
        let check = self.state().schedule.begin(cause, self.events.count());
        let quick = token_file::with_timeout(&self.file, Instant::now(), self.limit, {
            let (file, path, state) = (Arc::clone(&self.file), self.path.clone(), Arc::clone(&self.state));
            move || quick_check(&file, path.as_deref(), &state, check)
        });
        let (watched, read) = match quick.await {
            Ok((watched, Some(token))) => (watched, Ok(token)),
            Ok((watched, None)) => {
                let read = token_file::read(&self.file, self.limit, drop).await.map_err(|failure| failure.error);
                self.state().checked(check, is_new(&watched), read.as_ref().ok(), Instant::now());
                (watched, read)
            }
            Err(error) => {
                self.state().checked(check, false, None, Instant::now());
                (None, Err(error.explain(&self.file)))
            }
        };
        let events_are_missed = self.state().schedule.events_are_missed;
        let mut warnings = lock(&self.warnings);
        if self.path.is_none() || watched.is_some() {
            warnings.watch(&self.file, watched.as_ref());
        }
        warnings.events(&self.file, events_are_missed);
        warnings.read(&self.file, &read, self.time_source.now());
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        lock(&self.state)
    }
}

/// The result of renewing the watch: true if a directory is watched anew. `None`: there was no need.
type Watched = Option<Result<bool, WatchError>>;

fn is_new(watched: &Watched) -> bool {
    matches!(watched, Some(Ok(true)))
}

/// Does the whole of most checks on a blocking thread. It records its result itself, so that its caller may be dropped. Gives
/// no token where the file must be read again. Blocks.
fn quick_check(
    file: &Path,
    path: Option<&WatchedPath>,
    state: &Mutex<WatchState>,
    check: Check,
) -> (Watched, Option<LoadedToken>) {
    // The watch begins before the read, so that an event reports a change in between.
    let watched = path.and_then(|path| if check.is_poll() { Some(path.renew()) } else { path.renew_if_stale() });
    if let Some(outcome) = &watched {
        lock(state).schedule.watching = outcome.is_ok();
    }
    let token = token_file::read_once(file);
    if token.is_some() {
        lock(state).checked(check, is_new(&watched), token.as_ref(), Instant::now());
    }
    (watched, token)
}

/// The memory of the watch.
struct WatchState {
    schedule: PollSchedule,
    changes: Changes,
}

impl WatchState {
    fn new(poll_interval: Duration, wants_events: bool) -> Self {
        Self { schedule: PollSchedule::new(poll_interval, wants_events), changes: Changes::default() }
    }

    fn used(&mut self, token: Option<&LoadedToken>) {
        self.changes.used(token);
        self.schedule.exchange_has_read();
    }

    fn checked(&mut self, check: Check, watch_is_new: bool, token: Option<&LoadedToken>, now: Instant) {
        if self.schedule.end(check) {
            let rotated = self.changes.found(token);
            self.schedule.plan(check, watch_is_new, token.is_some(), rotated, now, fastrand::f64());
        }
    }
}

#[cfg(test)]
mod tests;
