//! The state that the handles, the callers and the task of one provider share.
//!
//! **B. The snapshot follows the state.** [`SharedState::locked`] is the only way to the state. Before it releases the lock,
//! it publishes a new snapshot if the state has changed. Credentials, identity, deadline and shown expiry are swapped
//! together. If they were set one by one, a request could be signed with new credentials under an old deadline. Only
//! [`State::succeeded`] sets credentials, so no failure replaces or hides valid ones.
//!
//! While a thread holds the state's lock, it awaits nothing, logs nothing, and takes no other lock of the engine. It calls no
//! foreign code (invariant H in [`panics`]).

use std::collections::VecDeque;
use std::process;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, ClockReading, Drift, Session};
use super::log_level::FailureLog;
use super::panics;
use super::policy::{ExpiredPolicy, Policy};
use super::schedule::Schedule;
use super::snapshot::{CurrentCredentials, Published, Times};
use super::source::{Attempt, Change, Class, Failure, Grant};
use super::status::{EngineStatus, Phase};
use super::telemetry::{self, Observer, Success};
use crate::error::Error;

/// The parts that need no lock, and the [`State`] behind its lock.
pub(super) struct SharedState {
    pub(super) clock: Clock,
    /// Longest wait of a caller without valid credentials.
    pub(super) wait_timeout: Duration,
    /// The role or provider that the credentials belong to, for logs and errors.
    pub(super) subject: String,
    pub(super) published: Published,
    pub(super) closed: CancellationToken,
    /// The provider was closed because the task's runtime is gone.
    pub(super) lost: AtomicBool,
    /// Wakes the task.
    pub(super) wake: watch::Sender<()>,
    /// Wakes the callers and the listeners. Carries the generation.
    pub(super) news: watch::Sender<u64>,
    observer: Option<Arc<dyn Observer>>,
    state: Mutex<State>,
}

/// The part behind the lock.
pub(super) struct State {
    pub(super) schedule: Schedule,
    /// The last failure since the last success.
    pub(super) last_error: Option<Error>,
    /// Number of callers who wait.
    pub(super) waiting: u32,
    /// Earliest deadline of the waiting callers.
    pub(super) wake_at: Option<Instant>,
    closed: CancellationToken,
    expired_policy: ExpiredPolicy,
    /// The credentials in use.
    current: Option<Arc<CurrentCredentials>>,
    /// The process that the task runs in. `None`: there is no task.
    runs_in: Option<u32>,
    /// An attempt is under way.
    pub(super) attempting: bool,
    failure_log: FailureLog,
    /// The endpoint that answered last.
    endpoint: Option<String>,
    /// Access keys that this provider gave out, the newest last.
    issued: VecDeque<String>,
    /// The clocks from which the shown expiry was computed.
    anchor: ClockReading,
}

impl SharedState {
    pub(super) fn new(policy: Policy, clock: Clock, subject: String, observer: Option<Arc<dyn Observer>>) -> Self {
        let anchor = clock.read();
        let closed = CancellationToken::new();
        let state = State {
            schedule: Schedule::new(policy.refresh_window, anchor.mono),
            last_error: None,
            waiting: 0,
            wake_at: None,
            closed: closed.clone(),
            expired_policy: policy.expired,
            current: None,
            runs_in: None,
            attempting: false,
            failure_log: FailureLog::default(),
            endpoint: None,
            issued: VecDeque::new(),
            anchor,
        };
        Self {
            clock,
            wait_timeout: policy.wait_timeout,
            subject,
            published: Published::default(),
            closed,
            lost: AtomicBool::new(false),
            wake: watch::Sender::new(()),
            news: watch::Sender::new(0),
            observer,
            state: Mutex::new(state),
        }
    }

