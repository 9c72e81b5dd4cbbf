//! Retry policy: when the provider refreshes, retries, waits and gives up.
//!
//! This page is for people who need the exact times: to size timeouts, to plan a fleet, or to explain a gap in the log.
//! It has every number of the policy.
//!
//! - L is the lifetime of the credentials, and V their remaining time.
//! - k is the number of failures in a row before this failure.
//! - U(a, b) is a random number between a and b, drawn anew each time.
//! - "V/8 within 15 s and 300 s" means V/8, but at least 15 s and at most 300 s.
//!
//! # Refresh, exchange, read and wait
//!
//! | subject | time |
//! |---|---|
//! | refresh | at L·U(0.60, 0.75) ([`refresh_window`](crate::Builder::refresh_window)), used or not, while a handle exists |
//! | next exchange after a success | at least 1 s after the start of the last one |
//! | the same, after three sessions in a row that lived less than 30 s, by the local clock alone | at least 30 s·U(1, 1.25) after the start of the last one |
//! | one exchange | connects within 2 s ([`connect_timeout`](crate::Builder::connect_timeout)) and ends within 8 s ([`attempt_timeout`](crate::Builder::attempt_timeout)), because STS itself waits 5 s for the identity provider |
//! | answer of STS | at most 64 KiB |
//! | read with V > 0 | returns at once, until the last moment |
//! | first callers without valid credentials | share a wait of 30 s ([`wait_timeout`](crate::Builder::wait_timeout)), which begins with the first attempt; then they get the last error, and the attempts continue |
//! | later caller | gets the last error at once while that error is younger than 30 s; otherwise waits up to 30 s for a new attempt |
//!
//! # Retry delays
//!
//! | class of the failure | with valid credentials | without valid credentials |
//! |---|---|---|
//! | outage, timeout, issuer unreachable for STS | min(2 s·2^k, V/8 within 15 s and 300 s)·U(0.5, 1) | min(0.5 s·3^k, 10 s)·U(0.5, 1); after 5 min of failures min(0.5 s·3^k, 24 s)·U(0.5, 1) |
//! | throttled | min(5 s·2^k, V/4 within 30 s and 300 s)·U(0.5, 1) | before the first success min(20 s·5^j, 240 s)·U(0.2, 1), later min(4 s·2^j, 60 s)·U(0.2, 1); j is the number of throttled answers in a row before this one |
//! | misconfigured: somebody must correct it | min(30 s·2^k, V/4 within 15 s and 300 s)·U(0.5, 1) | 300 s·U(0.5, 1); for callers min(1 s·2^k, 30 s)·U(0.5, 1): until then they get the error at once, and the first caller after that starts an attempt |
//! | role or issuer that IAM may not know yet, before the first success | (there are none) | 1 s, 2 s, 4 s, 8 s and 16 s, then 30 s until 5 min have passed, each ·U(0.5, 1); then as misconfigured. Callers get the error after the third retry |
//! | token problem: expired, withdrawn or missing | when the token changes, and after 60 s·U(0.5, 1) | the same; with a waiting caller after 30 s·U(0.5, 1) |
//!
//! - *Jitter.* Every delay has jitter, so pods that failed together do not return together. The exception is the delay
//!   that ends at the expiry.
//! - *`Retry-After`* is the least delay after any failure, plus U(0, 25 %) of itself. It counts up to min(300 s, V/2)
//!   with valid credentials, and up to 60 s without.
//! - *Expiry.* While credentials are valid, the next attempt comes at their expiry at the latest. A token problem is
//!   the exception. After the expiry the column "without valid credentials" applies, with the same k.
//! - *Success* resets k.
//!
//! # Fleet bounds
//!
//! The delays without valid credentials are made for a fleet that starts while STS throttles or is down. These bounds
//! hold for 5,000 pods that start within 5 s:
//!
//! | situation | bound |
//! |---|---|
//! | STS accepts 20, 100 or 500 calls a second | at most 3.5 calls per pod; the last pod has credentials within 1.5 × (5,000 / limit) + 60 s |
//! | outage | at most 4 calls per pod in the first 10 s, and at most 300 calls a second after 5 min |
//! | after the outage | half of the pods have credentials within 15 s, 99 % within 30 s |
//!
//! `cargo bench --bench fleet --all-features` checks these bounds.
//!
//! # Classes of answers
//!
//! The class depends on the code, then the message, then the status, because STS throttles with HTTP 400.
//!
//! | answer | class | [`ErrorKind`](crate::ErrorKind) |
//! |---|---|---|
//! | none, 408, 5xx except 501 and 511, `InternalFailure`, a truncated body | outage | `ServiceUnavailable`, `TimedOut` |
//! | `IDPCommunicationError`; `InvalidIdentityToken` "Couldn't retrieve verification key" | outage | `ServiceUnavailable` |
//! | 429, `Throttling…`, `TooManyRequests…`, `RequestLimitExceeded`, `SlowDown` and the like | throttled | `Throttled` |
//! | `ExpiredTokenException`, `IDPRejectedClaim`; any rejection but an outage, of a token whose `exp` is before the answer's `Date` | token problem; if the file has another token by then, it is sent at once | `TokenRejected` |
//! | "not yet valid", "used before issued"; any rejection but an outage, of a token whose `iat` or `nbf` is after the answer's `Date` | outage, because two clocks differ | `TokenRejected` |
//! | no token, an empty file, a file that may not be read | token problem | `TokenUnavailable` |
//! | a directory, a device or other content as token file | misconfigured; a token in its place ends the failure at once | `TokenUnavailable` |
//! | `InvalidIdentityToken` with another message: no OIDC provider, wrong audience, bad signature | misconfigured; an unknown message counts as an outage twice, then as misconfigured | `TokenRejected` |
//! | `AccessDenied`, `NoSuchEntity` | misconfigured | `RoleDenied` |
//! | `ValidationError`, `MalformedPolicyDocument`, `PackedPolicyTooLarge`, `RegionDisabledException`; no HTTP client to send with | misconfigured | `InvalidConfiguration` |
//! | `InvalidParameterValue`, `InvalidArgument`, an unknown code | by the message, as for `InvalidIdentityToken`, because MinIO has one code for all token faults; an unknown message counts as an outage twice, then as misconfigured | as for `InvalidIdentityToken`; `Unexpected` for an unknown message |
//! | `InvalidArgument` without a message | outage, because Ceph's gateway answers this when it cannot read the issuer's keys | `ServiceUnavailable` |
//! | a page that is not from STS, a 200 without complete credentials | an outage twice, then misconfigured | `Unexpected` |
//! | at a standby: no OIDC provider, `RegionDisabledException` | outage of that [standby](super::standby) | `ServiceUnavailable` |
//!
//! Before the first success, `AccessDenied` and an unknown OIDC provider count as a role or issuer that IAM may not
//! know yet. [`roles`](super::roles#any-provider) has the classes for a wrapped provider,
//! [`token_sources`](super::token_sources) those for a token source.
//!
//! # Which session is used, and how long
//!
//! - **The clock of STS counts.** The lifetime is `Expiration` minus the `Date` of the answer, and begins with the
//!   attempt. Without a `Date` the local clock is used. [Clocks](super#clocks) explains each case.
//! - **A session longer than requested** is used in full if `Date` and the local clock agree on its lifetime within 30
//!   s. Otherwise it is used for the requested time (3,600 s by default). An excess of up to 60 s needs no agreement.
//! - **A shorter session** does not replace valid credentials that live longer. The next refresh then comes after
//!   V·U(0.60, 0.75), but not sooner than min(30 s, 0.75·V). In three cases the shorter session is used:
//!   - A service rejected the longer session.
//!   - The token has a new identity.
//!   - STS repeats the present access key with an earlier expiry.
//! - **A suspend** shortens the lifetime by the time that both the boot clock and the wall clock saw pass. A change of
//!   only one clock shortens nothing.
//!
//! # What else starts an exchange or ends a delay
//!
//! - **A new token** starts no exchange while exchanges succeed, so that a restarting node does not flood STS. After a
//!   failure it starts an exchange: at once if a caller waits, otherwise within 2 s. The exception is throttling while
//!   credentials are valid. A token with another identity (`iss`, `sub` or `aud`) always starts an exchange.
//! - **A rejection** by a service, through [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) or the
//!   [interceptor](crate::BackgroundCredentialsProvider::interceptor), counts only for the current access key.
//!   - The first rejection starts an exchange after U(0, 5 s). If the new credentials are rejected too, the time
//!     between exchanges grows. It is 30 s, 60 s and so on up to 15 min, plus U(0, 5 s). Ten minutes without a
//!     rejection reset this time.
//!   - A rejection shortens a retry delay, but not after throttling or a token problem, and never below `Retry-After`.
//!   - The [interceptor's page](crate::BackgroundCredentialsProvider::interceptor) lists the codes. `AuthFailure` is
//!     not one, because EC2 uses it for authorization. `RequestExpired` counts only if the answer's `Date` and the
//!     client's clock are at most 5 minutes apart.
//!   - A chained role uses the same codes: with one of them STS rejects the base's credentials.
//! - **Calls.** [`refresh`](crate::BackgroundCredentialsProvider::refresh) joins the current exchange or starts one.
//!   [`valid_for`](crate::BackgroundCredentialsProvider::valid_for) starts one if the credentials end too soon, at most
//!   every 10 s. While exchanges fail, the two methods together start at most one per 10 s, 20 s, 40 s, then 60 s. Each
//!   of these times is ·U(1, 1.25).
//! - **Clock changes.** If the clock was set ahead, or the machine was suspended, an exchange checks the credentials,
//!   at most every 5 min.
//! - **Standbys** change where an attempt goes, never when ([`standby`](super::standby)).
//!
//! A throttling delay and a `Retry-After` end early for one reason only: a new token. While credentials are valid, only
//! a token with another identity ends a throttling delay.
//!
//! # Expired credentials
//!
//! With [`ExpiredPolicy::Never`](crate::ExpiredPolicy::Never), the default, callers wait as above and get the root
//! cause.
//!
//! With [`UntilRejected`](crate::ExpiredPolicy::UntilRejected) callers get the expired credentials at once, while the
//! failures are an outage or throttling. This ends when a service rejects the credentials, and at the latest min(L, 1
//! h) after the expiry.
