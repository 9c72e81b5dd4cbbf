//! A test kit: AWS and a Kubernetes cluster on loopback, to test your own service against.
//!
//! [`TestAws`] starts all of it in one call:
//!
//! - [`OidcIssuer`] is the cluster's issuer. It signs service-account tokens and publishes its keys.
//! - [`ProjectedVolume`] is the pod's volume. It holds the token, and replaces it as the kubelet does.
//! - [`MockSts`] is AWS STS. It checks tokens against the issuer's published keys, gives credentials, and refuses bad
//!   requests with the codes, statuses and messages of AWS.
//! - [`MockSts::verify`] tells your own fake of S3 or SQS who signed a request.
//!
//! HTTP, tokens and signatures are real. So a test covers your service from the token to the signed request. Nothing leaves
//! loopback, also when proxy variables are set.
//!
//! # What to use for which test
//!
//! | to test | use |
//! |---|---|
//! | the usual case | [`TestAws::start`], [`TestAws::builder`] |
//! | a new token | [`TestAws::rotate`] |
//! | an expired token, or the token of another service account | [`TestAws::rotate_to`] with a [`TokenSpec`] |
//! | an outage, throttling, a refusal, a broken connection | [`MockSts::set_fault`] or [`MockSts::fail_next`] with a [`Fault`] |
//! | a slow STS | [`MockSts::set_latency`] |
//! | several refreshes within seconds | [`MockSts::set_session_length`] |
//! | clock skew between AWS and the pod | [`MockSts::set_clock_offset`] |
//! | a changed trust policy | [`MockSts::set_role`] with a [`TrustedRole`] |
//! | a chained role | [`MockStsBuilder::assumable_role`] with an [`AssumableRole`] |
//! | a second region | [`MockSts::another_region`] |
//! | a revoked session | [`MockSts::reject_key`] |
//! | the requests that STS received | [`MockSts::calls`], [`MockSts::wait_for_calls`] |
//! | the signer of a request to your own fake | [`MockSts::verify`] |
//! | a new signing key, or an issuer that is down | [`OidcIssuer::rotate_key`], [`OidcIssuer::set_available`] |
//! | a token file alone | [`ProjectedVolume`] |
//!
//! # A complete test
//!
//! The service has one handler, which stores a receipt in S3. Its test has a fake S3 of 15 lines. The fake asks the kit who
//! signed each request.
//!
//! ```toml
//! [dev-dependencies]
//! aws-web-identity = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use aws_sdk_s3::Client;
//! use aws_web_identity::ErrorKind;
//! use aws_web_identity::test_util::{Fault, MockSts, TestAws};
//! use axum::body::{Bytes, to_bytes};
//! use axum::extract::{Path, Request, State};
//! use axum::http::StatusCode;
//!
//! // The service.
//! async fn save(State(s3): State<Client>, Path(id): Path<String>, receipt: Bytes) -> StatusCode {
//!     match s3.put_object().bucket("receipts").key(id).body(receipt.into()).send().await {
//!         Ok(_) => StatusCode::CREATED,
//!         Err(_) => StatusCode::BAD_GATEWAY,
//!     }
//! }
//!
//! // The fake S3. It accepts requests that this role signed for S3, and refuses others as AWS does.
//! async fn fake_s3(State(sts): State<MockSts>, request: Request) -> (StatusCode, String) {
//!     let (head, body) = request.into_parts();
//!     let body = to_bytes(body, 1 << 20).await.unwrap();
//!     match sts.verify(&Request::from_parts(head, body)) {
//!         Ok(caller) => {
//!             assert_eq!(caller.arn, "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0");
//!             assert_eq!(caller.service, "s3");
//!             (StatusCode::OK, String::new())
//!         }
//!         Err(refusal) => {
//!             let text = format!("<Error><Code>{}</Code></Error>", refusal.code());
//!             (StatusCode::from_u16(refusal.status()).unwrap(), text)
//!         }
//!     }
//! }
//!
//! // In your own crate this is a `#[tokio::test]`.
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let aws = TestAws::start().await;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!     let endpoint = format!("http://{}", listener.local_addr()?);
//!     let app = axum::Router::new().fallback(fake_s3).with_state(aws.sts().clone());
//!     tokio::spawn(async move { axum::serve(listener, app).await });
//!
//!     let identity = aws.builder().connect().await?;
//!     let config = aws_sdk_s3::config::Builder::from(&identity.install(aws.sdk_config()));
//!     let s3 = Client::from_conf(config.endpoint_url(endpoint).build());
//!     let post = || save(State(s3.clone()), Path("1".to_owned()), Bytes::from_static(b"bread"));
//!     assert_eq!(post().await, StatusCode::CREATED);
//!
//!     // The kubelet replaces the token. The next exchange sends the new token.
//!     aws.rotate();
//!     identity.refresh().await?;
//!     assert_eq!(post().await, StatusCode::CREATED);
//!
//!     // STS is down. The credentials stay valid for an hour, so that no request fails.
//!     aws.sts().set_fault(Fault::ServiceUnavailable);
//!     let error = identity.refresh().await.unwrap_err();
//!     assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
//!     assert_eq!(post().await, StatusCode::CREATED);
//!     aws.sts().set_fault(None);
//!
//!     // A second pod finds an expired token: its error says so. With a new token the pod starts.
//!     let expired = aws.token_spec().issued_at(SystemTime::now() - Duration::from_secs(2 * 3600));
//!     aws.rotate_to(expired);
//!     let error = aws.builder().wait_timeout(Duration::from_secs(1)).connect().await.unwrap_err();
//!     assert_eq!(error.kind(), ErrorKind::TokenRejected);
//!     aws.rotate();
//!     aws.builder().connect().await?;
//!
//!     // Another AWS gave the key of this request. The fake refuses the request, and the service reports the failure.
//!     let stranger = TestAws::start().await;
//!     let theirs = stranger.builder().connect().await?;
//!     let config = s3.config().to_builder().credentials_provider(theirs).build();
//!     let answer = save(State(Client::from_conf(config)), Path("2".to_owned()), Bytes::new()).await;
//!     assert_eq!(answer, StatusCode::BAD_GATEWAY);
//!     Ok(())
//! }
//! ```
//!
//! # Limits
//!
//! - The kit uses real sockets, so that it does not work under a paused Tokio clock. Use short sessions instead:
//!   [`MockSts::set_session_length`].
//! - [`TestAws`] and [`ProjectedVolume`] exist on Unix only, because they need symbolic links.

mod http_client;
mod http_server;
mod issuer;
mod mock_sts;
#[cfg(unix)]
mod projected_volume;
#[cfg(unix)]
mod test_aws;

pub use issuer::{Algorithm, OidcIssuer, TokenSpec};
pub use mock_sts::{AssumableRole, Call, Caller, Fault, MockSts, MockStsBuilder, Refusal, TrustedRole};
#[cfg(unix)]
pub use projected_volume::ProjectedVolume;
#[cfg(unix)]
pub use test_aws::TestAws;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_smithy_async::time::{SystemTimeSource, TimeSource};

fn now() -> SystemTime {
    SystemTimeSource::new().now()
}

/// Seconds since 1970, as tokens give times.
fn seconds(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs() as i64,
        Err(before) => -(before.duration().as_secs() as i64),
    }
}

/// A UUID that is always the same for the same text.
fn uuid(text: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    // Version 4, variant 1.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Locks a mutex, also after a panic of another test: that test has failed already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
