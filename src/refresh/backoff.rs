//! How long to wait after a failure: the table of the policy, as pure functions.

use std::time::Duration;

use super::source::Class;

/// A failure, when the wait after it is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing {
    /// `Lagging` and `Unclear` have become `Transient` or `Config` here.
    pub(crate) class: Class,
    /// Failures in a row before this one.
    pub(crate) k: u32,
    /// What the server asked for.
    pub(crate) retry_after: Option<Duration>,
    /// In `[0, 1)`.
    pub(crate) random: f64,
}

impl Failing {
    /// While there are credentials that are valid for `remaining`.
    pub(crate) fn wait_with_usable(&self, remaining: Duration) -> Duration {
        let within = |share: u32, least: Duration| (remaining / share).clamp(least, LONGEST);
        let drawn = |step, cap| doubled(step, self.k, cap).mul_f64(between(0.5, 1.0, self.random));
        let wait = match self.class {
            Class::Throttled => {
                let asked = self.retry_after.unwrap_or_default().min(LONGEST).min(remaining / 2);
                drawn(Duration::from_secs(5), within(4, Duration::from_secs(30))).max(asked)
            }
            Class::Config => drawn(Duration::from_secs(30), within(4, Duration::from_secs(15))),
            Class::Blocked => return PROBE,
            _ => drawn(Duration::from_secs(2), within(8, Duration::from_secs(15))),
        };
        // At the expiry the rows for nothing usable take over.
        wait.min(remaining)
    }

    /// While nothing is usable. `callers`: somebody waits.
    pub(crate) fn wait_with_nothing(&self, callers: bool) -> Duration {
        match self.class {
            Class::Throttled => {
                let cap = if callers { THROTTLED_CAP } else { THROTTLED_CAP_ALONE };
                let wait = doubled(Duration::from_secs(1), self.k, cap).mul_f64(self.random);
                wait.max(self.asked().min(cap))
            }
            Class::Config => CONFIG_ALONE,
            Class::Blocked => PROBE,
            _ => {
                let cap = if callers { TRANSIENT_CAP } else { TRANSIENT_CAP_ALONE };
                doubled(Duration::from_millis(100), self.k, cap).mul_f64(self.random)
            }
        }
    }

    /// Below which a caller who comes later does not shorten a wait that was drawn with nobody waiting.
    pub(crate) fn least_wait(&self) -> Duration {
        self.asked().min(THROTTLED_CAP)
    }

    /// How long a `Config` error is given to all who come, without another attempt.
    pub(crate) fn error_stands(&self) -> Duration {
        doubled(Duration::from_secs(1), self.k, ERROR_STANDS).mul_f64(between(0.5, 1.0, self.random))
    }

    fn asked(&self) -> Duration {
        self.retry_after.filter(|_| self.class == Class::Throttled).unwrap_or_default()
    }
}

/// The longest wait with nothing usable while somebody waits.
pub(crate) fn cap_with_callers(throttled: bool) -> Duration {
    if throttled { THROTTLED_CAP } else { TRANSIENT_CAP }
}

/// `step`, twice that, four times that and so on.
pub(crate) fn doubled(step: Duration, times: u32, cap: Duration) -> Duration {
    step.saturating_mul(1 << times.min(24)).min(cap)
}

pub(crate) fn between(low: f64, high: f64, random: f64) -> f64 {
    low + (high - low) * random
}

/// Whoever waits by then was given no error, since it is too old (P5).
pub(crate) const PROBE_FOR_CALLERS: Duration = Duration::from_secs(30);
/// Although the source has seen no change: it may be blind.
const PROBE: Duration = Duration::from_secs(60);
/// No wait with usable credentials is longer, however long they still live.
const LONGEST: Duration = Duration::from_secs(300);
const TRANSIENT_CAP: Duration = Duration::from_secs(10);
/// Where nobody waits, an outage of STS is not made worse.
const TRANSIENT_CAP_ALONE: Duration = Duration::from_secs(30);
const THROTTLED_CAP: Duration = Duration::from_secs(20);
const THROTTLED_CAP_ALONE: Duration = Duration::from_secs(120);
/// Somebody may mend the role while no request comes.
const CONFIG_ALONE: Duration = Duration::from_secs(300);
/// No caller gets an older error (P5).
const ERROR_STANDS: Duration = Duration::from_secs(30);
