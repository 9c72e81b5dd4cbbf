//! What the watch remembers, and what follows from it: when to look, and whether what was seen is news. No I/O, no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::claims::TokenClaims;
use super::token::{Digest, Token};
use crate::refresh::Change;

pub(super) struct WatchState {
    poll_interval: Duration,
    seen: Option<Digest>,
    claims: Option<TokenClaims>,
    basis: Basis,
    /// Of the last basis that was a JWT: a torn write in between does not make us forget who we were.
    identity: Option<TokenClaims>,
    unreadable: bool,

    /// `None`: at once.
    poll_at: Option<Instant>,
    /// How often an exchange has read the file by itself, and how many of these the last look came after.
    asks: u64,
    asks_heard: u64,
    nudges_heard: u64,
    quiet_until: Option<Instant>,
    gap: Duration,
    /// Somebody needs a better token than there is.
    closely: bool,
    /// Polls since there is something to wait for that may come any moment.
    anxious_looks: u32,

    wants_events: bool,
    armed: bool,
    suspicion: Option<Suspicion>,
    unreliable: bool,
    looks: u64,
    rotations: u64,
}

impl WatchState {
    pub(super) fn new(poll_interval: Duration, wants_events: bool) -> Self {
        Self {
            poll_interval: poll_interval.min(LONGEST_POLL),
            seen: None,
            claims: None,
            basis: Basis::Open,
            identity: None,
            unreadable: false,
            poll_at: None,
            asks: 0,
            asks_heard: 0,
            nudges_heard: 0,
            quiet_until: None,
            gap: FIRST_GAP,
            closely: false,
            anxious_looks: 0,
            wants_events,
            armed: false,
            suspicion: None,
            unreliable: false,
            looks: 0,
            rotations: 0,
        }
    }

    /// When the next look is due, and why, after so many nudges.
    pub(super) fn due(&self, nudges: u64, now: Instant) -> Due {
        // First: it alone sees to the watch.
        let Some(poll_at) = self.poll_at.filter(|poll_at| *poll_at > now) else { return Due::Now(Cause::Clock) };
        if self.asks != self.asks_heard {
            return Due::Now(Cause::Asked);
        }
        if nudges == self.nudges_heard {
            return Due::At(poll_at);
        }
        match self.quiet_until {
            Some(quiet_until) if quiet_until > now => Due::NotBefore(quiet_until),
            _ => Due::Now(Cause::Nudge),
        }
    }

    /// What a look must remember of its beginning.
    pub(super) fn look(&self, cause: Cause, nudges: u64) -> Look {
        Look { cause, nudges, asks: self.asks }
    }

    /// A look has come to an end.
    pub(super) fn looked(
        &mut self,
        look: Look,
        armed_anew: bool,
        token: Option<&Token>,
        now: Instant,
    ) -> Option<Change> {
        self.looks += 1;
        if look.asks != self.asks {
            // An exchange has read the file meanwhile, perhaps after us: another look will tell.
            return None;
        }
        let fresh = token.is_some_and(|token| self.seen.is_some_and(|seen| seen != token.digest()));
        self.judge_watch(look, armed_anew, fresh, now);
        if let Some(token) = token {
            self.saw(token);
        }
        self.rotations += u64::from(fresh);
        self.unreadable = token.is_none();
        self.nudges_heard = look.nudges;
        self.asks_heard = look.asks;
        self.plan(look.cause, now);
        self.news(token)
    }

    /// An exchange is made with this token.
    pub(super) fn used(&mut self, token: &Token) {
        self.rest_on(Basis::Content(token.digest()), token.claims());
        self.asks += 1;
        if self.seen.is_none() {
            self.saw(token);
        }
    }

    /// An exchange was not made, for want of a token.
    pub(super) fn found_none(&mut self) {
        self.rest_on(Basis::NoToken, None);
        self.asks += 1;
    }

    pub(super) fn look_closely(&mut self, on: bool, now: Instant) {
        if on && !self.closely {
            self.anxious_looks = 0;
            self.poll_at = self.poll_at.map(|poll_at| poll_at.min(now + ANXIOUS_POLL));
        }
        self.closely = on;
    }

    pub(super) fn armed(&mut self, armed: bool) {
        self.armed = armed;
    }

    pub(super) fn claims(&self) -> Option<&TokenClaims> {
        self.claims.as_ref()
    }

