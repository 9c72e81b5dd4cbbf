//! The promises against random histories.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use crate::refresh::schedule::{Hold, Schedule};
use crate::refresh::source::{Change, Class};

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
    /// The task is lost with its runtime.
    Lose,
}

#[derive(Clone, Debug)]
struct Answer {
    after: Duration,
    what: Result<Duration, (Class, Option<Duration>)>,
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
        1 => Just(Event::Lose),
    ];
    prop::collection::vec(event, 1..120)
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(&Class::ALL[..])
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let lifetime = prop_oneof![(1_u64..60), (900_u64..43_200)].prop_map(Duration::from_secs);
    let asked = prop::option::of((0_u64..100_000).prop_map(Duration::from_secs));
    let what = prop_oneof![1 => lifetime.prop_map(Ok), 3 => (class(), asked).prop_map(Err)];
    let answer = (0_u64..8000, what).prop_map(|(ms, what)| Answer { after: Duration::from_millis(ms), what });
    // Runs of the same answer are what outages are made of.
    prop::collection::vec((answer, 1_usize..12), 1..20)
        .prop_map(|runs| runs.into_iter().flat_map(|(answer, times)| vec![answer; times]).collect())
}

/// The schedule, driven as the task drives it, and watched.
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
    /// By when the promises want the next attempt.
    latest: Option<Instant>,
    deadline: Option<Instant>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Model {
    fn new(answers: Vec<Answer>, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            schedule: Schedule::new(0.60..=0.75, Duration::from_secs(30), now),
            now,
            random: fastrand::Rng::with_seed(seed),
            answers: answers.into_iter().cycle(),
            under_way: None,
            generation: 0,
            failures: 0,
            failed_last: false,
            last_start: None,
            latest: Some(now),
            deadline: None,
        }
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now;
        let due = self.schedule.due();
        match *event {
            Event::Pass(time) => return self.pass(time),
            Event::Caller => self.caller(),
            Event::Refresh => {
                let throttled = self.schedule.throttled(now);
                self.schedule.requested(now);
                assert!(!throttled || self.schedule.due() == due, "refresh() broke a throttled wait");
            }
            Event::Longer => self.schedule.longer_requested(now),
            Event::Reject if self.generation > 0 => self.schedule.rejected(self.generation, now),
            Event::Reject => {}
            Event::Rotate(change) => {
                let unusable = !self.schedule.usable(now);
                let failed = matches!(self.schedule.hold(), Hold::Failed(class) if class != Class::Throttled);
                self.schedule.changed(change, false, now, self.random.f64());
                if unusable || failed || change == Change::Identity {
                    // Spread over two seconds, after the second between two exchanges.
                    self.by(Duration::from_secs(2) + SECOND);
                }
            }
            Event::ClockStep => self.schedule.clock_jumped(now),
            Event::Suspend(by) => {
                self.schedule.slept(by, now);
                // A second went by, though the clock did not see it.
                self.last_start = self.last_start.and_then(|last| last.checked_sub(by));
                self.deadline = self.deadline.map(|end| now + end.saturating_duration_since(now).saturating_sub(by));
                self.schedule.clock_jumped(now);
            }
            Event::Lose => {
                if self.under_way.take().is_some() {
                    self.schedule.attempt_lost(now);
                    self.latest = Some(now + SECOND);
                    self.failed_last = false;
                }
                return self.check();
            }
        }
        assert!(self.schedule.due() <= due.max(now), "{event:?} put the attempt off");
        self.check();
    }

    fn caller(&mut self) {
        let now = self.now;
        if self.schedule.usable(now) {
            return;
        }
        self.schedule.wanted(now, self.random.f64());
        let within = match self.schedule.hold() {
            Hold::Fresh => 1,
            Hold::Failed(Class::Config) => {
                let stands = self.schedule.error_stands(now);
                self.by(Duration::from_secs(if stands { 300 } else { 0 }));
                return;
            }
            Hold::Failed(Class::Throttled) => 20,
            Hold::Failed(Class::Blocked) => 30,
            Hold::Failed(_) => 10,
        };
        self.by(Duration::from_secs(within));
    }

    /// The next attempt is to come within this.
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
            assert!(self.now - last >= SECOND, "two exchanges within {:?}", self.now - last);
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
            // As the engine has it, what has ended on arrival is a failure.
            Ok(lifetime) if sent + lifetime <= now => self.fail(Class::Transient, None),
            Ok(lifetime) => {
                self.schedule.succeeded(sent, lifetime, self.random.f64());
                self.generation += 1;
                (self.failures, self.failed_last) = (0, false);
                self.deadline = Some(sent + lifetime);
                let (early, late) = (sent + lifetime.mul_f64(0.60), sent + lifetime.mul_f64(0.751));
                let due = self.schedule.due();
                assert!(due >= early && due <= late.max(sent + SECOND), "P4: {:?} of {lifetime:?}", due - sent);
                self.latest = Some(late.max(sent + SECOND));
            }
            Err((class, asked)) => self.fail(class, asked),
        }
    }

    fn fail(&mut self, class: Class, asked: Option<Duration>) {
        let now = self.now;
        let class = self.schedule.failed(class, asked, false, now, self.random.f64());
        (self.failures, self.failed_last) = (self.failures + 1, true);
        let valid = self.schedule.remaining(now);
        let seconds = Duration::from_secs;
        let longest = match class {
            Class::Blocked => seconds(60),
            Class::Throttled if valid.is_zero() => seconds(120),
            Class::Config if valid.is_zero() => seconds(300),
            _ if valid.is_zero() => seconds(30),
            Class::Throttled if asked.is_some() => (valid / 4).max(seconds(30)).max(valid / 2).min(seconds(300)),
            _ => (valid / 4).max(seconds(30)).min(seconds(300)),
        };
        self.latest = Some(now + longest);
    }

    fn check(&self) {
        let now = self.now;
        assert_eq!(self.schedule.failures(), self.failures);
        assert_eq!(
            self.schedule.remaining(now),
            self.deadline.map_or(Duration::ZERO, |end| end.saturating_duration_since(now)),
            "only a success and a suspend move the end"
        );
        if self.under_way.is_some() {
            return;
        }
        let due = self.schedule.due();
        if let Some(latest) = self.latest {
            let spaced = self.last_start.map_or(now, |last| last + SECOND);
            assert!(due <= latest.max(spaced).max(now), "P5: {:?} late", due - latest);
        }
        if self.schedule.usable(now) && self.schedule.hold() != Hold::Failed(Class::Blocked) {
            let end = self.deadline.unwrap().max(self.last_start.unwrap() + SECOND);
            assert!(due <= end, "no wait runs past the expiry");
        }
    }

    /// The source is whole again: how long until there are new credentials?
    fn recovers(&mut self, callers: bool) {
        while self.under_way.is_some() {
            self.pass(SECOND);
        }
        let hour = Answer { after: Duration::ZERO, what: Ok(Duration::from_secs(3600)) };
        self.answers = vec![hour].into_iter().cycle();
        let generation = self.generation;
        let mut waited = Duration::ZERO;
        let usable = self.schedule.usable(self.now);
        let hold = self.schedule.hold();
        let longest = match (usable, hold) {
            (_, Hold::Failed(Class::Blocked)) => 60,
            (_, Hold::Fresh) => 43_200,
            (true, _) => 300,
            (false, Hold::Failed(Class::Config)) => {
                if callers {
                    30
                } else {
                    300
                }
            }
            (false, Hold::Failed(Class::Throttled)) => {
                if callers {
                    20
                } else {
                    120
                }
            }
            (false, _) => {
                if callers {
                    10
                } else {
                    30
                }
            }
        };
        while self.generation == generation {
            if callers {
                self.apply(&Event::Caller);
            }
            self.pass(SECOND);
            waited += SECOND;
            assert!(
                waited <= Duration::from_secs(longest + 2),
                "{hold:?} usable={usable} callers={callers}: {waited:?}"
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

    /// Random waits have a mean; the bounds leave room for luck, none for a storm.
    #[test]
    fn no_class_of_failure_becomes_a_storm(
        class in class(), lifetime in 0_u64..43_200, caller_every in prop::option::of(prop_oneof![Just(100_u64), 50_u64..60_000]),
        seed: u64
    ) {
        let mut answers = vec![Answer { after: Duration::ZERO, what: Err((class, None)) }];
        if lifetime > 0 {
            answers.insert(0, Answer { after: Duration::ZERO, what: Ok(Duration::from_secs(lifetime)) });
        }
        let mut model = Model::new(answers.clone(), seed);
        model.pass(Duration::ZERO);
        model.answers = vec![answers.pop().unwrap()].into_iter().cycle();
        // To where attempts are due.
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
            // On average one in 5 s, and some more while they grow.
            Class::Transient => 1000,
            Class::Throttled => 520,
            Class::Blocked => 122,
            // The error stands for 15 s to 30 s.
            _ => 270,
        };
        prop_assert!(attempts <= bound, "{attempts} attempts in an hour");
    }
}
