//! What an outage of the home region costs, with a standby and without, in one run.
//!
//! The engine and the order are the real ones, the STS are scripted, and time is paused. One request every five seconds.
//! `cargo test --lib sts::tests::outage -- --nocapture` prints `name: value` lines.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{Error, ErrorKind};
use crate::refresh::{
    Attempt, Change, Class, Clock, ExpiredPolicy, Failure, Grant, Monotonic, Policy, Principal, ShutdownWhen, Source,
    Supervisor,
};
use crate::sts::standby_order::{HOME, Outcome, StandbyOrder};

const HOUR: Duration = Duration::from_secs(3600);
const OUTAGE: Duration = Duration::from_secs(3 * 3600);
const BETWEEN_REQUESTS: Duration = Duration::from_secs(5);
/// A standby is a region away.
const ANSWER: Duration = Duration::from_millis(200);

/// How home is away, and how long it takes to see it.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// At once: a reset, no such name, 503.
    Fails,
    /// No packet comes back: the connect timeout.
    Silent,
    /// It takes the request: the attempt timeout.
    Hangs,
}

impl Away {
    fn seen_after(self) -> Duration {
        match self {
            Self::Fails => Duration::from_millis(50),
            Self::Silent => Duration::from_secs(2),
            Self::Hangs => Duration::from_secs(8),
        }
    }
}

/// AWS, as far as one provider sees it.
struct World {
    origin: Instant,
    away: Away,
    outage: Range<Duration>,
    order: Mutex<StandbyOrder>,
    /// Where the exchanges went that were sent amid the outage.
    went: Mutex<Vec<usize>>,
}

impl World {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.origin.elapsed()
    }

    fn is_away(&self) -> bool {
        self.outage.contains(&self.origin.elapsed())
    }

    fn calls(&self, to: impl Fn(usize) -> bool) -> usize {
        self.went.lock().unwrap().iter().filter(|&&endpoint| to(endpoint)).count()
    }
}

impl Source for World {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        let endpoint = self.order.lock().unwrap().next(attempt.usable);
        if self.is_away() {
            self.went.lock().unwrap().push(endpoint);
        }
        if endpoint == HOME && self.is_away() {
            sleep(self.away.seen_after()).await;
            self.order.lock().unwrap().ended(Outcome::Outage);
            let error = Error::new(ErrorKind::ServiceUnavailable, "home is away");
            return Err(Failure { class: Class::Transient, error, retry_after: None });
        }
        sleep(ANSWER).await;
        self.order.lock().unwrap().ended(Outcome::Answered);
        let date = self.now();
        Ok(Grant {
            credentials: Credentials::new(format!("KEY{}", fastrand::u64(..)), "secret", None, None, "scripted"),
            expiration: date + HOUR,
            date: Some(date),
            requested: HOUR,
            principal: Principal::default(),
        })
    }

    async fn changed(&self) -> Change {
        std::future::pending().await
    }

    fn subject(&self) -> &str {
        "arn:aws:iam::123456789012:role/scripted"
    }
}

/// A wall clock that goes with the paused time.
#[derive(Debug)]
struct Wall(Instant);

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.0.elapsed()
    }
}

fn engine(away: Away, outage: Range<Duration>, standbys: usize) -> (Supervisor, Arc<World>) {
    let origin = Instant::now();
    let (order, went) = (Mutex::new(StandbyOrder::new(standbys)), Mutex::default());
    let world = Arc::new(World { origin, away, outage, order, went });
    let policy =
        Policy { refresh_window: 0.60..=0.75, wait_timeout: Duration::from_secs(30), expired: ExpiredPolicy::Never };
    let clock = Clock::new(Monotonic::Tokio, SharedTimeSource::new(Wall(origin)));
    (Supervisor::new(Arc::clone(&world), policy, clock, Some(Handle::current()), ShutdownWhen::default(), None), world)
}

#[derive(Default)]
struct Figures {
    requests: u32,
    failed: u32,
    /// The longest time that one request waited.
    longest_wait: Duration,
    /// Calls amid the outage.
    home: usize,
    standby: usize,
}

impl Figures {
    /// A service that was up before, through an outage that begins at this share of a session.
    async fn of_running(away: Away, phase: f64, standbys: usize) -> Self {
        let begin = HOUR.mul_f64(phase);
        let (engine, world) = engine(away, begin..begin + OUTAGE, standbys);
        engine.credentials().await.unwrap();
        let mut requests = JoinSet::new();
        let end = world.origin + begin + OUTAGE;
        let mut next = world.origin + begin;
        while next < end {
            sleep_until(next).await;
            let engine = engine.clone();
            requests.spawn(async move {
                let asked = Instant::now();
                (engine.credentials().await.is_ok(), asked.elapsed())
            });
            next += BETWEEN_REQUESTS;
        }
        let mut figures =
            Self { home: world.calls(|it| it == HOME), standby: world.calls(|it| it != HOME), ..Self::default() };
        for (succeeded, waited) in requests.join_all().await {
            figures.requests += 1;
            figures.failed += u32::from(!succeeded);
            figures.longest_wait = figures.longest_wait.max(waited);
        }
        figures
    }

