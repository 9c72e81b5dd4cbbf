//! One history: some days of random events, with a check after each.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, panic};

use aws_smithy_async::time::TimeSource;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::DAY;
use crate::endpoints::Health;
use crate::error::ErrorKind;
use crate::ledger::LastFailure;
use crate::lock;
use crate::provider::{Provider, World, of_a_failure};
use crate::refresh::{Change, Class, ExpiredPolicy, Phase};
use crate::spread::{DAYS, Spread};

pub(crate) struct Simulation {
    seed: u64,
    random: Rng,
    world: Arc<World>,
    providers: Vec<Simulated>,
    /// Callers who wait beside the checks.
    callers: JoinSet<()>,
    spread: Spread,
    lifetime: Duration,
    days: u32,
    /// Start of the present fault.
    fault: Option<Instant>,
    /// End of the last fault.
    cleared: Instant,
    last_set: Option<Instant>,
    last_suspend: Option<Instant>,
}

/// One provider, with what a check must know of its past.
struct Simulated {
    provider: Provider,
    started: Instant,
    /// Time of the last panic in `changed`. The engine pauses after it.
    deaf: Option<Instant>,
    /// A change that must cause an exchange, its time, and the number of calls before it.
    awaited: Option<(Change, Instant, u64)>,
    /// A rejected key that must be replaced, and the time of the rejection.
    rejected: Option<(String, Instant)>,
    last_rejection: Option<Instant>,
    /// Services reject every key.
    always_rejected: bool,
}

impl Simulated {
    fn new(number: usize, world: &Arc<World>) -> Self {
        Self {
            provider: Provider::new(number, world),
            started: Instant::now(),
            deaf: None,
            awaited: None,
            rejected: None,
            last_rejection: None,
            always_rejected: false,
        }
    }
}

impl Simulation {
    /// `told`: prints the history.
    pub(crate) fn new(seed: u64, told: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let lifetime = *random.choice(&[MINUTE, 15 * MINUTE, 15 * MINUTE, HOUR, HOUR, 12 * HOUR]).unwrap();
        let requested = if random.u8(..4) == 0 { HOUR } else { lifetime.max(HOUR) };
        let expired = if random.u8(..4) == 0 { ExpiredPolicy::UntilRejected } else { ExpiredPolicy::Never };
        let standbys = *random.choice(&[0, 0, 1, 2]).unwrap();
        let world = Arc::new(World::new(standbys, lifetime, requested, expired, told));
        // Several providers share one bucket.
        let number = if random.u8(..8) == 0 { 5 } else { 1 };
        Self {
            seed,
            days: random.u32(1..10),
            random,
            providers: (0..number).map(|number| Simulated::new(number, &world)).collect(),
            world,
            callers: JoinSet::new(),
            spread: Spread::default(),
            lifetime,
            fault: None,
            cleared: Instant::now(),
            last_set: None,
            last_suspend: None,
        }
    }

    pub(crate) async fn run(mut self) -> Spread {
        let end = Instant::now() + self.days * DAY;
        let longest_step = self.lifetime.clamp(20 * MINUTE, HOUR).as_secs_f64();
        while Instant::now() < end {
            self.disturb().await;
            let step = SHORTEST_STEP * (longest_step / SHORTEST_STEP).powf(self.random.f64());
            sleep(Duration::from_secs_f64(step)).await;
            let chosen = self.random.usize(..self.providers.len());
            for number in 0..self.providers.len() {
                self.check(number);
            }
            self.call(chosen).await;
            while let Some(caller) = self.callers.try_join_next() {
                if let Err(broken) = caller {
                    panic::resume_unwind(broken.into_panic());
                }
            }
            self.spread.count("steps", 1);
        }
        for number in 0..self.providers.len() {
            self.restart(number).await;
        }
        self.spread.count(DAYS, u64::from(self.days) * self.providers.len() as u64);
        self.spread
    }

