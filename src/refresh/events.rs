//! What the engine says of itself. Stable: names, levels and fields are listed in `docs::telemetry`.
//!
//! Never called under the state's lock: a subscriber may call us. Events are roots, outside the span of their exchange: it
//! has most of their fields, and a line of the log would have them twice.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use tracing::{Level, Span, field};

use super::clock::Drift;
use super::standing::Standing;

/// Of each event and span here, whatever file it stands in.
const TARGET: &str = "aws_web_identity";

/// The span of one exchange: a root of its own, for it outlives whoever caused it.
///
/// `attempt`: since the last success, the first being 1. `generation`: of the credentials that are to be replaced.
pub(super) fn exchange(role: &str, standing: &Standing) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "exchange",
        role,
        attempt = standing.consecutive_failures.saturating_add(1),
        generation = standing.generation,
        outcome = field::Empty,
        kind = field::Empty
    )
}

/// What an exchange brought.
pub(super) struct Renewed {
    /// The credentials are used from now on. Else the present ones live longer.
    pub(super) taken: bool,
    /// The access key is another than before.
    pub(super) other_key: bool,
    pub(super) lifetime: Duration,
    pub(super) assumed_role_arn: Option<String>,
    /// Failures before it, and for how long they went on.
    pub(super) failures: u32,
    pub(super) failing: Option<Duration>,
}

impl Renewed {
    pub(super) fn tell(&self, role: &str, standing: &Standing, now: SystemTime) {
        Span::current().record("outcome", "ok");
        macro_rules! tell {
            ($level:expr, $message:literal, $($more:tt)*) => {
                tracing::event!(
                    target: TARGET,
                    parent: None,
                    $level,
                    role,
                    assumed_role_arn = self.assumed_role_arn.as_deref(),
                    endpoint = standing.endpoint.as_deref(),
                    generation = standing.generation,
                    lifetime_seconds = self.lifetime.as_secs(),
                    next_attempt_seconds = tenths(from_now(standing.next_attempt, now)),
                    $($more)*
                    $message
                )
            };
        }
        match (self.failing, self.other_key) {
            (Some(failing), _) => tell!(
                Level::INFO,
                "credentials renewed after failures",
                failures = self.failures,
                failing_seconds = failing.as_secs(),
            ),
            (None, _) if !self.taken => {
                tell!(Level::DEBUG, "credentials that end sooner came; the present ones stay",);
            }
            (None, true) => tell!(Level::INFO, "credentials renewed",),
            (None, false) => tell!(Level::DEBUG, "the same credentials came again",),
        }
    }
}

/// An attempt failed: with the standing's last error.
pub(super) fn failed(role: &str, standing: &Standing, loud: bool, now: SystemTime) {
    let Some(error) = &standing.last_error else { return };
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
                failures = standing.consecutive_failures,
                generation = standing.generation,
                valid_seconds = from_now(standing.expiry, now).as_secs(),
                next_attempt_seconds = tenths(from_now(standing.next_attempt, now)),
                %error,
                cause = error.source().map(field::display),
                "credentials could not be renewed"
            )
        };
    }
    if loud { tell!(Level::WARN) } else { tell!(Level::DEBUG) }
}

/// The last credentials ended, and no others are there.
pub(super) fn expired(role: &str, standing: &Standing) {
    tracing::error!(
        target: TARGET,
        role,
        generation = standing.generation,
        failures = standing.consecutive_failures,
        kind = standing.last_error.as_ref().map(|error| error.kind().as_str()),
        error = standing.last_error.as_ref().map(field::display),
        "credentials expired before they could be renewed"
    );
}

/// What happened to the clocks.
pub(super) fn drifted(role: &str, drift: Drift) {
    match drift {
        Drift::Suspended(by) => {
            let seconds = by.as_secs();
            tracing::info!(target: TARGET, role, seconds, "the machine was suspended; checking the credentials");
        }
        Drift::Ahead => tracing::info!(target: TARGET, role, "the clock was set ahead; checking the credentials"),
        Drift::Behind => {
            tracing::info!(target: TARGET, role, "the clock was set back; the credentials are not concerned");
        }
        Drift::None => {}
    }
}

/// A service refused the present credentials.
pub(super) fn rejected(role: &str, generation: u64) {
    tracing::debug!(target: TARGET, role, generation, "a service refused the credentials");
}

/// Retry delays are short: whole seconds would say nothing.
fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

fn from_now(time: Option<SystemTime>, now: SystemTime) -> Duration {
    time.and_then(|time| time.duration_since(now).ok()).unwrap_or_default()
}
