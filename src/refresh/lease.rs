//! The numbered lease that says who the task is, and all that the task does to the state.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use super::clock::{Drift, Reading, Session};
use super::events::{self, Ended, Expired, Renewed};
use super::slot::Snapshot;
use super::source::{Attempt, Change, Class, Failure, Grant};
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
        let drift = shared.check_clocks(&mut state, &reading);
        let due = state.schedule.due();
        let attempt = Attempt { usable: state.schedule.usable(now) };
        if due <= now {
            state.schedule.attempt_started(now);
            state.task.attempting = true;
        }
        let mut until = due.min(now + HEARTBEAT);
        if state.schedule.usable(now) {
            // The end of the credentials is told when it comes.
            until = state.schedule.validity().map_or(until, |validity| until.min(validity.deadline));
        }
        let (number, generation) = (state.schedule.failures().saturating_add(1), state.generation);
        let expired = expired(&mut state, now);
        let standing = shared.observer.as_ref().map(|_| shared.standing_of(&state, &reading));
        drop(state);
        shared.tell(drift);
        if let Some(expired) = expired {
            expired.tell(&shared.subject);
        }
        if let Some(standing) = standing {
            shared.observe(|observer| observer.stands(&standing));
        }
        if due > now {
            return Step::Wait(until);
        }
        shared.news.send_replace(());
        Step::Attempt(attempt, events::exchange(&shared.subject, number, generation))
    }

    /// The task still moves, in the middle of an attempt. Gives the time of the next beat.
    pub(super) fn beat(&self) -> Instant {
        let reading = self.shared.clock.read();
        let mut state = self.shared.lock();
        let (mut drift, mut ended) = (Drift::None, None);
        if state.task.lease == self.number {
            state.task.beat = reading.mono;
            drift = self.shared.check_clocks(&mut state, &reading);
            ended = expired(&mut state, reading.mono);
        }
        let pause = if state.callers() { HEARTBEAT_WITH_CALLERS } else { HEARTBEAT };
        drop(state);
        self.shared.tell(drift);
        if let Some(expired) = ended {
            expired.tell(&self.shared.subject);
        }
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
        let drift = shared.check_clocks(&mut state, &reading);
        let ended = match outcome.and_then(|grant| Ok((session_of(&shared.subject, &grant, &sent, &reading)?, grant))) {
            Ok((validity, grant)) => self.publish(&mut state, &reading, grant, validity),
            Err(failure) => self.failed(&mut state, &reading, failure),
        };
        drop(state);
        shared.news.send_replace(());
        shared.tell(drift);
        if let Ended::Renewed(Renewed { generation, .. }) = &ended {
            // Another task's end may have been told before this one's.
            shared.generations.send_if_modified(|known| {
                let newer = *known < *generation;
                *known = (*generation).max(*known);
                newer
            });
        }
        ended.tell(&shared.subject);
        let took = reading.mono.saturating_duration_since(sent.mono);
        shared.observe(|observer| observer.exchanged(took, ended.error()));
    }

    fn publish(&self, state: &mut State, reading: &Reading, grant: Grant, session: Session) -> Ended {
        let shared = &*self.shared;
        let failures = state.schedule.failures();
        let access_key_id = grant.credentials.access_key_id();
        let present = shared.slot.load();
        let other_key = present.as_ref().is_none_or(|snapshot| snapshot.access_key_id() != access_key_id);
        let taken = state.schedule.succeeded(session, other_key, fastrand::f64());
        let failing = state.telling.succeeded(reading.mono);
        state.failure = None;
        state.endpoint.clone_from(&grant.principal.endpoint);
        let next = state.schedule.due().saturating_duration_since(reading.mono);
        let mut renewed = Renewed {
            generation: state.generation,
            other_key: false,
            lifetime: session.lifetime,
            next,
            principal: Arc::new(grant.principal),
            failures,
            failing,
        };
        if !taken {
            shared.republish(state, reading.mono);
            return Ended::Renewed(renewed);
        }
        state.anchor = *reading;
        if other_key {
            state.generation += 1;
            if state.issued.len() == ISSUED_KEPT {
                state.issued.pop_front();
            }
            state.issued.push_back(access_key_id.to_owned());
        }
        (renewed.generation, renewed.other_key) = (state.generation, other_key);
        let deadline = session.since + session.lifetime;
        let expiry = reading.wall_at(deadline);
        let principal = Arc::clone(&renewed.principal);
        let (generation, lifetime) = (state.generation, session.lifetime);
        let snapshot = Snapshot::new(grant.credentials, principal, generation, lifetime, deadline, expiry);
        shared.slot.store(snapshot);
        shared.republish(state, reading.mono);
        Ended::Renewed(renewed)
    }

    fn failed(&self, state: &mut State, reading: &Reading, failure: Failure) -> Ended {
        let now = reading.mono;
        let class = state.schedule.failed(failure.class, failure.retry_after, now, fastrand::f64());
        let error = failure.error;
        state.failure = Some(Failed { at: now, class, error: error.clone() });
        if let Some(endpoint) = error.endpoint() {
            state.endpoint = Some(endpoint.to_owned());
        }
        self.shared.republish(state, now);
        let valid = state.schedule.remaining(now);
        let validity = state.schedule.validity().map(|validity| (valid, validity.lifetime));
        Ended::Failed(events::Failed {
            loudness: state.telling.failed(error.kind(), class, validity, now),
            error,
            failures: state.schedule.failures(),
            next: state.schedule.due().saturating_duration_since(now),
            valid,
            generation: state.generation,
        })
    }
}

