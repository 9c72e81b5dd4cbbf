//! An STS that checks requests as AWS does, answers as AWS does, and fails on demand.

mod account;
mod answer;
mod call;
mod fault;
mod handling;
mod refusal;
mod request;
mod roles;
mod session;
mod signature_check;
mod token_check;

pub use call::Call;
pub use fault::Fault;
pub use refusal::Refusal;
pub use roles::{AssumableRole, TrustedRole};
pub use signature_check::Caller;

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
use self::handling::{Sessions, Shared, State};
use super::http_client::LoopbackClient;
use super::http_server::{Server, listen};
use super::{OidcIssuer, lock};

/// AWS STS for one account and region, on loopback.
///
/// - `AssumeRoleWithWebIdentity` checks the parameters, the token's issuer, audience, subject, signature and times, and the
///   role's trust policy. It fetches the issuer's keys for each request.
/// - `AssumeRole` checks the request's signature, and whether the role trusts the caller's role. Sessions last one hour at
///   most.
/// - `GetCallerIdentity` checks the request's signature, in headers or in a presigned URL.
///
/// Refusals have AWS's codes, statuses and messages. [Faults](Fault) and latency affect exchanges only: the first two
/// actions. Settings take effect with the next request.
///
/// Clones are handles to the same mock. Its server ends when the last handle is dropped.
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
/// let config = sts.sdk_config();
/// # assert!(config.credentials_provider().is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MockSts {
    shared: Arc<Shared>,
    _server: Arc<Server>,
}

impl MockSts {
    /// A builder for an STS. It trusts nobody until an issuer and a role are added.
    pub fn builder() -> MockStsBuilder {
        MockStsBuilder::default()
    }

    /// Starts an STS of the same account in another region.
    ///
    /// Both regions share OIDC providers, roles and sessions. Each has its own faults, latency, clock, calls and
    /// rejected keys.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or when loopback has no free port.
    pub async fn another_region(&self) -> Self {
        let Shared { account, sessions, .. } = &*self.shared;
        Self::serve(account.clone(), sessions.clone(), self.shared.settings().session_length).await
    }

    /// The URL of the mock, for `AWS_ENDPOINT_URL_STS`.
    pub fn endpoint_url(&self) -> &str {
        &self.shared.endpoint_url
    }

