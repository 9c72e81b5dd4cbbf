//! What handles and task share: the state, under its lock.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Drift, Reading};
use super::events;
use super::observer::Observer;
use super::policy::{ExpiredPolicy, Policy};
use super::schedule::{Hold, Schedule};
use super::slot::{Slot, Snapshot};
use super::source::Class;
use super::telling::Telling;
use crate::error::{Error, ErrorKind};

/// What the handles and the task share.
pub(super) struct Shared {
    pub(super) slot: Slot,
    pub(super) clock: Clock,
    pub(super) policy: Policy,
    /// Whose credentials these are.
    pub(super) subject: String,
    pub(super) closed: CancellationToken,
    /// The provider was closed because the task's runtime is gone.
    pub(super) lost: AtomicBool,
    /// Wakes the task.
    pub(super) wake: watch::Sender<()>,
    /// Wakes those who wait: something in the state changed. Carries the generation.
    pub(super) news: watch::Sender<u64>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    state: Mutex<State>,
}

/// What changes, under the lock. Reads with usable credentials never take it.
pub(super) struct State {
    pub(super) schedule: Schedule,
    /// The process that the task runs in. `None`: there is no task.
    pub(super) runs_in: Option<u32>,
    /// An attempt is under way.
    pub(super) attempting: bool,
    pub(super) generation: u64,
    /// The last failure since the last success.
    pub(super) failure: Option<Error>,
    pub(super) telling: Telling,
    /// Who answered last.
    pub(super) endpoint: Option<String>,
    /// Callers who wait.
    pub(super) waiting: u32,
    /// When the first of them is to be woken although nothing has happened.
    pub(super) wake_at: Option<Instant>,
    /// Access keys that this provider gave out, the newest last.
    pub(super) issued: VecDeque<String>,
    /// The clocks when the shown expiry was last worked out.
    pub(super) anchor: Reading,
}

impl Shared {
    pub(super) fn new(policy: Policy, clock: Clock, subject: String, observer: Option<Arc<dyn Observer>>) -> Self {
        let anchor = clock.read();
        let now = anchor.mono;
        let schedule = Schedule::new(policy.refresh_window.clone(), now);
        Self {
            slot: Slot::empty(),
            clock,
            policy,
            subject,
            closed: CancellationToken::new(),
            lost: AtomicBool::new(false),
            wake: watch::Sender::new(()),
            news: watch::Sender::new(0),
            observer,
            state: Mutex::new(State {
                schedule,
                runs_in: None,
                attempting: false,
                generation: 0,
                failure: None,
                telling: Telling::default(),
                endpoint: None,
                waiting: 0,
                wake_at: None,
                issued: VecDeque::new(),
                anchor,
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing more comes of this provider, once it is closed.
    pub(super) fn closed_error(&self) -> Error {
        if !self.lost.load(Ordering::Acquire) {
            return Error::closed();
        }
        let message = format!("the runtime that fetched the credentials of {} has ended", self.subject);
        Error::new(ErrorKind::Closed, message).with_hint(
            "the runtime given to `runtime` must live as long as the provider, with timers and I/O (`enable_all`); or leave \
             `runtime` unset",
        )
    }

    /// Whether this provider gave out the access key, not too long ago.
    pub(super) fn issued(&self, access_key_id: &str) -> bool {
        self.lock().issued.iter().any(|issued| issued == access_key_id)
    }

    /// A service refused this key. Of no consequence unless it is the present one, and has been for at least so long.
    pub(super) fn rejected(&self, access_key_id: &str, least_age: Duration) {
        let now = self.clock.now();
        let mut state = self.lock();
        let concerns = self.slot.load_full().is_some_and(|snapshot| {
            snapshot.access_key_id() == access_key_id && now + snapshot.lifetime >= snapshot.deadline + least_age
        });
        if !concerns {
            return;
        }
        let generation = state.generation;
        state.schedule.rejected(generation, now, fastrand::f64());
        self.republish(&state);
        drop(state);
        events::rejected(&self.subject, generation);
        self.observe(|observer| observer.rejected());
        self.wake.send_replace(());
    }

    /// Publishes how long the present snapshot is readable, as the schedule has it now.
    pub(super) fn republish(&self, state: &State) {
        let Some(snapshot) = self.slot.load_full() else { return };
        let outage = matches!(state.schedule.hold(), Hold::Failed(Class::Transient | Class::Throttled));
        let served = self.policy.expired == ExpiredPolicy::UntilRejected
            && outage
            && !state.schedule.was_rejected(snapshot.generation);
        let longer = if served { snapshot.lifetime.min(LONGEST_AFTER_EXPIRY) } else { Duration::ZERO };
        let readable_until = snapshot.deadline + longer;
        if readable_until != snapshot.readable_until {
            let mut snapshot = Snapshot::clone(&snapshot);
            snapshot.readable_until = readable_until;
            self.slot.store(Some(Arc::new(snapshot)));
        }
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
        }
        if drift != Drift::Behind {
            state.schedule.clock_jumped(reading.mono);
        }
        if let (Some(snapshot), Some(validity)) = (self.slot.load_full(), state.schedule.validity()) {
            let snapshot = snapshot.showing(validity.deadline, reading.wall_at(validity.deadline));
            self.slot.store(Some(Arc::new(snapshot)));
            self.republish(state);
        }
        drift
    }

    /// Not under the lock. Who observes must not be able to hurt: its panics end here.
    pub(super) fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            drop(catch_unwind(AssertUnwindSafe(|| tell(&**observer))));
        }
    }
}

const LONGEST_AFTER_EXPIRY: Duration = Duration::from_secs(3600);
