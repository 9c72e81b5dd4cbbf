//! When to try next: pure decisions over one state, with time and randomness as arguments.
//!
//! How long to wait after a failure is in `backoff`. Randomness comes in as a number in `[0, 1)`.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{self, Failing, between, doubled};
use super::rejections::Rejections;
use super::source::{Change, Class};

/// Where the next attempt stands, and why.
#[derive(Debug)]
pub(crate) struct Schedule {
    window: RangeInclusive<f64>,
    wait_timeout: Duration,
    validity: Option<Validity>,
    due: Instant,
    hold: Hold,
    /// Failures in a row.
    failures: u32,
    /// The last answer's class, and how many in a row had it.
    alike: Option<(Class, u32)>,
    succeeded_once: bool,
    /// The last answer was the first to say that other bytes are needed: those may go at once.
    resend: bool,
    /// When the last attempt started.
    started: Option<Instant>,
    /// Since when attempts are due without one having ended the run.
    flight: Option<Instant>,
    /// When a caller last had nothing usable.
    wanted: Option<Instant>,
    /// The present wait was drawn under the caps for nobody waiting; one who comes may shorten it, though not below this.
    relaxed: Option<Instant>,
    /// Until when a `Config` error stands without another attempt.
    standing_until: Option<Instant>,
    rejections: Rejections,
    /// When a longer session or a clock last caused a flight.
    last_longer: Option<Instant>,
    last_clock: Option<Instant>,
}

/// Credentials in time: all that the schedule knows of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    pub(crate) lifetime: Duration,
    pub(crate) deadline: Instant,
}

/// What the wait for the next attempt is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// The last attempt succeeded, or there was none yet.
    Fresh,
    /// The last attempt failed; `Lagging` and `Unclear` have become `Transient` or `Config` here.
    Failed(Class),
}

