//! Guide: design, retry policy, operation, troubleshooting and recipes.
//!
//! This module has no code. Each page stands alone and begins with who needs it. To read everything, begin with this
//! page, then read [`policy`], [`operations`] and [`limits`]. [The promises](crate#what-it-promises) are on the crate's
//! front page.
//!
//! # Pages
//!
//! | task | page |
//! |---|---|
//! | look up an error text | [`troubleshooting`] |
//! | look up a warning; mount the token | [`operations`] |
//! | look up a log event or metric | [`telemetry`] |
//! | know when the provider refreshes, retries, waits and gives up | [`policy`] |
//! | know the costs, and what the crate does not do | [`limits`] |
//! | compare with `aws-config` and other libraries | [`comparison`] |
//! | migrate from another provider, or from your own refresh loop | [`migration`] |
//! | copy code for a common task | [`recipes`] |
//! | use several roles, chained roles, other providers, EKS Pod Identity | [`roles`] |
//! | sign with `object_store`, OpenDAL, `reqsign` or `aws-sigv4`; presign | [`signers`] |
//! | take tokens from a source other than a file | [`token_sources`] |
//! | survive an outage of STS in one region | [`standby`] |
//! | run many pods and clusters: quotas, trust, key rotation, alerts | [`cluster`] |
//!
//! # Design
//!
//! ```text
//!   a token      ─┐        the engine thread           ┌─▶ SDK clients: an identity cache
//!   another role ─┼─ source ──▶ task ──▶ snapshot ─────┼─▶ object_store, reqsign, OpenDAL
//!   any provider ─┘               ▲                    └─▶ current(), provide_credentials()
//!                                 └── refresh, valid_for, invalidate, a new token
//! ```
//!
//! The crate has three parts:
//!
//! - The *engine* refreshes credentials. It knows nothing of tokens or STS.
//! - A *source* fetches credentials. It knows no schedule. Sources are the exchange of a token, the exchange of a
//!   chained role, and any provider of the SDK ([`roles`]).
//! - *Adapters* give the credentials to the SDK and to other signers ([`signers`]).
//!
//! Credentials flow in one direction: file, token, STS, snapshot, identity cache, request. Calls such as `refresh()`
//! flow in the other direction. They only wake the task.
//!
//! **Snapshot.** A snapshot holds the credentials of one exchange and everything derived from them. A new snapshot is
//! published by swapping one pointer. Each snapshot holds 16 copies of the credentials, and each thread always clones
//! the same copy. So up to 16 threads can read without writing to a shared cache line.
//!
//! **Engine thread.** One thread of the process, named `aws-web-identity`, runs the background work of all providers on
//! its own Tokio runtime. The first use of the first provider starts the thread. The end of the last provider ends it.
//! Refreshes continue while the caller's runtime is blocked, starved, shut down or absent. The thread wakes waiting
//! callers when credentials come, and at their deadlines. So every wait works in any executor, and in a plain thread
//! that polls. [`Builder::runtime`](crate::Builder::runtime) runs a provider's work on another runtime.
//!
//! **Task.** Each provider has one task, from its first use until its last handle is dropped. A panic in a token
//! source, HTTP client, time source, subscriber or observer costs one attempt or a short pause. It never ends the task.
//!
//! **Exchange.** The SDK's own STS client sends the request. It brings endpoint rules, FIPS, dual stack, your HTTP
//! client and its TLS. The client's retries are off, because the task makes all attempts. This crate parses the answer
//! itself: it rejects a truncated body, and keeps keys out of errors. The token travels in the body of a POST, never in
//! a URL.
//!
//! # Clocks
//!
//! **Lifetime.** The lifetime of an STS session is its `Expiration` minus the `Date` header of the answer. A wrong
//! local clock does not change it. The lifetime starts when the attempt begins, on the monotonic clock. `Date` has
//! whole seconds. If the local clock shows the same second, the part of that second that had passed is subtracted too.
//!
//! **No usable `Date`.** Without a `Date` the local clock gives the remaining time when the answer comes. If `Date` is
//! after `Expiration`, the credentials count as expired. The only exception: the local clock finds the whole session
//! still to come. Then the local clock counts.
//!
//! **Shown expiry.** The credentials show their expiry on the local clock, however wrong that clock is, because the SDK
//! compares it with that clock.
//!
//! **Clock changes.** The provider compares the clocks at least every 30 s. A suspend shortens the remaining time. A
//! caller without valid credentials triggers the comparison at once. If the clock was set ahead by more than 5 s, the
//! provider makes an exchange to check, at most every 5 min. In each case the shown expiry follows the local clock.
//!
//! # The SDK's identity cache
//!
//! The SDK's default cache keeps credentials until seconds before their expiry, and then refreshes them inside a
//! request. [`install`](crate::BackgroundCredentialsProvider::install) replaces this cache by one that reads the
//! snapshot.
//!
//! The new cache recognises this provider by its partition. An identity from another partition goes to the cache that
//! the config had before. Such identities come from a chain, from another provider for one operation, or from a service
//! builder's plain `credentials_provider`. If that cache returns an access key that this provider gave out, the cache
//! answers with the current credentials instead. An access key belongs to one role, so nobody gets another role's
//! credentials.
//!
//! The new cache serves one provider. Credentials of *another* provider of this crate go to the SDK's cache, which
//! keeps them until seconds before their expiry. So give each role its own config.
//!
//! `SdkConfig` cannot hold interceptors. Add [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) to each
//! service's config, one line per service. Without the interceptor the provider does not learn that a service rejected
//! the credentials.

pub mod cluster;
pub mod comparison;
pub mod limits;
pub mod migration;
pub mod operations;
pub mod policy;
pub mod recipes;
pub mod roles;
pub mod signers;
pub mod standby;
pub mod telemetry;
pub mod token_sources;
pub mod troubleshooting;