    /// Calls `act` with the state. Publishes a snapshot of the outcome before the lock is released (invariant B).
    pub(super) fn locked<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = act(&mut state);
        if let (Some(current), Some(times)) = (&state.current, state.times()) {
            self.published.publish(current, times);
        }
        outcome
    }

    /// Calls the observer. Not under the lock.
    pub(super) fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            panics::ignored(|| tell(&**observer));
        }
    }

    /// Lets the caller start the task in this process. False: there is a task already, or the provider is closed.
    pub(super) fn claim_task(&self) -> bool {
        let here = Some(process::id());
        self.locked(|state| {
            if self.closed.is_cancelled() || state.runs_in == here {
                return false;
            }
            // A forked child inherits an attempt that its parent's task makes.
            state.attempting = false;
            state.runs_in = here;
            true
        })
    }

    /// The claimed task cannot be started. This counts as a failed attempt.
    pub(super) fn task_not_started(&self, error: &Error) {
        let reading = self.clock.read();
        let (warn, status) = self.locked(|state| {
            state.runs_in = None;
            let due = state.schedule.due();
            let failure = Failure { class: Class::Outage, error: error.clone(), retry_after: None };
            let warn = state.failed(failure, reading.mono);
            // No server was asked, so no retry delay is due: the next use tries again.
            state.schedule.due_at_latest(due);
            (warn, state.status(&reading))
        });
        self.news.send_replace(status.generation);
        telemetry::failed(&self.subject, warn, &status, reading.wall);
    }

    /// True if the task runs in this process.
    pub(super) fn task_runs(&self) -> bool {
        self.locked(|state| state.runs_in == Some(process::id()))
    }
}

/// The next step of the task.
pub(super) struct Step {
    /// An attempt to be made now.
    pub(super) attempt: Option<Attempt>,
    /// Callers wait for this step: an attempt starts, or their time is up.
    pub(super) news: bool,
    /// The credentials have just expired.
    pub(super) expired: bool,
    /// Time of the next step, if nothing happens before.
    pub(super) until: Instant,
}

