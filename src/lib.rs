#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout)]
//! AWS credentials from a Kubernetes service-account token, refreshed in the background so that no request ever waits for
//! them, and none fails while they are still valid.
//!
//! # What it is
//!
//! In a pod the cluster signs a service-account token and projects it as a file. AWS STS trades it
//! (`AssumeRoleWithWebIdentity`) for credentials of an IAM role. Every AWS SDK can make this trade, and makes it inside
//! somebody's request. This crate makes it beside them: one task per provider watches the file, refreshes long before the
//! expiry, and publishes to a slot that requests read without a lock.
//!
//! # When you do not need it
//!
//! On EC2, ECS, Lambda or a laptop there is no such token: `aws-config` has what is needed. A command-line tool that makes
//! one call gains nothing.
//!
//! # In four lines
//!
//! ```no_run
//! use aws_config::BehaviorVersion;
//! use aws_web_identity::WebIdentityCredentialsProvider;
//!
//! # async fn example() -> Result<(), aws_web_identity::Error> {
//! let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let identity = WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
//! let sts = aws_sdk_sts::Client::new(&identity.install(base));
//! # Ok(())
//! # }
//! ```
//!
//! A program that also runs on a laptop keeps its own credentials there:
//!
//! ```no_run
//! # use aws_config::{BehaviorVersion, SdkConfig};
//! # use aws_web_identity::{Error, WebIdentityCredentialsProvider};
//! # async fn example() -> Result<SdkConfig, Error> {
//! let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! match WebIdentityCredentialsProvider::builder().configure(&base).connect().await {
//!     Ok(identity) => Ok(identity.install(base)),
//!     Err(error) if error.is_not_configured() => Ok(base),
//!     Err(error) => Err(error),
//! }
//! # }
//! ```
//!
//! # How it goes
//!
//! ```text
//!   kubelet ──▶ token file ──▶ read ──▶ STS exchange ──▶ slot ──▶ SDK clients: identity cache, at each request
//!                   │           ▲                          │
//!                   └─ watch ───┴── schedule, back-off     └────▶ anything else: `current()`, `provide_credentials()`
//! ```
//!
//! # What it promises
//!
//! - A read with valid credentials returns at once; the exchange never runs inside a request.
//! - No failure replaces or hides credentials that are still valid.
//! - One exchange at a time per provider, whatever becomes of its callers; its result or error reaches all who wait.
//! - The refresh starts at a random point in 60–75 % of the lifetime, drawn anew each time: a fleet drifts apart.
//! - Once web identity is configured, its failure is an error: never the node's role in its place.
//! - Token, secret key and session token appear in no log, error or `Debug`, and every copy that we own is wiped.
//! - The one task ends with the last handle.
//!
//! How each holds, and where it ends, is in [`docs`].
//!
//! # Features
//!
//! - `default-https-client` (default): the SDK's own HTTPS client, for a provider that was not given one by
//!   [`configure`](Builder::configure).
//! - `metrics`: what the provider does, told to the [`metrics`](https://docs.rs/metrics) facade: see [`docs::telemetry`].
//! - `object_store`: credentials for the S3 of `object_store`.
//! - `reqsign`: credentials for `reqsign`'s signers, and so for OpenDAL's S3.
//! - `test-util`: an OIDC issuer, a projected volume and an STS to test against, all on loopback, in `test_util`.
//!
//! Enabling a feature never changes behaviour.
//!
//! # Rust version
//!
//! 1.94.1, as the AWS SDK's. It follows the SDK's; a raise is a minor release.

mod adapters;
mod assume_role;
mod builder;
pub mod docs;
mod environment;
mod error;
mod provider;
mod refresh;
mod scrub;
mod sts;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
mod web_identity;
mod wrapped;

pub use builder::{AssumeRoleBuilder, BackgroundBuilder, Builder, Registry};
pub use error::{BuildError, Error, ErrorKind};
pub use provider::{BackgroundCredentialsProvider, Status, WebIdentityCredentialsProvider};
pub use refresh::{Closed, ExpiredPolicy, Phase, Updates};
pub use web_identity::{TokenClaims, token_source};

/// The README's code, compiled.
#[cfg(all(doctest, feature = "test-util"))]
#[doc = include_str!("../README.md")]
struct Readme;
