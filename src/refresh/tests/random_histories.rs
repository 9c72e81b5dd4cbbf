//! The schedule against random histories of events and answers.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use crate::refresh::clock::Session;
use crate::refresh::schedule::Schedule;
use crate::refresh::{Change, Class};

#[derive(Clone, Debug)]
enum Event {
    Pass(Duration),
    Caller,
    Refresh,
    Longer,
    Reject,
    Rotate(Change),
    ClockStep,
    Suspend(Duration),
}

#[derive(Clone, Debug)]
struct Answer {
    after: Duration,
    /// A lifetime, and true if it is the server's word; or a class with a `Retry-After`.
    what: Result<(Duration, bool), (Class, Option<Duration>)>,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0_u64..600_000).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
        6 => (0_u64..3000).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
        4 => Just(Event::Caller),
        2 => Just(Event::Refresh),
        1 => Just(Event::Longer),
        1 => Just(Event::Reject),
        1 => Just(Event::Rotate(Change::Content)),
        1 => Just(Event::Rotate(Change::Identity)),
        1 => Just(Event::ClockStep),
        1 => (6_u64..20_000).prop_map(|s| Event::Suspend(Duration::from_secs(s))),
    ];
    prop::collection::vec(event, 1..120)
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(&Class::ALL[..])
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let lifetime = prop_oneof![(1_u64..60), (900_u64..43_200)].prop_map(Duration::from_secs);
    let asked = prop::option::of((0_u64..100_000).prop_map(Duration::from_secs));
    let what = prop_oneof![1 => (lifetime, any::<bool>()).prop_map(Ok), 3 => (class(), asked).prop_map(Err)];
    let answer = (0_u64..8000, what).prop_map(|(ms, what)| Answer { after: Duration::from_millis(ms), what });
    // An outage is a run of the same answer.
    prop::collection::vec((answer, 1_usize..12), 1..20)
        .prop_map(|runs| runs.into_iter().flat_map(|(answer, times)| vec![answer; times]).collect())
}

/// A schedule that is driven as the task drives it, with the bounds that it must keep.
struct Model {
    schedule: Schedule,
    now: Instant,
    random: fastrand::Rng,
    answers: std::iter::Cycle<std::vec::IntoIter<Answer>>,
    under_way: Option<(Instant, Answer)>,
    generation: u64,
    failures: u32,
    failed_last: bool,
    last_start: Option<Instant>,
    /// The last answer had a `Retry-After`.
    asked: bool,
    /// The present credentials were rejected, or belong to another identity.
    unwanted: bool,
    /// Sessions in a row that are short by the local clock alone.
    doubtful: u32,
    /// Latest time of the next attempt.
    latest: Option<Instant>,
    deadline: Option<Instant>,
}

const SECOND: Duration = Duration::from_secs(1);
/// Longest delay of a `Retry-After` with nothing valid.
const ASKED: Duration = Duration::from_secs(75);

/// Longest retry delay of a class, while credentials are valid for this long.
fn longest(class: Class, valid: Duration) -> Duration {
    Duration::from_secs(match class {
        Class::BadInput => 60,
        Class::Throttled if valid.is_zero() => 240,
        Class::Misconfigured if valid.is_zero() => 300,
        _ if valid.is_zero() => 24,
        _ => return (valid / 4).clamp(Duration::from_secs(30), Duration::from_secs(300)),
    })
}

