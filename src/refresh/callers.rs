//! Callers who wait: what each gets, and for how long it waits.
//!
//! **D. A caller never owns an exchange.** The task makes all exchanges. A caller only waits, so it shares the outcome with
//! all others, and dropping its future cancels nothing. If a caller drove the exchange, its cancelled request would throw an
//! answer of STS away.
//!
//! **E. The task wakes all callers**, for news and for their deadlines. A timer on the caller's side would need a Tokio runtime
//! there; without a timer, a wait works in any executor. A caller subscribes to the news before it looks at the state. If it
//! looked first, it could miss the news in between and sleep for ever.

use std::mem;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::Instant;

use super::clock::{ClockReading, Drift};
use super::handle::EngineHandle;
use super::schedule::Schedule;
use super::snapshot::Snapshot;
use super::source::Class;
use super::state::SharedState;
use super::telemetry;
use crate::error::{Error, ErrorKind, in_words};

/// The method that a caller awaits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Call {
    /// Credentials that a request may use now, within `wait_timeout`.
    Credentials,
    /// Valid credentials, without a time limit.
    Ready,
    /// Credentials of a later exchange than the present ones.
    Refresh,
    /// Credentials that are valid for at least this long.
    ValidFor(Duration),
}

impl EngineHandle {
    /// Waits until the caller gets its credentials or an error.
    ///
    /// Cancel safe: dropping the future leaves the exchange under way.
    pub(super) async fn wait_for<T>(&self, call: Call, take: impl Fn(&Snapshot) -> T) -> Result<T, Error> {
        let shared = self.shared();
        let mut news = shared.news.subscribe();
        let mut waiting = Waiting::join(shared, call, &shared.clock.read());
        loop {
            if let Some(outcome) = waiting.outcome(&take, || self.obstacle()) {
                return outcome;
            }
            self.ensure_task()?;
            tokio::select! {
                biased;
                () = shared.closed.cancelled() => {}
                _ = news.changed() => {}
            }
        }
    }
}

/// A caller, counted as waiting until the drop.
struct Waiting<'a> {
    shared: &'a SharedState,
    caller: Caller,
}

impl<'a> Waiting<'a> {
    fn join(shared: &'a SharedState, call: Call, reading: &ClockReading) -> Self {
        let (drift, attempt) = shared.locked(|state| {
            // After a suspend, a caller may run before the task. It must not get an error from before the suspend.
            let drift = state.check_clocks(reading);
            state.waiting += 1;
            (drift, state.schedule.attempts_ended() + 1)
        });
        let waiting = Self { shared, caller: Caller { call, joined: reading.mono, attempt, asked: false } };
        telemetry::drifted(&shared.subject, drift);
        if drift != Drift::None {
            shared.wake.send_replace(());
        }
        waiting
    }

    /// The caller's credentials or error. `None`: it goes on waiting.
    fn outcome<T>(
        &mut self,
        take: impl Fn(&Snapshot) -> T,
        obstacle: impl FnOnce() -> Option<Error>,
    ) -> Option<Result<T, Error>> {
        let Self { shared, caller } = self;
        let now = shared.clock.now();
        let looked = shared.locked(|state| {
            if let Some(snapshot) = &*shared.published.load()
                && now < snapshot.times().readable_until
                && caller.served(snapshot.times().deadline, &state.schedule, now)
            {
                return ControlFlow::Break(Ok(take(snapshot)));
            }
            if shared.closed.is_cancelled() {
                return ControlFlow::Break(Err(shared.closed_error()));
            }
            let before = (state.schedule.due(), state.wake_at);
            let verdict = caller.verdict(&mut state.schedule, shared.wait_timeout, now, fastrand::f64());
            if let Verdict::Wait(until) = verdict {
                state.wake_at = [state.wake_at, until].into_iter().flatten().min();
            }
            let sooner = before != (state.schedule.due(), state.wake_at);
            let throttled_for = state.schedule.throttled(now).then(|| state.schedule.due() - now);
            let next_in = (!state.attempting).then(|| state.schedule.due().saturating_duration_since(now));
            ControlFlow::Continue((verdict, sooner, state.last_error.clone(), next_in, throttled_for))
        });
        let (verdict, sooner, last_error, next_in, throttled_for) = match looked {
            ControlFlow::Break(outcome) => return Some(outcome),
            ControlFlow::Continue(looked) => looked,
        };
        if sooner {
            shared.wake.send_replace(());
        }
        Some(Err(match (verdict, last_error) {
            (Verdict::Wait(_), _) => return None,
            (Verdict::LastError, Some(error)) => error,
            (Verdict::NeverThatLong { at_least, lifetime, most }, _) => {
                never_that_long(&shared.subject, at_least, lifetime, most)
            }
            (Verdict::TimedOut | Verdict::LastError, failure) => {
                // The last failure explains a retry delay, but not an attempt under way.
                let failure = failure.filter(|_| next_in.is_some());
                self.timed_out(now, throttled_for, next_in, obstacle().or(failure))
            }
        }))
    }

