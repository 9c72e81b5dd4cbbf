//! A watch on real files, and counts of the files and threads that it holds.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::refresh::Change;
use crate::test_util::ProjectedVolume;
use crate::web_identity::config::TokenConfig;
use crate::web_identity::testing::jwt;
use crate::web_identity::token_watch::TokenWatch;
use crate::web_identity::token_watch::poll_schedule::Due;

/// A watch with a task that waits for changes, as the engine does.
pub(super) struct Rig {
    pub(super) watch: Arc<TokenWatch>,
    pub(super) changes: UnboundedReceiver<Change>,
    waiter: JoinHandle<()>,
}

impl Rig {
    pub(super) fn new(file: &Path, hints: Hints) -> Self {
        match hints {
            Hints::Events => Self::with(file, NEVER, true, SystemTimeSource::new()),
            Hints::Polling => Self::with(file, POLL, false, SystemTimeSource::new()),
        }
    }

    pub(super) fn with(
        file: &Path,
        poll_interval: Duration,
        watch: bool,
        time_source: impl TimeSource + 'static,
    ) -> Self {
        let config = TokenConfig { file: file.to_owned(), poll_interval, watch };
        let watch = Arc::new(TokenWatch::new(&config, Duration::from_secs(8), SharedTimeSource::new(time_source)));
        let (sender, changes) = unbounded_channel();
        let waiter = tokio::spawn({
            let watch = Arc::clone(&watch);
            async move { while sender.send(watch.changed().await).is_ok() {} }
        });
        Self { watch, changes, waiter }
    }

    pub(super) async fn read(&self) -> String {
        self.watch.read(drop).await.unwrap().expose().to_owned()
    }

    pub(super) async fn change(&mut self) -> Change {
        soon(self.changes.recv()).await.unwrap()
    }

    /// Waits for changes until the file is read with this token.
    pub(super) async fn until(&mut self, token: &str) {
        loop {
            self.change().await;
            // A newer token may follow.
            if self.watch.read(drop).await.is_ok_and(|read| read.expose() == token) {
                break;
            }
        }
    }

    /// Waits until no check is due.
    pub(super) async fn rest(&self) {
        until(|| {
            let due = self.watch.state().schedule.due(self.watch.events.count(), Instant::now());
            self.checks() > 0 && matches!(due, Due::At(_))
        })
        .await;
    }

    pub(super) fn checks(&self) -> u64 {
        self.watch.state().schedule.checks
    }

    pub(super) async fn close(mut self) {
        self.waiter.abort();
        assert!((&mut self.waiter).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.waiter.abort();
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Hints {
    /// File events, with a poll interval longer than the test.
    Events,
    Polling,
}

/// A directory with a projected volume in it.
pub(super) struct Home(pub(super) TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn volume(&self) -> PathBuf {
        self.0.path().join("volume")
    }

    pub(super) fn file(&self) -> PathBuf {
        self.volume().join("token")
    }

    pub(super) fn write(&self, token: &str) {
        ProjectedVolume::new(self.volume()).unwrap().write(token).unwrap();
    }

    /// Causes exactly one event, after all earlier events.
    pub(super) fn fence(&self) {
        symlink("nowhere", self.volume().join(format!("fence.{}", fastrand::u64(..)))).unwrap();
    }

    pub(super) fn rig(&self, hints: Hints) -> Rig {
        Rig::new(&self.file(), hints)
    }

    pub(super) fn watch(&self, hints: Hints) -> TokenWatch {
        let (poll_interval, watch) = match hints {
            Hints::Events => (NEVER, true),
            Hints::Polling => (POLL, false),
        };
        let config = TokenConfig { file: self.file(), poll_interval, watch };
        TokenWatch::new(&config, Duration::from_secs(8), SharedTimeSource::new(SystemTimeSource::new()))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Clock(pub(super) Arc<Mutex<SystemTime>>);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A JWT that is long enough to be written in pieces.
pub(super) fn token(number: usize) -> String {
    jwt(&format!(r#"{{"iss":"https://issuer","sub":"me","aud":["sts.amazonaws.com"],"jti":"{number}"}}"#))
}

/// Polls the future once, and drops it.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

pub(super) async fn until(mut happens: impl FnMut() -> bool) {
    soon(async {
        while !happens() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it hangs")
}

pub(super) fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(super) fn inotify_instances() -> usize {
    let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    files.filter(|file| file.to_string_lossy().contains("inotify")).count()
}

pub(super) fn inotify_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("notify-rs")).count()
}

pub(super) const INSTANCES: &str = "/proc/sys/user/max_inotify_instances";
pub(super) const POLL: Duration = Duration::from_millis(50);
pub(super) const NEVER: Duration = Duration::from_secs(3600);