impl Model {
    fn new(answers: Vec<Answer>, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            schedule: Schedule::new(0.60..=0.75, now),
            now,
            random: fastrand::Rng::with_seed(seed),
            answers: answers.into_iter().cycle(),
            under_way: None,
            generation: 0,
            failures: 0,
            failed_last: false,
            last_start: None,
            asked: false,
            unwanted: false,
            doubtful: 0,
            latest: Some(now),
            deadline: None,
        }
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now;
        let due = self.schedule.due();
        let throttled = self.schedule.throttled(now);
        match *event {
            Event::Pass(time) => return self.pass(time),
            Event::Caller => self.caller(),
            Event::Refresh => self.schedule.refresh_requested(now, self.random.f64()),
            Event::Longer => self.schedule.longer_requested(now, self.random.f64()),
            Event::Reject if self.generation > 0 => {
                self.schedule.rejected(self.generation, now, self.random.f64());
                self.unwanted = true;
            }
            Event::Reject => {}
            Event::Rotate(change) => {
                let unusable = !self.schedule.valid(now);
                let failed = self.schedule.failing().is_some_and(|class| class != Class::Throttled);
                self.schedule.changed(change, false, now, self.random.f64());
                if unusable || failed || change == Change::Identity {
                    // The spread of two seconds, after the second between two exchanges.
                    self.by(Duration::from_secs(2) + self.spacing().mul_f64(1.25));
                }
                self.unwanted |= change == Change::Identity;
            }
            Event::ClockStep => self.schedule.clock_jumped(now),
            Event::Suspend(by) => {
                self.schedule.suspended(by, now);
                // Time passed, though the monotonic clock did not show it.
                self.last_start = self.last_start.and_then(|last| last.checked_sub(by));
                self.deadline = self.deadline.map(|end| now + end.saturating_duration_since(now).saturating_sub(by));
                self.schedule.clock_jumped(now);
            }
        }
        if throttled && !matches!(event, Event::Rotate(_) | Event::Suspend(_)) {
            assert_eq!(self.schedule.due(), due, "{event:?} shortened a throttled retry delay");
        }
        assert!(self.schedule.due() <= due.max(now), "{event:?} delayed the attempt");
        self.check();
    }

    fn caller(&mut self) {
        let now = self.now;
        if self.schedule.valid(now) {
            return;
        }
        let stands = self.schedule.denial_stands(now);
        self.schedule.caller_waits(now);
        let within = match self.schedule.failing() {
            None => self.spacing().mul_f64(1.25),
            Some(class) if self.asked => ASKED.max(longest(class, Duration::ZERO)),
            Some(Class::Misconfigured) if !stands => Duration::ZERO,
            Some(Class::Misconfigured | Class::BadInput) => Duration::from_secs(30),
            Some(class) => longest(class, Duration::ZERO),
        };
        self.by(within);
    }

    fn spacing(&self) -> Duration {
        if self.doubtful < 3 { SECOND } else { Duration::from_secs(30) }
    }

    /// The next attempt must come within this time.
    fn by(&mut self, within: Duration) {
        let latest = self.now + within;
        self.latest = Some(self.latest.map_or(latest, |known| known.min(latest)));
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = match &self.under_way {
                Some((at, _)) => *at,
                None => self.schedule.due().max(self.now),
            };
            if next > end {
                break;
            }
            self.now = next;
            match self.under_way.take() {
                Some((_, answer)) => self.finish(&answer),
                None => self.start(),
            }
            self.check();
        }
        self.now = end;
        self.check();
    }

    fn start(&mut self) {
        if let (Some(last), false) = (self.last_start, self.failed_last) {
            assert!(self.now - last >= self.spacing(), "two exchanges within {:?}", self.now - last);
        }
        self.last_start = Some(self.now);
        self.latest = None;
        self.schedule.attempt_started(self.now);
        let answer = self.answers.next().unwrap();
        self.under_way = Some((self.now + answer.after, answer));
    }

    fn finish(&mut self, answer: &Answer) {
        let now = self.now;
        let sent = self.last_start.unwrap();
        match answer.what {
            // The engine counts credentials that have expired on arrival as a failure.
            Ok((lifetime, _)) if sent + lifetime <= now => self.fail(Class::Outage, None),
            Ok((lifetime, dated)) => self.succeed(sent, lifetime, dated),
            Err((class, asked)) => self.fail(class, asked),
        }
    }

    fn succeed(&mut self, sent: Instant, lifetime: Duration, dated: bool) {
        self.generation += 1;
        (self.failures, self.failed_last, self.asked) = (0, false, false);
        self.doubtful = if dated || lifetime >= Duration::from_secs(30) { 0 } else { self.doubtful + 1 };
        let taken = self.schedule.succeeded(Session { since: sent, lifetime, dated }, true, self.random.f64());
        let longer = self.deadline.is_none_or(|end| sent + lifetime >= end);
        assert_eq!(taken, longer || self.unwanted, "P2: the longer session stays");
        if taken {
            self.deadline = Some(sent + lifetime);
            self.unwanted = false;
        }
        let remaining = self.deadline.unwrap() - sent;
        let spaced = sent + self.spacing();
        let (early, late) = (sent + remaining.mul_f64(0.60), sent + remaining.mul_f64(0.751));
        let due = self.schedule.due();
        let jitter = if self.spacing() > SECOND { 1.25 } else { 1.0 };
        let latest = late.max(sent + self.spacing().mul_f64(jitter));
        assert!(due >= early.max(spaced) && due <= latest, "P4: {:?} of {remaining:?}", due - sent);
        self.latest = Some(latest);
    }

    fn fail(&mut self, class: Class, asked: Option<Duration>) {
        let now = self.now;
        let class = self.schedule.failed(class, asked, now, self.random.f64());
        (self.failures, self.failed_last, self.asked) = (self.failures + 1, true, asked.is_some());
        let valid = self.schedule.remaining(now);
        let asked = match asked {
            None => Duration::ZERO,
            Some(_) if valid.is_zero() => ASKED,
            Some(_) => (valid / 2).min(Duration::from_secs(300)).mul_f64(1.25),
        };
        self.latest = Some(now + longest(class, valid).max(asked));
    }

    fn check(&self) {
        let now = self.now;
        assert_eq!(self.schedule.failures(), self.failures);
        assert_eq!(
            self.schedule.remaining(now),
            self.deadline.map_or(Duration::ZERO, |end| end.saturating_duration_since(now)),
            "only a success or a suspend moves the deadline"
        );
        if self.under_way.is_some() {
            return;
        }
        let due = self.schedule.due();
        if let Some(latest) = self.latest {
            let spaced = self.last_start.map_or(now, |last| last + self.spacing());
            assert!(due <= latest.max(spaced).max(now), "P5: {:?} late", due - latest);
        }
        if self.schedule.valid(now) && self.schedule.failing() != Some(Class::BadInput) {
            let end = self.deadline.unwrap().max(self.last_start.unwrap() + self.spacing().mul_f64(1.25));
            assert!(due <= end, "no retry delay ends after the expiry");
        }
    }

    /// The source works again. Checks the time until new credentials come.
    fn recovers(&mut self, callers: bool) {
        // With sessions of one second, steps of one second could always end during an attempt.
        while let Some((end, _)) = self.under_way {
            self.pass(end - self.now);
        }
        let hour = Answer { after: Duration::ZERO, what: Ok((Duration::from_secs(3600), true)) };
        self.answers = vec![hour].into_iter().cycle();
        let generation = self.generation;
        let mut waited = Duration::ZERO;
        let usable = self.schedule.valid(self.now);
        let failing = self.schedule.failing();
        let longest = match failing {
            None => Duration::from_secs(43_200),
            Some(_) if usable && self.asked => Duration::from_secs(375),
            Some(_) if self.asked => ASKED.max(longest(Class::Misconfigured, Duration::ZERO)),
            Some(Class::Misconfigured | Class::BadInput) if callers && !usable => Duration::from_secs(30),
            Some(class) => longest(class, self.schedule.remaining(self.now)),
        };
        while self.generation == generation {
            if callers {
                self.apply(&Event::Caller);
            }
            self.pass(SECOND);
            waited += SECOND;
            assert!(
                waited <= longest + Duration::from_secs(2),
                "{failing:?} usable={usable} callers={callers}: {waited:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_history_breaks_a_promise(events in events(), answers in answers(), seed: u64, callers: bool) {
        let mut model = Model::new(answers, seed);
        for event in &events {
            model.apply(event);
        }
        model.recovers(callers);
    }

    /// Retry delays are random. The bounds leave room for luck, and none for a storm.
    #[test]
    fn no_class_of_failure_becomes_a_storm(
        class in class(), lifetime in 0_u64..43_200, caller_every in prop::option::of(prop_oneof![Just(100_u64), 50_u64..60_000]),
        seed: u64
    ) {
        let mut answers = vec![Answer { after: Duration::ZERO, what: Err((class, None)) }];
        if lifetime > 0 {
            answers.insert(0, Answer { after: Duration::ZERO, what: Ok((Duration::from_secs(lifetime), true)) });
        }
        let mut model = Model::new(answers.clone(), seed);
        model.pass(Duration::ZERO);
        model.answers = vec![answers.pop().unwrap()].into_iter().cycle();
        // Pass to the first due attempt.
        let first = model.schedule.due();
        model.pass(first - model.now);
        let failures = model.failures;
        let end = model.now + Duration::from_secs(3600);
        while model.now < end {
            if caller_every.is_some() {
                model.apply(&Event::Caller);
            }
            model.pass(Duration::from_millis(caller_every.unwrap_or(60_000)));
        }
        let attempts = model.failures - failures;
        let bound = match class {
            Class::Outage => 280,
            // 4 s doubling to 60 s after a success: 36 s on average.
            Class::Throttled => 130,
            // Callers cause an attempt each 15 s to 30 s.
            _ => 200,
        };
        prop_assert!(attempts <= bound, "{attempts} attempts in an hour");
    }
}