    /// An error made now, so that it is never out of date. `next_in`: the time to the next attempt, unless one is under way.
    fn timed_out(
        &self,
        now: Instant,
        throttled_for: Option<Duration>,
        next_in: Option<Duration>,
        cause: Option<Error>,
    ) -> Error {
        let subject = &self.shared.subject;
        let (error, remedy) = if let Some(wait) = throttled_for {
            let message = format!("no new credentials for {subject} can come in the next {}", in_words(wait));
            let remedy = "STS or the provider throttles calls. Start fewer pods at once. Valid credentials stay in use";
            (Error::new(ErrorKind::Throttled, message), remedy.to_owned())
        } else {
            let wanted = match self.caller.call {
                Call::Credentials | Call::Ready => "credentials",
                Call::Refresh => "newer credentials",
                Call::ValidFor(_) => "credentials that last longer",
            };
            let waited = in_words(now.duration_since(self.caller.joined));
            let message = format!("no {wanted} for {subject} came within {waited}");
            let remedy = match next_in.filter(|wait| !wait.is_zero()) {
                Some(wait) => {
                    format!("the next attempt starts in {}. Call again then, or raise wait_timeout", in_words(wait))
                }
                None => "an attempt is still under way. Check that this machine can reach its endpoint (DNS, network \
                         policy, proxy). If the endpoint is only slow, raise wait_timeout"
                    .to_owned(),
            };
            (Error::new(ErrorKind::TimedOut, message), remedy)
        };
        match cause {
            Some(cause) => error.with_remedy(cause.remedy().unwrap_or(&remedy).to_owned()).with_source(cause),
            None => error.with_remedy(remedy),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.locked(|state| state.waiting -= 1);
    }
}

fn never_that_long(subject: &str, at_least: Duration, lifetime: Duration, most: Duration) -> Error {
    let (at_least, lifetime) = (in_words(at_least), in_words(lifetime));
    let message = format!("credentials of {subject} valid for {at_least} were asked for, but new ones last {lifetime}");
    Error::new(ErrorKind::InvalidConfiguration, message).with_remedy(format!(
        "ask for at most {}, or get longer sessions: raise session_length where the builder has it, and the role's \
         MaxSessionDuration",
        in_words(most)
    ))
}

/// The facts about one caller that its verdict depends on.
#[derive(Debug)]
struct Caller {
    call: Call,
    joined: Instant,
    /// Number of the attempt whose end answers a call for newer credentials.
    attempt: u64,
    /// The schedule knows of this call.
    asked: bool,
}

/// The answer to a caller who does not get credentials now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// It waits for news, until this time at most.
    Wait(Option<Instant>),
    /// It gets the error of the last attempt.
    LastError,
    /// It gets an error that says how long it waited.
    TimedOut,
    /// It gets an error, since no refresh gives credentials that last `at_least`. `most` is the most to ask for.
    NeverThatLong { at_least: Duration, lifetime: Duration, most: Duration },
}

impl Caller {
    /// True if readable credentials that end at `deadline` are what the caller wants.
    fn served(&self, deadline: Instant, schedule: &Schedule, now: Instant) -> bool {
        match self.call {
            Call::Credentials => true,
            Call::Ready => now < deadline,
            Call::Refresh => {
                now < deadline && schedule.attempts_ended() >= self.attempt && schedule.last_failure().is_none()
            }
            Call::ValidFor(at_least) => now < deadline && deadline - now >= at_least,
        }
    }

