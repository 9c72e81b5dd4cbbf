//! The real engine through days of random faults, in paused time. Each step checks the promises (P1, P2, …).
//!
//! `SIM_SEED=7 SIM_DAYS=30 cargo test --lib simulation` runs one seed for 30 days.

use std::error::Error as _;
use std::time::Duration;

use aws_smithy_async::time::TimeSource;
use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::rig::{HOUR, LastGrant, Reply, Rig, seconds};
use crate::error::ErrorKind;
use crate::refresh::{Change, Class, Phase};

const SEEDS: u64 = 250;
const DAYS: u32 = 2;
const DAY: Duration = Duration::from_secs(86_400);
/// The engine compares the clocks at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// One exchange, and one second for the check.
const EXCHANGE: Duration = Duration::from_secs(9);
/// Longest time from a change to its exchange: the exchange under way, the spacing of 1 s, and the spread of 2 s.
const AT_ONCE: Duration = Duration::from_secs(9 + 1 + 2);
const AFTER_PANIC: Duration = Duration::from_secs(31);

#[test]
fn promises_hold_through_days_of_faults() {
    let read = |name| std::env::var(name).ok().and_then(|value: String| value.parse::<u64>().ok());
    let days = read("SIM_DAYS").map_or(DAYS, |days| u32::try_from(days).unwrap());
    let seeds = read("SIM_SEED").map_or(0..SEEDS, |seed| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = seeds.clone().skip(thread).step_by(threads);
            scope.spawn(|| seeds.for_each(|seed| run(seed, days)));
        }
    });
}

fn run(seed: u64, days: u32) {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { Simulation::new(seed).run(days * DAY).await });
}

