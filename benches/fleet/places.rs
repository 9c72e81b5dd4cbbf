//! Home and its standbys, in the crate's own order.

#[allow(dead_code, unused_imports, reason = "its tests stay where they are")]
#[path = "../../src/sts/standby_order.rs"]
mod standby_order;

use standby_order::{HOME, Outcome, StandbyOrder};

/// Where one pod asks.
pub(crate) struct Places(StandbyOrder);

impl Places {
    pub(crate) fn new(standbys: usize) -> Self {
        Self(StandbyOrder::new(standbys))
    }

    /// Whether the next attempt goes home.
    pub(crate) fn next_is_home(&mut self, usable: bool) -> bool {
        self.0.next(usable) == HOME
    }

    pub(crate) fn ended(&mut self, answered: bool) {
        self.0.ended(if answered { Outcome::Answered } else { Outcome::Outage });
    }
}
