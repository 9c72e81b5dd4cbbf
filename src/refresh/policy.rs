//! The choices that a user has: when to refresh, how long callers wait, and what they get after the expiry.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::source::Class;

/// The choices of one provider's builder.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Start of a refresh, as fractions of the lifetime.
    pub(crate) refresh_window: RangeInclusive<f64>,
    /// Longest wait of a caller without valid credentials.
    pub(crate) wait_timeout: Duration,
    pub(crate) expired: ExpiredPolicy,
}

/// The answer to a caller after the credentials have expired because no refresh succeeded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExpiredPolicy {
    /// The caller waits for the attempt under way and gets its error, which names the cause.
    #[default]
    Never,
    /// The caller gets the expired credentials at once, for up to min(lifetime, 1 h) after the expiry. This ends sooner if a
    /// service rejects them, or if a failure is neither an outage nor throttling.
    ///
    /// Use this only with the [interceptor](crate::BackgroundCredentialsProvider::interceptor): without it the provider
    /// hears of no rejection. With rare exceptions, services reject expired credentials.
    UntilRejected,
}

impl ExpiredPolicy {
    /// Time after the expiry in which callers get the credentials. `failing` is the class of the last attempt's failure.
    pub(super) fn grace(self, lifetime: Duration, failing: Option<Class>, rejected: bool) -> Duration {
        match (self, failing) {
            (Self::UntilRejected, Some(Class::Outage | Class::Throttled)) if !rejected => lifetime.min(LONGEST_GRACE),
            _ => Duration::ZERO,
        }
    }
}

const LONGEST_GRACE: Duration = Duration::from_secs(3600);
