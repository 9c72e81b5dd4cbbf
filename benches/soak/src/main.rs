//! Minutes or hours in which everything goes wrong: no request may fail while there are valid credentials, and nothing may
//! leak.
//!
//! `cargo bench -p soak -- --minutes 60`; without that it takes two minutes.
//!
//! Real SDK clients over real sockets, sessions of seconds, a new token each second, and four lanes, each with a volume and an
//! STS of its own. In each there are six of our providers: `plain`, `polling` (no file events), `standby` (a second STS), `jumping`
//! (its clock is set ahead and back), `chained` (a role assumed with `plain`'s) and `wrapped` (aws-config's chain behind ours);
//! and `sdk`, aws-config's default chain behind the SDK's cache. The clock of one lane's STS is ten minutes ahead of ours,
//! another's as much behind. Each lane goes through all faults of STS, shorter and longer than a session; meanwhile keys are revoked,
//! directories vanish, inotify instances run out, callers demand and give up, and providers come and go.
//!
//! What counts is what was known at each failure: the key that `current()` told before and after, the key of the request's
//! signature, and STS's own record of when that key's session ended. Never how long something took: from STS's answer to who
//! reads it, and from asking to STS, are as many turns of the runtime as any task needs, however long a busy machine takes over
//! them. Nothing is left at the end, and once it is warm the memory of the process no longer grows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

mod book;
mod churn;
mod clock;
mod course;
mod judge;
mod lane;
mod namespace;
mod party;
mod plan;
mod pulse;
mod resources;
mod summary;
#[path = "../../support/mod.rs"]
mod support;
mod traffic;
mod trouble;
mod verdict;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_web_identity::test_util::OidcIssuer;
use clock::Clock;
use course::Course;
use judge::Judge;
use lane::Lane;
use namespace::allow_watches;
use party::{Party, Provider};
use plan::Plan;
use pulse::Pulse;
use resources::Resources;
use summary::Summary;
use support::report;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use traffic::Tally;
use trouble::Files;

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return Err("AWS_ACCESS_KEY_ID is set, and the SDK would take that: unset it".into());
    }
    if let Some(status) = namespace::enter() {
        return Ok(status);
    }
    let plan = Plan::chosen()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // What idles ends soon, so that what does not can be told from it.
    let runtime = runtime.worker_threads(2).thread_keep_alive(Duration::from_secs(1)).enable_all().build()?;
    let is_well = runtime.block_on(run(plan))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One in each lane.
const WORLDS: [(i64, Files); 4] =
    [(0, Files::Sound), (600, Files::Sound), (0, Files::Unwatchable), (-600, Files::Vanish)];
const CLIENTS_OF_EACH: usize = 2;

async fn run(plan: Plan) -> Result<bool, Box<dyn Error + Send + Sync>> {
    if !allow_watches(true) {
        report("inotify instances", "do not run out: no user namespace for us here");
    }
    let start = Resources::now();
    start.print("start");
    let (summary, course) = live(plan).await?;
    let end = Resources::back_to(start).await;
    end.print("end");
    let mut leaks = end.leaks_since(start);
    if leaks {
        report("LEAK", format_args!("{:?}", resources::open_files()));
    }
    summary.print();
    course.print();
    if let Some(leak) = course.leak() {
        report("LEAK", leak);
        leaks = true;
    }
    Ok(summary.is_well() && !leaks)
}

/// Everything comes to life, and is gone when this returns.
async fn live(plan: Plan) -> Result<(Summary, Course), Box<dyn Error + Send + Sync>> {
    let issuer = OidcIssuer::start().await;
    let clock = Clock::default();
    let (mut troubles, mut traffic) = (JoinSet::new(), JoinSet::new());
    let pulse = Pulse::default();
    troubles.spawn(pulse.clone().beat());
    let (tell, seen) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let churned = Arc::new(AtomicU64::new(0));
    let mut lanes = Vec::new();
    for (number, (offset, files)) in WORLDS.into_iter().enumerate() {
        let lane = Arc::new(Lane::start(number, &plan, &issuer, offset).await);
        let parties: Vec<_> = Party::all(&lane, &clock, files).await?.into_iter().map(Arc::new).collect();
        for (index, party) in parties.iter().enumerate() {
            for _ in 0..CLIENTS_OF_EACH {
                let (at, party, tell, stop) = ((number, index), Arc::clone(party), tell.clone(), stop.clone());
                traffic.spawn(async move { (at, traffic::run(party, at, tell, stop).await) });
            }
        }
        troubles.spawn(trouble::faults(Arc::clone(&lane), WORLDS.len(), plan));
        troubles.spawn(trouble::files(Arc::clone(&lane), files, plan));
        troubles.spawn(trouble::demands(parties.clone()));
        if number == 0 {
            troubles.spawn(trouble::rejections(Arc::clone(&lane), parties.clone(), plan));
        }
        let (churns_in, count) = (Arc::clone(&lane), Arc::clone(&churned));
        troubles.spawn(async move { churn::run(churns_in, &count).await });
        lanes.push((lane, parties));
    }
    troubles.spawn(trouble::clocks(clock, plan));

    drop(tell);
    let mut tallies: Vec<Vec<Tally>> =
        lanes.iter().map(|(_, parties)| parties.iter().map(|_| Tally::default()).collect()).collect();
    let judge = tokio::spawn(Judge::new(lanes, plan, pulse, seen).run());

    let mut course = Course::new(plan.runs_for);
    course.follow_to(plan.runs_for / 2).await;
    Resources::now().print("middle");
    course.follow_to(plan.runs_for).await;
    stop.cancel();
    while let Some(done) = traffic.join_next().await {
        let ((lane, party), tally) = done?;
        tallies[lane][party].add(tally);
    }
    // A trouble that panicked would be none.
    troubles.abort_all();
    while let Some(ended) = troubles.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            return Err(error.into());
        }
    }
    allow_watches(true);
    let judge = judge.await?;
    for party in judge.parties() {
        // The others end with their last handle.
        if fastrand::bool() || matches!(party.provider, Provider::Sdk) {
            timeout(Duration::from_secs(60), party.provider.shutdown()).await?;
        }
    }
    report("churn providers", churned.load(Ordering::Relaxed));
    Ok((judge.summary(&tallies), course))
}
