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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::clock::Session;

    const LIMIT: Duration = secs(30);
    const LIFETIME: Duration = secs(1000);
    const MS: Duration = Duration::from_millis(1);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An attempt started at `now`; there are no credentials.
    fn empty(now: Instant) -> Schedule {
        let mut schedule = Schedule::new(0.60..=0.75, now);
        schedule.attempt_started(now);
        schedule
    }

    fn fresh(now: Instant) -> Schedule {
        let mut schedule = empty(now);
        schedule.succeeded(Session { since: now, lifetime: LIFETIME, dated: true }, true, 0.0);
        schedule
    }

    /// As often as given the class failed, last at `now`, the longest delay drawn.
    fn fail(schedule: &mut Schedule, class: Class, times: u32, now: Instant) {
        for _ in 0..times {
            schedule.failed(class, None, now, 0.999_999_999);
        }
    }

    fn joined(need: Need, joined: Instant, schedule: &Schedule) -> Demand {
        Demand { need, joined, attempt: schedule.ended() + 1, asked: false }
    }

    fn verdict(demand: &mut Demand, schedule: &mut Schedule, now: Instant) -> Verdict {
        demand.verdict(schedule, LIMIT, now, 0.0)
    }

    /// The verdict over one who comes at `now`.
    fn newcomer(need: Need, schedule: &mut Schedule, now: Instant) -> Verdict {
        verdict(&mut joined(need, now, schedule), schedule, now)
    }

    #[test]
    fn credentials_meet_a_need_until_they_end() {
        let now = Instant::now();
        let (schedule, deadline) = (fresh(now), now + LIFETIME);
        let met =
            |need, attempt, now| Demand { need, joined: now, attempt, asked: false }.met(deadline, &schedule, now);
        assert!(met(Need::Usable, 9, deadline + secs(1)), "whoever serves expired ones has checked that");
        for need in [Need::Ready, Need::Newer, Need::Lasting(Duration::ZERO)] {
            assert!(met(need, 1, deadline - MS), "{need:?}");
            assert!(!met(need, 1, deadline), "{need:?}");
            assert!(!met(need, 1, deadline + MS), "{need:?}");
        }
        assert!(met(Need::Lasting(secs(600)), 9, deadline - secs(600)));
        assert!(!met(Need::Lasting(secs(600) + MS), 1, deadline - secs(600)));
        assert!(!met(Need::Newer, 2, now), "its attempt has not ended");
    }

    #[test]
    fn failed_attempt_gives_nothing_newer() {
        let now = Instant::now();
        let mut schedule = fresh(now);
        fail(&mut schedule, Class::Transient, 1, now);
        let demand = Demand { need: Need::Newer, joined: now, attempt: 2, asked: true };
        assert!(!demand.met(now + LIFETIME, &schedule, now));
    }

    #[test]
    fn wish_is_heard_once() {
        let start = Instant::now();
        let now = start + secs(100);
        for (mut schedule, later) in [(fresh(start), secs(500)), (outage(start, now), secs(8))] {
            let before = schedule.due();
            let mut demand = joined(Need::Newer, now, &schedule);
            demand.asked = true;
            verdict(&mut demand, &mut schedule, now);
            assert_eq!((schedule.due(), before >= now + later), (before, true));
            assert_eq!(newcomer(Need::Newer, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
            assert_eq!(schedule.due(), now, "at once");
        }
    }

    /// With nothing valid, an outage since `start` that has just been seen again.
    fn outage(start: Instant, now: Instant) -> Schedule {
        let mut schedule = empty(start);
        fail(&mut schedule, Class::Config, 1, start);
        fail(&mut schedule, Class::Transient, 9, now);
        schedule
    }

    #[test]
    fn caller_does_not_shorten_an_outage() {
        let start = Instant::now();
        let now = start + secs(100);
        let mut schedule = outage(start, now);
        let before = schedule.due();
        assert_eq!(newcomer(Need::Usable, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
        assert_eq!(schedule.due(), before);
    }

    #[test]
    fn nine_tenths_of_a_lifetime_can_be_had() {
        let start = Instant::now();
        let now = start + secs(200);
        let most = secs(900);
        let mut schedule = fresh(start);
        let verdict = newcomer(Need::Lasting(most + MS), &mut schedule, now);
        assert_eq!(verdict, Verdict::NeverThatLong { at_least: most + MS, lifetime: LIFETIME, most });
        assert_eq!(schedule.due(), start + secs(600), "no attempt is made for it");
        assert_eq!(newcomer(Need::Lasting(most), &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
        assert_eq!(schedule.due(), now);
    }

    #[test]
    fn own_attempt_answers_a_wish() {
        let start = Instant::now();
        for need in [Need::Newer, Need::Lasting(secs(900))] {
            let mut schedule = fresh(start);
            fail(&mut schedule, Class::Transient, 1, start);
            let mut demand = joined(need, start, &schedule);
            let waits = Verdict::Wait(Some(start + LIMIT));
            assert_eq!(verdict(&mut demand, &mut schedule, start), waits, "an error of the same moment, of another");
            assert_eq!(verdict(&mut demand, &mut schedule, start + LIMIT - MS), waits);
            assert_eq!(verdict(&mut demand, &mut schedule, start + LIMIT), Verdict::TimedOut);
            fail(&mut schedule, Class::Transient, 1, start + secs(5));
            assert_eq!(verdict(&mut demand, &mut schedule, start + secs(5)), Verdict::LastError);
        }
    }

    #[test]
    fn wish_beyond_throttling_ends_at_once() {
        let now = Instant::now();
        for (asked, expected) in [(29, Verdict::Wait(Some(now + LIMIT))), (30, Verdict::TimedOut)] {
            let mut schedule = fresh(now);
            schedule.failed(Class::Throttled, Some(secs(asked)), now, 0.0);
            assert_eq!(schedule.due(), now + secs(asked));
            assert_eq!(newcomer(Need::Newer, &mut schedule, now), expected);
        }
    }

    #[test]
    fn denial_is_handed_out_for_thirty_seconds() {
        let start = Instant::now();
        let mut schedule = empty(start);
        schedule.failed(Class::Config, Some(secs(60)), start, 0.0);
        let mut first = joined(Need::Usable, start, &schedule);
        for now in [start, start + secs(30) - MS] {
            assert_eq!(verdict(&mut first, &mut schedule, now), Verdict::LastError);
            assert_eq!(newcomer(Need::Usable, &mut schedule, now), Verdict::LastError);
            assert_eq!(newcomer(Need::Ready, &mut schedule, now), Verdict::LastError);
        }
        let now = start + secs(30);
        assert_eq!(newcomer(Need::Usable, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
    }

    #[test]
    fn denial_from_before_answers_no_wish() {
        let start = Instant::now();
        let mut schedule = empty(start);
        let mut before = joined(Need::Newer, start, &schedule);
        fail(&mut schedule, Class::Config, 1, start + secs(1));
        let now = start + secs(1) + MS;
        assert_eq!(verdict(&mut before, &mut schedule, now), Verdict::LastError);
        assert_eq!(newcomer(Need::Newer, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
    }

    #[test]
    fn denial_that_stands_no_more_is_tried_again() {
        let start = Instant::now();
        let mut schedule = empty(start);
        let mut before = joined(Need::Usable, start, &schedule);
        fail(&mut schedule, Class::Config, 1, start);
        let now = start + secs(2);
        assert_eq!(verdict(&mut before, &mut schedule, now), Verdict::LastError, "its own attempt");
        assert_eq!(newcomer(Need::Usable, &mut schedule, now), Verdict::Wait(Some(now + LIMIT)));
    }

    #[test]
    fn callers_share_the_time_of_attempts() {
        let start = Instant::now();
        let (mut schedule, end) = (empty(start), start + LIMIT);
        for now in [start, end - MS] {
            assert_eq!(newcomer(Need::Usable, &mut schedule, now), Verdict::Wait(Some(end)));
        }
        fail(&mut schedule, Class::Transient, 1, end - secs(1));
        assert_eq!(newcomer(Need::Usable, &mut schedule, end - MS), Verdict::Wait(Some(end)));
        for now in [end, end + MS] {
            assert_eq!(newcomer(Need::Usable, &mut schedule, now), Verdict::LastError);
            assert_eq!(newcomer(Need::Ready, &mut schedule, now), Verdict::Wait(None), "it has no limit");
        }
    }

    #[test]
    fn caller_without_error_waits_its_own_time() {
        let start = Instant::now();
        let mut schedule = empty(start);
        let mut demand = joined(Need::Usable, start + secs(10), &schedule);
        let end = start + secs(40);
        for now in [start + LIMIT, end - MS] {
            assert_eq!(verdict(&mut demand, &mut schedule, now), Verdict::Wait(Some(end)));
        }
        for now in [end, end + MS] {
            assert_eq!(verdict(&mut demand, &mut schedule, now), Verdict::TimedOut);
        }
    }

    #[test]
    fn caller_beyond_throttling_ends_at_once() {
        let start = Instant::now();
        let now = start + secs(30);
        for (asked, expected) in [(59, Verdict::Wait(Some(now + LIMIT))), (60, Verdict::TimedOut)] {
            let mut schedule = empty(start);
            schedule.failed(Class::Throttled, Some(secs(asked)), start, 0.0);
            assert_eq!(schedule.due(), start + secs(asked));
            assert_eq!(newcomer(Need::Usable, &mut schedule, now), expected);
        }
    }
}