    /// Decides what the caller gets, and tells the schedule what the caller waits for.
    fn verdict(&mut self, schedule: &mut Schedule, wait_timeout: Duration, now: Instant, random: f64) -> Verdict {
        let own_limit = self.joined + wait_timeout;
        // STS throttles, and its delay outlasts this caller.
        let throttled_too_long = schedule.throttled(now) && schedule.due() >= own_limit;
        let first = !mem::replace(&mut self.asked, true);
        if schedule.valid(now) {
            // The caller wants other credentials than the present ones. The next attempt answers, with credentials or an error.
            let answered = schedule.attempts_ended() >= self.attempt;
            if answered && schedule.last_failure().is_some_and(|(at, _)| at >= self.joined) {
                return Verdict::LastError;
            }
            if let (Call::ValidFor(at_least), Some(validity)) = (self.call, schedule.validity()) {
                let (lifetime, most) = (validity.lifetime, validity.lifetime.mul_f64(LASTING_SHARE));
                // If a cache gave these credentials, only an exchange shows how long new ones last.
                if at_least > most && (validity.dated || answered) {
                    return Verdict::NeverThatLong { at_least, lifetime, most };
                }
            }
            if matches!(self.call, Call::ValidFor(_)) {
                schedule.longer_requested(now, random);
            } else if first {
                schedule.refresh_requested(now, random);
            }
            return if now >= own_limit || throttled_too_long {
                Verdict::TimedOut
            } else {
                Verdict::Wait(Some(own_limit))
            };
        }
        let recent = schedule.last_failure().filter(|(at, _)| now.duration_since(*at) < ERROR_AGE);
        if let Some((at, Class::Misconfigured)) = recent
            && (at >= self.joined || (schedule.denial_stands(now) && self.call != Call::Refresh))
        {
            return Verdict::LastError;
        }
        if self.call == Call::Refresh && first {
            schedule.refresh_requested(now, random);
        }
        schedule.caller_waits(now);
        // The callers of one run of attempts share its time. A caller who came before the expiry, and so before the run, has
        // no more time than its own.
        let limit = own_limit.min(schedule.run_started().unwrap_or(now) + wait_timeout);
        match recent {
            _ if self.call == Call::Ready => Verdict::Wait(None),
            _ if now < limit => Verdict::Wait(Some(limit)),
            Some(_) => Verdict::LastError,
            // The last error is too old. The caller waits for a new one, until its own limit.
            None if now < own_limit && !throttled_too_long => Verdict::Wait(Some(own_limit)),
            None => Verdict::TimedOut,
        }
    }
}