    pub(super) fn watching(&self) -> bool {
        self.armed && !self.unreliable
    }

    pub(super) fn is_unreliable(&self) -> bool {
        self.unreliable
    }

    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    pub(super) fn rotations(&self) -> u64 {
        self.rotations
    }

    fn saw(&mut self, token: &Token) {
        self.seen = Some(token.digest());
        self.claims = token.claims().cloned();
    }

    fn news(&mut self, token: Option<&Token>) -> Option<Change> {
        let Some(token) = token else {
            if self.basis == Basis::Open {
                self.basis = Basis::NoToken;
            }
            return None;
        };
        let basis = Basis::Content(token.digest());
        if basis == self.basis {
            return None;
        }
        let first = self.basis == Basis::Open;
        let somebody_else = token
            .claims()
            .zip(self.identity.as_ref())
            .is_some_and(|(claims, identity)| !claims.same_identity(identity));
        self.rest_on(basis, token.claims());
        match (first, somebody_else) {
            (true, _) => None,
            (false, true) => Some(Change::Identity),
            (false, false) => Some(Change::Content),
        }
    }

    fn rest_on(&mut self, basis: Basis, claims: Option<&TokenClaims>) {
        self.basis = basis;
        if let Some(claims) = claims {
            self.identity = Some(claims.clone());
        }
    }

    /// A change that a poll finds and no event follows, however late, is one that the watch does not see.
    fn judge_watch(&mut self, look: Look, armed_anew: bool, fresh: bool, now: Instant) {
        let Look { cause, nudges, .. } = look;
        if armed_anew || !self.armed {
            self.suspicion = None;
            return;
        }
        match (cause, self.suspicion) {
            (Cause::Nudge, _) if fresh => self.unreliable = false,
            (Cause::Clock, Some(suspicion)) if suspicion.since + EVENT_DELAY <= now => {
                self.unreliable |= suspicion.nudges == nudges;
                self.suspicion = None;
            }
            (Cause::Clock, None) if fresh && nudges == self.nudges_heard => {
                self.suspicion = Some(Suspicion { nudges, since: now });
            }
            _ => {}
        }
    }

    fn plan(&mut self, cause: Cause, now: Instant) {
        if cause == Cause::Nudge {
            let calm = self.quiet_until.is_none_or(|quiet_until| quiet_until + CALM <= now);
            self.gap = if calm { FIRST_GAP } else { (self.gap * 2).min(LONGEST_GAP) };
            self.quiet_until = Some(now + self.gap);
        }
        let mut interval = self.poll_interval.mul_f64(0.9 + 0.2 * fastrand::f64());
        if !self.watching() {
            interval = interval.min(SHORT_POLL);
        }
        if self.closely || self.unreadable || (self.wants_events && !self.armed) {
            interval = interval.min(if self.anxious_looks < ANXIOUS_LOOKS { ANXIOUS_POLL } else { SHORT_POLL });
            self.anxious_looks = self.anxious_looks.saturating_add(u32::from(cause == Cause::Clock));
        } else {
            self.anxious_looks = 0;
        }
        self.poll_at = Some(now + interval);
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Now(Cause),
    At(Instant),
    /// There was a nudge, but one look has only just been taken.
    NotBefore(Instant),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    cause: Cause,
    nudges: u64,
    asks: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    Asked,
    Clock,
    Nudge,
}

/// What the last exchange rested on, or what was reported last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Basis {
    /// Nobody has asked for a token yet: the first that is seen is no news.
    Open,
    NoToken,
    Content(Digest),
}

#[derive(Clone, Copy, Debug)]
struct Suspicion {
    nudges: u64,
    since: Instant,
}

/// The longest interval without a working watch.
const SHORT_POLL: Duration = Duration::from_secs(5);
const LONGEST_POLL: Duration = Duration::from_secs(24 * 60 * 60);

/// While no token can be read, STS wants another, or the directory may come back: this often at first.
const ANXIOUS_POLL: Duration = Duration::from_secs(1);
const ANXIOUS_LOOKS: u32 = 10;

/// One rotation gives seven events in a tenth of a millisecond; a flood must not keep a core busy.
const FIRST_GAP: Duration = Duration::from_millis(1);
const LONGEST_GAP: Duration = Duration::from_millis(64);
const CALM: Duration = Duration::from_millis(250);

/// How long an event may take.
const EVENT_DELAY: Duration = Duration::from_secs(1);