/// What the task is to do next.
pub(super) enum Step {
    /// Somebody else is the task now.
    Leave,
    /// In this span.
    Attempt(Attempt, Span),
    Wait(Instant),
}

impl Drop for Lease {
    fn drop(&mut self) {
        let shared = &*self.shared;
        let now = shared.clock.now();
        // The time source is somebody else's code: not called under the lock, nor by a panic that may be its own.
        let observed = shared.observer.is_some() && !std::thread::panicking();
        let reading = observed.then(|| shared.clock.read());
        let mut state = shared.lock();
        let mut standing = None;
        if state.task.lease == self.number {
            state.task.alive = false;
            state.task.attempting = false;
            // Only a panic can end it otherwise than by its runtime or by our wish.
            if std::thread::panicking() {
                state.task.lost = Some(now);
            }
            shared.republish(&state, now);
            standing = reading.map(|reading| shared.standing_of(&state, &reading));
        }
        drop(state);
        if let Some(standing) = standing {
            shared.observe(|observer| observer.stands(&standing));
        }
        // Another task may be asleep on the permit that this one took.
        shared.wake.notify_one();
        shared.news.send_replace(());
    }
}

/// What is to be told, once, of credentials that have ended.
fn expired(state: &mut State, now: Instant) -> Option<Expired> {
    let ended = state.generation > 0 && !state.schedule.usable(now) && state.telling.expired();
    ended.then(|| Expired {
        generation: state.generation,
        failures: state.schedule.failures(),
        error: state.failure.as_ref().map(|failed| failed.error.clone()),
    })
}

/// When the credentials are valid.
fn session_of(subject: &str, grant: &Grant, sent: &Reading, reading: &Reading) -> Result<Session, Failure> {
    reading
        .session(sent, grant.expiration, grant.date, grant.requested)
        .filter(|session| session.since + session.lifetime > reading.mono)
        .ok_or_else(|| no_session(subject, grant))
}

fn no_session(subject: &str, grant: &Grant) -> Failure {
    let endpoint = grant.principal.endpoint.as_deref();
    let from = endpoint.map_or_else(String::new, |endpoint| format!(" from {endpoint}"));
    let what = format!("the credentials that came{from} for {subject} had expired on arrival");
    let error = Error::new(ErrorKind::Unexpected, what)
        .with_hint("compare the clocks of this machine and of the STS endpoint")
        .with_transient(true)
        .with_endpoint(endpoint.map(str::to_owned));
    Failure { class: Class::Transient, error, retry_after: None }
}

/// The clocks are compared at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A task that is driven shows it well before it counts as stalled with callers.
const HEARTBEAT_WITH_CALLERS: Duration = Duration::from_millis(500);
/// A cache in front of us may give back a key that it pinned generations ago.
const ISSUED_KEPT: usize = 256;
