//! Minutes or hours in which everything goes wrong. No request may fail while credentials are valid, and nothing may
//! leak.
//!
//! `cargo bench -p soak -- --minutes 60` runs for an hour. Without the argument it takes two minutes.
//!
//! Real SDK clients send requests over real sockets. Sessions last seconds, and the token changes each second. There
//! are four worlds, each with its own volume and STS. The clock of one STS is ten minutes ahead, the clock of another
//! as much behind. Each world has one caller of each kind:
//!
//! | kind | its credentials come from |
//! |---|---|
//! | `plain` | our provider, with default settings |
//! | `polling` | our provider without file events |
//! | `standby` | our provider with a second STS |
//! | `jumping` | our provider with a clock that is set ahead and back |
//! | `chained` | a chained role, assumed with the credentials of `plain` |
//! | `wrapped` | aws-config's chain, refreshed in the background |
//! | `sdk` | aws-config's chain behind the SDK's identity cache |
//!
//! Each world goes through all faults of STS, some shorter and some longer than a session. Meanwhile keys are revoked,
//! directories vanish, inotify instances run out, callers ask for refreshes and give up, and providers come and go.
//! Other clients run on blocked and short-lived runtimes, without a runtime, and in forked children:
//! `hard_clients.rs`.
//!
//! Each failure is judged by what was known at its time: the key that `current()` returned before and after, the key of
//! the request's signature, and the record of STS about that key. Times do not decide, because a busy machine delays
//! everything. The bench counts turns of the runtime instead: see `runtime_progress.rs`.
//!
//! At the end no thread, file or task may be left. Memory, threads and files may not grow after the warm-up.
//! `resources.rs` judges both. The last line is the verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

mod caller;
mod churn;
#[allow(dead_code, reason = "the integration tests use the rest")]
#[path = "../../../tests/it/support/fault_list.rs"]
mod fault_list;
mod forked;
mod hard_clients;
mod judge;
mod plan;
#[path = "../../support/pod_config.rs"]
mod pod_config;
mod resources;
mod runtime_progress;
mod sts_record;
mod summary;
#[path = "../../support/mod.rs"]
mod support;
mod traffic;
mod trouble;
mod user_namespace;
mod verdict;
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_web_identity::test_util::OidcIssuer;
use caller::Caller;
use hard_clients::HardClients;
use judge::Judge;
use plan::Plan;
use resources::{Resources, Trend};
use runtime_progress::RuntimeProgress;
use summary::Summary;
use support::report;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use traffic::Tally;
use trouble::{Clock, Files};
use user_namespace::allow_watches;
use world::World;

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return Err("AWS_ACCESS_KEY_ID is set, and the SDK would use it: unset it".into());
    }
    if let Some(status) = forked::parent() {
        return Ok(status);
    }
    if let Some(status) = user_namespace::enter() {
        return Ok(status);
    }
    let plan = Plan::chosen()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Idle threads end soon, so that a thread that is left is a leak.
    let runtime = runtime.worker_threads(2).thread_keep_alive(Duration::from_secs(1)).enable_all().build()?;
    let is_well = runtime.block_on(run(plan))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For each world: the offset of its STS's clock in seconds, and the trouble of its volume.
const WORLDS: [(i64, Files); 4] =
    [(0, Files::Sound), (600, Files::Sound), (0, Files::Unwatchable), (-600, Files::Vanish)];
const CLIENTS_OF_EACH: usize = 2;

async fn run(plan: Plan) -> Result<bool, Box<dyn Error + Send + Sync>> {
    if !allow_watches(true) {
        report("inotify instances", "do not run out: this machine allows no user namespace");
    }
    let start = Resources::now();
    start.print("start");
    let (summary, trend, hard_clients_are_well) = live(plan).await?;
    let end = Resources::back_to(start).await;
    end.print("end");
    let mut leaks = end.leaks_since(start);
    if leaks {
        report("LEAK", format_args!("{:?}", resources::open_files()));
    }
    summary.print();
    leaks |= trend.leaks();
    let is_well = summary.is_well() && hard_clients_are_well && !leaks;
    report("verdict", if is_well { "passed" } else { "FAILED" });
    Ok(is_well)
}

/// Runs all worlds. Everything is dropped when this returns.
async fn live(plan: Plan) -> Result<(Summary, Trend, bool), Box<dyn Error + Send + Sync>> {
    let issuer = OidcIssuer::start().await;
    let clock = Clock::default();
    let (mut troubles, mut traffic) = (JoinSet::new(), JoinSet::new());
    let progress = RuntimeProgress::default();
    troubles.spawn(progress.clone().record());
    let (tell, seen) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let churned = Arc::new(AtomicU64::new(0));
    let mut worlds = Vec::new();
    for (number, (offset, files)) in WORLDS.into_iter().enumerate() {
        let world = Arc::new(World::start(number, &plan, &issuer, offset).await);
        let callers: Vec<_> = Caller::all(&world, &clock, files).await?.into_iter().map(Arc::new).collect();
        for (index, caller) in callers.iter().enumerate() {
            for _ in 0..CLIENTS_OF_EACH {
                let (at, caller, tell, stop) = ((number, index), Arc::clone(caller), tell.clone(), stop.clone());
                traffic.spawn(async move { (at, traffic::run(caller, at, tell, stop).await) });
            }
        }
        troubles.spawn(trouble::faults(Arc::clone(&world), WORLDS.len(), plan));
        troubles.spawn(trouble::files(Arc::clone(&world), files, plan));
        troubles.spawn(trouble::demands(callers.clone()));
        if number == 0 {
            troubles.spawn(trouble::rejections(Arc::clone(&world), callers.clone(), plan));
        }
        let (churns_in, count) = (Arc::clone(&world), Arc::clone(&churned));
        troubles.spawn(async move { churn::run(churns_in, &count).await });
        worlds.push((world, callers));
    }
    troubles.spawn(trouble::clocks(clock, plan));
    let hard_clients = HardClients::start(&worlds[0].0, plan.life_of_children);

    drop(tell);
    let mut tallies: Vec<Vec<Tally>> =
        worlds.iter().map(|(_, callers)| callers.iter().map(|_| Tally::default()).collect()).collect();
    let judge = tokio::spawn(Judge::new(worlds, plan, progress, seen).run());

    let mut trend = Trend::new(plan.runs_for);
    trend.follow_to(plan.runs_for / 2).await;
    Resources::now().print("middle");
    trend.follow_to(plan.runs_for).await;
    stop.cancel();
    let hard_clients_are_well = tokio::task::spawn_blocking(|| hard_clients.finish()).await?;
    while let Some(done) = traffic.join_next().await {
        let ((world, caller), tally) = done?;
        tallies[world][caller].add(tally);
    }
    // A trouble that panicked did not trouble anybody.
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
    for caller in judge.callers() {
        // The other providers end with their last handle.
        if let Some(provider) = caller.provider.as_ref().filter(|_| fastrand::bool()) {
            timeout(Duration::from_secs(60), provider.shutdown()).await?;
        }
    }
    report("churn providers", churned.load(Ordering::Relaxed));
    Ok((judge.summary(&tallies), trend, hard_clients_are_well))
}
