//! What the engine says of itself. Stable: names, levels and fields are listed in `docs::telemetry`.
//!
//! Never called under the state's lock: a subscriber may call us.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Level, Span, field};

use super::clock::Drift;
use super::source::Principal;
use super::telling::Loudness;
use crate::error::Error;

/// Of each event and span here, whatever file it stands in.
const TARGET: &str = "aws_web_identity";

/// The span of one exchange: a root of its own, for it outlives whoever caused it.
///
/// `attempt`: since the last success, the first being 1. `generation`: of the credentials that are to be replaced.
pub(super) fn exchange(role: &str, attempt: u32, generation: u64) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "exchange",
        role,
        attempt,
        generation,
        outcome = field::Empty,
        kind = field::Empty
    )
}

/// How an exchange ended.
pub(super) enum Ended {
    Renewed(Renewed),
    Failed(Failed),
}

pub(super) struct Renewed {
    pub(super) generation: u64,
    /// The access key is another than before.
    pub(super) other_key: bool,
    pub(super) lifetime: Duration,
    pub(super) next: Duration,
    pub(super) principal: Arc<Principal>,
    pub(super) failures: u32,
    pub(super) failing: Option<Duration>,
}

pub(super) struct Failed {
    pub(super) loudness: Loudness,
    pub(super) error: Error,
    pub(super) failures: u32,
    pub(super) next: Duration,
    pub(super) valid: Duration,
    pub(super) generation: u64,
}

impl Ended {
    pub(super) fn tell(&self, role: &str) {
        match self {
            Self::Renewed(renewed) => renewed.tell(role),
            Self::Failed(failed) => failed.tell(role),
        }
    }

    pub(super) fn error(&self) -> Option<&Error> {
        match self {
            Self::Renewed(_) => None,
            Self::Failed(failed) => Some(&failed.error),
        }
    }
}

impl Renewed {
    fn tell(&self, role: &str) {
        Span::current().record("outcome", "ok");
        macro_rules! tell {
            ($level:expr, $message:literal, $($more:tt)*) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    role,
                    assumed_role_arn = self.principal.assumed_role_arn.as_deref(),
                    endpoint = self.principal.endpoint.as_deref(),
                    generation = self.generation,
                    lifetime_seconds = self.lifetime.as_secs(),
                    next_attempt_seconds = self.next.as_secs_f64(),
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
            (None, true) => tell!(Level::INFO, "credentials renewed",),
            (None, false) => tell!(Level::DEBUG, "the same credentials came again",),
        }
    }
}

impl Failed {
    fn tell(&self, role: &str) {
        let error = &self.error;
        let kind = error.kind().label();
        Span::current().record("outcome", "error").record("kind", kind);
        macro_rules! tell {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    role,
                    kind,
                    code = error.code(),
                    request_id = error.request_id(),
                    failures = self.failures,
                    generation = self.generation,
                    valid_seconds = self.valid.as_secs(),
                    next_attempt_seconds = self.next.as_secs_f64(),
                    %error,
                    cause = error.source().map(field::display),
                    "credentials could not be renewed"
                )
            };
        }
        match self.loudness {
            Loudness::Loud => tell!(Level::WARN),
            Loudness::Quiet => tell!(Level::DEBUG),
        }
    }
}

/// The last credentials ended, and no others are there.
pub(super) struct Expired {
    pub(super) generation: u64,
    pub(super) failures: u32,
    pub(super) error: Option<Error>,
}

impl Expired {
    pub(super) fn tell(&self, role: &str) {
        tracing::error!(
            target: TARGET,
            role,
            generation = self.generation,
            failures = self.failures,
            kind = self.error.as_ref().map(|error| error.kind().label()),
            error = self.error.as_ref().map(field::display),
            "credentials expired before they could be renewed"
        );
    }
}

/// What happened to the clocks. Gives whether anything did.
pub(super) fn drifted(role: &str, drift: Drift) -> bool {
    match drift {
        Drift::Suspended(by) => {
            tracing::info!(
                target: TARGET,
                role,
                seconds = by.as_secs(),
                "the machine was suspended; checking the credentials"
            );
        }
        Drift::Ahead => tracing::info!(target: TARGET, role, "the clock was set ahead; checking the credentials"),
        Drift::Behind => {
            tracing::info!(target: TARGET, role, "the clock was set back; the credentials are not concerned");
        }
        Drift::None => return false,
    }
    true
}

/// A service refused the present credentials.
pub(super) fn rejected(role: &str, generation: u64) {
    tracing::debug!(target: TARGET, role, generation, "a service refused the credentials");
}