impl Schedule {
    /// With an attempt due at once.
    pub(crate) fn new(window: RangeInclusive<f64>, wait_timeout: Duration, now: Instant) -> Self {
        Self {
            window,
            wait_timeout,
            validity: None,
            due: now,
            hold: Hold::Fresh,
            failures: 0,
            alike: None,
            succeeded_once: false,
            resend: false,
            started: None,
            flight: None,
            wanted: None,
            relaxed: None,
            standing_until: None,
            rejections: Rejections::default(),
            last_longer: None,
            last_clock: None,
        }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn hold(&self) -> Hold {
        self.hold
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// When the flight under way began.
    pub(crate) fn flight(&self) -> Option<Instant> {
        self.flight
    }

    /// Valid to the last moment (P1).
    pub(crate) fn usable(&self, now: Instant) -> bool {
        !self.remaining(now).is_zero()
    }

    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.validity.map_or(Duration::ZERO, |validity| validity.deadline.saturating_duration_since(now))
    }

    /// Whether a `Config` error still stands for those who come now.
    pub(crate) fn error_stands(&self, now: Instant) -> bool {
        self.hold == Hold::Failed(Class::Config) && self.standing_until.is_some_and(|until| now < until)
    }

    /// Whether the present wait is one that only the server's throttling explains.
    pub(crate) fn throttled(&self, now: Instant) -> bool {
        self.hold == Hold::Failed(Class::Throttled) && now < self.due
    }

    pub(crate) fn attempt_started(&mut self, now: Instant) {
        self.flight.get_or_insert(now);
        self.started = Some(now);
        (self.resend, self.relaxed) = (false, None);
    }

    /// The last attempt was lost with its task: it is due again, and the server may yet have heard it.
    pub(crate) fn attempt_lost(&mut self, now: Instant) {
        self.due = self.spaced(self.due.min(now));
    }

    /// Credentials that live for `lifetime` from `sent` on.
    pub(crate) fn succeeded(&mut self, sent: Instant, lifetime: Duration, random: f64) {
        let refresh_at = sent + lifetime.mul_f64(between(*self.window.start(), *self.window.end(), random));
        self.validity = Some(Validity { lifetime, deadline: sent + lifetime });
        self.due = self.spaced(refresh_at);
        self.hold = Hold::Fresh;
        self.failures = 0;
        self.alike = None;
        self.succeeded_once = true;
        self.flight = None;
        self.relaxed = None;
        self.standing_until = None;
    }

    /// An attempt failed. `callers`: somebody waits with nothing usable. Gives the class that the failure counts as.
    pub(crate) fn failed(
        &mut self,
        class: Class,
        retry_after: Option<Duration>,
        callers: bool,
        now: Instant,
        random: f64,
    ) -> Class {
        let count = match self.alike {
            Some((last, count)) if last == class => count.saturating_add(1),
            _ => 1,
        };
        self.alike = Some((class, count));
        self.resend = (class, count) == (Class::Blocked, 1);
        let k = self.failures;
        self.failures = k.saturating_add(1);
        self.relaxed = None;
        self.standing_until = None;

        let class = match class {
            // A new role or issuer is not known everywhere at once: seconds, as a rule.
            Class::Lagging if !self.succeeded_once && count <= LAGGING_TRIES => {
                self.hold = Hold::Failed(Class::Transient);
                self.due = now + doubled(LAGGING_STEP, count - 1, Duration::MAX);
                return Class::Transient;
            }
            Class::Unclear if count <= UNCLEAR_TRIES => Class::Transient,
            Class::Lagging | Class::Unclear => Class::Config,
            class => class,
        };
        self.hold = Hold::Failed(class);
        let remaining = self.remaining(now);
        let failing = Failing { class, k, retry_after, random };
        if !remaining.is_zero() {
            self.flight = None;
            self.due = now + failing.wait_with_usable(remaining);
            return class;
        }
        let callers = callers || self.wanted.is_some_and(|wanted| now < wanted + self.wait_timeout);
        if class == Class::Config {
            self.flight = None;
            self.standing_until = Some(now + failing.error_stands());
        } else if !callers && class != Class::Blocked {
            self.relaxed = Some(now + failing.least_wait());
        }
        self.due = now + failing.wait_with_nothing(callers);
        class
    }

    /// A caller has nothing usable.
    pub(crate) fn wanted(&mut self, now: Instant, random: f64) {
        self.wanted = Some(now);
        if self.error_stands(now) {
            return;
        }
        if let Some(earliest) = self.relaxed.take() {
            let cap = backoff::cap_with_callers(self.hold == Hold::Failed(Class::Throttled));
            self.due = self.due.min(earliest.max(now + cap.mul_f64(random)));
        }
        if self.flight.is_none() {
            self.flight = Some(now);
            match self.hold {
                Hold::Fresh => self.due = self.due.min(self.spaced(now)),
                Hold::Failed(Class::Config) => self.due = self.due.min(now),
                _ => {}
            }
        }
        if self.hold == Hold::Failed(Class::Blocked) {
            let at = self.started.map_or(now, |started| now.max(started + backoff::PROBE_FOR_CALLERS));
            self.due = self.due.min(at);
        }
    }

    /// A caller wants newer credentials than the present ones.
    pub(crate) fn requested(&mut self, now: Instant) {
        if !self.throttled(now) {
            self.due = self.due.min(self.spaced(now));
        }
    }

    /// A caller wants credentials that last longer than the present ones.
    pub(crate) fn longer_requested(&mut self, now: Instant) {
        if self.throttled(now) {
            return;
        }
        let at = self.last_longer.map_or(now, |last| now.max(last + LONGER_SPACING));
        let at = self.spaced(at);
        if at < self.due {
            self.due = at;
            self.last_longer = Some(at);
        }
    }

    /// A service refused the credentials of this generation, which are the present ones.
    pub(crate) fn rejected(&mut self, generation: u64, now: Instant) {
        self.rejections.hear(generation, now);
        if matches!(self.hold, Hold::Failed(Class::Throttled | Class::Blocked)) {
            return;
        }
        let at = self.spaced(self.rejections.earliest(now));
        if at < self.due {
            self.due = at;
            self.rejections.acted_at(at);
        }
    }

    /// Whether this generation was refused by a service.
    pub(crate) fn was_rejected(&self, generation: u64) -> bool {
        self.rejections.last_named(generation)
    }

    /// What a fetch rests on changed. `callers`: somebody waits with nothing usable.
    pub(crate) fn changed(&mut self, change: Change, callers: bool, now: Instant, random: f64) {
        let helps = match self.hold {
            Hold::Failed(class) => class != Class::Throttled || !self.usable(now),
            Hold::Fresh => !self.usable(now),
        };
        if !helps && change != Change::Identity {
            return;
        }
        let delay = match self.remaining(now) {
            _ if callers => Duration::ZERO,
            Duration::ZERO => SPREAD_OF_ROTATION.mul_f64(random),
            remaining => SPREAD_OF_ROTATION.mul_f64(random).min(remaining),
        };
        // Once right after the answer that asked for it; a file that never rests must not become a storm.
        let at = if self.resend { now } else { self.spaced(now) };
        self.due = self.due.min(at + delay);
    }

    /// The wall clock was set ahead, or the machine slept: what we believe of time deserves a check.
    pub(crate) fn clock_jumped(&mut self, now: Instant) {
        if self.throttled(now) || self.last_clock.is_some_and(|last| now.duration_since(last) < CLOCK_SPACING) {
            return;
        }
        self.last_clock = Some(now);
        self.due = self.due.min(self.spaced(now));
    }

    /// The machine slept for `by`, and the monotonic clock with it: everything ends sooner.
    pub(crate) fn slept(&mut self, by: Duration, now: Instant) {
        if let Some(validity) = &mut self.validity {
            validity.deadline = now + validity.deadline.saturating_duration_since(now).saturating_sub(by);
        }
        self.due = now + self.due.saturating_duration_since(now).saturating_sub(by);
        self.started = self.started.and_then(|started| started.checked_sub(by));
        self.standing_until = self.standing_until.and_then(|until| until.checked_sub(by));
        self.last_clock = self.last_clock.and_then(|last| last.checked_sub(by));
    }

    fn spaced(&self, at: Instant) -> Instant {
        self.started.map_or(at, |started| at.max(started + SPACING))
    }
}

/// Between two exchanges that no failure asked for.
const SPACING: Duration = Duration::from_secs(1);
/// IAM is eventually consistent: 1 s, 2 s and 4 s cover what is usually seen.
const LAGGING_TRIES: u32 = 3;
const LAGGING_STEP: Duration = Duration::from_secs(1);
/// A proxy's page may be gone in a moment.
const UNCLEAR_TRIES: u32 = 2;
const LONGER_SPACING: Duration = Duration::from_secs(10);
/// A whole cluster's tokens may come anew together.
const SPREAD_OF_ROTATION: Duration = Duration::from_secs(2);
/// A clock that is set all the time must not cause a storm.
const CLOCK_SPACING: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn schedule(now: Instant) -> Schedule {
        Schedule::new(0.60..=0.75, secs(30.0), now)
    }

