//! How long to wait after a failure: the table of the policy, as pure functions.

use std::time::Duration;

use super::source::Class;

/// A failure, when the retry delay after it is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing {
    /// `Lagging` stands for a role that may be too new; `Unclear` has become `Transient` or `Config` here.
    pub(crate) class: Class,
    /// Failures in a row before this one.
    pub(crate) k: u32,
    /// Those of them that came last and were of this class.
    pub(crate) alike: u32,
    /// There never were credentials.
    pub(crate) new: bool,
    /// Time since the first failure in a row.
    pub(crate) lasted: Duration,
    /// The server's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// In `[0, 1)`.
    pub(crate) random: f64,
}

impl Failing {
    /// The retry delay, while the credentials are valid for `remaining`.
    pub(crate) fn wait(&self, remaining: Duration) -> Duration {
        let wait = self.row(remaining).draw(self.random).max(self.asked(remaining));
        // An attempt is made at the expiry, where the rows for nothing valid take over. `Blocked` waits for a change.
        if remaining.is_zero() || self.class == Class::Blocked { wait } else { wait.min(remaining) }
    }

    /// The earliest attempt that a caller with nothing valid may cause.
    pub(crate) fn wait_for_callers(&self, remaining: Duration) -> Duration {
        let row = match self.resolved() {
            // The callers get this failure's error in the meantime.
            Class::Config => Row::doubling(self.k, seconds(1), ERROR_STANDS),
            Class::Blocked => Row::even(PROBE_FOR_CALLERS),
            _ => return self.wait(remaining),
        };
        row.draw(self.random).max(self.asked(remaining))
    }

    /// The server's `Retry-After`, within reason, and some more so that those who were told the same do not come together.
    pub(crate) fn asked(&self, remaining: Duration) -> Duration {
        let most = if remaining.is_zero() { ASKED_WITH_NOTHING } else { LONGEST.min(remaining / 2) };
        self.retry_after.unwrap_or_default().min(most).mul_f64(beyond(self.random))
    }

    fn row(&self, remaining: Duration) -> Row {
        let within = |share: u32, least: u64| (remaining / share).clamp(seconds(least), LONGEST);
        match (self.resolved(), remaining.is_zero()) {
            (Class::Blocked, _) => Row::even(PROBE),
            (Class::Lagging, _) if self.alike < LAGGING_DOUBLINGS => Row::doubling(self.alike, seconds(1), LONGEST),
            (Class::Lagging, _) => Row::even(LAGGING),
            (Class::Throttled, false) => Row::doubling(self.k, seconds(5), within(4, 30)),
            (Class::Config, false) => Row::doubling(self.k, seconds(30), within(4, 15)),
            (_, false) => Row::doubling(self.k, seconds(2), within(8, 15)),
            // A roll-out: all pods at once. The fleet bench defends these: fewer calls in vain, or an earlier last pod, cost
            // the other.
            (Class::Throttled, true) if self.new => {
                Row { factor: 5, least: 0.2, ..Row::doubling(self.alike, seconds(20), seconds(240)) }
            }
            // Sessions of a fleet that ran end at their own times, and requests wait for it.
            (Class::Throttled, true) => Row { least: 0.2, ..Row::doubling(self.alike, seconds(4), seconds(60)) },
            (Class::Config, true) => Row::even(CONFIG),
            (_, true) => {
                let cap = if self.lasted < LONG_OUTAGE { seconds(10) } else { seconds(24) };
                Row { factor: 3, ..Row::doubling(self.k, Duration::from_millis(500), cap) }
            }
        }
    }

    /// A role that is still denied after minutes is not new.
    fn resolved(&self) -> Class {
        let denied = self.class == Class::Lagging && self.alike >= LAGGING_DOUBLINGS && self.lasted >= LAGGING_LASTS;
        if denied { Class::Config } else { self.class }
    }
}

/// `min(cap, step·factor^k)·U(least, 1)`.
struct Row {
    k: u32,
    step: Duration,
    factor: u32,
    cap: Duration,
    least: f64,
}

impl Row {
    fn doubling(k: u32, step: Duration, cap: Duration) -> Self {
        Self { k, step, factor: 2, cap, least: 0.5 }
    }

