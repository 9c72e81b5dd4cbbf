//! Those who have nothing usable, or want something newer: join the flight, until when, and what they get.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::clock::Reading;
use super::slot::Lent;
use super::source::Class;
use super::state::{Shared, State};
use super::supervisor::Supervisor;
use crate::error::{Error, ErrorKind};

/// What a caller waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// Anything usable, for `wait_timeout`.
    Usable,
    /// Anything usable, without limit.
    Ready,
    /// Credentials of a later exchange than those of now.
    Newer,
    /// Credentials that are valid for at least this long.
    Lasting(Duration),
}

impl Supervisor {
    /// Waits until the need is met, or its flight says that it will not be.
    ///
    /// Cancel safe: dropping the future leaves the flight under way.
    pub(super) async fn wait_for<T>(&self, need: Need, take: impl Fn(&Lent) -> T) -> Result<T, Error> {
        let shared = self.shared();
        let mut news = shared.news.subscribe();
        let mut caller = Caller::join(shared, need, shared.clock.read());
        loop {
            news.mark_unchanged();
            self.ensure_task();
            let until = match caller.verdict(&take) {
                Verdict::Done(outcome) => return outcome,
                Verdict::Wait(until) => until,
            };
            if tokio::runtime::Handle::try_current().is_err() {
                return Err(no_runtime());
            }
            // Looking again in between finds a task whose runtime stands still.
            let until = until.min(shared.clock.now() + LOOK_AGAIN);
            tokio::select! {
                biased;
                () = shared.closed.cancelled() => {}
                _ = news.changed() => {}
                () = sleep_until(until) => {}
            }
        }
    }
}

/// How often a waiter sees for itself whether the task still moves.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// One who waits; counted as waiting for as long as it lives.
struct Caller<'a> {
    shared: &'a Shared,
    need: Need,
    joined: Instant,
    /// The attempt whose end answers a wish for something newer.
    attempt: u64,
    /// The wish was made.
    asked: bool,
}

enum Verdict<T> {
    Done(Result<T, Error>),
    Wait(Instant),
}

impl<'a> Caller<'a> {
    fn join(shared: &'a Shared, need: Need, reading: Reading) -> Self {
        let joined = reading.mono;
        let mut state = shared.lock();
        // After a suspend a caller may be here before the task: what it is told must not be from before.
        let drift = shared.check_clocks(&mut state, &reading);
        if state.waiting == 0 {
            state.waiting_since = joined;
        }
        state.waiting += 1;
        let attempt = state.attempts + 1;
        drop(state);
        if shared.tell(drift) {
            shared.wake.notify_one();
        }
        Self { shared, need, joined, attempt, asked: false }
    }

    fn verdict<T>(&mut self, take: impl Fn(&Lent) -> T) -> Verdict<T> {
        let shared = self.shared;
        let now = shared.clock.now();
        let mut state = shared.lock();
        if let Some(snapshot) = shared.slot.load()
            && now < snapshot.readable_until
            && self.met_by(&snapshot, &state, now)
        {
            return Verdict::Done(Ok(take(&snapshot)));
        }
        if shared.closed.is_cancelled() {
            return Verdict::Done(Err(Error::closed()));
        }
        let due = state.schedule.due();
        let until = if state.schedule.usable(now) {
            self.with_usable(&mut state, now)
        } else {
            self.with_nothing(&mut state, now)
        };
        if state.schedule.due() < due {
            // Reads are to see that the attempt is overdue, should the task not take it up.
            shared.republish(&state, now);
        }
        drop(state);
        shared.wake.notify_one();
        until.map_or_else(|error| Verdict::Done(Err(error)), Verdict::Wait)
    }

    fn met_by(&self, snapshot: &Lent, state: &State, now: Instant) -> bool {
        let valid = now < snapshot.deadline;
        match self.need {
            Need::Usable => true,
            Need::Ready => valid,
            Need::Newer => valid && state.attempts >= self.attempt && state.failure.is_none(),
            Need::Lasting(at_least) => snapshot.deadline.saturating_duration_since(now) >= at_least && valid,
        }
    }

