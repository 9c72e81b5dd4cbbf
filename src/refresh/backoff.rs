//! The retry delay after a failed attempt: the table "Retry delays" of `docs::policy`, as pure functions.

use std::time::Duration;

use super::source::Class;

/// A failed attempt, with all that its retry delay depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedAttempt {
    /// `NotYetKnown` only before the first success. Never `Unclear`.
    pub(super) class: Class,
    /// Failures in a row before this one.
    pub(super) before: u32,
    /// Failures of this class in a row before this one.
    pub(super) alike: u32,
    /// No exchange has ever succeeded.
    pub(super) new: bool,
    /// Time since the first failure in a row.
    pub(super) lasted: Duration,
    /// The server's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// In `[0, 1)`.
    pub(super) random: f64,
}

impl FailedAttempt {
    /// The retry delay while the credentials are valid for `remaining`.
    pub(super) fn retry_delay(&self, remaining: Duration) -> Duration {
        let delay = self.row(remaining).draw(self.random).max(self.server_delay(remaining));
        // An attempt is due at the expiry at the latest. Only `BadInput` still waits then, because it waits for a change.
        if remaining.is_zero() || self.class == Class::BadInput { delay } else { delay.min(remaining) }
    }

    /// The retry delay while a caller without valid credentials waits.
    pub(super) fn retry_delay_for_callers(&self, remaining: Duration) -> Duration {
        let row = match self.class() {
            // Until then, callers get the error of this failure.
            Class::Misconfigured => Row::doubling(self.before, seconds(1), DENIAL_STANDS),
            Class::BadInput => Row::even(PROBE_FOR_CALLERS),
            _ => return self.retry_delay(remaining),
        };
        row.draw(self.random).max(self.server_delay(remaining))
    }

    /// The server's `Retry-After`, up to a limit. Jitter keeps pods apart that got the same answer.
    pub(super) fn server_delay(&self, remaining: Duration) -> Duration {
        let most = if remaining.is_zero() { LONGEST_WITH_NOTHING_VALID } else { LONGEST.min(remaining / 2) };
        self.retry_after.unwrap_or_default().min(most).mul_f64(beyond(self.random))
    }

    fn row(&self, remaining: Duration) -> Row {
        let within = |share: u32, least: u64| (remaining / share).clamp(seconds(least), LONGEST);
        match (self.class(), remaining.is_zero()) {
            (Class::BadInput, _) => Row::even(PROBE),
            (Class::NotYetKnown, _) if self.alike < NEW_ROLE_DOUBLINGS => {
                Row::doubling(self.alike, seconds(1), LONGEST)
            }
            (Class::NotYetKnown, _) => Row::even(NEW_ROLE),
            (Class::Throttled, false) => Row::doubling(self.before, seconds(5), within(4, 30)),
            (Class::Misconfigured, false) => Row::doubling(self.before, seconds(30), within(4, 15)),
            (_, false) => Row::doubling(self.before, seconds(2), within(8, 15)),
            // A roll-out starts all pods at once. The fleet bench found these numbers. With other numbers STS throttles more
            // calls, or the last pod gets its credentials later.
            (Class::Throttled, true) if self.new => {
                Row { factor: 5, least: 0.2, ..Row::doubling(self.alike, seconds(20), seconds(240)) }
            }
            // The sessions of a running fleet end at different times, and requests wait for this attempt.
            (Class::Throttled, true) => Row { least: 0.2, ..Row::doubling(self.alike, seconds(4), seconds(60)) },
            (Class::Misconfigured, true) => Row::even(MISCONFIGURED),
            (_, true) => {
                let cap = if self.lasted < LONG_OUTAGE { seconds(10) } else { seconds(24) };
                Row { factor: 3, ..Row::doubling(self.before, Duration::from_millis(500), cap) }
            }
        }
    }

    /// A role that is still unknown after minutes is not new: it counts as misconfigured.
    fn class(&self) -> Class {
        let denied =
            self.class == Class::NotYetKnown && self.alike >= NEW_ROLE_DOUBLINGS && self.lasted >= NEW_ROLE_LASTS;
        if denied { Class::Misconfigured } else { self.class }
    }
}

/// `min(cap, step·factor^times)·U(least, 1)`.
struct Row {
    times: u32,
    step: Duration,
    factor: u32,
    cap: Duration,
    least: f64,
}

impl Row {
    fn doubling(times: u32, step: Duration, cap: Duration) -> Self {
        Self { times, step, factor: 2, cap, least: 0.5 }
    }

