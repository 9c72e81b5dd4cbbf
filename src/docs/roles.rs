//! Many roles, chained roles, any provider, chains of aws-config.
//!
//! All of them stand on the same engine and keep the same promises. `cargo run --example roles --features test-util`
//! shows each.
//!
//! # Many roles, one token
//!
//! ```no_run
//! # async fn example(orders: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! let billing = orders.to_builder().role_arn("arn:aws:iam::123456789012:role/billing").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | shared | each one's own |
//! |---|---|
//! | the STS client and its connections, while their settings are equal | slot, schedule, exchanges, failures |
//! | the file events of the token's directory (one watcher for each directory of a process) | what it has seen of the token; a poll every 30 s costs microseconds |
//! | | [`shutdown`](crate::WebIdentityCredentialsProvider::shutdown), [`shutdown_when`](crate::Builder::shutdown_when), and the end with the last handle |
//!
//! Give each role a config of its own with [`install`](crate::WebIdentityCredentialsProvider::install).
//!
//! # One provider for equal sessions
//!
//! Libraries that each build a provider cost one and a half exchanges an hour each. A [`Registry`](crate::Registry)
//! that they are handed makes them one. It is explicit: nothing is shared behind anybody's back. What makes sessions
//! equal, and what is not looked at, is said there.
//!
//! A process makes at most 8 exchanges at once with one STS endpoint, however many providers it has. The others take
//! turns. This wait counts against the `wait_timeout` of callers, but not against the
//! [`attempt_timeout`](crate::Builder::attempt_timeout). With an STS that hangs a turn lasts as long as an attempt, 8 s.
//! Exchanges with another endpoint, such as a standby's, do not wait for it.
//!
//! # Chained roles
//!
//! ```no_run
//! # async fn example(orders: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! let lake = orders.assume_role("arn:aws:iam::210987654321:role/lake").external_id("shop").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The role must trust the base role, whose policy must allow `sts:AssumeRole` on it; the error of a denial holds the
//! statement.
//!
//! - A chained session lasts [one
//!   hour](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining) at most. More is a
//!   [`BuildError`](crate::BuildError).
//! - It signs with what the base has, which its own engine keeps fresh. A base without usable credentials is the cause
//!   of the chain's error (its `source()`); once it has some, the chain tries at once if somebody waits, else within
//!   two seconds.
//! - Credentials of the base that STS refuses are renewed, as after
//!   [`invalidate`](crate::WebIdentityCredentialsProvider::invalidate).
//! - AWS checks the time of a signature: on a machine whose clock is more than 15 min off a chain gets none, as no
//!   other request does there. The base has no signature and so no such limit.
//!
//! # Any provider
//!
//! ```no_run
//! # async fn example(config: aws_config::SdkConfig) -> Result<(), aws_web_identity::Error> {
//! use aws_config::imds::credentials::ImdsCredentialsProvider;
//! use aws_web_identity::BackgroundCredentialsProvider;
//!
//! let node = ImdsCredentialsProvider::builder().build();
//! let identity = BackgroundCredentialsProvider::builder(node).name("node role").configure(&config).connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | what it gives | what becomes of it |
//! |---|---|
//! | credentials with an expiry | a lifetime on the local clock, for there is no other |
//! | without one | used until it gives others; asked for again once an hour, and they show an expiry ten years off |
//! | near their end, from a cache of its own | asked again soon, until it gives new ones |
//! | expired | a failure that passes |
//! | `CredentialsNotLoaded`, `InvalidConfiguration` | only a human can mend it: [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration) |
//! | `ProviderTimedOut`, `ProviderError`, or nothing for 20 s (`attempt_timeout`) | an outage: [`TimedOut`](crate::ErrorKind::TimedOut), [`ServiceUnavailable`](crate::ErrorKind::ServiceUnavailable) |
//! | any other error | not understood: tried twice more: [`Unexpected`](crate::ErrorKind::Unexpected) |
//! | any of these because of an [`Error`](crate::Error) of this crate | what that says itself: a denial of a provider of ours is no outage |
//!
//! What its errors display is copied, scrubbed of what looks like a secret; the errors themselves, which may print an
//! answer, are not kept.
//!
//! # Chains and profiles of aws-config
//!
//! A chain goes on to its next provider only where one has *nothing to load*. Our errors are never of that kind, so
//! `CredentialsProviderChain::first_try("WebIdentity", identity).or_else(..)` stops at ours: nobody silently becomes
//! the node. Whether web identity is configured at all is decided once, by
//! [`is_not_configured`](crate::BuildError::is_not_configured), where the chain is made. Clients with a chain keep
//! [`install`](crate::WebIdentityCredentialsProvider::install)'s cache and sign with the newest key.
//!
//! A *profile* may name `role_arn` and `web_identity_token_file` as well. Building reads no file, so only the variables
//! count, and an error says so where `AWS_PROFILE` or `AWS_CONFIG_FILE` is set. aws-config does read profiles: put what
//! it made behind the engine.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use aws_config::BehaviorVersion;
//! use aws_web_identity::BackgroundCredentialsProvider;
//!
//! let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let chain = base.credentials_provider().ok_or("no credentials provider")?;
//! let identity = BackgroundCredentialsProvider::builder(chain).name("profile pod").configure(&base).connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It refreshes early and beside the requests then. What an error teaches is aws-config's, and a token that was
//! replaced is not noticed until the next attempt.
