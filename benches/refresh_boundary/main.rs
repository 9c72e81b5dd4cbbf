//! What requests feel of a refresh: ours, the SDK's and fixed keys, in the same seconds of the same run.
//!
//! Real SDK clients over real sockets: 64 tasks of each party, ten requests a second in each, through sessions of 20 s to
//! 40 s, each party with its own STS. Only exchanges are slow or fail. `cargo bench --bench refresh_boundary --features
//! test-util` takes five minutes and draws `benches/pictures/refresh_boundary.svg`; `-- sts_1s` runs the scenario of that name.
//!
//! - *Waited* and *got no credentials* are counted at the identity cache, so that a busy machine adds none: the identity was
//!   not there when the client asked for it, nor a millisecond later; and it came with an error, or the client gave up.
//! - *While there were valid ones*: one session of STS covered all that time.
//! - *At refreshes* is from a second before the exchange until a second after it. Beside it stand the fixed keys in just
//!   those seconds, which have no refresh and the same machine.
//! - *Failed* counts whatever failed; that of the fixed keys is the machine's share.

mod outcome;
mod party;
mod scenario;
mod service;
mod sts;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
mod watched;

use std::error::Error;
use std::time::{Instant, SystemTime};

use aws_web_identity::test_util::{Fault, OidcIssuer};
use outcome::Outcome;
use party::{Party, Who};
use scenario::{DRAWN, Scenario};
use support::chart::{Axis, Chart, Colour, Series};
use support::{chosen, report, short};
use tokio::runtime::{Builder, Handle, Runtime};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return Err("AWS_ACCESS_KEY_ID is set, and the SDK would take that: unset it".into());
    }
    let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let issuer = servers.block_on(OidcIssuer::start());
    let clients = Runtime::new()?;
    let scenarios = if short() { Scenario::short() } else { Scenario::all() };
    for scenario in scenarios.into_iter().filter(|scenario| chosen(scenario.name)) {
        // There are a handful, and tasks on two runtimes look at them.
        let scenario: &'static Scenario = Box::leak(Box::new(scenario));
        let outcomes = clients.block_on(run(scenario, &issuer, servers.handle()))?;
        print(scenario, &outcomes);
        if scenario.name == DRAWN {
            draw(&outcomes)?;
        }
    }
    Ok(())
}

async fn run(
    scenario: &'static Scenario,
    issuer: &OidcIssuer,
    servers: &Handle,
) -> Result<[Outcome; 3], Box<dyn Error + Send + Sync>> {
    let [ours, sdk, fixed] = Who::ALL.map(|who| Party::start(who, scenario, issuer, servers));
    let (ours, sdk, fixed) = tokio::try_join!(ours, sdk, fixed)?;
    let start = (Instant::now(), SystemTime::now());
    let faults = async {
        let Some((span, fault)) = &scenario.fault else { return };
        tokio::time::sleep(span.start).await;
        set_fault(&[&ours, &sdk], Some(*fault));
        tokio::time::sleep(span.end - span.start).await;
        set_fault(&[&ours, &sdk], None);
    };
    let traffic = |party: &Party| {
        let clients = party.clients.clone();
        async move { traffic::run(&clients, start.0, scenario.runs_for).await }
    };
    let (of_ours, of_sdk, of_fixed, ()) = tokio::join!(traffic(&ours), traffic(&sdk), traffic(&fixed), faults);
    Ok([(ours, of_ours), (sdk, of_sdk), (fixed, of_fixed)]
        .map(|(party, requests)| Outcome::of(&party, requests, start)))
}

fn set_fault(parties: &[&Party], fault: Option<Fault>) {
    for party in parties {
        party.sts.mock.set_fault(fault);
    }
}

fn print(scenario: &Scenario, outcomes: &[Outcome; 3]) {
    let [ours, sdk, fixed] = outcomes;
    for outcome in outcomes {
        outcome.print(scenario.name);
    }
    if scenario.fault.is_none() {
        assert!(!ours.refreshes.is_empty(), "{}: there was a refresh to wait for", scenario.name);
        assert_eq!(ours.waits(), 0, "{}: no request of ours shall wait for a refresh", scenario.name);
    }
    for party in [ours, sdk] {
        let name = format!("{} {}", scenario.name, party.who);
        report(format_args!("{name} at_refreshes latency"), party.at_refreshes(party));
        report(format_args!("{name} away_from_refreshes latency"), party.away_from_refreshes(party));
        report(format_args!("{name} fixed_keys_in_those_seconds latency"), fixed.at_refreshes(party));
    }
}

/// The slowest of the requests that are under way in each quarter second.
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
