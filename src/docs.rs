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
//! **Snapshot.** A snapshot holds the credentials of one exchange and everything derived from them. One pointer leads
//! to the present snapshot, and a new snapshot is published by swapping that pointer. Each snapshot holds 16 copies of
//! the credentials. A thread always reads the same one of them. So busy threads rarely write to the same cache line.
//!
//! **Engine thread.** One thread of the process, named `aws-web-identity`, runs the background work of all providers on
//! its own Tokio runtime. The first use of the first provider starts the thread. The end of the last provider ends it.
//! Refreshes continue while the caller's runtime is blocked, starved, shut down or absent. The thread wakes waiting
//! callers when credentials come, and at their deadlines. So every wait works in any executor, and in a plain thread
//! that polls. [`Builder::runtime`](crate::Builder::runtime) runs a provider's work on another runtime.
//!
//! **Task.** Each provider has one task, from its first use until its last handle is dropped. A panic in a token
//! source, HTTP client, time source, subscriber or observer costs at most one attempt or a pause of 30 s. It never ends
//! the task.
//!
//! **Exchange.** The SDK's own STS client sends the request. It brings endpoint rules, FIPS, dual stack, your HTTP
//! client and its TLS. The client's retries are off, because the task makes all attempts. This crate parses the answer
//! itself: it rejects a truncated body, and keeps keys out of errors. The token travels in the body of a POST, never in
//! a URL.
//!
//! # Clocks
//!
//! **Lifetime.** The lifetime of an STS session is its `Expiration` minus the `Date` header of the answer. A wrong
//! local clock does not change it. The lifetime begins with the attempt, and is counted on the monotonic clock.
//!
//! **Whole seconds.** `Date` has whole seconds, and services count a session from that second on. So the session may
//! begin up to a second before the attempt. If the local clock shows the same second, the crate subtracts the part of
//! it that had passed.
//!
//! **No usable `Date`.** Without a `Date` the local clock gives the remaining time when the answer comes. A `Date`
//! after `Expiration` means that the credentials have expired. The `Date` counts as wrong only if by the local clock
//! the whole session still remains. The local clock then gives the remaining time.
//!
//! **A session longer than requested.** The local clock must confirm it: see
//! [`policy`](policy#which-session-is-used-and-how-long).
//!
//! **An expired token** is held back only if the clock of STS and the local clock agree: see
//! [`operations`](operations#how-the-token-file-is-watched).
//!
//! **Shown expiry.** The credentials carry their expiry as a time of the local clock, even if that clock is wrong. The
//! SDK compares this expiry with the local clock.
//!
//! **Clock changes.** The provider compares the clocks at least every 30 s, and at once for a caller without valid
//! credentials. A suspend shortens the remaining time. An exchange checks the credentials after a suspend, and if the
//! clock was set ahead by more than 5 s. There is at most one such exchange every 5 min. After each clock change the
//! shown expiry is computed anew.
//!
//! # The SDK's identity cache
//!
//! The SDK's default cache keeps credentials until seconds before their expiry, and then refreshes them inside a
//! request. [`install`](crate::BackgroundCredentialsProvider::install) replaces this cache by one that reads the
//! snapshot.
//!
//! The new cache recognises this provider by its *cache partition*, the number that the SDK gives to each provider. An
//! identity with another partition goes to the cache that the config had before. Such identities come from a chain,
//! from another provider for one operation, or from a service builder's plain `credentials_provider`.
//!
//! The earlier cache may return an access key that this provider gave out. Then the new cache answers with the current
//! credentials instead. An access key belongs to one role, so nobody gets another role's credentials.
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
