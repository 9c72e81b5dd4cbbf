//! What handles and task share: the state, under its lock.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Drift, Reading};
use super::events;
use super::lease::Lease;
use super::observer::Observer;
use super::policy::{ExpiredPolicy, Policy};
use super::schedule::{Hold, Schedule};
use super::slot::{Slot, Snapshot};
use super::source::Class;
use super::telling::Telling;
use crate::error::Error;

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
    pub(super) observer: Option<Arc<dyn Observer>>,
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
    pub(super) telling: Telling,
    /// Who answered last.
    pub(super) endpoint: Option<String>,
    /// Callers that have nothing usable, and since when there is at least one.
    pub(super) waiting: u32,
    pub(super) waiting_since: Instant,
    /// Access keys that this provider gave out, the newest last.
    pub(super) issued: VecDeque<String>,
    /// The clocks when the shown expiry was last worked out.
    pub(super) anchor: Reading,
}

/// Who the task is, and whether it still moves.
pub(super) struct Task {
    pub(super) lease: u64,
    pub(super) alive: bool,
    /// When it last turned its loop.
    pub(super) beat: Instant,
    pub(super) attempting: bool,
    /// When a task was last lost without being told to end.
    pub(super) lost: Option<Instant>,
}

/// The last failure.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) at: Instant,
    /// The class that it counts as.
    pub(super) class: Class,
    pub(super) error: Error,
}

impl Shared {
    pub(super) fn new(
        policy: Policy,
        clock: Clock,
        subject: String,
        closed: CancellationToken,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let anchor = clock.read();
        let now = anchor.mono;
        let schedule = Schedule::new(policy.refresh_window.clone(), now);
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
            observer,
            state: Mutex::new(State {
                schedule,
                task,
                generation: 0,
                attempts: 0,
                failure: None,
                telling: Telling::default(),
                endpoint: None,
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
        let stalled = state.task.alive;
        if stalled && !state.stalled(now) {
            return None;
        }
        // A task that dies at once, whatever the reason, must not be spawned by each read anew.
        if state.task.lost.is_some_and(|lost| now.duration_since(lost) < RESPAWN_SPACING) {
            return None;
        }
        let number = state.task.lease + 1;
        state.task = Task { lease: number, alive: true, beat: now, attempting: false, lost: None };
        self.republish(&state, now);
        drop(state);
        if stalled {
            events::replaced(&self.subject);
        }
        Some(Lease::new(Arc::clone(self), number))
    }

    /// Whether a task is running or could still be.
    pub(super) fn task_alive(&self) -> bool {
        self.lock().task.alive
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
        state.schedule.rejected(generation, now, fastrand::f64());
        self.republish(&state, now);
        drop(state);
        events::rejected(&self.subject, generation);
        self.observe(|observer| observer.rejected());
        self.wake.notify_one();
    }

    /// Publishes how long the present snapshot is calm and readable, as the schedule has it now.
    pub(super) fn republish(&self, state: &State, now: Instant) {
        let Some(snapshot) = self.slot.load() else { return };
        let mut snapshot = Snapshot::clone(&snapshot);
        snapshot.readable_until = self.readable_until(state, &snapshot);
        snapshot.calm = self.calm(state, &snapshot);
        if !state.task.alive {
            snapshot.calm = now;
        }
        self.slot.store(snapshot);
    }

    /// Compares the clocks with what they showed when the expiry was worked out. What it finds is to be told without the
    /// lock.
    pub(super) fn check_clocks(&self, state: &mut State, reading: &Reading) -> Drift {
        let drift = reading.since(&state.anchor);
        if drift == Drift::None {
            return drift;
        }
        state.anchor = *reading;
        if let Drift::Suspended(by) = drift {
            state.schedule.slept(by, reading.mono);
            if let Some(failed) = &mut state.failure {
                failed.at = failed.at.checked_sub(by).unwrap_or(failed.at);
            }
        }
        if drift != Drift::Behind {
            state.schedule.clock_jumped(reading.mono);
        }
        if let (Some(snapshot), Some(validity)) = (self.slot.load(), state.schedule.validity()) {
            self.slot.store(snapshot.showing(validity.deadline, reading.wall_at(validity.deadline)));
            self.republish(state, reading.mono);
        }
        drift
    }

    /// Says what happened to the clocks, if anything. Not under the lock.
    pub(super) fn tell(&self, drift: Drift) -> bool {
        events::drifted(&self.subject, drift)
    }

    /// Not under the lock. Who observes must not be able to hurt: its panics end here.
    pub(super) fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            drop(catch_unwind(AssertUnwindSafe(|| tell(&**observer))));
        }
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

const STALLED: Duration = Duration::from_secs(60);
const STALLED_WITH_CALLERS: Duration = Duration::from_secs(2);
const RESPAWN_SPACING: Duration = Duration::from_secs(1);
const LONGEST_AFTER_EXPIRY: Duration = Duration::from_secs(3600);
