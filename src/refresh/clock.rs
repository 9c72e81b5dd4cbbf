//! Wall and monotonic time together. The only file that asks the system what time it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use tokio::time::Instant;

/// Differences up to this are the ordinary noise of two clocks.
const TOLERANCE: Duration = Duration::from_secs(5);

/// What a `Date` header cannot tell apart.
const SECOND: Duration = Duration::from_secs(1);

/// How much longer than asked a session may last before the answer is not believed.
const LIFETIME_SLACK: Duration = Duration::from_secs(60);

/// How much of a session the local clock may find gone when its answer arrives.
const AGREEMENT: Duration = Duration::from_secs(30);

/// Three clocks: the wall's, which anybody may set; the monotonic one, which stands still in a suspend; the boot clock,
/// which does not.
#[derive(Clone)]
pub(crate) struct Clock {
    monotonic: Monotonic,
    wall: SharedTimeSource,
    boot: Arc<dyn Fn() -> Option<Duration> + Send + Sync>,
}

/// Which monotonic clock counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Monotonic {
    /// The system's. A caller in a runtime whose time is paused, as tests have it, sees real credentials age in real time.
    System,
    /// Tokio's, which a runtime may have paused: for work that runs in that runtime.
    Tokio,
}

impl Clock {
    pub(crate) fn new(monotonic: Monotonic, wall: SharedTimeSource) -> Self {
        Self { monotonic, wall, boot: Arc::new(time_since_boot) }
    }

    #[cfg(test)]
    pub(crate) fn with_boot_clock(
        wall: SharedTimeSource,
        boot: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        Self { monotonic: Monotonic::Tokio, wall, boot: Arc::new(boot) }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self.monotonic {
            Monotonic::System => Instant::from_std(std::time::Instant::now()),
            Monotonic::Tokio => Instant::now(),
        }
    }

    pub(crate) fn read(&self) -> Reading {
        // The time source is somebody else's code. If it panics, the system's clock stands in.
        let wall = catch_unwind(AssertUnwindSafe(|| self.wall.now())).unwrap_or_else(|_| SystemTime::now());
        Reading { mono: self.now(), wall, boot: (self.boot)() }
    }
}

/// What the clocks showed at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) mono: Instant,
    pub(crate) wall: SystemTime,
    boot: Option<Duration>,
}

impl Reading {
    /// What the wall clock will show at `then`, if nobody sets it.
    pub(crate) fn wall_at(&self, then: Instant) -> SystemTime {
        let shown = match then.checked_duration_since(self.mono) {
            Some(ahead) => self.wall.checked_add(ahead),
            None => self.wall.checked_sub(self.mono - then),
        };
        shown.unwrap_or(self.wall)
    }

    /// When `then` was, on the monotonic clock of now: what the machine slept since counts as passed.
    pub(crate) fn mono_of(&self, then: &Self) -> Instant {
        match self.since(then) {
            Drift::Suspended(by) => then.mono.checked_sub(by).unwrap_or(then.mono),
            _ => then.mono,
        }
    }

    /// Since when credentials live that were asked for at `sent`, on the monotonic clock of now.
    ///
    /// A `date` shows the beginning of its second, and services count from there. Where the local clock was in that second
    /// already when the request was sent, life began earlier by as much; a clock that shows another second says nothing.
    fn alive_since(&self, sent: &Self, date: Option<SystemTime>) -> Instant {
        let into = date.and_then(|date| sent.wall.duration_since(date).ok()).filter(|into| *into < SECOND);
        let asked = self.mono_of(sent);
        asked.checked_sub(into.unwrap_or_default()).unwrap_or(asked)
    }

    /// Since when, and for how long, credentials live that were asked for at `sent`, came now, and end at `expiration` on the
    /// server's clock, which showed `date` when it answered.
    ///
    /// Without a usable `date` the local clock stands in, and tells what is left now. Where `date` is past the end, either it
    /// is wrong or the credentials have ended: only a local clock that finds all of the session still to come contradicts it.
    /// `None`: neither makes sense of the answer.
    pub(crate) fn life(
        &self,
        sent: &Self,
        expiration: SystemTime,
        date: Option<SystemTime>,
        requested: Duration,
    ) -> Option<(Instant, Duration)> {
        let left_at = |now| expiration.duration_since(now).unwrap_or_default();
        let credible = |left: &Duration| !left.is_zero() && *left <= requested.saturating_add(LIFETIME_SLACK);
        let by_date = date.map(left_at);
        if let Some(left) = by_date.filter(credible) {
            return Some((self.alive_since(sent, date), left));
        }
        let least = by_date.filter(Duration::is_zero).map_or(Duration::ZERO, |_| requested.saturating_sub(AGREEMENT));
        let left = Some(left_at(self.wall)).filter(credible).filter(|left| *left >= least)?;
        Some((self.mono, left))
    }

    /// What happened to the clocks between `anchor` and now.
    pub(crate) fn since(&self, anchor: &Self) -> Drift {
        let mono = self.mono.saturating_duration_since(anchor.mono);
        let suspended = match (self.boot, anchor.boot) {
            (Some(now), Some(then)) => now.saturating_sub(then).saturating_sub(mono),
            _ => Duration::ZERO,
        };
        if suspended > TOLERANCE {
            return Drift::Suspended(suspended);
        }
        let expected = anchor.wall.checked_add(mono).unwrap_or(anchor.wall);
        match self.wall.duration_since(expected) {
            Ok(ahead) if ahead > TOLERANCE => Drift::Ahead,
            Err(behind) if behind.duration() > TOLERANCE => Drift::Behind,
            _ => Drift::None,
        }
    }
}

