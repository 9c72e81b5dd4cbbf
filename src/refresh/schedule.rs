//! The time of the next attempt.
//!
//! **G. Decisions are pure functions.** They get the time and a random number in `[0, 1)` as arguments. This holds for this
//! file, `backoff`, `rejections`, `log_level`, and the decisions of `callers` and `clock`. So tests check each number of the
//! policy at once, and simulate days of faults. A decision that reads the clock could be tested only by waiting.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{FailedAttempt, between, beyond, doubled};
use super::clock::Session;
use super::rejections::Rejections;
use super::source::{Change, Class};

/// The time of the next attempt, and all that it depends on.
#[derive(Debug)]
pub(super) struct Schedule {
    window: RangeInclusive<f64>,
    /// `None` before the first success.
    validity: Option<Validity>,
    due: Instant,
    attempts_ended: u64,
    /// The failures since the last success.
    failures: Option<Failures>,
    /// Start of the last attempt.
    started: Option<Instant>,
    /// Start of the current run of attempts. Callers without valid credentials share it. A success ends the run. A failure
    /// ends it if it is a `Misconfigured` failure, or if credentials are valid.
    run_started: Option<Instant>,
    /// The credentials were rejected, or the source's identity changed: any session is better.
    unwanted: bool,
    rejections: Rejections,
    /// Sessions in a row that are short by the local clock alone.
    short_lived: u32,
    /// Shortest time between the starts of two exchanges, if the first one did not fail.
    spacing: Duration,
    /// Exchanges that callers caused since the last success.
    requests: u32,
    /// Earliest start of the next such exchange.
    next_request: Option<Instant>,
    /// Time of the last exchange that a clock caused.
    last_clock: Option<Instant>,
}

/// The times of the present credentials.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// On arrival.
    pub(super) lifetime: Duration,
    pub(super) deadline: Instant,
    /// The lifetime is the session's. `false`: it may be what a cache had left of it.
    pub(super) dated: bool,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
    last: Instant,
    /// Class of the last failure, and number of failures in a row with this class.
    alike: (Class, u32),
    /// The class that the last failure counts as: never `NotYetKnown` or `Unclear`.
    class: Class,
    /// Earliest attempt, unless the source changes: the end of a throttled delay or of the server's `Retry-After`.
    not_before: Instant,
    /// Earliest attempt that a caller without valid credentials may cause.
    for_callers: Instant,
}

