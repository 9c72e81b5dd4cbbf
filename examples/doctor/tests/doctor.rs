//! The doctor, run as a user runs it. Each check passes once, and fails once for each reason that it knows.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_web_identity::TokenClaims;
use aws_web_identity::test_util::{Algorithm, Fault, MockSts, OidcIssuer, ProjectedVolume, TestAws, TokenSpec};
use serde_json::{Value, json};

const ROLE: &str = TestAws::ROLE;
const ARN: &str = "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0";

const NAMES: [&str; 13] = [
    "variables",
    "token_file",
    "token_claims",
    "token_expiry",
    "issuer",
    "discovery",
    "signing_key",
    "signature",
    "role",
    "endpoint",
    "exchange",
    "identity",
    "clock",
];

#[tokio::test(flavor = "multi_thread")]
async fn all_checks_pass_in_a_working_pod() {
    let rig = Rig::start().await;
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let token = rig.rotate(spec().algorithm(algorithm));
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), [""; 0], "{report:?}");
        assert!(report.value["checks"].as_array().unwrap().iter().all(|check| check["status"] == "pass"), "{report:?}");
        assert_eq!(report.value["ok"], true);
        assert_eq!(report.status, Some(0));
        for (name, part) in [
            ("token_file", "the kubelet's double link"),
            ("token_file", "mode 0644"),
            ("token_claims", "system:serviceaccount:shop:checkout"),
            ("token_expiry", "80 % of its life"),
            ("role", "account 123456789012, partition aws"),
            ("exchange", ARN),
            ("identity", ARN),
        ] {
            assert!(report.detail(name).contains(part), "{name}: {report:?}");
        }

        let issuer = rig.issuer.url().strip_prefix("http://").unwrap();
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{issuer}") },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        format!("{issuer}:sub"): "system:serviceaccount:shop:checkout",
                        format!("{issuer}:aud"): "sts.amazonaws.com",
                    },
                },
            }],
        });
        assert_eq!(report.value["trust_policy"], policy);
        let ours = TokenClaims::parse(&token).unwrap().trust_policy(ROLE).unwrap();
        assert_eq!(policy, serde_json::from_str::<Value>(&ours).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_output_has_no_colour_in_a_pipe() {
    let rig = Rig::start().await;
    let output = Doctor::of(&rig).run(&[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).take(NAMES.len()).collect();
    assert_eq!(names, NAMES, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("pass ")).count(), NAMES.len(), "{text}");
    assert!(text.ends_with("All is well.\n") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains(r#""Action": "sts:AssumeRoleWithWebIdentity""#), "{text}");
    assert_eq!(output.status.code(), Some(0));

    rig.rotate(spec().forged());
    let output = Doctor::of(&rig).run(&[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("fail     signature") && text.contains("  remedy: "), "{text}");
    assert!(text.ends_with("2 checks failed.\n"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_arguments_print_the_usage() {
    let rig = Rig::start().await;
    for arguments in [&["--yaml"][..], &["--json", "--json"]] {
        let output = Doctor::of(&rig).run(arguments).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "usage: doctor [--json]\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_variables_are_named() {
    let rig = Rig::start().await;
    let nothing = Doctor { variables: vec![], ..Doctor::of(&rig) };
    let report = nothing.report().await;
    assert_eq!(report.failing(), ["variables", "endpoint"], "{report:?}");
    for name in ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION"] {
        assert!(report.detail("variables").contains(name) && report.remedy("variables").contains(name), "{report:?}");
    }
    assert_eq!(report.value["trust_policy"], Value::Null);

    for (name, failing) in [
        ("AWS_ROLE_ARN", &["variables"][..]),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &["variables"]),
        ("AWS_REGION", &["variables", "endpoint"]),
    ] {
        let report = Doctor::of(&rig).without(name).report().await;
        assert_eq!(report.failing(), failing, "{report:?}");
        assert_eq!(report.detail("variables"), format!("not set: {name}"));
    }
    let report = Doctor::of(&rig).with("AWS_USE_FIPS_ENDPOINT", "1").report().await;
    assert_eq!(report.failing(), ["variables"], "{report:?}");
    assert!(report.detail("variables").contains("AWS_USE_FIPS_ENDPOINT is \"1\""), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_token_file_is_explained() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("directory")).unwrap();
    fs::write(path("empty"), "\n").unwrap();
    fs::write(path("large"), "x".repeat(20_001)).unwrap();
    fs::write(path("bytes"), b"\xff\xfe").unwrap();
    std::os::unix::fs::symlink(path("gone"), path("dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    for (name, detail, remedy) in [
        ("missing", "cannot be read", "has no such file"),
        ("no/token", "cannot be read", "is missing, too"),
        ("dangling", "cannot be read", "it is a link whose target is missing"),
        ("directory", "it is not a file", "project a serviceAccountToken"),
        ("fifo", "it is not a file", "project a serviceAccountToken"),
        ("empty", "it is empty", "has not finished"),
        ("large", "longer than 20000 bytes", "project"),
        ("bytes", "it is not text", "project"),
    ] {
        let report = Doctor::of(&rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", path(name).to_str().unwrap()).report().await;
        assert_eq!(report.failing(), ["token_file"], "{name}: {report:?}");
        assert!(report.detail("token_file").contains(detail), "{name}: {report:?}");
        assert!(report.remedy("token_file").contains(remedy), "{name}: {report:?}");
        assert_eq!(report.check("exchange")["status"], "unknown");
        assert_eq!(report.check("endpoint")["status"], "pass", "what is still possible is done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_token_file_names_owner_and_mode() {
    if !is_root() {
        return skipped("only root can write what others may not read");
    }
    let rig = Rig::start().await;
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let token = directory.path().join("token");
    fs::write(&token, rig.issuer.mint(spec())).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    // Another user may not be able to read the build folder.
    let program = directory.path().join("doctor");
    fs::copy(PROGRAM, &program).unwrap();

    let doctor = Doctor { program, uid: Some(65_534), ..Doctor::of(&rig) };
    let report = doctor.with("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()).report().await;
    assert_eq!(report.failing(), ["token_file"], "{report:?}");
    for part in ["mode 0600", "owner 0:0", "uid 65534", "fsGroup"] {
        assert!(report.remedy("token_file").contains(part), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unlinked_token_file_fails() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, rig.issuer.mint(spec())).unwrap();
    // After the kubelet's next rotation the file of a subPath mount has no name.
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let nameless = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());

    let report = Doctor::of(&rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", &nameless).report().await;
    assert_eq!(report.failing(), ["token_file"], "{report:?}");
    assert!(report.remedy("token_file").contains("subPath"), "{report:?}");
    assert_eq!(report.check("exchange")["status"], "pass", "as yet");
    assert_eq!(report.value["ok"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn subpath_mount_fails_before_the_token_expires() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("volume"), rig.issuer.mint(spec())).unwrap();
    fs::write(path("token"), "").unwrap();
    let in_a_namespace = Doctor { program: "unshare".into(), ..Doctor::of(&rig) }
        .with("PATH", &std::env::var("PATH").unwrap())
        .with("AWS_WEB_IDENTITY_TOKEN_FILE", &path("token"));
    let script = r#"mount --bind "$1" "$2" || exit 97; exec "$0" --json"#;
    let arguments = ["-Urm", "sh", "-c", script, PROGRAM, &path("volume"), &path("token")];
    let output = in_a_namespace.run(&arguments).await;
    if output.stdout.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr);
        return skipped(format_args!("no mount in a namespace of our own: {why}"));
    }
    let report = Report { value: serde_json::from_slice(&output.stdout).unwrap(), status: output.status.code() };
    assert_eq!(report.failing(), ["token_file"], "{report:?}");
    assert!(report.detail("token_file").contains("mounted by itself, as by subPath"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_text_than_a_service_account_token_fails() {
    let rig = Rig::start().await;
    for (token, failing, detail) in [
        ("opaque", &["token_claims", "exchange"][..], "does not hold a JWT"),
        // {"sub":"ci"}, and no algorithm in the header.
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJjaSJ9.e30", &["token_claims", "signature", "exchange"], "has no iss, no aud"),
    ] {
        rig.volume.write(token).unwrap();
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), failing, "{report:?}");
        assert!(report.detail("token_claims").contains(detail), "{report:?}");
        assert_eq!(report.value["trust_policy"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_unrotated_tokens_are_different_findings() {
    let rig = Rig::start().await;
    let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
    rig.rotate(spec().issued_at(ago(4000)));
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["token_expiry", "exchange"], "{report:?}");
    assert!(report.detail("token_expiry").starts_with("the token expired 6 min ago"), "{report:?}");
    assert!(report.detail("exchange").contains("ExpiredTokenException"), "{report:?}");

    rig.rotate(spec().issued_at(ago(3400)));
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["token_expiry"], "{report:?}");
    assert!(report.detail("token_expiry").contains("should have been replaced"), "{report:?}");
    assert_eq!(report.check("exchange")["status"], "pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_issuer_fails_alone() {
    let rig = Rig::start().await;
    rig.issuer.set_available(false);
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["issuer", "exchange"], "{report:?}");
    assert!(report.detail("issuer").contains("answers 503"), "{report:?}");
    for name in ["discovery", "signing_key", "signature"] {
        assert_eq!(report.check(name)["status"], "unknown", "{report:?}");
    }
    rig.issuer.set_available(true);

    let closed = ClosedPort::new();
    for (issuer, detail) in [
        (&*closed.url, "cannot be reached"),
        ("http://issuer.invalid", "is not an https URL"),
        ("https://issuer.invalid/a?b=c", "has a query"),
        ("issuer.invalid", "is not a URL"),
    ] {
        rig.rotate(spec().issuer(issuer));
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), ["issuer", "exchange"], "{report:?}");
        assert!(report.detail("issuer").contains(detail), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_document_of_another_issuer_fails() {
    let rig = Rig::start().await;
    for (issuer, failing, detail) in [
        (format!("{}/", rig.issuer.url()), &["discovery", "exchange"][..], "the document's issuer is"),
        (format!("{}/elsewhere", rig.issuer.url()), &["discovery", "exchange"], "answers 404, not 200"),
    ] {
        rig.rotate(spec().issuer(issuer));
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), failing, "{report:?}");
        assert!(report.detail("discovery").contains(detail), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_key_and_wrong_signature_are_different_findings() {
    let rig = Rig::start().await;
    rig.rotate(spec());
    rig.issuer.rotate_key();
    rig.issuer.retire_old_keys();
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["signing_key", "exchange"], "{report:?}");
    assert!(report.remedy("signing_key").contains("/openid/v1/jwks"), "{report:?}");
    assert_eq!(report.check("signature")["status"], "unknown");
    assert!(report.remedy("exchange").starts_with("first correct signing_key, see above. "), "{report:?}");

    for (spec, detail) in
        [(spec().forged(), "does not match"), (spec().forged().algorithm(Algorithm::Rs256), "does not match")]
    {
        rig.rotate(spec);
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), ["signature", "exchange"], "{report:?}");
        assert!(report.detail("signature").contains(detail), "{report:?}");
    }

    rig.rotate(spec().unsigned());
    let report = Doctor::of(&rig).report().await;
    assert!(report.detail("signature").contains("algorithm is none, which STS does not accept"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_identity_alone_is_named() {
    let rig = Rig::start().await;
    let report = Doctor::of(&rig)
        .without("AWS_ROLE_ARN")
        .without("AWS_WEB_IDENTITY_TOKEN_FILE")
        .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
        .report()
        .await;
    assert!(report.detail("variables").contains("EKS Pod Identity"), "{report:?}");
    for part in ["example pod_identity", "BackgroundCredentialsProvider", "eks.amazonaws.com/role-arn"] {
        assert!(report.remedy("variables").contains(part), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn byte_order_mark_is_named() {
    let rig = Rig::start().await;
    let token = rig.issuer.mint(spec());
    rig.volume.write(format!("\u{feff}{token}")).unwrap();
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["token_file"], "{report:?}");
    assert!(report.detail("token_file").contains("byte-order mark"), "{report:?}");

    for (check, marked_discovery) in [("discovery", true), ("signing_key", false)] {
        let url = issuer_that_answers(200, marked_discovery, "\u{feff}{\"keys\":[]}").await;
        rig.rotate(spec().issuer(url));
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), [check, "exchange"], "{report:?}");
        assert!(report.detail(check).contains("byte-order mark"), "{report:?}");
        assert!(report.remedy(check).contains("without a byte-order mark"), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_discovery_remedy_is_a_cluster_role_binding() {
    let rig = Rig::start().await;
    rig.rotate(spec().issuer(issuer_that_answers(403, false, "").await));
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["discovery", "exchange"], "{report:?}");
    for part in ["system:service-account-issuer-discovery", "system:unauthenticated"] {
        assert!(report.remedy("discovery").contains(part), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_for_the_api_server_fails() {
    let rig = Rig::start().await;
    rig.rotate(spec().audience("https://kubernetes.default.svc"));
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.failing(), ["token_claims", "exchange"], "{report:?}");
    assert!(report.detail("token_claims").starts_with("the token is for the API server"), "{report:?}");
    assert!(report.remedy("token_claims").starts_with("never let AWS trust the audience"), "{report:?}");
    assert!(report.remedy("exchange").starts_with("first correct token_claims, see above. "), "{report:?}");
    assert!(!report.remedy("exchange").contains("add it"), "{report:?}");
    assert_eq!(report.value["trust_policy"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_issuer_fails_by_its_name() {
    let rig = Rig::start().await;
    for (issuer, fault) in [
        ("https://kubernetes.default.svc.cluster.local", "a host that is not known on the internet"),
        ("https://127.0.0.1:6443", "an IP address"),
        ("https://oidc.example.com:6443", "has a port"),
    ] {
        rig.rotate(spec().issuer(issuer));
        // A region without an STS, so that nothing leaves this machine.
        let report = Doctor::of(&rig).without("AWS_ENDPOINT_URL_STS").with("AWS_REGION", "nowhere-1").report().await;
        assert!(report.detail("issuer").contains(fault), "{report:?}");
        assert!(report.remedy("issuer").contains("--service-account-issuer"), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn issuer_with_private_ca_is_unknown() {
    let rig = Rig::start().await;
    let Some((_server, url)) = tls_server() else { return skipped("openssl is not here") };
    rig.rotate(spec().issuer(&*url));
    let report = Doctor::of(&rig).report().await;
    assert_eq!(report.check("issuer")["status"], "unknown", "{report:?}");
    for part in ["which the exchange does not need", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        assert!(report.detail("issuer").contains(part), "{report:?}");
    }
    assert!(!report.detail("issuer").contains("internet"), "{report:?}");
    let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &url).report().await;
    for part in ["SSL_CERT_FILE", "AWS_CA_BUNDLE is not read"] {
        assert!(report.remedy("endpoint").contains(part), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_without_tls_is_named() {
    let rig = Rig::start().await;
    let https = rig.sts.endpoint_url().replace("http:", "https:");
    let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &https).report().await;
    assert!(report.remedy("endpoint").contains("does not speak TLS"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_claims_are_cut_and_printable() {
    let rig = Rig::start().await;
    rig.rotate(spec().subject(format!("\u{1b}[31m\u{202e}{}", "x".repeat(10_000))));
    for arguments in [&["--json"][..], &[]] {
        let text = String::from_utf8(Doctor::of(&rig).run(arguments).await.stdout).unwrap();
        let report = text.split("rust_policy\"").next().and_then(|text| text.split("The trust policy").next()).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(report.len() < 10_000, "{}", report.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_role_has_no_trust_policy() {
    let rig = Rig::start().await;
    for (role, detail) in [
        ("checkout", "which is not a role's ARN"),
        ("\"arn:aws:iam::123456789012:role/app\"", "which is not a role's ARN"),
    ] {
        let report = Doctor::of(&rig).with("AWS_ROLE_ARN", role).report().await;
        assert_eq!(report.failing(), ["role"], "{report:?}");
        assert!(report.detail("role").contains(detail), "{report:?}");
        assert_eq!(report.check("exchange")["status"], "unknown");
        assert_eq!(report.value["trust_policy"], Value::Null);
        assert_eq!(report.status, Some(1));
    }
    for region in ["", "eu central 1"] {
        let doctor = Doctor::of(&rig).without("AWS_ENDPOINT_URL_STS").with("AWS_ROLE_ARN", "app");
        let report = doctor.with("AWS_REGION", region).with("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere").report().await;
        assert!(report.failing().contains(&"role"), "{region}: {report:?}");
    }
    let at_aws = Doctor::of(&rig).without("AWS_ENDPOINT_URL_STS").with("AWS_ROLE_ARN", "arn:aws-cn:iam::1:role/app");
    let report = at_aws.with("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere").with("AWS_REGION", "no-where-1").report().await;
    assert!(report.failing().contains(&"role"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_without_listener_is_unreachable() {
    let rig = Rig::start().await;
    let closed = ClosedPort::new();
    let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &closed.url).report().await;
    assert_eq!(report.failing(), ["endpoint", "exchange"], "{report:?}");
    assert!(report.detail("endpoint").contains("cannot be reached"), "{report:?}");
    assert_eq!(report.check("identity")["status"], "unknown");
    assert_eq!(report.check("clock")["status"], "unknown", "the kit's issuer tells no time");
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_denied_exchange_prints_the_trust_policy() {
    let rig = Rig::start().await;
    let role = "arn:aws:iam::123456789012:role/unknown";
    let report = Doctor::of(&rig).with("AWS_ROLE_ARN", role).report().await;
    assert_eq!(report.failing(), ["exchange"], "{report:?}");
    assert!(report.detail("exchange").contains("AccessDenied"), "{report:?}");
    let statement = report.value["trust_policy"]["Statement"][0].as_object().unwrap();
    let remedy = report.remedy("exchange");
    let pasted = &remedy[remedy.find('{').unwrap()..=remedy.rfind('}').unwrap()];
    assert_eq!(serde_json::from_str::<Value>(pasted).unwrap().as_object().unwrap(), statement);
    assert!(!report.detail("exchange").contains(remedy), "each thing is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_wrong_clock_is_reported_and_not_trusted() {
    let rig = Rig::start().await;
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for (offset, side) in [(600, "behind"), (-600, "ahead of")] {
        rig.rotate(spec().issued_at(hour_ago).lifetime(Duration::from_secs(36_000)));
        rig.sts.set_clock_offset(offset);
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing()[..1], ["clock"], "{report:?}");
        assert!(report.detail("clock").contains(side), "{report:?}");
        assert!(report.remedy("clock").contains("NTP"), "{report:?}");
    }

    rig.sts.set_clock_offset(7200);
    rig.rotate(spec());
    let report = Doctor::of(&rig).report().await;
    assert!(report.failing().contains(&"token_expiry"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_ends_within_thirty_seconds_whatever_hangs() {
    let rig = Rig::start().await;
    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    rig.rotate(spec().issuer(&*silent_url));
    rig.sts.set_fault(Fault::Hang);
    let slow = async {
        let report = Doctor::of(&rig).report().await;
        assert_eq!(report.failing(), ["issuer", "exchange"], "{report:?}");
        assert_eq!(report.check("endpoint")["status"], "pass", "{report:?}");
    };
    let silent = async {
        let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &silent_url).report().await;
        assert_eq!(report.failing(), ["issuer", "endpoint", "exchange"], "{report:?}");
    };
    // `soon` fails after 30 s.
    tokio::join!(slow, silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_doctor_prints_no_token() {
    let rig = Rig::start().await;
    let token = rig.rotate(spec());
    let bearer = format!("Bearer {token}");
    let at_aws = || Doctor::of(&rig).without("AWS_ENDPOINT_URL_STS");
    let doctors = [
        Doctor::of(&rig),
        Doctor::of(&rig).with("AWS_ROLE_ARN", &token),
        at_aws().without("AWS_REGION").with("AWS_ROLE_ARN", &token),
        at_aws().with("AWS_REGION", &token).with("AWS_ROLE_ARN", "app"),
        Doctor::of(&rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", &bearer),
        Doctor::of(&rig).with("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/unknown"),
        Doctor::of(&rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", "https://user:canary@sts.invalid"),
        Doctor::of(&rig).with("RUST_LOG", "trace"),
    ];
    for doctor in doctors {
        for arguments in [&["--json"][..], &[]] {
            let Output { stdout, stderr, .. } = doctor.run(arguments).await;
            let shown = String::from_utf8([stdout, stderr].concat()).unwrap();
            for part in token.split('.').chain(["canary"]) {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_exchanges_tokens_of_unreachable_issuers() {
    let Ok(endpoint) = std::env::var("MOTO_ENDPOINT") else { return skipped("MOTO_ENDPOINT is not set") };
    let rig = Rig::start().await;
    let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &endpoint).report().await;
    assert_eq!(report.value["ok"], true, "{report:?}");

    let closed = ClosedPort::new();
    rig.rotate(spec().issuer(&*closed.url));
    let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &endpoint).report().await;
    assert_eq!(report.failing(), ["issuer"], "{report:?}");
    assert_eq!(report.check("exchange")["status"], "pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_sign_nothing_fail() {
    let rig = Rig::start().await;
    let refused =
        "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>invalid</Message></Error></ErrorResponse>";
    for (status, body, expected, detail) in [
        (403, refused, "fail", "InvalidClientTokenId, invalid"),
        (403, "", "fail", "status 403"),
        // The answer of Ceph.
        (405, "<Error><Code>MethodNotAllowed</Code></Error>", "unknown", "does not know GetCallerIdentity"),
    ] {
        let url = sts_that_answers(status, body).await;
        let report = Doctor::of(&rig).with("AWS_ENDPOINT_URL_STS", &url).report().await;
        assert_eq!(report.check("identity")["status"], expected, "{report:?}");
        assert!(report.detail("identity").contains(detail), "{report:?}");
        assert_eq!(report.value["ok"], expected == "unknown", "{report:?}");
    }
}

/// An issuer that answers discovery with this status. `marked` puts a byte-order mark before the document.
async fn issuer_that_answers(status: u16, marked: bool, keys: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mark = if marked { "\u{feff}" } else { "" };
    let document = format!("{mark}{}", json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }));
    let status = http::StatusCode::from_u16(status).unwrap();
    let answer =
        move |uri: http::Uri| async move { (status, if uri.path() == "/keys" { keys.to_owned() } else { document }) };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    url
}

/// A running server, stopped on drop.
struct TlsServer(Child);

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A TLS server with a self-signed certificate. `None` without `openssl`.
fn tls_server() -> Option<(TlsServer, String)> {
    let directory = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key", "certificate"].map(|name| directory.path().join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=nobody's"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .ok()?;
    assert!(made.status.success(), "{made:?}");
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-key"])
        .arg(key)
        .arg("-cert")
        .arg(certificate)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let accepts = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
    let port = accepts.as_deref().and_then(|address| address.rsplit(':').next()).expect("a port").to_owned();
    Some((TlsServer(server), format!("https://localhost:{port}")))
}

/// An STS that grants each exchange, and gives this answer to every other request.
async fn sts_that_answers(status: u16, body: &'static str) -> String {
    let expiration = aws_smithy_types::DateTime::from(SystemTime::now() + Duration::from_secs(3000));
    let grant = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <AccessKeyId>ASIAQWERTYUIOPASDFGH</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>session</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let status = http::StatusCode::from_u16(status).unwrap();
    let answer = move |request: String| async move {
        if request.contains("AssumeRoleWithWebIdentity") {
            (http::StatusCode::OK, grant)
        } else {
            (status, body.to_owned())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    format!("http://{address}")
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_doctor");

/// A pod with a valid token, and its STS.
struct Rig {
    issuer: OidcIssuer,
    volume: ProjectedVolume,
    sts: MockSts,
    _alive: TestAws,
}

impl Rig {
    async fn start() -> Self {
        let aws = TestAws::start().await;
        let (issuer, volume, sts) = (aws.issuer().clone(), aws.volume().clone(), aws.sts().clone());
        Self { issuer, volume, sts, _alive: aws }
    }

    fn rotate(&self, spec: TokenSpec) -> String {
        let token = self.issuer.mint(spec);
        self.volume.write(&token).unwrap();
        token
    }
}

fn spec() -> TokenSpec {
    TokenSpec::service_account("shop", "checkout")
}

/// Turns a test that hangs into one that fails.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it hangs")
}

fn skipped(why: impl std::fmt::Display) {
    eprintln!("skipped: {}: {why}", thread::current().name().unwrap_or("a test"));
}

/// An address without a listener. The port stays bound, so that no other process gets it.
struct ClosedPort {
    url: String,
    _bound: tokio::net::TcpSocket,
}

impl ClosedPort {
    fn new() -> Self {
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { url: format!("http://{}", bound.local_addr().unwrap()), _bound: bound }
    }
}

/// One call of the doctor. Its environment has these variables only.
struct Doctor {
    program: PathBuf,
    uid: Option<u32>,
    variables: Vec<(&'static str, String)>,
}

impl Doctor {
    fn of(rig: &Rig) -> Self {
        let variables = vec![
            ("AWS_ROLE_ARN", ROLE.to_owned()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", rig.volume.token_path().to_str().unwrap().to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url().to_owned()),
            ("HOSTNAME", "checkout-0".to_owned()),
        ];
        Self { program: PROGRAM.into(), uid: None, variables }
    }

    fn with(self, name: &'static str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.variables.push((name, value.to_owned()));
        changed
    }

    fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(uid) = self.uid {
            command.uid(uid);
        }
        let output = move || loop {
            match command.output() {
                // Another test forked while this copy of the program was still open for writing.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => thread::yield_now(),
                output => return output.unwrap(),
            }
        };
        soon(tokio::task::spawn_blocking(output)).await.unwrap()
    }

    async fn report(&self) -> Report {
        let output = self.run(&["--json"]).await;
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let report = Report { value, status: output.status.code() };
        let checks = report.value["checks"].as_array().unwrap();
        let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
        assert_eq!(names, NAMES);
        for check in checks {
            assert!(!check["detail"].as_str().unwrap().is_empty(), "{check}");
            assert_eq!(check["status"] == "fail", check["remedy"].is_string(), "{check}");
        }
        assert_eq!(report.status, Some(if report.value["ok"] == true { 0 } else { 1 }));
        let is_ok = report.failing().is_empty() && report.check("exchange")["status"] == "pass";
        assert_eq!(report.value["ok"], is_ok);
        report
    }
}

#[derive(Debug)]
struct Report {
    value: Value,
    status: Option<i32>,
}

impl Report {
    fn failing(&self) -> Vec<&str> {
        let checks = self.value["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["status"] == "fail").map(|check| check["name"].as_str().unwrap()).collect()
    }

    fn check(&self, name: &str) -> &Value {
        self.value["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
    }

    fn detail(&self, name: &str) -> &str {
        self.check(name)["detail"].as_str().unwrap()
    }

    fn remedy(&self, name: &str) -> &str {
        self.check(name)["remedy"].as_str().unwrap()
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}
