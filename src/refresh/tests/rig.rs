//! An engine over a scripted source and a wall clock that a test can set, in paused time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind};
use crate::refresh::{
    Attempt, Change, Class, Clock, EngineHandle, ExpiredPolicy, Failure, Grant, Monotonic, Observer, Policy, Principal,
    ShutdownWhen, Source, WeakEngineHandle,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const QUARTER: Duration = Duration::from_secs(900);

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An answer of the scripted source.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// New credentials with this lifetime.
    Grant(Duration),
    /// New credentials with this lifetime, from a server whose clock shows whole seconds.
    InWholeSeconds(Duration),
    /// New credentials with this lifetime, in an answer without a date.
    Undated(Duration),
    /// The same credentials as last time.
    SameKey(Duration),
    Fail(Class),
    /// Throttled, with this `Retry-After`.
    Throttle(Duration),
    /// Credentials that have expired on arrival.
    Expired,
    Hang,
    Panic,
    /// The panic of Tokio if it cannot start a blocking thread.
    NoThread,
    /// The answer, made after this time.
    After(Duration, Box<Self>),
    /// Credentials with the first duration as lifetime, made at once. Their answer takes the second duration to arrive.
    Late(Duration, Duration),
}

impl Reply {
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }
}

/// A source that gives the answers of its script, and then always the same one.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: Mutex<VecDeque<Reply>>,
    always: Mutex<Reply>,
    calls: Mutex<Vec<Instant>>,
    attempts: Mutex<Vec<Attempt>>,
    keys: AtomicU64,
    identity: Mutex<Option<String>>,
    obstacle: Mutex<Option<Error>>,
    change: Mutex<Option<Change>>,
    changed: Notify,
    panic_on_change: Mutex<bool>,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    clock: WallClock,
}

