//! Load on STS by a fleet, simulated: 10,000 pods with sessions of an hour, and 5,000 pods that start while STS is
//! limited or does not answer.
//!
//! `cargo bench --bench fleet --features test-util` prints calls per second, peak and mean, and draws
//! `benches/pictures/fleet.svg`.
//!
//! The pods run the crate's own schedule. The peers are models of the SDK's `LazyCache` and of AWS's coming cross-SDK
//! behaviour, with the retries of the SDK's client; each model names its sources. Each pod has one request a second.
//! Figures of this crate are from its worst run, those of the peers from their best.

mod refresh;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod world;

/// The engine's `source.rs` imports from here.
mod error {
    pub(crate) use aws_web_identity::{Error, ErrorKind};
}

use start::{Obstacle, Start};
use support::chart::{Axis, Chart, Colour, Series};
use support::{report, short};
use world::{LIFETIME, Load, PODS, Policy, Scenario, mean, peak};

fn main() -> std::io::Result<()> {
    let runs = if short() { 2 } else { 20 };
    for rollout in [5.0, 60.0, 600.0] {
        rolled_out(rollout, runs);
    }
    outage(runs);
    for limit in [20.0, 100.0, 500.0] {
        limited_start(limit, runs);
    }
    start_in_an_outage(runs);
    for policy in Policy::ALL {
        let load =
            Load::of(policy, &Scenario { rollout: LIFETIME, outage: 0.0..0.0, standbys: 0, ends: 20.0 * LIFETIME }, 1);
        let steady = &load.calls[10 * LIFETIME as usize..20 * LIFETIME as usize];
        let per_hour = f64::from(steady.iter().sum::<u32>()) / (PODS as f64 * 10.0);
        report(format_args!("steady {} calls_per_pod_and_hour", policy.name()), format_args!("{per_hour:.2}"));
    }
    if short() { Ok(()) } else { draw() }
}

/// All pods start within seconds. Without jitter their first refreshes come together, too.
fn rolled_out(rollout: f64, runs: u64) {
    let scenario = Scenario { rollout, outage: 0.0..0.0, standbys: 0, ends: 5.0 * LIFETIME };
    let [ours, lazy, coming] = Policy::ALL.map(|policy| Runs::new(policy, &scenario, runs));
    let name = format!("rollout_{rollout}s");
    report(format_args!("{name} start peak_per_second any"), ours.worst(|load| peak(&load.cycles[0]).into()));
    for refresh in 1..=REFRESHES {
        let peak = |load: &Load| f64::from(peak(&load.cycles[refresh]));
        let peaks = (ours.worst(peak), lazy.best(peak), coming.best(peak));
        let mean = |load: &Load| mean(&load.cycles[refresh]);
        let means = (ours.worst(mean), lazy.best(mean), coming.best(mean));
        report(
            format_args!("{name} refresh_{refresh} peak_per_second"),
            format_args!("ours {} lazy_cache {} coming {}", peaks.0, peaks.1, peaks.2),
        );
        report(
            format_args!("{name} refresh_{refresh} mean_per_second"),
            format_args!("ours {:.1} lazy_cache {:.1} coming {:.1}", means.0, means.1, means.2),
        );
        report(
            format_args!("{name} refresh_{refresh} lazy_cache_peak_over_ours"),
            format_args!("{:.1}", peaks.1 / peaks.0),
        );
        if rollout == 5.0 {
            assert!(peaks.1 / peaks.0 >= 40.0, "our peak must be at most a fortieth: {peaks:?}");
        }
    }
}

/// STS fails for half an hour, long after the roll-out. The refreshes of the fleet are spread out by then.
fn outage(runs: u64) {
    let outage = 6.0 * LIFETIME..6.5 * LIFETIME;
    let scenario = Scenario { rollout: LIFETIME, outage: outage.clone(), standbys: 0, ends: 9.0 * LIFETIME };
    let during = outage.start as usize..outage.end as usize;
    let recovery = during.end..during.end + 60;
    let after = recovery.end..scenario.ends as usize;
    for policy in Policy::ALL {
        let name = format!("outage_30min {}", policy.name());
        let runs = Runs::new(policy, &scenario, runs);
        let shown = |figure: &dyn Fn(&Load) -> f64| runs.shown(policy, figure);
        let of = |span: &std::ops::Range<usize>| {
            let span = span.clone();
            move |load: &Load| f64::from(peak(&load.calls[span.clone()]))
        };
        let in_the_mean = shown(&|load| mean(&load.calls[during.clone()]));
        report(format_args!("{name} mean_per_second"), format_args!("{in_the_mean:.0}"));
        report(format_args!("{name} peak_per_second"), shown(&of(&during)));
        report(format_args!("{name} first_minute_after peak_per_second"), shown(&of(&recovery)));
        report(format_args!("{name} hours_after peak_per_second"), shown(&of(&after)));
        let ran_out = shown(&|load| 100.0 * load.ran_out as f64 / PODS as f64);
        report(format_args!("{name} pods_without_valid_credentials_percent"), format_args!("{ran_out:.1}"));
    }

    let runs = Runs::new(Policy::Ours, &Scenario { standbys: 1, ..scenario }, runs);
    let name = "outage_30min ours_with_a_standby_region";
    for (place, calls) in [
        ("both", &(|load: &Load| load.calls.clone()) as &dyn Fn(&Load) -> Vec<u32>),
        ("standby", &|load: &Load| load.elsewhere.clone()),
    ] {
        let in_the_mean = runs.worst(|load| mean(&calls(load)[during.clone()]));
        report(format_args!("{name} {place} mean_per_second"), format_args!("{in_the_mean:.1}"));
        report(
            format_args!("{name} {place} peak_per_second"),
            runs.worst(|load| peak(&calls(load)[during.clone()]).into()),
        );
    }
    let ran_out = runs.worst(|load| 100.0 * load.ran_out as f64 / PODS as f64);
    report(format_args!("{name} pods_without_valid_credentials_percent"), format_args!("{ran_out:.1}"));
}

