//! Measures the time without valid credentials after a fault has cleared, and the calls during the fault.
//!
//! This crate's schedule runs beside the models in `peers`, with one request each second.
//! `cargo test --lib time_without_credentials -- --nocapture` prints `name: value` lines.

use fastrand::Rng;

use super::peers::{Coming, Lazy, Ours, Provider, advisory_window};
use crate::refresh::Class;

const TRIALS: u32 = 2000;
const FAULT: f64 = 1800.0;

#[derive(Default)]
struct Figures {
    without: Vec<f64>,
    calls: u32,
}

impl Figures {
    fn run(make: impl Fn() -> Box<dyn Provider>, lifetime: f64) -> Self {
        let mut random = Rng::with_seed(3);
        let mut figures = Self::default();
        for _ in 0..TRIALS {
            let mut provider = make();
            provider.succeeded(0.0, &mut random);
            let begins = random.f64() * lifetime;
            let clears = begins + FAULT;
            // A refresh before the fault would start a new session. Such a trial adds nothing, since the fault's start is random.
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
        assert!(figures.without.len() > TRIALS as usize / 5, "{} trials count", figures.without.len());
        figures.without.sort_by(f64::total_cmp);
        figures
    }

    fn longest(&self) -> f64 {
        self.without[self.without.len() - 1]
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
fn credentials_return_within_the_bound_of_a_class() {
    for (class, bound) in
        [(Class::Outage, 24.0), (Class::Throttled, 240.0), (Class::Misconfigured, 31.0), (Class::BadInput, 1.0)]
    {
        for (name, lifetime) in [("15min", 900.0), ("1h", 3600.0), ("12h", 43_200.0)] {
            let ours = Figures::run(|| Box::new(Ours::starting(0.0, lifetime, class)), lifetime);
            ours.print(&format!("{class:?} {name} ours"));
            Figures::run(|| Box::new(Lazy::starting(0.0, lifetime, class)), lifetime)
                .print(&format!("{class:?} {name} lazy_cache"));
            let coming = Figures::run(|| Box::new(Coming::starting(0.0, lifetime, class)), lifetime);
            coming.print(&format!("{class:?} {name} coming"));
            assert!(ours.longest() <= bound, "{class:?} {name}: {} s", ours.longest());
            if class == Class::Outage && name == "15min" {
                assert!(coming.longest() > 200.0, "the peer's model works: {}", coming.longest());
            }
        }
    }
    for (name, lifetime) in [("15min", 900.0), ("1h", 3600.0), ("12h", 43_200.0)] {
        println!("steady {name} ours calls_per_hour: {:.2}", 3600.0 / (0.675 * lifetime));
        println!("steady {name} lazy_cache calls_per_hour: {:.2}", 3600.0 / (lifetime - 7.5));
        println!("steady {name} coming calls_per_hour: {:.2}", 3600.0 / (lifetime - advisory_window(lifetime)));
    }
}
