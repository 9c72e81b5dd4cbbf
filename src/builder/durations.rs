//! The durations that the builders take, with their bounds and defaults.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::invalid_value::invalid_value;
use crate::error::BuildError;

/// A duration that a builder takes: its method, its bounds and its default.
pub(super) struct DurationSetting {
    method: &'static str,
    bounds: RangeInclusive<Duration>,
    pub(super) default: Duration,
    about: &'static str,
}

impl DurationSetting {
    const fn new(method: &'static str, millis: (u64, u64), default_secs: u64, about: &'static str) -> Self {
        let bounds = RangeInclusive::new(Duration::from_millis(millis.0), Duration::from_millis(millis.1));
        Self { method, bounds, default: Duration::from_secs(default_secs), about }
    }

    pub(super) fn parse(&self, builder: &str, given: Option<Duration>) -> Result<Duration, BuildError> {
        let value = given.unwrap_or(self.default);
        if self.bounds.contains(&value) {
            return Ok(value);
        }
        let remedy = format_args!("give {:?} to {:?}; {}", self.bounds.start(), self.bounds.end(), self.about);
        Err(invalid_value(format!("{builder}::{}", self.method), format_args!("{value:?}"), remedy))
    }
}

/// No TLS handshake ends within less than 10 ms. With more than 60 s too few attempts fit between the refresh and the
/// end of a session of 15 minutes.
const ATTEMPT_MILLIS: (u64, u64) = (10, 60_000);
pub(super) const ATTEMPT_TIMEOUT: DurationSetting =
    DurationSetting::new("attempt_timeout", ATTEMPT_MILLIS, 8, "this limits one exchange with STS, 8s by default");
pub(super) const CONNECT_TIMEOUT: DurationSetting =
    DurationSetting::new("connect_timeout", ATTEMPT_MILLIS, 2, "this limits one connection to STS, 2s by default");
/// Longer than an exchange, because some providers make several attempts of their own.
pub(super) const CALL_TIMEOUT: DurationSetting =
    DurationSetting::new("attempt_timeout", ATTEMPT_MILLIS, 20, "this limits one call of the provider, 20s by default");
/// No session is longer than 12 h.
pub(super) const WAIT_TIMEOUT: DurationSetting =
    DurationSetting::new("wait_timeout", (1, 43_200_000), 30, "30s by default; ready() waits without limit");
/// More polling costs the disk too much. Less polling finds a token with a lifetime of ten minutes too late.
pub(super) const TOKEN_POLL_INTERVAL: DurationSetting =
    DurationSetting::new("token_poll_interval", (1_000, 300_000), 30, "30s by default; a poll costs microseconds");

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T>(result: Result<T, BuildError>) -> Result<T, String> {
        result.map_err(|error| error.to_string())
    }

    fn of(setting: &DurationSetting, value: Duration) -> Result<Duration, String> {
        text(setting.parse("Builder", Some(value)))
    }

    #[test]
    fn errors_name_the_bounds_of_durations() {
        assert_eq!(
            of(&ATTEMPT_TIMEOUT, Duration::ZERO),
            Err("Builder::attempt_timeout is 0ns: give 10ms to 60s; this limits one exchange with STS, 8s by default"
                .to_owned())
        );
        assert_eq!(
            of(&CONNECT_TIMEOUT, Duration::from_secs(61)),
            Err("Builder::connect_timeout is 61s: give 10ms to 60s; this limits one connection to STS, 2s by default"
                .to_owned())
        );
        for time in [Duration::from_millis(10), Duration::from_secs(60)] {
            assert!(of(&CONNECT_TIMEOUT, time).is_ok());
        }
        assert_eq!(
            of(&WAIT_TIMEOUT, Duration::MAX),
            Err("Builder::wait_timeout is 18446744073709551615.999999999s: give 1ms to 43200s; 30s by default; ready() \
                 waits without limit"
                .to_owned())
        );
        assert_eq!(
            of(&TOKEN_POLL_INTERVAL, Duration::from_millis(999)),
            Err("Builder::token_poll_interval is 999ms: give 1s to 300s; 30s by default; a poll costs microseconds"
                .to_owned())
        );
        assert!(of(&ATTEMPT_TIMEOUT, Duration::from_secs(61)).is_err());
        assert!(of(&WAIT_TIMEOUT, Duration::ZERO).is_err());
        assert!(of(&TOKEN_POLL_INTERVAL, Duration::from_secs(301)).is_err());
        for seconds in [1, 30, 60] {
            let time = Duration::from_secs(seconds);
            assert!(
                [ATTEMPT_TIMEOUT, WAIT_TIMEOUT, TOKEN_POLL_INTERVAL].iter().all(|setting| of(setting, time).is_ok())
            );
        }
    }
}
