//! The example `whoami`, run as a program against the kit's STS.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::example_program::example;
use crate::support::fault_list;
use crate::support::{ARN, ClosedPort, ROLE, Rig, expired_token, soon};

#[tokio::test(flavor = "multi_thread")]
async fn identity_is_printed_as_text_and_json() {
    let rig = Rig::start().await;
    let output = run(&rig, &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("we are ") && text.contains(ARN), "{text}");

    let output = run(&rig, &["--json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!((&said["arn"], &said["account"]), (&Value::from(ARN), &Value::from("123456789012")));
    assert_eq!(said["endpoint"], rig.sts.endpoint_url());
    assert_eq!(said["token"]["subject"], "system:serviceaccount:shop:checkout");
    assert!(said["credentials_expiry"].is_string() && said["token"]["expiry"].is_string(), "{said}");
    assert_eq!(rig.exchanges().len(), 2, "each run must make one exchange");
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_is_explained_on_stderr_and_json() {
    let rig = Rig::start().await;
    rig.sts.set_fault(fault_list::VALIDATION_ERROR);
    let output = run(&rig, &[]).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{errors}");
    assert!(errors.starts_with("whoami: STS at ") && errors.contains("ValidationError"), "{errors}");

    let output = run(&rig, &["--json"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&said["error"]["kind"], &said["error"]["code"]),
        (&"invalid_configuration".into(), &"ValidationError".into())
    );

    assert_eq!(run(&rig, &["--yaml"]).await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn obstacle_is_printed_while_it_waits() {
    let rig = Rig::start().await;
    let (closed, missing) = (ClosedPort::new(), rig.volume.token_path().with_file_name("missing"));
    let expired = rig.volume.token_path().with_file_name("expired");
    std::fs::write(&expired, rig.issuer.mint(expired_token())).unwrap();
    for (variable, value, part) in [
        ("AWS_ENDPOINT_URL_STS", closed.url.as_str(), "no answer from STS"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", expired.to_str().unwrap(), "expired at"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", missing.to_str().unwrap(), "cannot be read"),
    ] {
        let mut command = command(&rig);
        let mut child = command.env(variable, value).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let line = tokio::task::spawn_blocking(move || BufReader::new(stderr).lines().next().unwrap().unwrap());
        let line = soon(line).await.unwrap();
        let still_waits = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(line.starts_with("whoami: waiting up to ") && line.contains(part), "{line}");
        assert!(still_waits, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_as_token_fails_at_once() {
    let rig = Rig::start().await;
    let directory = rig.volume.token_path().parent().unwrap().to_owned();
    let mut command = command(&rig);
    command.env("AWS_WEB_IDENTITY_TOKEN_FILE", directory);
    let output = soon(tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("is a directory") && !errors.contains("waiting up to"), "{errors}");
}

async fn run(rig: &Rig, arguments: &[&str]) -> Output {
    let mut command = command(rig);
    command.args(arguments);
    soon(tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap()
}

fn command(rig: &Rig) -> Command {
    let mut command = example("whoami");
    command
        .env("AWS_ROLE_ARN", ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", rig.volume.token_path())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ROLE_SESSION_NAME", "checkout-0")
        .env("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url());
    command
}