impl State {
    pub(super) fn generation(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.generation)
    }

    /// Compares the clocks with the anchor, and moves the schedule's times by a suspend.
    pub(super) fn check_clocks(&mut self, reading: &ClockReading) -> Drift {
        let drift = reading.drift_since(&self.anchor);
        if drift != Drift::None {
            self.anchor = *reading;
            if let Drift::Suspended(by) = drift {
                self.schedule.suspended(by, reading.mono);
            }
            if drift != Drift::Behind {
                self.schedule.clock_jumped(reading.mono);
            }
        }
        drift
    }

    /// Starts an attempt if one is due.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        let due = self.schedule.due();
        let valid = self.schedule.valid(now);
        let starts = !self.attempting && due <= now;
        if starts {
            self.schedule.attempt_started(now);
            self.attempting = true;
        }
        let late_callers = self.wake_at.take_if(|at| *at <= now).is_some();
        // The log reports the expiry at once.
        let expiry = self.schedule.validity().filter(|_| valid).map(|validity| validity.deadline);
        let attempt = (!self.attempting).then_some(due);
        Step {
            attempt: starts.then_some(Attempt { valid }),
            news: starts || late_callers,
            expired: self.current.is_some() && !valid && self.failure_log.logs_expiry(),
            until: [attempt, expiry, self.wake_at].into_iter().flatten().fold(now + HEARTBEAT, Instant::min),
        }
    }

    /// The attempt under way ended, or a panic lost it.
    pub(super) fn attempt_ended(&mut self) {
        self.attempting = false;
    }

    pub(super) fn task_ended(&mut self) {
        self.runs_in = None;
        self.attempting = false;
    }

    pub(super) fn source_changed(&mut self, change: Change, now: Instant) {
        self.schedule.changed(change, self.waiting > 0, now, fastrand::f64());
    }

    /// Takes the credentials of an exchange, unless the present ones live longer.
    pub(super) fn succeeded(&mut self, grant: Grant, session: Session, reading: &ClockReading) -> Success {
        let Grant { credentials, principal, .. } = grant;
        let key = credentials.access_key_id();
        let other_key = self.current.as_ref().is_none_or(|current| current.credentials.access_key_id() != key);
        let failures = self.schedule.failures();
        // An exchange may read another identity before the source reports the change.
        let present = self.current.as_ref().and_then(|current| current.principal.on_behalf_of.as_ref());
        if present.zip(principal.on_behalf_of.as_ref()).is_some_and(|(present, new)| present != new) {
            self.schedule.identity_changed();
        }
        let taken = self.schedule.succeeded(session, other_key, fastrand::f64());
        let success = Success {
            taken,
            other_key,
            lifetime: session.lifetime,
            failed_before: self.failure_log.succeeded(reading.mono).map(|failing| (failures, failing)),
        };
        self.last_error = None;
        self.endpoint.clone_from(&principal.endpoint);
        if taken {
            self.anchor = *reading;
            if other_key {
                if self.issued.len() == ISSUED_KEPT {
                    self.issued.pop_front();
                }
                self.issued.push_back(key.to_owned());
            }
            let generation = self.generation() + u64::from(other_key);
            self.current =
                Some(Arc::new(CurrentCredentials { generation, credentials, principal: Arc::new(principal) }));
        }
        success
    }

    /// Records a failed attempt. Returns true if the log warns of it.
    pub(super) fn failed(&mut self, failure: Failure, now: Instant) -> bool {
        let Failure { class, error, retry_after } = failure;
        let class = self.schedule.failed(class, retry_after, now, fastrand::f64());
        let validity = self.schedule.validity().map(|validity| (self.schedule.remaining(now), validity.lifetime));
        let warn = self.failure_log.warns(error.kind(), class, validity, now);
        if let Some(endpoint) = error.endpoint() {
            self.endpoint = Some(endpoint.to_owned());
        }
        self.last_error = Some(error);
        warn
    }

    /// True if this provider gave out the access key not too long ago.
    pub(super) fn issued(&self, access_key_id: &str) -> bool {
        self.issued.iter().any(|issued| issued == access_key_id)
    }

    /// A service rejected an access key. Counts only if the key is the present one and at least `least_age` old. Returns its
    /// generation, and true if the rejection changed anything.
    pub(super) fn rejected(&mut self, access_key_id: &str, least_age: Duration, now: Instant) -> Option<(u64, bool)> {
        let current = self.current.as_ref().filter(|current| current.credentials.access_key_id() == access_key_id)?;
        let generation = current.generation;
        let validity = self.schedule.validity()?;
        let counts = now + validity.lifetime >= validity.deadline + least_age;
        counts.then(|| {
            let before = (self.schedule.due(), self.schedule.was_rejected(generation));
            self.schedule.rejected(generation, now, fastrand::f64());
            (generation, before != (self.schedule.due(), true))
        })
    }

    /// The times of the credentials in use.
    fn times(&self) -> Option<Times> {
        let validity = self.schedule.validity()?;
        let rejected = self.schedule.was_rejected(self.generation());
        let grace = self.expired_policy.grace(validity.lifetime, self.schedule.failing(), rejected);
        Some(Times {
            deadline: validity.deadline,
            readable_until: validity.deadline + grace,
            expiry: self.anchor.wall_at(validity.deadline),
        })
    }

    pub(super) fn status(&self, reading: &ClockReading) -> EngineStatus {
        let now = reading.mono;
        let closed = self.closed.is_cancelled();
        let times = self.times();
        let phase = match self.schedule.valid(now) {
            _ if closed => Phase::Closed,
            false if self.current.is_none() => Phase::Empty,
            false => Phase::Expired,
            true if self.attempting => Phase::Refreshing,
            true if self.schedule.failing().is_none() => Phase::Fresh,
            true => Phase::Stale,
        };
        let attempts = self.runs_in.is_some() && !closed;
        EngineStatus {
            phase,
            generation: self.generation(),
            expiry: times.map(|times| times.expiry),
            next_attempt: attempts.then(|| reading.wall_at(self.schedule.due().max(now))),
            consecutive_failures: self.schedule.failures(),
            last_error: self.last_error.clone(),
            endpoint: self.endpoint.clone(),
            principal: self.current.as_ref().map(|current| Arc::clone(&current.principal)),
            usable: times.is_some_and(|times| now < times.readable_until),
        }
    }
}

/// The clocks are compared at least this often.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A cache in the SDK may return a key that it got generations ago.
const ISSUED_KEPT: usize = 256;
