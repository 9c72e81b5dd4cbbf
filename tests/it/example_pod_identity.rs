//! The example `pod_identity`, run as a program beside an agent that speaks the protocol of EKS Pod Identity.
//!
//! The program sends GET to `AWS_CONTAINER_CREDENTIALS_FULL_URI`. Its `Authorization` header is the content of the file
//! `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, which the kubelet replaces. Source: "Container credential provider" of the
//! AWS SDKs and Tools Reference Guide.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::example_program::example;
use crate::support::{ARN, ROLE, Rig, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn example_uses_whatever_the_pod_has_injected() {
    let rig = Rig::start().await;
    let agent = Agent::start(&rig, Duration::from_secs(3600)).await;
    let output = run(agent.pod(&rig)).await;
    assert_eq!(said(&output), format!("we are {ARN}\n"));
    assert_eq!(agent.asked(), ["first"]);

    let before = rig.exchanges().len();
    let output = run(with_web_identity(agent.pod(&rig), &rig)).await;
    assert_eq!(said(&output), format!("we are {ARN}\n"));
    let exchanges = rig.exchanges().len() - before;
    assert_eq!((exchanges, agent.asked().len()), (1, 1), "web identity must come first, as in the SDK's default chain");

    let mut laptop = program(&rig);
    let keys = credentials(&rig).await;
    laptop.env("AWS_ACCESS_KEY_ID", keys.access_key_id()).env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key());
    laptop.env("AWS_SESSION_TOKEN", keys.session_token());
    let output = run(laptop).await;
    assert_eq!(said(&output), format!("we are {ARN}\n"));
    assert_eq!(
        (rig.exchanges().len() - before, agent.asked().len()),
        (2, 1),
        "the keys from the environment must be used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_never_falls_through_to_next_provider() {
    let rig = Rig::start().await;
    let agent = Agent::start(&rig, Duration::from_secs(3600)).await;
    let mut pod = with_web_identity(agent.pod(&rig), &rig);
    pod.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/others");
    assert!(complaint(&run(pod).await).contains("AccessDenied"));
    assert!(agent.asked().is_empty(), "the agent must not stand in for a denied role");

    let mut pod = program(&rig);
    pod.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").env("AWS_ACCESS_KEY_ID", "NODE");
    pod.env("AWS_SECRET_ACCESS_KEY", "secret");
    let errors = complaint(&run(pod).await);
    assert!(errors.contains("the identity webhook did not inject them"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_credentials_are_refreshed_with_rotated_token() {
    let rig = Rig::start().await;
    let mut agent = Agent::start(&rig, Duration::from_secs(12)).await;
    let mut watching = Watching::start(agent.pod(&rig));
    assert_eq!(watching.line().await, format!("we are {ARN}"));
    assert_eq!(agent.called().await, "first");
    agent.rotate("second");
    // The refresh comes after 60 to 75 % of 12 s.
    assert_eq!(agent.called().await, "second");
    let line = watching.line().await;
    let left = line.strip_prefix("refreshed while the old credentials had ").expect(&line);
    let left: u64 = left.strip_suffix(" s left").expect(&line).parse().unwrap();
    assert!(left > 0, "{line}");
    assert_eq!(watching.line().await, "the next request was signed with the new ones");
    let keys = agent.gave();
    assert_eq!(rig.last_signed_with(), keys[1]);
    assert_ne!(keys[0], keys[1]);
}

/// An EKS Pod Identity agent.
struct Agent {
    state: Arc<Mutex<Given>>,
    url: String,
    calls: mpsc::UnboundedReceiver<String>,
    volume: TempDir,
}

struct Given {
    /// Valid keys for the next callers.
    keys: Vec<Credentials>,
    /// Access keys given so far.
    gave: Vec<String>,
    asked: Vec<String>,
    /// The token that the kubelet has projected.
    token: String,
    lifetime: Duration,
    call: mpsc::UnboundedSender<String>,
}

impl Agent {
    async fn start(rig: &Rig, lifetime: Duration) -> Self {
        let (call, calls) = mpsc::unbounded_channel();
        let keys = vec![credentials(rig).await, credentials(rig).await];
        let (gave, asked, token) = (Vec::new(), Vec::new(), String::new());
        let state = Arc::new(Mutex::new(Given { keys, gave, asked, token, lifetime, call }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/credentials", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/credentials", get(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let agent = Self { state, url, calls, volume: tempfile::tempdir().unwrap() };
        agent.rotate("first");
        agent
    }

    /// The program in a pod whose service account has a Pod Identity association.
    fn pod(&self, rig: &Rig) -> Command {
        let mut pod = program(rig);
        pod.env("KUBERNETES_SERVICE_HOST", "10.0.0.1")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &self.url)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.token_file());
        pod
    }

    fn token_file(&self) -> PathBuf {
        self.volume.path().join("eks-pod-identity-token")
    }

    /// Replaces the token. The agent refuses the old one.
    fn rotate(&self, token: &str) {
        token.clone_into(&mut self.state.lock().unwrap().token);
        let staged = self.volume.path().join("staged");
        std::fs::write(&staged, token).unwrap();
        std::fs::rename(staged, self.token_file()).unwrap();
    }

    fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    fn gave(&self) -> Vec<String> {
        self.state.lock().unwrap().gave.clone()
    }

    /// Waits for the next call and returns its token.
    async fn called(&mut self) -> String {
        soon(self.calls.recv()).await.unwrap()
    }
}

async fn answer(State(state): State<Arc<Mutex<Given>>>, headers: HeaderMap) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    let token = headers.get(header::AUTHORIZATION).map_or("none", |value| value.to_str().unwrap()).to_owned();
    state.asked.push(token.clone());
    state.call.send(token.clone()).unwrap();
    if token != state.token {
        return (StatusCode::BAD_REQUEST, r#"{"code":"InvalidTokenException","message":"old"}"#.to_owned());
    }
    let keys = state.keys.remove(0);
    state.gave.push(keys.access_key_id().to_owned());
    let expiration = DateTime::from(SystemTime::now() + state.lifetime).fmt(Format::DateTime).unwrap();
    let body = serde_json::json!({
        "AccessKeyId": keys.access_key_id(),
        "SecretAccessKey": keys.secret_access_key(),
        "Token": keys.session_token(),
        "AccountId": "123456789012",
        "Expiration": expiration,
    });
    (StatusCode::OK, body.to_string())
}

/// Keys that the kit's STS has given.
async fn credentials(rig: &Rig) -> Credentials {
    let exchange = aws_sdk_sts::Client::new(&rig.config()).assume_role_with_web_identity();
    let exchange = exchange.role_arn(ROLE).role_session_name("checkout-0").web_identity_token(rig.issuer.mint(spec()));
    exchange.send().await.unwrap().credentials.unwrap()
}

fn program(rig: &Rig) -> Command {
    let mut command = example("pod_identity");
    command
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("NO_PROXY", "127.0.0.1");
    command
}

fn with_web_identity(mut pod: Command, rig: &Rig) -> Command {
    pod.env("AWS_ROLE_ARN", ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", rig.volume.token_path())
        .env("AWS_ROLE_SESSION_NAME", "checkout-0");
    pod
}

async fn run(mut command: Command) -> Output {
    soon(tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap()
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{errors}");
    errors
}

/// The running program, with `--watch`.
struct Watching {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.arg("--watch").stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        soon(self.lines.recv()).await.expect("the program ended early")
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
