//! The service, run as a program and asked by an HTTP client.
#![cfg(unix)]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_web_identity::test_util::{Fault, TestAws};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn service_listens_first_and_is_ready_with_credentials() {
    let aws = TestAws::start().await;
    aws.sts().set_fault(Fault::ServiceUnavailable);
    let mut service = Service::start(&aws);
    assert_eq!(service.get("/livez").await.0, 200);
    let (status, body) = service.get("/readyz").await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("Empty"), "{body}");
    let generation = format!("aws_web_identity_generation{{role=\"{}\"}}", TestAws::ROLE);
    soon(async {
        while !service.get("/metrics").await.1.contains(&format!("{generation} 0")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;

    aws.sts().set_fault(None);
    soon(async {
        while service.get("/readyz").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The last metric is set when the engine goes to rest.
        while !service.get("/metrics").await.1.contains(&format!("{generation} 1")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (_, text) = service.get("/metrics").await;
    assert_eq!(metrics_in(&text, "# TYPE "), metrics_in(CONTRACT, "//! | `"), "{text}");
    assert!(
        text.contains("aws_web_identity_exchange_duration_seconds_bucket"),
        "a histogram that can be summed: {text}"
    );
    assert_eq!(service.get("/livez").await.0, 200);
    assert_eq!(service.get("/nothing").await.0, 404);
    service.ends_after("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_logged_after_a_corrected_mistake() {
    let aws = TestAws::start().await;
    aws.sts().set_fault(Fault::Error {
        status: 400,
        code: "ValidationError",
        message: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    });
    let mut service = Service::start(&aws);
    eventually(|| service.log().contains("not ready until this is corrected")).await;
    aws.sts().set_fault(None);
    // A new token causes an attempt at once. Otherwise the next one is minutes away.
    aws.rotate();
    service.is_ready().await;
    service.ends_after("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signal_ends_the_service_at_each_stage() {
    let mut ends = JoinSet::new();
    for signal in ["TERM", "INT"] {
        for stage in [Stage::NoToken, Stage::HungExchange, Stage::Ready, Stage::HungRefresh, Stage::Draining] {
            ends.spawn(end_at(stage, signal));
        }
    }
    ends.join_all().await;
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    NoToken,
    HungExchange,
    Ready,
    HungRefresh,
    /// A request that never ends is under way, and an earlier signal waits for it.
    Draining,
}

async fn end_at(stage: Stage, signal: &str) {
    let aws = TestAws::start().await;
    if let Stage::HungRefresh = stage {
        aws.sts().set_session_length(Duration::from_secs(6));
    }
    if let Stage::HungExchange = stage {
        aws.sts().set_fault(Fault::Hang);
    }
    let token_file = match stage {
        Stage::NoToken => "/nowhere/token".into(),
        _ => aws.volume().token_path(),
    };
    let mut service = Service::start_with(&aws, program().env("AWS_WEB_IDENTITY_TOKEN_FILE", token_file));
    match stage {
        Stage::NoToken => eventually(|| service.log().contains("/nowhere/token")).await,
        Stage::HungExchange => {
            soon(aws.sts().wait_for_calls(1)).await;
            assert_eq!((service.get("/livez").await.0, service.get("/readyz").await.0), (200, 503));
        }
        Stage::Ready | Stage::Draining => service.is_ready().await,
        Stage::HungRefresh => {
            service.is_ready().await;
            aws.sts().set_fault(Fault::Hang);
            soon(aws.sts().wait_for_calls(2)).await;
        }
    }
    if let Stage::Draining = stage {
        let stream = soon(TcpStream::connect(service.address.as_str())).await.unwrap();
        soon(stream.writable()).await.unwrap();
        // The beginning of a request.
        stream.try_write(b"GET /livez HTTP/1.1\r\n").unwrap();
        service.signal(signal);
        eventually(|| service.log().contains("stopping")).await;
        service.ends_after(signal).await;
        assert!(service.log().contains("some requests were cut off"));
    } else {
        service.ends_after(signal).await;
    }
}

#[test]
fn signal_before_the_service_listens_ends_it() {
    let aws_is_not_needed = "https://127.0.0.1:9";
    let mut service = program()
        .env("AWS_ENDPOINT_URL_STS", aws_is_not_needed)
        .env("AWS_ROLE_ARN", TestAws::ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
        .env("AWS_REGION", "eu-central-1")
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    signal_to(&service, "TERM");
    let status = service.wait().unwrap();
    // Before `main` has a handler, the signal kills the process.
    assert!(status.success() || status.signal() == Some(15), "{status}");
}

#[test]
fn missing_configuration_ends_the_service_with_reason() {
    let output = program().env("AWS_REGION", "eu-central-1").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("AWS_ROLE_ARN"), "{said}");
}

/// The page that lists all metrics.
const CONTRACT: &str = include_str!("../../../src/docs/telemetry.rs");

/// Names of the metrics at the beginning of lines with this prefix.
fn metrics_in<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix(prefix)?.strip_prefix("aws_web_identity_"));
    rows.filter_map(|row| row.split(|c: char| c != '_' && !c.is_ascii_lowercase()).next()).collect()
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            command.env_remove(variable);
        }
    }
    command
}

async fn eventually(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Turns a test that hangs into one that fails.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it hangs")
}

struct Service {
    child: Child,
    address: String,
    client: reqwest::Client,
    /// Standard error of the program.
    log: NamedTempFile,
}

impl Service {
    fn start(aws: &TestAws) -> Self {
        Self::start_with(aws, program().env("AWS_WEB_IDENTITY_TOKEN_FILE", aws.volume().token_path()))
    }

    /// `program` knows its token file.
    fn start_with(aws: &TestAws, program: &mut Command) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut child = program
            .env("AWS_ROLE_ARN", TestAws::ROLE)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ENDPOINT_URL_STS", aws.sts().endpoint_url())
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .env("NO_COLOR", "1")
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, address, client, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = soon(self.client.get(format!("http://{}{path}", self.address)).send()).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn is_ready(&self) {
        eventually(|| self.log().contains(" ready\n") || self.log().contains(": ready")).await;
    }

    fn signal(&self, name: &str) {
        signal_to(&self.child, name);
    }

    /// Sends a signal, as the kubelet sends SIGTERM, and expects an orderly end.
    async fn ends_after(&mut self, signal: &str) {
        self.signal(signal);
        let mut status = None;
        eventually(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.unwrap().success(), "{status:?}: {}", self.log());
    }
}

fn signal_to(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
