//! The examples, run as programs where something is missing: CA certificates, `/proc`, threads, DNS, a working stdout.
//!
//! They end in credentials or in an error that says what is missing. They never panic.

use std::fs::File;
use std::process::{Child, Command, Output, Stdio};

use tokio::task::JoinSet;

use crate::isolated::skipped;
use crate::support::example_program::{example, example_path};
use crate::support::{ROLE, Rig, soon};

struct BareMachine {
    name: &'static str,
    /// A shell script that runs the given program on such a machine. Exit status 97: it cannot be set up here.
    wrapper: &'static str,
    /// Endpoint of STS. `None`: the rig's. Empty: AWS's.
    endpoint: Option<&'static str>,
    /// Outcome of `whoami`: success, or an error with all these phrases.
    whoami: Result<(), &'static [&'static str]>,
}

const MACHINES: [BareMachine; 7] = [
    BareMachine {
        name: "no CA certificates",
        wrapper: r#"export SSL_CERT_FILE=/nowhere SSL_CERT_DIR=/nowhere; exec "$@""#,
        endpoint: Some("https://127.0.0.1:9"),
        whoami: Err(&["this machine has no CA certificates", "SSL_CERT_FILE"]),
    },
    BareMachine {
        name: "no /proc",
        wrapper: r#"exec unshare -Urm sh -c 'mount -t tmpfs none /proc || exit 97; exec "$@"' sh "$@""#,
        endpoint: None,
        whoami: Ok(()),
    },
    BareMachine {
        name: "read-only file system",
        wrapper: r#"exec unshare -Urm sh -c 'mount --rbind / / && mount -o remount,ro,bind / || exit 97; exec "$@"' sh "$@""#,
        endpoint: None,
        whoami: Ok(()),
    },
    BareMachine {
        name: "no threads",
        // The limit counts all threads of a user, so each program runs as a user of its own.
        wrapper: r#"exec prlimit --nproc=1 setpriv --reuid "$RUN_AS" --regid "$RUN_AS" --clear-groups "$@""#,
        endpoint: None,
        whoami: Err(&["no thread", "pids.max", "RLIMIT_NPROC"]),
    },
    BareMachine {
        name: "no inotify",
        wrapper: r#"exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_inotify_instances || exit 97; exec "$@"' sh "$@""#,
        endpoint: None,
        whoami: Ok(()),
    },
    BareMachine {
        name: "no DNS",
        wrapper: r#"exec unshare -Urn "$@""#,
        endpoint: Some(""),
        whoami: Err(&["https://sts.eu-central-1.amazonaws.com", "dns error", "DNS"]),
    },
    BareMachine { name: "closed stdout", wrapper: r#"exec "$@" >&-"#, endpoint: None, whoami: Ok(()) },
];

const EXAMPLES: [&str; 7] = ["whoami", "doctor", "service", "presign", "object_store", "opendal", "token_source"];

#[tokio::test(flavor = "multi_thread")]
async fn bare_machine_gives_credentials_or_clear_error() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    // The programs run as other users, which must be able to read the token.
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, std::fs::read(rig.volume.token_path()).unwrap()).unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();

    let mut runs = JoinSet::new();
    for machine in &MACHINES {
        for (number, example) in EXAMPLES.into_iter().enumerate() {
            if example == "service" && machine.name == "no threads" {
                // Tokio panics when its runtime cannot start its threads.
                continue;
            }
            // The service never ends by itself. The others wait for at most 30 s.
            let seconds = if example == "service" { "3" } else { "100" };
            let mut command = Command::new("timeout");
            command
                .args(["--preserve-status", seconds, "sh", "-c", machine.wrapper, "sh"])
                .arg(example_path(example))
                .env_clear()
                .env("RUN_AS", (65_400 + number).to_string())
                .env("PATH", std::env::var_os("PATH").unwrap())
                .env("AWS_ROLE_ARN", ROLE)
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token_file)
                .env("AWS_REGION", "eu-central-1")
                .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
                .envs([("BUCKET", "receipts"), ("KEY", "may"), ("LISTEN_ADDR", "127.0.0.1:0")]);
            match machine.endpoint {
                None => drop(command.env("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url())),
                Some("") => {}
                Some(endpoint) => drop(command.env("AWS_ENDPOINT_URL_STS", endpoint)),
            }
            runs.spawn_blocking(move || (machine, example, command.output().unwrap()));
        }
    }
    let mut failures = String::new();
    while let Some(run) = runs.join_next().await {
        let (machine, example, output) = run.unwrap();
        if output.status.code() == Some(97) {
            skipped(machine.name, "this machine cannot be made so");
        } else if let Err(why) = judge(machine, example, &output) {
            failures += &format!("{example} in a machine with {}: {why}\n", machine.name);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_pipe_succeeds_and_full_disk_fails() {
    let rig = Rig::start().await;
    let arguments = |name| -> &[&str] { if name == "doctor" { &["--json"] } else { &[] } };
    let command = |name| {
        let mut command = example(name);
        command
            .args(arguments(name))
            .env("AWS_ROLE_ARN", ROLE)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", rig.volume.token_path())
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url())
            .env("BUCKET", "shop")
            .env("KEY", "receipt")
            .stderr(Stdio::piped());
        command
    };
    let ended =
        async |child: Child| soon(tokio::task::spawn_blocking(|| child.wait_with_output())).await.unwrap().unwrap();
    for name in ["whoami", "doctor", "presign", "quickstart", "roles", "service"] {
        if name != "service" {
            let mut child = command(name).stdout(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let output = ended(child).await;
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && !errors.contains("panicked"), "{name}: {errors}");
        }
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = ended(command(name).stdout(full).spawn().unwrap()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {errors}");
        assert!(errors.contains("standard output cannot be written"), "{name}: {errors}");
    }
    // Standard error is full, too.
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let child = command("whoami").env("AWS_ROLE_ARN", "none").stdout(full()).stderr(full()).spawn().unwrap();
    assert_eq!(ended(child).await.status.code(), Some(1));
}

fn judge(machine: &BareMachine, example: &str, output: &Output) -> Result<(), String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = format!("{}, {}{errors}", output.status, String::from_utf8_lossy(&output.stdout));
    if !matches!(output.status.code(), Some(0 | 1)) || errors.contains("panicked") {
        return Err(said);
    }
    match machine.whoami {
        _ if example != "whoami" => Ok(()),
        Ok(()) if output.status.success() => Ok(()),
        Err(parts) if !output.status.success() && parts.iter().all(|part| errors.contains(part)) => Ok(()),
        _ => Err(said),
    }
}
