//! What STS gave one provider and what the engine made of it, with the checks of each exchange.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::clocks::Clocks;
use crate::policy::Failed;
use crate::refresh::{Change, Class, EngineStatus, Phase};
use crate::spread::Spread;

/// A session that STS gave. Its times are true times.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) key: String,
    /// The request was sent.
    pub(crate) sent: Duration,
    /// End of the session at STS.
    pub(crate) end: Duration,
    /// The lifetimes that the engine may believe: as given, and as requested if that is shorter.
    pub(crate) lifetimes: [Duration; 2],
    /// A service rejected it.
    pub(crate) rejected: bool,
    /// A service rejected it, or the engine heard of another identity.
    pub(crate) unwanted: bool,
    /// The engine may have heard of another identity.
    pub(crate) perhaps_unwanted: bool,
    /// Suspends since it was sent. The engine may miss some seconds of each.
    pub(crate) suspends: u32,
}

impl Session {
    pub(crate) fn surely_valid(&self, now: Duration) -> bool {
        now + SECOND < self.sent + self.lifetimes[1]
    }

    pub(crate) fn surely_ended(&self, now: Duration) -> bool {
        now > self.end + SECOND + MISSED * self.suspends
    }
}

/// The last failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastFailure {
    pub(crate) at: Instant,
    pub(crate) failed: Failed,
    since: Instant,
}

pub(crate) struct Ledger {
    clocks: Clocks,
    pub(crate) spread: Spread,
    pub(crate) calls: u64,
    /// Starts of the last hour.
    starts: VecDeque<Instant>,
    /// Events of the last hour that may each cause an exchange.
    causes: VecDeque<Instant>,
    calls_an_hour: f64,
    pub(crate) in_flight: bool,
    /// The provider is about to be dropped, and its exchange with it.
    pub(crate) closing: bool,
    /// The source reported a change since the last exchange began.
    pub(crate) changed_since_start: bool,
    /// Sessions one of which is in use. Several, if the engine may choose.
    pub(crate) candidates: Vec<Session>,
    pub(crate) last_success: Option<Instant>,
    pub(crate) last_failure: Option<LastFailure>,
    /// The last exchange failed.
    pub(crate) failing: bool,
    /// The outcome of the last exchange, which the engine has not shown yet.
    ended: Option<Ended>,
    pub(crate) suspended: Option<Instant>,
    /// The first broken promise.
    pub(crate) broken: Option<String>,
}

enum Ended {
    Granted {
        session: Session,
        /// The sessions in use before, the time of the success before, and whether the exchange before failed.
        before: (Vec<Session>, Option<Instant>, bool),
    },
    Failed(Failed),
}

impl Ledger {
    pub(crate) fn new(clocks: Clocks, shortest: Duration) -> Self {
        Self {
            clocks,
            spread: Spread::default(),
            calls: 0,
            starts: VecDeque::new(),
            causes: VecDeque::new(),
            // Sessions of a minute need that many, with some outages.
            calls_an_hour: 400.0 + 3600.0 / (0.6 * shortest.as_secs_f64()),
            in_flight: false,
            closing: false,
            changed_since_start: false,
            candidates: Vec::new(),
            last_success: None,
            last_failure: None,
            failing: false,
            ended: None,
            suspended: None,
            broken: None,
        }
    }

    /// Notes a broken promise, if `kept` is false. A panic here would be one of the source, which the engine survives.
    pub(crate) fn holds(&mut self, kept: bool, promise: impl FnOnce() -> String) {
        if !kept && self.broken.is_none() {
            self.broken = Some(promise());
        }
    }

    /// An event that may cause an exchange before its time.
    pub(crate) fn caused(&mut self) {
        self.causes.push_back(Instant::now());
    }

    pub(crate) fn started(&mut self) {
        let now = Instant::now();
        let alone = !self.in_flight;
        self.holds(alone, || "P3: two exchanges at once".to_owned());
        self.holds(!self.closing, || "P10: an exchange of a dropped provider".to_owned());
        self.in_flight = true;
        self.changed_since_start = false;
        self.calls += 1;
        self.starts.push_back(now);
        for times in [&mut self.starts, &mut self.causes] {
            while times.front().is_some_and(|at| *at + HOUR < now) {
                times.pop_front();
            }
        }
        let (calls, causes) = (self.starts.len(), self.causes.len());
        let bound = self.calls_an_hour + CALLS_FOR_A_CAUSE * causes as f64;
        self.holds((calls as f64) < bound, || format!("P5: {calls} calls in an hour with {causes} causes"));
    }

    pub(crate) fn granted(&mut self, session: Session) {
        self.in_flight = false;
        let before = (self.candidates.clone(), self.last_success.replace(Instant::now()), self.failing);
        self.failing = false;
        let now = self.clocks.true_time();
        let shortest = |session: &Session| session.sent + session.lifetimes[1];
        let longest = |session: &Session| session.sent + session.lifetimes[0];
        // P2: a longer session stays, unless it is unwanted. P3: any other is replaced, since no answer is thrown away.
        let may_stay = |old: &Session| !old.unwanted && longest(old) + TWICE > shortest(&session);
        let must_stay = |old: &Session| {
            !old.unwanted && !old.perhaps_unwanted && shortest(old) > longest(&session) + TWICE && old.surely_valid(now)
        };
        let replaced = self.candidates.is_empty() || !self.candidates.iter().all(must_stay);
        self.candidates.retain(may_stay);
        if replaced {
            self.candidates.push(session.clone());
        } else {
            self.spread.count("shorter sessions that were not taken", 1);
        }
        self.ended = Some(Ended::Granted { session, before });
    }