    fn even(delay: Duration) -> Self {
        Self::doubling(0, delay, delay)
    }

    fn draw(&self, random: f64) -> Duration {
        let grown = self.step.saturating_mul(self.factor.saturating_pow(self.times)).min(self.cap);
        grown.mul_f64(between(self.least, 1.0, random))
    }
}

/// `step`, twice that, four times that and so on.
pub(super) fn doubled(step: Duration, times: u32, cap: Duration) -> Duration {
    step.saturating_mul(2_u32.saturating_pow(times)).min(cap)
}

pub(super) fn between(low: f64, high: f64, random: f64) -> f64 {
    low + (high - low) * random
}

/// The jitter of a delay that is a minimum: up to a quarter more.
pub(super) fn beyond(random: f64) -> f64 {
    between(1.0, 1.25, random)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Longest retry delay with valid credentials, whatever their lifetime.
const LONGEST: Duration = seconds(300);
/// Longest `Retry-After` with nothing valid.
const LONGEST_WITH_NOTHING_VALID: Duration = seconds(60);
/// Longest time between two attempts for callers whose role is denied.
const DENIAL_STANDS: Duration = seconds(30);
/// Time between two attempts for callers during a token problem.
const PROBE_FOR_CALLERS: Duration = seconds(30);
/// Time between two attempts without callers: the source may have missed a change.
const PROBE: Duration = seconds(60);
/// Time between two attempts without callers: somebody may mend the role while no request comes.
const MISCONFIGURED: Duration = seconds(300);
/// IAM is eventually consistent. A new role is usually known in 10 s to 30 s, sometimes in minutes.
const NEW_ROLE: Duration = seconds(30);
const NEW_ROLE_LASTS: Duration = seconds(300);
/// The retry delays of a new role are 1 s, 2 s, 4 s, 8 s and 16 s, before they are even.
const NEW_ROLE_DOUBLINGS: u32 = 5;
/// A fleet without credentials makes fewer calls after this.
const LONG_OUTAGE: Duration = seconds(300);

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{BadInput, Misconfigured, NotYetKnown, Outage, Throttled};

    /// The largest number in `[0, 1)`, nearly.
    const TOP: f64 = 0.999_999_999;

    fn failed(class: Class, before: u32) -> FailedAttempt {
        FailedAttempt {
            class,
            before,
            alike: before,
            new: true,
            lasted: Duration::ZERO,
            retry_after: None,
            random: 0.0,
        }
    }

    /// The shortest and the longest delay, in milliseconds.
    fn range(attempt: FailedAttempt, delay: impl Fn(&FailedAttempt) -> Duration) -> (u128, u128) {
        let at = |random| (delay(&FailedAttempt { random, ..attempt }) + Duration::from_micros(500)).as_millis();
        (at(0.0), at(TOP))
    }

    #[test]
    fn p5_each_row_has_its_numbers() {
        let rows = [
            // class, before, lasted, remaining (in s), delay (in ms)
            (Outage, 0, 0, 1000, (1000, 2000)),
            (Outage, 3, 0, 1000, (8000, 16_000)),
            (Outage, 20, 0, 1000, (62_500, 125_000)),
            (Outage, 20, 0, 60, (7500, 15_000)),
            (Outage, 99, 0, 40_000, (150_000, 300_000)),
            (Outage, 20, 0, 5, (5000, 5000)),
            (Throttled, 0, 0, 1000, (2500, 5000)),
            (Throttled, 1, 0, 1000, (5000, 10_000)),
            (Throttled, 20, 0, 1000, (125_000, 250_000)),
            (Throttled, 20, 0, 60, (15_000, 30_000)),
            (Throttled, 99, 0, 40_000, (150_000, 300_000)),
            (Misconfigured, 0, 0, 1000, (15_000, 30_000)),
            (Misconfigured, 1, 0, 1000, (30_000, 60_000)),
            (Misconfigured, 20, 0, 1000, (125_000, 250_000)),
            (Misconfigured, 0, 0, 40, (7500, 15_000)),
            (Misconfigured, 20, 0, 40_000, (150_000, 300_000)),
            (BadInput, 20, 0, 1000, (30_000, 60_000)),
            (BadInput, 0, 0, 10, (30_000, 60_000)),
            (Outage, 0, 0, 0, (250, 500)),
            (Outage, 1, 0, 0, (750, 1500)),
            (Outage, 2, 0, 0, (2250, 4500)),
            (Outage, 3, 299, 0, (5000, 10_000)),
            (Outage, 3, 300, 0, (6750, 13_500)),
            (Outage, 99, 300, 0, (12_000, 24_000)),
            (Throttled, 0, 0, 0, (4000, 20_000)),
            (Throttled, 1, 0, 0, (20_000, 100_000)),
            (Throttled, 2, 9999, 0, (48_000, 240_000)),
            (Misconfigured, 0, 0, 0, (150_000, 300_000)),
            (BadInput, 0, 0, 0, (30_000, 60_000)),
            (NotYetKnown, 0, 0, 0, (500, 1000)),
            (NotYetKnown, 4, 0, 0, (8000, 16_000)),
            (NotYetKnown, 4, 9999, 0, (8000, 16_000)),
            (NotYetKnown, 5, 299, 0, (15_000, 30_000)),
            (NotYetKnown, 99, 299, 0, (15_000, 30_000)),
            (NotYetKnown, 5, 300, 0, (150_000, 300_000)),
        ];
        for row @ (class, before, lasted, remaining, expected) in rows {
            let attempt = FailedAttempt { lasted: seconds(lasted), ..failed(class, before) };
            assert_eq!(range(attempt, |attempt| attempt.retry_delay(seconds(remaining))), expected, "{row:?}");
        }
    }

    #[test]
    fn throttled_refresh_comes_sooner_than_throttled_start() {
        for (before, expected) in [(0, (800, 4000)), (1, (1600, 8000)), (3, (6400, 32_000)), (20, (12_000, 60_000))] {
            let ran = FailedAttempt { new: false, ..failed(Throttled, before) };
            assert_eq!(range(ran, |attempt| attempt.retry_delay(Duration::ZERO)), expected, "{before}");
            assert_eq!(range(ran, |attempt| attempt.retry_delay_for_callers(Duration::ZERO)), expected, "{before}");
        }
    }

    #[test]
    fn outage_does_not_lengthen_throttling() {
        let first = FailedAttempt { before: 20, ..failed(Throttled, 0) };
        assert_eq!(range(first, |attempt| attempt.retry_delay(Duration::ZERO)), (4000, 20_000));
        assert_eq!(range(first, |attempt| attempt.retry_delay(seconds(60))), (15_000, 30_000));
        let first = FailedAttempt { before: 20, ..failed(NotYetKnown, 0) };
        assert_eq!(range(first, |attempt| attempt.retry_delay(Duration::ZERO)), (500, 1000));
    }

    #[test]
    fn callers_bring_two_classes_forward() {
        let rows = [
            (Misconfigured, 0, (500, 1000)),
            (Misconfigured, 1, (1000, 2000)),
            (Misconfigured, 20, (15_000, 30_000)),
            (NotYetKnown, 5, (15_000, 30_000)),
            (BadInput, 0, (15_000, 30_000)),
            (BadInput, 20, (15_000, 30_000)),
            (Outage, 2, (2250, 4500)),
            (Throttled, 0, (4000, 20_000)),
        ];
        for row @ (class, before, expected) in rows {
            assert_eq!(
                range(failed(class, before), |attempt| attempt.retry_delay_for_callers(Duration::ZERO)),
                expected,
                "{row:?}"
            );
        }
    }

    #[test]
    fn retry_after_is_the_shortest_delay() {
        for class in [Outage, Throttled, Misconfigured, BadInput, NotYetKnown] {
            let rows = [
                // remaining, asked (in s), delay (in ms)
                (0, 9999, (60_000, 75_000)),
                (0, 59, (59_000, 73_750)),
                (40_000, 9999, (300_000, 375_000)),
                (500, 9999, (250_000, 312_500)),
                (500, 240, (240_000, 300_000)),
            ];
            for row @ (remaining, asked, expected) in rows {
                let attempt = FailedAttempt { retry_after: Some(seconds(asked)), ..failed(class, 0) };
                assert_eq!(range(attempt, |attempt| attempt.server_delay(seconds(remaining))), expected, "{row:?}");
                let (least, longest) = expected;
                let (earliest, latest) = range(attempt, |attempt| attempt.retry_delay(seconds(remaining)));
                assert!(earliest >= least && latest >= longest, "{class:?} {row:?}: {earliest} to {latest}");
                let (earliest, _) = range(attempt, |attempt| attempt.retry_delay_for_callers(seconds(remaining)));
                assert!(earliest >= least, "{class:?} {row:?}: {earliest} for callers");
            }
        }
    }
}
