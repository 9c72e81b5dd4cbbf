//! Log events, the exchange's span, and the observer for metrics.
//!
//! The events are stable: `docs::telemetry` lists their names, levels and fields. An event has no parent span: the span of its
//! exchange has most of the event's fields, and a log line would show them twice.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use tracing::{Level, Span, field};

use super::clock::Drift;
use super::status::EngineStatus;
use crate::error::Error;

/// Receives the events of one provider.
pub(crate) trait Observer: Send + Sync + 'static {
    /// The present status: after each change, at least every 30 s, and once more when the task ends.
    fn status(&self, status: &EngineStatus);

    /// An exchange ended after `took`. `None`: it succeeded.
    fn exchanged(&self, took: Duration, error: Option<&Error>);

    /// A service rejected the present credentials.
    fn rejected(&self);
}

/// Target of the events and spans.
const TARGET: &str = "aws_web_identity";

/// The span of one exchange. It has no parent, since the exchange may outlive the caller who caused it.
///
/// `attempt` counts from 1 since the last success. `generation` is that of the credentials to be replaced.
pub(super) fn exchange_span(role: &str, status: &EngineStatus) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "exchange",
        role,
        attempt = status.consecutive_failures.saturating_add(1),
        generation = status.generation,
        outcome = field::Empty,
        kind = field::Empty
    )
}

/// A successful exchange, for the log.
pub(super) struct Success {
    /// The credentials are in use now. `false`: the present ones live longer.
    pub(super) taken: bool,
    /// The access key differs from the present one.
    pub(super) other_key: bool,
    pub(super) lifetime: Duration,
    /// Number of the failures since the last success, and the time since the first of them.
    pub(super) failed_before: Option<(u32, Duration)>,
}

pub(super) fn succeeded(role: &str, success: &Success, status: &EngineStatus, now: SystemTime) {
    Span::current().record("outcome", "ok");
    macro_rules! tell {
        ($level:expr, $message:literal, $($more:tt)*) => {
            tracing::event!(
                target: TARGET,
                parent: None,
                $level,
                role,
                assumed_role_arn = status.principal.as_ref().and_then(|principal| principal.assumed_role_arn.as_deref()),
                endpoint = status.endpoint.as_deref(),
                generation = status.generation,
                lifetime_seconds = success.lifetime.as_secs(),
                next_attempt_seconds = tenths(from_now(status.next_attempt, now)),
                $($more)*
                $message
            )
        };
    }
    match success.failed_before {
        Some((failures, failing)) => {
            tell!(Level::INFO, "credentials refreshed after failures", failures, failing_seconds = failing.as_secs(),)
        }
        None if !success.taken => {
            tell!(Level::DEBUG, "the new credentials would expire sooner; the present ones stay in use",)
        }
        None if success.other_key => tell!(Level::INFO, "credentials refreshed",),
        None => tell!(Level::DEBUG, "the exchange returned the same credentials",),
    }
}

/// An attempt failed with the status's last error.
pub(super) fn failed(role: &str, warn: bool, status: &EngineStatus, now: SystemTime) {
    let Some(error) = &status.last_error else { return };
    let kind = error.kind().as_str();
    Span::current().record("outcome", "error").record("kind", kind);
    macro_rules! tell {
        ($level:expr) => {
            tracing::event!(
                target: TARGET,
                parent: None,
                $level,
                role,
                kind,
                code = error.code(),
                request_id = error.request_id(),
                failures = status.consecutive_failures,
                generation = status.generation,
                valid_seconds = from_now(status.expiry, now).as_secs(),
                next_attempt_seconds = tenths(from_now(status.next_attempt, now)),
                %error,
                cause = error.source().map(field::display),
                "credentials could not be refreshed"
            )
        };
    }
    if warn { tell!(Level::WARN) } else { tell!(Level::DEBUG) }
}

pub(super) fn expired(role: &str, status: &EngineStatus) {
    tracing::error!(
        target: TARGET,
        parent: None,
        role,
        generation = status.generation,
        failures = status.consecutive_failures,
        kind = status.last_error.as_ref().map(|error| error.kind().as_str()),
        error = status.last_error.as_ref().map(field::display),
        "credentials expired before they could be refreshed"
    );
}

pub(super) fn drifted(role: &str, drift: Drift) {
    match drift {
        Drift::Suspended(by) => {
            let seconds = by.as_secs();
            tracing::info!(target: TARGET, parent: None, role, seconds, "the machine was suspended; checking the credentials");
        }
        Drift::Ahead => {
            tracing::info!(target: TARGET, parent: None, role, "the clock was set ahead; checking the credentials")
        }
        Drift::Behind => {
            tracing::info!(target: TARGET, parent: None, role, "the clock was set back; the credentials are not affected");
        }
        Drift::None => {}
    }
}

pub(super) fn rejected(role: &str, generation: u64) {
    tracing::debug!(target: TARGET, parent: None, role, generation, "a service rejected the credentials");
}

/// Retry delays are short: whole seconds would say little.
fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

fn from_now(time: Option<SystemTime>, now: SystemTime) -> Duration {
    time.and_then(|time| time.duration_since(now).ok()).unwrap_or_default()
}
