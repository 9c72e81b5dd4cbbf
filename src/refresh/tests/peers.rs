//! Three providers in whole seconds: this crate's real schedule, and models of two peers.
//!
//! - `LazyCache`, the SDK's default, refreshes 5 s to 10 s before the expiry. It drops the old credentials before it loads.
//! - AWS's coming cross-SDK behaviour refreshes 5, 15 or 60 min before the expiry, by session length. After a failure it
//!   serves the old credentials, even expired ones, and retries after 300 s to 600 s. It raises `AccessDenied` at once and
//!   retries after 1 s to 5 s.
//!
//! If a peer has nothing to serve, each request loads again, one load at a time. A load is three tries of the SDK's client,
//! or one try if the client does not retry the failure.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::refresh::clock::Session;
use crate::refresh::schedule::Schedule;
use crate::refresh::source::{Change, Class};

/// A provider whose exchanges take no time. Its first exchange is due when it starts.
pub(crate) trait Provider {
    /// Time of the next attempt, if one request comes each second.
    fn due(&self) -> f64;
    fn succeeded(&mut self, at: f64, random: &mut Rng);
    fn failed(&mut self, at: f64, random: &mut Rng);
    /// The fault is over, and its cause has changed.
    fn cleared(&mut self, _at: f64) {}
}

pub(crate) struct Ours {
    origin: Instant,
    schedule: Schedule,
    lifetime: f64,
    /// Class of its failures.
    class: Class,
}

impl Ours {
    pub(crate) fn starting(at: f64, lifetime: f64, class: Class) -> Self {
        let origin = Instant::now();
        let starts = origin + Duration::from_secs_f64(at);
        Self { origin, schedule: Schedule::new(0.60..=0.75, starts), lifetime, class }
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
        let session = Session { since: now, lifetime: Duration::from_secs_f64(self.lifetime), dated: true };
        self.schedule.succeeded(session, true, random.f64());
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        let now = self.at(at);
        let expires = at + self.schedule.remaining(now).as_secs_f64();
        self.schedule.attempt_started(now);
        self.schedule.failed(self.class, None, now, random.f64());
        // From the expiry on, one request each second until the next attempt.
        let mut request = expires.ceil();
        while request < self.due() {
            self.schedule.caller_waits(self.at(request));
            request += 1.0;
        }
    }

    fn cleared(&mut self, at: f64) {
        if self.class == Class::BadInput {
            let now = self.at(at);
            self.schedule.changed(Change::Content, !self.schedule.valid(now), now, 1.0);
        }
    }
}

/// The SDK's STS client: three tries for each load, full jitter from 1 s on, and a quota of retries. Answers come at once, so
/// no load reaches its time limit of 5 s.
struct Client {
    /// It retries failures of this class.
    retries: bool,
    tried: i32,
    quota: u32,
}

impl Client {
    const QUOTA: u32 = 500;
    const COST: u32 = 5;

    fn new(class: Class) -> Self {
        Self { retries: matches!(class, Class::Outage | Class::Throttled), tried: 0, quota: Self::QUOTA }
    }

    fn succeeded(&mut self) {
        if std::mem::take(&mut self.tried) > 0 {
            self.quota = (self.quota + Self::COST).min(Self::QUOTA);
        }
    }

    /// The delay before the next try. `None`: the load has failed.
    fn failed(&mut self, random: &mut Rng) -> Option<f64> {
        if !self.retries || self.tried == 2 || self.quota < Self::COST {
            self.tried = 0;
            return None;
        }
        self.quota -= Self::COST;
        self.tried += 1;
        Some(random.f64() * 2.0_f64.powi(self.tried - 1).min(20.0))
    }
}

pub(crate) struct Lazy {
    due: f64,
    starts: f64,
    lifetime: f64,
    client: Client,
}

impl Lazy {
    pub(crate) fn starting(at: f64, lifetime: f64, class: Class) -> Self {
        Self { due: at, starts: at, lifetime, client: Client::new(class) }
    }
}

impl Provider for Lazy {
    fn due(&self) -> f64 {
        self.due
    }

    fn succeeded(&mut self, at: f64, random: &mut Rng) {
        self.client.succeeded();
        self.due = at + self.lifetime - 10.0 + 5.0 * random.f64();
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        self.due = self.client.failed(random).map_or_else(|| next_request(at, self.starts), |wait| at + wait);
    }
}

pub(crate) struct Coming {
    due: f64,
    starts: f64,
    lifetime: f64,
    /// It has credentials to serve.
    serves: bool,
    /// It raises failures of this class.
    raises: bool,
    client: Client,
}

impl Coming {
    pub(crate) fn starting(at: f64, lifetime: f64, class: Class) -> Self {
        let raises = class == Class::Misconfigured;
        Self { due: at, starts: at, lifetime, serves: false, raises, client: Client::new(class) }
    }
}

impl Provider for Coming {
    fn due(&self) -> f64 {
        self.due
    }

    fn succeeded(&mut self, at: f64, _: &mut Rng) {
        self.client.succeeded();
        self.serves = true;
        self.due = at + self.lifetime - advisory_window(self.lifetime);
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        self.due = match self.client.failed(random) {
            Some(wait) => at + wait,
            None if self.raises => at + 1.0 + 4.0 * random.f64(),
            None if self.serves => at + 300.0 + 300.0 * random.f64(),
            None => next_request(at, self.starts),
        }
    }
}

/// Time of the next request. One comes each second.
fn next_request(at: f64, starts: f64) -> f64 {
    starts + (at - starts).floor() + 1.0
}

pub(crate) fn advisory_window(lifetime: f64) -> f64 {
    match lifetime {
        ..=1200.0 => 300.0,
        ..5400.0 => 900.0,
        _ => 3600.0,
    }
}
