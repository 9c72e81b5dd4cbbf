//! Costs, requirements, and the limits of the promises.
//!
//! # What it costs
//!
//! - It refreshes as long as a handle lives, used or not: about 1.5 calls an hour at sessions of an hour.
//! - One engine thread for the process, with three file descriptors, while a provider is in use. Reading a token and
//!   looking up a name take a further thread for a moment.
//! - One watcher for each directory with a token, shared by all providers of the process. On Linux it is a thread, an
//!   inotify instance and three file descriptors. [`watch_token(false)`](crate::Builder::watch_token) does without.
//!   [`operations`](super::operations) says what file events cannot do.
//! - A process makes at most 8 exchanges at once with one STS endpoint. The others take turns, first come, first served.
//! - A token file whose file system hangs costs one thread, however many providers read it and however often.
//! - Our STS client has a connect timeout of its own, for which your HTTP client keeps a second pool of connections.
//! - Each generation holds 16 copies of the credentials, some 50 KiB.
//!
//! # Where it runs
//!
//! - Anywhere: inside a Tokio runtime, in another executor, in a plain thread.
//! - Your code runs on the engine thread: a token source, a wrapped provider, an HTTP client, a time source, a `tracing`
//!   subscriber. It must not block there. While it does, no provider of the process is refreshed, callers who wait are
//!   not woken, and `shutdown` waits. A subscriber blocks if it writes to a pipe that nobody reads. `block_in_place` and
//!   `Handle::block_on` panic there. [`runtime`](crate::Builder::runtime) gives a provider another runtime.
//! - A runtime given to [`runtime`](crate::Builder::runtime) needs timers and I/O (`enable_all`). While that runtime is
//!   blocked, nothing is refreshed, and callers who wait are not woken. An exchange that stands still with it keeps one
//!   of the 8 turns at its STS endpoint. When the runtime ends, the provider is closed.
//! - A process without a free thread cannot start the engine thread. Each wait fails at once and says so; the next use
//!   tries again. A listener of [`updates`](crate::BackgroundCredentialsProvider::updates) is no such use.
//! - A test that pauses time pauses no credentials: they age in real time, unless the paused runtime was given to
//!   [`runtime`](crate::Builder::runtime).
//! - A forked child starts a thread of its own at its first use that finds no valid credentials, or at
//!   [`status`](crate::BackgroundCredentialsProvider::status). Nothing is refreshed in the child before that. Its first
//!   attempt may time out, on a connection of the parent's. A lock that another thread holds at the fork stays locked in
//!   the child, as in every program with threads: fork before the first use if you can.
//! - Made for Linux. Written to compile on macOS and Windows, where people develop; not for wasm.
//! - Under `panic = "abort"` each panic of a token source, a wrapped provider or an HTTP client ends the process;
//!   otherwise it costs one attempt. The same holds for a process at its limit of threads: Tokio panics if it cannot
//!   start its first thread for file access. The watcher panics if the last thread is taken while it starts;
//!   `watch_token(false)` avoids that.
//! - The public API names types of the AWS SDK's 1.x crates, and so is bound to them: one major of ours per major of
//!   theirs.
//!
//! # What it cannot promise
//!
//! - *Credentials that AWS withdraws.* A rejection is heard only by the
//!   [`interceptor`](crate::BackgroundCredentialsProvider::interceptor), or told by
//!   [`invalidate`](crate::BackgroundCredentialsProvider::invalidate).
//! - *An outage that outlasts a session.* What is left of a session when its refresh begins is a quarter at least;
//!   [`standby`](super::standby) and [`session_length`](crate::Builder::session_length) are the remedies.
//! - *The last moments of a session whose attempt had to wait.* A session counts from when its attempt began. The time
//!   that the attempt waited for its token, its turn or the credentials of a chain's base is not used.
//! - *Expired credentials that help.* Services reject them, with rare exceptions:
//!   [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy) helps only where they do not.
//! - *An STS without a `Date`, beside a wrong local clock.* The local clock judges the answer. If that clock is behind,
//!   expired credentials may pass for valid until a service rejects them.
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
