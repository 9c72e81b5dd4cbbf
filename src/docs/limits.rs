//! Costs, requirements, and the limits of the promises.
//!
//! # What it costs
//!
//! - It refreshes as long as a handle lives, used or not: about 1.5 calls an hour at sessions of an hour.
//! - One engine thread for the process, with three file descriptors, while a provider is in use. Reading a token and
//!   looking up a name take a further thread for a moment.
//! - For each directory with a token one watcher, which on Linux is a thread, an inotify instance and three file
//!   descriptors, shared by a process's providers;
//!   [`watch_token(false)`](crate::Builder::watch_token) does without. What file events cannot do is in
//!   [`operations`](super::operations).
//! - A process makes at most 8 exchanges at once with one STS endpoint. The others take turns, first come, first served.
//! - A token file whose file system hangs costs one thread, however many providers read it and however often.
//! - Our STS client has a connect timeout of its own, for which your HTTP client keeps a second pool of connections.
//! - Each generation holds 16 copies of the credentials, some 50 KiB.
//!
//! # Where it runs
//!
//! - Anywhere: inside a Tokio runtime, in another executor, in a plain thread. A token source, a wrapped provider or an
//!   HTTP client runs on the engine thread, so it must not block: it would stop all providers of the process.
//!   `block_in_place` panics there. What needs a runtime of its own gets one by
//!   [`runtime`](crate::Builder::runtime).
//! - A runtime given to [`runtime`](crate::Builder::runtime) needs timers and I/O (`enable_all`). While that runtime is
//!   blocked, nothing is refreshed, and callers who wait are not woken. When it ends, the provider is closed.
//! - A time that a test has paused does not count: credentials age in real time, unless the paused runtime was given to
//!   [`runtime`](crate::Builder::runtime).
//! - A forked child starts a thread of its own at its first use that finds no valid credentials, or at
//!   [`status`](crate::WebIdentityCredentialsProvider::status). Its first attempt may end by its timeout, on a connection
//!   of the parent's. A lock that another thread holds at the fork stays locked in the child, as in every program with
//!   threads: fork before the first use if you can.
//! - Made for Linux. Written to compile on macOS and Windows, where people develop; not for wasm.
//! - Under `panic = "abort"` a panic ends the process that else costs one attempt: of a token source, of a wrapped
//!   provider, of an HTTP client. The same holds for a process that is at its limit of threads: Tokio panics where it
//!   cannot start its first thread for file access. The watcher panics where the last thread is taken while it starts;
//!   `watch_token(false)` avoids the latter.
//! - The public API names types of the AWS SDK's 1.x crates, and so is bound to them: one major of ours per major of
//!   theirs.
//!
//! # What it cannot promise
//!
//! - *Credentials that AWS withdraws.* A rejection is heard only by the
//!   [`interceptor`](crate::WebIdentityCredentialsProvider::interceptor), or told by
//!   [`invalidate`](crate::WebIdentityCredentialsProvider::invalidate).
//! - *An outage that outlasts a session.* What is left of a session when its refresh begins is a quarter at least;
//!   [`standby`](super::standby) and [`session_length`](crate::Builder::session_length) are the remedies.
//! - *The last moments of a session whose attempt had to wait.* A session counts from when its attempt began. The time
//!   that the attempt waited for its token, its turn or the credentials of a chain's base is not used.
//! - *Expired credentials that help.* Services reject them, with rare exceptions:
//!   [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy) helps only where they do not.
//! - *An STS without a `Date`, beside a wrong local clock.* Its answer is judged by the local clock: if that is behind,
//!   credentials may be believed that have ended, until a service refuses them.
//! - *Secrets that are not ours.* Every copy that this crate owns is wiped when dropped. What the SDK, the HTTP client
//!   and the TLS library keep in buffers of theirs is not, and at TRACE the SDK logs response headers and the bodies of
//!   in-memory HTTP clients.
//! - *Verified claims.* [`TokenClaims`](crate::TokenClaims) are read, not verified; only STS judges a token.
//!
//! # What it does not read
//!
//! - Profiles: `role_arn` and `web_identity_token_file` in a config file count for nothing. [`roles`](super::roles)
//!   says how to put aws-config's provider behind the engine. An error says so where `AWS_PROFILE` or `AWS_CONFIG_FILE`
//!   is set.
//! - `SdkConfig::endpoint_url`, which is often an object store's: the token would be sent there.
//! - `AWS_STS_REGIONAL_ENDPOINTS`: STS is asked in the region. There is no default region.
//! - Variables after [`build`](crate::Builder::build), [`connect`](crate::Builder::connect), or a registry's.
//!
//! # Bounds of STS
//!
//! | what | bound |
//! |---|---|
//! | a session | 15 min to 12 h, up to the role's `MaxSessionDuration`; a chained one up to 1 h |
//! | a token | 4 to 20 000 bytes |
//! | a session policy | 2048 characters, 10 managed policies, and a packed size that only STS can tell |
//! | calls | limited for each account and region, by how much AWS does not say: [`cluster`](super::cluster) |