impl Schedule {
    /// The first attempt is due at once.
    pub(super) fn new(window: RangeInclusive<f64>, now: Instant) -> Self {
        Self {
            window,
            validity: None,
            due: now,
            attempts_ended: 0,
            failures: None,
            started: None,
            run_started: None,
            unwanted: false,
            rejections: Rejections::default(),
            short_lived: 0,
            spacing: SPACING,
            requests: 0,
            next_request: None,
            last_clock: None,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures.as_ref().map_or(0, |failures| failures.count)
    }

    /// Time and class of the last failure. `None`: the last attempt succeeded, or there was none yet.
    pub(super) fn last_failure(&self) -> Option<(Instant, Class)> {
        self.failures.as_ref().map(|failures| (failures.last, failures.class))
    }

    /// Class of the last failure: never `NotYetKnown` or `Unclear`.
    pub(super) fn failing(&self) -> Option<Class> {
        self.last_failure().map(|(_, class)| class)
    }

    pub(super) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    pub(super) fn attempts_ended(&self) -> u64 {
        self.attempts_ended
    }

    pub(super) fn run_started(&self) -> Option<Instant> {
        self.run_started
    }

    /// True to the last moment of the lifetime.
    pub(super) fn valid(&self, now: Instant) -> bool {
        !self.remaining(now).is_zero()
    }

    pub(super) fn remaining(&self, now: Instant) -> Duration {
        self.validity.map_or(Duration::ZERO, |validity| validity.deadline.saturating_duration_since(now))
    }

    /// True while a caller gets the last `Misconfigured` error at once.
    pub(super) fn denial_stands(&self, now: Instant) -> bool {
        let stands = |failures: &Failures| failures.class == Class::Misconfigured && now < failures.for_callers;
        self.failures.as_ref().is_some_and(stands)
    }

    /// True during the retry delay of a throttled attempt.
    pub(super) fn throttled(&self, now: Instant) -> bool {
        self.failing() == Some(Class::Throttled) && now < self.due
    }

    pub(super) fn attempt_started(&mut self, now: Instant) {
        self.run_started.get_or_insert(now);
        self.started = Some(now);
    }

    /// An attempt gave a session. `other_key`: its access key is not the present one. Returns false if the present
    /// credentials stay because they live longer.
    pub(super) fn succeeded(&mut self, session: Session, other_key: bool, random: f64) -> bool {
        self.attempts_ended += 1;
        self.failures = None;
        self.run_started = None;
        self.requests = 0;
        let doubtful = other_key && !session.dated && session.lifetime < SHORT;
        self.short_lived = if doubtful { self.short_lived.saturating_add(1) } else { 0 };
        self.spacing = if self.short_lived < SHORT_IN_A_ROW { SPACING } else { SHORT.mul_f64(beyond(random)) };

        let share = between(*self.window.start(), *self.window.end(), random);
        let deadline = session.since + session.lifetime;
        let kept = self.validity.filter(|kept| other_key && !self.unwanted && kept.deadline > deadline);
        let wait = if kept.is_some() {
            let remaining = self.remaining(session.since);
            remaining.mul_f64(share).max(AFTER_SHORTER.min(remaining.mul_f64(*self.window.end())))
        } else {
            self.validity = Some(Validity { lifetime: session.lifetime, deadline, dated: session.dated });
            self.unwanted = false;
            session.lifetime.mul_f64(share)
        };
        self.due = self.spaced(session.since + wait);
        kept.is_none()
    }

    /// An attempt failed. Returns the class that the failure counts as.
    pub(super) fn failed(&mut self, class: Class, retry_after: Option<Duration>, now: Instant, random: f64) -> Class {
        let (since, before, alike) = match &self.failures {
            Some(last) if last.alike.0 == class => (last.since, last.count, last.alike.1.saturating_add(1)),
            Some(last) => (last.since, last.count, 1),
            None => (now, 0, 1),
        };
        let new = self.validity.is_none();
        let (row, counted) = match class {
            // A new role or issuer is not known everywhere at once.
            Class::NotYetKnown if new => {
                (class, if alike <= NEW_ROLE_TRIES { Class::Outage } else { Class::Misconfigured })
            }
            Class::Unclear if alike <= UNCLEAR_TRIES => (Class::Outage, Class::Outage),
            Class::NotYetKnown | Class::Unclear => (Class::Misconfigured, Class::Misconfigured),
            class => (class, class),
        };
        let remaining = self.remaining(now);
        let attempt =
            FailedAttempt { class: row, before, alike: alike - 1, new, lasted: now - since, retry_after, random };
        self.due = now + attempt.retry_delay(remaining);
        let valid = !remaining.is_zero();
        let misconfigured = counted == Class::Misconfigured;
        if valid || misconfigured {
            self.run_started = None;
        }
        self.attempts_ended += 1;
        self.failures = Some(Failures {
            count: before.saturating_add(1),
            since,
            last: now,
            alike: (class, alike),
            class: counted,
            not_before: if counted == Class::Throttled { self.due } else { now + attempt.server_delay(remaining) },
            // While credentials are valid, no caller gets this error. After the expiry a caller needs a new attempt.
            for_callers: if valid && misconfigured { now } else { now + attempt.retry_delay_for_callers(remaining) },
        });
        counted
    }

    /// Brings the next attempt forward to `at`, whatever failed.
    pub(super) fn due_at_latest(&mut self, at: Instant) {
        self.due = self.due.min(at);
    }

    /// A caller without valid credentials waits.
    pub(super) fn caller_waits(&mut self, now: Instant) {
        if !self.denial_stands(now) {
            self.run_started.get_or_insert(now);
        }
        let at = self.failures.as_ref().map_or_else(|| self.spaced(now), |failures| now.max(failures.for_callers));
        self.due_at_latest(at);
    }

    /// A caller wants newer credentials than the present ones.
    pub(super) fn refresh_requested(&mut self, now: Instant, random: f64) {
        let from = self.next_request.filter(|_| self.failures.is_some());
        self.request(from.map_or(now, |from| now.max(from)), random);
    }

    /// A caller wants credentials that last longer than the present ones.
    pub(super) fn longer_requested(&mut self, now: Instant, random: f64) {
        self.request(self.next_request.map_or(now, |from| now.max(from)), random);
    }

    fn request(&mut self, at: Instant, random: f64) {
        if self.bring_forward(self.spaced(at)) {
            let spacing = doubled(REQUEST_SPACING, self.requests, REQUEST_SPACING_CAP);
            self.next_request = Some(self.due + spacing.mul_f64(beyond(random)));
            self.requests = self.requests.saturating_add(1);
        }
    }

    /// A service rejected the credentials of this generation, which are the present ones.
    pub(super) fn rejected(&mut self, generation: u64, now: Instant, random: f64) {
        self.rejections.record(generation, now);
        self.unwanted = true;
        if self.failing() == Some(Class::BadInput) {
            return;
        }
        let at = self.rejections.earliest(now, random);
        if self.bring_forward(self.spaced(at)) {
            self.rejections.attempted_at(self.due);
        }
    }

    pub(super) fn was_rejected(&self, generation: u64) -> bool {
        self.rejections.is_last(generation)
    }

    /// The source changed. `callers`: somebody waits without valid credentials.
    pub(super) fn changed(&mut self, change: Change, callers: bool, now: Instant, random: f64) {
        self.unwanted |= change == Change::Identity;
        // After a success a new token needs no attempt: the next one is due before the credentials expire.
        let helps = self.failing().is_some_and(|class| class != Class::Throttled || !self.valid(now));
        if !helps && change != Change::Identity {
            return;
        }
        let delay = match self.remaining(now) {
            _ if callers => Duration::ZERO,
            Duration::ZERO => SPREAD_OF_ROTATION.mul_f64(random),
            remaining => SPREAD_OF_ROTATION.mul_f64(random).min(remaining),
        };
        // The first change after bad input causes an attempt at once. Later attempts keep the spacing, so that input
        // that changes all the time causes no storm.
        let resend = self.failures.as_ref().is_some_and(|failures| failures.alike == (Class::BadInput, 1));
        let at = if resend { now } else { self.spaced(now) };
        self.due_at_latest(at + delay);
    }

    /// The wall clock was set ahead, or the machine was suspended. An exchange then checks the times of the credentials.
    pub(super) fn clock_jumped(&mut self, now: Instant) {
        let lately = self.last_clock.is_some_and(|last| now.duration_since(last) < CLOCK_SPACING);
        if !lately && self.bring_forward(self.spaced(now)) {
            self.last_clock = Some(now);
        }
    }

    /// The last exchange had another identity than the present credentials, and its session replaces them.
    pub(super) fn identity_changed(&mut self) {
        self.unwanted = true;
    }

    /// The machine was suspended for `by`, and the monotonic clock stood still. All times move by as much, except the start
    /// of the run: the callers did not wait during the suspend.
    pub(super) fn suspended(&mut self, by: Duration, now: Instant) {
        let ahead = |at: &mut Instant| *at = now + at.saturating_duration_since(now).saturating_sub(by);
        let behind = |at: &mut Instant| *at = at.checked_sub(by).unwrap_or(*at);
        ahead(&mut self.due);
        if let Some(validity) = &mut self.validity {
            // The grace of expired credentials is counted from here, so the deadline may lie in the past.
            validity.deadline = validity.deadline.checked_sub(by).unwrap_or(now);
        }
        for at in [&mut self.started, &mut self.next_request, &mut self.last_clock] {
            at.iter_mut().for_each(behind);
        }
        self.rejections.suspended(by);
        if let Some(failures) = &mut self.failures {
            [&mut failures.since, &mut failures.last, &mut failures.not_before, &mut failures.for_callers]
                .into_iter()
                .for_each(behind);
        }
    }

    /// Brings the next attempt forward to `at`, but not before `not_before`. Returns true if the attempt is sooner now.
    fn bring_forward(&mut self, at: Instant) -> bool {
        let at = self.failures.as_ref().map_or(at, |failures| at.max(failures.not_before));
        let sooner = at < self.due;
        self.due_at_latest(at);
        sooner
    }

    fn spaced(&self, at: Instant) -> Instant {
        self.started.map_or(at, |started| at.max(started + self.spacing))
    }
}

const SPACING: Duration = Duration::from_secs(1);
/// Sessions look as short as this if the local clock is ahead of an STS that sends no `Date`.
const SHORT: Duration = Duration::from_secs(30);
/// After so many short sessions in a row, exchanges are at least `SHORT` apart.
const SHORT_IN_A_ROW: u32 = 3;
/// Shortest time before the next attempt after a session that was not taken.
const AFTER_SHORTER: Duration = Duration::from_secs(30);
/// IAM is eventually consistent. A waiting caller gets the denial after this many retries.
const NEW_ROLE_TRIES: u32 = 3;
/// A proxy's error page may be gone in a moment.
const UNCLEAR_TRIES: u32 = 2;
/// Time between two exchanges that callers caused. It doubles while the exchanges fail.
const REQUEST_SPACING: Duration = Duration::from_secs(10);
const REQUEST_SPACING_CAP: Duration = Duration::from_secs(60);
/// The tokens of a whole cluster may change together.
const SPREAD_OF_ROTATION: Duration = Duration::from_secs(2);
/// A clock that is set all the time must not cause a storm.
const CLOCK_SPACING: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest number in `[0, 1)`, nearly.
    const TOP: f64 = 0.999_999_999;
    const HOUR: Duration = secs(3600);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule(now: Instant) -> Schedule {
        Schedule::new(0.60..=0.75, now)
    }

