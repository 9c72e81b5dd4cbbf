//! Tokens that STS need not be asked about, since its own clock has passed their end.
//!
//! Whose clock? Ours may be wrong, and a token that is refused here although STS would take it is an outage that we made.
//! So a token counts as expired only if two clocks say so, each by a minute:
//!
//! - STS's: the `Date` of its last grant plus the monotonic time since then. Suspends are missing from that time and the
//!   answer's way is not added, so this clock is late rather than early, and no step of the local clock moves it. (A monotonic
//!   clock that is slewed at the most, 500 ppm, needs 33 hours to make up the minute.)
//!   Only a `Date` that agrees with the session that came with it counts.
//! - Ours.
//!
//! Without a grant in this process there is no `Date`, and STS is asked. So a clock of ours that is wrong costs calls, one a
//! minute, and never credentials.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::config::TokenOrigin;
use super::loaded_token::LoadedToken;
use crate::error::{Error, ErrorKind, date, in_words};

/// STS's clock, as far as its answers tell.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    date: SystemTime,
    at: Instant,
}

impl ServerClock {
    /// An answer has just come.
    pub(super) fn hear(&self, date: Option<SystemTime>) {
        if let Some(date) = date {
            *self.reading() = Some(Reading { date, at: Instant::now() });
        }
    }

    /// The error for a token that both clocks say has expired.
    pub(super) fn refuse(&self, token: &LoadedToken, origin: &TokenOrigin, ours: SystemTime) -> Option<Error> {
        let expires_at = token.claims()?.expires_at?;
        let theirs = self.now()?;
        let certain = expires_at.checked_add(LEEWAY)?;
        (certain <= theirs && certain <= ours).then(|| explain(token, origin, expires_at, theirs, ours))
    }

    /// The earliest that it can be there.
    fn now(&self) -> Option<SystemTime> {
        let Reading { date, at } = (*self.reading())?;
        date.checked_add(at.elapsed())
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn explain(
    token: &LoadedToken,
    origin: &TokenOrigin,
    expires_at: SystemTime,
    theirs: SystemTime,
    ours: SystemTime,
) -> Error {
    let ago = |then: SystemTime, now: SystemTime| in_words(now.duration_since(then).unwrap_or_default());
    let written = token.modified().map_or_else(String::new, |modified| {
        format!("; the file was last written at {}, {} ago", date(modified), ago(modified, ours))
    });
    let message = format!(
        "the token {origin} expired at {}, {} ago by the clock of STS, which was not asked{written}",
        date(expires_at),
        ago(expires_at, theirs),
    );
    let hint = if matches!(origin, TokenOrigin::Source(_)) {
        "the source handed out an expired token. It must ask for a new token, or keep one no longer than it is valid"
    } else if token.is_orphan() {
        "the file is a subPath mount, which never changes. Mount the volume's directory instead, and start the pod anew"
    } else {
        "check in turn: (1) this pod is not terminating, since kubelets replace no token of a terminating pod; (2) the token is \
         mounted as the directory of a projected volume; (3) the kubelet of this node (or whoever writes the file) is healthy. A \
         new token is used at once"
    };
    Error::new(ErrorKind::TokenRejected, message).with_hint(hint).with_transient(true)
}

/// What a server may forgive, and what our reckoning may be wrong by.
const LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::web_identity::config::TokenConfig;
    use crate::web_identity::testing::jwt;

    #[tokio::test(start_paused = true)]
    async fn p7_it_takes_both_clocks_to_call_a_token_expired() {
        for (theirs, ours, refused) in [
            (Some(1060), 1060, true),
            (Some(1060), 1059, false),
            (Some(1059), 1060, false),
            (Some(9999), 0, false),
            (Some(0), 9999, false),
            (None, 9999, false),
        ] {
            let clock = ServerClock::default();
            clock.hear(theirs.map(at));
            assert_eq!(refuses(&clock, r#"{"exp":1000}"#, ours), refused, "{theirs:?} {ours}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p7_the_servers_clock_goes_on_by_monotonic_time_until_the_next_answer() {
        let clock = ServerClock::default();
        clock.hear(Some(at(1000)));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!refuses(&clock, r#"{"exp":1000}"#, 9999));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(refuses(&clock, r#"{"exp":1000}"#, 9999));
        clock.hear(None);
        assert!(refuses(&clock, r#"{"exp":1000}"#, 9999), "an answer without a date says nothing");
        clock.hear(Some(at(1001)));
        assert!(!refuses(&clock, r#"{"exp":1000}"#, 9999), "the newest date counts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_does_not_say_when_it_ends_is_for_sts_to_judge() {
        let clock = ServerClock::default();
        clock.hear(Some(at(9999)));
        for payload in ["{}", r#"{"exp":"soon"}"#, r#"{"exp":9000000000000000000}"#] {
            assert!(!refuses(&clock, payload, 9999), "{payload}");
        }
        assert!(clock.refuse(&LoadedToken::of("opaque"), &file(), at(9999)).is_none());
    }

    fn refuses(clock: &ServerClock, payload: &str, ours: u64) -> bool {
        clock.refuse(&LoadedToken::of(&jwt(payload)), &file(), at(ours)).is_some()
    }

    fn file() -> TokenOrigin {
        TokenOrigin::File(TokenConfig { file: "/token".into(), poll_interval: Duration::from_secs(30), watch: false })
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }
}
