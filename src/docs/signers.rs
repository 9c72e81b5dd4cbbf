//! Signers: AWS SDK, `object_store`, OpenDAL, `reqsign`, `aws-sigv4`, presigned URLs.
//!
//! This page is for people who sign requests with the credentials. It says how each signer takes them, what happens
//! without valid credentials, and how to presign URLs. All signers read the same snapshot and start no exchange of
//! their own. Use one provider per process for any number of clients.
//!
//! | signer | how to connect it | uses new credentials |
//! |---|---|---|
//! | AWS SDK | [`install`](crate::BackgroundCredentialsProvider::install) | at the next request |
//! | AWS SDK, one service | [`credentials_provider`](crate::BackgroundCredentialsProvider::credentials_provider) with `set_credentials_provider(Some(..))`, and [`identity_cache`](crate::BackgroundCredentialsProvider::identity_cache) | at the next request |
//! | `object_store` | feature `object_store-0_14`: `AmazonS3Builder::with_credentials(identity.object_store_credentials())` | at the next request |
//! | OpenDAL | feature `reqsign-core-3`: `S3::credential_provider_chain(identity.reqsign_chain())` | two minutes before the old ones expire |
//! | `reqsign` | feature `reqsign-core-3`: `Signer::new(context, identity.clone(), RequestSigner::new("s3", region))` | two minutes before the old ones expire |
//! | `aws-sigv4`, any other | [`current`](crate::BackgroundCredentialsProvider::current), `provide_credentials`, or [`valid_for`](crate::BackgroundCredentialsProvider::valid_for) | at each call |
//!
//! An adapter counts as a handle: the background refresh runs while a store or an operator exists.
//!
//! # Without valid credentials
//!
//! No request is sent unsigned, and no other identity is used ([promise 8](crate#what-it-promises)). The request fails:
//!
//! - `object_store`: `Error::Generic`, with our [`Error`](crate::Error) as its source.
//! - `reqsign`: an error with our [`Error`](crate::Error) as its source. It is retryable if
//!   [`is_transient`](crate::Error::is_transient).
//!
//!   | our kind | `reqsign` kind |
//!   |---|---|
//!   | `RoleDenied` | `PermissionDenied` |
//!   | `TokenRejected`, `TokenUnavailable` | `CredentialInvalid` |
//!   | `InvalidConfiguration` | `ConfigInvalid` |
//!   | `Throttled` | `RateLimited` |
//!   | others | `Unexpected` |
//!
//! - OpenDAL: an error at "signing http request". Its chain drops the reason. `reqsign` logs the reason as a warning,
//!   and `last_error` of [`status`](crate::BackgroundCredentialsProvider::status) has it. Other chains of `reqsign` try
//!   the next provider after an error; ours does not.
//!
//! Do not set `skip_signature` (OpenDAL) or `with_skip_signature` (`object_store`): they send requests without
//! credentials.
//!
//! # `reqsign` and OpenDAL keep credentials
//!
//! A signer of `reqsign` keeps its credentials until two minutes before their expiry. The provider has newer
//! credentials long before that, so the signer does not wait for them. Three limits follow:
//!
//! - [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) does not reach the kept credentials. If a service
//!   rejects them, build the operator anew.
//! - The signer uses no credentials with less than 10 s remaining. So an outage of STS fails requests 10 s earlier.
//! - [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy) has no effect.
//!
//! # Expired credentials
//!
//! Use [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy::UntilRejected) only if rejections reach the provider:
//! through the interceptor of the SDK's clients, or if your code calls
//! [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) after a rejected request. `object_store` reports no
//! rejections. During an outage `object_store` would sign each request with expired credentials for up to min(L, 1 h),
//! where L is their lifetime. With the default, [`Never`](crate::ExpiredPolicy::Never), it waits for new credentials.
//!
//! # Presigned URLs
//!
//! A presigned URL stops working when the credentials that signed it expire, even if its `X-Amz-Expires` is later. At
//! any moment, credentials of a one-hour session have between a quarter of an hour and an hour remaining, and less in
//! an outage. So ask for credentials that last as long as the URL:
//!
//! ```no_run
//! # use std::time::Duration;
//! # async fn example(identity: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! let lifetime = Duration::from_secs(30 * 60);
//! let credentials = identity.valid_for(lifetime).await?;
//! // Sign with `credentials` and `expires_in(lifetime)`. The example `presign` does it with `aws-sigv4` alone.
//! # Ok(())
//! # }
//! ```
//!
//! - `valid_for` returns at once if the current credentials last long enough. Otherwise it starts an exchange, at most
//!   one every 10 s. All callers then read the new credentials.
//! - `valid_for` fails if you ask for more than 0.9 of the session length, because no exchange can promise that. Raise
//!   [`session_length`](crate::Builder::session_length), up to the role's `MaxSessionDuration` of at most 12 hours.
//! - With OpenDAL's `presign_read` or `object_store`'s `signed_url`, call `valid_for` first and sign afterwards.
//! - A presigned URL is a secret: whoever has it may do what it says. Its query holds the session token, which is
//!   useless without the secret key. Log the URL without its query.
