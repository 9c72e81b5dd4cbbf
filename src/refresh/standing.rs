//! How the engine stands at one moment.

use std::time::SystemTime;

use super::clock::Reading;
use super::schedule::Hold;
use super::state::{Shared, State};
use crate::error::Error;

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

impl Phase {
    /// Whether there are valid credentials that are kept fresh: `Fresh`, `Refreshing` or `Stale`.
    ///
    /// A health check asks [`Status::is_usable`](crate::Status::is_usable): it also knows whether credentials are left after
    /// a shutdown, and whether expired ones are handed out.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Fresh | Self::Refreshing | Self::Stale)
    }
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
    /// Who answered last.
    pub(crate) endpoint: Option<String>,
}

impl Shared {
    pub(super) fn standing_of(&self, state: &State, reading: &Reading) -> Standing {
        let now = reading.mono;
        let schedule = &state.schedule;
        let usable = schedule.usable(now);
        let phase = match (self.closed.is_cancelled(), usable) {
            (true, _) => Phase::Closed,
            (false, false) if state.generation == 0 => Phase::Empty,
            (false, false) => Phase::Expired,
            (false, true) if state.attempting => Phase::Refreshing,
            (false, true) if schedule.hold() == Hold::Fresh => Phase::Fresh,
            (false, true) => Phase::Stale,
        };
        Standing {
            phase,
            generation: state.generation,
            expiry: self.slot.load_full().map(|snapshot| snapshot.expiry),
            next_attempt: (state.runs_in.is_some() && !self.closed.is_cancelled())
                .then(|| reading.wall_at(schedule.due().max(now))),
            consecutive_failures: schedule.failures(),
            last_error: state.failure.clone(),
            endpoint: state.endpoint.clone(),
        }
    }
}
