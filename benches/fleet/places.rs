//! Home and its standbys, by the crate's own rota.

#[allow(dead_code, unused_imports, reason = "its tests stay where they are")]
#[path = "../../src/sts/rota.rs"]
mod rota;

use rota::{Found, HOME, Rota};

/// Where one pod asks.
pub(crate) struct Places(Rota);

impl Places {
    pub(crate) fn new(standbys: usize) -> Self {
        Self(Rota::new(standbys))
    }

    /// Whether the next attempt goes home.
    pub(crate) fn next_is_home(&mut self, usable: bool) -> bool {
        self.0.next(usable) == HOME
    }

    pub(crate) fn ended(&mut self, answered: bool) {
        self.0.ended(if answered { Found::Sts } else { Found::Outage });
    }
}
