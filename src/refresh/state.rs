//! What handles and task share: the state under its lock, and the numbered lease that says who the task is.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Drift, Reading};
use super::schedule::{Hold, Schedule};
use super::slot::{Slot, Snapshot};
use super::source::{Change, Class, Failure, Grant};
use crate::error::{Error, ErrorKind};

/// How the engine behaves, as the builder set it.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Where in a lifetime the refresh starts, as fractions.
    pub(crate) refresh_window: RangeInclusive<f64>,
    /// How long a caller with nothing usable waits.
    pub(crate) wait_timeout: Duration,
    pub(crate) expired: ExpiredPolicy,
}

/// What a caller gets once the credentials have expired because they could not be renewed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExpiredPolicy {
    /// It waits for the attempt under way and then gets its error: the root cause.
    #[default]
    Never,
    /// The expired credentials, at once: as long as the failures are an outage or throttling, until a service rejects
    /// them, and for at most min(lifetime, 1 h).
    ///
    /// For those who run with the [interceptor](crate::WebIdentityCredentialsProvider::interceptor): without it no
    /// rejection is heard.
    UntilRejected,
}

/// Where a provider stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Shut down, whatever is still readable.
    Closed,
    /// There never were any credentials.
    Empty,
    /// There were some, none is usable.
    Expired,
    /// Usable, and the last attempt succeeded.
    Fresh,
    /// Usable, and being renewed.
    Refreshing,
    /// Usable, though the last attempt failed.
    Stale,
}

/// How the engine stands at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) phase: Phase,
    pub(crate) generation: u64,
    pub(crate) expiry: Option<SystemTime>,
    pub(crate) next_attempt: Option<SystemTime>,
    pub(crate) consecutive_failures: u32,
    pub(crate) last_error: Option<Error>,
}

/// What the handles and the task share.
pub(super) struct Shared {
    pub(super) slot: Slot,
    pub(super) clock: Clock,
    pub(super) policy: Policy,
    /// Whose credentials these are.
    pub(super) subject: String,
    pub(super) closed: CancellationToken,
    /// Wakes the task.
    pub(super) wake: Notify,
    /// Wakes those who wait: something in the state changed.
    pub(super) news: watch::Sender<()>,
    pub(super) generations: watch::Sender<u64>,
    state: Mutex<State>,
}

/// What changes, under the lock. Reads with usable credentials never take it.
pub(super) struct State {
    pub(super) schedule: Schedule,
    pub(super) task: Task,
    pub(super) generation: u64,
    /// Attempts that ended, and how the last failure ended its attempt.
    pub(super) attempts: u64,
    pub(super) failure: Option<Failed>,
    /// Callers that have nothing usable, and since when there is at least one.
    pub(super) waiting: u32,
    pub(super) waiting_since: Instant,
    /// Access keys that this provider gave out, the newest last.
    issued: VecDeque<String>,
    /// The clocks when the shown expiry was last worked out.
    anchor: Reading,
}

/// Who the task is, and whether it still moves.
pub(super) struct Task {
    lease: u64,
    alive: bool,
    /// When it last turned its loop.
    beat: Instant,
    attempting: bool,
    /// When a task was last lost without being told to end.
    lost: Option<Instant>,
}

/// The last failure.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) at: Instant,
    /// The class that it counts as.
    pub(super) class: Class,
    pub(super) error: Error,
}

/// What the task is to do next.
pub(super) enum Step {
    /// Somebody else is the task now.
    Leave,
    Attempt,
    Wait(Instant),
}

