//! A token that has expired by the clock of STS is not sent.
//!
//! The local clock may be wrong. To hold back a token that STS would accept is an outage of our own making. So a token counts as
//! expired only if two clocks say so, each by a minute:
//!
//! - The clock of STS: the `Date` of its last grant, carried on by the monotonic clock. Only a `Date` that agrees with its
//!   session counts. This clock may be slow, since it misses suspends and the answer's travel time, but steps of the local
//!   clock do not move it. A monotonic clock that is slewed by 500 ppm, the maximum, needs 33 hours to gain a minute.
//! - The local clock.
//!
//! Before the first grant there is no `Date`, and STS judges the token. So a wrong local clock costs one call a minute, and
//! never credentials.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::config::TokenOrigin;
use super::loaded_token::LoadedToken;
use crate::error::{Error, ErrorKind, date, in_words};
use crate::locks::lock;

/// The `Date` of the last grant, and the time of its arrival.
#[derive(Default)]
pub(super) struct StsClock(Mutex<Option<(SystemTime, Instant)>>);

impl StsClock {
    /// Sets the clock. `date` belongs to an answer that has just arrived.
    pub(super) fn set(&self, date: Option<SystemTime>) {
        if let Some(date) = date {
            *self.last() = Some((date, Instant::now()));
        }
    }

    /// The error for a token that has expired by this clock and by the local clock.
    pub(super) fn check(&self, token: &LoadedToken, origin: &TokenOrigin, local: SystemTime) -> Option<Error> {
        let expires_at = token.claims()?.expires_at?;
        let (last, arrival) = (*self.last())?;
        let sts = last.checked_add(arrival.elapsed())?;
        let certain = expires_at.checked_add(LEEWAY)?;
        (certain <= sts && certain <= local).then(|| explain(token, origin, expires_at, sts, local))
    }

    fn last(&self) -> MutexGuard<'_, Option<(SystemTime, Instant)>> {
        lock(&self.0)
    }
}

fn explain(
    token: &LoadedToken,
    origin: &TokenOrigin,
    expires_at: SystemTime,
    sts: SystemTime,
    local: SystemTime,
) -> Error {
    let ago = |then: SystemTime, now: SystemTime| in_words(now.duration_since(then).unwrap_or_default());
    let written = token.modified.map_or_else(String::new, |modified| {
        format!("; the file was last written at {}, {} ago", date(modified), ago(modified, local))
    });
    let (expired, ago) = (date(expires_at), ago(expires_at, sts));
    let message =
        format!("the token {origin} expired at {expired}, {ago} ago by the clock of STS, and was not sent{written}");
    let remedy = if matches!(origin, TokenOrigin::Source(_)) {
        "the source returned an expired token. It must request a new token before the old one expires".to_owned()
    } else if token.is_orphan {
        "the file is a subPath mount, which never changes. Mount the volume's directory instead, and recreate the pod"
            .to_owned()
    } else {
        format!("check in turn: {WHY_NOT_REPLACED}. A new token is used at once")
    };
    Error::new(ErrorKind::TokenRejected, message).with_remedy(remedy).with_transient(true)
}

/// The checks for a token file that was not replaced in time.
pub(super) const WHY_NOT_REPLACED: &str = "(1) this pod is not terminating: a kubelet replaces no token of a terminating pod; (2) the volume is mounted as a \
     directory: a subPath mount never changes; (3) the kubelet of this node is healthy; (4) the file is not a copy: a \
     copied token is never replaced";

/// Tolerance of STS for expired tokens, and error of our calculation.
const LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::web_identity::config::TokenConfig;
    use crate::web_identity::testing::jwt;

    #[tokio::test(start_paused = true)]
    async fn p7_token_is_expired_by_two_clocks_only() {
        for (sts, local, expected) in [
            (Some(1060), 1060, true),
            (Some(1060), 1059, false),
            (Some(1059), 1060, false),
            (Some(9999), 0, false),
            (Some(0), 9999, false),
            (None, 9999, false),
        ] {
            let clock = StsClock::default();
            clock.set(sts.map(at));
            assert_eq!(expired(&clock, r#"{"exp":1000}"#, local), expected, "{sts:?} {local}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p7_clock_of_sts_advances_by_monotonic_time() {
        let clock = StsClock::default();
        clock.set(Some(at(1000)));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!expired(&clock, r#"{"exp":1000}"#, 9999));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(expired(&clock, r#"{"exp":1000}"#, 9999));
        clock.set(None);
        assert!(expired(&clock, r#"{"exp":1000}"#, 9999), "an answer without a date changes nothing");
        clock.set(Some(at(1001)));
        assert!(!expired(&clock, r#"{"exp":1000}"#, 9999), "the newest date counts");
    }

    #[tokio::test(start_paused = true)]
    async fn token_without_expiry_is_for_sts_to_judge() {
        let clock = StsClock::default();
        clock.set(Some(at(9999)));
        for payload in ["{}", r#"{"exp":"soon"}"#, r#"{"exp":9000000000000000000}"#] {
            assert!(!expired(&clock, payload, 9999), "{payload}");
        }
        assert!(clock.check(&LoadedToken::of("opaque"), &file(), at(9999)).is_none());
    }

    fn expired(clock: &StsClock, payload: &str, local: u64) -> bool {
        clock.check(&LoadedToken::of(&jwt(payload)), &file(), at(local)).is_some()
    }

    fn file() -> TokenOrigin {
        TokenOrigin::File(TokenConfig { file: "/token".into(), poll_interval: Duration::from_secs(30), watch: false })
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }
}
