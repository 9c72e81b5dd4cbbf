//! Many roles, chained roles, any provider, EKS Pod Identity, chains of aws-config.
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
//! | | [`shutdown`](crate::BackgroundCredentialsProvider::shutdown), [`shutdown_when`](crate::Builder::shutdown_when), and the end with the last handle |
//!
//! The new builder has what the provider's builder was told. A setting that was not told keeps its default, and each one can
//! be replaced or cleared:
//!
//! | to change | call |
//! |---|---|
//! | where tokens come from | [`token_source`](crate::Builder::token_source) or [`token_file`](crate::Builder::token_file): each replaces the other |
//! | the region | [`region`](crate::Builder::region), and [`no_standbys`](crate::Builder::no_standbys) before the standbys that fit it |
//! | session policies | [`set_policy(None)`](crate::Builder::set_policy), `policy_arns([""; 0])` |
//! | session name, endpoint of STS | [`set_session_name(None)`](crate::Builder::set_session_name), [`set_endpoint_url(None)`](crate::Builder::set_endpoint_url) |
//! | session length, region, runtime | `None`, for the default |
//!
//! Give each role a config of its own with [`install`](crate::BackgroundCredentialsProvider::install).
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
//! statement, with each action that the request needs.
//!
//! | setting | what it is for | the trust policy and the base's policy allow also |
//! |---|---|---|
//! | [`external_id`](crate::AssumeRoleBuilder::external_id) | the owner of the role knows on whose behalf you come | |
//! | [`policy`](crate::AssumeRoleBuilder::policy), [`policy_arns`](crate::AssumeRoleBuilder::policy_arns) | the session may do less than the role | |
//! | [`tags`](crate::AssumeRoleBuilder::tags) | policies decide by `aws:PrincipalTag` | `sts:TagSession` |
//! | [`transitive_tag_keys`](crate::AssumeRoleBuilder::transitive_tag_keys) | these tags go on to each further role | `sts:TagSession` |
//! | [`source_identity`](crate::AssumeRoleBuilder::source_identity) | CloudTrail and `aws:SourceIdentity` show who is behind it; no further role can change it | `sts:SetSourceIdentity` |
//!
//! A web identity session has such tags and a source identity only by claims of its token
//! ([as AWS has them](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp)),
//! which tokens of Kubernetes lack.
//!
//! - Every provider can be the base, also a chained role, and a [wrapped provider](#any-provider). That one asks the STS of
//!   the `SdkConfig` that its builder was [given](crate::BackgroundBuilder::configure), else of the environment; without a
//!   region a chain from it is a `BuildError`.
//! - A chained session lasts [one
//!   hour](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining) at most. More is a
//!   [`BuildError`](crate::BuildError).
//! - It signs with what the base has, which its own engine keeps fresh. A base without usable credentials is the cause
//!   of the chain's error (its `source()`); once it has some, the chain tries at once if somebody waits, else within
//!   two seconds.
//! - Credentials of the base that STS refuses are renewed, as after
//!   [`invalidate`](crate::BackgroundCredentialsProvider::invalidate).
//! - AWS checks the time of a signature: on a machine whose clock is more than 15 min off a chain gets none, as no
//!   other request does there. The base has no signature and so no such limit.
//!
//! # Any provider
//!
//! [`BackgroundCredentialsProvider`](crate::BackgroundCredentialsProvider) is the handle of every provider, and this builder
//! keeps any provider of the SDK fresh behind one. The handle of a web identity turns into it by `From`, with the same engine
//! behind it.
//!
//! ```no_run
//! # async fn example() -> Result<(), aws_web_identity::Error> {
//! use aws_config::imds::credentials::ImdsCredentialsProvider;
//! use aws_web_identity::BackgroundCredentialsProvider;
//!
//! let node = ImdsCredentialsProvider::builder().build();
//! let identity = BackgroundCredentialsProvider::builder(node).name("node role").connect().await?;
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
//! # EKS Pod Identity
//!
//! A service account with a pod identity association needs no role annotation. EKS sets two variables in its pods:
//! `AWS_CONTAINER_CREDENTIALS_FULL_URI`, where an agent on the node listens (169.254.170.23 or `[fd00:ec2::23]`), and
//! `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`. The agent gives credentials to a GET whose `Authorization` header is the content
//! of that file. Sources: [container credential
//! provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html) and [the
//! agent](https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html). aws-config speaks this protocol, and
//! reads the token file anew for each call. Put its provider behind the engine:
//!
//! ```no_run
//! # async fn example(base: aws_config::SdkConfig) -> Result<(), aws_web_identity::Error> {
//! use aws_config::ecs::EcsCredentialsProvider;
//! use aws_web_identity::BackgroundCredentialsProvider;
//!
//! let agent = EcsCredentialsProvider::builder().build();
//! let identity = BackgroundCredentialsProvider::builder(agent).name("EKS Pod Identity").connect().await?;
//! let config = identity.install(base);
//! # Ok(())
//! # }
//! ```
//!
//! The example `pod_identity` runs in any pod and on a laptop. It takes web identity if its variables are injected, else
//! Pod Identity, else the credentials that aws-config finds. A failure of the first that is set up is an error, and never
//! the next one's turn. Both kinds of variables in one pod earn a warning ([`operations`](super::operations)).
//!
//! - The agent's `Expiration` is on the clock of AWS. The lifetime is counted on the local clock, as of any provider.
//! - An agent that is away is an outage: valid credentials stay in use, and the agent is asked again in seconds.
//! - A pod with `HTTP_PROXY` needs the agent's addresses in `NO_PROXY`.
//! - EKS adds [session tags](https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html), which a chained role inherits.
//!   The trust policy of such a role must allow `sts:TagSession` as well.
//!
//! # Chains and profiles of aws-config
//!
//! A chain goes on to its next provider only where one has *nothing to load*. Our errors are never of that kind, so
//! `CredentialsProviderChain::first_try("WebIdentity", identity).or_else(..)` stops at ours: nobody silently becomes
//! the node. Whether web identity is configured at all is decided once, by
//! [`is_not_configured`](crate::BuildError::is_not_configured), where the chain is made. Clients with a chain keep
//! [`install`](crate::BackgroundCredentialsProvider::install)'s cache and sign with the newest key.
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
//! let identity = BackgroundCredentialsProvider::builder(chain).name("profile pod").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It refreshes early and beside the requests then. What an error teaches is aws-config's, and a token that was
//! replaced is not noticed until the next attempt.
