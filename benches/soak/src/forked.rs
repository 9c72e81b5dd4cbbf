//! A server that forks after its provider runs. Each child goes on with the provider of its parent.
//!
//! A lock that another thread holds at the fork stays locked in the child. So the parent is a program of its own, whose
//! other threads are idle when it forks.

use std::env;
use std::process::{self, Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_types::region::Region;
use aws_web_identity::WebIdentityCredentialsProvider;

use crate::hard_clients::{End, Tally, block_on, client, runtime};
use crate::resources;
use crate::support::report;
use crate::world::{ATTEMPT, ROLE, World};

/// Starts one parent after the other until `end`. A request is a child that ended well.
pub(crate) fn run_families(world: &World, life: Duration, end: &End) -> Tally {
    let mut tally = Tally::default();
    loop {
        let parent = Command::new(env::current_exe().unwrap())
            .env(STS, world.home.endpoint_url())
            .env(TOKEN_FILE, world.token_path())
            .env(LIFE, life.as_millis().to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        match ended(parent, life + PATIENCE) {
            Some(true) => tally.requests += CHILDREN as u64,
            outcome => {
                tally.failures += 1;
                report(
                    "must not be",
                    format_args!("forked children: {}", if outcome.is_none() { "hung" } else { "failed" }),
                );
            }
        }
        if end.has_come(&tally) {
            return tally;
        }
    }
}

/// True if the program ended with success. `None` if it hung.
fn ended(mut program: Child, within: Duration) -> Option<bool> {
    let begun = Instant::now();
    while begun.elapsed() < within {
        if let Some(status) = program.try_wait().unwrap() {
            return Some(status.success());
        }
        thread::sleep(Duration::from_millis(100));
    }
    drop(program.kill());
    drop(program.wait());
    None
}

/// The parent's program. `None` if this process is not such a parent.
pub(crate) fn parent() -> Option<ExitCode> {
    let sts = env::var(STS).ok()?;
    let life = Duration::from_millis(env::var(LIFE).ok()?.parse().ok()?);
    // The soak's providers ran when it started this program. Their poller and watch must not be open here.
    if resources::open_files().iter().any(|file| file.starts_with("anon_inode:")) {
        report("must not be", format_args!("forked children: inherited {:?}", resources::open_files()));
        return Some(ExitCode::FAILURE);
    }
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .endpoint_url(&sts)
        .build();
    let provider = WebIdentityCredentialsProvider::builder()
        .configure(&base)
        .role_arn(ROLE)
        .token_file(env::var_os(TOKEN_FILE)?)
        .session_name("forked")
        .endpoint_url(&sts)
        .attempt_timeout(ATTEMPT)
        .wait_timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    while block_on(provider.ready()).is_err() {}
    // The engine thread becomes idle.
    thread::sleep(Duration::from_millis(300));
    let mut children = Vec::new();
    for _ in 0..CHILDREN {
        match fork::fork().unwrap() {
            fork::Fork::Child => work(&provider, &base, life),
            fork::Fork::Parent(child) => children.push(child),
        }
    }
    let failed = children.into_iter().filter(|child| {
        let status = fork::waitpid(*child).unwrap();
        !fork::WIFEXITED(status) || fork::WEXITSTATUS(status) != 0
    });
    Some(if failed.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn work(provider: &WebIdentityCredentialsProvider, base: &SdkConfig, life: Duration) -> ! {
    let (runtime, begun, mut tally) = (runtime(), Instant::now(), Tally::default());
    let client = client(provider, base.clone());
    while begun.elapsed() < life {
        tally.read(provider);
        tally.send(&runtime, &client, provider);
        thread::sleep(Duration::from_millis(100));
    }
    process::exit(i32::from(tally.requests == 0 || tally.waits + tally.failures > 0))
}

const CHILDREN: usize = 3;
/// Time for the parent's first credentials during the longest outage.
const PATIENCE: Duration = Duration::from_secs(120);
const STS: &str = "AWS_WEB_IDENTITY_SOAK_STS";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_SOAK_TOKEN_FILE";
const LIFE: &str = "AWS_WEB_IDENTITY_SOAK_LIFE";