    async fn disturb(&mut self) {
        let now = Instant::now();
        let chosen = self.random.usize(..self.providers.len());
        let what = self.random.u8(..);
        self.world.tell(|| format!("event {what} at provider {chosen}"));
        match what {
            0..=9 if self.fault.is_none() => self.begin_fault(),
            10..=29 if self.fault.is_some() && (self.lifetime <= HOUR || self.random.u8(..4) == 0) => {
                self.fault = None;
                self.cleared = now;
                self.world.tell(|| "the fault clears".to_owned());
                let mut endpoints = lock(&self.world.endpoints);
                endpoints.iter_mut().filter(|health| !health.is_for_ever()).for_each(|health| *health = Health::Up);
                drop(endpoints);
                let latency = self.random.f64() * self.random.f64() * 8.0;
                *lock(&self.world.latency) = Duration::from_secs_f64(latency);
            }
            30..=34 => self.rotate(chosen, Change::Content),
            35 => self.rotate(chosen, Change::Identity),
            36 => {
                self.providers[chosen].deaf = Some(now);
                self.providers[chosen].provider.source.panic_at_next_change();
            }
            // The engine tells a suspend from a set clock if one of both happens between two looks.
            37 if self.last_suspend.is_none_or(|at| now > at + HEARTBEAT) => {
                let by = self.random.i64(10..7200);
                self.world.clocks.set_wall_by(if self.random.bool() { by } else { -by });
                self.last_set = Some(now);
                self.for_each_ledger(|ledger| ledger.caused());
                self.spread.count("clocks set", 1);
            }
            38 if self.last_set.is_none_or(|at| now > at + HEARTBEAT) => {
                self.world.clocks.suspend(self.random.u64(10..7200));
                self.last_suspend = Some(now);
                self.for_each_ledger(|ledger| {
                    ledger.caused();
                    ledger.suspended = Some(now);
                    ledger.candidates.iter_mut().for_each(|session| session.suspends += 1);
                });
                self.spread.count("suspends", 1);
            }
            39..=41 => self.reject(chosen),
            42 => self.providers[chosen].always_rejected ^= true,
            43 => self.restart(chosen).await,
            44..=45 => {
                let lifetime = if self.random.bool() { self.lifetime } else { self.world.shortest };
                *lock(&self.world.lifetime) = lifetime;
            }
            46..=80 => self.spawn_caller(chosen),
            _ => {}
        }
        if self.providers[chosen].always_rejected {
            self.reject(chosen);
        }
    }

    fn for_each_ledger(&self, act: impl Fn(&mut crate::ledger::Ledger)) {
        for simulated in &self.providers {
            act(&mut simulated.provider.ledger());
        }
    }

    fn begin_fault(&mut self) {
        self.fault = Some(Instant::now());
        let home = Health::any_fault(&mut self.random, self.providers.len());
        self.spread.count(home.name(), 1);
        let mut endpoints = lock(&self.world.endpoints);
        for standby in endpoints.iter_mut().skip(1).filter(|health| !health.is_for_ever()) {
            *standby = home.of_standby(&mut self.random);
            if matches!(standby, Health::DoesNotKnowIssuer) {
                self.spread.count("faults: a standby does not know the issuer", 1);
            }
        }
        endpoints[0] = home;
        drop(endpoints);
        self.world.tell(|| format!("fault: {:?}", lock(&self.world.endpoints)));
    }

    fn rotate(&mut self, chosen: usize, change: Change) {
        let now = Instant::now();
        let simulated = &mut self.providers[chosen];
        let standing = simulated.provider.engine.status();
        let failing = standing.last_error.is_some_and(|error| error.kind() != ErrorKind::Throttled);
        let mut ledger = simulated.provider.ledger();
        // The first use starts the provider.
        let hears = ledger.calls > 0 && simulated.deaf.is_none_or(|deaf| now > deaf + AFTER_PANIC);
        if (failing || change == Change::Identity) && hears {
            simulated.awaited.get_or_insert((change, now, ledger.calls));
        }
        ledger.caused();
        drop(ledger);
        simulated.provider.source.rotate(change);
        self.world.tell(|| format!("the token of provider {chosen} changes: {change:?}"));
        self.spread.count("token changes", 1);
    }

