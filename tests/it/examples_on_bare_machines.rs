//! The examples, run as programs where something is missing or full: CA certificates, `/proc`, threads, DNS, a home, a
//! disk, standard output and error.
//!
//! Each ends with a defined exit status and text. [`MACHINES`] has them. A signal kills each program but the service,
//! whose own tests have its signals.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use aws_web_identity::test_util::Fault;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::isolated::skipped;
use crate::support::example_program::{RunningExample, example_path};
use crate::support::{ROLE, Rig, soon};

struct Machine {
    name: &'static str,
    /// A shell script that runs the given program on such a machine. Exit status 97: it cannot be set up here.
    wrapper: &'static str,
    /// Endpoint of STS. `None`: the rig's. Empty: AWS's.
    sts: Option<&'static str>,
    programs: Outcome,
    /// The service is ended with SIGTERM when it has printed its texts.
    service: Outcome,
    /// Programs with another outcome.
    others: &'static [(&'static str, Outcome)],
}

/// An exit status, and texts that the program prints to either stream.
type Outcome = (i32, &'static [&'static str]);

const READY: Outcome = (0, &["service: ready"]);
/// For machines on which no log can be read.
const LISTENS: Outcome = (0, &["listening on "]);
/// Tokio's runtime with worker threads panics without threads.
const NO_WORKERS: Outcome = (101, &["OS can't spawn worker thread"]);
/// The SDK's HTTP client panics without CA certificates. The programs that load aws-config or use this client have no error
/// to print.
const NO_CLIENT: Outcome = (101, &["no valid root certificates"]);
/// The test kit has files.
const NO_KIT: Outcome = (101, &["TMPDIR", "Read-only file system"]);
const FULL: Outcome = (1, &["standard output cannot be written"]);
const WHOLE: Machine =
    Machine { name: "", wrapper: r#"exec "$@""#, sts: None, programs: (0, &[]), service: READY, others: &[] };

const MACHINES: [Machine; 12] = [
    // No program gets a variable that the table below does not name.
    Machine { name: "no HOME", ..WHOLE },
    Machine {
        name: "no CA certificates",
        wrapper: r#"export SSL_CERT_FILE=/nowhere SSL_CERT_DIR=/nowhere; exec "$@""#,
        sts: Some("https://127.0.0.1:9"),
        programs: (1, &["this machine has no CA certificates", "SSL_CERT_FILE"]),
        service: (0, &["this machine has no CA certificates", "SSL_CERT_FILE"]),
        others: &[
            ("quickstart", (0, &[])),
            ("roles", (0, &[])),
            ("token_source", NO_CLIENT),
            ("pod_identity", NO_CLIENT),
        ],
    },
    Machine {
        name: "no /proc",
        wrapper: r#"exec unshare -Urm sh -c 'mount -t tmpfs none /proc || exit 97; exec "$@"' sh "$@""#,
        ..WHOLE
    },
    Machine {
        name: "read-only file system",
        wrapper: r#"exec unshare -Urm sh -c 'mount --rbind / / && mount -o remount,ro,bind / || exit 97; exec "$@"' sh "$@""#,
        others: &[("quickstart", NO_KIT), ("roles", NO_KIT)],
        ..WHOLE
    },
    Machine {
        name: "no threads",
        // The limit counts all threads of a user, so each program runs as a user of its own.
        wrapper: r#"exec prlimit --nproc=1 setpriv --reuid "$RUN_AS" --regid "$RUN_AS" --clear-groups "$@""#,
        programs: (1, &["no thread", "pids.max", "RLIMIT_NPROC"]),
        service: NO_WORKERS,
        others: &[("quickstart", NO_WORKERS), ("roles", NO_WORKERS)],
        ..WHOLE
    },
    Machine {
        name: "no inotify",
        wrapper: r#"exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_inotify_instances || exit 97; exec "$@"' sh "$@""#,
        ..WHOLE
    },
    Machine {
        name: "no DNS",
        wrapper: r#"exec unshare -Urn sh -c 'ip link set lo up || exit 97; exec "$@"' sh "$@""#,
        sts: Some(""),
        programs: (1, &["https://sts.eu-central-1.amazonaws.com", "dns error", "DNS"]),
        service: (0, &["https://sts.eu-central-1.amazonaws.com", "dns error", "DNS"]),
        others: &[
            ("quickstart", (0, &[])),
            ("roles", (0, &[])),
            // The source of its tokens is in another network.
            ("token_source", (1, &["gave no token", "Connection refused"])),
        ],
    },
    Machine { name: "closed stdout", wrapper: r#"exec "$@" >&-"#, ..WHOLE },
    Machine { name: "closed stderr", wrapper: r#"exec "$@" 2>&-"#, service: LISTENS, ..WHOLE },
    Machine { name: "full stdout", wrapper: r#"exec "$@" >/dev/full"#, programs: FULL, service: FULL, ..WHOLE },
    Machine { name: "full stderr", wrapper: r#"exec "$@" 2>/dev/full"#, service: LISTENS, ..WHOLE },
    Machine {
        name: "full disk",
        wrapper: r#"exec "$@" >/dev/full 2>/dev/full"#,
        programs: (1, &[]),
        service: (1, &[]),
        ..WHOLE
    },
];

const PROGRAMS: [&str; 9] =
    ["whoami", "doctor", "presign", "object_store", "opendal", "token_source", "pod_identity", "quickstart", "roles"];

#[tokio::test(flavor = "multi_thread")]
async fn each_example_ends_as_defined_on_bare_machines() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    // The programs run as other users, which must be able to read the token.
    let token = std::fs::read_to_string(rig.volume.token_path()).unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, &token).unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let others = store_and_runner(token).await;

    let (mut runs, at_once) = (JoinSet::new(), Arc::new(Semaphore::new(12)));
    for machine in &MACHINES {
        for (number, name) in PROGRAMS.into_iter().chain(["service"]).enumerate() {
            let mut command = on(machine, name, &rig, &token_file, &others);
            command.env("RUN_AS", (65_400 + number).to_string());
            let at_once = Arc::clone(&at_once);
            runs.spawn(async move {
                let _turn = at_once.acquire_owned().await.unwrap();
                let (mut program, expected) = (RunningExample::start(&mut command), machine.outcome_of(name));
                if name == "service" && expected.0 == 0 {
                    let texts = expected.1;
                    program.until(|said| texts.iter().all(|text| said.contains(text))).await;
                    program.signal("TERM");
                }
                (machine.name, name, expected, program.ended().await)
            });
        }
    }
    let mut failures = String::new();
    while let Some(run) = runs.join_next().await {
        let (machine, name, (status, texts), (ended, said)) = run.unwrap();
        if ended.code() == Some(97) {
            skipped(machine, "this machine cannot be made so");
        } else if ended.code() != Some(status)
            || !texts.iter().all(|text| said.contains(text))
            || said.contains("panicked") && status != 101
        {
            failures += &format!("{name} with {machine}: {ended}, {said}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_that_has_gone_is_no_failure() {
    let rig = Rig::start().await;
    let others = store_and_runner(std::fs::read_to_string(rig.volume.token_path()).unwrap()).await;
    let mut runs = JoinSet::new();
    for name in PROGRAMS {
        let mut command = on(&WHOLE, name, &rig, &rig.volume.token_path(), &others);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        runs.spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            (name, child.wait_with_output().unwrap())
        });
    }
    while let Some(run) = soon(runs.join_next()).await {
        let (name, output) = run.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("panicked"), "{name}: {errors}");
    }
}

/// A shell lets its background jobs ignore SIGINT, and this test may be in one.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_kills_a_waiting_program_without_a_panic() {
    let mut runs = JoinSet::new();
    // `roles` waits for nobody, and may end before the signal.
    for name in PROGRAMS.into_iter().filter(|name| *name != "roles") {
        runs.spawn(async move {
            let rig = Rig::start().await;
            rig.sts.set_fault(Fault::Hang);
            let others = store_and_runner(std::fs::read_to_string(rig.volume.token_path()).unwrap()).await;
            let mut program = RunningExample::start(&mut on(&WHOLE, name, &rig, &rig.volume.token_path(), &others));
            if name == "quickstart" {
                // It has an STS of its own, and waits for refreshes.
                program.until(|said| !said.is_empty()).await;
            } else {
                soon(rig.sts.wait_for_calls(1)).await;
            }
            program.signal("TERM");
            let (ended, said) = program.ended().await;
            assert!(ended.signal() == Some(15) && !said.contains("panicked"), "{name}: {ended}, {said}");
        });
    }
    runs.join_all().await;
}

impl Machine {
    fn outcome_of(&self, name: &str) -> Outcome {
        let other = self.others.iter().find(|(other, _)| *other == name).map(|(_, outcome)| *outcome);
        other.unwrap_or(if name == "service" { self.service } else { self.programs })
    }
}

/// The program with its settings and nothing else. `others` is the URL of [`store_and_runner`].
fn on(machine: &Machine, name: &str, rig: &Rig, token_file: &Path, others: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", machine.wrapper, "sh"])
        .arg(example_path(name))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("AWS_ROLE_ARN", ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token_file)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL_S3", others)
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{others}/token?api-version=2.0"))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
        .envs([("BUCKET", "receipts"), ("KEY", "may"), ("LISTEN_ADDR", "127.0.0.1:0"), ("NO_COLOR", "1")]);
    match machine.sts {
        None => drop(command.env("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url())),
        Some("") => {}
        Some(endpoint) => drop(command.env("AWS_ENDPOINT_URL_STS", endpoint)),
    }
    command
}

/// The URL of an object store that allows everything. It also answers as GitHub's runner does.
async fn store_and_runner(token: String) -> String {
    let objects = Arc::new(Mutex::new(HashMap::<String, Bytes>::new()));
    let answer = async move |request: Request| -> Response {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let mut objects = objects.lock().unwrap();
        match parts.method {
            Method::GET if path == "/token" => format!(r#"{{"value":"{token}"}}"#).into_response(),
            Method::PUT => {
                objects.insert(path, body);
                [(header::ETAG, "\"0\"")].into_response()
            }
            // One object, or those in the body.
            Method::DELETE => StatusCode::NO_CONTENT.into_response(),
            Method::POST => "<DeleteResult><Deleted><Key>it</Key></Deleted></DeleteResult>".into_response(),
            _ => match objects.get(&path) {
                Some(object) => {
                    let modified = (header::LAST_MODIFIED, "Fri, 01 May 2026 10:00:00 GMT");
                    ([modified, (header::ETAG, "\"0\"")], object.clone()).into_response()
                }
                None => StatusCode::NOT_FOUND.into_response(),
            },
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    url
}
