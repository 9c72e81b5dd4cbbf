//! What the example `service` costs while nothing asks it: memory, threads, wake-ups and processor time.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use aws_web_identity::test_util::TestAws;

use crate::support::report;

pub(crate) fn report_all() {
    let program = release_build();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let aws = runtime.block_on(TestAws::start());
    let mut service = Command::new(&program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        service.env_remove(name);
    }
    service.env("AWS_ROLE_ARN", TestAws::ROLE).env("AWS_WEB_IDENTITY_TOKEN_FILE", aws.volume().token_path());
    service.env("AWS_REGION", "eu-central-1").env("AWS_ENDPOINT_URL_STS", aws.sts().endpoint_url());
    let mut service =
        service.env("LISTEN_ADDR", "127.0.0.1:0").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(service.stderr.take().unwrap());
    assert!(log.lines().any(|line| line.unwrap().ends_with("ready")), "the service gets no credentials");
    // The threads that read files end after some seconds.
    thread::sleep(Duration::from_secs(15));

    let process = PathBuf::from(format!("/proc/{}", service.id()));
    let before = Work::until_now(&process);
    thread::sleep(SPAN);
    let after = Work::until_now(&process);
    let an_hour = |work: u64| work * 3600 / SPAN.as_secs();
    report("idle service, program, KiB", fs::metadata(&program).unwrap().len() / 1024);
    report("idle service, RSS, MiB", format!("{:.1}", field(&process.join("status"), "VmRSS:") as f64 / 1024.0));
    report("idle service, threads", field(&process.join("status"), "Threads:"));
    report("idle service, wake-ups an hour", an_hour(after.wake_ups - before.wake_ups));
    report("idle service, processor time an hour, ms", an_hour(after.nanoseconds - before.nanoseconds) / 1_000_000);
    service.kill().unwrap();
    service.wait().unwrap();
}

/// The program, built next to this bench.
fn release_build() -> PathBuf {
    let bench = env::current_exe().unwrap();
    // It is in target/release/deps.
    let target = bench.ancestors().nth(3).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
    assert!(cargo.args(["build", "--release", "-p", "service"]).status().unwrap().success());
    target.join("release/service")
}

/// What all threads have done so far.
struct Work {
    wake_ups: u64,
    nanoseconds: u64,
}

impl Work {
    fn until_now(process: &Path) -> Self {
        let mut work = Self { wake_ups: 0, nanoseconds: 0 };
        for thread in fs::read_dir(process.join("task")).unwrap() {
            let thread = thread.unwrap().path();
            work.wake_ups += field(&thread.join("status"), "voluntary_ctxt_switches:");
            let statistics = fs::read_to_string(thread.join("schedstat")).unwrap();
            work.nanoseconds += statistics.split(' ').next().unwrap().parse::<u64>().unwrap();
        }
        work
    }
}

fn field(status: &Path, name: &str) -> u64 {
    let status = fs::read_to_string(status).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

const SPAN: Duration = Duration::from_secs(300);
