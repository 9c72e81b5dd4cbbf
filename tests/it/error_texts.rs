//! Errors teach (P12): an error names the wrong token file, setting, endpoint or answer, and the remedy.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_web_identity::test_util::Fault;
use aws_web_identity::{Builder, ErrorKind};

use crate::isolated::Isolated;
use crate::support::fault_list;
use crate::support::{ClosedPort, ROLE, Rig, eventually, failure, soon};

#[tokio::test(flavor = "multi_thread")]
async fn p12_unreadable_token_file_is_named_with_remedy() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, content: &[u8]| {
        fs::write(path(name), content).unwrap();
        path(name)
    };
    fs::create_dir(path("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
    let huge = format!("{}\n", "a".repeat(20_001));
    let cases: [(PathBuf, &str, &str); 9] = [
        (path("missing"), "cannot be read", "projected volume"),
        (path("absent/token"), "cannot be read", "directory is missing"),
        (path("dangling"), "cannot be read", "link whose target is missing"),
        (write("empty", b""), "is empty", "has not finished, or has failed"),
        (write("blank", b"\n \n"), "is empty", "has not finished, or has failed"),
        (write("huge", huge.as_bytes()), "longer than 20000 bytes", "name the file that holds only the token"),
        (write("binary", &[0x80, 0xfe, 0xff, 0x80]), "is not text", "write one token and nothing else"),
        (path("directory"), "is a directory, not a file", "name the file in it"),
        (path("fifo"), "is a FIFO, not a file", "name the file itself"),
    ];
    // All cases run at once, since each waits for its file.
    let failures = cases.map(|(file, wrong, remedy)| {
        let builder = impatient(&rig).token_file(&file);
        (tokio::spawn(failure(builder)), file, wrong, remedy)
    });
    for (failure, file, wrong, remedy) in failures {
        let error = soon(failure).await.unwrap();
        assert_eq!(error.kind(), ErrorKind::TokenUnavailable, "{error:?}");
        names(&error.to_string(), &[file.to_str().unwrap(), wrong, remedy]);
    }
    assert!(rig.sts.calls().is_empty(), "no call may be sent without a token");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_without_a_token_fails_at_once() {
    let rig = Rig::start().await;
    let token = fs::read_to_string(rig.volume.token_path()).unwrap().trim().to_owned();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    for (content, kind) in [
        (format!("\u{feff}{token}"), "begins with a byte-order mark"),
        (format!("\"{token}\""), "begins with a quotation mark"),
        (format!("Bearer {token}"), "begins like an HTTP header"),
        (format!("token={token}"), "begins with a name"),
        (
            format!("{{\"kind\":\"TokenRequest\",\"status\":{{\"token\":\"{token}\"}}}}"),
            "status.token in a TokenRequest",
        ),
        (aws_smithy_types::base64::encode(&token), "is a token in base64"),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n".to_owned(), "begins like a key or certificate"),
        (format!("{token}\n{token}\n"), "has several lines"),
        (format!("AWS_REGION\0{token}\0"), "has NUL bytes"),
        ("<html>502 Bad Gateway</html>".to_owned(), "begins with <"),
        ("apiVersion: v1\nkind: Config\n".to_owned(), "like a variable, a header or YAML"),
    ] {
        fs::write(&path, content).unwrap();
        // The error comes long before the time limit.
        let builder = rig.builder().wait_timeout(Duration::from_secs(600)).token_file(&path);
        let error = soon(builder.connect()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::TokenUnavailable, false), "{error:?}");
        names(&error.to_string(), &[path.to_str().unwrap(), kind, "begins with eyJ"]);
        let shown = format!("{error} {error:?}");
        assert!(token.split('.').all(|part| !shown.contains(part)), "{shown}");
    }
    assert!(rig.sts.calls().is_empty(), "no call may be sent without a token");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_file_that_replaces_directory_is_used() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::create_dir(&path).unwrap();
    let builder = rig.builder().wait_timeout(Duration::from_secs(600)).token_file(&path);
    let provider = builder.build().unwrap();
    let error = soon(provider.provide_credentials()).await.unwrap_err();
    names(&std::error::Error::source(&error).unwrap().to_string(), &["is a directory, not a file"]);

    fs::remove_dir(&path).unwrap();
    fs::copy(rig.volume.token_path(), &path).unwrap();
    eventually(|| provider.current().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_limit_error_names_the_current_obstacle() {
    let rig = Rig::start().await;
    let missing = rig.volume.token_path().with_file_name("missing");
    let builder = rig.builder().token_file(&missing).wait_timeout(Duration::from_millis(400));
    let error = soon(builder.connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // The first attempt waits for the file for 500 ms, longer than the limit.
    names(&error.to_string(), &["came within ", "projected volume"]);
    names(&std::error::Error::source(&error).unwrap().to_string(), &[missing.to_str().unwrap(), "cannot be read"]);

    rig.sts.set_fault(Fault::Hang);
    let error = soon(rig.builder().wait_timeout(Duration::from_millis(100)).connect()).await.unwrap_err();
    names(&error.to_string(), &["came within ", "an attempt is still under way"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_forbidden_token_file_is_named_with_owner() {
    // Root may read every file, so the test runs as another user.
    let nobody = 65_534;
    let test = concat!(module_path!(), "::p12_forbidden_token_file_is_named_with_owner");
    if !(Isolated { test, wrapper: &["env"], uid: Some(nobody) }).is_here() {
        return;
    }
    let rig = Rig::start().await;
    fs::set_permissions(rig.volume.token_path(), Permissions::from_mode(0o000)).unwrap();
    let error = failure(impatient(&rig)).await;
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable, "{error:?}");
    let path = rig.volume.token_path().display().to_string();
    let whose = format!("{path} belongs to {nobody}:{nobody} with mode 0000, and this process runs as uid {nobody}");
    names(&error.to_string(), &["os error 13", &whose, "fsGroup"]);
    assert!(rig.sts.calls().is_empty(), "no call may be sent without a token");

    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    soon(rig.builder().connect()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_malformed_token_error_quotes_sts() {
    let rig = Rig::start().await;
    rig.volume.write("this-is-not-a-token").unwrap();
    let error = failure(impatient(&rig)).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, Some("InvalidIdentityToken")));
    names(&error.to_string(), &[rig.sts.endpoint_url(), ROLE, "not a valid JWT"]);
    assert!(!error.to_string().contains("this-is-not-a-token"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_invalid_setting_is_named_before_any_call() {
    let rig = Rig::start().await;
    let seconds = Duration::from_secs;
    let cases: Vec<(Builder, &str)> = vec![
        (rig.builder().role_arn("checkout"), "checkout"),
        (rig.builder().role_arn(format!("{ROLE},arn:aws:iam::123456789012:saml-provider/idp")), "SAML pair"),
        (rig.builder().session_name("a"), "session name"),
        (rig.builder().session_name("no spaces"), "no spaces"),
        (rig.builder().session_name("x".repeat(65)), "64"),
        (rig.builder().session_length(seconds(899)), "899"),
        (rig.builder().session_length(seconds(43_201)), "43201"),
        (rig.builder().refresh_window(0.05..=0.95), "0.05"),
        (rig.builder().attempt_timeout(Duration::ZERO), "attempt_timeout"),
        (rig.builder().token_poll_interval(Duration::from_millis(10)), "token_poll_interval"),
        (rig.builder().endpoint_url("not a url"), "not a url"),
        (rig.builder().policy("not JSON"), "not JSON"),
    ];
    for (builder, named) in cases {
        let error = builder.build().unwrap_err();
        assert!(error.is_invalid() && !error.is_not_configured() && !error.is_not_injected(), "{error:?}");
        names(&error.to_string(), &[named, error.setting().unwrap(), &format!(": {}", error.remedy())]);
    }
    let error = soon(rig.builder().role_arn("checkout").connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfiguration);
    assert_eq!(
        error.to_string(),
        "Builder::role_arn is \"checkout\", which is not a role's ARN: STS takes 20 to 2048 characters; at AWS write \
         the whole ARN without blanks, as arn:aws:iam::123456789012:role/NAME"
    );
    let remedy = error.remedy().unwrap();
    assert!(error.to_string().ends_with(&format!(": {remedy}")) && std::error::Error::source(&error).is_none());
    assert!(rig.sts.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_answer_of_a_proxy_is_recognised() {
    let rig = Rig::start().await;
    for fault in
        [fault_list::GARBAGE, fault_list::HTML_ERROR, fault_list::EMPTY_BODY, fault_list::REDIRECT, fault_list::JSON]
    {
        rig.sts.set_fault(fault);
        let error = failure(impatient(&rig)).await;
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{fault:?}: {error:?}");
        names(&error.to_string(), &[rig.sts.endpoint_url(), "proxy"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_refused_connection_error_names_the_endpoint() {
    let rig = Rig::start().await;
    let closed = ClosedPort::new();
    let error = failure(impatient(&rig).endpoint_url(&*closed.url)).await;
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::ServiceUnavailable, true), "{error:?}");
    names(&error.to_string(), &[&closed.url]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_denied_role_error_names_subject_and_issuer() {
    let rig = Rig::start().await;
    let unknown = "arn:aws:iam::123456789012:role/unknown";
    let error = failure(impatient(&rig).role_arn(unknown)).await;
    assert_eq!(error.kind(), ErrorKind::RoleDenied);
    let issuer = rig.issuer.url().trim_start_matches("http://");
    names(
        &error.to_string(),
        &[unknown, "system:serviceaccount:shop:checkout", "sts.amazonaws.com", issuer, "oidc-provider"],
    );
}

fn impatient(rig: &Rig) -> Builder {
    rig.builder().wait_timeout(Duration::from_millis(500))
}

fn names(error: &str, what: &[&str]) {
    for what in what {
        assert!(error.contains(what), "no {what:?} in: {error}");
    }
    assert!(!error.ends_with('.'), "an error must not end with a full stop: {error}");
}