struct Simulation {
    seed: u64,
    random: Rng,
    rig: Rig,
    lifetime: Duration,
    /// The present fault.
    fault: Option<Class>,
    /// Longest time without credentials after the last fault, while callers wait.
    recovery: Duration,
    cleared: Instant,
    /// Time of the last clock step or suspend.
    clock_moved: Option<Instant>,
    suspended: Option<Instant>,
    /// Time of the last event that may bring the next attempt forward.
    hurried: Option<Instant>,
    /// Time of the last panic in `changed`. The engine pauses after it.
    deaf: Option<Instant>,
    /// A change that must end a run of failures: its time, and the number of calls before it.
    awaited: Option<(Instant, usize)>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let lifetime = *random.choice(&[seconds(60), seconds(900), HOUR, 12 * HOUR]).unwrap();
        let rig = Rig::new(Reply::Grant(lifetime));
        Self {
            seed,
            random,
            rig,
            lifetime,
            fault: None,
            recovery: Duration::ZERO,
            cleared: Instant::now(),
            clock_moved: None,
            suspended: None,
            hurried: None,
            deaf: None,
            awaited: None,
        }
    }

    async fn run(mut self, length: Duration) {
        let end = Instant::now() + length;
        let mut steps = 0_u32;
        while Instant::now() < end {
            self.disturb();
            let step = if self.random.u8(..) < 60 { 1200.0 } else { 30.0 };
            sleep(Duration::from_secs_f64(self.random.f64() * step)).await;
            self.check().await;
            steps += 1;
        }
        let hours = length.as_secs_f64() / 3600.0;
        let per_hour = self.rig.source.calls() as f64 / hours;
        // Sessions of a minute need that many, with some outages.
        assert!(
            per_hour < 300.0 + 3600.0 / (0.6 * self.lifetime.as_secs_f64()),
            "{self}: {per_hour} calls an hour, {steps} steps"
        );
    }

    fn disturb(&mut self) {
        match self.random.u8(..) {
            0..=9 if self.fault.is_none() => {
                let class = self.random.choice(Class::ALL).unwrap();
                self.fault = Some(class);
                self.recovery = match class {
                    Class::Throttled => seconds(240),
                    // The longest time between two attempts that callers cause.
                    _ => seconds(30),
                };
                let reply = match self.random.u8(..4) {
                    0 if class == Class::Throttled => Reply::Throttle(seconds(self.random.u64(1..1000))),
                    // The real source limits an exchange to this.
                    0 if class == Class::Outage => Reply::Fail(class).after(seconds(8)),
                    1 if class == Class::Outage => Reply::Panic,
                    _ => Reply::Fail(class),
                };
                self.rig.source.always(reply);
            }
            10..=29 if self.fault.is_some() => {
                self.fault = None;
                self.cleared = Instant::now();
                let latency = Duration::from_secs_f64(self.random.f64() * self.random.f64() * 8.0);
                self.rig.source.always(Reply::Grant(self.lifetime).after(latency));
            }
            30..=34 => self.change(Change::Content),
            35 => {
                self.hurried = Some(Instant::now());
                self.change(Change::Identity);
            }
            36 => {
                self.deaf = Some(Instant::now());
                self.rig.source.panic_at_next_change();
            }
            37 => {
                self.rig.clock.set_by(self.random.i64(-7200..7200));
                self.clock_moved = Some(Instant::now());
            }
            38 => {
                self.rig.clock.suspend(seconds(self.random.u64(10..7200)));
                self.clock_moved = Some(Instant::now());
                self.suspended = self.clock_moved;
            }
            39..=41 => {
                if let Some(key) = self.rig.key() {
                    self.hurried = Some(Instant::now());
                    self.rig.engine.rejected(&key, Duration::ZERO);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, change: Change) {
        let now = Instant::now();
        let standing = self.rig.engine.status();
        let failing = standing.last_error.is_some_and(|error| error.kind() != ErrorKind::Throttled);
        if failing && self.deaf.is_none_or(|deaf| now > deaf + AFTER_PANIC) {
            self.awaited.get_or_insert((now, self.rig.source.calls()));
        }
        self.rig.source.change(change);
    }

    async fn check(&mut self) {
        let now = Instant::now();
        assert!(self.rig.source.most_in_flight() <= 1, "{self}: P3");
        let clocks_known = self.clock_moved.is_none_or(|moved| now > moved + HEARTBEAT);
        let granted = self.rig.source.last_grant();
        if let Some(LastGrant { sent, sent_truly, lifetime }) = granted.filter(|_| clocks_known) {
            let suspended_since = self.clock_moved.is_some_and(|moved| moved >= sent);
            if self.rig.clock.true_time() >= sent_truly + lifetime + seconds(1) {
                assert_eq!(self.rig.key(), None, "{self}: nothing expired is served");
            } else if !suspended_since && now < sent + lifetime {
                assert!(self.rig.key().is_some(), "{self}: P2");
                let shown = self.rig.engine.current().unwrap().expiry().unwrap();
                let left = shown.duration_since(self.rig.clock.now()).unwrap_or_default();
                let truly = (sent + lifetime) - now;
                assert!(left.abs_diff(truly) <= seconds(6), "{self}: P7: shown {left:?}, truly {truly:?}");
            }
        }
        self.check_schedule(now);
        // If the engine has not noticed a suspend yet, a caller makes it do so, and may wait.
        let noticed = self.suspended.is_none_or(|suspended| now > suspended + HEARTBEAT);
        let readable = noticed && self.rig.key().is_some();
        let patience = Duration::from_secs_f64(self.random.f64() * 45.0);
        match timeout(patience, self.rig.engine.credentials()).await {
            Ok(Ok(_)) if readable => assert_eq!(Instant::now(), now, "{self}: P1"),
            Ok(Err(error)) => {
                assert!(!readable, "{self}: P2: {error}");
                let made_now = error.source().is_some() || error.kind() == ErrorKind::TimedOut;
                let age = self.rig.source.last_failure().map(|at| at.elapsed());
                // The source does not count a panic, which is a failure as well.
                let counted = error.kind() != ErrorKind::Unexpected;
                assert!(
                    made_now || !counted || age.is_some_and(|age| age <= seconds(30)),
                    "{self}: P5: {error}, {age:?}"
                );
            }
            Err(_) => assert!(!readable, "{self}: P1: a reader waited"),
            Ok(Ok(_)) => {}
        }
        if self.fault.is_none() && !readable {
            // From now on callers wait all the time.
            let asking = Instant::now();
            while timeout(seconds(5), self.rig.engine.credentials()).await.map_or(true, |outcome| outcome.is_err()) {
                let waited = asking.elapsed();
                assert!(
                    waited <= self.recovery + EXCHANGE,
                    "{self}: no credentials {waited:?} after the fault cleared"
                );
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Checks the time of the next attempt, and that a change caused one.
    fn check_schedule(&mut self, now: Instant) {
        let standing = self.rig.engine.status();
        if let Some(LastGrant { sent, lifetime, .. }) = self.rig.source.last_grant()
            && standing.phase == Phase::Fresh
            && [self.hurried, self.clock_moved].iter().all(|moved| moved.is_none_or(|moved| moved + HEARTBEAT < sent))
        {
            let ahead = standing.next_attempt.unwrap().duration_since(self.rig.clock.now()).unwrap_or_default();
            let share = (now + ahead - sent).as_secs_f64() / lifetime.as_secs_f64();
            assert!((0.599..0.751).contains(&share), "{self}: P4: {share}");
        }
        if let Some((changed, calls)) = self.awaited.filter(|(changed, _)| now > *changed + AT_ONCE) {
            // The exchange under way may have succeeded.
            let answered = self.rig.source.calls() > calls || standing.last_error.is_none();
            assert!(answered, "{self}: P6: no call {:?} after the change", changed.elapsed());
            self.awaited = None;
        }
    }
}

impl std::fmt::Display for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SIM_SEED={} at {:?} (lifetime {:?}, fault {:?}, cleared {:?} ago)",
            self.seed,
            self.rig.engine.status(),
            self.lifetime,
            self.fault,
            self.cleared.elapsed()
        )
    }
}
