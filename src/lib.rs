#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout)]
//! AWS credentials from a Kubernetes service-account token, refreshed in the background so that no request ever waits
//! for them, and none fails while they are still valid.
//!
//! # What it is
//!
//! In a pod the cluster signs a service-account token and projects it as a file. AWS STS trades it
//! (`AssumeRoleWithWebIdentity`) for credentials of an IAM role. Every AWS SDK can make this trade, and makes it inside
//! somebody's request: that one waits for STS, or fails with it. This crate makes it beside them: a thread of its own
//! watches the file, refreshes long before the expiry, and publishes to a slot that requests read without a lock.
//!
//! It works on EKS (IAM roles for service accounts), and on any cluster that is federated with IAM by OIDC. The same
//! engine keeps credentials of chained roles fresh, and those of any provider of the SDK.
//!
//! # When you do not need it
//!
//! Where there is no such token (EC2, ECS, Lambda, a laptop) `aws-config` has what is needed. A command-line tool that
//! makes one call gains nothing. What it does not do, and what it costs, is in [`docs::limits`].
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
//! Role, token file and region come from the variables that the EKS webhook injects. A program that also runs on a
//! laptop keeps its own credentials there:
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
//! 1. **Requests never wait for valid credentials.** A read with valid credentials returns at once, until their last
//!    second. This holds whatever the caller's runtime is doing: blocked, starved, shut down or absent.
//! 2. **Valid credentials are always used.** No failure replaces, hides or drops them. No shorter session replaces a
//!    longer one that is still valid.
//! 3. **One exchange at a time** per provider. Callers share its result or its error. A caller that gives up cancels
//!    nothing, and no answer of STS is thrown away.
//! 4. **Refresh is early and spread out**: at a random point of 60–75 % of the lifetime, drawn anew each time.
//! 5. **Failures are retried with jitter**, by their class and the remaining time. A fleet without credentials does not
//!    storm STS. Nobody gets an error older than 30 s.
//! 6. **A new token is noticed** within 1 s where file events work, within 33 s elsewhere, and ends a failure.
//! 7. **The local clock is not trusted** for STS sessions. An STS without a `Date` header and a wrapped provider leave
//!    nothing but the local clock: see [`docs::limits`].
//! 8. **Never another identity.** A failure is an error, never a fall-through to the node's role.
//! 9. **Secrets stay secret**, in every log level, error, `Debug`, metric and URL. Every copy that this crate owns is
//!    wiped.
//! 10. **Nothing leaks.** Building starts nothing. The engine thread ends with the last provider.
//! 11. **A read is cheap**: no lock, no system call but the clock, no allocation beyond the SDK's own.
//! 12. **Errors teach.** Each says what failed, on what, and what to do.
//!
//! How these hold is in [`docs`], the numbers in [`docs::policy`], figures in [`docs::comparison`].
//!
//! # What is where
//!
//! | you want | take |
//! |---|---|
//! | credentials for this pod's token | [`WebIdentityCredentialsProvider`], made by [`Builder`] |
//! | a second role for the same token | [`to_builder`](WebIdentityCredentialsProvider::to_builder) |
//! | a role that this one may assume, in chains of any length | [`assume_role`](BackgroundCredentialsProvider::assume_role), made by [`AssumeRoleBuilder`] |
//! | any other provider, kept fresh in the same way; one type for all | [`BackgroundCredentialsProvider`], made by [`BackgroundBuilder`] |
//! | one program for web identity, EKS Pod Identity and a laptop | example `pod_identity`, explained in [`docs::roles`](docs::roles#eks-pod-identity) |
//! | one provider for libraries that each build theirs | [`Registry`] |
//! | tokens from Vault, SPIFFE, a CI system | [`token_source`] |
//! | STS of another region when that of home is away | [`standby_region`](Builder::standby_region) |
//! | SDK clients | [`install`](BackgroundCredentialsProvider::install); for one service [`credentials_provider`](BackgroundCredentialsProvider::credentials_provider) with [`identity_cache`](BackgroundCredentialsProvider::identity_cache) |
//! | to hear that a service refused the key | [`interceptor`](BackgroundCredentialsProvider::interceptor), [`invalidate`](BackgroundCredentialsProvider::invalidate) |
//! | other signers | [`current`](BackgroundCredentialsProvider::current), or an adapter: [`docs::signers`] |
//! | presigned URLs | [`valid_for`](BackgroundCredentialsProvider::valid_for) |
//! | a readiness probe, a health endpoint | [`ready`](BackgroundCredentialsProvider::ready), [`status`](BackgroundCredentialsProvider::status) |
//! | to hear of each new generation | [`updates`](BackgroundCredentialsProvider::updates) |
//! | logs and metrics | [`docs::telemetry`] |
//! | to know what went wrong | [`Error::kind`], [`Error::remedy`]; each text in [`docs::troubleshooting`] |
//! | background work in a runtime of your own | [`Builder::runtime`] |
//! | code to copy for a common task | [`docs::recipes`] |
//! | an orderly end | [`shutdown`](BackgroundCredentialsProvider::shutdown), [`shutdown_when`](Builder::shutdown_when) |
//!
//! A [`WebIdentityCredentialsProvider`] is a [`BackgroundCredentialsProvider`] with a builder of its own. It dereferences to
//! that type, which has all other methods, and turns into it by [`From`]. Store the general type to hold any provider.
//!
//! # Test it
//!
//! With the feature `test-util`, `TestAws::start()` in the module `test_util` starts an OIDC issuer, a projected volume and
//! an STS on loopback: signed tokens, checked signatures, AWS's own refusals, faults on demand. A service is tested from
//! the token to the signed request. The module's page has a complete test of a small service.
//!
//! # Features
//!
//! | feature | default | what for |
//! |---|---|---|
//! | `default-https-client` | yes | an HTTPS client, for a provider that was not given one by [`configure`](Builder::configure) |
//! | `metrics` | no | what the provider does, told to the [`metrics`](https://docs.rs/metrics) facade |
//! | `object_store-0_14` | no | credentials for the S3 of `object_store` 0.14 |
//! | `reqsign-core-3` | no | credentials for the signers of `reqsign-core` 3, and so for OpenDAL's S3 |
//! | `test-util` | no | the test kit |
//!
//! Enabling a feature never changes behaviour. An adapter shows types of another crate, so its feature names that crate's
//! version. A new version gets a feature and methods of its own (`object_store-0_15`); the old ones stay.
//!
//! # Rust version and platforms
//!
//! Rust 1.94.1, as the AWS SDK's. It follows the SDK's; a raise is a minor release. Made for Linux; written to compile
//! on macOS and Windows, where people develop. Not for wasm.

mod adapters;
mod assume_role;
mod blocking;
mod builder;
pub mod docs;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod key_error_codes;
mod provider;
mod refresh;
mod scrub;
mod sts;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
mod web_identity;
mod wrapped_provider;

pub use builder::{AssumeRoleBuilder, BackgroundBuilder, Builder, Registry, WebIdentityCredentialsProvider};
pub use error::{BuildError, Error, ErrorKind};
pub use provider::{BackgroundCredentialsProvider, Status};
pub use refresh::{Closed, ExpiredPolicy, Phase, Updates};
pub use web_identity::{TokenClaims, token_source};

/// The README's code, compiled.
#[cfg(all(doctest, feature = "test-util"))]
#[doc = include_str!("../README.md")]
struct Readme;
