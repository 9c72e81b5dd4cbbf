//! An STS that checks what AWS checks, answers as AWS answers, and fails on demand.

mod account;
mod answer;
mod builder;
mod call;
mod fault;
mod refusal;
mod request;
mod roles;
mod server;
mod session;
mod signature;
mod token;

pub use builder::MockStsBuilder;
pub use call::Call;
pub use fault::Fault;
pub use refusal::Refusal;
pub use roles::{AssumableRole, TrustedRole};
pub use signature::Caller;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use tokio::sync::watch;

use self::account::Account;
use self::server::{Sessions, Shared, State};
use super::http_client::LoopbackClient;
use super::http_server::{Server, listen};
use super::lock;

/// AWS, as far as web identity goes, on loopback, until its last handle is dropped.
///
/// `AssumeRoleWithWebIdentity` fetches the issuer's keys anew each time, checks the token's signature, issuer,
/// audience, subject and time, the role's trust and the parameters, and refuses with AWS's codes, statuses and texts.
/// `AssumeRole` takes credentials that it gave before, for the roles that trust theirs, an hour at most.
/// `GetCallerIdentity` recomputes the request's signature with the secret that it once gave, presigned or not. Faults
/// and latency are for exchanges only, of either kind. All settings take effect at once.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use aws_web_identity::test_util::{Fault, MockSts, OidcIssuer, TrustedRole};
///
/// let issuer = OidcIssuer::start().await;
/// let sts = MockSts::builder()
///     .issuer(&issuer)
///     .role(TrustedRole::new("arn:aws:iam::123456789012:role/checkout"))
///     .start()
///     .await;
///
/// sts.set_session_length(Duration::from_secs(5));
/// sts.set_latency(Duration::from_millis(50));
/// sts.fail_next(2, Fault::ServiceUnavailable);
/// sts.fail_next(1, Fault::ConnectionReset);
/// let config = sts.sdk_config(); // no credentials yet: that is what the exchange is for
/// # assert!(config.credentials_provider().is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MockSts {
    shared: Arc<Shared>,
    _server: Arc<Server>,
}

impl MockSts {
    /// An STS that trusts nobody yet.
    pub fn builder() -> MockStsBuilder {
        MockStsBuilder::default()
    }

    /// Starts the same AWS in another region: it knows the same providers and roles, and the sessions that either gave.
    /// Faults, latency, clock and calls are its own.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or when loopback has no free port.
    pub async fn another_region(&self) -> Self {
        let Shared { account, sessions, .. } = &*self.shared;
        Self::serve(account.clone(), sessions.clone(), self.shared.settings().session_length).await
    }

    /// Its URL, for `AWS_ENDPOINT_URL_STS`.
    pub fn endpoint_url(&self) -> &str {
        &self.shared.endpoint_url
    }