/// No caller gets an older error, except as the cause of a new one.
const ERROR_AGE: Duration = Duration::from_secs(30);
/// The most that `valid_for` may ask for, as a share of the session's lifetime.
const LASTING_SHARE: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::clock::Session;

    const LIMIT: Duration = secs(30);
    const LIFETIME: Duration = secs(1000);
    const MS: Duration = Duration::from_millis(1);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A schedule without credentials, with an attempt that started at `now`.
    fn empty(now: Instant) -> Schedule {
        let mut schedule = Schedule::new(0.60..=0.75, now);
        schedule.attempt_started(now);
        schedule
    }

    fn fresh(now: Instant) -> Schedule {
        let mut schedule = empty(now);
        schedule.succeeded(Session { since: now, lifetime: LIFETIME, dated: true }, true, 0.0);
        schedule
    }

    /// Fails this many times at `now`, each with the longest retry delay.
    fn fail(schedule: &mut Schedule, class: Class, times: u32, now: Instant) {
        for _ in 0..times {
            schedule.failed(class, None, now, 0.999_999_999);
        }
    }

    fn joined(call: Call, joined: Instant, schedule: &Schedule) -> Caller {
        Caller { call, joined, attempt: schedule.attempts_ended() + 1, asked: false }
    }

    fn verdict(caller: &mut Caller, schedule: &mut Schedule, now: Instant) -> Verdict {
        caller.verdict(schedule, LIMIT, now, 0.0)
    }

    /// The verdict for a caller who comes at `now`.
    fn newcomer(call: Call, schedule: &mut Schedule, now: Instant) -> Verdict {
        verdict(&mut joined(call, now, schedule), schedule, now)
    }

    #[test]
    fn credentials_serve_a_call_until_they_expire() {
        let now = Instant::now();
        let (schedule, deadline) = (fresh(now), now + LIFETIME);
        let served =
            |call, attempt, now| Caller { call, joined: now, attempt, asked: false }.served(deadline, &schedule, now);
        assert!(served(Call::Credentials, 9, deadline + secs(1)), "the policy decides about expired credentials");
        for call in [Call::Ready, Call::Refresh, Call::ValidFor(Duration::ZERO)] {
            assert!(served(call, 1, deadline - MS), "{call:?}");
            assert!(!served(call, 1, deadline), "{call:?}");
            assert!(!served(call, 1, deadline + MS), "{call:?}");
        }
        assert!(served(Call::ValidFor(secs(600)), 9, deadline - secs(600)));
        assert!(!served(Call::ValidFor(secs(600) + MS), 1, deadline - secs(600)));
        assert!(!served(Call::Refresh, 2, now), "its attempt has not ended");
    }

    #[test]
    fn failed_attempt_gives_nothing_newer() {
        let now = Instant::now();
        let mut schedule = fresh(now);
        fail(&mut schedule, Class::Outage, 1, now);
        let caller = Caller { call: Call::Refresh, joined: now, attempt: 2, asked: true };
        assert!(!caller.served(now + LIFETIME, &schedule, now));
    }

    #[test]
    fn refresh_call_is_heard_once() {
        let start = Instant::now();
        let now = start + secs(100);
        for (mut schedule, later) in [(fresh(start), secs(500)), (outage(start, now), secs(8))] {
            let before = schedule.due();
            let mut caller = joined(Call::Refresh, now, &schedule);
            caller.asked = true;
            verdict(&mut caller, &mut schedule, now);
            assert_eq!((schedule.due(), before >= now + later), (before, true));
            assert_eq!(newcomer(Call::Refresh, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
            assert_eq!(schedule.due(), now, "at once");
        }
    }

    /// An outage since `start` with nothing valid, whose last attempt failed at `now`.
    fn outage(start: Instant, now: Instant) -> Schedule {
        let mut schedule = empty(start);
        fail(&mut schedule, Class::Misconfigured, 1, start);
        fail(&mut schedule, Class::Outage, 9, now);
        schedule
    }

    #[test]
    fn caller_does_not_shorten_an_outage() {
        let start = Instant::now();
        let now = start + secs(100);
        let mut schedule = outage(start, now);
        let before = schedule.due();
        assert_eq!(newcomer(Call::Credentials, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
        assert_eq!(schedule.due(), before);
    }

    #[test]
    fn nine_tenths_of_a_lifetime_are_possible() {
        let start = Instant::now();
        let now = start + secs(200);
        let most = secs(900);
        let mut schedule = fresh(start);
        let verdict = newcomer(Call::ValidFor(most + MS), &mut schedule, now);
        assert_eq!(verdict, Verdict::NeverThatLong { at_least: most + MS, lifetime: LIFETIME, most });
        assert_eq!(schedule.due(), start + secs(600), "it causes no attempt");
        assert_eq!(newcomer(Call::ValidFor(most), &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
        assert_eq!(schedule.due(), now);
    }

    #[test]
    fn own_attempt_answers_a_call() {
        let start = Instant::now();
        for call in [Call::Refresh, Call::ValidFor(secs(900))] {
            let mut schedule = fresh(start);
            fail(&mut schedule, Class::Outage, 1, start);
            let mut caller = joined(call, start, &schedule);
            let waits = Verdict::Wait(Some(start + LIMIT));
            assert_eq!(verdict(&mut caller, &mut schedule, start), waits, "the error is of an earlier attempt");
            assert_eq!(verdict(&mut caller, &mut schedule, start + LIMIT - MS), waits);
            assert_eq!(verdict(&mut caller, &mut schedule, start + LIMIT), Verdict::TimedOut);
            fail(&mut schedule, Class::Outage, 1, start + secs(5));
            assert_eq!(verdict(&mut caller, &mut schedule, start + secs(5)), Verdict::LastError);
        }
    }

    #[test]
    fn call_that_throttling_outlasts_ends_at_once() {
        let now = Instant::now();
        for (asked, expected) in [(29, Verdict::Wait(Some(now + LIMIT))), (30, Verdict::TimedOut)] {
            let mut schedule = fresh(now);
            schedule.failed(Class::Throttled, Some(secs(asked)), now, 0.0);
            assert_eq!(schedule.due(), now + secs(asked));
            assert_eq!(newcomer(Call::Refresh, &mut schedule, now), expected);
        }
    }

    #[test]
    fn denial_is_returned_for_thirty_seconds() {
        let start = Instant::now();
        let mut schedule = empty(start);
        schedule.failed(Class::Misconfigured, Some(secs(60)), start, 0.0);
        let mut first = joined(Call::Credentials, start, &schedule);
        for now in [start, start + secs(30) - MS] {
            assert_eq!(verdict(&mut first, &mut schedule, now), Verdict::LastError);
            assert_eq!(newcomer(Call::Credentials, &mut schedule, now), Verdict::LastError);
            assert_eq!(newcomer(Call::Ready, &mut schedule, now), Verdict::LastError);
        }
        let now = start + secs(30);
        assert_eq!(newcomer(Call::Credentials, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
    }

    #[test]
    fn older_denial_does_not_answer_refresh() {
        let start = Instant::now();
        let mut schedule = empty(start);
        let mut before = joined(Call::Refresh, start, &schedule);
        fail(&mut schedule, Class::Misconfigured, 1, start + secs(1));
        let now = start + secs(1) + MS;
        assert_eq!(verdict(&mut before, &mut schedule, now), Verdict::LastError);
        assert_eq!(newcomer(Call::Refresh, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
    }

    #[test]
    fn old_denial_is_tried_again() {
        let start = Instant::now();
        let mut schedule = empty(start);
        let mut before = joined(Call::Credentials, start, &schedule);
        fail(&mut schedule, Class::Misconfigured, 1, start);
        let now = start + secs(2);
        assert_eq!(verdict(&mut before, &mut schedule, now), Verdict::LastError, "its own attempt");
        assert_eq!(newcomer(Call::Credentials, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
    }

    #[test]
    fn callers_share_the_time_of_attempts() {
        let start = Instant::now();
        let (mut schedule, end) = (empty(start), start + LIMIT);
        for now in [start, end - MS] {
            assert_eq!(newcomer(Call::Credentials, &mut schedule, now), Verdict::Wait(Some(end)));
        }
        fail(&mut schedule, Class::Outage, 1, end - secs(1));
        assert_eq!(newcomer(Call::Credentials, &mut schedule, end - MS), Verdict::Wait(Some(end)));
        for now in [end, end + MS] {
            assert_eq!(newcomer(Call::Credentials, &mut schedule, now), Verdict::LastError);
            assert_eq!(newcomer(Call::Ready, &mut schedule, now), Verdict::Wait(None), "ready() has no limit");
        }
    }

    #[test]
    fn expiry_during_a_wait_does_not_lengthen_it() {
        let joined_at = Instant::now() + LIFETIME - secs(20);
        let mut schedule = fresh(joined_at + secs(20) - LIFETIME);
        for call in [Call::Refresh, Call::ValidFor(secs(800))] {
            let mut caller = joined(call, joined_at, &schedule);
            assert_eq!(
                verdict(&mut caller, &mut schedule, joined_at),
                Verdict::Wait(Some(joined_at + LIMIT)),
                "{call:?}"
            );
            schedule.attempt_started(joined_at + secs(2));
            let expired = joined_at + secs(21);
            assert_eq!(
                verdict(&mut caller, &mut schedule, expired),
                Verdict::Wait(Some(joined_at + LIMIT)),
                "{call:?}"
            );
            assert_eq!(verdict(&mut caller, &mut schedule, joined_at + LIMIT), Verdict::TimedOut, "{call:?}");
            schedule = fresh(joined_at + secs(20) - LIFETIME);
        }
    }

    #[test]
    fn caller_without_error_waits_its_own_time() {
        let start = Instant::now();
        let mut schedule = empty(start);
        let mut caller = joined(Call::Credentials, start + secs(10), &schedule);
        let end = start + secs(40);
        for now in [start + LIMIT, end - MS] {
            assert_eq!(verdict(&mut caller, &mut schedule, now), Verdict::Wait(Some(end)));
        }
        for now in [end, end + MS] {
            assert_eq!(verdict(&mut caller, &mut schedule, now), Verdict::TimedOut);
        }
    }

    #[test]
    fn caller_that_throttling_outlasts_ends_at_once() {
        let start = Instant::now();
        let now = start + secs(30);
        for (asked, expected) in [(59, Verdict::Wait(Some(now + LIMIT))), (60, Verdict::TimedOut)] {
            let mut schedule = empty(start);
            schedule.failed(Class::Throttled, Some(secs(asked)), start, 0.0);
            assert_eq!(schedule.due(), start + secs(asked));
            assert_eq!(newcomer(Call::Credentials, &mut schedule, now), expected);
        }
    }
}