    /// The wait after the `k + 1`-th failure of a class in a row, with `remaining` seconds of validity.
    fn wait(class: Class, k: u32, remaining: f64, retry_after: Option<f64>, callers: bool, random: f64) -> f64 {
        let now = Instant::now();
        let mut schedule = schedule(now);
        if remaining > 0.0 {
            schedule.succeeded(now, secs(remaining), 0.0);
        }
        schedule.failures = k;
        schedule.succeeded_once = true;
        schedule.failed(class, retry_after.map(secs), callers, now, random);
        (schedule.due() - now).as_secs_f64()
    }

    /// `U(0.5, 1)` at its upper end, as near as `[0, 1)` comes.
    const TOP: f64 = 0.999_999_999;

    type Row = (Class, u32, f64, Option<f64>, bool, f64, f64);

    #[test]
    fn p5_each_row_of_the_policy_has_its_numbers() {
        let rows: &[Row] = &[
            // class, k, remaining, retry-after, callers, random, expected wait
            (Class::Transient, 0, 1000.0, None, false, TOP, 2.0),
            (Class::Transient, 0, 1000.0, None, false, 0.0, 1.0),
            (Class::Transient, 3, 1000.0, None, false, TOP, 16.0),
            (Class::Transient, 20, 1000.0, None, false, TOP, 125.0),
            (Class::Transient, 20, 60.0, None, false, TOP, 15.0),
            (Class::Transient, 20, 40_000.0, None, false, TOP, 300.0),
            (Class::Transient, 20, 5.0, None, false, TOP, 5.0),
            (Class::Throttled, 0, 1000.0, None, false, TOP, 5.0),
            (Class::Throttled, 20, 1000.0, None, false, TOP, 250.0),
            (Class::Throttled, 20, 60.0, None, false, TOP, 30.0),
            (Class::Throttled, 0, 1000.0, Some(100.0), false, TOP, 100.0),
            (Class::Throttled, 0, 1000.0, Some(9000.0), false, TOP, 300.0),
            (Class::Throttled, 0, 100.0, Some(9000.0), false, TOP, 50.0),
            (Class::Config, 0, 1000.0, None, false, TOP, 30.0),
            (Class::Config, 20, 1000.0, None, false, TOP, 250.0),
            (Class::Config, 0, 40.0, None, false, TOP, 15.0),
            (Class::Lagging, 0, 1000.0, None, false, TOP, 30.0),
            (Class::Blocked, 20, 1000.0, None, false, TOP, 60.0),
            (Class::Blocked, 20, 10.0, None, false, TOP, 60.0),
            (Class::Transient, 0, 0.0, None, true, TOP, 0.1),
            (Class::Transient, 20, 0.0, None, true, TOP, 10.0),
            (Class::Transient, 20, 0.0, None, false, TOP, 30.0),
            (Class::Throttled, 0, 0.0, None, true, TOP, 1.0),
            (Class::Throttled, 20, 0.0, None, true, TOP, 20.0),
            (Class::Throttled, 20, 0.0, None, false, TOP, 120.0),
            (Class::Throttled, 0, 0.0, Some(9000.0), true, TOP, 20.0),
            (Class::Config, 0, 0.0, None, true, TOP, 300.0),
            (Class::Blocked, 0, 0.0, None, true, TOP, 60.0),
            (Class::Unclear, 0, 1000.0, None, false, TOP, 2.0),
        ];
        for row @ &(class, k, remaining, retry_after, callers, random, expected) in rows {
            let got = wait(class, k, remaining, retry_after, callers, random);
            assert!((got - expected).abs() < 0.01, "{row:?}: {got}");
        }
    }

