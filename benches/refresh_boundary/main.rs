//! Latency of requests across refreshes: ours, the SDK's and fixed keys, in the same seconds of the same run.
//!
//! Each contender has real SDK clients over real sockets and an STS of its own. Each has 64 tasks, or fewer on a
//! starved runtime. Each task sends ten requests a second. Sessions last 20 s to 40 s. Only exchanges are slow or fail.
//!
//! In `workers_blocked_…` the runtime of the clients is starved: handlers block all its workers again and again. STS
//! and the service have a runtime of their own. Meanwhile eight new pods of each contender get their first credentials
//! on the starved runtime.
//!
//! `cargo bench --bench refresh_boundary --features test-util` takes seven minutes and draws
//! `benches/pictures/refresh_boundary.svg`; `-- sts_1s` runs the scenario of that name. `-- --short` takes 15 s. Its
//! scenarios run side by side, so that its times say nothing.
//!
//! - *Waited* and *got no credentials* are counted at the identity cache, so that a busy machine adds none. *Waited*
//!   means that the identity came more than a millisecond after the client asked for it. *Got no credentials* means
//!   that an error came, or that the client gave up.
//! - *While there were valid ones*: one session of STS covered all that time.
//! - *At refreshes* is from a second before the exchange until a second after it. Beside it stand the fixed keys in
//!   those seconds: the same machine without a refresh.
//! - *Failed* counts all failures. The failures of the fixed keys are the machine's share.
//! - *p99.9 against fixed keys* is the contender's latency divided by that of the fixed keys.
//! - *Workers blocked* is the share of the workers' time. Slow code, as in a dev build, lowers it: a block begins when
//!   the tasks before it have had their turn.

mod blocking;
mod cache_waits;
mod contender;
mod outcome;
#[path = "../support/pod_config.rs"]
mod pod_config;
mod scenario;
mod service;
mod sts;
#[path = "../support/mod.rs"]
mod support;
mod traffic;

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_web_identity::test_util::{Fault, OidcIssuer};
use blocking::Blocker;
use contender::{Contender, Failure, Pod, Who};
use outcome::Outcome;
use scenario::{DRAWN, Scenario};
use support::chart::{Axis, Chart, Colour, Series};
use support::{chosen, quantile, report, short};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

fn main() -> Result<(), Failure> {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return Err("AWS_ACCESS_KEY_ID is set, and the SDK would use it: unset it".into());
    }
    let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let issuer = servers.block_on(OidcIssuer::start());
    let scenarios = if short() { Scenario::short() } else { Scenario::all() };
    let scenarios = scenarios.into_iter().filter(|scenario| chosen(scenario.name));
    // Tasks on two runtimes read the scenarios, and there are few.
    let scenarios: Vec<&'static Scenario> = scenarios.map(|scenario| &*Box::leak(Box::new(scenario))).collect();
    let run = |scenario| Runtime::new()?.block_on(run(scenario, &issuer, servers.handle()));
    if short() {
        return thread::scope(|scope| {
            let spawn = |&scenario| (scenario, scope.spawn(move || run(scenario)));
            let running: Vec<_> = scenarios.iter().map(spawn).collect();
            for (scenario, run) in running {
                check(scenario, &run.join().map_err(|_| "the scenario panicked")??);
            }
            Ok(())
        });
    }
    for scenario in scenarios {
        let run = run(scenario)?;
        check(scenario, &run);
        if scenario.name == DRAWN {
            draw(&run.outcomes)?;
        }
    }
    Ok(())
}

struct Run {
    outcomes: [Outcome; 3],
    starved: Option<Starved>,
}

/// Additional results of a run on a starved runtime.
struct Starved {
    /// Percentage of the workers' time that they were blocked.
    blocked: f64,
    starts: Vec<Start>,
}

/// A pod that got its first credentials on the starved runtime, or failed to.
struct Start {
    who: Who,
    took: Duration,
    failure: Option<Failure>,
    sts_calls: usize,
}

async fn run(scenario: &'static Scenario, issuer: &OidcIssuer, servers: &Handle) -> Result<Run, Failure> {
    let pod = |who| Pod::start(who, scenario, issuer, servers);
    let [ours, sdk, fixed] = Who::ALL.map(async |who| pod(who).await?.connect().await);
    let (ours, sdk, fixed) = tokio::try_join!(ours, sdk, fixed)?;
    let mut starting = JoinSet::new();
    let mut blocker = None;
    if let Some(blocking) = scenario.blocking {
        for nth in 0..STARTS {
            let begins = scenario.runs_for * nth / (2 * STARTS);
            starting.spawn(start(pod(Who::Ours).await?, begins));
            starting.spawn(start(pod(Who::Sdk).await?, begins));
        }
        blocker = Some(Blocker::start(blocking));
    }
    let started = (Instant::now(), SystemTime::now());
    let faults = async {
        let Some((span, fault)) = &scenario.fault else { return };
        tokio::time::sleep(span.start).await;
        set_fault(&[&ours, &sdk], Some(*fault));
        tokio::time::sleep(span.end - span.start).await;
        set_fault(&[&ours, &sdk], None);
    };
    let traffic = async |contender: &Contender| {
        let requests = traffic::run(&contender.clients, started.0, scenario.runs_for, scenario.tasks).await;
        Outcome::of(contender, requests, started)
    };
    let (ours, sdk, fixed, (), starts) =
        tokio::join!(traffic(&ours), traffic(&sdk), traffic(&fixed), faults, starting.join_all());
    let starved = blocker.map(|blocker| Starved { blocked: blocker.percentage(), starts });
    Ok(Run { outcomes: [ours, sdk, fixed], starved })
}