/// How the clocks moved against each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Drift {
    None,
    /// The wall clock was set ahead.
    Ahead,
    /// The wall clock was set back.
    Behind,
    /// The machine slept for this long, and the monotonic clock with it.
    Suspended(Duration),
}

/// Time since boot, suspends included.
#[cfg(target_os = "linux")]
fn time_since_boot() -> Option<Duration> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(not(target_os = "linux"))]
fn time_since_boot() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn reading(mono: u64, wall: u64, boot: u64) -> Reading {
        let origin = Instant::now();
        Reading { mono: origin + Duration::from_secs(mono), wall: at(wall), boot: Some(Duration::from_secs(boot)) }
    }

    fn drift(anchor: (u64, u64, u64), now: (u64, u64, u64)) -> Drift {
        let origin = reading(0, 0, 0).mono;
        let make =
            |(mono, wall, boot)| Reading { mono: origin + Duration::from_secs(mono), ..reading(mono, wall, boot) };
        make(now).since(&make(anchor))
    }

    fn lifetime(
        expiration: SystemTime,
        date: Option<SystemTime>,
        local: SystemTime,
        requested: Duration,
    ) -> Option<Duration> {
        let now = Reading { wall: local, ..reading(10, 0, 50) };
        now.life(&now, expiration, date, requested).map(|(_, left)| left)
    }

    #[test]
    fn p7_what_the_local_clock_tells_is_left_is_left_when_the_answer_comes() {
        let origin = Instant::now();
        let at_mono = |seconds| Reading { mono: origin + Duration::from_secs(seconds), ..reading(0, seconds, seconds) };
        let (sent, now) = (at_mono(0), at_mono(3));
        let life = now.life(&sent, at(20), None, HOUR);
        assert_eq!(life, Some((now.mono, Duration::from_secs(17))), "not the 3 s of the exchange twice");
        let life = now.life(&sent, at(7220), Some(at(7200)), HOUR);
        assert_eq!(life, Some((sent.mono, Duration::from_secs(20))), "a server's clock may be that of the question");
    }

    #[test]
    fn p7_lifetime_comes_from_the_servers_clock_whatever_the_local_one_says() {
        for local in [at(0), at(7200), at(3600 * 24 * 365)] {
            assert_eq!(lifetime(at(3600), Some(at(0)), local, HOUR), Some(HOUR));
        }
    }

    #[test]
    fn p7_a_date_that_makes_no_sense_yields_to_the_local_clock() {
        let half = Duration::from_secs(1800);
        assert_eq!(lifetime(at(3600), None, at(1800), HOUR), Some(half), "no date");
        assert_eq!(lifetime(at(3600), Some(at(3600)), at(0), HOUR), Some(HOUR), "nothing left");
        assert_eq!(lifetime(at(36_000), Some(at(0)), at(34_200), HOUR), Some(half), "far longer than asked");
        assert_eq!(lifetime(at(3660), Some(at(0)), at(0), HOUR), Some(Duration::from_secs(3660)), "within the slack");
    }

    #[test]
    fn p7_credentials_that_had_ended_do_not_come_to_life_by_a_local_clock_that_is_behind() {
        // They ended a minute before the answer; the local clock is behind by this.
        for behind in [90, 1800, 3600] {
            assert_eq!(lifetime(at(7140), Some(at(7200)), at(7200 - behind), HOUR), None, "{behind} s");
        }
    }

    #[test]
    fn p7_an_answer_that_neither_clock_understands_has_no_lifetime() {
        assert_eq!(lifetime(at(0), Some(at(10)), at(10), HOUR), None);
        assert_eq!(lifetime(at(90_000), None, at(0), HOUR), None);
    }

    #[test]
    fn p7_credentials_do_not_outlive_the_whole_seconds_that_the_server_counts_in() {
        let ms = Duration::from_millis;
        let sent = Reading { wall: at(100) + ms(650), ..reading(10, 0, 50) };
        let since = |date| sent.mono.checked_duration_since(sent.alive_since(&sent, date)).unwrap();
        assert_eq!(since(Some(at(100))), ms(650), "the answer came in the second in which it was asked for");
        assert_eq!(since(Some(at(101))), ms(0), "in the next one");
        assert_eq!(since(Some(at(99))), ms(0), "another clock");
        assert_eq!(since(Some(at(7300))), ms(0), "a far other clock");
        assert_eq!(since(None), ms(0));
    }

    #[test]
    fn p7_suspend_and_clock_step_are_told_apart() {
        assert_eq!(drift((0, 0, 50), (30, 30, 80)), Drift::None);
        assert_eq!(drift((0, 0, 50), (30, 34, 80)), Drift::None, "noise");
        assert_eq!(drift((0, 0, 50), (30, 630, 680)), Drift::Suspended(Duration::from_secs(600)));
        assert_eq!(drift((0, 0, 50), (30, 630, 80)), Drift::Ahead, "the boot clock stayed: a step");
        assert_eq!(drift((0, 7200, 50), (30, 30, 80)), Drift::Behind);
        assert_eq!(
            drift((0, 0, 50), (30, 30, 680)),
            Drift::Suspended(Duration::from_secs(600)),
            "slept, though the wall clock forgot"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_boot_clock_can_be_read() {
        assert!(time_since_boot().unwrap() > Duration::ZERO);
    }
}
