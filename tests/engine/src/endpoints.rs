//! STS at each endpoint, with its fault, as the crate's STS client shows it to the engine.

use std::sync::Mutex;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::standby_order::{HOME, Outcome, StandbyOrder};
use crate::error::ErrorKind;
use crate::lock;
use crate::refresh::Class;

/// The order in which one provider asks the endpoints.
pub(crate) struct Order(Mutex<StandbyOrder>);

impl Order {
    pub(crate) fn new(standbys: usize) -> Self {
        Self(Mutex::new(StandbyOrder::new(standbys)))
    }

    /// The endpoint of this exchange. An exchange that does not end, because it panics, does not count.
    pub(crate) fn ask(&self, valid: bool) -> Asked<'_> {
        let mut after = lock(&self.0).clone();
        let endpoint = after.next(valid);
        Asked { order: self, after, endpoint }
    }
}

pub(crate) struct Asked<'a> {
    order: &'a Order,
    after: StandbyOrder,
    pub(crate) endpoint: usize,
}

impl Asked<'_> {
    /// The exchange ended: with credentials, or as this health ends it.
    pub(crate) fn ended(mut self, answer: Option<&Answer>) {
        self.after.ended(answer.map_or(Outcome::Answered, |answer| answer.outcome));
        *lock(&self.order.0) = self.after;
    }
}

/// What STS at one endpoint does.
#[derive(Clone, Debug)]
pub(crate) enum Health {
    Up,
    /// Nothing listens.
    Unreachable,
    /// No answer comes within the attempt timeout.
    Silent,
    /// 503 with a `Retry-After`.
    Unavailable(u64),
    /// The HTTP client panics.
    Panics,
    /// A bucket of tokens, shared by all providers. A call without a token is throttled.
    Bucket(Bucket),
    /// Throttled, whatever the rate, perhaps with a `Retry-After`.
    Throttles(Option<u64>),
    /// A trust policy or a setting is wrong.
    Denies,
    /// IAM does not know the role yet.
    DoesNotKnowRole,
    /// STS knows no OIDC provider for the token's issuer.
    DoesNotKnowIssuer,
    /// STS cannot read the issuer's keys.
    CannotReachIssuer,
    /// The region is not activated for the account.
    Disabled,
    /// A page of somebody else, such as a proxy.
    Garbage,
    /// An error code that nobody knows.
    UnknownCode,
    /// The token has expired, or is missing.
    RejectsToken,
}

/// A failed exchange, as the engine and the standby order see it.
pub(crate) struct Answer {
    pub(crate) class: Class,
    pub(crate) kind: ErrorKind,
    pub(crate) retry_after: Option<Duration>,
    outcome: Outcome,
    /// Time until it comes.
    pub(crate) delay: Duration,
}

impl Health {
    /// A fault that may befall any endpoint.
    pub(crate) fn any_fault(random: &mut Rng, providers: usize) -> Self {
        match random.u8(..17) {
            0 | 1 => Self::Unreachable,
            2 => Self::Silent,
            3 => Self::Unavailable(random.u64(1..1000)),
            4 => Self::Panics,
            5..=7 => Self::Bucket(Bucket::new(random, providers)),
            8 => Self::Throttles(None),
            9 => Self::Throttles(Some(random.u64(1..1000))),
            10 => Self::Denies,
            11 => Self::DoesNotKnowRole,
            12 => Self::DoesNotKnowIssuer,
            13 => Self::CannotReachIssuer,
            14 => Self::Garbage,
            15 => Self::UnknownCode,
            _ => Self::RejectsToken,
        }
    }

    /// What a standby does while home has this fault.
    pub(crate) fn of_standby(&self, random: &mut Rng) -> Self {
        match self {
            // Not a matter of the region.
            Self::Denies | Self::DoesNotKnowRole | Self::CannotReachIssuer | Self::RejectsToken => self.clone(),
            _ => match random.u8(..8) {
                0 => Self::Unreachable,
                1 => Self::Silent,
                2 => Self::DoesNotKnowIssuer,
                3 => Self::Disabled,
                4 => Self::Throttles(None),
                _ => Self::Up,
            },
        }
    }