    fn session(since: Instant, lifetime: Duration) -> Session {
        Session { since, lifetime, dated: true }
    }

    /// A schedule with credentials since `now`.
    fn fresh(now: Instant, lifetime: Duration) -> Schedule {
        let mut schedule = schedule(now);
        schedule.attempt_started(now);
        assert!(schedule.succeeded(session(now, lifetime), true, 0.0));
        schedule
    }

    fn failing(now: Instant, class: Class) -> Schedule {
        let mut schedule = schedule(now);
        schedule.attempt_started(now);
        schedule.failed(class, None, now, TOP);
        schedule
    }

    /// In milliseconds, rounded.
    fn ms(duration: Duration) -> u128 {
        (duration + Duration::from_micros(500)).as_millis()
    }

    #[test]
    fn p4_refresh_point_is_drawn_from_window() {
        let now = Instant::now();
        assert_eq!(ms(fresh(now, HOUR).due() - now), 2_160_000);
        let mut schedule = fresh(now, HOUR);
        schedule.succeeded(session(now, HOUR), true, TOP);
        assert_eq!(ms(schedule.due() - now), 2_700_000);
    }

    #[test]
    fn new_role_is_tried_often_for_minutes() {
        let start = Instant::now();
        let (mut now, mut schedule) = (start, schedule(start));
        let mut waits = Vec::new();
        for attempt in 1..=16 {
            schedule.attempt_started(now);
            let class = schedule.failed(Class::NotYetKnown, None, now, TOP);
            assert_eq!(class, if attempt <= 3 { Class::Outage } else { Class::Misconfigured }, "{attempt}");
            assert_eq!(schedule.run_started().is_some(), attempt <= 3, "callers get the error of the fourth attempt");
            let due = schedule.due();
            schedule.caller_waits(now);
            let on_demand = attempt > 14;
            assert_eq!(schedule.due() < due, on_demand, "attempt {attempt}: a caller changes nothing");
            assert_eq!(schedule.denial_stands(now), attempt > 3);
            waits.push(ms(due - now).div_ceil(1000));
            now = due;
        }
        let even = [30; 9];
        assert_eq!(waits[..5], [1, 2, 4, 8, 16]);
        assert_eq!(waits[5..14], even);
        assert_eq!(waits[14..], [300, 300]);
    }