    #[derive(Clone, Debug)]
    enum Happens {
        Success { lifetime: u32 },
        Failure { class: Class, retry_after: Option<u16> },
        Wanted,
        Requested,
        Longer,
        Rejected,
        Changed(Change),
        ClockSet,
        Slept(u16),
    }

    fn class() -> impl Strategy<Value = Class> {
        prop::sample::select(&Class::ALL[..])
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            3 => (1..=43_200_u32).prop_map(|lifetime| Happens::Success { lifetime }),
            8 => (class(), prop::option::of(any::<u16>()))
                .prop_map(|(class, retry_after)| Happens::Failure { class, retry_after }),
            2 => Just(Happens::Wanted),
            1 => Just(Happens::Requested),
            1 => Just(Happens::Longer),
            1 => Just(Happens::Rejected),
            1 => prop::sample::select(vec![Change::Content, Change::Identity]).prop_map(Happens::Changed),
            1 => Just(Happens::ClockSet),
            1 => any::<u16>().prop_map(Happens::Slept),
        ]
    }

    proptest! {
        #[test]
        fn the_promises_hold_through_any_history(
            history in prop::collection::vec((happens(), 0.0..1.0_f64, 0.0..1.0_f64), 1..200)
        ) {
            let mut now = Instant::now() + secs(1_000_000.0);
            let mut schedule = schedule(now);
            for (happens, random, when) in history {
                let before = schedule.validity().map(|validity| validity.deadline);
                let due = schedule.due();
                match happens {
                    Happens::Success { lifetime } => {
                        now = now.max(schedule.due());
                        schedule.attempt_started(now);
                        let (sent, lifetime) = (now, Duration::from_secs(lifetime.into()));
                        now += secs(when * 8.0);
                        schedule.succeeded(sent, lifetime, random);
                        let share = (schedule.due() - sent).as_secs_f64() / lifetime.as_secs_f64();
                        let spaced = schedule.due() == sent + SPACING;
                        prop_assert!((0.599..=0.751).contains(&share) || spaced, "P4: {share}");
                        prop_assert_eq!(schedule.failures(), 0);
                        continue;
                    }
                    Happens::Failure { class, retry_after } => {
                        now = now.max(schedule.due());
                        schedule.attempt_started(now);
                        now += secs(when * 8.0);
                        let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds.into()));
                        let counted = schedule.failed(class, retry_after, false, now, random);
                        let wait = schedule.due() - now;
                        let remaining = schedule.remaining(now);
                        let named = retry_after.is_some() && counted == Class::Throttled;
                        let longest = match (remaining.is_zero(), counted) {
                            (_, Class::Blocked) => secs(60.0),
                            (true, Class::Config) => secs(300.0),
                            (true, Class::Throttled) => secs(120.0),
                            (true, _) => secs(30.0),
                            (false, _) if named => secs(300.0).min((remaining / 2).max(secs(30.0)).max(remaining / 4)),
                            (false, _) => secs(30.0).max(remaining / 4).min(secs(300.0)),
                        };
                        prop_assert!(wait <= longest, "P5: {counted:?} {wait:?} > {longest:?}, {remaining:?} left");
                        if !remaining.is_zero() && counted != Class::Blocked {
                            prop_assert!(wait <= remaining, "an attempt before or at the expiry");
                        }
                        prop_assert_eq!(before, schedule.validity().map(|validity| validity.deadline), "P2");
                        continue;
                    }
                    _ => {}
                }
                // Something between two attempts: it may bring the next one forward, never put it off.
                now += schedule.due().saturating_duration_since(now).mul_f64(when);
                let held = schedule.throttled(now) && schedule.usable(now);
                match happens {
                    Happens::Wanted if !schedule.usable(now) => schedule.wanted(now, random),
                    Happens::Requested => schedule.requested(now),
                    Happens::Longer => schedule.longer_requested(now),
                    Happens::Rejected => schedule.rejected(1, now),
                    Happens::Changed(change) => schedule.changed(change, false, now, random),
                    Happens::ClockSet => schedule.clock_jumped(now),
                    Happens::Slept(seconds) => {
                        schedule.slept(Duration::from_secs(seconds.into()), now);
                        prop_assert!(schedule.validity().map(|validity| validity.deadline) <= before.map(|it| it.max(now)));
                        continue;
                    }
                    _ => {}
                }
                prop_assert!(schedule.due() <= due, "nothing puts an attempt off");
                let somebody_elses = matches!(happens, Happens::Changed(Change::Identity));
                if held && !somebody_elses {
                    prop_assert_eq!(schedule.due(), due, "a throttled wait is kept");
                }
                prop_assert_eq!(before, schedule.validity().map(|validity| validity.deadline), "P2");
            }
        }
    }

    #[test]
    fn attempts_that_are_lost_with_their_runtimes_are_a_second_apart() {
        let start = Instant::now();
        let mut schedule = schedule(start);
        schedule.attempt_started(start);
        schedule.attempt_lost(start + Duration::from_millis(100));
        assert_eq!(schedule.due(), start + secs(1.0));
        schedule.attempt_started(start + secs(1.0));
        schedule.attempt_lost(start + secs(9.0));
        assert!(schedule.due() <= start + secs(9.0));
    }

    #[test]
    fn a_caller_who_comes_into_a_throttled_wait_does_not_break_what_the_server_asked_for() {
        let start = Instant::now();
        let mut schedule = schedule(start);
        for _ in 0..10 {
            schedule.attempt_started(start);
            schedule.failed(Class::Throttled, Some(secs(60.0)), false, start, 0.9);
        }
        assert!(schedule.due() >= start + secs(60.0));
        schedule.wanted(start + secs(1.0), 0.0);
        assert_eq!(schedule.due(), start + secs(20.0), "as if the caller had been there before");
    }

    #[test]
    fn p6_bytes_that_differ_send_the_first_blocked_exchange_once_more_now_and_later_ones_a_second_apart() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        schedule.attempt_started(now);
        schedule.failed(Class::Blocked, None, true, now, TOP);
        schedule.changed(Change::Content, true, now, TOP);
        assert_eq!(schedule.due(), now);
        schedule.attempt_started(now);
        schedule.failed(Class::Blocked, None, true, now, TOP);
        schedule.changed(Change::Content, true, now, TOP);
        assert_eq!(schedule.due(), now + secs(1.0));
    }
}
