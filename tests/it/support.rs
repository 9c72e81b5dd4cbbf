//! Helpers of the tests. This file has the rig that providers are built on, and the ways to wait for something.

pub(crate) mod api_server_rules;
pub(crate) mod captured_log;
pub(crate) mod example_program;
pub(crate) mod fault_list;
pub(crate) mod kubeadm_rules;
pub(crate) mod manifests;
pub(crate) mod own_process;
pub(crate) mod process_resources;
#[cfg_attr(
    not(all(feature = "object_store-0_14", feature = "reqsign-core-3")),
    expect(dead_code, reason = "parts are for the signers' tests")
)]
pub(crate) mod s3_servers;
pub(crate) mod sdk_hooks;
pub(crate) mod stepped_clock;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::Client;
use aws_types::SdkConfig;
use aws_web_identity::test_util::{
    AssumableRole, MockSts, OidcIssuer, ProjectedVolume, TestAws, TokenSpec, TrustedRole,
};
use aws_web_identity::{BackgroundCredentialsProvider, Builder, Error, WebIdentityCredentialsProvider};
use tokio::runtime::Handle;

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/teams/checkout";
pub(crate) const ARN: &str = "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0";
pub(crate) const OTHER_ROLE: &str = "arn:aws:iam::123456789012:role/billing";
pub(crate) const OTHER_ARN: &str = "arn:aws:sts::123456789012:assumed-role/billing/checkout-0";

/// A role in another account that trusts `ROLE`.
pub(crate) const CHAINED_ROLE: &str = "arn:aws:iam::210987654321:role/lake";

/// A test rig: an OIDC issuer, a pod's volume with a token, and an STS that trusts the issuer.
pub(crate) struct Rig {
    pub(crate) issuer: OidcIssuer,
    pub(crate) volume: ProjectedVolume,
    pub(crate) sts: MockSts,
    /// Runtime of the providers' background work. `None`: the engine thread.
    pub(crate) runtime: Option<Handle>,
    aws: TestAws,
}

impl Rig {
    /// Starts with a valid token in the volume.
    pub(crate) async fn start() -> Self {
        Self::with_issuer(&OidcIssuer::start().await).await
    }

    pub(crate) async fn with_issuer(issuer: &OidcIssuer) -> Self {
        let builder = MockSts::builder().issuer(issuer);
        let builder = builder.role(TrustedRole::new(ROLE)).role(TrustedRole::new(OTHER_ROLE));
        let sts = builder.assumable_role(AssumableRole::new(CHAINED_ROLE).principal(ROLE)).start().await;
        Self::from_parts(issuer, sts)
    }

    pub(crate) fn from_parts(issuer: &OidcIssuer, sts: MockSts) -> Self {
        let aws = TestAws::from_parts(issuer.clone(), sts);
        Self { issuer: issuer.clone(), volume: aws.volume().clone(), sts: aws.sts().clone(), runtime: None, aws }
    }

    pub(crate) fn rotate(&self, spec: TokenSpec) -> String {
        let token = self.issuer.mint(spec);
        self.volume.write(&token).unwrap();
        token
    }

    pub(crate) fn builder(&self) -> Builder {
        self.builder_for(ROLE)
    }

    pub(crate) fn builder_for(&self, role: &str) -> Builder {
        // Providers use their own HTTP client, as in production.
        let mut config = self.config().into_builder();
        config.set_http_client(None);
        let builder = self.aws.builder().configure(&config.build()).role_arn(role);
        match &self.runtime {
            Some(runtime) => builder.runtime(runtime.clone()),
            None => builder,
        }
    }

    pub(crate) async fn connect(&self) -> WebIdentityCredentialsProvider {
        self.connect_as(ROLE).await
    }

    pub(crate) async fn connect_as(&self, role: &str) -> WebIdentityCredentialsProvider {
        self.builder_for(role).connect().await.unwrap()
    }

    pub(crate) fn config(&self) -> SdkConfig {
        self.aws.sdk_config()
    }

    /// The access key of each exchange, in order. `None`: the exchange failed.
    pub(crate) fn exchanges(&self) -> Vec<Option<String>> {
        let calls = self.sts.calls().into_iter();
        calls.filter(|call| call.action == "AssumeRoleWithWebIdentity").map(|call| call.access_key_id).collect()
    }

    /// The access key that signed the last request.
    pub(crate) fn last_signed_with(&self) -> String {
        let calls = self.sts.calls().into_iter().rev();
        let mut keys = calls.filter(|call| call.action == "GetCallerIdentity").map(|call| call.signed_with);
        keys.next().flatten().expect("a signed request")
    }
}

pub(crate) fn spec() -> TokenSpec {
    TokenSpec::service_account("shop", "checkout")
}

/// A token that expired an hour ago.
pub(crate) fn expired_token() -> TokenSpec {
    spec().issued_at(SystemTime::now() - Duration::from_secs(2 * 3600))
}

pub(crate) fn key(provider: &(impl Clone + Into<BackgroundCredentialsProvider>)) -> String {
    provider.clone().into().current().expect("valid credentials").access_key_id().to_owned()
}

/// The ARN that AWS sees behind the client's requests.
pub(crate) async fn caller_arn(client: &Client) -> String {
    client.get_caller_identity().send().await.unwrap().arn().unwrap().to_owned()
}

/// A `BackgroundCredentialsProvider` around static credentials.
#[cfg(any(feature = "object_store-0_14", feature = "reqsign-core-3"))]
pub(crate) async fn static_background_provider() -> BackgroundCredentialsProvider {
    let expiry = SystemTime::now() + Duration::from_secs(3600);
    let credentials = aws_credential_types::Credentials::new("THEIRS", "secret", None, Some(expiry), "theirs");
    soon(BackgroundCredentialsProvider::builder(credentials).name("theirs").connect()).await.unwrap()
}

/// The endpoint of an external server. `None`, with a note on stderr, if the variable is not set.
pub(crate) fn server(variable: &str) -> Option<String> {
    let endpoint = std::env::var(variable).ok();
    if endpoint.is_none() {
        skipped(format_args!("{variable} is not set"));
    }
    endpoint
}

/// Notes on stderr that this test was skipped.
pub(crate) fn skipped(why: impl std::fmt::Display) {
    crate::isolated::skipped(std::thread::current().name().unwrap_or("a test"), why);
}

/// An address where nobody listens. The port stays bound, so that no other process takes it.
pub(crate) struct ClosedPort {
    pub(crate) url: String,
    _bound: tokio::net::TcpSocket,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { url: format!("http://{}", bound.local_addr().unwrap()), _bound: bound }
    }
}

/// The value of a future that must be ready at its first poll.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(value) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the future waits")
    };
    value
}

/// A minimal executor without Tokio: the thread sleeps until it is woken.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            // A missing wake-up fails the test instead of blocking it.
            Poll::Pending => assert!(woken(), "the caller was not woken within 30 s"),
        }
    }
}

fn woken() -> bool {
    let began = std::time::Instant::now();
    std::thread::park_timeout(Duration::from_secs(30));
    began.elapsed() < Duration::from_secs(30)
}

/// Fails a test that hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("the test hangs")
}

/// The error of a provider that cannot work. It waits for a failed attempt first, so a busy machine changes nothing.
pub(crate) async fn failure(builder: Builder) -> Error {
    let provider = builder.build().unwrap();
    eventually(|| provider.status().last_error.is_some()).await;
    soon(provider.refresh()).await.unwrap_err()
}

pub(crate) async fn eventually(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