    #[test]
    fn denial_after_success_is_no_new_role() {
        let now = Instant::now();
        let mut schedule = fresh(now, HOUR);
        assert_eq!(schedule.failed(Class::NotYetKnown, None, now, TOP), Class::Misconfigured);
        assert_eq!(ms(schedule.due() - now), 30_000);
    }

    #[test]
    fn unclear_answer_is_outage_twice() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        let mut classes = || schedule.failed(Class::Unclear, None, now, TOP);
        assert_eq!([classes(), classes(), classes()], [Class::Outage, Class::Outage, Class::Misconfigured]);
        schedule.failed(Class::Outage, None, now, TOP);
        let mut classes = || schedule.failed(Class::Unclear, None, now, TOP);
        assert_eq!([classes(), classes(), classes()], [Class::Outage, Class::Outage, Class::Misconfigured], "anew");
        assert_eq!(schedule.failures(), 7);
    }

    #[test]
    fn long_outage_causes_fewer_calls() {
        let start = Instant::now();
        let mut schedule = schedule(start);
        schedule.failed(Class::Outage, None, start, TOP);
        for _ in 0..10 {
            schedule.failed(Class::Outage, None, start + secs(299), TOP);
        }
        assert_eq!(ms(schedule.due() - start), 309_000);
        schedule.failed(Class::Outage, None, start + secs(300), TOP);
        assert_eq!(ms(schedule.due() - start), 324_000);
    }

    #[test]
    fn caller_brings_probe_forward_once() {
        let now = Instant::now();
        let mut schedule = failing(now, Class::BadInput);
        assert_eq!(ms(schedule.due() - now), 60_000);
        for second in 1..10 {
            schedule.caller_waits(now + secs(second));
            assert_eq!(ms(schedule.due() - now), 30_000);
        }
    }

    #[test]
    fn caller_brings_denied_attempt_forward() {
        let now = Instant::now();
        let mut schedule = failing(now, Class::Misconfigured);
        assert!(schedule.denial_stands(now + Duration::from_millis(900)));
        schedule.caller_waits(now + Duration::from_millis(900));
        assert_eq!(ms(schedule.due() - now), 1000);
        assert_eq!(schedule.run_started(), None, "this caller gets the error");
        assert!(!schedule.denial_stands(now + secs(1)));
    }

    #[test]
    fn error_before_expiry_does_not_stand_after_it() {
        let now = Instant::now();
        let mut schedule = fresh(now, secs(10));
        schedule.failed(Class::Misconfigured, None, now + secs(9), TOP);
        assert!(!schedule.denial_stands(now + secs(9)));
    }

    #[test]
    fn caller_waits_out_outage_and_throttling() {
        let now = Instant::now();
        for class in [Class::Outage, Class::Throttled] {
            let mut schedule = failing(now, class);
            let due = schedule.due();
            schedule.caller_waits(now);
            assert_eq!(schedule.due(), due, "{class:?}");
        }
    }

    #[test]
    fn retry_after_is_kept() {
        let start = Instant::now();
        for class in
            [Class::Outage, Class::Throttled, Class::Misconfigured, Class::BadInput, Class::Unclear, Class::NotYetKnown]
        {
            let mut schedule = fresh(start, HOUR);
            schedule.failed(class, Some(secs(200)), start, 0.0);
            let now = start + secs(10);
            schedule.refresh_requested(now, 0.0);
            schedule.longer_requested(now, 0.0);
            schedule.clock_jumped(now);
            schedule.rejected(1, now, 0.0);
            assert_eq!(ms(schedule.due() - start), 200_000, "{class:?}");

            let mut schedule = self::schedule(start);
            schedule.failed(class, Some(secs(200)), start, 0.0);
            schedule.caller_waits(start + secs(10));
            assert_eq!(ms(schedule.due() - start), 60_000, "{class:?}");
        }
    }

    #[test]
    fn throttled_retry_delay_is_kept() {
        let now = Instant::now();
        let mut schedule = fresh(now, HOUR);
        schedule.failed(Class::Throttled, None, now, TOP);
        let due = schedule.due();
        schedule.refresh_requested(now, 0.0);
        schedule.longer_requested(now, 0.0);
        schedule.clock_jumped(now);
        schedule.rejected(1, now, 0.0);
        schedule.changed(Change::Content, false, now, 0.0);
        assert_eq!(schedule.due(), due);
        assert!(schedule.throttled(now) && !schedule.throttled(due));
        schedule.changed(Change::Identity, false, now, 0.0);
        assert!(schedule.due() < due, "another identity causes an attempt");
    }

    /// The seconds of the attempts, if `request` is called each second and all attempts fail.
    fn requested(schedule: &mut Schedule, start: Instant, request: impl Fn(&mut Schedule, Instant)) -> Vec<u64> {
        let mut attempts = Vec::new();
        for second in 0..300 {
            let now = start + secs(second);
            if schedule.due() <= now {
                attempts.push(second);
                schedule.attempt_started(now);
                schedule.failed(Class::Misconfigured, None, now, TOP);
            }
            request(schedule, now);
        }
        attempts
    }

    #[test]
    fn requests_in_outage_back_off() {
        let start = Instant::now();
        let expected = [51, 60, 80, 120, 180, 240];
        for longer in [false, true] {
            let mut schedule = fresh(start, 12 * HOUR);
            for _ in 0..10 {
                schedule.failed(Class::Misconfigured, None, start, TOP);
            }
            let attempts = requested(&mut schedule, start + secs(50), |schedule, now| {
                if longer { schedule.longer_requested(now, 0.0) } else { schedule.refresh_requested(now, 0.0) }
            });
            assert_eq!(attempts.iter().map(|second| second + 50).collect::<Vec<_>>()[..6], expected);
        }
    }

    #[test]
    fn delay_between_requests_has_jitter() {
        let now = Instant::now();
        let mut schedule = fresh(now, HOUR);
        schedule.longer_requested(now + secs(5), TOP);
        assert_eq!(schedule.next_request.map(|at| ms(at - now)), Some(17_500));
    }

    #[test]
    fn requests_of_one_moment_count_once() {
        let now = Instant::now();
        for mut schedule in [fresh(now, HOUR), failing(now, Class::Misconfigured)] {
            for _ in 0..3 {
                schedule.refresh_requested(now + secs(5), 0.0);
            }
            assert_eq!(schedule.next_request, Some(now + secs(15)));
        }
    }

    #[test]
    fn request_without_failures_acts_at_once() {
        let start = Instant::now();
        let mut schedule = fresh(start, HOUR);
        for second in 1..5 {
            let now = start + secs(second);
            schedule.refresh_requested(now, 0.0);
            assert_eq!(schedule.due(), now);
            schedule.attempt_started(now);
            schedule.succeeded(session(now, HOUR), true, 0.0);
        }
        schedule.longer_requested(start + secs(5), 0.0);
        assert_eq!(schedule.due(), start + secs(14), "10 s after the last request");
    }

    #[test]
    fn rejections_spread_over_five_seconds() {
        let now = Instant::now() + secs(60);
        for (random, expected) in [(0.0, 0), (0.5, 2500), (TOP, 5000)] {
            let mut schedule = fresh(now - secs(60), HOUR);
            schedule.rejected(1, now, random);
            assert_eq!(ms(schedule.due() - now), expected);
            schedule.rejected(1, now, 0.0);
            assert_eq!(ms(schedule.due() - now), expected, "drawn once");
            assert!(schedule.was_rejected(1) && !schedule.was_rejected(2));
        }
    }

    #[test]
    fn longer_session_stays() {
        let start = Instant::now();
        let now = start + secs(1800);
        for (random, expected) in [(0.0, 1080), (TOP, 1350)] {
            let mut schedule = fresh(start, HOUR);
            schedule.attempt_started(now);
            assert!(!schedule.succeeded(session(now, secs(900)), true, random));
            assert_eq!(schedule.remaining(now), secs(1800));
            assert_eq!(ms(schedule.due() - now), expected * 1000, "by what remains");
            assert_eq!(schedule.failing(), None);
        }
        assert!(fresh(start, HOUR).succeeded(session(now, secs(1801)), true, 0.0), "this one lives longer");
        assert!(fresh(start, HOUR).succeeded(session(now, secs(1800)), true, 0.0), "as long");
        assert!(fresh(start, HOUR).succeeded(session(now, secs(900)), false, 0.0), "the same key is news of its end");
    }

    #[test]
    fn session_not_taken_is_not_repeated_at_once() {
        let start = Instant::now();
        for (lifetime, expected) in [(44, 30_000), (20, 15_000), (100, 60_000)] {
            let mut schedule = fresh(start, secs(lifetime));
            assert!(!schedule.succeeded(session(start, secs(lifetime - 1)), true, 0.0));
            assert_eq!(ms(schedule.due() - start), expected);
        }
    }

    #[test]
    fn shorter_session_replaces_unwanted_credentials() {
        let now = Instant::now();
        let mut rejected = fresh(now, HOUR);
        rejected.rejected(1, now, 0.0);
        let mut foreign = fresh(now, HOUR);
        foreign.changed(Change::Identity, false, now, 0.0);
        for mut schedule in [rejected, foreign] {
            assert!(schedule.succeeded(session(now, secs(900)), true, 0.0));
            assert!(!schedule.succeeded(session(now, secs(800)), true, 0.0), "the reason is gone");
        }
        let mut rotated = fresh(now, HOUR);
        rotated.changed(Change::Content, false, now, 0.0);
        assert!(!rotated.succeeded(session(now, secs(900)), true, 0.0));
    }

    /// Starts of exchanges, in ms, that all give such a session.
    fn renewals(lifetime: u64, dated: bool, other_key: bool, random: f64) -> Vec<u128> {
        let start = Instant::now();
        let mut schedule = schedule(start);
        let mut starts = Vec::new();
        for _ in 0..5 {
            let now = schedule.due();
            starts.push(ms(now - start));
            schedule.attempt_started(now);
            schedule.succeeded(Session { since: now, lifetime: secs(lifetime), dated }, other_key, random);
            // Somebody always wants something.
            schedule.refresh_requested(now, 0.0);
        }
        starts
    }

    #[test]
    fn doubtful_short_sessions_are_no_storm() {
        assert_eq!(renewals(29, false, true, 0.0), [0, 1000, 2000, 32_000, 62_000]);
        assert_eq!(renewals(29, false, true, TOP), [0, 1000, 2000, 39_500, 77_000]);
        let at_will = [0, 1000, 2000, 3000, 4000];
        assert_eq!(renewals(30, false, true, 0.0), at_will, "long enough");
        assert_eq!(renewals(2, true, true, 0.0), at_will, "the server's clock says so");
        assert_eq!(renewals(2, false, false, 0.0), at_will, "a cache gives the same again");
    }

    #[test]
    fn rotation_is_spread_over_two_seconds() {
        let now = Instant::now();
        for (callers, expected) in [(false, 2000), (true, 0)] {
            let mut schedule = failing(now - secs(5), Class::Misconfigured);
            schedule.changed(Change::Content, callers, now, TOP);
            assert_eq!(ms(schedule.due() - now), expected);
        }
        let mut schedule = fresh(now - secs(5), secs(6));
        schedule.failed(Class::Misconfigured, None, now - secs(5), TOP);
        schedule.changed(Change::Content, false, now, TOP);
        assert_eq!(ms(schedule.due() - now), 1000, "before the expiry");
    }

    #[test]
    fn changed_source_is_asked_once_at_once() {
        let now = Instant::now();
        let mut schedule = failing(now, Class::BadInput);
        schedule.changed(Change::Content, true, now, TOP);
        assert_eq!(schedule.due(), now);
        schedule.attempt_started(now);
        schedule.failed(Class::BadInput, None, now, TOP);
        schedule.changed(Change::Content, true, now, TOP);
        assert_eq!(schedule.due(), now + secs(1));
    }

    #[test]
    fn clock_causes_one_attempt_per_five_minutes() {
        let start = Instant::now();
        let mut schedule = fresh(start, 12 * HOUR);
        let mut jumps = Vec::new();
        for second in 1..=700 {
            let now = start + secs(second);
            schedule.clock_jumped(now);
            if schedule.due() <= now {
                jumps.push(second);
                schedule.attempt_started(now);
                schedule.succeeded(session(now, 12 * HOUR), true, 0.0);
            }
        }
        assert_eq!(jumps, [1, 301, 601]);
    }

    #[test]
    fn suspend_ends_a_row_of_rejections() {
        let start = Instant::now() + secs(100_000);
        let mut schedule = fresh(start, 12 * HOUR);
        let now = start + secs(60);
        for generation in 1..=6 {
            schedule.rejected(generation, now, 0.0);
        }
        schedule.attempt_started(now);
        schedule.succeeded(session(now, 12 * HOUR), true, 0.0);
        schedule.suspended(HOUR, now);
        schedule.rejected(7, now, 0.0);
        assert_eq!(schedule.due(), now, "the last rejection was an hour ago");
    }

    #[test]
    fn sleep_shortens_all_that_was_ahead() {
        let start = Instant::now() + secs(100_000);
        let now = start + secs(60);
        let mut schedule = fresh(start, HOUR);
        schedule.longer_requested(start + secs(20), 0.0);
        schedule.attempt_started(start + secs(20));
        schedule.clock_jumped(start + secs(20));
        schedule.failed(Class::BadInput, None, start + secs(20), TOP);
        schedule.suspended(secs(2), now);
        assert_eq!(ms(schedule.due() - start), 78_000);
        assert_eq!(ms(schedule.remaining(now)), 3_538_000);
        assert_eq!(schedule.started, Some(start + secs(18)));
        assert_eq!(schedule.next_request, Some(start + secs(28)));
        let failures = schedule.failures.as_ref().unwrap();
        assert_eq!((failures.since, failures.not_before), (start + secs(18), start + secs(18)));
        assert_eq!(ms(failures.for_callers - start), 48_000);
        schedule.suspended(2 * HOUR, now);
        assert_eq!((schedule.due(), schedule.valid(now)), (now, false));
        assert_eq!(schedule.validity().unwrap().deadline, start + HOUR - secs(2) - 2 * HOUR, "long ago");

        let mut schedule = fresh(start, 12 * HOUR);
        schedule.clock_jumped(start + secs(10));
        schedule.succeeded(session(start + secs(10), 12 * HOUR), true, 0.0);
        schedule.suspended(secs(300), start + secs(20));
        schedule.clock_jumped(start + secs(20));
        assert_eq!(schedule.due(), start + secs(20), "five minutes have passed");
    }
}
