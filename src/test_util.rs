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
#![doc = concat!("```ignore\n", include_str!("test_util/complete_test.rs"), "```")]
//!
//! # Limits
//!
//! - The kit uses real sockets, so it does not work under a paused Tokio clock. Use short sessions instead:
//!   [`MockSts::set_session_length`].
//! - [`MockSts`] passes no session tags and no source identity on from one role to the next. So it grants chains that AWS
//!   refuses, for example a second value for a transitive tag.
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
