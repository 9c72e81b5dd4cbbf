//! Retry policy: when the provider refreshes, retries, waits and gives up, with all numbers.
//!
//! L is the lifetime of the credentials. V is the time until they expire. k is the number of failures in a row before this
//! one. U is a random number between its bounds, drawn anew each time.
//!
//! # When
//!
//! | what | when |
//! |---|---|
//! | a refresh | at L·U(0.60, 0.75) ([`refresh_window`](crate::Builder::refresh_window)); used or not, for as long as a handle lives |
//! | two exchanges that no failure asked for | 1 s apart at least; 30 s·U(1, 1.25) apart once three sessions in a row lived less than 30 s by the local clock alone |
//! | one exchange | connects within 2 s ([`connect_timeout`](crate::Builder::connect_timeout)), ends within 8 s ([`attempt_timeout`](crate::Builder::attempt_timeout)), since STS itself gives the identity provider 5 s; answers of up to 64 KiB |
//! | a read while V > 0 | returns at once, to the last moment |
//! | a caller with nothing valid | waits until 30 s ([`wait_timeout`](crate::Builder::wait_timeout)) after the attempts began, then gets the last error. A later caller gets the last error at once while it is younger than 30 s. The attempts go on |
//!
//! # After a failure
//!
//! | class | with valid credentials | with nothing valid |
//! |---|---|---|
//! | outage, timeout, issuer unreachable for STS | min(2 s·2^k, V/8 within 15 s and 300 s)·U(0.5, 1) | min(0.5 s·3^k, 10 s)·U(0.5, 1); after 5 min of failures min(0.5 s·3^k, 24 s)·U(0.5, 1) |
//! | throttling | min(5 s·2^k, V/4 within 30 s and 300 s)·U(0.5, 1) | before the first success min(20 s·5^j, 240 s)·U(0.2, 1), later min(4 s·2^j, 60 s)·U(0.2, 1); j counts the throttled answers in a row before this one |
//! | only a human can mend it | min(30 s·2^k, V/4 within 15 s and 300 s)·U(0.5, 1) | 300 s·U(0.5, 1). Callers get the error for min(1 s·2^k, 30 s)·U(0.5, 1); a caller makes the next attempt come right after that |
//! | a role or issuer that IAM may not know yet, before the first success | | 1 s, 2 s, 4 s, 8 s and 16 s, then 30 s until 5 min have passed, each ·U(0.5, 1); then as the row above. Callers get the error after the third retry |
//! | the token is not accepted or not there | when the token changes, and after 60 s·U(0.5, 1) | the same; a caller makes the next attempt come 30 s·U(0.5, 1) after the last failure |
//!
//! Each delay has jitter, so that a fleet that failed together does not come together again.
//!
//! `Retry-After` is the least delay after any failure: up to min(300 s, V/2) with valid credentials, up to 60 s with
//! nothing valid, and U(0, 25 %) more.
//!
//! With valid credentials an attempt is made at the expiry at the latest, except for a token problem. Then the right-hand
//! column takes over with the same k. A success resets k.
//!
//! The right-hand column is made for a fleet that starts while STS is limited or away. 5,000 pods that start within 5 s
//! make at most 3.5 calls per pod at a limit of 20, 100 or 500 calls a second. The last pod has credentials within
//! 1.5 × (5,000 / limit) + 60 s. In an outage they make at most 4 calls per pod in the first 10 s, and at most 300 calls
//! a second after 5 min. Half of the pods have credentials 15 s after the outage, 99 % have them after 30 s.
//! `cargo bench --bench fleet --all-features` checks these bounds.
//!
//! # Which answer is of which class
//!
//! Decided by code, then message, then status, for STS throttles with HTTP 400.
//!
//! | answer | class | [`ErrorKind`](crate::ErrorKind) |
//! |---|---|---|
//! | none, 5xx, `InternalFailure`, a body that breaks off | outage | `ServiceUnavailable`, `TimedOut` |
//! | `IDPCommunicationError`; `InvalidIdentityToken` "Couldn't retrieve verification key" | outage | `ServiceUnavailable` |
//! | `Throttling…`, `TooManyRequests…`, `RequestLimitExceeded`, `SlowDown`, 429 | throttling | `Throttled` |
//! | `ExpiredTokenException`, `IDPRejectedClaim`; any refusal of a token whose `exp` the answer's `Date` has passed | the token is not accepted; if the file holds another one by then, that is sent at once | `TokenRejected` |
//! | "not yet valid", "used before issued"; any refusal of a token whose `iat` or `nbf` the answer's `Date` has not reached | outage, since two clocks differ | `TokenRejected` |
//! | no token, an empty file, one that may not be read | the token is not there | `TokenUnavailable` |
//! | a directory or a device as token file, a file with something else in it | a human; a token in its place ends the failure at once | `TokenUnavailable` |
//! | `InvalidIdentityToken` of another text: no OIDC provider, wrong audience, bad signature | a human; a text that is not known: an outage twice first | `TokenRejected` |
//! | `AccessDenied` | a human | `RoleDenied` |
//! | `ValidationError`, `MalformedPolicyDocument`, `PackedPolicyTooLarge`, `RegionDisabledException`, nothing to send with | a human | `InvalidConfiguration` |
//! | `InvalidParameterValue`, `InvalidArgument`, a code in no table | by the message, as with `InvalidIdentityToken`, since MinIO has one code for every token fault; a text that is not known: an outage twice, then a human | as with `InvalidIdentityToken`; a text that is not known: `Unexpected` |
//! | `InvalidArgument` without a message | outage, since Ceph's gateway answers so when it cannot read the issuer's keys | `ServiceUnavailable` |
//! | a page that is not STS's, a 200 without whole credentials | an outage twice, then a human | `Unexpected` |
//! | at a standby: no OIDC provider, `RegionDisabledException` | outage of that standby: see [`standby`](super::standby) | `ServiceUnavailable` |
//!
//! Before the first success, `AccessDenied` and an unknown OIDC provider are taken for a role or issuer that IAM may not
//! know yet. [`roles`](super::roles) has the classes of a wrapped provider, [`token_sources`](super::token_sources) those
//! of a token source.
//!
//! # Which session is used, and for how long
//!
//! - **The server's clock counts.** The lifetime runs from the `Date` of the answer. Without a `Date` the local clock
//!   stands in.
//! - **A session longer than asked for** is believed if `Date` and the local clock agree on it within 30 s. Otherwise it
//!   is used for as long as was asked for (3,600 s by default). Up to 60 s more need no agreement.
//! - **A shorter session** does not replace valid credentials that live longer. The next refresh comes at V·U(0.60, 0.75)
//!   of those, and not sooner than 30 s. A shorter session is taken if a service rejected the credentials, or if the
//!   token's identity changed.
//! - **A suspend** shortens the lifetime by the time that both the boot clock and the wall clock saw pass. One clock that
//!   moves alone shortens nothing.
//!
//! # What else causes an exchange, or ends a delay
//!
//! - **A new token** causes none while all is well: a node that restarts must not burst on STS. It ends a failing state
//!   (except throttling while credentials are valid): at once if somebody waits, otherwise within 2 s. A token of another
//!   identity (`iss`, `sub` or `aud`) is traded even if nothing failed.
//! - **A rejected key.** [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) and the
//!   [interceptor](crate::BackgroundCredentialsProvider::interceptor) act on the current access key only: after U(0, 5 s)
//!   for the first time. Further generations in a row act 30 s, 60 s and so on up to 15 min after the one before, plus
//!   U(0, 5 s). A rejection shortens the delay of an outage, but neither that of throttling nor that of a token problem.
//!   Ten minutes without a rejection start over. The interceptor's page lists the codes. `AuthFailure` is not among them,
//!   because EC2 uses it for authorization. `RequestExpired` counts only if the answer's `Date` and the client's clock are
//!   at most 5 minutes apart. A chained role judges what STS says of its base by the same list.
//! - **By hand.** [`refresh`](crate::BackgroundCredentialsProvider::refresh) joins the exchange under way or starts one.
//!   [`valid_for`](crate::BackgroundCredentialsProvider::valid_for) starts one for a session that is too short, at most
//!   every 10 s. While exchanges fail, both together start at most one per 10 s, 20 s, 40 s, then 60 s, each ·U(1, 1.25).
//! - **A clock** that was set ahead, a suspend: a check, at most every 5 min.
//! - **A standby** changes where an attempt goes, never when: see [`standby`](super::standby).
//!
//! Only a new token breaks throttling's delay or a server's `Retry-After`.
//!
//! # When the credentials have expired
//!
//! [`ExpiredPolicy::Never`](crate::ExpiredPolicy::Never), the default: callers wait as above, and get the root cause.
//! With [`UntilRejected`](crate::ExpiredPolicy::UntilRejected) callers get the expired credentials at once while the
//! failures are an outage or throttling, until a service rejects them, and for min(L, 1 h) at most.
