//! From aws-config's provider, from its default chain, from a loop of your own, from the environment of a store.
//!
//! Nothing changes in IAM or in the cluster: the same role, the same token, the same variables.
//!
//! # From the default chain
//!
//! `load_defaults` finds the variables of web identity too, and exchanges inside a request.
//!
//! ```no_run
//! # use aws_config::BehaviorVersion;
//! # async fn before() {
//! let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let sts = aws_sdk_sts::Client::new(&config);
//! # }
//! ```
//!
//! Here the config is the base for all that it sets but credentials:
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
//! A program that also runs where there is no token keeps `base` after
//! [`is_not_configured`](crate::Error::is_not_configured), as the [front page](crate) shows. Services whose clients are
//! made by `Config::builder()` without an `SdkConfig` take both
//! [`credentials_provider`](crate::BackgroundCredentialsProvider::credentials_provider) and
//! [`identity_cache`](crate::BackgroundCredentialsProvider::identity_cache).
//!
//! The default chain takes `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` before web identity; this crate does not look at
//! them and warns. Where both were set, the pod acts under the role from now on, and not as the owner of the key.
//!
//! # From `WebIdentityTokenCredentialsProvider`
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
//! Not `ConfigLoader::credentials_provider(identity)`: it works, but by way of the cache that pins. Use `install`.
//!
//! | what is other | there | here |
//! |---|---|---|
//! | the session's name, by default | `web-identity-token-` and the time, another at each refresh | the pod's name, the same for the process: CloudTrail filters may rest on it |
//! | its length | STS's default | [`session_length`](crate::Builder::session_length) |
//! | the region of STS | the config's | the same, else an error |
//! | timeouts and retries of the exchange | of a client of its own | [`attempt_timeout`](crate::Builder::attempt_timeout) and [the policy](super::policy) |
//! | calls an hour, at sessions of an hour | 1 for each cache | 1.5 for each provider, used or not |
//! | profiles | read | not read: [`limits`](super::limits) |
//! | a wrong trust policy | the first request fails | `connect` fails, and says which statement is missing |
//!
//! # From a loop of your own
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
//! One failed call is 45 min without a second attempt, of an hour's session; a file that cannot be read ends the loop;
//! all pods call together; nobody ends the task. Instead:
//!
//! ```no_run
//! # async fn after(identity: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! // For a signer of your own: never waits, and `None` only if nothing is valid.
//! let credentials = identity.current();
//! // What the loop was also for.
//! let status = identity.status();
//! let mut updates = identity.updates();
//! # Ok(())
//! # }
//! ```
//!
//! # From `object_store`'s and OpenDAL's environment
//!
//! Both find the variables of web identity themselves, and exchange inside a request, for each store. With the features
//! `object_store-0_14` and `reqsign-core-3` all share one provider ([`signers`](super::signers)); what else they read from the
//! environment stays:
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
//! ```ignore
//! # #[cfg(feature = "reqsign-core-3")]
//! # fn after(identity: aws_web_identity::WebIdentityCredentialsProvider) -> opendal::Result<()> {
//! use opendal::{Operator, services::S3};
//!
//! let before = Operator::new(S3::default().bucket("receipts"))?;
//!
//! let after = S3::default().bucket("receipts").credential_provider_chain(identity.reqsign_chain());
//! let after = Operator::new(after)?;
//! # Ok(())
//! # }
//! ```
//!
//! # In tests
//!
//! What was mocked by a static key can be tested as it runs, against the STS of [`test_util`](crate#test-it):
//! `TestAws::sdk_config()` is the `base`, and `TestAws::builder()` knows what the variables would say.