    /// What a program would have loaded from its environment: region `eu-central-1`, this mock as the endpoint of STS
    /// and of nothing else, and no credentials.
    ///
    /// Its HTTP client speaks plain HTTP to loopback only, and heeds no proxy. So a client of another service is to be
    /// given the `endpoint_url` of a fake on loopback; without one its requests are errors that say so, and leave
    /// nothing.
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            // Otherwise a provider asks the environment.
            .use_fips(false)
            .use_dual_stack(false)
            .http_client(LoopbackClient::default())
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .service_config(StsEndpoint(self.endpoint_url().to_owned()))
            .build()
    }

    /// Says who signed a request to any service, for a fake of that service.
    ///
    /// It recomputes the signature (SigV4, in headers or in a presigned URL) with the secret that this STS, or one of
    /// [another region](Self::another_region), gave for the access key. The session must still last by the clock of
    /// this STS, and [`reject_key`](Self::reject_key) holds here, too.
    ///
    /// Give it the request as it came: method, path, query, all headers and the whole body. The body is not checked
    /// where `x-amz-content-sha256` is not its hash: `UNSIGNED-PAYLOAD`, or `STREAMING-…` for a body in chunks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let aws = aws_web_identity::test_util::TestAws::start().await;
    /// let request = http::Request::get("http://127.0.0.1/receipts/1").body("").unwrap();
    /// let refusal = aws.sts().verify(&request).unwrap_err();
    /// assert_eq!((refusal.status(), refusal.code()), (403, "MissingAuthenticationToken"));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// In AWS's words: `MissingAuthenticationToken` (not signed), `IncompleteSignature` (not SigV4),
    /// `InvalidClientTokenId` (a key that was not given here, or another session token), `ExpiredToken`,
    /// `SignatureDoesNotMatch` (also one that is older than 15 minutes or than `X-Amz-Expires`),
    /// `XAmzContentSHA256Mismatch` (another body), or the code of [`reject_key`](Self::reject_key).
    pub fn verify(&self, request: &http::Request<impl AsRef<[u8]>>) -> Result<Caller, Refusal> {
        self.shared.caller(request)
    }

    /// All requests so far, in the order of their coming, but for those that it was told to
    /// [forget](Self::forget_before).
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.kept.iter().cloned().collect()
    }

    /// Forgets the requests that came before `at`, by this machine's clock, and the sessions, of all regions, that had
    /// ended by then: to a key of those it answers `InvalidClientTokenId` from now on, no longer `ExpiredToken`.
    ///
    /// For runs of hours, because a mock remembers every request. [`wait_for_calls`](Self::wait_for_calls) goes on
    /// counting those that are forgotten, and keys that it was told to [reject](Self::reject_key) stay rejected.
    pub fn forget_before(&self, at: SystemTime) {
        self.shared.forget_before(at);
    }

    /// Waits until this many requests have come, from the start of the mock. They need not be answered yet.
    ///
    /// # Cancel safety
    ///
    /// It only looks: nothing is lost when it is dropped.
    pub async fn wait_for_calls(&self, count: usize) {
        let mut arrivals = self.shared.arrivals.subscribe();
        // The sender is in `self`, so that there is no error to get.
        let _arrived = arrivals.wait_for(|&arrived| arrived >= count).await;
    }

    /// The largest number of exchanges that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    /// Lets this fault happen to the next `count` exchanges, after those that were asked for before.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.state().next_faults.extend(std::iter::repeat_n(fault, count));
    }

    /// Lets this fault happen to every exchange until `None` is set. Those of [`fail_next`](Self::fail_next) come
    /// first.
    pub fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        self.state().settings.fault = fault.into();
    }

    /// The same for `AssumeRole` alone, before any other fault.
    pub fn set_chain_fault(&self, fault: impl Into<Option<Fault>>) {
        self.state().settings.chain_fault = fault.into();
    }

    /// How long an exchange takes.
    pub fn set_latency(&self, latency: Duration) {
        self.state().settings.latency = latency;
    }

    /// Sets the mock's clock ahead of ours by so many seconds, or behind: `Date`, `Expiration` and all checks of time.
    ///
    /// To a clock that is behind, a token that was just issued is not valid yet: mint it with an earlier
    /// [`issued_at`](super::TokenSpec::issued_at).
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state().settings.clock_offset = seconds;
    }

    /// Whether answers have a `Date` header, as those of AWS do.
    pub fn set_send_date(&self, send: bool) {
        self.state().settings.without_date = !send;
    }

    /// Sets the `Retry-After` header of all errors, in whole seconds. Default: none.
    pub fn set_retry_after(&self, after: impl Into<Option<Duration>>) {
        self.state().settings.retry_after = after.into();
    }

    /// Grants sessions of this length from now on, whatever is asked for: seconds, for tests that live through several.
    /// With `None`, as at first, the length is what is asked for, or an hour.
    pub fn set_session_length(&self, length: impl Into<Option<Duration>>) {
        self.state().settings.session_length = length.into();
    }

    /// Edits the role of this ARN, its trust for one, or adds it. What it has already given stays good.
    pub fn set_role(&self, role: TrustedRole) {
        self.shared.account.set_role(role);
    }

    /// Lets services refuse this access key from now on, with this code: `ExpiredToken`, `InvalidClientTokenId`.
    pub fn reject_key(&self, access_key_id: impl Into<String>, code: impl Into<String>) {
        self.state().rejected.insert(access_key_id.into(), code.into());
    }

    async fn serve(account: Arc<Account>, sessions: Sessions, session_length: Option<Duration>) -> Self {
        let (listener, address) = listen().await;
        let mut state = State::default();
        state.settings.session_length = session_length;
        let shared = Arc::new(Shared {
            endpoint_url: format!("http://{address}"),
            account,
            sessions,
            state: Mutex::new(state),
            arrivals: watch::Sender::new(0),
        });
        let server = Server::start(listener, {
            let shared = Arc::clone(&shared);
            move |request| {
                let shared = Arc::clone(&shared);
                async move { shared.handle(request).await }
            }
        });
        Self { shared, _server: Arc::new(server) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

impl fmt::Debug for MockSts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockSts")
            .field("endpoint_url", &self.shared.endpoint_url)
            .field("account", &self.shared.account)
            .field("settings", &self.state().settings)
            .finish_non_exhaustive()
    }
}

/// The part of a shared configuration that names an endpoint for one service.
#[derive(Debug)]
struct StsEndpoint(String);

impl LoadServiceConfig for StsEndpoint {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let is_ours = key.env() == "AWS_ENDPOINT_URL" && key.service_id().eq_ignore_ascii_case("sts");
        is_ours.then(|| self.0.clone())
    }
}
