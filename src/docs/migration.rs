//! Migration: from aws-config, from your own refresh loop, from `object_store` and OpenDAL.
//!
//! This page is for programs that already use web identity. Nothing changes in IAM or in the cluster: the role, the
//! token and the variables stay the same. Each section shows the code before and after.
//!
//! # From the default chain
//!
//! `load_defaults` finds the web identity variables as well, but makes the exchange inside a request:
//!
//! ```no_run
//! # use aws_config::BehaviorVersion;
//! # async fn before() {
//! let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let sts = aws_sdk_sts::Client::new(&config);
//! # }
//! ```
//!
//! After the migration, the config provides everything except the credentials:
//!
//! ```no_run
//! # use aws_config::BehaviorVersion;
//! # use aws_web_identity::WebIdentityCredentialsProvider;
//! # async fn after() -> Result<(), aws_web_identity::Error> {
//! let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let identity = WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
//! let config = identity.install(base);
//! let sts = aws_sdk_sts::Client::new(&config);
//! # Ok(())
//! # }
//! ```
//!
//! - *Programs that also run without a token* keep `base` if [`is_not_configured`](crate::Error::is_not_configured), as
//!   the [front page](crate#quick-start) shows.
//! - *Clients made without an `SdkConfig`*, by `Config::builder()`, need both
//!   [`credentials_provider`](crate::BackgroundCredentialsProvider::credentials_provider) and
//!   [`identity_cache`](crate::BackgroundCredentialsProvider::identity_cache).
//! - *Keys in variables.* The default chain prefers `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` to web identity.
//!   This crate ignores them and warns. If both were set, the pod now acts as the role, no longer as the owner of the
//!   key.
//!
//! # From `WebIdentityTokenCredentialsProvider`
//!
//! Before:
//!
//! ```no_run
//! use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
//! # use aws_config::BehaviorVersion;
//! # async fn before() {
//! let provider = WebIdentityTokenCredentialsProvider::builder()
//!     .static_configuration(StaticConfiguration {
//!         web_identity_token_file: "/var/run/secrets/aws/token".into(),
//!         role_arn: "arn:aws:iam::123456789012:role/checkout".into(),
//!         session_name: "checkout".into(),
//!     })
//!     .build();
//! let config = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(provider).load().await;
//! # }
//! ```
//!
//! After:
//!
//! ```no_run
//! # use aws_config::BehaviorVersion;
//! # use aws_web_identity::WebIdentityCredentialsProvider;
//! # async fn after() -> Result<(), aws_web_identity::Error> {
//! let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let identity = WebIdentityCredentialsProvider::builder()
//!     .configure(&base)
//!     .token_file("/var/run/secrets/aws/token")
//!     .role_arn("arn:aws:iam::123456789012:role/checkout")
//!     .session_name("checkout")
//!     .connect()
//!     .await?;
//! let config = identity.install(base);
//! # Ok(())
//! # }
//! ```
//!
//! Use `install`. `ConfigLoader::credentials_provider(identity)` works too, but goes through the SDK's cache, which
//! keeps old credentials until seconds before their expiry.
//!
//! | difference | aws-config | this crate |
//! |---|---|---|
//! | default session name | `web-identity-token-` and the time, new at each refresh | the pod's name, constant for the process; check CloudTrail filters that use the old name |
//! | session length | STS's default | [`session_length`](crate::Builder::session_length) |
//! | region of STS | that of the config | the same; without a region an error |
//! | timeouts and retries of the exchange | those of its own client | [`attempt_timeout`](crate::Builder::attempt_timeout) and [the policy](super::policy) |
//! | calls an hour, with sessions of one hour | 1 per cache | 1.5 per provider, used or not |
//! | profiles | read | [not read](super::limits#settings-that-are-not-read) |
//! | wrong trust policy | the first request fails | `connect` fails, and shows the missing statement |
//!
//! # From your own refresh loop
//!
//! ```no_run
//! # use std::{sync::{Arc, RwLock}, time::Duration};
//! # use aws_sdk_sts::types::Credentials;
//! # fn before(sts: aws_sdk_sts::Client, role: String, file: String) {
//! let slot = Arc::new(RwLock::new(None::<Credentials>));
//! let shared = Arc::clone(&slot);
//! tokio::spawn(async move {
//!     loop {
//!         let token = tokio::fs::read_to_string(&file).await.unwrap();
//!         let call = sts.assume_role_with_web_identity().role_arn(&role).role_session_name("app");
//!         if let Ok(answer) = call.web_identity_token(token).send().await {
//!             *shared.write().unwrap() = answer.credentials;
//!         }
//!         tokio::time::sleep(Duration::from_secs(45 * 60)).await;
//!     }
//! });
//! # }
//! ```
//!
//! This loop has four faults. After a failed call it makes no second attempt for 45 min of a one-hour session. A file
//! that cannot be read ends the loop. All pods call STS at the same time. Nobody ends the task. With this crate:
//!
//! ```no_run
//! # async fn after(identity: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! // For your own signer: never waits. `None` only without valid credentials.
//! let credentials = identity.current();
//! // For health checks, and for code that must react to new credentials.
//! let status = identity.status();
//! let mut updates = identity.updates();
//! # Ok(())
//! # }
//! ```
//!
//! # From the environment of `object_store` or OpenDAL
//!
//! Both read the web identity variables themselves, and make an exchange inside a request, for each store. With the
//! features `object_store-0_14` and `reqsign-core-3` all stores share one provider ([`signers`](super::signers)). The
//! other variables that they read keep working:
//!
//! ```no_run
//! # #[cfg(feature = "object_store-0_14")]
//! # fn after(identity: aws_web_identity::WebIdentityCredentialsProvider) -> object_store::Result<()> {
//! use object_store::aws::AmazonS3Builder;
//!
//! let before = AmazonS3Builder::from_env().with_bucket_name("receipts").build()?;
//!
//! let after = AmazonS3Builder::from_env()
//!     .with_bucket_name("receipts")
//!     .with_credentials(identity.object_store_credentials())
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! An OpenDAL store needs one more setting: `credential_provider_chain(identity.reqsign_chain())`. The
//! [recipe](super::recipes#opendal) has the whole store.
//!
//! # Tests
//!
//! Tests that mocked credentials with a static key can run against a real exchange instead. The [test
//! kit](crate#test-your-service) has an STS: use `TestAws::sdk_config()` as `base`, and `TestAws::builder()` in place
//! of the variables.
