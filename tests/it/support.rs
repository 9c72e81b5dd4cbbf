//! Helpers of all tests: the rig that a provider is built on, waiting, and in the files below what some tests need.

pub(crate) mod captured_log;
pub(crate) mod example_program;
pub(crate) mod own_process;
pub(crate) mod process_resources;
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

/// In another account, for those that `ROLE` gave.
pub(crate) const CHAINED_ROLE: &str = "arn:aws:iam::210987654321:role/lake";

/// A test rig: an OIDC issuer, a pod's volume with a token, and an STS that trusts the issuer.
pub(crate) struct Rig {
    pub(crate) issuer: OidcIssuer,
    pub(crate) volume: ProjectedVolume,
    pub(crate) sts: MockSts,
    /// For the providers' background work. `None`: the engine thread.
    pub(crate) runtime: Option<Handle>,
    aws: TestAws,
}

impl Rig {
    /// With a good token in the volume.
    pub(crate) async fn start() -> Self {
        Self::of(&OidcIssuer::start().await).await
    }

    pub(crate) async fn of(issuer: &OidcIssuer) -> Self {
        let builder = MockSts::builder().issuer(issuer);
        let builder = builder.role(TrustedRole::new(ROLE)).role(TrustedRole::new(OTHER_ROLE));
        let sts = builder.assumable_role(AssumableRole::new(CHAINED_ROLE).principal(ROLE)).start().await;
        Self::with(issuer, sts)
    }

    pub(crate) fn with(issuer: &OidcIssuer, sts: MockSts) -> Self {
        let aws = TestAws::from_parts(issuer.clone(), sts);
        Self { issuer: issuer.clone(), volume: aws.volume().clone(), sts: aws.sts().clone(), runtime: None, aws }
    }

    pub(crate) fn rotate(&self, spec: TokenSpec) -> String {
        let token = self.issuer.mint(spec);
        self.volume.write(&token).unwrap();
        token
    }

    pub(crate) fn builder(&self) -> Builder {
        self.builder_of(ROLE)
    }

    pub(crate) fn builder_of(&self, role: &str) -> Builder {
        // With the HTTP client that a provider has of its own, as in production.
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
        self.builder_of(role).connect().await.unwrap()
    }

    pub(crate) fn config(&self) -> SdkConfig {
        self.aws.sdk_config()
    }

    /// The access keys of the exchanges that there were, in their order; `None` for one that failed.
    pub(crate) fn exchanges(&self) -> Vec<Option<String>> {
        let calls = self.sts.calls().into_iter();
        calls.filter(|call| call.action == "AssumeRoleWithWebIdentity").map(|call| call.access_key_id).collect()
    }

    /// The key that the last signed request had.
    pub(crate) fn last_signed_with(&self) -> String {
        let calls = self.sts.calls().into_iter().rev();
        let mut keys = calls.filter(|call| call.action == "GetCallerIdentity").map(|call| call.signed_with);
        keys.next().flatten().expect("a signed request")
    }
}

pub(crate) fn spec() -> TokenSpec {
    TokenSpec::service_account("shop", "checkout")
}

/// Issued two hours ago, for an hour.
pub(crate) fn expired_token() -> TokenSpec {
    spec().issued_at(SystemTime::now() - Duration::from_secs(2 * 3600))
}

pub(crate) fn key(provider: &(impl Clone + Into<BackgroundCredentialsProvider>)) -> String {
    provider.clone().into().current().expect("valid credentials").access_key_id().to_owned()
}

/// Who AWS says that the client is.
pub(crate) async fn who(client: &Client) -> String {
    client.get_caller_identity().send().await.unwrap().arn().unwrap().to_owned()
}

/// Somebody else's credentials, kept fresh in the background.
#[cfg(any(feature = "object_store-0_14", feature = "reqsign-core-3"))]
pub(crate) async fn theirs() -> BackgroundCredentialsProvider {
    let expiry = SystemTime::now() + Duration::from_secs(3600);
    let credentials = aws_credential_types::Credentials::new("THEIRS", "secret", None, Some(expiry), "theirs");
    soon(BackgroundCredentialsProvider::builder(credentials).name("theirs").connect()).await.unwrap()
}

/// The endpoint of a server that nobody here wrote. Without it the test says that it was skipped.
pub(crate) fn server(variable: &str) -> Option<String> {
    let endpoint = std::env::var(variable).ok();
    if endpoint.is_none() {
        skipped(format_args!("{variable} is not set"));
    }
    endpoint
}

/// Of the test that runs here.
pub(crate) fn skipped(why: impl std::fmt::Display) {
    crate::isolated::skipped(std::thread::current().name().unwrap_or("a test"), why);
}

/// An address where nobody listens, for as long as this lives: bound, so that nobody else gets it.
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

/// The value of a future that has no right to wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(value) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
    value
}

/// Waits for a future as an executor does that is not Tokio's: on this thread, which sleeps until it is woken.
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
            // A wake-up that never comes is a failure and not a hang.
            Poll::Pending => assert!(woken(), "nobody woke the caller"),
        }
    }
}

fn woken() -> bool {
    let began = std::time::Instant::now();
    std::thread::park_timeout(Duration::from_secs(30));
    began.elapsed() < Duration::from_secs(30)
}

/// A test that would hang fails.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it hangs")
}

/// The error of a provider that cannot work. An attempt has failed before the wait begins, so a busy machine changes nothing.
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
