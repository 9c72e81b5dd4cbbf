//! A scripted source, which checks that there is one task.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, watch};
use std::time::{Duration, Instant, SystemTime, sleep};

use aws_credential_types::Credentials;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use shuttle::future::block_on;

use crate::error::{Error, ErrorKind};
use crate::refresh::{
    Attempt, Change, Class, Clock, EngineHandle, EngineStatus, ExpiredPolicy, Failure, Grant, Monotonic, Observer,
    Policy, Principal, ShutdownWhen, Source, WeakEngineHandle,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Longest wait of callers. It is shorter than the task's heartbeat, which must not hide a lost wake-up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Scripted {
    /// Duration of each fetch. `None`: for ever.
    takes: Option<Duration>,
    /// Number of the fetch that fails as in an outage. 0: none.
    fails: usize,
    pub(crate) fetches: AtomicUsize,
    began: watch::Sender<usize>,
    fetching: AtomicUsize,
    watching: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(takes: Option<Duration>) -> Arc<Self> {
        Self::failing(takes, 0)
    }

    pub(crate) fn failing(takes: Option<Duration>, fails: usize) -> Arc<Self> {
        Arc::new(Self {
            takes,
            fails,
            fetches: AtomicUsize::new(0),
            began: watch::Sender::new(0),
            fetching: AtomicUsize::new(0),
            watching: AtomicUsize::new(0),
        })
    }

    /// True if no task uses this source.
    pub(crate) fn is_idle(&self) -> bool {
        self.fetching.load(Ordering::SeqCst) == 0 && self.watching.load(Ordering::SeqCst) == 0
    }

    /// Waits until this fetch is under way.
    pub(crate) fn wait_for_fetch(&self, number: usize) {
        let mut began = self.began.subscribe();
        if self.fetches.load(Ordering::SeqCst) < number {
            block_on(began.wait_for(|began| *began >= number)).unwrap();
        }
    }

    pub(crate) fn engine(self: &Arc<Self>) -> EngineHandle {
        self.engine_with(None, None)
    }

    pub(crate) fn engine_with(
        self: &Arc<Self>,
        runtime: Option<tokio::runtime::Handle>,
        observer: Option<Arc<dyn Observer>>,
    ) -> EngineHandle {
        let policy =
            Policy { refresh_window: 0.60..=0.75, wait_timeout: PATIENCE, expired: ExpiredPolicy::UntilRejected };
        let clock = Clock::new(Monotonic::Tokio, SharedTimeSource::new(Wall));
        EngineHandle::new(Arc::clone(self), policy, clock, runtime, ShutdownWhen::default(), observer)
    }
}

impl Source for Scripted {
    async fn fetch(&self, _attempt: Attempt) -> Result<Grant, Failure> {
        let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        let _one = One::of(&self.fetching);
        self.began.send_replace(number);
        match self.takes {
            Some(takes) => sleep(takes).await,
            None => pending().await,
        }
        if number == self.fails {
            let error = Error::new(ErrorKind::ServiceUnavailable, "scripted outage".to_owned());
            return Err(Failure { class: Class::Outage, error, retry_after: None });
        }
        let text = number.to_string();
        let expiration = Wall.now() + HOUR;
        Ok(Grant {
            credentials: Credentials::new(text.clone(), text.clone(), Some(text), None, "model"),
            expiration,
            date: Some(Wall.now()),
            requested: HOUR,
            principal: Principal { account_id: Some(number.to_string()), ..Principal::default() },
        })
    }

    async fn changed(&self) -> Change {
        let _one = One::of(&self.watching);
        pending().await
    }

    fn subject(&self) -> &str {
        "model"
    }
}

/// One use by a task. A second one at the same time is a second task.
struct One<'a>(&'a AtomicUsize);

impl<'a> One<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "a provider has two tasks");
        Self(count)
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Wall;

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR + (Instant::now() - Instant::BEGINNING)
    }
}

/// An observer that takes a handle, uses it, and drops it. This may be the last handle, dropped on the engine thread.
pub(crate) struct HoldsBriefly(pub(crate) OnceLock<WeakEngineHandle>);

impl Observer for HoldsBriefly {
    fn status(&self, _: &EngineStatus) {
        let Some(handle) = self.0.get().and_then(WeakEngineHandle::upgrade) else { return };
        // Takes the state's lock.
        handle.issued("");
    }

    fn exchanged(&self, _: Duration, _: Option<&Error>) {}

    fn rejected(&self) {}
}