    /// An SDK configuration for this mock: region `eu-central-1`, this mock as the endpoint of STS, and no credentials.
    ///
    /// Its HTTP client speaks plain HTTP to loopback only, and ignores proxies. Give clients of other services the
    /// `endpoint_url` of a fake on loopback. Their requests to any other host are errors, and are not sent.
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            // Without these two, a provider would read them from the environment.
            .use_fips(false)
            .use_dual_stack(false)
            .http_client(LoopbackClient::default())
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .service_config(StsEndpoint(self.endpoint_url().to_owned()))
            .build()
    }

    /// Tells who signed a request to any service. Call it in your own fake of that service.
    ///
    /// The mock recomputes the signature (SigV4, in headers or in a presigned URL) with the secret of the access key. This
    /// STS, or its twin in [another region](Self::another_region), must have given the key. The session must be valid by
    /// this STS's clock, and the key must not be [rejected](Self::reject_key).
    ///
    /// Pass the request as received: method, path, query, all headers and the whole body. The body is not checked if
    /// `x-amz-content-sha256` is `UNSIGNED-PAYLOAD` or `STREAMING-…` instead of a hash.
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
    /// The refusal that AWS would answer with:
    ///
    /// | code | cause |
    /// |---|---|
    /// | `MissingAuthenticationToken` | the request is not signed |
    /// | `IncompleteSignature` | the signature is not SigV4 |
    /// | `InvalidClientTokenId` | this STS did not give the key, or the session token is wrong |
    /// | `ExpiredToken` | the session has expired |
    /// | `SignatureDoesNotMatch` | another secret, a changed request, or older than 15 minutes or `X-Amz-Expires` |
    /// | `XAmzContentSHA256Mismatch` | the body does not match its hash |
    /// | the code of [`reject_key`](Self::reject_key) | the key is rejected |
    pub fn verify(&self, request: &http::Request<impl AsRef<[u8]>>) -> Result<Caller, Refusal> {
        self.shared.caller(request)
    }

    /// All requests so far, in the order of arrival, except [forgotten](Self::forget_before) ones.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.kept.iter().cloned().collect()
    }

    /// Forgets the requests that came before `at` (by this machine's clock) and the sessions that had ended by then.
    ///
    /// A mock remembers every request and session, so a test of hours needs this method. A key of a forgotten session gets
    /// `InvalidClientTokenId` instead of `ExpiredToken`, in all regions. [Rejected](Self::reject_key) keys stay rejected, and
    /// [`wait_for_calls`](Self::wait_for_calls) still counts forgotten requests.
    pub fn forget_before(&self, at: SystemTime) {
        self.shared.forget_before(at);
    }

    /// Waits until `count` requests have come since the start of the mock. They may still be without an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait_for_calls(&self, count: usize) {
        let mut arrivals = self.shared.arrivals.subscribe();
        // Fails only if the sender is gone, and `self` holds the sender.
        let _arrived = arrivals.wait_for(|&arrived| arrived >= count).await;
    }

    /// Largest number of exchanges that were under way at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    /// Fails the next `count` exchanges with this fault. Faults of earlier calls come first.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.state().next_faults.extend(std::iter::repeat_n(fault, count));
    }

    /// Fails every exchange with this fault until it is set to `None`. Faults of [`fail_next`](Self::fail_next) come first.
    pub fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        self.state().settings.fault = fault.into();
    }

    /// Fails every `AssumeRole` with this fault until it is set to `None`. It comes before any other fault.
    pub fn set_chain_fault(&self, fault: impl Into<Option<Fault>>) {
        self.state().settings.chain_fault = fault.into();
    }

    /// Sets how long the mock waits before it answers an exchange. Default: zero.
    pub fn set_latency(&self, latency: Duration) {
        self.state().settings.latency = latency;
    }

    /// Sets the mock's clock this many seconds ahead of this machine's clock, or behind if negative.
    ///
    /// The mock's clock decides `Date`, `Expiration` and all checks of times. If it is behind, a new token is not yet valid:
    /// mint it with an earlier [`issued_at`](super::TokenSpec::issued_at).
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state().settings.clock_offset = seconds;
    }

    /// Sets whether answers have a `Date` header. Default: `true`, as with AWS.
    pub fn set_send_date(&self, send: bool) {
        self.state().settings.without_date = !send;
    }

    /// Sets the `Retry-After` header of all errors, in whole seconds. Default: none.
    pub fn set_retry_after(&self, after: impl Into<Option<Duration>>) {
        self.state().settings.retry_after = after.into();
    }

    /// Sets the length of new sessions, whatever requests ask for. A length of seconds lets a test see several refreshes.
    ///
    /// Default: `None`. A session then has the length that the request asks for, or one hour.
    pub fn set_session_length(&self, length: impl Into<Option<Duration>>) {
        self.state().settings.session_length = length.into();
    }

    /// Adds the role, or replaces the role of the same ARN. Sessions of the role stay valid.
    pub fn set_role(&self, role: TrustedRole) {
        self.shared.account.set_role(role);
    }

    /// Rejects this access key from now on, with a code such as `ExpiredToken` or `InvalidClientTokenId`.
    ///
    /// The rejection holds for this STS's own actions and for [`verify`](Self::verify).
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

/// Collects what a [`MockSts`] trusts. Made by [`MockSts::builder`].
#[must_use]
#[derive(Debug, Default)]
pub struct MockStsBuilder {
    account: Account,
}

impl MockStsBuilder {
    /// Registers the issuer as an OIDC provider of the account. May be repeated.
    pub fn issuer(mut self, issuer: &OidcIssuer) -> Self {
        self.account.issuers.push(issuer.url().to_owned());
        self
    }

    /// Adds a role that a token can assume. May be repeated.
    pub fn role(self, role: TrustedRole) -> Self {
        lock(&self.account.roles).push(role);
        self
    }

    /// Adds a role that another role's credentials can assume. May be repeated.
    pub fn assumable_role(mut self, role: AssumableRole) -> Self {
        self.account.assumable.push(role);
        self
    }

    /// Starts the mock.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or when loopback has no free port.
    pub async fn start(self) -> MockSts {
        MockSts::serve(self.account.into(), Sessions::default(), None).await
    }
}

/// The part of a shared configuration that gives STS its own endpoint.
#[derive(Debug)]
struct StsEndpoint(String);

impl LoadServiceConfig for StsEndpoint {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let is_ours = key.env() == "AWS_ENDPOINT_URL" && key.service_id().eq_ignore_ascii_case("sts");
        is_ours.then(|| self.0.clone())
    }
}
