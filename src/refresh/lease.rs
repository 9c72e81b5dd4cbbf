//! The numbered lease that says who the task is, and what the task does to the shared state.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::clock::{Drift, Reading, lifetime};
use super::slot::Snapshot;
use super::source::{Change, Class, Failure, Grant};
use super::state::{Failed, Shared, State};
use crate::error::{Error, ErrorKind};

/// Who the task is. It moves into the task's future before that is spawned, so that whatever becomes of the future, its
/// `Drop` tells.
pub(super) struct Lease {
    shared: Arc<Shared>,
    number: u64,
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether another task has taken over.
    pub(super) fn superseded(&self) -> bool {
        self.shared.lock().task.lease != self.number
    }

    /// Looks at the clocks and says what to do.
    pub(super) fn step(&self) -> Step {
        let shared = &*self.shared;
        let reading = shared.clock.read();
        let now = reading.mono;
        let mut state = shared.lock();
        if state.task.lease != self.number {
            return Step::Leave;
        }
        state.task.beat = now;
        self.check_clocks(&mut state, &reading);
        if state.schedule.due() > now {
            return Step::Wait(state.schedule.due().min(now + HEARTBEAT));
        }
        state.schedule.attempt_started(now);
        state.task.attempting = true;
        drop(state);
        shared.news.send_replace(());
        Step::Attempt
    }

    /// The task still moves, in the middle of an attempt. Gives the time of the next beat.
    pub(super) fn beat(&self) -> Instant {
        let reading = self.shared.clock.read();
        let mut state = self.shared.lock();
        if state.task.lease == self.number {
            state.task.beat = reading.mono;
            self.check_clocks(&mut state, &reading);
        }
        let pause = if state.callers() { HEARTBEAT_WITH_CALLERS } else { HEARTBEAT };
        reading.mono + pause
    }

    /// What a fetch rests on changed.
    pub(super) fn changed(&self, change: Change) {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let mut state = shared.lock();
        let callers = state.callers();
        state.schedule.changed(change, callers, now, fastrand::f64());
    }

    /// The attempt that was sent at `sent` ended.
    pub(super) fn finished(&self, sent: Reading, outcome: Result<Grant, Failure>) {
        let shared = &*self.shared;
        let reading = shared.clock.read();
        let mut state = shared.lock();
        if state.task.lease != self.number {
            return;
        }
        state.task.attempting = false;
        state.task.beat = reading.mono;
        state.attempts += 1;
        let outcome = outcome.and_then(|grant| {
            let lifetime = lifetime(grant.expiration, grant.date, reading.wall, grant.requested)
                .ok_or_else(|| expired_on_arrival(&shared.subject, grant.principal.endpoint.as_deref()))?;
            // The answer may be from before a sleep.
            let slept = if let Drift::Suspended(by) = reading.since(&sent) { by } else { Duration::ZERO };
            Ok((grant, lifetime.saturating_sub(slept)))
        });
        match outcome {
            Ok((grant, lifetime)) => self.publish(&mut state, sent, &reading, grant, lifetime),
            Err(failure) => self.failed(&mut state, &reading, failure),
        }
        drop(state);
        shared.news.send_replace(());
    }

    fn publish(&self, state: &mut State, sent: Reading, reading: &Reading, grant: Grant, lifetime: Duration) {
        let shared = &*self.shared;
        let failures = state.schedule.failures();
        state.schedule.succeeded(sent.mono, lifetime, fastrand::f64());
        state.failure = None;
        state.anchor = *reading;

        let access_key_id = grant.credentials.access_key_id();
        let renewed = shared.slot.load().is_none_or(|snapshot| snapshot.access_key_id() != access_key_id);
        if renewed {
            state.generation += 1;
            if state.issued.len() == ISSUED_KEPT {
                state.issued.pop_front();
            }
            state.issued.push_back(access_key_id.to_owned());
        }
        let deadline = sent.mono + lifetime;
        let expiry = reading.wall_at(deadline);
        let snapshot =
            Snapshot::new(grant.credentials, Arc::new(grant.principal), state.generation, lifetime, deadline, expiry);
        shared.slot.store(snapshot);
        self.shared.recalm(state);
        shared.generations.send_if_modified(|known| std::mem::replace(known, state.generation) != state.generation);
        tracing::info!(
            subject = %shared.subject,
            generation = state.generation,
            lifetime_seconds = lifetime.as_secs(),
            failures_before = failures,
            "credentials renewed"
        );
    }

