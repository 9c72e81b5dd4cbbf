//! Roles: several roles, chained roles, other providers, EKS Pod Identity, aws-config chains.
//!
//! This page is for programs that need more than one role, or credentials that do not come from a service-account
//! token. All providers use the same engine, and [the promises](crate#what-it-promises) hold for all. `cargo run
//! --example roles --features test-util` shows two roles for one token, a chained role, a registry and a wrapped
//! provider.
//!
//! # Several roles for one token
//!
//! ```no_run
//! # async fn example(orders: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! let billing = orders.to_builder().role_arn("arn:aws:iam::123456789012:role/billing").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | the providers share | each provider has its own |
//! |---|---|
//! | the STS client, while its settings are equal | snapshot, schedule, exchanges, failures |
//! | one watcher per token directory and process | knowledge of the token; a poll every 30 s, which takes microseconds |
//! | | [`shutdown`](crate::BackgroundCredentialsProvider::shutdown), [`shutdown_when`](crate::Builder::shutdown_when), and the end with its last handle |
//!
//! The new builder starts with the settings of the provider's builder. Settings that were not set keep their defaults.
//! Each setting can be replaced or cleared:
//!
//! | to change | call |
//! |---|---|
//! | origin of the token | [`token_source`](crate::Builder::token_source) or [`token_file`](crate::Builder::token_file); each replaces the other |
//! | region | [`region`](crate::Builder::region); if there are standbys, first [`no_standbys`](crate::Builder::no_standbys), then the standbys that fit the region |
//! | session policies | [`set_policy(None)`](crate::Builder::set_policy), `policy_arns([""; 0])` |
//! | session name, STS endpoint | [`set_session_name(None)`](crate::Builder::set_session_name), [`set_endpoint_url(None)`](crate::Builder::set_endpoint_url) |
//! | session length, region or runtime back to the default | pass `None` |
//!
//! Give each role its own config with [`install`](crate::BackgroundCredentialsProvider::install).
//!
//! # One provider for several libraries
//!
//! Each provider costs about one and a half exchanges an hour. If several libraries each build one, give them a
//! [`Registry`](crate::Registry). Equal sessions then share one provider. Nothing is shared without a registry. The
//! page of [`Registry`](crate::Registry) says which settings make sessions equal.
//!
//! A process makes at most 8 exchanges at once with one STS endpoint, however many providers it has. Further exchanges
//! wait for one of these 8 slots. This wait counts against the callers' `wait_timeout`, but not against the
//! [`attempt_timeout`](crate::Builder::attempt_timeout). If STS hangs, an attempt keeps its slot for 8 s. Another
//! endpoint, such as a standby, has slots of its own.
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
//! The chained role must trust the base role, and a policy of the base role must allow `sts:AssumeRole` on the chained
//! role. If STS denies the request, the error shows the statement to add, with every action that the request needs.
//!
//! | setting | purpose | further action to allow in both policies |
//! |---|---|---|
//! | [`external_id`](crate::AssumeRoleBuilder::external_id) | tells the owner of the role for whom you act | |
//! | [`policy`](crate::AssumeRoleBuilder::policy), [`policy_arns`](crate::AssumeRoleBuilder::policy_arns) | limit the session further than the role | |
//! | [`tags`](crate::AssumeRoleBuilder::tags) | let policies decide by `aws:PrincipalTag` | `sts:TagSession` |
//! | [`transitive_tag_keys`](crate::AssumeRoleBuilder::transitive_tag_keys) | pass these tags on to each further role | `sts:TagSession` |
//! | [`source_identity`](crate::AssumeRoleBuilder::source_identity) | names the person or program in CloudTrail and `aws:SourceIdentity`; no further role can change it | `sts:SetSourceIdentity` |
//!
//! A web identity session gets tags and a source identity only from [claims of its
//! token](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp).
//! Kubernetes tokens have no such claims.
//!
//! - *Base.* Every provider can be the base: a web identity, a chained role, a [wrapped provider](#any-provider). A
//!   wrapped provider uses the STS of the `SdkConfig` that its builder was
//!   [given](crate::BackgroundBuilder::configure), otherwise that of the environment. Without a region the chain is a
//!   `BuildError`.
//! - *Session length.* A chained session lasts at most [one
//!   hour](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining). A longer setting is
//!   a [`BuildError`](crate::BuildError).
//! - *Base without valid credentials.* The base's error is the `source()` of the chain's error. When the base has
//!   credentials again, the chain tries at once if a caller waits, otherwise within two seconds.
//! - *Rejected base.* If STS rejects the base's credentials, the base refreshes them, as after
//!   [`invalidate`](crate::BackgroundCredentialsProvider::invalidate).
//! - *Local clock.* AWS checks the time of a signature. If the local clock is more than 15 min wrong, a chain gets no
//!   credentials, and no other signed request works either. The exchange of a token has no signature, so this limit
//!   does not exist there.
//!
//! # Any provider
//!
//! [`BackgroundCredentialsProvider::builder`](crate::BackgroundCredentialsProvider::builder) refreshes any provider of
//! the SDK in the background:
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
//! [`BackgroundCredentialsProvider`](crate::BackgroundCredentialsProvider) is the handle of every provider of this
//! crate. A [`WebIdentityCredentialsProvider`](crate::WebIdentityCredentialsProvider) converts into it by `From`, and
//! keeps its engine.
//!
//! | the wrapped provider returns | treatment |
//! |---|---|
//! | credentials with an expiry | the lifetime is measured with the local clock, because there is no other |
//! | credentials without an expiry | used until the provider returns others; the provider is called once an hour; the credentials show an expiry ten years ahead |
//! | credentials near their expiry, from its own cache | the provider is called again soon, until it returns new ones |
//! | expired credentials | a transient failure: the provider is called again |
//! | `CredentialsNotLoaded`, `InvalidConfiguration` | misconfigured: [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration) |
//! | `ProviderTimedOut`, `ProviderError`, or nothing within 20 s (`attempt_timeout`) | outage: [`TimedOut`](crate::ErrorKind::TimedOut), [`ServiceUnavailable`](crate::ErrorKind::ServiceUnavailable) |
//! | any other error | an outage twice, then misconfigured: [`Unexpected`](crate::ErrorKind::Unexpected) |
//! | any of these errors, with an [`Error`](crate::Error) of this crate as a source | the class of that source; so a denied role behind the provider counts as misconfigured, not as an outage |
//!
//! The text of the provider's errors is copied without what looks like a secret. The error values are dropped, because
//! they may contain the text of an answer.
//!
//! # EKS Pod Identity
//!
//! A service account with a pod identity association needs no role annotation. EKS sets two variables in its pods:
//!
//! - `AWS_CONTAINER_CREDENTIALS_FULL_URI`: the address of an agent on the node (169.254.170.23 or `[fd00:ec2::23]`).
//! - `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: a file whose content is the `Authorization` header of the request.
//!
//! The agent answers a GET with credentials. Sources: [container credential
//! provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html), [the
//! agent](https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html). aws-config speaks this protocol
//! and reads the token file anew for each call. Wrap its provider:
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
//! The example `pod_identity` runs in any pod and on a laptop. It takes web identity if its variables are set,
//! otherwise Pod Identity, otherwise the credentials that aws-config finds. If the chosen kind fails, the program
//! fails. It never tries the next kind. A pod with both kinds of variables gets a
//! [warning](super::operations#warnings).
//!
//! - The agent's `Expiration` is on AWS's clock. As for any wrapped provider, the lifetime is measured with the local
//!   clock.
//! - An agent that does not answer is an outage: valid credentials stay in use, and the agent is asked again within
//!   seconds.
//! - A pod with `HTTP_PROXY` needs the agent's addresses in `NO_PROXY`.
//! - EKS adds [session tags](https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html), which a chained role
//!   inherits. So the trust policy of a chained role must allow `sts:TagSession` too.
//!
//! # Chains and profiles of aws-config
//!
//! **Chains.** A chain of the SDK goes on to its next provider only if one has *nothing to load*. This crate's errors
//! never say that. So `CredentialsProviderChain::first_try("WebIdentity", identity).or_else(..)` stops at this
//! provider, and the pod never acts as the node. A program that shall use another identity where no web identity is
//! configured must decide before it makes the chain: [`is_not_configured`](crate::BuildError::is_not_configured) tells.
//! Give clients with a chain the config of [`install`](crate::BackgroundCredentialsProvider::install): then they too
//! sign with the newest credentials.
//!
//! **Profiles.** A profile may name `role_arn` and `web_identity_token_file`, but this crate reads only variables. If
//! `AWS_PROFILE` or `AWS_CONFIG_FILE` is set, an error mentions it. To use a profile, wrap the provider that aws-config
//! made:
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
//! The profile's credentials are then refreshed early and outside requests. Their error texts are aws-config's. A new
//! token is noticed only at the next attempt.
