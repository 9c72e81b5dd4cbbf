//! Signers: which takes the credentials how, and presigned URLs.
//!
//! All of them read the same slot and cause no exchange of their own: one provider for a process, however many clients.
//!
//! | signer | how | new credentials are used |
//! |---|---|---|
//! | AWS SDK | [`install`](crate::BackgroundCredentialsProvider::install) | at the next request |
//! | AWS SDK, one service | [`credentials_provider`](crate::BackgroundCredentialsProvider::credentials_provider) with `set_credentials_provider(Some(..))`, and [`identity_cache`](crate::BackgroundCredentialsProvider::identity_cache) | at the next request |
//! | `object_store` | feature `object_store-0_14`: `AmazonS3Builder::with_credentials(identity.object_store_credentials())` | at the next request |
//! | OpenDAL | feature `reqsign-core-3`: `S3::credential_provider_chain(identity.reqsign_chain())` | two minutes before the old ones end |
//! | `reqsign` | feature `reqsign-core-3`: `Signer::new(context, identity.clone(), RequestSigner::new("s3", region))` | two minutes before the old ones end |
//! | `aws-sigv4`, and all else | [`current`](crate::BackgroundCredentialsProvider::current), `provide_credentials`, or [`valid_for`](crate::BackgroundCredentialsProvider::valid_for) | at each call |
//!
//! What an adapter returns counts as a handle: the background task lives as long as a store or an operator does.
//!
//! # When there are no credentials
//!
//! Nothing is ever sent unsigned, and no other identity takes our place. The error is that of the request:
//!
//! - `object_store`: `Error::Generic`, with our [`Error`](crate::Error) as its source.
//! - `reqsign`: our [`Error`](crate::Error) as its source; of the kind `PermissionDenied` for a role that does not
//!   trust us, `CredentialInvalid` for a token that is not there or not accepted, `ConfigInvalid`, `RateLimited`, else
//!   `Unexpected`; to be retried where [`is_transient`](crate::Error::is_transient) says so.
//! - OpenDAL: "signing http request", by a chain that passes over errors: the reason is in `reqsign`'s warning in the
//!   `log`, and in [`status`](crate::BackgroundCredentialsProvider::status) as `last_error`. Chains of `reqsign` would
//!   go on to the next provider after an error; in ours nobody behind is asked. Do not set `skip_signature` or, in
//!   `object_store`, `with_skip_signature`: with them no credentials are asked for.
//!
//! # What `reqsign` keeps
//!
//! A signer of `reqsign` keeps a credential until two minutes before its expiry. By then newer ones have long been
//! there, so that taking them waits for nothing. But it does not hear that a service refused a key, and
//! [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) does not reach what it keeps: build the operator
//! anew for that. It signs nothing with a credential that has less than 10 s left, so that in an outage of STS its last
//! 10 s are lost, and [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy) is of no use with it.
//!
//! # Expired credentials
//!
//! [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy::UntilRejected) rests on somebody who hears a service refuse
//! them: the interceptor, for the SDK's clients. No other signer here has an ear for that. With `object_store` each
//! request of an outage would be signed with the expired ones and refused, until the outage ends or for min(L, 1 h),
//! where with the default it waits for new ones. So keep [`Never`](crate::ExpiredPolicy::Never), or call
//! [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) where a request fails for its key.
//!
//! # Presigned URLs
//!
//! A presigned URL dies with the credentials that signed it, whatever its `X-Amz-Expires` says. Credentials of a
//! session of an hour have between an hour and a quarter of one left at any moment, less in an outage. So ask for what
//! the URL promises:
//!
//! ```no_run
//! # use std::time::Duration;
//! # async fn example(identity: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
//! let lifetime = Duration::from_secs(30 * 60);
//! let credentials = identity.valid_for(lifetime).await?;
//! // Sign with `credentials` and `expires_in(lifetime)`: examples/storage/src/bin/presign.rs does it with `aws-sigv4` alone.
//! # Ok(())
//! # }
//! ```
//!
//! It answers at once while the current credentials last that long; else it renews them, once per 10 s at most, and
//! everybody reads the new ones from then on. More than 0.9 of a session is an error, since no exchange can promise it:
//! raise [`session_length`](crate::Builder::session_length), up to the role's `MaxSessionDuration` of 12 hours at the
//! most. With OpenDAL's `presign_read` or `object_store`'s `signed_url` call `valid_for` first, and let them sign after
//! it.
//!
//! A presigned URL is a secret: who has it may do what it says, and its query holds the session token (useless without
//! the secret key, which is not in it). Log it without its query.
