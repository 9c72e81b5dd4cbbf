//! How the engine behaves where its user has a choice.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How the engine behaves, as the builder set it.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Where in a lifetime the refresh starts, as fractions.
    pub(crate) refresh_window: RangeInclusive<f64>,
    /// How long a caller with nothing usable waits.
    pub(crate) wait_timeout: Duration,
    pub(crate) expired: ExpiredPolicy,
}

/// What a caller gets once the credentials have expired because they could not be renewed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExpiredPolicy {
    /// It waits for the attempt under way and then gets its error: the root cause.
    #[default]
    Never,
    /// The expired credentials, at once: as long as the failures are an outage or throttling, until a service rejects
    /// them, and for at most min(lifetime, 1 h).
    ///
    /// For those who run with the [interceptor](crate::BackgroundCredentialsProvider::interceptor): without it no
    /// rejection is heard. Services reject expired credentials, with rare exceptions.
    UntilRejected,
}
