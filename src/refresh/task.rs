//! The task's hand on the state: what each turn of its loop and each end of an attempt does to it.

use std::process;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use super::clock::{Reading, Session};
use super::events::{self, Renewed};
use super::slot::Snapshot;
use super::source::{Attempt, Change, Class, Failure, Grant};
use super::standing::Phase;
use super::state::{Shared, State};
use crate::error::{Error, ErrorKind};

/// The one task of a provider. Its drop tells that the task is gone.
///
/// It moves into the task's future before that is handed to a runtime. So its drop tells also of a future that a runtime
/// dropped unfinished, or never polled.
pub(super) struct Task {
    shared: Arc<Shared>,
}

impl Task {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Looks at the clocks and tells what is due to be told. Gives the attempt to be made now, in its span, and when to look
    /// again.
    pub(super) fn step(&self) -> (Option<(Attempt, Span)>, Instant) {
        let shared = &*self.shared;
        let reading = shared.clock.read();
        let now = reading.mono;
        let mut state = shared.lock();
        let drift = shared.check_clocks(&mut state, &reading);
        let due = state.schedule.due();
        let usable = state.schedule.usable(now);
        let starts = !state.attempting && due <= now;
        if starts {
            state.schedule.attempt_started(now);
            state.attempting = true;
        }
        let standing = shared.standing_of(&state, &reading);
        let late_callers = state.wake_at.take_if(|at| *at <= now).is_some();
        let expired = standing.phase == Phase::Expired && state.telling.expired();
        // The end of the credentials is told when it comes.
        let ends = state.schedule.validity().filter(|_| usable).map(|validity| validity.deadline);
        let next = (!state.attempting).then_some(due);
        let until = [next, ends, state.wake_at].into_iter().flatten().fold(now + HEARTBEAT, Instant::min);
        drop(state);
        if starts || late_callers {
            shared.news.send_replace(standing.generation);
        }
        events::drifted(&shared.subject, drift);
        if expired {
            events::expired(&shared.subject, &standing);
        }
        shared.observe(|observer| observer.stands(&standing));
        (starts.then(|| (Attempt { usable }, events::exchange(&shared.subject, &standing))), until)
    }

    /// What a fetch rests on changed.
    pub(super) fn changed(&self, change: Change) {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        let callers = state.waiting > 0;
        state.schedule.changed(change, callers, now, fastrand::f64());
    }

    /// The attempt that was sent at `sent` ended.
    pub(super) fn finished(&self, sent: Reading, outcome: Result<Grant, Failure>) {
        let shared = &*self.shared;
        let reading = shared.clock.read();
        let mut state = shared.lock();
        state.attempting = false;
        let drift = shared.check_clocks(&mut state, &reading);
        let ended = outcome
            .and_then(|grant| Ok((session_of(&shared.subject, &grant, &sent, &reading)?, grant)))
            .map(|(session, grant)| shared.publish(&mut state, &reading, grant, session))
            .map_err(|failure| shared.failed(&mut state, reading.mono, failure));
        let standing = shared.standing_of(&state, &reading);
        drop(state);
        shared.news.send_replace(standing.generation);
        events::drifted(&shared.subject, drift);
        match ended {
            Ok(renewed) => renewed.tell(&shared.subject, &standing, reading.wall),
            Err(loud) => events::failed(&shared.subject, &standing, loud, reading.wall),
        }
        let took = reading.mono.saturating_duration_since(sent.mono);
        shared.observe(|observer| observer.exchanged(took, standing.last_error.as_ref()));
    }

    /// The attempt under way was lost to a panic.
    pub(super) fn attempt_lost(&self) {
        self.shared.lock().attempting = false;
    }
}

impl Shared {
    /// Makes this process's task the caller's to start. False: there is one, or there will be none.
    pub(super) fn claim_task(&self) -> bool {
        let here = Some(process::id());
        let mut state = self.lock();
        if self.closed.is_cancelled() || state.runs_in == here {
            return false;
        }
        // What a forked child inherits of its parent's task ends here.
        state.attempting = false;
        state.runs_in = here;
        true
    }