async fn start(pod: Pod, begins: Duration) -> Start {
    tokio::time::sleep(begins).await;
    let (who, sts, began) = (pod.who, pod.sts.clone(), Instant::now());
    let contender = pod.connect().await;
    let took = began.elapsed();
    let sts_calls = sts.calls();
    match contender {
        Ok(contender) => Start { who, took: contender.first_credentials, failure: None, sts_calls },
        Err(failure) => Start { who, took, failure: Some(failure), sts_calls },
    }
}

fn set_fault(contenders: &[&Contender], fault: Option<Fault>) {
    for contender in contenders {
        contender.sts.mock.set_fault(fault);
    }
}

/// Prints all figures. Asserts counts only, never times.
fn check(scenario: &Scenario, run: &Run) {
    let [ours, sdk, fixed] = &run.outcomes;
    for outcome in &run.outcomes {
        outcome.print(scenario.name);
    }
    for contender in [ours, sdk] {
        let name = format!("{} {}", scenario.name, contender.who);
        report(format_args!("{name} at_refreshes latency"), contender.at_refreshes(contender));
        report(format_args!("{name} away_from_refreshes latency"), contender.away_from_refreshes(contender));
        report(format_args!("{name} fixed_keys_in_those_seconds latency"), fixed.at_refreshes(contender));
        report(format_args!("{name} p99.9_against_fixed_keys"), contender.p999_against(fixed));
    }
    if let Some(starved) = &run.starved {
        report(format_args!("{} workers_blocked", scenario.name), format_args!("{:.0} %", starved.blocked));
        for who in [Who::Ours, Who::Sdk] {
            starved.print(scenario.name, who);
        }
    }

    let name = scenario.name;
    if scenario.fault.is_none() {
        assert!(!ours.refreshes.is_empty(), "{name}: there was a refresh to wait for");
        assert_eq!(ours.waits(), 0, "{name}: no request of ours may wait for a refresh");
        let most = scenario.most_exchanges();
        assert!(ours.sts_calls <= most, "{name}: {} exchanges of ours, at most {most} are needed", ours.sts_calls);
    }
    for start in run.starved.iter().flat_map(|starved| &starved.starts).filter(|start| start.who == Who::Ours) {
        assert!(start.failure.is_none(), "{name}: connect() must give credentials");
        assert_eq!(start.sts_calls, 1, "{name}: connect() must need one exchange");
    }
}

impl Starved {
    fn print(&self, scenario: &str, who: Who) {
        let name = format!("{scenario} {who} first_credentials");
        let starts = || self.starts.iter().filter(|start| start.who == who);
        let mut took: Vec<f64> =
            starts().filter(|start| start.failure.is_none()).map(|start| start.took.as_secs_f64()).collect();
        took.sort_by(f64::total_cmp);
        if let (Some(p50), Some(max)) = (quantile(&took, 0.5), quantile(&took, 1.0)) {
            report(&name, format_args!("p50 {p50:.2} max {max:.2} s of {}", took.len()));
        }
        report(format_args!("{name} failed"), starts().count() - took.len());
        for start in starts() {
            if let Some(failure) = &start.failure {
                report(
                    format_args!("{name} failed_after"),
                    format_args!("{:.2} s: {failure}", start.took.as_secs_f64()),
                );
            }
        }
        report(format_args!("{name} sts_calls"), starts().map(|start| start.sts_calls).sum::<usize>());
    }
}

/// Pods of each contender that begin while the runtime is starved.
const STARTS: u32 = 8;

/// Draws the slowest request of each quarter second.
fn draw([ours, sdk, fixed]: &[Outcome; 3]) -> std::io::Result<()> {
    let slowest = |outcome: &Outcome| {
        let mut buckets = vec![0_f64; (SHOWN / BUCKET) as usize];
        for request in &outcome.requests {
            let (first, last) = (request.began / BUCKET, (request.began + request.took) / BUCKET);
            for slowest in buckets.iter_mut().take(last as usize + 1).skip(first as usize) {
                *slowest = slowest.max(request.took * 1e3);
            }
        }
        buckets.into_iter().enumerate().map(|(bucket, slowest)| (bucket as f64 * BUCKET, slowest)).collect()
    };
    let bands = ours.refreshes.iter().enumerate();
    Chart {
        title: "Latency of requests across refreshes of the credentials, STS taking 1 s",
        subtitle: "the slowest request under way in each quarter second, of 640 a second; sessions of 20 s; logarithmic",
        x: Axis::linear("seconds", 0.0..=SHOWN, &[0.0, 10.0, 20.0, 30.0, 40.0]),
        y: Axis::logarithmic("milliseconds", 0.5..=4000.0),
        bands: bands
            .map(|(nth, refresh)| (refresh.start..=refresh.end, if nth == 0 { "our refresh" } else { "" }))
            .collect(),
        series: vec![
            Series { name: "SDK today", colour: Colour::Third, points: slowest(sdk) },
            Series { name: "fixed keys, never refreshed", colour: Colour::Second, points: slowest(fixed) },
            Series { name: "aws-web-identity", colour: Colour::First, points: slowest(ours) },
        ],
    }
    .save("refresh_boundary")
}

/// In seconds.
const SHOWN: f64 = 48.0;
const BUCKET: f64 = 0.25;
