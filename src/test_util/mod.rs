//! An issuer, a projected volume and an STS to test against.
//!
//! Everything is real but the cloud: HTTP over loopback sockets, signed tokens, an STS that checks them against the
//! issuer's published keys and refuses in AWS's own words, and a `GetCallerIdentity` that recomputes the signature of
//! each request. So a service can be tested from the token to the signed request, with its failures.
//!
//! - [`OidcIssuer`] is the cluster's issuer; a [`TokenSpec`] says what a token shall claim.
//! - [`ProjectedVolume`] is the kubelet, which puts the token into the pod and replaces it.
//! - [`MockSts`] is AWS: it trades tokens for credentials, and fails on demand, in every way of [`Fault`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_web_identity::test_util::{Fault, MockSts, OidcIssuer, TokenSpec, TrustedRole};
//!
//! let issuer = OidcIssuer::start().await;
//! let arn = "arn:aws:iam::123456789012:role/checkout";
//! let role = TrustedRole::new(arn).subject("system:serviceaccount:shop:checkout");
//! let sts = MockSts::builder().issuer(&issuer).role(role).start().await;
//!
//! // Hand `sdk_config` to what is tested; here it is an STS client.
//! let client = aws_sdk_sts::Client::new(&sts.sdk_config());
//! let exchange = client
//!     .assume_role_with_web_identity()
//!     .role_arn(arn)
//!     .role_session_name("checkout-0")
//!     .web_identity_token(issuer.mint(TokenSpec::service_account("shop", "checkout")));
//! exchange.clone().send().await?;
//!
//! sts.fail_next(1, Fault::AccessDenied);
//! assert!(exchange.send().await.is_err());
//! assert_eq!(sts.calls()[1].code.as_deref(), Some("AccessDenied"));
//! # Ok(()) }
//! ```
//!
//! The kit's sockets want real time: do not use it under a paused Tokio clock.

mod http;
mod http_client;
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

/// As tokens tell time.
fn seconds(at: SystemTime) -> i64 {
    // Seconds since 1970 fit for as long as there is a SystemTime to hold them.
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs() as i64,
        Err(before) => -(before.duration().as_secs() as i64),
    }
}

/// Always the same for the same text.
fn uuid(of: &str) -> String {
    let hash = digest(&SHA256, of.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    // Version 4, variant 1.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A test that panicked elsewhere has said enough: nobody else needs to.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
