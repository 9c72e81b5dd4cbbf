//! AWS and a cluster on loopback, to test a service against.
//!
//! Everything is real but the cloud: HTTP over loopback sockets, signed tokens, an STS that checks them against the
//! issuer's published keys and refuses in AWS's own words, and signatures that are checked. So a service can be tested
//! from the token to the signed request, with its failures. Nothing leaves loopback, whatever proxy variables say.
//!
//! | you want | use |
//! |---|---|
//! | all of it in one call | [`TestAws`] |
//! | the kubelet: a new token, an expired one, one of another service account | [`TestAws::rotate`], [`TestAws::rotate_to`] with a [`TokenSpec`] |
//! | an outage, throttling, a refusal | [`MockSts::fail_next`], [`MockSts::set_fault`] with a [`Fault`] |
//! | a slow STS | [`MockSts::set_latency`] |
//! | sessions of seconds | [`MockSts::set_session_length`] |
//! | an STS whose clock is wrong | [`MockSts::set_clock_offset`] |
//! | a trust policy that changes | [`MockSts::set_role`] with a [`TrustedRole`] |
//! | a role that is assumed with another's credentials | [`MockStsBuilder::assumable_role`] with an [`AssumableRole`] |
//! | a second region | [`MockSts::another_region`] |
//! | a session that is revoked | [`MockSts::reject_key`] |
//! | what STS was asked | [`MockSts::calls`], [`MockSts::wait_for_calls`] |
//! | who signed a request to your own fake service | [`MockSts::verify`] |
//! | a new signing key, an issuer that is away | [`OidcIssuer::rotate_key`], [`OidcIssuer::set_available`] |
//! | a token file without the rest | [`ProjectedVolume`] |
//!
//! # A complete test
//!
//! The service has one handler, which stores a receipt in S3. Its test has a fake S3 of 15 lines. The fake asks the kit
//! who signed each request.
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
//! The kit's sockets want real time: do not use it under a paused Tokio clock. [`MockSts::set_session_length`] makes time
//! short instead. [`TestAws`] and [`ProjectedVolume`] are for Unix: they need symbolic links.

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
