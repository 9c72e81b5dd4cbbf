//! The engine: fresh credentials from any source, read by anyone without waiting.

pub(crate) mod source;

use std::ops::RangeInclusive;
use std::time::Duration;

/// What callers get when the credentials have expired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExpiredPolicy {
    /// They wait.
    #[default]
    Never,
    /// The expired ones, until a service rejects them.
    UntilRejected,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) refresh_window: RangeInclusive<f64>,
    pub(crate) wait_timeout: Duration,
    pub(crate) expired: ExpiredPolicy,
}
