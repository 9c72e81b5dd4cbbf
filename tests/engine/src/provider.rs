//! One provider: the real engine over a simulated source.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_async::time::TimeSource;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::clocks::Clocks;
use crate::endpoints::{Health, Order};
use crate::error::{Error, ErrorKind};
use crate::ledger::{Ledger, Session};
use crate::lock;
use crate::refresh::{
    Attempt, Change, EngineHandle, EngineStatus, ExpiredPolicy, Failure, Grant, Observer, Policy, Principal,
    ShutdownWhen, Source,
};

/// What all providers of a history share.
pub(crate) struct World {
    pub(crate) clocks: Clocks,
    /// Home first.
    pub(crate) endpoints: Mutex<Vec<Health>>,
    /// The next session lives as long as this.
    pub(crate) lifetime: Mutex<Duration>,
    /// The shortest lifetime of this history.
    pub(crate) shortest: Duration,
    pub(crate) requested: Duration,
    pub(crate) expired: ExpiredPolicy,
    told: bool,
    /// Longest time that STS takes for credentials.
    pub(crate) latency: Mutex<Duration>,
    /// Number of keys that STS has given.
    keys: Mutex<u64>,
}

impl World {
    pub(crate) fn new(
        standbys: usize,
        lifetime: Duration,
        requested: Duration,
        expired: ExpiredPolicy,
        told: bool,
    ) -> Self {
        Self {
            clocks: Clocks::new(),
            endpoints: Mutex::new(vec![Health::Up; standbys + 1]),
            lifetime: Mutex::new(lifetime),
            shortest: lifetime / 2,
            requested,
            expired,
            told,
            latency: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:.1} s: {}", self.clocks.true_time().as_secs_f64(), what());
        }
    }
}

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) engine: EngineHandle,
    pub(crate) source: Arc<SimulatedSource>,
}

impl Provider {
    pub(crate) fn new(number: usize, world: &Arc<World>) -> Self {
        let standbys = lock(&world.endpoints).len() - 1;
        let source = Arc::new(SimulatedSource {
            world: Arc::clone(world),
            number,
            order: Order::new(standbys),
            ledger: Mutex::new(Ledger::new(world.clocks.clone(), world.shortest)),
            token: Mutex::default(),
            changed: Notify::new(),
        });
        let policy =
            Policy { refresh_window: 0.60..=0.75, wait_timeout: Duration::from_secs(30), expired: world.expired };
        let observer: Arc<dyn Observer> = Arc::new(Watching(Arc::clone(&source)));
        let engine = EngineHandle::new(
            Arc::clone(&source),
            policy,
            world.clocks.for_engine(),
            Some(Handle::current()),
            ShutdownWhen::default(),
            Some(observer),
        );
        Self { engine, source }
    }

    /// The access key that a request would be signed with.
    pub(crate) fn key(&self) -> Option<String> {
        self.engine.read(|snapshot| Some(snapshot.credentials().access_key_id().to_owned()), || None)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.source.ledger)
    }
}

pub(crate) struct SimulatedSource {
    world: Arc<World>,
    number: usize,
    order: Order,
    ledger: Mutex<Ledger>,
    token: Mutex<Token>,
    changed: Notify,
}

/// The token, and what the engine knows of it.
#[derive(Default)]
struct Token {
    version: u64,
    identity: u64,
    /// The version that the last exchange used or `changed` reported.
    known: u64,
    known_identity: u64,
    panics: bool,
}

impl SimulatedSource {
    pub(crate) fn rotate(&self, change: Change) {
        let mut token = lock(&self.token);
        token.version += 1;
        token.identity += u64::from(change == Change::Identity);
        self.changed.notify_one();
    }

    pub(crate) fn panic_at_next_change(&self) {
        lock(&self.token).panics = true;
        self.changed.notify_one();
    }

    /// Another pod's ledger takes its place.
    pub(crate) fn take_ledger(&self) -> Ledger {
        let empty = Ledger::new(self.world.clocks.clone(), self.world.shortest);
        std::mem::replace(&mut lock(&self.ledger), empty)
    }

