//! The clocks: what a suspend or a clock step changes, and how long a session lives.
//!
//! In the engine, only this file asks the system for the time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use tokio::time::Instant;

/// Three clocks. Anybody may set the wall clock. The monotonic clock stands still while the machine is suspended. The boot
/// clock goes on.
#[derive(Clone)]
pub(crate) struct Clock {
    monotonic: Monotonic,
    wall: SharedTimeSource,
    boot: Arc<dyn Fn() -> Option<Duration> + Send + Sync>,
}

/// The choice of a monotonic clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Monotonic {
    /// The system's clock. Credentials age in real time, even for a caller in a test runtime whose time is paused.
    System,
    /// Tokio's clock, which a test runtime may pause. For background work in that runtime.
    Tokio,
}

impl Clock {
    pub(crate) fn new(monotonic: Monotonic, wall: SharedTimeSource) -> Self {
        Self::with_boot_clock(monotonic, wall, time_since_boot)
    }

    /// `boot`: the time since boot, suspends included.
    pub(crate) fn with_boot_clock(
        monotonic: Monotonic,
        wall: SharedTimeSource,
        boot: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        Self { monotonic, wall, boot: Arc::new(boot) }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self.monotonic {
            Monotonic::System => Instant::from_std(std::time::Instant::now()),
            Monotonic::Tokio => Instant::now(),
        }
    }

    pub(crate) fn read(&self) -> ClockReading {
        // The time source is foreign code. If it panics, the system's clock replaces it.
        let wall = catch_unwind(AssertUnwindSafe(|| self.wall.now())).unwrap_or_else(|_| SystemTime::now());
        ClockReading { mono: self.now(), wall, boot: (self.boot)() }
    }
}

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) mono: Instant,
    pub(crate) wall: SystemTime,
    boot: Option<Duration>,
}

impl ClockReading {
    /// The wall clock at `then`, if nobody sets it.
    pub(crate) fn wall_at(&self, then: Instant) -> SystemTime {
        let shown = match then.checked_duration_since(self.mono) {
            Some(ahead) => self.wall.checked_add(ahead),
            None => self.wall.checked_sub(self.mono - then),
        };
        shown.unwrap_or(self.wall)
    }

    /// Returns `then` on the monotonic clock. If the machine was suspended since then, the result is earlier by the time of the
    /// suspend, because the monotonic clock stood still.
    fn mono_of(&self, then: &Self) -> Instant {
        match self.drift_since(then) {
            Drift::Suspended(by) => then.mono.checked_sub(by).unwrap_or(then.mono),
            _ => then.mono,
        }
    }

    /// Start of a session on the monotonic clock. The session was requested at `sent`.
    ///
    /// `date` has whole seconds, and services count the session from the beginning of its second. If the local clock showed the
    /// same second at `sent`, the session began before `sent`: at the beginning of that second. Otherwise the local clock cannot
    /// tell, and the session counts from `sent`.
    fn session_start(&self, sent: &Self, date: Option<SystemTime>) -> Instant {
        let into = date.and_then(|date| sent.wall.duration_since(date).ok()).filter(|into| *into < SECOND);
        let asked = self.mono_of(sent);
        asked.checked_sub(into.unwrap_or_default()).unwrap_or(asked)
    }

    /// The session of credentials that were requested at `sent` and came now. `expiration` and `date`, the time of the
    /// answer, are on the server's clock. Returns `None` if the credentials have ended.
    ///
    /// - With a `date` the server's clock decides. Without one, the local clock tells the remaining time.
    /// - A session longer than `requested` is believed if both clocks agree on it. Otherwise it counts as `requested`.
    /// - If `date` is after `expiration`, the credentials have ended, or `date` is wrong. It counts as wrong only if nearly
    ///   the whole session remains by the local clock.
    pub(crate) fn session(
        &self,
        sent: &Self,
        expiration: SystemTime,
        date: Option<SystemTime>,
        requested: Duration,
    ) -> Option<Session> {
        let left_at = |now| expiration.duration_since(now).unwrap_or_default();
        let longest = requested.saturating_add(LIFETIME_SLACK);
        let local = left_at(self.wall);
        let dated = |lifetime| Some(Session { since: self.session_start(sent, date), lifetime, dated: true });
        match date.map(left_at) {
            Some(Duration::ZERO) if !(requested.saturating_sub(AGREEMENT)..=longest).contains(&local) => None,
            None | Some(Duration::ZERO) if local.is_zero() => None,
            None if local > longest => Some(Session { since: self.mono_of(sent), lifetime: requested, dated: false }),
            None | Some(Duration::ZERO) => Some(Session { since: self.mono, lifetime: local, dated: false }),
            Some(left) if left > longest && left.abs_diff(local) > AGREEMENT => dated(requested),
            Some(left) => dated(left),
        }
    }

