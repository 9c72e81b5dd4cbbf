//! When it refreshes, retries, waits and gives up: the whole policy, with its numbers.
//!
//! L is the lifetime of the credentials, V what remains of it, k the number of failures in a row before this one, U a
//! random number between its bounds.
//!
//! # When
//!
//! | what | when |
//! |---|---|
//! | a refresh | at L·U(0.60, 0.75), drawn anew for each credentials ([`refresh_window`](crate::Builder::refresh_window)); used or not, for as long as a handle lives |
//! | two exchanges that no failure asked for | 1 s apart at least |
//! | one exchange | connects within 2 s, ends within 8 s ([`attempt_timeout`](crate::Builder::attempt_timeout)), since STS itself gives the identity provider 5 s; answers of up to 64 KiB |
//! | a read while V > 0 | returns at once, to the last moment |
//! | a caller with nothing usable | waits until 30 s ([`wait_timeout`](crate::Builder::wait_timeout)) after the attempts began, then gets the last error; who comes later gets it at once while it is younger than 30 s. The attempts go on |
//!
//! # After a failure
//!
//! | class | with usable credentials | with nothing usable |
//! |---|---|---|
//! | outage, timeout | min(2 s·2^k, V/8 within 15 s and 300 s)·U(0.5, 1) | U(0, min(10 s, 0.1 s·2^k)); nobody waiting: up to 30 s |
//! | throttling, issuer unreachable for STS | min(5 s·2^k, V/4 within 30 s and 300 s)·U(0.5, 1), and not before the server's `Retry-After` up to min(300 s, V/2) | U(0, min(20 s, 1 s·2^k)); nobody waiting: up to 120 s; not before the server's `Retry-After` up to the same cap |
//! | only a human can mend it | min(30 s·2^k, V/4 within 15 s and 300 s)·U(0.5, 1) | on demand, the error standing for min(30 s, 1 s·2^k)·U(0.5, 1); nobody waiting: every 300 s |
//! | the token is not accepted or not there | when the token changes, and once a minute | the same; also for a caller who finds the last error older than 30 s |
//!
//! No wait runs past the expiry in the first three rows: there an attempt is made, and the right-hand column takes over
//! with the same k. A success resets k.
//!
//! # Which answer is of which class
//!
//! Decided by code, then message, then status, for STS throttles with HTTP 400.
//!
//! | answer | class | [`ErrorKind`](crate::ErrorKind) |
//! |---|---|---|
//! | none, 5xx, `InternalFailure`, a body that breaks off | outage | `ServiceUnavailable`, `TimedOut` |
//! | `IDPCommunicationError`; `InvalidIdentityToken` "Couldn't retrieve verification key" | throttling, as STS may be asking the issuer too often | `ServiceUnavailable` |
//! | `Throttling…`, `TooManyRequests…`, `RequestLimitExceeded`, `SlowDown`, 429 | throttling | `Throttled` |
//! | `ExpiredTokenException`, `IDPRejectedClaim`; any refusal of a token whose `exp` the answer's `Date` has passed | the token is not accepted; if the file holds another one by then, that is sent at once | `TokenRejected` |
//! | "not yet valid", "used before issued"; any refusal of a token whose `iat` or `nbf` the answer's `Date` has not reached | outage, since two clocks differ | `TokenRejected` |
//! | no token, an empty file, one that may not be read | the token is not there | `TokenUnavailable` |
//! | `InvalidIdentityToken` of another text: no OIDC provider, wrong audience, bad signature | a human; a text that is not known: an outage twice first | `TokenRejected` |
//! | `AccessDenied` | a human | `RoleDenied` |
//! | `ValidationError`, `MalformedPolicyDocument`, `PackedPolicyTooLarge`, `RegionDisabledException`, nothing to send with | a human | `InvalidConfiguration` |
//! | `InvalidParameterValue`, `InvalidArgument`, a code in no table | by the message, as with `InvalidIdentityToken`, since MinIO has one code for every token fault; a text that is not known: an outage twice, then a human | as with `InvalidIdentityToken`; a text that is not known: `Unexpected` |
//! | `InvalidArgument` without a message | outage, since Ceph's gateway answers so when it cannot read the issuer's keys | `ServiceUnavailable` |
//! | a page that is not STS's, a 200 without whole credentials | an outage twice, then a human | `Unexpected` |
//! | at a standby: no OIDC provider, `RegionDisabledException` | outage of that standby: see [`standby`](super::standby) | `ServiceUnavailable` |
//!
//! Before the first success, `AccessDenied` and an unknown OIDC provider are tried again after 1 s, 2 s and 4 s, since
//! IAM is eventually consistent. How the classes fall for a wrapped provider is in [`roles`](super::roles), for a token
//! source in [`token_sources`](super::token_sources).
//!
//! # What else causes an exchange, or ends a wait
//!
//! - **A new token** causes none while all is well: a node that restarts must not burst on STS. It ends a failing state
//!   (save throttling while credentials are valid), at once if somebody waits, else within 2 s. A token of somebody
//!   else (`iss`, `sub` or `aud`) is traded even if nothing failed.
//! - **A refused key.** [`invalidate`](crate::WebIdentityCredentialsProvider::invalidate) and the
//!   [interceptor](crate::WebIdentityCredentialsProvider::interceptor) act on the current access key only: at once for
//!   the first time, for further generations in a row 30 s, 60 s and so on up to 15 min after the one before. It
//!   shortens an outage's wait, but neither throttling's nor that for a token. Ten minutes without a refusal start
//!   over. The interceptor's page lists the codes. `AuthFailure` is not among them, because EC2 uses it for
//!   authorization. `RequestExpired` counts only if the answer's `Date` and the client's clock are at most 5 minutes
//!   apart. A chained role judges what STS says of its base by the same list.
//! - **A session that is too short.** [`valid_for`](crate::WebIdentityCredentialsProvider::valid_for): one exchange per
//!   10 s at most for this reason.
//! - **By hand.** [`refresh`](crate::WebIdentityCredentialsProvider::refresh) joins what is under way or starts an
//!   exchange; it never breaks throttling's wait.
//! - **A clock** that was set ahead, a suspend: a check, every 5 min at most.
//! - **A standby** changes where an attempt goes, never when: see [`standby`](super::standby).
//!
//! # When they have expired
//!
//! [`ExpiredPolicy::Never`](crate::ExpiredPolicy::Never), the default: callers wait as above, and get the root cause.
//! With [`UntilRejected`](crate::ExpiredPolicy::UntilRejected) the expired ones are given out at once while the
//! failures are an outage or throttling, until a service refuses them, and for min(L, 1 h) at most.
