//! Recipes: code to copy for common tasks.
//!
//! This page is for people who want working code at once. Each recipe is a whole file of at most 30 lines. Our tests
//! compile and run it.
//!
//! | you have | recipe |
//! |---|---|
//! | one client that should use the role, and others that should not | [one service](#one-services-config-only) |
//! | download links | [presigned URLs](#presigned-urls-with-the-sdk) |
//! | `object_store`, DataFusion, delta-rs | [`object_store`](#object_store) |
//! | OpenDAL, iceberg-rust | [OpenDAL](#opendal) |
//! | a service with probes | [axum and readiness](#a-service-with-readiness) |
//! | customers with a role each | [tenants](#a-role-for-each-tenant) |
//! | data in a second account | [two accounts](#two-accounts-in-one-process) |
//! | an AWS service without an SDK client | [another signer](#another-signer) |
//! | a program without async code | [blocking](#a-blocking-program) |
//! | one program for web identity, EKS Pod Identity and a laptop | example `pod_identity`, explained in [`roles`](super::roles#eks-pod-identity) |
//!
//! A recipe needs the crates in its `use` lines. `identity` is the provider of the pod's role. Make one per program,
//! and clone it. For a chained role or EKS Pod Identity, change its type to
//! [`BackgroundCredentialsProvider`](crate::BackgroundCredentialsProvider), which has the same methods.
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
//! [`install`](crate::BackgroundCredentialsProvider::install) makes a config for all services. This recipe changes one
//! client only.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/one_service.rs"), "```")]
//!
//! # Presigned URLs with the SDK
//!
//! [`valid_for`](crate::BackgroundCredentialsProvider::valid_for) refreshes the credentials first if they would expire
//! before the link. Then the SDK signs with them. [`signers`](super::signers#presigned-urls) has the limits.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/presign.rs"), "```")]
//!
//! # `object_store`
//!
//! Needs the feature `object_store-0_14`. A framework must use the same version of `object_store`:
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
//! Needs the feature `reqsign-core-3`.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/opendal.rs"), "```")]
//!
//! iceberg-rust makes its operators itself. Versions of `iceberg-storage-opendal` on `reqsign-core` 3 take the provider
//! directly: `OpenDalStorageFactory::S3 { customized_credential_load: Some(CustomAwsCredentialLoader::new(identity))
//! }`. They then use no other identity.
//!
//! # A service with readiness
//!
//! The probes tell Kubernetes whether the service is alive, and whether it has credentials. The example `service` adds
//! metrics and graceful shutdown.
//!
#![doc = concat!("```ignore\n", include_str!("recipes/service.rs"), "```")]
//!
//! # A role for each tenant
//!
//! A map holds one client per tenant.
//!
//! - *Bounded.* The map holds at most `most` tenants. A new tenant replaces the tenant that was idle longest.
//! - *One exchange.* `build()` does no I/O, so the lock is held only briefly. All callers of a tenant share one
//!   provider and its exchange.
//! - *No storm.* A tenant whose role denies access stays in the map, with its retry delays.
//! - *Idle tenants end.* After 30 minutes without use the map drops the client. The last copy of the client ends the
//!   tenant's background refresh. Running requests keep their copy. The map is cleaned at each call, so a process
//!   without calls cleans nothing.
//!
//! Give each tenant its own [`external_id`](crate::AssumeRoleBuilder::external_id), as [AWS
//! advises](https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html).
//!
#![doc = concat!("```no_run\n", include_str!("recipes/tenants.rs"), "```")]
//!
//! # Two accounts in one process
//!
//! The pod's role serves the pod's own account. The other account has a role that trusts the pod's role.
//!
#![doc = concat!("```no_run\n", include_str!("recipes/two_accounts.rs"), "```")]
//!
//! # Another signer
//!
//! Any signer can take the credentials at each request. If the service rejects them, call
//! [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) with the credentials that signed the request.
//!
#![doc = concat!("```no_run\n", include_str!("recipes/other_signer.rs"), "```")]
//!
//! # A blocking program
//!
//! The program needs no runtime, because the engine thread has its own.
//!
#![doc = concat!("```no_run\n", include_str!("recipes/blocking.rs"), "```")]
