//! What a caller gets who wants credentials, and how long it waits: pure decisions over the schedule.

use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use super::schedule::Schedule;
use super::source::Class;

/// What a caller waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// Usable credentials, for `wait_timeout`.
    Usable,
    /// Usable credentials, without limit.
    Ready,
    /// Credentials of a later exchange than those of now.
    Newer,
    /// Credentials that are valid for at least this long.
    Lasting(Duration),
}

/// One caller who waits.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) need: Need,
    pub(super) joined: Instant,
    /// The attempt whose end answers a wish for something newer.
    pub(super) attempt: u64,
    /// The schedule has heard of it.
    pub(super) asked: bool,
}

/// What a caller gets while its need is not met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It waits for news, until then at most.
    Wait(Option<Instant>),
    /// The error of the last attempt.
    LastError,
    /// An error of its own: time is up, and nothing came.
    TimedOut,
    /// No refresh gives credentials that last `at_least`: a session lasts `lifetime`, and `most` is the most to ask for.
    NeverThatLong { at_least: Duration, lifetime: Duration, most: Duration },
}

impl Demand {
    /// Whether credentials meet the need that are valid until `deadline` and readable.
    pub(super) fn met(&self, deadline: Instant, schedule: &Schedule, now: Instant) -> bool {
        match self.need {
            Need::Usable => true,
            Need::Ready => now < deadline,
            Need::Newer => now < deadline && schedule.ended() >= self.attempt && schedule.failed_at().is_none(),
            Need::Lasting(at_least) => now < deadline && deadline - now >= at_least,
        }
    }

    /// What it gets, and when the schedule is to make the next attempt for it.
    pub(super) fn verdict(
        &mut self,
        schedule: &mut Schedule,
        wait_timeout: Duration,
        now: Instant,
        random: f64,
    ) -> Verdict {
        let own_limit = self.joined + wait_timeout;
        let held = schedule.throttled(now) && schedule.due() >= own_limit;
        let first = !mem::replace(&mut self.asked, true);
        if schedule.usable(now) {
            // It wants others than these: the next attempt answers it, good or bad.
            if let Need::Lasting(at_least) = self.need {
                let lifetime = schedule.validity().map_or(Duration::ZERO, |validity| validity.lifetime);
                let most = lifetime.mul_f64(LASTING_SHARE);
                if at_least > most {
                    return Verdict::NeverThatLong { at_least, lifetime, most };
                }
            }
            if schedule.ended() >= self.attempt && schedule.failed_at().is_some_and(|(at, _)| at >= self.joined) {
                return Verdict::LastError;
            }
            if matches!(self.need, Need::Lasting(_)) {
                schedule.longer_requested(now, random);
            } else if first {
                schedule.requested(now, random);
            }
            return if now >= own_limit || held { Verdict::TimedOut } else { Verdict::Wait(Some(own_limit)) };
        }
        let young = schedule.failed_at().filter(|(at, _)| now.duration_since(*at) < ERROR_AGE);
        if let Some((at, Class::Config)) = young
            && (at >= self.joined || (schedule.error_stands(now) && self.need != Need::Newer))
        {
            return Verdict::LastError;
        }
        if self.need == Need::Newer && first {
            schedule.requested(now, random);
        }
        schedule.wanted(now);
        // Callers of one run of attempts share its time.
        let limit = schedule.flight().unwrap_or(now) + wait_timeout;
        match young {
            _ if self.need == Need::Ready => Verdict::Wait(None),
            _ if now < limit => Verdict::Wait(Some(limit)),
            Some(_) => Verdict::LastError,
            // The last error is too old to be handed out: wait for a fresh one, though not for ever.
            None if now < own_limit && !held => Verdict::Wait(Some(own_limit)),
            None => Verdict::TimedOut,
        }
    }
}

/// No caller gets an older error (promise 5).
const ERROR_AGE: Duration = Duration::from_secs(30);
/// The largest share of a lifetime that a refresh can be relied on to give.
const LASTING_SHARE: f64 = 0.9;
