//! Recipes to copy. Each is a whole file of at most 30 lines.
//!
//! | you have | recipe |
//! |---|---|
//! | clients with other credentials beside ours | [one service](#one-services-config-only) |
//! | download links | [presigned URLs](#presigned-urls-by-the-sdk) |
//! | `object_store`, DataFusion, delta-rs | [`object_store`](#object_store) |
//! | OpenDAL, iceberg-rust | [OpenDAL](#opendal) |
//! | a service with probes | [axum and readiness](#a-service-with-readiness) |
//! | customers with a role each | [tenants](#a-role-for-each-tenant) |
//! | data in a second account | [two accounts](#two-accounts-in-one-process) |
//! | a service without an SDK client | [another signer](#keys-for-another-signer) |
//! | a program without async code | [blocking](#a-blocking-program) |
//! | pods with web identity, pods with EKS Pod Identity, a laptop | example `pod_identity`, explained in [`roles`](super::roles#eks-pod-identity) |
//!
//! A recipe needs the crates of its `use` lines. `identity` is this pod's provider. A program makes one, and hands out
//! clones. [`BackgroundCredentialsProvider`](crate::BackgroundCredentialsProvider) has the same methods: change the type for
//! a chained role or EKS Pod Identity.
//!
//! ```no_run
//! # async fn example() -> Result<(), aws_web_identity::Error> {
//! use aws_config::BehaviorVersion;
//! use aws_web_identity::WebIdentityCredentialsProvider;
//!
//! let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
//! let identity = WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # One service's config only
//!
//! [`install`](crate::BackgroundCredentialsProvider::install) changes a config for all services. Here one client changes.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/one_service.rs"), "```")]
//!
//! # Presigned URLs by the SDK
//!
//! The SDK signs with the credentials that the provider has. [`valid_for`](crate::BackgroundCredentialsProvider::valid_for)
//! renews them first if they end before the link does. Its limits are in [`signers`](super::signers#presigned-urls).
//!
#![doc = concat!("```ignore\n", include_str!("recipes/presign.rs"), "```")]
//!
//! # `object_store`
//!
//! Feature `object_store-0_14`. A framework must use the same version of `object_store`.
//!
#![cfg_attr(feature = "object_store-0_14", doc = "```no_run")]
#![cfg_attr(not(feature = "object_store-0_14"), doc = "```ignore")]
#![doc = concat!(include_str!("recipes/object_store.rs"), "```")]
//!
//! - DataFusion: `context.register_object_store(&Url::parse("s3://lake")?, bucket(..)?)`.
//! - delta-rs: `DeltaTableBuilder::with_storage_backend(bucket(..)?, url)`.
//!
//! # OpenDAL
//!
//! Feature `reqsign-core-3`.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/opendal.rs"), "```")]
//!
//! iceberg-rust makes its operators itself. A version of `iceberg-storage-opendal` on `reqsign-core` 3 takes the provider
//! as it is: `OpenDalStorageFactory::S3 { customized_credential_load: Some(CustomAwsCredentialLoader::new(identity)) }`.
//! No other identity is asked then.
//!
//! # A service with readiness
//!
//! The probes tell Kubernetes how things stand. The example `service` adds metrics and an orderly end.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/service.rs"), "```")]
//!
//! # A role for each tenant
//!
//! A tenant's provider is one entry of a map.
//!
//! - *Bounded*: at most `most` tenants are held. The one that was idle longest makes room.
//! - *Single flight*: `build()` does no I/O, so that the lock is short. All callers of a tenant share one provider, and so
//!   one exchange.
//! - *No storm*: a tenant whose role denies us is held as well, with its retry delays.
//! - *Evicted when idle*: the last client ends the tenant's background work. Requests under way keep theirs until they end.
//!   The map is swept at each call; a process without calls sweeps nothing.
//!
//! Give each tenant an [`external_id`](crate::AssumeRoleBuilder::external_id) of its own, as
//! [AWS advises](https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html).
//!
#![doc = concat!("```no_run\n", include_str!("recipes/tenants.rs"), "```")]
//!
//! # Two accounts in one process
//!
//! The pod's role reaches its own account. A role of the other account trusts the pod's role.
//!
#![doc = concat!("```no_run\n", include_str!("recipes/two_accounts.rs"), "```")]
//!
//! # Keys for another signer
//!
//! Any signer takes the keys at each request. If the service answers that it does not accept the key, call
//! [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) with the credentials that signed.
//!
#![doc = concat!("```no_run\n", include_str!("recipes/other_signer.rs"), "```")]
//!
//! # A blocking program
//!
//! No runtime is needed: the engine thread has one of its own.
//!
#![doc = concat!("```no_run\n", include_str!("recipes/blocking.rs"), "```")]