    /// Its line in the counts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Up => "faults: none",
            Self::Unreachable => "faults: unreachable",
            Self::Silent => "faults: silent",
            Self::Unavailable(_) => "faults: 503 with Retry-After",
            Self::Panics => "faults: the HTTP client panics",
            Self::Bucket(Bucket { strict: true, .. }) => "faults: token bucket, strict",
            Self::Bucket(_) => "faults: token bucket",
            Self::Throttles(_) => "faults: throttled",
            Self::Denies => "faults: denied",
            Self::DoesNotKnowRole => "faults: role not known",
            Self::DoesNotKnowIssuer => "faults: issuer not known",
            Self::CannotReachIssuer => "faults: issuer away",
            Self::Disabled => "faults: region disabled",
            Self::Garbage => "faults: garbage",
            Self::UnknownCode => "faults: unknown code",
            Self::RejectsToken => "faults: token rejected",
        }
    }

    /// The order passes by an endpoint with this fault.
    pub(crate) fn is_passed_by(&self, endpoint: usize) -> bool {
        let answer = if self.panics() { None } else { self.clone().answer(endpoint) };
        answer.is_some_and(|answer| match answer.outcome {
            Outcome::Answered => false,
            Outcome::Outage => true,
            Outcome::UnknownIssuer | Outcome::Disabled => endpoint != HOME,
        })
    }

    /// A disabled standby is not asked again.
    pub(crate) fn is_for_ever(&self) -> bool {
        matches!(self, Self::Disabled)
    }

    pub(crate) fn panics(&self) -> bool {
        matches!(self, Self::Panics)
    }

    /// The answer to one call, unless it panics. `None`: it gives credentials.
    pub(crate) fn answer(&mut self, endpoint: usize) -> Option<Answer> {
        let at_home = endpoint == HOME;
        let mut delay = Duration::from_millis(200);
        let mut retry_after = None;
        let (class, kind, outcome) = match self {
            Self::Up | Self::Panics => return None,
            Self::Unreachable => (Class::Outage, ErrorKind::ServiceUnavailable, Outcome::Outage),
            Self::Silent => {
                delay = ATTEMPT_TIMEOUT;
                (Class::Outage, ErrorKind::TimedOut, Outcome::Outage)
            }
            Self::Unavailable(seconds) => {
                retry_after = Some(Duration::from_secs(*seconds));
                (Class::Outage, ErrorKind::ServiceUnavailable, Outcome::Outage)
            }
            Self::Bucket(bucket) => {
                if bucket.take() {
                    return None;
                }
                (Class::Throttled, ErrorKind::Throttled, Outcome::Answered)
            }
            Self::Throttles(seconds) => {
                retry_after = seconds.map(Duration::from_secs);
                (Class::Throttled, ErrorKind::Throttled, Outcome::Answered)
            }
            Self::Denies => (Class::Misconfigured, ErrorKind::RoleDenied, Outcome::Answered),
            Self::DoesNotKnowRole => (Class::NotYetKnown, ErrorKind::RoleDenied, Outcome::Answered),
            Self::DoesNotKnowIssuer if at_home => {
                (Class::NotYetKnown, ErrorKind::TokenRejected, Outcome::UnknownIssuer)
            }
            Self::DoesNotKnowIssuer => (Class::Outage, ErrorKind::ServiceUnavailable, Outcome::UnknownIssuer),
            Self::CannotReachIssuer => {
                delay = Duration::from_secs(5);
                (Class::Outage, ErrorKind::ServiceUnavailable, Outcome::Answered)
            }
            Self::Disabled if at_home => (Class::Misconfigured, ErrorKind::InvalidConfiguration, Outcome::Disabled),
            Self::Disabled => (Class::Outage, ErrorKind::ServiceUnavailable, Outcome::Disabled),
            Self::Garbage => (Class::Unclear, ErrorKind::Unexpected, Outcome::Outage),
            Self::UnknownCode => (Class::Unclear, ErrorKind::Unexpected, Outcome::Answered),
            Self::RejectsToken => (Class::BadInput, ErrorKind::TokenRejected, Outcome::Answered),
        };
        Some(Answer { class, kind, retry_after, outcome, delay })
    }
}

/// A bucket of tokens that refills.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    size: f64,
    per_second: f64,
    refilled: Instant,
    /// A refused call empties the bucket. So providers that call too often never get a token.
    strict: bool,
}

impl Bucket {
    /// At least one call for each provider in half a minute.
    fn new(random: &mut Rng, providers: usize) -> Self {
        let size = f64::from(random.u8(1..5));
        let per_second = providers as f64 / (1.0 + 29.0 * random.f64());
        Self { tokens: 0.0, size, per_second, refilled: Instant::now(), strict: random.bool() }
    }

    fn take(&mut self) -> bool {
        let grown = self.tokens + self.refilled.elapsed().as_secs_f64() * self.per_second;
        self.refilled = Instant::now();
        self.tokens = grown.min(self.size);
        let full = self.tokens >= 1.0;
        if full {
            self.tokens -= 1.0;
        } else if self.strict {
            self.tokens = 0.0;
        }
        full
    }
}

/// The STS client ends each exchange within this time.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
