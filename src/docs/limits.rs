//! Costs, requirements and limits: what the crate does not do.
//!
//! This page is for people who decide whether to use this crate, or plan its deployment. It lists the resources that
//! the crate needs, and the rules for code that runs inside the crate. It also lists the limits of [its
//! promises](crate#what-it-promises).
//!
//! # Costs
//!
//! - *Calls.* A provider refreshes while a handle exists, even if nobody uses it. It makes about 1.5 calls an hour with
//!   sessions of one hour.
//! - *Engine thread.* One thread with three file descriptors per process, while a provider is in use. Token reads and
//!   name lookups use further threads, each of which ends after 10 s without work.
//! - *Watcher.* One per token directory and process. On Linux it costs a thread, an inotify instance and three file
//!   descriptors. [`watch_token(false)`](crate::Builder::watch_token) avoids it;
//!   [`operations`](super::operations#limits-of-file-events) lists the limits of file events.
//! - *Exchanges at once.* A process has 8 exchange slots for each STS endpoint. Further exchanges wait in order.
//! - *Hung token file.* It blocks one thread, however many providers read the file.
//! - *Connections.* The STS client shares no connection with your other clients, because it has its own connect timeout.
//!   The provider's own HTTP client keeps no connection, so each exchange makes a new one.
//! - *Memory.* Each snapshot holds 16 copies of the credentials, about 50 KiB.
//!
//! # Requirements
//!
//! - *Platform.* The crate is made for Linux. For development it should compile on macOS and Windows, but nobody has
//!   tested this yet. wasm is not supported.
//! - *Caller.* A Tokio runtime, another executor or a plain thread.
//! - *Your code on the engine thread* must not block. This means token sources, wrapped providers, HTTP clients, time
//!   sources and `tracing` subscribers. While one of them blocks, no provider of the process is refreshed, waiting
//!   callers are not woken, and `shutdown` waits. A subscriber blocks if it writes to a pipe that nobody reads.
//!   `block_in_place` and `Handle::block_on` panic there. [`runtime`](crate::Builder::runtime) moves a provider to
//!   another runtime.
//! - *A runtime given to [`runtime`](crate::Builder::runtime)* needs timers and I/O (`enable_all`). While it is
//!   blocked, nothing is refreshed and waiting callers are not woken. An exchange that is stuck in that runtime keeps
//!   one of the 8 slots of its STS endpoint. When the runtime ends, the provider is closed.
//! - *Threads.* A process without a free thread cannot start the engine thread. Each wait then fails at once with an
//!   error that says so, and the next use tries again. An [`Updates`](crate::Updates) that already waits does not try
//!   again.
//! - *Panics.* A panic of a token source, wrapped provider or HTTP client costs one attempt. Under `panic = "abort"` it
//!   ends the process. At the limit of threads two more panics are possible. Tokio panics if it cannot start its first
//!   thread for file access. The watcher panics if the last thread is taken while the watcher starts.
//!   `watch_token(false)` avoids the watcher's panic.
//! - *Fork.* A forked child starts its own engine thread at the first use without valid credentials, or at
//!   [`status`](crate::BackgroundCredentialsProvider::status) or
//!   [`updates`](crate::BackgroundCredentialsProvider::updates). Nothing is refreshed in the child before that. Its
//!   first attempt may time out on a connection of the parent. A provider from before the fork hears no file events in
//!   the child, where polling finds a new token. A provider that is built in the child hears them. A lock that another
//!   thread held at the fork stays locked in the child, as in every program with threads. If you can, fork before the
//!   first use.
//! - *Paused test time.* Credentials age in real time, unless you gave the paused runtime to
//!   [`runtime`](crate::Builder::runtime).
//! - *Semver.* The public API shows types of the AWS SDK's 1.x crates. A new major version of these crates needs a new
//!   major version of this crate.
//!
//! # Limits of the promises
//!
//! - *Credentials that AWS withdraws.* The provider learns of a rejection only through the
//!   [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) or
//!   [`invalidate`](crate::BackgroundCredentialsProvider::invalidate).
//! - *An outage longer than the session.* At least a quarter of the session remains when its refresh begins. Use a
//!   [`standby`](super::standby) or a longer [`session_length`](crate::Builder::session_length).
//! - *A session whose attempt waited.* The lifetime counts from the start of the attempt. The attempt may wait for its
//!   token, for an exchange slot or for the base's credentials. This time is lost at the end of the session.
//! - *Expired credentials.* Nearly all services reject them. [`ExpiredPolicy::UntilRejected`](crate::ExpiredPolicy)
//!   helps only with the few that do not.
//! - *A wrong local clock with an STS that sends no `Date`.* The local clock then decides whether an answer has
//!   expired. If this clock is behind, expired credentials may count as valid until a service rejects them.
//! - *Secrets in memory.* The copies that this crate keeps are wiped when they are dropped. Its short-lived copies are
//!   not, such as those made in the search for secrets in foreign text. The SDK, the HTTP client and the TLS library do
//!   not wipe their buffers.
//! - *Secrets in logs of other crates.* At TRACE the SDK logs response headers, and the bodies of in-memory HTTP
//!   clients.
//! - *Presigned URLs.* A URL that you presign holds the session token in its query
//!   ([`signers`](super::signers#presigned-urls)).
//! - *Claims.* [`TokenClaims`](crate::TokenClaims) are read but not verified. Only STS verifies a token.
//!
//! # Settings that are not read
//!
//! - *Profiles.* `role_arn` and `web_identity_token_file` in a config file have no effect.
//!   [`roles`](super::roles#chains-and-profiles-of-aws-config) shows how to refresh aws-config's profile provider in
//!   the background. If `AWS_PROFILE` or `AWS_CONFIG_FILE` is set, an error mentions it.
//! - *`SdkConfig::endpoint_url`.* This URL often names an object store. STS's requests, and with them the token, would
//!   go there.
//! - *`AWS_STS_REGIONAL_ENDPOINTS`.* The provider always asks the STS of the region. There is no default region.
//! - *Later changes of variables.* Variables are read once, by [`build`](crate::Builder::build),
//!   [`connect`](crate::Builder::connect) or the same methods of a registry.
//!
//! # Limits of STS
//!
//! | subject | limit |
//! |---|---|
//! | session length | 15 min to 12 h, up to the role's `MaxSessionDuration`; up to 1 h for a chained role |
//! | token | 4 to 20,000 bytes |
//! | session policies | 2,048 characters, 10 managed policies, and a packed size that only STS can compute |
//! | calls | per account and region; AWS publishes no number ([`cluster`](super::cluster#sts-quotas)) |