impl Shared {
    pub(super) fn new(policy: Policy, clock: Clock, subject: String, closed: CancellationToken) -> Self {
        let anchor = clock.read();
        let now = anchor.mono;
        let schedule = Schedule::new(policy.refresh_window.clone(), policy.wait_timeout, now);
        let task = Task { lease: 0, alive: false, beat: now, attempting: false, lost: None };
        Self {
            slot: Slot::new(),
            clock,
            policy,
            subject,
            closed,
            wake: Notify::new(),
            news: watch::Sender::new(()),
            generations: watch::Sender::new(0),
            state: Mutex::new(State {
                schedule,
                task,
                generation: 0,
                attempts: 0,
                failure: None,
                waiting: 0,
                waiting_since: now,
                issued: VecDeque::new(),
                anchor,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lease for a new task, if one is needed: there is none, or it does not move.
    pub(super) fn lease_if_needed(self: &Arc<Self>) -> Option<Lease> {
        if self.closed.is_cancelled() {
            return None;
        }
        let now = self.clock.now();
        let mut state = self.lock();
        if state.task.alive {
            if !state.stalled(now) {
                return None;
            }
            tracing::warn!(subject = %self.subject, "the refresh task does not move; replacing it");
        }
        // A task that dies at once, whatever the reason, must not be spawned by each read anew.
        if state.task.lost.is_some_and(|lost| now.duration_since(lost) < RESPAWN_SPACING) {
            return None;
        }
        if state.task.attempting {
            state.schedule.attempt_lost(now);
        }
        let number = state.task.lease + 1;
        state.task = Task { lease: number, alive: true, beat: now, attempting: false, lost: None };
        self.recalm(&state);
        Some(Lease { shared: Arc::clone(self), number })
    }

    /// Whether a task is running or could still be.
    pub(super) fn task_alive(&self) -> bool {
        self.lock().task.alive
    }

    /// How the engine stands now.
    pub(super) fn standing(&self) -> Standing {
        let reading = self.clock.read();
        let now = reading.mono;
        let state = self.lock();
        let schedule = &state.schedule;
        let usable = schedule.usable(now);
        let phase = match (self.closed.is_cancelled(), usable) {
            (true, _) => Phase::Closed,
            (false, false) if state.generation == 0 => Phase::Empty,
            (false, false) => Phase::Expired,
            (false, true) if state.task.attempting => Phase::Refreshing,
            (false, true) if schedule.hold() == Hold::Fresh => Phase::Fresh,
            (false, true) => Phase::Stale,
        };
        Standing {
            phase,
            generation: state.generation,
            expiry: self.slot.load().map(|snapshot| snapshot.expiry),
            next_attempt: (state.task.alive && !self.closed.is_cancelled())
                .then(|| reading.wall_at(schedule.due().max(now))),
            consecutive_failures: schedule.failures(),
            last_error: state.failure.as_ref().map(|failed| failed.error.clone()),
        }
    }

    /// Whether this provider gave out the access key, not too long ago.
    pub(super) fn issued(&self, access_key_id: &str) -> bool {
        self.lock().issued.iter().any(|issued| issued == access_key_id)
    }

    /// A service refused this key. Of no consequence unless it is the present one, and has been for at least so long.
    pub(super) fn rejected(&self, access_key_id: &str, least_age: Duration) {
        let now = self.clock.now();
        let mut state = self.lock();
        let concerns = self.slot.load().is_some_and(|snapshot| {
            snapshot.access_key_id() == access_key_id && now + snapshot.lifetime >= snapshot.deadline + least_age
        });
        if !concerns {
            return;
        }
        let generation = state.generation;
        state.schedule.rejected(generation, now);
        self.republish(&state, now);
        drop(state);
        self.wake.notify_one();
    }

    /// Publishes how long the present snapshot is calm and readable, as the schedule has it now.
    fn republish(&self, state: &State, now: Instant) {
        let Some(snapshot) = self.slot.load() else { return };
        let mut snapshot = Snapshot::clone(&snapshot);
        snapshot.readable_until = self.readable_until(state, &snapshot);
        snapshot.calm = self.calm(state, &snapshot);
        if !state.task.alive {
            snapshot.calm = now;
        }
        self.slot.store(snapshot);
    }

    fn recalm(&self, state: &State) {
        self.republish(state, self.clock.now());
    }

    fn readable_until(&self, state: &State, snapshot: &Snapshot) -> Instant {
        let outage = matches!(state.schedule.hold(), Hold::Failed(Class::Transient | Class::Throttled));
        let served = self.policy.expired == ExpiredPolicy::UntilRejected
            && outage
            && !state.schedule.was_rejected(snapshot.generation);
        if served { snapshot.deadline + snapshot.lifetime.min(LONGEST_AFTER_EXPIRY) } else { snapshot.deadline }
    }

    fn calm(&self, state: &State, snapshot: &Snapshot) -> Instant {
        snapshot.deadline.min(state.schedule.due() + STALLED)
    }
}

impl State {
    /// Somebody waits with nothing usable.
    pub(super) fn callers(&self) -> bool {
        self.waiting > 0
    }

    /// A due attempt was not taken up, or is not driven on.
    fn stalled(&self, now: Instant) -> bool {
        let since = if self.task.attempting { self.task.beat } else { self.task.beat.max(self.schedule.due()) };
        if self.callers() && !self.schedule.usable(now) {
            now > since.max(self.waiting_since) + STALLED_WITH_CALLERS
        } else {
            now > since + STALLED
        }
    }
}

/// Who the task is. It moves into the task's future before that is spawned, so that whatever becomes of the future, its
/// `Drop` tells.
pub(super) struct Lease {
    shared: Arc<Shared>,
    number: u64,
}

impl Lease {
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
            let lifetime = super::clock::lifetime(grant.expiration, grant.date, reading.wall, grant.requested)
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

/// The clocks are compared at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A task that is driven shows it well within `STALLED_WITH_CALLERS`.
const HEARTBEAT_WITH_CALLERS: Duration = Duration::from_millis(500);
const STALLED: Duration = Duration::from_secs(60);
const STALLED_WITH_CALLERS: Duration = Duration::from_secs(2);
const RESPAWN_SPACING: Duration = Duration::from_secs(1);
const LONGEST_AFTER_EXPIRY: Duration = Duration::from_secs(3600);
/// A cache in front of us may give back a key that it pinned generations ago.
const ISSUED_KEPT: usize = 256;
