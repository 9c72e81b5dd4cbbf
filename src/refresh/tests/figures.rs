//! How long there are no valid credentials once a fault has cleared, and what it costs in calls: this schedule beside the
//! SDK's `LazyCache` and AWS's coming cross-SDK behaviour, in one run, with one request a second.
//!
//! `cargo test --lib figures -- --nocapture` prints `name: value` lines.
//!
//! The peers are models of what their sources do. `LazyCache`: refreshes 5 s to 10 s before the expiry, drops what it has
//! before it loads, and each request tries again after a failure. The coming behaviour: refreshes 5, 15 or 60 min before the
//! expiry by session length; after a failure serves what it has, even expired, and tries again after 300 s to 600 s; an
//! `AccessDenied` it raises at once, and tries again after 1 s to 5 s. A call of a peer counts once, though its client tries
//! three times.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::refresh::schedule::Schedule;
use crate::refresh::source::{Change, Class};

const TRIALS: u32 = 2000;
const FAULT: f64 = 1800.0;

/// A provider in a world of seconds since its last credentials came.
trait Provider {
    /// When the next attempt is due, if a request comes at each whole second.
    fn due(&self) -> f64;
    fn failed(&mut self, at: f64, random: &mut Rng);
    /// The fault is over, and what caused it has changed.
    fn cleared(&mut self, _at: f64) {}
}

struct Ours {
    origin: Instant,
    schedule: Schedule,
    class: Class,
    lifetime: f64,
}

impl Ours {
    fn new(class: Class, lifetime: f64, random: &mut Rng) -> Self {
        let origin = Instant::now();
        let mut schedule = Schedule::new(0.60..=0.75, Duration::from_secs(30), origin);
        schedule.succeeded(origin, Duration::from_secs_f64(lifetime), random.f64());
        Self { origin, schedule, class, lifetime }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.origin + Duration::from_secs_f64(seconds)
    }
}

impl Provider for Ours {
    fn due(&self) -> f64 {
        (self.schedule.due() - self.origin).as_secs_f64()
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        let now = self.at(at);
        self.schedule.attempt_started(now);
        self.schedule.failed(self.class, None, at >= self.lifetime, now, random.f64());
        // The requests of each second until the next attempt, once nothing is usable.
        let mut request = at.max(self.lifetime).ceil();
        while request < self.due() {
            self.schedule.wanted(self.at(request), random.f64());
            request += 1.0;
        }
    }

    fn cleared(&mut self, at: f64) {
        if self.class == Class::Blocked {
            self.schedule.changed(Change::Content, at >= self.lifetime, self.at(at), 1.0);
        }
    }
}

struct Lazy(f64);

impl Provider for Lazy {
    fn due(&self) -> f64 {
        self.0
    }

    fn failed(&mut self, at: f64, _: &mut Rng) {
        self.0 = at + 1.0;
    }
}

struct Coming {
    due: f64,
    raises: bool,
}

impl Provider for Coming {
    fn due(&self) -> f64 {
        self.due
    }

    fn failed(&mut self, at: f64, random: &mut Rng) {
        self.due = at + if self.raises { 1.0 + 4.0 * random.f64() } else { 300.0 + 300.0 * random.f64() };
    }
}

fn advisory_window(lifetime: f64) -> f64 {
    match lifetime {
        ..=1200.0 => 300.0,
        ..5400.0 => 900.0,
        _ => 3600.0,
    }
}

#[derive(Default)]
struct Figures {
    without: Vec<f64>,
    calls: u32,
}

impl Figures {
    fn run(make: impl Fn(&mut Rng) -> Box<dyn Provider>, lifetime: f64) -> Self {
        let mut random = Rng::with_seed(3);
        let mut figures = Self::default();
        for _ in 0..TRIALS {
            let mut provider = make(&mut random);
            let begins = random.f64() * lifetime;
            let clears = begins + FAULT;
            // A refresh before the fault starts another life; the fault's phase is random, so such a trial says nothing.
            if provider.due() < begins {
                continue;
            }
            while provider.due() < clears {
                figures.calls += 1;
                let at = provider.due();
                provider.failed(at, &mut random);
            }
            provider.cleared(clears);
            figures.without.push((provider.due().max(clears) - clears.max(lifetime)).max(0.0));
        }
        figures.without.sort_by(f64::total_cmp);
        figures
    }

    fn longest(&self) -> f64 {
        self.without.last().copied().unwrap_or_default()
    }

    fn hurt(&self) -> f64 {
        let hurt = self.without.iter().filter(|&&seconds| seconds > 0.0).count();
        100.0 * hurt as f64 / self.without.len() as f64
    }

    fn calls_per_hour(&self) -> f64 {
        f64::from(self.calls) / self.without.len() as f64 * 3600.0 / FAULT
    }

    fn print(&self, name: &str) {
        println!("{name} longest_seconds_without: {:.1}", self.longest());
        println!("{name} trials_hurt_percent: {:.1}", self.hurt());
        println!("{name} calls_per_hour_in_the_fault: {:.1}", self.calls_per_hour());
    }
}

#[test]
fn p5_after_a_fault_of_half_an_hour_credentials_are_back_within_the_bound_of_its_class() {
    for (class, bound) in
        [(Class::Transient, 10.0), (Class::Throttled, 20.0), (Class::Config, 31.0), (Class::Blocked, 1.0)]
    {
        for (name, lifetime) in [("15min", 900.0), ("1h", 3600.0), ("12h", 43_200.0)] {
            let ours = Figures::run(|random| Box::new(Ours::new(class, lifetime, random)), lifetime);
            ours.print(&format!("{class:?} {name} ours"));
            Figures::run(|random| Box::new(Lazy(lifetime - 10.0 + 5.0 * random.f64())), lifetime)
                .print(&format!("{class:?} {name} lazy_cache"));
            let coming = Figures::run(
                |_| Box::new(Coming { due: lifetime - advisory_window(lifetime), raises: class == Class::Config }),
                lifetime,
            );
            coming.print(&format!("{class:?} {name} coming"));
            assert!(ours.longest() <= bound, "{class:?} {name}: {} s", ours.longest());
            if class == Class::Transient && name == "15min" {
                assert!(coming.longest() > 200.0, "the model of the peer is alive: {}", coming.longest());
            }
        }
    }
    for (name, lifetime) in [("15min", 900.0), ("1h", 3600.0), ("12h", 43_200.0)] {
        println!("steady {name} ours calls_per_hour: {:.2}", 3600.0 / (0.675 * lifetime));
        println!("steady {name} lazy_cache calls_per_hour: {:.2}", 3600.0 / (lifetime - 7.5));
        println!("steady {name} coming calls_per_hour: {:.2}", 3600.0 / (lifetime - advisory_window(lifetime)));
    }
}
