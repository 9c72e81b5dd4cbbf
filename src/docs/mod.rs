//! How it works, what it promises and where that ends, and how to run it. Nothing but text.
//!
//! # Where to read on
//!
//! | you want to | page |
//! |---|---|
//! | mount a token, understand a warning | [`operations`] |
//! | know what an error text means, and what to do | [`troubleshooting`] |
//! | come from another provider, or from a loop of your own | [`migration`] |
//! | know when it refreshes, retries, waits and gives up | [`policy`] |
//! | know what it does not do | [`limits`] |
//! | sign with `object_store`, OpenDAL, `reqsign`, `aws-sigv4`; presign | [`signers`] |
//! | have more than one role, chain roles, wrap another provider, use EKS Pod Identity | [`roles`] |
//! | take tokens from elsewhere than a file | [`token_sources`] |
//! | outlive an outage of STS in one region | [`standby`] |
//! | run it in many pods and clusters; quotas, trust, key rotation, alerts | [`cluster`] |
//! | log and measure it | [`telemetry`] |
//! | see what it costs, beside others | [`comparison`] |
//! | copy code for a common task | [`recipes`] |
//!
//! Who reads all of it goes down this page first, then [`policy`], [`operations`] and [`limits`]; each other page
//! stands alone.
//!
//! # Design
//!
//! ```text
//!   a token     ─┐          the engine thread            ┌─▶ SDK clients: an identity cache
//!   another role ┼─ source ──▶ one task ──▶ one slot ────┼─▶ object_store, reqsign, OpenDAL
//!   any provider ┘                 ▲                     └─▶ current(), provide_credentials()
//!                                  └── wishes: refresh, valid_for, invalidate, a new token
//! ```
//!
//! Three rooms. The *engine* keeps credentials fresh and has never heard of tokens or STS. A *source* gives credentials
//! and knows no schedule: the trade of a token, the chain from one role to another, any provider of the SDK
//! ([`roles`]). *Adapters* plug the result into the SDK and into other signers. Credentials go one way: file, token,
//! STS, slot, identity cache, request. Wishes go the other way, and only wake the engine's one task.
//!
//! **The slot.** A snapshot holds all that derives from one exchange, and is swapped by one pointer. It holds 16 copies
//! of the credentials, each with reference counts of its own, and a thread always clones the same one: readers on
//! different cores write to no line that they share, as long as there are no more than 16 of them.
//!
//! **The engine thread.** One thread for the process, named `aws-web-identity`, runs the background work of all providers
//! on a Tokio runtime of its own. Building starts nothing. The first use of the first provider starts the thread, the end
//! of the last provider ends it. So the refresh goes on while a caller's runtime is blocked, starved, shut down or
//! absent. A caller who waits sleeps on a channel. The thread wakes it for news, and at the caller's deadline. So each
//! wait works in any executor, and in a plain thread that polls.
//!
//! [`Builder::runtime`](crate::Builder::runtime) puts a provider's work on a runtime of your choice instead.
//!
//! **The task.** Each provider has one task, from its first use to its last handle. A panic of a token source, an HTTP
//! client, a time source, a subscriber or an observer costs one attempt or one pause, and never the task.
//!
//! **The exchange.** The SDK's own STS client makes the request: endpoint rules, FIPS, dual stack, your HTTP client and
//! its TLS. Its retries are off, since one loop owns all attempts. The answer is read by this crate, so that a cut body
//! is not taken for a whole one, and no error holds a key. The token travels in the body of a POST, never in a URL.
//!
//! # Time
//!
//! The lifetime L of credentials is `Expiration` minus the answer's `Date`: a wrong local clock does not matter. They
//! count from the moment when the attempt began, on the monotonic clock. A `Date` shows the beginning of its second, so
//! the part of that second which was over by then is taken off as well, where the local clock shows the same second.
//! Without a usable `Date` the local clock tells what is left when the answer comes; where the `Date` says that nothing
//! is, it is believed only if it finds the whole session.
//!
//! The expiry that the credentials show is on the local clock, however wrong that is, since the SDK compares it with
//! that clock. Every 30 s at the latest the clocks are compared: a suspend shortens what remains (a caller with nothing
//! usable notices it at once), a clock that was set ahead by more than 5 s is a reason to check (every 5 min at most),
//! and in each case the shown expiry follows.
//!
//! # The SDK's identity cache
//!
//! Behind the SDK's default cache a client pins credentials until seconds before their expiry, and renews them inside a
//! request. So [`install`](crate::BackgroundCredentialsProvider::install) brings a cache that answers from the slot.
//! It knows this provider by its partition; whatever comes in another one (a chain, another provider for one operation,
//! a service builder's plain `credentials_provider`) goes to the cache that the config had before. If what comes back
//! carries an access key that this provider gave out, the current credentials answer in its place. Access keys are
//! unique to a role, so nobody gets another's; but another provider's credentials are pinned there as the SDK pins
//! them, so give each role a config of its own.
//!
//! `SdkConfig` has no place for interceptors: [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) is
//! one line per service. Without it no rejection is heard.

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
