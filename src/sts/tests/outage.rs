//! Measures what an outage of the home region costs, with and without a standby.
//!
//! The engine and the standby order are real. The STS endpoints are scripted, and time is paused. A request comes every five
//! seconds.
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
    Attempt, Change, Class, Clock, EngineHandle, ExpiredPolicy, Failure, Grant, Monotonic, Policy, Principal,
    ShutdownWhen, Source,
};
use crate::sts::standby_order::{HOME, Outcome, StandbyOrder};

const HOUR: Duration = Duration::from_secs(3600);
const OUTAGE: Duration = Duration::from_secs(3 * 3600);
const BETWEEN_REQUESTS: Duration = Duration::from_secs(5);
/// Time of an answer. A standby is in another region.
const ANSWER: Duration = Duration::from_millis(200);

/// How home fails. It decides the time until the failure is seen.
#[derive(Clone, Copy, Debug)]
enum HomeFault {
    /// A reset, an unknown name, or a 503: seen at once.
    Fails,
    /// No packet comes back: seen after the connect timeout.
    Silent,
    /// Home takes the request and does not answer: seen after the attempt timeout.
    Hangs,
}

impl HomeFault {
    fn time_to_see(self) -> Duration {
        match self {
            Self::Fails => Duration::from_millis(50),
            Self::Silent => Duration::from_secs(2),
            Self::Hangs => Duration::from_secs(8),
        }
    }
}

/// The STS endpoints of one provider.
struct World {
    origin: Instant,
    fault: HomeFault,
    outage: Range<Duration>,
    order: Mutex<StandbyOrder>,
    /// The endpoint of each exchange during the outage.
    asked: Mutex<Vec<usize>>,
}

impl World {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.origin.elapsed()
    }

    fn in_outage(&self) -> bool {
        self.outage.contains(&self.origin.elapsed())
    }

    fn calls(&self, to: impl Fn(usize) -> bool) -> usize {
        self.asked.lock().unwrap().iter().filter(|&&endpoint| to(endpoint)).count()
    }
}

impl Source for World {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        let endpoint = self.order.lock().unwrap().next(attempt.valid);
        if self.in_outage() {
            self.asked.lock().unwrap().push(endpoint);
        }
        if endpoint == HOME && self.in_outage() {
            sleep(self.fault.time_to_see()).await;
            self.order.lock().unwrap().ended(Outcome::Outage);
            let error = Error::new(ErrorKind::ServiceUnavailable, "home fails");
            return Err(Failure { class: Class::Outage, error, retry_after: None });
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

/// A wall clock that follows the paused time.
#[derive(Debug)]
struct Wall(Instant);

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.0.elapsed()
    }
}

fn engine(fault: HomeFault, outage: Range<Duration>, standbys: usize) -> (EngineHandle, Arc<World>) {
    let origin = Instant::now();
    let (order, asked) = (Mutex::new(StandbyOrder::new(standbys)), Mutex::default());
    let world = Arc::new(World { origin, fault, outage, order, asked });
    let policy =
        Policy { refresh_window: 0.60..=0.75, wait_timeout: Duration::from_secs(30), expired: ExpiredPolicy::Never };
    let clock = Clock::new(Monotonic::Tokio, SharedTimeSource::new(Wall(origin)));
    (
        EngineHandle::new(Arc::clone(&world), policy, clock, Some(Handle::current()), ShutdownWhen::default(), None),
        world,
    )
}

#[derive(Default)]
struct Figures {
    requests: u32,
    failed: u32,
    /// The longest time that one request waited.
    longest_wait: Duration,
    /// Exchanges during the outage.
    home: usize,
    standby: usize,
}

impl Figures {
    /// Figures of a running service. The outage begins at this share of a session.
    async fn of_running(fault: HomeFault, phase: f64, standbys: usize) -> Self {
        let begin = HOUR.mul_f64(phase);
        let (engine, world) = engine(fault, begin..begin + OUTAGE, standbys);
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

    async fn of_phases(fault: HomeFault, standbys: usize) -> Self {
        let mut sum = Self::default();
        for phase in [0.1, 0.5, 0.9] {
            let one = Self::of_running(fault, phase, standbys).await;
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
async fn p1_no_request_waits_in_an_outage_with_standby() {
    for fault in [HomeFault::Fails, HomeFault::Silent, HomeFault::Hangs] {
        let without = Figures::of_phases(fault, 0).await;
        without.print(&format!("outage 3h {fault:?} without_standby"));
        let with = Figures::of_phases(fault, 1).await;
        with.print(&format!("outage 3h {fault:?} with_standby"));
        assert!(
            f64::from(without.failed) > 0.6 * f64::from(without.requests),
            "without a standby most requests fail: {}",
            without.failed
        );
        assert_eq!((with.failed, with.longest_wait), (0, Duration::ZERO), "{fault:?}");
        assert!(with.home >= 2 * with.standby, "home is asked first each time");
        assert!(with.home <= 3 * with.standby + 6, "home is not asked for long: {} {}", with.home, with.standby);
    }
}

#[tokio::test(start_paused = true)]
async fn start_in_an_outage_succeeds_at_the_standby() {
    for fault in [HomeFault::Fails, HomeFault::Silent, HomeFault::Hangs] {
        let (without, _) = engine(fault, Duration::ZERO..OUTAGE, 0);
        let begun = Instant::now();
        without.credentials().await.unwrap_err();
        while without.credentials().await.is_err() {
            sleep(Duration::from_secs(1)).await;
        }
        println!("start {fault:?} without_standby first_credentials_seconds: {:.1}", begun.elapsed().as_secs_f64());
        assert!(begun.elapsed() >= OUTAGE);

        let (with, world) = engine(fault, Duration::ZERO..OUTAGE, 1);
        let begun = Instant::now();
        with.credentials().await.unwrap();
        println!("start {fault:?} with_standby first_credentials_seconds: {:.1}", begun.elapsed().as_secs_f64());
        let first_retry = Duration::from_millis(500);
        assert!(begun.elapsed() <= fault.time_to_see() + ANSWER + first_retry, "{:?}", begun.elapsed());
        assert_eq!(*world.asked.lock().unwrap(), [HOME, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn rounds_go_on_while_all_endpoints_fail() {
    struct AllFail(World);
    impl Source for AllFail {
        async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
            let endpoint = self.0.order.lock().unwrap().next(attempt.valid);
            self.0.asked.lock().unwrap().push(endpoint);
            self.0.order.lock().unwrap().ended(Outcome::Outage);
            let error = Error::new(ErrorKind::ServiceUnavailable, "all fail");
            Err(Failure { class: Class::Outage, error, retry_after: None })
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
    let world =
        World { origin, fault: HomeFault::Fails, outage: Duration::ZERO..OUTAGE, order, asked: Mutex::default() };
    let source = Arc::new(AllFail(world));
    let policy =
        Policy { refresh_window: 0.60..=0.75, wait_timeout: Duration::from_secs(30), expired: ExpiredPolicy::Never };
    let engine = EngineHandle::new(
        Arc::clone(&source),
        policy,
        Clock::new(Monotonic::Tokio, SharedTimeSource::new(Wall(origin))),
        Some(Handle::current()),
        ShutdownWhen::default(),
        None,
    );
    engine.credentials().await.unwrap_err();
    let asked = source.0.asked.lock().unwrap().clone();
    assert!(asked.len() >= 6, "retries go on: {asked:?}");
    assert!(asked.iter().enumerate().all(|(number, &endpoint)| endpoint == number % 3), "{asked:?}");
}