    async fn of_phases(away: Away, standbys: usize) -> Self {
        let mut sum = Self::default();
        for phase in [0.1, 0.5, 0.9] {
            let one = Self::of_running(away, phase, standbys).await;
            sum.requests += one.requests;
            sum.failed += one.failed;
            sum.longest_wait = sum.longest_wait.max(one.longest_wait);
            sum.home += one.home;
            sum.standby += one.standby;
        }
        sum
    }

    fn print(&self, name: &str) {
        let hours = f64::from(self.requests) * BETWEEN_REQUESTS.as_secs_f64() / HOUR.as_secs_f64();
        println!("{name} failed_requests_percent: {:.1}", 100.0 * f64::from(self.failed) / f64::from(self.requests));
        println!("{name} longest_wait_seconds: {:.1}", self.longest_wait.as_secs_f64());
        println!("{name} calls_of_home_per_hour: {:.1}", self.home as f64 / hours);
        println!("{name} calls_of_standby_per_hour: {:.1}", self.standby as f64 / hours);
    }
}

#[tokio::test(start_paused = true)]
async fn p1_with_a_standby_no_request_waits_or_fails_through_an_outage_of_hours() {
    for away in [Away::Fails, Away::Silent, Away::Hangs] {
        let without = Figures::of_phases(away, 0).await;
        without.print(&format!("outage 3h {away:?} without_standby"));
        let with = Figures::of_phases(away, 1).await;
        with.print(&format!("outage 3h {away:?} with_standby"));
        assert!(f64::from(without.failed) > 0.6 * f64::from(without.requests), "the outage is one: {}", without.failed);
        assert_eq!((with.failed, with.longest_wait), (0, Duration::ZERO), "{away:?}");
        assert!(with.home >= 2 * with.standby, "home is asked first, each time");
        assert!(with.home <= 3 * with.standby + 6, "and not for long: {} {}", with.home, with.standby);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_starts_amid_an_outage_has_credentials_after_one_failure_at_home() {
    for away in [Away::Fails, Away::Silent, Away::Hangs] {
        let (without, _) = engine(away, Duration::ZERO..OUTAGE, 0);
        let begun = Instant::now();
        without.credentials().await.unwrap_err();
        while without.credentials().await.is_err() {
            sleep(Duration::from_secs(1)).await;
        }
        println!("start {away:?} without_standby first_credentials_seconds: {:.1}", begun.elapsed().as_secs_f64());
        assert!(begun.elapsed() >= OUTAGE);

        let (with, world) = engine(away, Duration::ZERO..OUTAGE, 1);
        let begun = Instant::now();
        with.credentials().await.unwrap();
        println!("start {away:?} with_standby first_credentials_seconds: {:.1}", begun.elapsed().as_secs_f64());
        let first_retry = Duration::from_millis(500);
        assert!(begun.elapsed() <= away.seen_after() + ANSWER + first_retry, "{:?}", begun.elapsed());
        assert_eq!(*world.went.lock().unwrap(), [HOME, 1]);
    }
}

/// Two standbys, of which the first is away as well.
#[tokio::test(start_paused = true)]
async fn a_standby_that_is_away_too_leads_to_the_next_and_the_rounds_go_on_while_nothing_is_usable() {
    struct AllAway(World);
    impl Source for AllAway {
        async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
            let endpoint = self.0.order.lock().unwrap().next(attempt.usable);
            self.0.went.lock().unwrap().push(endpoint);
            self.0.order.lock().unwrap().ended(Outcome::Outage);
            let error = Error::new(ErrorKind::ServiceUnavailable, "all are away");
            Err(Failure { class: Class::Transient, error, retry_after: None })
        }

        async fn changed(&self) -> Change {
            std::future::pending().await
        }

        fn subject(&self) -> &str {
            self.0.subject()
        }
    }
    let origin = Instant::now();
    let order = Mutex::new(StandbyOrder::new(2));
    let world = World { origin, away: Away::Fails, outage: Duration::ZERO..OUTAGE, order, went: Mutex::default() };
    let source = Arc::new(AllAway(world));
    let policy =
        Policy { refresh_window: 0.60..=0.75, wait_timeout: Duration::from_secs(30), expired: ExpiredPolicy::Never };
    let engine = Supervisor::new(
        Arc::clone(&source),
        policy,
        Clock::new(Monotonic::Tokio, SharedTimeSource::new(Wall(origin))),
        Some(Handle::current()),
        ShutdownWhen::default(),
        None,
    );
    engine.credentials().await.unwrap_err();
    let went = source.0.went.lock().unwrap().clone();
    assert!(went.len() >= 6, "the backoff is what it was: {went:?}");
    assert!(went.iter().enumerate().all(|(number, &endpoint)| endpoint == number % 3), "{went:?}");
}