    /// The drift of the clocks since `anchor`.
    pub(crate) fn drift_since(&self, anchor: &Self) -> Drift {
        // A thread may lose its core between its reading and the state's lock. Another thread may set a newer anchor meanwhile.
        let Some(mono) = self.mono.checked_duration_since(anchor.mono) else { return Drift::None };
        let slept = match (self.boot, anchor.boot) {
            (Some(now), Some(then)) => now.saturating_sub(then).saturating_sub(mono),
            _ => Duration::ZERO,
        };
        let expected = anchor.wall.checked_add(mono).unwrap_or(anchor.wall);
        match self.wall.duration_since(expected) {
            // A suspend is what both clocks saw. The wall clock may be set, and a container may show a foreign boot clock.
            Ok(ahead) if slept.min(ahead) > TOLERANCE => Drift::Suspended(slept.min(ahead)),
            Ok(ahead) if ahead > TOLERANCE => Drift::Ahead,
            Err(behind) if behind.duration() > TOLERANCE => Drift::Behind,
            _ => Drift::None,
        }
    }
}

/// The times of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    /// Start of the session, on the monotonic clock.
    pub(crate) since: Instant,
    pub(crate) lifetime: Duration,
    /// True if the answer had a usable `Date`. False if the local clock alone gave the lifetime.
    pub(crate) dated: bool,
}

/// A move of the clocks against each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Drift {
    None,
    /// The wall clock was set ahead.
    Ahead,
    /// The wall clock was set back.
    Behind,
    /// The machine was suspended for this long, and the monotonic clock stood still.
    Suspended(Duration),
}