/// Counts a fetch until the drop.
struct InFlight<'a>(&'a Scripted);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(crate) fn call_times(&self) -> Vec<Instant> {
        self.calls.lock().unwrap().clone()
    }

    /// The attempt that each fetch got.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap().clone()
    }

    /// The largest number of fetches that were under way at once.
    pub(crate) fn most_in_flight(&self) -> u64 {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn then(&self, reply: Reply) -> &Self {
        self.script.lock().unwrap().push_back(reply);
        self
    }

    pub(crate) fn always(&self, reply: Reply) -> &Self {
        *self.always.lock().unwrap() = reply;
        self
    }

    pub(crate) fn change(&self, change: Change) {
        *self.change.lock().unwrap() = Some(change);
        self.changed.notify_one();
    }

    /// From now on the source requests credentials with this identity, and reports no change.
    pub(crate) fn set_identity(&self, identity: &str) {
        *self.identity.lock().unwrap() = Some(identity.to_owned());
    }

    pub(crate) fn set_obstacle(&self, error: Error) {
        *self.obstacle.lock().unwrap() = Some(error);
    }

    pub(crate) fn panic_at_next_change(&self) {
        *self.panic_on_change.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

impl Source for Scripted {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        self.calls.lock().unwrap().push(Instant::now());
        self.attempts.lock().unwrap().push(attempt);
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let _counted = InFlight(self);
        let mut reply = self.script.lock().unwrap().pop_front().unwrap_or_else(|| self.always.lock().unwrap().clone());
        while let Reply::After(delay, then) = reply {
            sleep(delay).await;
            reply = *then;
        }
        let mut server = self.clock.true_time();
        if let Reply::InWholeSeconds(lifetime) = reply {
            server = UNIX_EPOCH + seconds(server.duration_since(UNIX_EPOCH).unwrap().as_secs());
            reply = Reply::Grant(lifetime);
        }
        let mut date = Some(server);
        if let Reply::Undated(lifetime) = reply {
            date = None;
            reply = Reply::Grant(lifetime);
        }
        if let Reply::Late(lifetime, under_way) = reply {
            sleep(under_way).await;
            reply = Reply::Grant(lifetime);
        }
        let grant = |lifetime: Duration, key: u64| Grant {
            credentials: Credentials::new(format!("KEY{key}"), "secret", Some("session".into()), None, "scripted"),
            expiration: server + lifetime,
            date,
            requested: lifetime.max(HOUR),
            principal: Principal { on_behalf_of: self.identity.lock().unwrap().clone(), ..Principal::default() },
        };
        match reply {
            Reply::Grant(lifetime) => Ok(grant(lifetime, self.keys.fetch_add(1, Ordering::SeqCst) + 1)),
            Reply::SameKey(lifetime) => Ok(grant(lifetime, self.keys.load(Ordering::SeqCst))),
            Reply::Expired => Ok(Grant { expiration: server - seconds(1), ..grant(HOUR, 0) }),
            Reply::Fail(class) => Err(failure(class, None)),
            Reply::Throttle(after) => Err(failure(Class::Throttled, Some(after))),
            Reply::Hang => std::future::pending().await,
            Reply::Panic => scripted_panic(),
            Reply::NoThread => panic!("OS can't spawn worker thread: {}", std::io::Error::from_raw_os_error(11)),
            Reply::After(..) | Reply::Late(..) | Reply::InWholeSeconds(_) | Reply::Undated(_) => unreachable!(),
        }
    }

    async fn changed(&self) -> Change {
        loop {
            if std::mem::take(&mut *self.panic_on_change.lock().unwrap()) {
                scripted_panic();
            }
            if let Some(change) = self.change.lock().unwrap().take() {
                return change;
            }
            self.changed.notified().await;
        }
    }

    fn subject(&self) -> &str {
        "arn:aws:iam::123456789012:role/scripted"
    }

    fn obstacle(&self) -> Option<Error> {
        self.obstacle.lock().unwrap().clone()
    }
}

/// A panic without the panic hook, which would write a backtrace each time.
fn scripted_panic() -> ! {
    std::panic::resume_unwind(Box::new("scripted panic"))
}

fn failure(class: Class, retry_after: Option<Duration>) -> Failure {
    let kind = match class {
        Class::Outage => ErrorKind::ServiceUnavailable,
        Class::Throttled => ErrorKind::Throttled,
        Class::Misconfigured | Class::NotYetKnown => ErrorKind::RoleDenied,
        Class::Unclear => ErrorKind::Unexpected,
        Class::BadInput => ErrorKind::TokenRejected,
    };
    Failure { class, error: Error::new(kind, format!("scripted {class:?}")), retry_after }
}

/// A wall clock that follows the paused time. A test can set it, suspend its machine, make it panic, and make it call the
/// engine back.
#[derive(Clone)]
pub(crate) struct WallClock {
    origin: (Instant, SystemTime),
    set_by: Arc<AtomicI64>,
    suspended: Arc<AtomicI64>,
    panics: Arc<AtomicBool>,
    called: Arc<OnceLock<WeakEngineHandle>>,
}

impl WallClock {
    pub(crate) fn new() -> Self {
        let origin = (Instant::now(), SystemTime::UNIX_EPOCH + seconds(1_800_000_000));
        Self {
            origin,
            set_by: Arc::default(),
            suspended: Arc::default(),
            panics: Arc::default(),
            called: Arc::default(),
        }
    }

    /// From now on each read panics, or no longer does.
    pub(crate) fn panic(&self, panics: bool) {
        self.panics.store(panics, Ordering::SeqCst);
    }

    /// From now on each read calls the engine.
    pub(crate) fn call_back(&self, engine: &EngineHandle) {
        assert!(self.called.set(engine.downgrade()).is_ok());
    }

    /// Moves the local wall clock by this many seconds.
    pub(crate) fn set_by(&self, seconds: i64) {
        self.set_by.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The machine is suspended: all clocks go on but the monotonic one.
    pub(crate) fn suspend(&self, by: Duration) {
        self.suspended.fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }

    /// Time on the server's clock, which nobody sets.
    pub(crate) fn true_time(&self) -> SystemTime {
        shifted(self.origin.1 + self.origin.0.elapsed(), self.suspended.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        let suspended = u64::try_from(self.suspended.load(Ordering::SeqCst)).unwrap();
        self.origin.0.elapsed() + seconds(10_000 + suspended)
    }
}

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        assert!(!self.panics.load(Ordering::SeqCst), "scripted panic");
        if let Some(engine) = self.called.get().and_then(WeakEngineHandle::upgrade) {
            engine.issued("AKIA");
        }
        shifted(self.true_time(), self.set_by.load(Ordering::SeqCst))
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

fn shifted(time: SystemTime, by: i64) -> SystemTime {
    if by < 0 { time - seconds(by.unsigned_abs()) } else { time + seconds(by.unsigned_abs()) }
}

/// An engine over a scripted source.
pub(crate) struct Rig {
    pub(crate) engine: EngineHandle,
    pub(crate) source: Arc<Scripted>,
    pub(crate) clock: WallClock,
}

impl Rig {
    pub(crate) fn new(always: Reply) -> Self {
        Self::with(always, |_| {})
    }

    pub(crate) fn with(always: Reply, adjust: impl FnOnce(&mut Policy)) -> Self {
        Self::observed(always, adjust, None)
    }

    pub(crate) fn observed(
        always: Reply,
        adjust: impl FnOnce(&mut Policy),
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let wall = WallClock::new();
        let source = Arc::new(Scripted {
            script: Mutex::default(),
            always: Mutex::new(always),
            calls: Mutex::default(),
            attempts: Mutex::default(),
            keys: AtomicU64::new(0),
            identity: Mutex::default(),
            obstacle: Mutex::default(),
            change: Mutex::default(),
            changed: Notify::new(),
            panic_on_change: Mutex::default(),
            in_flight: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
            clock: wall.clone(),
        });
        let mut policy =
            Policy { refresh_window: 0.60..=0.75, wait_timeout: seconds(30), expired: ExpiredPolicy::Never };
        adjust(&mut policy);
        let boot = wall.clone();
        let wall_clock = SharedTimeSource::new(wall.clone());
        let clock = Clock::with_boot_clock(Monotonic::Tokio, wall_clock, move || Some(boot.boot()));
        let engine = EngineHandle::new(
            Arc::clone(&source),
            policy,
            clock,
            Some(Handle::current()),
            ShutdownWhen::default(),
            observer,
        );
        Self { engine, source, clock: wall }
    }

    /// The access key that a request would be signed with.
    pub(crate) fn key(&self) -> Option<String> {
        self.engine.read(|snapshot| Some(snapshot.credentials().access_key_id().to_owned()), || None)
    }

    /// Lets paused time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        sleep(time).await;
    }
}
