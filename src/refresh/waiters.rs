//! Callers who wait: they sleep on a channel that the task wakes, for news and for their deadlines.
//!
//! So a wait works in any executor. It needs no timer, and no runtime, on the caller's side.

use std::time::Duration;

use tokio::time::Instant;

use super::clock::{Drift, Reading};
use super::demand::{Demand, Need, Verdict};
use super::events;
use super::slot::Snapshot;
use super::state::Shared;
use super::supervisor::Supervisor;
use crate::error::{Error, ErrorKind, in_words};

impl Supervisor {
    /// Waits until the need is met, or its run of attempts says that it will not be.
    ///
    /// Cancel safe: dropping the future leaves the exchange under way.
    pub(super) async fn wait_for<T>(&self, need: Need, take: impl Fn(&Snapshot) -> T) -> Result<T, Error> {
        let shared = self.shared();
        let mut news = shared.news.subscribe();
        let mut caller = Caller::join(shared, need, &shared.clock.read());
        loop {
            news.mark_unchanged();
            if let Some(outcome) = caller.outcome(&take, || self.obstacle()) {
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

/// One who waits; counted as waiting for as long as it lives.
struct Caller<'a> {
    shared: &'a Shared,
    demand: Demand,
}

impl<'a> Caller<'a> {
    fn join(shared: &'a Shared, need: Need, reading: &Reading) -> Self {
        let mut state = shared.lock();
        // After a suspend a caller may be here before the task: what it is told must not be from before.
        let drift = shared.check_clocks(&mut state, reading);
        state.waiting += 1;
        let attempt = state.schedule.ended() + 1;
        drop(state);
        let caller = Self { shared, demand: Demand { need, joined: reading.mono, attempt, asked: false } };
        events::drifted(&shared.subject, drift);
        if drift != Drift::None {
            shared.wake.send_replace(());
        }
        caller
    }

    /// What the caller gets, if that is known.
    fn outcome<T>(
        &mut self,
        take: impl Fn(&Snapshot) -> T,
        obstacle: impl FnOnce() -> Option<Error>,
    ) -> Option<Result<T, Error>> {
        let shared = self.shared;
        let now = shared.clock.now();
        let mut state = shared.lock();
        if let Some(snapshot) = shared.slot.load_full()
            && now < snapshot.readable_until
            && self.demand.met(snapshot.deadline, &state.schedule, now)
        {
            return Some(Ok(take(&snapshot)));
        }
        if shared.closed.is_cancelled() {
            return Some(Err(shared.closed_error()));
        }
        let before = (state.schedule.due(), state.wake_at);
        let verdict = self.demand.verdict(&mut state.schedule, shared.policy.wait_timeout, now, fastrand::f64());
        let failure = state.failure.clone();
        let throttled_for = state.schedule.throttled(now).then(|| state.schedule.due() - now);
        if let Verdict::Wait(until) = verdict {
            state.wake_at = [state.wake_at, until].into_iter().flatten().min();
        }
        let sooner = before != (state.schedule.due(), state.wake_at);
        drop(state);
        if sooner {
            shared.wake.send_replace(());
        }
        let error = match (verdict, failure) {
            (Verdict::Wait(_), _) => return None,
            (Verdict::LastError, Some(error)) => error,
            (Verdict::NeverThatLong { at_least, lifetime, most }, _) => never_that_long(at_least, lifetime, most),
            (Verdict::TimedOut | Verdict::LastError, failure) => {
                self.timed_out(now, throttled_for, obstacle().or(failure))
            }
        };
        Some(Err(error))
    }

    /// Made anew, so that it is never older than the moment.
    fn timed_out(&self, now: Instant, throttled_for: Option<Duration>, cause: Option<Error>) -> Error {
        let subject = &self.shared.subject;
        let (error, hint) = if let Some(wait) = throttled_for {
            let message = format!("credentials for {subject} are refreshed in {} at the earliest", in_words(wait));
            let hint = "the server asked for fewer calls. Start fewer pods at once. Valid credentials stay in use";
            (Error::new(ErrorKind::Throttled, message), hint)
        } else {
            let wanted = match self.demand.need {
                Need::Usable | Need::Ready => "credentials",
                Need::Newer => "newer credentials",
                Need::Lasting(_) => "credentials that last longer",
            };
            let waited = in_words(now.duration_since(self.demand.joined));
            let message = format!("no {wanted} for {subject} came within {waited}");
            let hint = "the first attempt is still under way. Check that its endpoint can be reached from here (DNS, network \
                        policy, proxy); raise wait_timeout if it is only slow";
            (Error::new(ErrorKind::TimedOut, message), hint)
        };
        match cause {
            Some(cause) => error.with_hint(cause.remedy().unwrap_or(hint).to_owned()).with_source(cause),
            None => error.with_hint(hint),
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiting -= 1;
    }
}

fn never_that_long(at_least: Duration, lifetime: Duration, most: Duration) -> Error {
    let (at_least, lifetime) = (in_words(at_least), in_words(lifetime));
    let message = format!("credentials valid for {at_least} were asked for, but a session lasts {lifetime}");
    Error::new(ErrorKind::InvalidConfiguration, message).with_hint(format!(
        "ask for at most {}, or raise session_length together with the role's MaxSessionDuration",
        in_words(most)
    ))
}