/// Time since boot, suspends included. Only Linux tells it in a file.
fn time_since_boot() -> Option<Duration> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Two clocks differ by up to this without a cause.
const TOLERANCE: Duration = Duration::from_secs(5);
/// Precision of a `Date` header.
const SECOND: Duration = Duration::from_secs(1);
/// Up to this much beyond the requested lifetime, a session needs no agreement of the two clocks.
const LIFETIME_SLACK: Duration = Duration::from_secs(60);
/// The server's clock and the local one agree on a session if they differ by no more than this.
const AGREEMENT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn reading(mono: u64, wall: u64, boot: u64) -> ClockReading {
        let origin = Instant::now();
        ClockReading { mono: origin + Duration::from_secs(mono), wall: at(wall), boot: Some(Duration::from_secs(boot)) }
    }

    fn drift(anchor: (u64, u64, u64), now: (u64, u64, u64)) -> Drift {
        let origin = reading(0, 0, 0).mono;
        let make =
            |(mono, wall, boot)| ClockReading { mono: origin + Duration::from_secs(mono), ..reading(mono, wall, boot) };
        make(now).drift_since(&make(anchor))
    }

    /// The lifetime in seconds, and true if it is the server's word.
    fn lifetime(expiration: u64, date: Option<u64>, local: u64, requested: u64) -> Option<(u64, bool)> {
        let now = ClockReading { wall: at(local), ..reading(10, 0, 50) };
        let session = now.session(&now, at(expiration), date.map(at), Duration::from_secs(requested));
        session.map(|session| (session.lifetime.as_secs(), session.dated))
    }

    #[test]
    fn local_clock_counts_from_arrival() {
        let origin = Instant::now();
        let at_mono =
            |seconds| ClockReading { mono: origin + Duration::from_secs(seconds), ..reading(0, seconds, seconds) };
        let (sent, now) = (at_mono(0), at_mono(3));
        let session = |expiration, date| {
            now.session(&sent, at(expiration), date, HOUR).map(|session| (session.since, session.lifetime))
        };
        let seconds = Duration::from_secs;
        assert_eq!(session(20, None), Some((now.mono, seconds(17))), "the exchange took 3 s, which count once");
        assert_eq!(
            session(7220, Some(at(7200))),
            Some((sent.mono, seconds(20))),
            "the server's clock counts from the request"
        );
        assert_eq!(session(9000, None), Some((sent.mono, HOUR)), "as long as requested");
    }

    #[test]
    fn server_clock_decides_lifetime() {
        for local in [0, 7200, 3600 * 24 * 365] {
            assert_eq!(lifetime(3600, Some(0), local, 3600), Some((3600, true)));
        }
        assert_eq!(lifetime(3660, Some(0), 9999, 3600), Some((3660, true)), "within the slack");
    }

    #[test]
    fn longer_session_needs_both_clocks() {
        assert_eq!(lifetime(86_400, Some(0), 0, 3600), Some((86_400, true)));
        assert_eq!(lifetime(86_400, Some(0), 30, 3600), Some((86_400, true)), "they agree");
        assert_eq!(lifetime(86_430, Some(30), 0, 3600), Some((86_400, true)), "they agree");
        assert_eq!(lifetime(86_400, Some(0), 31, 3600), Some((3600, true)), "they disagree");
        assert_eq!(lifetime(86_431, Some(31), 0, 3600), Some((3600, true)), "they disagree");
        assert_eq!(lifetime(3661, Some(0), 9999, 3600), Some((3600, true)), "beyond the slack");
    }

    #[test]
    fn local_clock_stands_in_for_a_date() {
        assert_eq!(lifetime(3600, None, 1800, 3600), Some((1800, false)));
        assert_eq!(lifetime(3660, None, 0, 3600), Some((3660, false)), "within the slack");
        assert_eq!(lifetime(3661, None, 0, 3600), Some((3600, false)), "no longer than requested");
        assert_eq!(lifetime(10, None, 10, 3600), None, "ended");
    }

    #[test]
    fn reading_before_the_anchor_shows_no_drift() {
        assert_eq!(drift((100, 100, 100), (90, 90, 90)), Drift::None);
    }

    #[test]
    fn ended_credentials_stay_ended() {
        // The credentials ended a minute before the answer.
        for behind in [90, 1800, 3600, 7200] {
            assert_eq!(lifetime(7140, Some(7200), 7200 - behind, 3600), None, "local clock {behind} s behind");
        }
        assert_eq!(lifetime(10, Some(10), 10, 3600), None);
    }

    #[test]
    fn date_past_the_end_is_contradicted() {
        assert_eq!(lifetime(3600, Some(3600), 0, 3600), Some((3600, false)));
        assert_eq!(lifetime(3600, Some(3600), 30, 3600), Some((3570, false)), "nearly all of it remains");
        assert_eq!(lifetime(3600, Some(3600), 31, 3600), None, "some of it has passed");
    }

    #[test]
    fn session_starts_with_the_servers_second() {
        let ms = Duration::from_millis;
        let sent = ClockReading { wall: at(100) + ms(650), ..reading(10, 0, 50) };
        let since = |date| sent.mono.checked_duration_since(sent.session_start(&sent, date)).unwrap();
        assert_eq!(since(Some(at(100))), ms(650), "request and answer in one second");
        assert_eq!(since(Some(at(101))), ms(0), "answer in the next second");
        let early = ClockReading { wall: at(101) - ms(1), ..sent };
        assert_eq!(early.mono - early.session_start(&early, Some(at(100))), ms(999));
        assert_eq!(since(Some(at(99))), ms(0), "the clocks differ");
        let next = ClockReading { wall: at(101), ..sent };
        assert_eq!(next.session_start(&next, Some(at(100))), next.mono, "a whole second means that the clocks differ");
        assert_eq!(since(Some(at(7300))), ms(0), "the clocks differ by hours");
        assert_eq!(since(None), ms(0));
    }

    #[test]
    fn suspend_and_clock_step_differ() {
        let suspended = |seconds| Drift::Suspended(Duration::from_secs(seconds));
        assert_eq!(drift((0, 0, 50), (30, 30, 80)), Drift::None);
        assert_eq!(drift((0, 0, 50), (30, 35, 85)), Drift::None, "noise");
        assert_eq!(drift((0, 0, 50), (30, 36, 86)), suspended(6));
        assert_eq!(drift((0, 0, 50), (30, 630, 680)), suspended(600));
        assert_eq!(drift((0, 0, 50), (30, 36, 80)), Drift::Ahead, "the boot clock saw nothing: a clock step");
        assert_eq!(drift((0, 6, 50), (30, 30, 80)), Drift::Behind);
        assert_eq!(drift((0, 5, 50), (30, 30, 80)), Drift::None, "noise");
    }

    #[test]
    fn suspend_during_exchange_moves_its_start() {
        let sent = reading(30, 30, 80);
        let back = |wall, boot| {
            let now = ClockReading { mono: sent.mono + Duration::from_secs(5), ..reading(0, wall, boot) };
            sent.mono - now.mono_of(&sent)
        };
        assert_eq!(back(45, 95), Duration::from_secs(10));
        for (wall, boot) in [(35, 85), (45, 85), (25, 85)] {
            assert_eq!(back(wall, boot), Duration::ZERO, "no suspend");
        }
    }

    #[test]
    fn suspend_needs_both_clocks() {
        assert_eq!(drift((0, 0, 50), (30, 30, 680)), Drift::None, "the boot clock of another machine");
        let both = Drift::Suspended(Duration::from_secs(600));
        assert_eq!(drift((0, 0, 50), (30, 1630, 680)), both, "the wall clock was set as well");
        assert_eq!(drift((0, 0, 50), (30, 630, 9999)), both, "the boot clock jumped as well");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn boot_clock_can_be_read() {
        assert!(time_since_boot().unwrap() > Duration::ZERO);
    }
}