    fn failed(&self, state: &mut State, reading: &Reading, failure: Failure) {
        let shared = &*self.shared;
        let now = reading.mono;
        let callers = state.callers();
        let class = state.schedule.failed(failure.class, failure.retry_after, callers, now, fastrand::f64());
        let next = state.schedule.due().saturating_duration_since(now);
        let valid = state.schedule.remaining(now);
        tracing::warn!(
            subject = %shared.subject,
            kind = ?failure.error.kind(),
            failures = state.schedule.failures(),
            next_attempt_seconds = next.as_secs_f64(),
            valid_seconds = valid.as_secs(),
            error = %failure.error,
            "credentials could not be renewed"
        );
        state.failure = Some(Failed { at: now, class, error: failure.error });
        shared.republish(state, now);
    }

    /// Compares the clocks with what they showed when the expiry was worked out.
    fn check_clocks(&self, state: &mut State, reading: &Reading) {
        let shared = &*self.shared;
        let drift = reading.since(&state.anchor);
        if drift == Drift::None {
            return;
        }
        state.anchor = *reading;
        match drift {
            Drift::Suspended(by) => {
                tracing::info!(subject = %shared.subject, seconds = by.as_secs(), "the machine was suspended; checking the credentials");
                state.schedule.slept(by, reading.mono);
                state.schedule.clock_jumped(reading.mono);
            }
            Drift::Ahead => {
                tracing::info!(subject = %shared.subject, "the clock was set ahead; checking the credentials");
                state.schedule.clock_jumped(reading.mono);
            }
            Drift::Behind | Drift::None => {}
        }
        if let (Some(snapshot), Some(validity)) = (shared.slot.load(), state.schedule.validity()) {
            shared.slot.store(snapshot.showing(validity.deadline, reading.wall_at(validity.deadline)));
            shared.republish(state, reading.mono);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let mut state = shared.lock();
        if state.task.lease == self.number {
            state.task.alive = false;
            if state.task.attempting {
                state.task.attempting = false;
                state.schedule.attempt_lost(now);
            }
            // Only a panic can end it otherwise than by its runtime or by our wish.
            if std::thread::panicking() {
                state.task.lost = Some(now);
            }
            shared.republish(&state, now);
        }
        drop(state);
        // Another task may be asleep on the permit that this one took.
        shared.wake.notify_one();
        shared.news.send_replace(());
    }
}

fn expired_on_arrival(subject: &str, endpoint: Option<&str>) -> Failure {
    let from = endpoint.map_or_else(String::new, |endpoint| format!(" from {endpoint}"));
    let message = format!("the credentials that came{from} for {subject} had expired on arrival");
    let error = Error::new(ErrorKind::Unexpected, message)
        .with_hint("compare the clocks of this machine and of the STS endpoint")
        .with_transient(true);
    Failure { class: Class::Transient, error, retry_after: None }
}

/// What the task is to do next.
pub(super) enum Step {
    /// Somebody else is the task now.
    Leave,
    Attempt,
    Wait(Instant),
}

/// The clocks are compared at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A task that is driven shows it well within `STALLED_WITH_CALLERS`.
const HEARTBEAT_WITH_CALLERS: Duration = Duration::from_millis(500);
/// A cache in front of us may give back a key that it pinned generations ago.
const ISSUED_KEPT: usize = 256;