    /// A service rejects the present key.
    fn reject(&mut self, chosen: usize) {
        let now = Instant::now();
        let fault = self.fault;
        let simulated = &mut self.providers[chosen];
        let Some(key) = simulated.provider.key() else { return };
        {
            let mut ledger = simulated.provider.ledger();
            if let [session] = &mut ledger.candidates[..]
                && session.key == key
            {
                (session.rejected, session.unwanted) = (true, true);
            }
            let calm = simulated.last_rejection.is_none_or(|at| now > at + FORGOTTEN);
            if calm && fault.is_none() && !ledger.failing {
                simulated.rejected = Some((key.clone(), now));
            }
        }
        simulated.last_rejection = Some(now);
        simulated.provider.engine.rejected(&key, Duration::ZERO);
        self.world.tell(|| format!("a service rejects {key}"));
        self.spread.count("rejections", 1);
    }

    /// The pod is replaced. Its callers are dropped, and its exchange, if there is one.
    async fn restart(&mut self, chosen: usize) {
        self.callers.shutdown().await;
        let old = std::mem::replace(&mut self.providers[chosen], Simulated::new(chosen, &self.world)).provider;
        old.ledger().closing = true;
        drop(old.engine);
        sleep(Duration::from_millis(1)).await;
        let held = Arc::strong_count(&old.source);
        assert_eq!(held, 1, "{self}: P10: something of a dropped provider is left");
        let mut ledger = old.source.take_ledger();
        if let Some(broken) = ledger.broken.take() {
            panic!("{self}: {broken}");
        }
        self.spread.count("exchanges", ledger.calls);
        self.spread.add(std::mem::take(&mut ledger.spread));
    }

    /// A caller who waits while the history goes on, or gives up.
    fn spawn_caller(&mut self, chosen: usize) {
        let provider = self.providers[chosen].provider.clone();
        let patience = Duration::from_secs_f64(60.0 * self.random.f64() * self.random.f64());
        let at_least = self.lifetime.mul_f64(self.random.f64() * 0.9);
        let kind = self.random.u8(..3);
        if kind > 0 {
            provider.ledger().caused();
        }
        self.spread.count("callers beside", 1);
        let context = self.to_string();
        self.callers.spawn(async move {
            let begun = Instant::now();
            let engine = &provider.engine;
            let outcome = match kind {
                0 => timeout(patience, engine.ready()).await.map(|outcome| outcome.map(|()| engine.current())),
                1 => timeout(patience, engine.refresh()).await.map(|outcome| outcome.map(Some)),
                _ => timeout(patience, engine.valid_for(at_least)).await.map(|outcome| outcome.map(Some)),
            };
            let (waited, ledger) = (begun.elapsed(), provider.ledger());
            match outcome {
                Ok(Ok(credentials)) => {
                    let known = credentials.is_some_and(|credentials| {
                        ledger.candidates.iter().any(|session| session.key == credentials.access_key_id())
                    });
                    assert!(known, "{context}: P8: a caller got foreign credentials");
                    let newer = ledger.last_success.is_some_and(|at| at >= begun);
                    assert!(kind != 1 || newer, "{context}: P3: no exchange answered a refresh");
                }
                Ok(Err(error)) => {
                    let young = ledger.last_failure.is_some_and(|failure| failure.at.elapsed() <= 30 * SECOND);
                    assert!(young || !of_a_failure(&error), "{context}: P5: an old error: {error}");
                    assert!(kind == 0 || waited <= LONGEST_WAIT, "{context}: P5: a caller waited {waited:?}");
                }
                Err(_) => assert!(kind == 0 || waited <= LONGEST_WAIT, "{context}: P5: a caller waited {waited:?}"),
            }
        });
    }

