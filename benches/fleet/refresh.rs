//! The crate's own schedule and order of standbys, and the models of the peers: the fleet runs the same code as pods do
//! and as the engine's tests do. The models need the name `refresh` for this module.

#[allow(dead_code, unused_imports, reason = "only its tests use the rest")]
#[path = "../../src/refresh/backoff.rs"]
mod backoff;
#[allow(dead_code, unused_imports, reason = "the schedule needs `Session` only")]
#[path = "../../src/refresh/clock.rs"]
pub(crate) mod clock;
#[allow(dead_code, unused_imports, reason = "only its tests use the rest")]
#[path = "../../src/refresh/rejections.rs"]
mod rejections;
#[allow(dead_code, unused_imports, reason = "only its tests use the rest")]
#[path = "../../src/refresh/schedule.rs"]
pub(crate) mod schedule;
#[allow(dead_code, reason = "the schedule needs the classes only")]
#[path = "../../src/refresh/source.rs"]
pub(crate) mod source;

#[allow(dead_code, reason = "the engine's tests need more")]
#[path = "../../src/refresh/tests/peers.rs"]
pub(crate) mod peers;

#[allow(dead_code, unused_imports, reason = "only its tests use the rest")]
#[path = "../../src/sts/standby_order.rs"]
mod standby_order;

use standby_order::{HOME, Outcome, StandbyOrder};

/// The STS endpoints of one pod.
pub(crate) struct Endpoints(StandbyOrder);

impl Endpoints {
    pub(crate) fn new(standbys: usize) -> Self {
        Self(StandbyOrder::new(standbys))
    }

    /// True if the next attempt goes to the home region.
    pub(crate) fn next_is_home(&mut self, has_valid: bool) -> bool {
        self.0.next(has_valid) == HOME
    }

    pub(crate) fn ended(&mut self, answered: bool) {
        self.0.ended(if answered { Outcome::Answered } else { Outcome::Outage });
    }
}