    /// The engine counts the last exchange as failed.
    pub(crate) fn expired_on_arrival(&mut self) {
        if let Some(Ended::Granted { session, before }) =
            self.ended.take_if(|ended| matches!(ended, Ended::Granted { .. }))
        {
            let refused = session.surely_valid(self.clocks.true_time());
            self.holds(!refused, || format!("P3: the engine refuses {session:?}"));
            (self.candidates, self.last_success, self.failing) = before;
            self.failed(Class::Outage, None);
        }
    }

    pub(crate) fn failed(&mut self, class: Class, retry_after: Option<Duration>) {
        self.in_flight = false;
        let now = Instant::now();
        let last = self.last_failure.filter(|_| self.failing);
        let since = last.map_or(now, |last| last.since);
        let failed = Failed {
            class,
            before: last.map_or(0, |last| last.failed.before + 1),
            alike: last.filter(|last| last.failed.class == class).map_or(0, |last| last.failed.alike + 1),
            new: self.last_success.is_none(),
            lasted: (now - since).as_secs_f64(),
            retry_after: retry_after.map(|after| after.as_secs_f64()),
        };
        self.failing = true;
        self.last_failure = Some(LastFailure { at: now, failed, since });
        self.ended = Some(Ended::Failed(failed));
    }

    pub(crate) fn reported(&mut self, change: Change) {
        self.changed_since_start = true;
        if change == Change::Identity {
            // A change during an exchange counts after its end.
            let sure = !self.in_flight;
            for session in &mut self.candidates {
                session.unwanted |= sure;
                session.perhaps_unwanted = true;
            }
        }
    }

    /// The engine shows its state. Right after an exchange, the next attempt depends on the outcome alone.
    pub(crate) fn shown(&mut self, status: &EngineStatus, wall: std::time::SystemTime) {
        let Some(ended) = self.ended.take() else { return };
        let disturbed = self.changed_since_start || self.closing;
        let Some(next) = status.next_attempt.filter(|_| !disturbed) else { return };
        let delay = next.duration_since(wall).unwrap_or_default().as_secs_f64();
        match ended {
            Ended::Granted { session, .. } => self.refresh_is_due(&session, delay),
            Ended::Failed(failed) => {
                let valid = status.expiry.filter(|_| status.phase == Phase::Stale);
                let valid = valid.map_or(0.0, |end| end.duration_since(wall).unwrap_or_default().as_secs_f64());
                self.retry_is_due(failed, valid, delay);
            }
        }
    }

    fn refresh_is_due(&mut self, session: &Session, delay: f64) {
        // Of a session that lives as long as another, or that was not taken, this knows too little.
        if self.candidates.len() != 1 || self.candidates[0].key != session.key {
            return;
        }
        let after = (self.clocks.true_time() - session.sent).as_secs_f64() + delay;
        let shares = session.lifetimes.map(|lifetime| (after / lifetime.as_secs_f64(), 1.05 / lifetime.as_secs_f64()));
        let share = shares.into_iter().find(|(share, second)| (0.6 - second..0.7501).contains(share));
        // After a suspend during the exchange it is too late for that.
        let at_once = delay <= 1.0;
        self.holds(share.is_some() || at_once, || format!("P4: a refresh after {shares:?} of the lifetime"));
        if let Some((share, _)) = share.filter(|(_, second)| *second < 0.0005) {
            self.spread.draw("refresh", (share - 0.6) / 0.15);
        }
    }

    fn retry_is_due(&mut self, failed: Failed, valid: f64, delay: f64) {
        // A suspend lengthens the time since the first failure.
        let lasted = if self.suspended.is_some() { [failed.lasted, f64::MAX] } else { [failed.lasted; 2] };
        let ranges = lasted.map(|lasted| Failed { lasted, ..failed }.range(valid));
        let fits = ranges.into_iter().find(|range| (range.least - SLACK..=range.most + SLACK).contains(&delay));
        self.holds(fits.is_some(), || {
            format!("P5: a retry after {delay} s of {failed:?}, valid for {valid} s: {ranges:?}")
        });
        if let Some(range) = fits.filter(|range| range.uncut) {
            self.spread.draw(range.name, (delay - range.least) / (range.most - range.least));
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Two sessions that end this close to each other live equally long: STS counts in whole seconds.
const TWICE: Duration = Duration::from_secs(2);
/// The engine takes this much of a suspend for the tolerance of two clocks.
const MISSED: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);
const CALLS_FOR_A_CAUSE: f64 = 4.0;
/// Rounding, in seconds.
const SLACK: f64 = 1e-5;
