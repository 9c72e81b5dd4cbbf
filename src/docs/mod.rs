//! Design, policy, limits and operations. Nothing but text.
//!
//! # Design
//!
//! Three rooms. The *engine* keeps credentials fresh and has never heard of tokens or STS; a *source* gives credentials
//! and knows no schedule: the trade of a token, the chain from one role to another, any provider of the SDK
//! ([`roles`]); *adapters* plug the result into the SDK. Credentials go one way: file, token, STS, slot, identity
//! cache, request. Wishes go the other way, and only wake the engine's one task.
//!
//! A snapshot holds all that derives from one exchange and is swapped by one pointer. It holds 16 copies of the credentials,
//! each with reference counts of its own, and a thread always clones the same one: readers on different cores write to no
//! line that they share.
//!
//! Who the task is, is a number. A task whose runtime is gone, that panicked or stands still is replaced by the next reader or
//! waiter inside a live runtime, and leaves when it wakes up.
//!
//! # Policy
//!
//! L is the lifetime of the credentials, V what remains of it, k the number of failures before this one, U a random number
//! between its bounds.
//!
//! | when | what |
//! |---|---|
//! | refresh | at L·U(0.60, 0.75); at least 1 s between two exchanges that no failure asked for |
//! | one exchange | connect within 2 s, whole within 8 s (STS gives the identity provider 5 s); answers of up to 64 KiB |
//! | a caller with nothing usable | waits until 30 s (`wait_timeout`) after the flight began, then gets the last error; who comes later gets it at once while it is younger than 30 s |
//!
//! The next attempt after a failure:
//!
//! | class | with usable credentials | with nothing usable |
//! |---|---|---|
//! | outage, timeout | min(2 s·2^k, V/8 within 15 s and 300 s)·U(0.5, 1) | U(0, min(10 s, 0.1 s·2^k)); nobody waiting: up to 30 s |
//! | throttling, issuer unreachable for STS | min(5 s·2^k, V/4 within 30 s and 300 s)·U(0.5, 1), and not before the server's `Retry-After` up to min(300 s, V/2) | U(0, min(20 s, 1 s·2^k)); nobody waiting: up to 120 s; not before the server's `Retry-After` up to the same cap |
//! | only a human can mend it | min(30 s·2^k, V/4 within 15 s and 300 s)·U(0.5, 1) | on demand, the error standing for min(30 s, 1 s·2^k)·U(0.5, 1); nobody waiting: every 300 s |
//! | the token is not accepted or not there | when the token changes, and once a minute | the same |
//!
//! No wait of the first three rows runs past the expiry: there an attempt is made and the right-hand column takes over. Before the first success,
//! `AccessDenied` and an unknown identity provider are tried again after 1 s, 2 s and 4 s, since IAM is eventually consistent.
//! An answer that is not STS's is tried twice more.
//!
//! A new token causes no exchange while all is well. It ends a failing state, at once if somebody waits, else within 2 s.
//! Credentials that a service refused are renewed at once, the next ones in a row after 30 s, 60 s and so on up to 15 min.
//!
//! # Time
//!
//! L is `Expiration` minus the answer's `Date`. Deadlines are monotonic. The expiry that the credentials show is on the local
//! clock, however wrong that is, since the SDK compares it with that clock. Every 30 s at the latest the clocks are compared: a
//! suspend shortens what remains (a caller with nothing usable notices it at once), a clock set ahead by more than 5 s is a reason to check (every 5 min at most), and in each
//! case the shown expiry follows.
//!
//! # The SDK's identity cache
//!
//! Behind the SDK's default cache a client pins credentials until seconds before their expiry, and renews them inside a
//! request. So [`install`](crate::WebIdentityCredentialsProvider::install) brings a cache that answers from the slot. It knows
//! this provider by its partition; whatever comes in another one (a chain, another provider for one operation, a service
//! builder's plain `credentials_provider`) goes to the cache that the config had before. If what comes back carries an access
//! key that this provider gave out, the current credentials answer in its place. Access keys are unique to a role, so nobody
//! gets another's; but another provider's credentials are pinned there as the SDK pins them, so give each role a config of its
//! own.
//!
//! `SdkConfig` has no place for interceptors: [`interceptor`](crate::WebIdentityCredentialsProvider::interceptor) is one line
//! per service. Without it no rejection is heard.
//!
//! # Operations
//!
//! What to mount, what is watched and what each warning means is in [`operations`]; what is logged and measured in [`telemetry`].
//!
//! # Limits
//!
//! - It refreshes as long as a handle lives, used or not: about 1.5 calls an hour at sessions of one hour.
//! - The first use must happen inside a Tokio runtime with timers enabled; waiting elsewhere is an error.
//! - Do not fork after first use.
//! - What the SDK keeps in its own buffers is not wiped, and at TRACE it logs response headers and the bodies of in-memory HTTP
//!   clients.
//! - Our STS client's connect timeout makes the user's HTTP client keep a second pool of connections.
//! - Under `panic = "abort"` a failure to spawn the watcher's thread cannot be caught; `watch_token(false)` avoids it.
//! - Services reject expired credentials, with rare exceptions: [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy) helps only
//!   where they do not.

pub mod cluster;
pub mod operations;
pub mod roles;
pub mod signers;
pub mod standby;
pub mod telemetry;
pub mod token_sources;
