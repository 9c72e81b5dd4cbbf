#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout)]
//! AWS credentials for Kubernetes pods, refreshed in the background. No request waits for STS while its credentials are
//! valid.
//!
//! # What it does
//!
//! Kubernetes signs a token for the pod's service account and mounts it as a file. AWS STS exchanges this token for
//! credentials of an IAM role (`AssumeRoleWithWebIdentity`). The AWS SDK for Rust makes this exchange inside a request.
//! That request waits for STS, and fails if STS fails.
//!
//! This crate makes the exchange outside requests. A background thread, the *engine thread*, watches the token file. It
//! refreshes the credentials long before they expire, and publishes them as a *snapshot*. SDK clients read the snapshot
//! without a lock.
//!
//! The crate works on EKS with IAM roles for service accounts (IRSA), and on any cluster that IAM trusts through OIDC.
//! The same engine refreshes chained roles and the credentials of any other SDK provider.
//!
//! # When you do not need it
//!
//! On EC2, ECS, Lambda or a laptop there is no service-account token, and `aws-config` is enough. A command-line tool
//! that makes one call gains nothing. [`docs::limits`] lists costs and limits, and [`docs::comparison`] compares this
//! crate with `aws-config` and other libraries.
//!
//! # Quick start
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
//! The EKS webhook sets the variables that name the role, the token file and the region. Without the webhook, set these
//! variables in the pod's manifest ([`docs::operations`](docs::operations#mount-the-token)). Clients of every AWS
//! service can use the config that [`install`](BackgroundCredentialsProvider::install) returns.
//!
//! On a laptop these variables are missing. A program that runs in both places can keep the laptop's credentials:
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
//! # How it works
//!
//! ```text
//!   kubelet ──▶ token file ──▶ read ──▶ STS exchange ──▶ snapshot ──▶ SDK clients, at each request
//!                   │           ▲                           │
//!                   └─ watch ───┴── schedule, retries       └───────▶ anything else: `current()`, `provide_credentials()`
//! ```
//!
//! [`docs`] explains the design, and lists the pages for operators and for each task.
//!
//! # What it promises
//!
//! 1. **No request waits while credentials are valid.** A read then returns at once, until the last second of the
//!    credentials. The state of the caller's runtime does not matter: blocked, starved, shut down or absent.
//! 2. **Valid credentials stay in use.** No failure replaces, hides or drops them. A shorter session replaces a longer
//!    session only in [three cases](docs::policy#which-session-is-used-and-how-long): rejection by a service, a new
//!    identity of the token, and the same access key with an earlier expiry.
//! 3. **One exchange at a time** per provider. Callers share its result or its error. If a caller is cancelled, the
//!    exchange continues and its answer is kept, while any handle of the provider lives.
//! 4. **Refresh is early and spread out**: at a random point of 60–75 % of the lifetime, drawn anew each time. If the
//!    answer is a shorter session, which is not used, the next point lies in the remaining time.
//! 5. **Failures are retried with jitter.** The class of the failure and the remaining time decide the delay. Every
//!    delay has jitter, except a delay that ends at the expiry of the credentials. A fleet without credentials does not
//!    flood STS ([bounds](docs::policy#fleet-bounds)). No caller gets an error older than 30 s, except as the
//!    [`source`](std::error::Error::source) of a new one.
//! 6. **A new token is noticed** within 1 s where file events work, within 33 s elsewhere (with the default
//!    [`token_poll_interval`](Builder::token_poll_interval)). A [`token_source`] must report its
//!    changes itself. After a failure a new token starts an attempt. The exception is throttling while credentials are
//!    valid.
//! 7. **The local clock is not trusted** for STS sessions: their lifetime comes from the clock of STS. The local clock
//!    decides only where the clock of STS is missing or doubtful, and for a wrapped provider. [`docs`](docs#clocks)
//!    lists each case.
//! 8. **Never another identity.** A failure gives an error. The provider never falls back to the node's role.
//! 9. **Secrets stay secret**: this crate writes the token, the secret key and the session token to no log, error,
//!    `Debug` output, metric or URL. The copies that it keeps are wiped when they are dropped.
//!    [`docs::limits`](docs::limits#limits-of-the-promises) says which copies are not.
//! 10. **Nothing is left behind.** `build` starts nothing. The engine thread ends with the last provider. `shutdown`
//!     returns even while an exchange hangs. With [`Builder::runtime`] it waits until that runtime runs.
//! 11. **A read is cheap**: no lock, no system call except the clock's, no allocation except the SDK's own.
//! 12. **Errors say what to do.** The text of an [`Error`] or [`BuildError`] also says what failed, and on which role,
//!     file or endpoint.
//!
//! [`docs::limits`](docs::limits#limits-of-the-promises) says where these promises end. [`docs::policy`] has all
//! numbers. The tests of promise 2 have names that begin with `p2_`, and so on.
//!
//! # API by task
//!
//! | task | API |
//! |---|---|
//! | credentials for this pod's token | [`WebIdentityCredentialsProvider`], made by [`Builder`] |
//! | a second role for the same token | [`to_builder`](WebIdentityCredentialsProvider::to_builder) |
//! | a role that the first role may assume, in chains of any length | [`assume_role`](BackgroundCredentialsProvider::assume_role), made by [`AssumeRoleBuilder`] |
//! | background refresh for any other provider; one type for all providers | [`BackgroundCredentialsProvider`], made by [`BackgroundBuilder`] |
//! | one program for web identity, EKS Pod Identity and a laptop | example `pod_identity`, explained in [`docs::roles`](docs::roles#eks-pod-identity) |
//! | one provider for libraries that each build their own | [`Registry`] |
//! | tokens from Vault, SPIFFE or a CI system | [`token_source`] |
//! | STS in another region during an outage | [`standby_region`](Builder::standby_region) |
//! | SDK clients | [`install`](BackgroundCredentialsProvider::install); for one service [`credentials_provider`](BackgroundCredentialsProvider::credentials_provider) with [`identity_cache`](BackgroundCredentialsProvider::identity_cache) |
//! | a refresh when a service rejects the credentials | [`interceptor`](BackgroundCredentialsProvider::interceptor), [`invalidate`](BackgroundCredentialsProvider::invalidate) |
//! | other signers | [`current`](BackgroundCredentialsProvider::current), or an adapter: [`docs::signers`] |
//! | presigned URLs | [`valid_for`](BackgroundCredentialsProvider::valid_for) |
//! | readiness probe, health endpoint | [`ready`](BackgroundCredentialsProvider::ready), [`status`](BackgroundCredentialsProvider::status) |
//! | notice of new credentials | [`updates`](BackgroundCredentialsProvider::updates) |
//! | logs and metrics | [`docs::telemetry`] |
//! | the cause of an error, and its remedy | [`Error::kind`], [`Error::remedy`]; each text in [`docs::troubleshooting`] |
//! | background work on a runtime of your own | [`Builder::runtime`] |
//! | graceful shutdown | [`shutdown`](BackgroundCredentialsProvider::shutdown), [`shutdown_when`](Builder::shutdown_when) |
//! | code to copy for a common task | [`docs::recipes`] |
//!
//! A [`WebIdentityCredentialsProvider`] is a [`BackgroundCredentialsProvider`] with a builder of its own. It
//! dereferences to that type, which has all other methods. [`From`] converts it into that type. Store a
//! [`BackgroundCredentialsProvider`] where any provider must fit.
//!
//! # Test your service
//!
//! The feature `test-util` adds the module `test_util`. `TestAws::start()` starts an OIDC issuer, a projected volume
//! and an STS on loopback. Tokens are really signed, signatures are really checked, and your test can make STS fail as
//! AWS does. The module's page has a complete test of a small service.
//!
//! # Features
//!
//! | feature | default | purpose |
//! |---|---|---|
//! | `default-https-client` | yes | an HTTPS client, used unless [`configure`](Builder::configure) gave one |
//! | `metrics` | no | metrics through the [`metrics`](https://docs.rs/metrics) facade |
//! | `object_store-0_14` | no | credentials for the S3 store of `object_store` 0.14 |
//! | `reqsign-core-3` | no | credentials for signers of `reqsign-core` 3, which OpenDAL's S3 uses |
//! | `test-util` | no | the test kit |
//!
//! A feature adds to the API and changes nothing of it. `default-https-client` also replaces the SDK's default client
//! for the requests of this crate. The public API of an adapter has types of another crate. So the adapter's feature
//! names that crate's version. A new version of that crate gets a new feature (`object_store-0_15`), and the old
//! feature stays.
//!
//! # Rust version and platforms
//!
//! The crate needs Rust 1.94.1 or newer, like the AWS SDK. The minimum follows the SDK's minimum; raising it is a minor
//! release. The crate is made for Linux. For development it should compile on macOS and Windows, but nobody has tested
//! this yet. wasm is not supported.

mod adapters;
mod assume_role;
mod blocking_threads;
mod builder;
pub mod docs;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod locks;
mod provider;
mod refresh;
mod rejection_codes;
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