    /// There are usable credentials, but this caller wants others: the next attempt answers it, good or bad.
    fn with_usable(&mut self, state: &mut State, now: Instant) -> Result<Instant, Error> {
        if let Need::Lasting(at_least) = self.need {
            let lifetime = state.schedule.validity().map_or(Duration::ZERO, |validity| validity.lifetime);
            if at_least > lifetime.mul_f64(LASTING_SHARE) {
                return Err(never_that_long(at_least, lifetime));
            }
        }
        if state.attempts >= self.attempt
            && let Some(failed) = state.failure.as_ref().filter(|failed| failed.at >= self.joined)
        {
            return Err(failed.error.clone());
        }
        if matches!(self.need, Need::Lasting(_)) {
            state.schedule.longer_requested(now, fastrand::f64());
        } else if !self.asked {
            state.schedule.requested(now, fastrand::f64());
        }
        self.asked = true;
        let limit = self.joined + self.shared.policy.wait_timeout;
        if now >= limit || (state.schedule.throttled(now) && state.schedule.due() >= limit) {
            return Err(self.nothing_newer(state, now));
        }
        Ok(limit)
    }

    fn with_nothing(&mut self, state: &mut State, now: Instant) -> Result<Instant, Error> {
        let wait_timeout = self.shared.policy.wait_timeout;
        let last = state.failure.clone().filter(|failed| now.duration_since(failed.at) < ERROR_AGE);
        // A flight that ended while this caller was in it, or whose end still stands.
        if let Some(failed) = last.as_ref().filter(|failed| failed.class == Class::Config) {
            let stands = state.schedule.error_stands(now) && !matches!(self.need, Need::Newer);
            if failed.at >= self.joined || stands {
                return Err(failed.error.clone());
            }
        }
        if matches!(self.need, Need::Newer) && !self.asked {
            state.schedule.requested(now, fastrand::f64());
        }
        self.asked = true;
        state.schedule.wanted(now);
        if matches!(self.need, Need::Ready) {
            return Ok(now + LOOK_AGAIN);
        }
        let flight_limit = state.schedule.flight().unwrap_or(now) + wait_timeout;
        if now < flight_limit {
            return Ok(flight_limit);
        }
        if let Some(failed) = last {
            return Err(failed.error);
        }
        // The last error is too old to be handed out: wait for a fresh one, though not for ever.
        let own_limit = self.joined + wait_timeout;
        if now < own_limit { Ok(own_limit) } else { Err(self.nothing_newer(state, now)) }
    }

    /// Made anew, so that it is never older than the moment; what went before is its source.
    fn nothing_newer(&self, state: &State, now: Instant) -> Error {
        let subject = &self.shared.subject;
        let next = state.schedule.due().saturating_duration_since(now).as_secs();
        let error = if state.schedule.throttled(now) {
            Error::new(
                ErrorKind::Throttled,
                format!("credentials for {subject} are not renewed before {next} s from now"),
            )
            .with_hint("the server asked for fewer calls; what is valid stays in use")
        } else {
            let waited = now.duration_since(self.joined).as_secs();
            let wanted = match self.need {
                Need::Usable | Need::Ready => "credentials",
                Need::Newer => "newer credentials",
                Need::Lasting(_) => "credentials that last longer",
            };
            Error::new(ErrorKind::TimedOut, format!("no {wanted} for {subject} came within {waited} s"))
        };
        match &state.failure {
            Some(failed) => error.with_source(failed.error.clone()),
            None => error.with_hint("no attempt was answered yet: can the STS endpoint be reached from here?"),
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiting -= 1;
    }
}

/// No caller gets an older error (P5).
const ERROR_AGE: Duration = Duration::from_secs(30);
/// More of a lifetime than this no refresh can be relied on to give.
const LASTING_SHARE: f64 = 0.9;

fn never_that_long(at_least: Duration, lifetime: Duration) -> Error {
    Error::new(
        ErrorKind::InvalidConfiguration,
        format!(
            "credentials valid for {} s were asked for, but a session lasts {} s",
            at_least.as_secs(),
            lifetime.as_secs()
        ),
    )
    .with_hint(format!(
        "ask for at most {} s, or raise session_length together with the role's MaxSessionDuration",
        lifetime.mul_f64(LASTING_SHARE).as_secs()
    ))
}

fn no_runtime() -> Error {
    Error::new(ErrorKind::InvalidConfiguration, "there are no usable credentials, and no Tokio runtime to get some")
        .with_hint("call this inside a Tokio runtime, or `connect()` in one first")
}
