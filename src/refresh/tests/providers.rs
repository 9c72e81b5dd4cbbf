//! Three providers in a world of seconds: this crate's schedule as it is, and two peers as models of their sources.
//!
//! `LazyCache`, the SDK's default: refreshes 5 s to 10 s before the expiry, drops what it has before it loads, and each
//! request tries again after a failure. AWS's coming cross-SDK behaviour: refreshes 5, 15 or 60 min before the expiry by
//! session length; after a failure serves what it has, even expired, and tries again after 300 s to 600 s; an `AccessDenied`
//! it raises at once, and tries again after 1 s to 5 s. A call of a peer counts once, though its client tries three times.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::refresh::schedule::Schedule;
use crate::refresh::source::{Change, Class};

/// A provider whose exchanges take no time. Its first is due when it starts.
pub(crate) trait Provider {
    /// When the next attempt is due, if a request comes at each second.
    fn due(&self) -> f64;
    fn succeeded(&mut self, at: f64, random: &mut Rng);
    fn failed(&mut self, at: f64, random: &mut Rng);
    /// The fault is over, and what caused it has changed.
    fn cleared(&mut self, _at: f64) {}
}

pub(crate) struct Ours {
    origin: Instant,
    schedule: Schedule,
    lifetime: f64,
    /// Of its failures.
    class: Class,
}

impl Ours {
    pub(crate) fn starting(at: f64, lifetime: f64, class: Class) -> Self {
        let origin = Instant::now();
        let starts = origin + Duration::from_secs_f64(at);
        Self { origin, schedule: Schedule::new(0.60..=0.75, Duration::from_secs(30), starts), lifetime, class }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.origin + Duration::from_secs_f64(seconds)
    }
}

impl Provider for Ours {
    fn due(&self) -> f64 {
        (self.schedule.due() - self.origin).as_secs_f64()
    }

    fn succeeded(&mut self, at: f64, random: &mut Rng) {
        let now = self.at(at);
        self.schedule.attempt_started(now);
        self.schedule.succeeded(now, Duration::from_secs_f64(self.lifetime), random.f64());
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        let now = self.at(at);
        let expires = at + self.schedule.remaining(now).as_secs_f64();
        self.schedule.attempt_started(now);
        self.schedule.failed(self.class, None, !self.schedule.usable(now), now, random.f64());
        // The requests of each second until the next attempt, once nothing is usable.
        let mut request = expires.ceil();
        while request < self.due() {
            self.schedule.wanted(self.at(request), random.f64());
            request += 1.0;
        }
    }

    fn cleared(&mut self, at: f64) {
        if self.class == Class::Blocked {
            let now = self.at(at);
            self.schedule.changed(Change::Content, !self.schedule.usable(now), now, 1.0);
        }
    }
}

pub(crate) struct Lazy {
    due: f64,
    lifetime: f64,
}

impl Lazy {
    pub(crate) fn starting(at: f64, lifetime: f64) -> Self {
        Self { due: at, lifetime }
    }
}

impl Provider for Lazy {
    fn due(&self) -> f64 {
        self.due
    }

    fn succeeded(&mut self, at: f64, random: &mut Rng) {
        self.due = at + self.lifetime - 10.0 + 5.0 * random.f64();
    }

    fn failed(&mut self, at: f64, _: &mut Rng) {
        self.due = at + 1.0;
    }
}

pub(crate) struct Coming {
    due: f64,
    lifetime: f64,
    /// Its failures are ones that it raises.
    raises: bool,
}

impl Coming {
    pub(crate) fn starting(at: f64, lifetime: f64, raises: bool) -> Self {
        Self { due: at, lifetime, raises }
    }
}

impl Provider for Coming {
    fn due(&self) -> f64 {
        self.due
    }

    fn succeeded(&mut self, at: f64, _: &mut Rng) {
        self.due = at + self.lifetime - advisory_window(self.lifetime);
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        self.due = at + if self.raises { 1.0 + 4.0 * random.f64() } else { 300.0 + 300.0 * random.f64() };
    }
}

pub(crate) fn advisory_window(lifetime: f64) -> f64 {
    match lifetime {
        ..=1200.0 => 300.0,
        ..5400.0 => 900.0,
        _ => 3600.0,
    }
}