    fn check(&mut self, number: usize) {
        let now = Instant::now();
        let true_time = self.world.clocks.true_time();
        let simulated = &self.providers[number];
        let provider = &simulated.provider;
        let key = provider.key();
        let status = provider.engine.status();
        let current = provider.engine.current();
        let mut ledger = provider.ledger();
        if let Some(broken) = ledger.broken.take() {
            drop(ledger);
            panic!("{self}: {broken}");
        }
        let clock_moved = self.last_set.max(self.last_suspend);
        let suspend_known = self.last_suspend.is_none_or(|at| now > at + HEARTBEAT);
        let clocks_known = clock_moved.is_none_or(|at| now > at + HEARTBEAT);
        let failing = ledger.failing;

        // P2 and P8: one of the sessions that may be in use is in use.
        if let Some(key) = &key {
            ledger.candidates.retain(|session| session.key == *key);
            let Some(session) = ledger.candidates.first() else {
                drop(ledger);
                panic!("{self}: P2, P3, P8: {key} should not be in use");
            };
            if suspend_known && session.surely_ended(true_time) {
                let grace = session.lifetimes[0].min(HOUR);
                let tolerance = 2 * SECOND + 5 * SECOND * session.suspends;
                let excused = self.world.expired == ExpiredPolicy::UntilRejected
                    && failing
                    && !session.rejected
                    && true_time <= session.end + grace + tolerance;
                assert!(excused, "{self}: credentials in use that ended {:?} ago", true_time - session.end);
            }
        } else {
            let valid = ledger.candidates.iter().find(|session| session.surely_valid(true_time));
            assert!(valid.is_none() || ledger.candidates.len() > 1, "{self}: P2: {valid:?} is not in use");
        }
        // P7
        if let [session] = &ledger.candidates[..]
            && session.surely_valid(true_time)
            && clocks_known
        {
            let end = current.expect("valid credentials").expiry().expect("an expiry");
            let shown = end.duration_since(self.world.clocks.now()).unwrap_or_default();
            let truly = session.lifetimes.map(|lifetime| session.sent + lifetime - true_time);
            let right = truly.iter().any(|truly| shown.abs_diff(*truly) <= 6 * SECOND);
            assert!(right || session.suspends > 1, "{self}: P7: shown {shown:?}, truly {truly:?}");
        }
        let calls = ledger.calls;
        let success = ledger.last_success;
        let end = ledger.candidates.iter().map(|session| session.end).max();
        let last_failure = ledger.last_failure;
        drop(ledger);

        // P4: the refresh is due before the end.
        if status.phase == Phase::Fresh
            && clocks_known
            && let (Some(next), Some(end)) = (status.next_attempt, end)
        {
            let ahead = next.duration_since(self.world.clocks.now()).unwrap_or_default();
            assert!(true_time + ahead < end, "{self}: P4: a refresh after the end");
        }
        // P5: no failure outlives its cause by more than the longest retry delay, and throttling leaves everybody a call.
        let calm = self.fault.is_none() && now > self.cleared + LONGEST_RETRY;
        assert!(!calm || !failing || clock_moved.is_some_and(|at| at > self.cleared), "{self}: P5: still failing");
        let bucket = matches!(lock(&self.world.endpoints)[0], Health::Bucket(_));
        let starving = bucket
            && key.is_none()
            && self.fault.max(Some(simulated.started)).max(success).is_some_and(|at| now > at + STARVED);
        assert!(!starving, "{self}: P5: a bucket that refills has given nothing for {STARVED:?}");
        // P6
        if let Some((change, at, before)) = simulated.awaited.filter(|(_, at, _)| now > *at + AT_ONCE) {
            // The exchange under way may have succeeded. For another identity that is not enough.
            let succeeded = change == Change::Content && success.is_some_and(|success| success >= at);
            // It may have been throttled, which a new token does not end.
            let throttled = |failure: LastFailure| failure.at >= at && failure.failed.class == Class::Throttled;
            let answered = calls > before || succeeded || last_failure.is_some_and(throttled);
            assert!(answered, "{self}: P6: no exchange of #{number} after a change of the token");
            self.providers[number].awaited = None;
        }
        let simulated = &self.providers[number];
        if let Some((rejected, at)) = &simulated.rejected
            && (now > *at + REJECTED || self.fault.is_some())
        {
            let replaced = key.as_ref() != Some(rejected);
            assert!(replaced || self.fault.is_some(), "{self}: P5: rejected credentials stay in use");
            self.providers[number].rejected = None;
        }
    }

