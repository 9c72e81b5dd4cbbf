//! Costs, requirements and limits: what the crate does not do.
//!
//! This page is for whoever decides whether to use this crate, or plans its deployment. It lists the resources that it
//! needs, the rules for code that runs inside it, and the limits of [its promises](crate#what-it-promises).
//!
//! # Costs
//!
//! - *Calls.* A provider refreshes while a handle exists, used or not: about 1.5 calls an hour with sessions of one
//!   hour.
//! - *Engine thread.* One thread with three file descriptors per process, while a provider is in use. Token reads and
//!   name lookups use another thread for a moment.
//! - *Watcher.* One per token directory and process. On Linux it costs a thread, an inotify instance and three file
//!   descriptors. [`watch_token(false)`](crate::Builder::watch_token) avoids it;
//!   [`operations`](super::operations#limits-of-file-events) lists the limits of file events.
//! - *Turns at STS.* A process makes at most 8 exchanges at once with one STS endpoint. Further exchanges wait in
//!   order.
//! - *Hung token file.* One thread, however many providers read the file and however often.
//! - *Connections.* The STS client has its own connect timeout, so your HTTP client keeps a second connection pool for
//!   it.
//! - *Memory.* Each snapshot holds 16 copies of the credentials, about 50 KiB.
//!
//! # Requirements
//!
//! - *Platform.* Made for Linux. Written to compile on macOS and Windows for development. wasm is not supported.
//! - *Caller.* A Tokio runtime, another executor or a plain thread.
//! - *Your code on the engine thread* must not block: a token source, wrapped provider, HTTP client, time source or
//!   `tracing` subscriber. While it blocks, no provider of the process is refreshed, waiting callers are not woken, and
//!   `shutdown` waits. A subscriber blocks if it writes to a pipe that nobody reads. `block_in_place` and
//!   `Handle::block_on` panic there. [`runtime`](crate::Builder::runtime) moves a provider to another runtime.
//! - *A runtime given to [`runtime`](crate::Builder::runtime)* needs timers and I/O (`enable_all`). While it is
//!   blocked, nothing is refreshed and waiting callers are not woken. An exchange that is stuck with it keeps one of
//!   the 8 turns at its STS endpoint. When the runtime ends, the provider is closed.
//! - *Threads.* A process without a free thread cannot start the engine thread. Each wait then fails at once with an
//!   error that says so, and the next use tries again. Listening to
//!   [`updates`](crate::BackgroundCredentialsProvider::updates) does not count as use.
//! - *Panics.* A panic of a token source, wrapped provider or HTTP client costs one attempt. Under `panic = "abort"` it
//!   ends the process. At the limit of threads two more panics are possible: Tokio's, if it cannot start its first thread
//!   for file access, and the watcher's, if the last thread is taken while it starts. `watch_token(false)` avoids the
//!   watcher's panic.
//! - *Fork.* A forked child starts its own engine thread at the first use without valid credentials, or at
//!   [`status`](crate::BackgroundCredentialsProvider::status). Nothing is refreshed in the child before that. Its first
//!   attempt may time out on a connection of the parent. A lock that another thread held at the fork stays locked in
//!   the child, as in every program with threads. If you can, fork before the first use.
//! - *Paused test time.* Credentials age in real time, unless you gave the paused runtime to
//!   [`runtime`](crate::Builder::runtime).
//! - *Semver.* The public API shows types of the AWS SDK's 1.x crates. A new major version of theirs needs one of ours.
//!
//! # Limits of the promises
//!
//! - *Credentials that AWS withdraws.* The provider learns of a rejection only through the
//!   [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) or
//!   [`invalidate`](crate::BackgroundCredentialsProvider::invalidate).
//! - *An outage longer than the session.* At least a quarter of the session remains when its refresh begins. Use a
//!   [`standby`](super::standby) or a longer [`session_length`](crate::Builder::session_length).
//! - *The end of a session whose attempt waited.* The session counts from the start of its attempt. The time in which
//!   the attempt waited for its token, its turn or the base's credentials is not used.
//! - *Expired credentials.* Services reject them, with rare exceptions. Only for these exceptions
//!   [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy) helps.
//! - *A wrong local clock with an STS that sends no `Date`.* The local clock judges the answer. If it is behind,
//!   expired credentials may count as valid until a service rejects them.
//! - *Secrets in other crates.* This crate wipes every copy that it owns. The SDK, the HTTP client and the TLS library
//!   do not wipe their buffers. At TRACE the SDK logs response headers, and the bodies of in-memory HTTP clients.
//! - *Claims.* [`TokenClaims`](crate::TokenClaims) are read but not verified. Only STS verifies a token.
//!
//! # Settings that are not read
//!
//! - *Profiles.* `role_arn` and `web_identity_token_file` in a config file have no effect.
//!   [`roles`](super::roles#chains-and-profiles-of-aws-config) shows how to refresh aws-config's profile provider in
//!   the background. If `AWS_PROFILE` or `AWS_CONFIG_FILE` is set, an error mentions it.
//! - *`SdkConfig::endpoint_url`.* This is often the URL of an object store, and the token would be sent there.
//! - *`AWS_STS_REGIONAL_ENDPOINTS`.* The provider always asks the STS of the region. There is no default region.
//! - *Later changes of variables.* They are read once, by [`build`](crate::Builder::build),
//!   [`connect`](crate::Builder::connect) or the same methods of a registry.
//!
//! # Limits of STS
//!
//! | subject | limit |
//! |---|---|
//! | session length | 15 min to 12 h, up to the role's `MaxSessionDuration`; up to 1 h for a chained role |
//! | token | 4 to 20 000 bytes |
//! | session policies | 2048 characters, 10 managed policies, and a packed size that only STS can compute |
//! | calls | per account and region; AWS publishes no number ([`cluster`](super::cluster#sts-quotas)) |