/// A roll-out while STS accepts only `limit` calls a second.
fn limited_start(limit: f64, runs: u64) {
    let name = format!("start_at_{limit}_calls_per_second");
    let [ours, ..] = Policy::ALL.map(|policy| {
        let runs = Runs::starts(policy, Obstacle::Limit(limit), runs);
        [
            runs.report(&format!("{name} {} calls_per_grant", policy.name()), policy, Start::calls_per_grant),
            runs.report(&format!("{name} {} last_grant_seconds", policy.name()), policy, Start::last_grant),
        ]
    });
    assert!(ours[0] <= 3.5, "{name}: calls per grant");
    assert!(ours[1] <= 1.5 * f64::from(start::PODS) / limit + 60.0, "{name}: the last grant");
}

/// A roll-out at the beginning of an outage of half an hour.
fn start_in_an_outage(runs: u64) {
    let name = "start_in_an_outage_30min";
    let [ours, ..] = Policy::ALL.map(|policy| {
        let runs = Runs::starts(policy, Obstacle::Outage, runs);
        let name = format!("{name} {}", policy.name());
        [
            runs.report(&format!("{name} first_10_s calls_per_pod"), policy, Start::first_calls),
            runs.report(&format!("{name} after_5_min calls_per_second"), policy, Start::later_calls),
            runs.report(&format!("{name} recovery_p50_seconds"), policy, |start| start.recovery(0.50)),
            runs.report(&format!("{name} recovery_p99_seconds"), policy, |start| start.recovery(0.99)),
        ]
    });
    for (figure, bound) in ours.into_iter().zip([4.0, 300.0, 15.0, 30.0]) {
        assert!(figure <= bound, "{name}: {figure}, the bound is {bound}");
    }
}

/// Runs of one simulation with different random numbers.
struct Runs<T>(Vec<T>);

impl Runs<Load> {
    fn new(policy: Policy, scenario: &Scenario, runs: u64) -> Self {
        Self((1..=runs).map(|seed| Load::of(policy, scenario, seed)).collect())
    }
}

impl Runs<Start> {
    fn starts(policy: Policy, obstacle: Obstacle, runs: u64) -> Self {
        Self((1..=runs).map(|seed| Start::of(policy, obstacle, seed)).collect())
    }
}

impl<T> Runs<T> {
    fn worst(&self, figure: impl Fn(&T) -> f64) -> f64 {
        self.0.iter().map(figure).fold(0.0, f64::max)
    }

    fn best(&self, figure: impl Fn(&T) -> f64) -> f64 {
        self.0.iter().map(figure).fold(f64::INFINITY, f64::min)
    }

    /// The worst run of this crate, the best run of a peer.
    fn shown(&self, policy: Policy, figure: impl Fn(&T) -> f64) -> f64 {
        if policy == Policy::Ours { self.worst(figure) } else { self.best(figure) }
    }

    fn report(&self, name: &str, policy: Policy, figure: impl Fn(&T) -> f64) -> f64 {
        let shown = self.shown(policy, figure);
        report(name, format_args!("{shown:.2}"));
        shown
    }
}

fn draw() -> std::io::Result<()> {
    let scenario = Scenario { rollout: 5.0, outage: 0.0..0.0, standbys: 0, ends: 4.5 * LIFETIME };
    let series = [
        (Policy::Coming, "AWS's coming policy", Colour::Second),
        (Policy::LazyCache, "SDK today (LazyCache)", Colour::Third),
        (Policy::Ours, "aws-web-identity", Colour::First),
    ]
    .map(|(policy, name, colour)| {
        let calls = Load::of(policy, &scenario, 1).calls;
        let points = calls.chunks(MINUTE).enumerate().map(|(minute, calls)| (minute as f64 / 60.0, peak(calls).into()));
        Series { name, colour, points: points.collect() }
    });
    Chart {
        title: "Calls to STS of 10,000 pods that were rolled out within 5 s",
        subtitle: "the busiest second of each minute; sessions of one hour; logarithmic, the bottom is none",
        x: Axis::linear("hours since the roll-out", 0.0..=4.5, &[0.0, 1.0, 2.0, 3.0, 4.0]),
        y: Axis::logarithmic("calls per second", 0.5..=4000.0),
        bands: vec![],
        series: series.into(),
    }
    .save("fleet")
}

/// Refreshes of each pod after its start.
const REFRESHES: usize = 4;
const MINUTE: usize = 60;