    fn even(delay: Duration) -> Self {
        Self::doubling(0, delay, delay)
    }

    fn draw(&self, random: f64) -> Duration {
        grown(self.step, self.factor, self.k, self.cap).mul_f64(between(self.least, 1.0, random))
    }
}

fn grown(step: Duration, factor: u32, times: u32, cap: Duration) -> Duration {
    step.saturating_mul(factor.saturating_pow(times)).min(cap)
}

/// `step`, twice that, four times that and so on.
pub(crate) fn doubled(step: Duration, times: u32, cap: Duration) -> Duration {
    grown(step, 2, times, cap)
}

pub(crate) fn between(low: f64, high: f64, random: f64) -> f64 {
    low + (high - low) * random
}

/// The jitter of a delay that must not be undercut: up to a quarter more.
pub(crate) fn beyond(random: f64) -> f64 {
    between(1.0, 1.25, random)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// No delay with valid credentials is longer, however long they still live.
const LONGEST: Duration = seconds(300);
const ASKED_WITH_NOTHING: Duration = seconds(60);
/// No caller gets an older error (P5).
const ERROR_STANDS: Duration = seconds(30);
/// A caller who finds an older error was given none.
const PROBE_FOR_CALLERS: Duration = seconds(30);
/// Although the source has seen no change: it may be blind.
const PROBE: Duration = seconds(60);
/// Somebody may mend the role while no request comes.
const CONFIG: Duration = seconds(300);
/// IAM is eventually consistent: 10 s to 30 s as a rule, minutes at times.
const LAGGING: Duration = seconds(30);
const LAGGING_LASTS: Duration = seconds(300);
/// 1 s, 2 s, 4 s, 8 s and 16 s.
const LAGGING_DOUBLINGS: u32 = 5;
/// A fleet without credentials makes fewer calls from then on.
const LONG_OUTAGE: Duration = seconds(300);

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Blocked, Config, Lagging, Throttled, Transient};

    /// As near to 1 as `[0, 1)` comes.
    const TOP: f64 = 0.999_999_999;

    fn failing(class: Class, k: u32) -> Failing {
        Failing { class, k, alike: k, new: true, lasted: Duration::ZERO, retry_after: None, random: 0.0 }
    }

    /// The least and the longest delay, in ms.
    fn range(failing: Failing, delay: impl Fn(&Failing) -> Duration) -> (u128, u128) {
        let at = |random| (delay(&Failing { random, ..failing }) + Duration::from_micros(500)).as_millis();
        (at(0.0), at(TOP))
    }

    #[test]
    fn each_row_has_its_numbers() {
        let rows = [
            // class, k, lasted, remaining (in s), delay (in ms)
            (Transient, 0, 0, 1000, (1000, 2000)),
            (Transient, 3, 0, 1000, (8000, 16_000)),
            (Transient, 20, 0, 1000, (62_500, 125_000)),
            (Transient, 20, 0, 60, (7500, 15_000)),
            (Transient, 99, 0, 40_000, (150_000, 300_000)),
            (Transient, 20, 0, 5, (5000, 5000)),
            (Throttled, 0, 0, 1000, (2500, 5000)),
            (Throttled, 1, 0, 1000, (5000, 10_000)),
            (Throttled, 20, 0, 1000, (125_000, 250_000)),
            (Throttled, 20, 0, 60, (15_000, 30_000)),
            (Throttled, 99, 0, 40_000, (150_000, 300_000)),
            (Config, 0, 0, 1000, (15_000, 30_000)),
            (Config, 1, 0, 1000, (30_000, 60_000)),
            (Config, 20, 0, 1000, (125_000, 250_000)),
            (Config, 0, 0, 40, (7500, 15_000)),
            (Config, 20, 0, 40_000, (150_000, 300_000)),
            (Blocked, 20, 0, 1000, (30_000, 60_000)),
            (Blocked, 0, 0, 10, (30_000, 60_000)),
            (Transient, 0, 0, 0, (250, 500)),
            (Transient, 1, 0, 0, (750, 1500)),
            (Transient, 2, 0, 0, (2250, 4500)),
            (Transient, 3, 299, 0, (5000, 10_000)),
            (Transient, 3, 300, 0, (6750, 13_500)),
            (Transient, 99, 300, 0, (12_000, 24_000)),
            (Throttled, 0, 0, 0, (4000, 20_000)),
            (Throttled, 1, 0, 0, (20_000, 100_000)),
            (Throttled, 2, 9999, 0, (48_000, 240_000)),
            (Config, 0, 0, 0, (150_000, 300_000)),
            (Blocked, 0, 0, 0, (30_000, 60_000)),
            (Lagging, 0, 0, 0, (500, 1000)),
            (Lagging, 4, 0, 0, (8000, 16_000)),
            (Lagging, 4, 9999, 0, (8000, 16_000)),
            (Lagging, 5, 299, 0, (15_000, 30_000)),
            (Lagging, 99, 299, 0, (15_000, 30_000)),
            (Lagging, 5, 300, 0, (150_000, 300_000)),
        ];
        for row @ (class, k, lasted, remaining, expected) in rows {
            let failing = Failing { lasted: seconds(lasted), ..failing(class, k) };
            assert_eq!(range(failing, |failing| failing.wait(seconds(remaining))), expected, "{row:?}");
        }
    }

    #[test]
    fn throttled_refresh_comes_sooner_than_throttled_start() {
        for (k, expected) in [(0, (800, 4000)), (1, (1600, 8000)), (3, (6400, 32_000)), (20, (12_000, 60_000))] {
            let ran = Failing { new: false, ..failing(Throttled, k) };
            assert_eq!(range(ran, |failing| failing.wait(Duration::ZERO)), expected, "{k}");
            assert_eq!(range(ran, |failing| failing.wait_for_callers(Duration::ZERO)), expected, "{k}");
        }
    }

    #[test]
    fn outage_does_not_lengthen_throttling() {
        let first = Failing { k: 20, ..failing(Throttled, 0) };
        assert_eq!(range(first, |failing| failing.wait(Duration::ZERO)), (4000, 20_000));
        assert_eq!(range(first, |failing| failing.wait(seconds(60))), (15_000, 30_000));
        let first = Failing { k: 20, ..failing(Lagging, 0) };
        assert_eq!(range(first, |failing| failing.wait(Duration::ZERO)), (500, 1000));
    }

    #[test]
    fn callers_bring_two_classes_forward() {
        let rows = [
            (Config, 0, (500, 1000)),
            (Config, 1, (1000, 2000)),
            (Config, 20, (15_000, 30_000)),
            (Lagging, 5, (15_000, 30_000)),
            (Blocked, 0, (15_000, 30_000)),
            (Blocked, 20, (15_000, 30_000)),
            (Transient, 2, (2250, 4500)),
            (Throttled, 0, (4000, 20_000)),
        ];
        for row @ (class, k, expected) in rows {
            assert_eq!(
                range(failing(class, k), |failing| failing.wait_for_callers(Duration::ZERO)),
                expected,
                "{row:?}"
            );
        }
    }

    #[test]
    fn retry_after_is_the_least_wait() {
        for class in [Transient, Throttled, Config, Blocked, Lagging] {
            let rows = [
                // remaining, asked (in s), delay (in ms)
                (0, 9999, (60_000, 75_000)),
                (0, 59, (59_000, 73_750)),
                (40_000, 9999, (300_000, 375_000)),
                (500, 9999, (250_000, 312_500)),
                (500, 240, (240_000, 300_000)),
            ];
            for row @ (remaining, asked, expected) in rows {
                let failing = Failing { retry_after: Some(seconds(asked)), ..failing(class, 0) };
                assert_eq!(range(failing, |failing| failing.asked(seconds(remaining))), expected, "{row:?}");
                let (least, longest) = expected;
                let (earliest, latest) = range(failing, |failing| failing.wait(seconds(remaining)));
                assert!(earliest >= least && latest >= longest, "{class:?} {row:?}: {earliest} to {latest}");
                let (earliest, _) = range(failing, |failing| failing.wait_for_callers(seconds(remaining)));
                assert!(earliest >= least, "{class:?} {row:?}: {earliest} for callers");
            }
        }
    }
}