    /// The task that was claimed cannot be started: as good as an attempt that failed.
    pub(super) fn task_not_started(&self, error: &Error) {
        let reading = self.clock.read();
        let mut state = self.lock();
        state.runs_in = None;
        let failure = Failure { class: Class::Transient, error: error.clone(), retry_after: None };
        let due = state.schedule.due();
        let loud = self.failed(&mut state, reading.mono, failure);
        // Nothing was asked of anybody: the attempt is made as soon as the task can start.
        state.schedule.due_by(due);
        let standing = self.standing_of(&state, &reading);
        drop(state);
        self.news.send_replace(standing.generation);
        events::failed(&self.subject, &standing, loud, reading.wall);
    }

    /// Whether the task is there, in this process.
    pub(super) fn task_runs(&self) -> bool {
        self.lock().runs_in == Some(process::id())
    }

    fn publish(&self, state: &mut State, reading: &Reading, grant: Grant, session: Session) -> Renewed {
        let Grant { credentials, principal, .. } = grant;
        let access_key_id = credentials.access_key_id();
        let other_key = self.slot.load_full().is_none_or(|snapshot| snapshot.access_key_id() != access_key_id);
        let failures = state.schedule.failures();
        let taken = state.schedule.succeeded(session, other_key, fastrand::f64());
        let renewed = Renewed {
            taken,
            other_key,
            lifetime: session.lifetime,
            assumed_role_arn: principal.assumed_role_arn.clone(),
            failures,
            failing: state.telling.succeeded(reading.mono),
        };
        state.failure = None;
        state.endpoint.clone_from(&principal.endpoint);
        if !taken {
            self.republish(state);
            return renewed;
        }
        state.anchor = *reading;
        if other_key {
            state.generation += 1;
            if state.issued.len() == ISSUED_KEPT {
                state.issued.pop_front();
            }
            state.issued.push_back(access_key_id.to_owned());
        }
        let deadline = session.since + session.lifetime;
        let expiry = reading.wall_at(deadline);
        let principal = Arc::new(principal);
        let snapshot = Snapshot::new(credentials, principal, state.generation, session.lifetime, deadline, expiry);
        self.slot.store(Some(Arc::new(snapshot)));
        renewed
    }

    fn failed(&self, state: &mut State, now: Instant, failure: Failure) -> bool {
        let Failure { class, error, retry_after } = failure;
        let class = state.schedule.failed(class, retry_after, now, fastrand::f64());
        let validity = state.schedule.validity().map(|it| (state.schedule.remaining(now), it.lifetime));
        let loud = state.telling.failed(error.kind(), class, validity, now);
        if let Some(endpoint) = error.endpoint() {
            state.endpoint = Some(endpoint.to_owned());
        }
        state.failure = Some(error);
        self.republish(state);
        loud
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let shared = &*self.shared;
        if !shared.closed.is_cancelled() {
            // Nobody asked it to end: its runtime is gone, and no further attempt will be made.
            shared.lost.store(true, Ordering::Release);
            shared.closed.cancel();
        }
        let reading = shared.clock.read();
        let mut state = shared.lock();
        state.runs_in = None;
        state.attempting = false;
        let standing = shared.standing_of(&state, &reading);
        drop(state);
        shared.observe(|observer| observer.stands(&standing));
        shared.news.send_replace(standing.generation);
    }
}

/// When the credentials are valid.
fn session_of(subject: &str, grant: &Grant, sent: &Reading, reading: &Reading) -> Result<Session, Failure> {
    reading
        .session(sent, grant.expiration, grant.date, grant.requested)
        .filter(|session| session.since + session.lifetime > reading.mono)
        .ok_or_else(|| {
            let endpoint = grant.principal.endpoint.as_deref();
            let from = endpoint.map_or_else(String::new, |endpoint| format!(" from {endpoint}"));
            let what = format!("the credentials that came{from} for {subject} had expired on arrival");
            let error = Error::new(ErrorKind::Unexpected, what)
                .with_hint("compare the clock of this machine and that of the server with a time server. The exchange is tried again")
                .with_transient(true)
                .with_endpoint(endpoint.map(str::to_owned));
            Failure { class: Class::Transient, error, retry_after: None }
        })
}

/// The clocks are compared at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A cache in front of us may give back a key that it pinned generations ago.
const ISSUED_KEPT: usize = 256;