    async fn exchange(&self, attempt: Attempt) -> Result<Grant, Failure> {
        let clocks = &self.world.clocks;
        let sent = clocks.true_time();
        let identity = {
            let mut token = lock(&self.token);
            (token.known, token.known_identity) = (token.version, token.identity);
            token.identity
        };
        let asked = self.order.ask(attempt.valid);
        let (panics, answer) = {
            let mut endpoints = lock(&self.world.endpoints);
            let health = &mut endpoints[asked.endpoint];
            (health.panics(), health.answer(asked.endpoint))
        };
        self.world.tell(|| {
            let answer = answer.as_ref().map(|answer| (answer.class, answer.retry_after));
            format!("provider {} asks endpoint {}, which fails with {answer:?}", self.number, asked.endpoint)
        });
        if panics {
            // Not by `panic!`: its hook would write a backtrace each time.
            std::panic::resume_unwind(Box::new("simulated panic"));
        }
        if let Some(answer) = answer {
            sleep(answer.delay).await;
            asked.ended(Some(&answer));
            let error = Error::new(answer.kind, format!("simulated {:?}", answer.class));
            return Err(Failure { class: answer.class, error, retry_after: answer.retry_after });
        }
        let latency = lock(&self.world.latency).mul_f64(fastrand::f64());
        sleep(latency).await;
        asked.ended(None);
        // STS counts in whole seconds.
        let date = Duration::from_secs(clocks.true_time().as_secs());
        let lifetime = *lock(&self.world.lifetime);
        let key = {
            let mut keys = lock(&self.world.keys);
            *keys += 1;
            format!("KEY{}-{identity}-{keys}", self.number)
        };
        let requested = self.world.requested;
        lock(&self.ledger).granted(Session {
            key: key.clone(),
            sent,
            end: date + lifetime,
            lifetimes: [lifetime, lifetime.min(requested)],
            rejected: false,
            unwanted: false,
            perhaps_unwanted: lock(&self.token).identity != identity,
            suspends: 0,
        });
        Ok(Grant {
            credentials: Credentials::new(key, "secret", Some("session".into()), None, "simulated"),
            expiration: Clocks::server(date + lifetime),
            date: Some(Clocks::server(date)),
            requested,
            principal: Principal::default(),
        })
    }
}

/// An exchange that ends in no other way was cancelled, or it panicked.
struct Unfinished<'a> {
    source: &'a SimulatedSource,
    finished: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut ledger = lock(&self.source.ledger);
        if std::thread::panicking() {
            ledger.failed(crate::refresh::Class::Outage, None);
        } else if !self.finished {
            let closing = ledger.closing;
            ledger.holds(closing, || "P3: an exchange was cancelled".to_owned());
            ledger.in_flight = false;
        }
    }
}

impl Source for SimulatedSource {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        lock(&self.ledger).started();
        let mut unfinished = Unfinished { source: self, finished: false };
        let outcome = self.exchange(attempt).await;
        if let Err(failure) = &outcome {
            lock(&self.ledger).failed(failure.class, failure.retry_after);
        }
        unfinished.finished = true;
        outcome
    }

    async fn changed(&self) -> Change {
        loop {
            let change = {
                let mut token = lock(&self.token);
                if std::mem::take(&mut token.panics) {
                    drop(token);
                    std::panic::resume_unwind(Box::new("simulated panic"));
                }
                let change = if token.known_identity == token.identity { Change::Content } else { Change::Identity };
                let other = token.known != token.version;
                (token.known, token.known_identity) = (token.version, token.identity);
                other.then_some(change)
            };
            if let Some(change) = change {
                lock(&self.ledger).reported(change);
                return change;
            }
            self.changed.notified().await;
        }
    }

    fn subject(&self) -> &str {
        "arn:aws:iam::123456789012:role/simulated"
    }
}

/// Hears each status, as metrics do.
struct Watching(Arc<SimulatedSource>);

impl Observer for Watching {
    fn status(&self, status: &EngineStatus) {
        let wall = self.0.world.clocks.now();
        lock(&self.0.ledger).shown(status, wall);
    }

    fn exchanged(&self, _: Duration, error: Option<&Error>) {
        if error.is_some() {
            lock(&self.0.ledger).expired_on_arrival();
        }
    }

    fn rejected(&self) {}
}

/// True for an error that the last failure made, and false for one that the caller's own wait made.
pub(crate) fn of_a_failure(error: &Error) -> bool {
    let own = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::InvalidConfiguration);
    std::error::Error::source(error).is_none() && !own
}