    /// A request comes. It gets credentials, or waits and gets an error.
    async fn call(&mut self, chosen: usize) {
        let now = Instant::now();
        let simulated = &self.providers[chosen];
        let engine = &simulated.provider.engine;
        // If the engine has not noticed a suspend yet, a caller makes it do so, and may wait.
        let noticed = self.last_suspend.is_none_or(|suspended| now > suspended + HEARTBEAT);
        let readable = noticed && simulated.provider.key().is_some();
        let patience = Duration::from_secs_f64(self.random.f64() * 45.0);
        let outcome = timeout(patience, engine.credentials()).await;
        let (waited, last_failure) = (now.elapsed(), simulated.provider.ledger().last_failure);
        match outcome {
            Ok(Ok(_)) => assert!(!readable || waited.is_zero(), "{self}: P1: a request waited {waited:?}"),
            Ok(Err(error)) => {
                assert!(!readable, "{self}: P2: {error}");
                assert!(waited <= LONGEST_WAIT, "{self}: P5: a caller waited {waited:?}");
                let young = last_failure.is_some_and(|failure| failure.at.elapsed() <= 30 * SECOND);
                assert!(young || !of_a_failure(&error), "{self}: P5: an old error: {error}");
                self.spread.count("errors for a request", 1);
            }
            Err(_) => {
                assert!(!readable, "{self}: P1: a request waited");
                assert!(waited <= LONGEST_WAIT, "{self}: P5: a caller waited {waited:?}");
            }
        }
        self.spread.count(if readable { "requests served at once" } else { "requests with nothing valid" }, 1);
        if !readable && self.can_recover() {
            self.recover(chosen).await;
        }
    }

    /// Home works, or the order leads to an endpoint that does.
    fn can_recover(&self) -> bool {
        let endpoints = lock(&self.world.endpoints);
        let reached = endpoints.iter().enumerate().find(|(endpoint, health)| !health.is_passed_by(*endpoint));
        reached.is_some_and(|(_, health)| matches!(health, Health::Up))
    }

    /// From now on callers wait all the time.
    async fn recover(&mut self, chosen: usize) {
        let asking = Instant::now();
        let engine = self.providers[chosen].provider.engine.clone();
        let last = self.providers[chosen].provider.ledger().last_failure;
        let retry = match last.map(|last| (last.failed.class, last.failed.retry_after)) {
            Some((Class::Throttled, _)) => 240 * SECOND,
            Some((_, Some(_))) => 75 * SECOND,
            _ => 30 * SECOND,
        };
        // The endpoints before the one that works are asked first.
        let others: Duration = lock(&self.world.endpoints)
            .iter()
            .take_while(|health| !matches!(health, Health::Up))
            .map(|health| match health {
                Health::Unavailable(_) => EXCHANGE + 75 * SECOND,
                _ => EXCHANGE + 24 * SECOND,
            })
            .sum();
        while timeout(5 * SECOND, engine.credentials()).await.map_or(true, |outcome| outcome.is_err()) {
            let waited = asking.elapsed();
            assert!(
                waited <= retry + EXCHANGE + others,
                "{self}: P5: no credentials {waited:?} after the fault cleared"
            );
            sleep(Duration::from_millis(100)).await;
        }
        self.spread.count(if self.fault.is_some() { "recoveries by a standby" } else { "recoveries" }, 1);
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Shortest time between two events, in seconds.
const SHORTEST_STEP: f64 = 0.05;
/// The engine compares the clocks at least this often.
const HEARTBEAT: Duration = Duration::from_secs(31);
/// One exchange, and one second for the check.
const EXCHANGE: Duration = Duration::from_secs(9);
/// Longest time from a change to its exchange: the exchange under way, the spacing of 1 s, and the spread of 2 s.
const AT_ONCE: Duration = Duration::from_secs(9 + 1 + 2);
/// Longest time from the first rejection to other credentials: the spread of 5 s, the spacing, and two exchanges.
const REJECTED: Duration = Duration::from_secs(5 + 1 + 9 + 9);
/// A row of rejections ends after this time without one.
const FORGOTTEN: Duration = Duration::from_secs(601);
const AFTER_PANIC: Duration = Duration::from_secs(31);
/// Longest wait of a caller.
const LONGEST_WAIT: Duration = Duration::from_secs(31);
/// Longest retry delay, of a `Retry-After` with valid credentials, and its exchange.
const LONGEST_RETRY: Duration = Duration::from_secs(375 + 1 + 9);
/// A bucket gives each provider a call in half a minute, so this is a matter of some retries.
const STARVED: Duration = Duration::from_secs(3600);

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} after {:?} (lifetime {:?}, {} providers, {:?} since {:?}, last fault cleared {:?} ago)",
            self.seed,
            self.world.clocks.true_time(),
            self.lifetime,
            self.providers.len(),
            lock(&self.world.endpoints),
            self.fault.map(|since| since.elapsed()),
            self.cleared.elapsed()
        )
    }
}
