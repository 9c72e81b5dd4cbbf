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
    /// Seen, and not yet reported.
    news: Option<Change>,

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
    /// Of looks that have begun, and of the latest of these that has ended.
    last_begun: u64,
    last_ended: u64,
    looks: u64,
    rotations: u64,
}

impl WatchState {
    pub(super) fn new(poll_interval: Duration, wants_events: bool) -> Self {
        Self {
            poll_interval,
            seen: None,
            claims: None,
            basis: Basis::Open,
            identity: None,
            unreadable: false,
            news: None,
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
            last_begun: 0,
            last_ended: 0,
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
    pub(super) fn look(&mut self, cause: Cause, nudges: u64) -> Look {
        self.last_begun += 1;
        Look { cause, nudges, asks: self.asks, number: self.last_begun }
    }

    /// A look has come to an end.
    pub(super) fn looked(&mut self, look: Look, armed_anew: bool, token: Option<&Token>, now: Instant) {
        self.looks += 1;
        if look.asks != self.asks || look.number < self.last_ended {
            // An exchange or a later look has read the file meanwhile, perhaps after us: what we saw may be old.
            return;
        }
        self.last_ended = look.number;
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
        self.compare(token);
    }

    /// What is to be reported, once.
    pub(super) fn take_news(&mut self) -> Option<Change> {
        self.news.take()
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

    fn compare(&mut self, token: Option<&Token>) {
        let Some(token) = token else {
            if self.basis == Basis::Open {
                self.basis = Basis::NoToken;
            }
            return;
        };
        let basis = Basis::Content(token.digest());
        if basis == self.basis {
            return;
        }
        let first = self.basis == Basis::Open;
        let somebody_else = token
            .claims()
            .zip(self.identity.as_ref())
            .is_some_and(|(claims, identity)| !claims.same_identity(identity));
        let before = self.news;
        self.rest_on(basis, token.claims());
        self.news = match (first, somebody_else, before) {
            (true, ..) => None,
            (false, true, _) | (false, false, Some(Change::Identity)) => Some(Change::Identity),
            (false, false, _) => Some(Change::Content),
        };
    }

    fn rest_on(&mut self, basis: Basis, claims: Option<&TokenClaims>) {
        self.basis = basis;
        self.news = None;
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
    number: u64,
}

impl Look {
    /// Rather than the answer to a hint.
    pub(super) fn is_a_poll(self) -> bool {
        self.cause == Cause::Clock
    }
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

/// While no token can be read, STS wants another, or the directory may come back: this often at first.
const ANXIOUS_POLL: Duration = Duration::from_secs(1);
const ANXIOUS_LOOKS: u32 = 10;

/// One rotation gives seven events in a tenth of a millisecond; a flood must not keep a core busy.
const FIRST_GAP: Duration = Duration::from_millis(1);
const LONGEST_GAP: Duration = Duration::from_millis(64);
const CALM: Duration = Duration::from_millis(250);

/// How long an event may take.
const EVENT_DELAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_identity::testing::jwt;

    #[test]
    fn the_first_token_is_no_news_and_each_other_is_once() {
        let mut eye = Eye::watching();
        assert_eq!(eye.look(Some("a")), None);
        assert_eq!(eye.look(Some("a")), None);
        assert_eq!(eye.look(Some("b")), Some(Change::Content));
        assert_eq!(eye.look(Some("b")), None);
        assert_eq!(eye.look(Some("a")), Some(Change::Content));
        assert_eq!(eye.state.rotations(), 2);
    }

    #[test]
    fn a_token_that_was_missing_at_first_is_news() {
        let mut eye = Eye::watching();
        assert_eq!(eye.look(None), None);
        assert_eq!(eye.look(Some("a")), Some(Change::Content));
    }

    #[test]
    fn the_token_that_an_exchange_used_is_no_news_and_any_other_is() {
        let mut eye = Eye::watching();
        eye.use_token("a");
        assert_eq!(eye.due(), Due::Now(Cause::Clock), "the watch is not armed yet");
        assert_eq!(eye.look(Some("a")), None);
        eye.use_token("b");
        assert_eq!(eye.due(), Due::Now(Cause::Asked), "which is newer, the file must tell");
        assert_eq!(eye.look(Some("b")), None);
        assert_eq!(eye.look(Some("c")), Some(Change::Content));
        eye.use_token("b");
        assert_eq!(eye.look(Some("c")), Some(Change::Content), "the exchange had read the file before we did");
    }

    #[test]
    fn a_look_that_an_exchange_overtook_says_nothing() {
        let mut eye = Eye::watching();
        eye.use_token("a");
        eye.look(Some("a"));
        let look = eye.state.look(Cause::Clock, eye.nudges);
        eye.use_token("b");
        eye.state.looked(look, false, Some(&Token::of("a")), eye.now);
        assert_eq!(eye.state.take_news(), None, "a is old");
        assert_eq!(eye.due(), Due::Now(Cause::Asked));
        assert_eq!(eye.look(Some("b")), None);
        assert_eq!(eye.state.rotations(), 1);
    }

    #[test]
    fn a_look_that_a_later_one_overtook_says_nothing() {
        let mut eye = Eye::watching();
        eye.look(Some("a"));
        let first = eye.state.look(Cause::Clock, eye.nudges);
        assert_eq!(eye.look(Some("b")), Some(Change::Content));
        eye.state.looked(first, false, Some(&Token::of("a")), eye.now);
        assert_eq!(eye.state.take_news(), None, "a is old");
        assert_eq!(eye.look(Some("b")), None);
        assert_eq!(eye.state.rotations(), 1);
    }

    #[test]
    fn news_that_nobody_fetched_stay_until_somebody_does_or_an_exchange_needs_them_no_more() {
        let token = |subject: &str| jwt(&format!(r#"{{"sub":"{subject}"}}"#));
        let mut eye = Eye::watching();
        eye.use_token(&token("me"));
        eye.see(&token("you"));
        eye.see(r#"{"not":"a JWT"}"#);
        assert_eq!(eye.state.take_news(), Some(Change::Identity), "the stronger of two");
        assert_eq!(eye.state.take_news(), None);

        eye.see(&token("me"));
        eye.use_token(&token("me"));
        assert_eq!(eye.state.take_news(), None);
        eye.see(&token("me"));
        assert_eq!(eye.state.take_news(), None);
    }

    #[test]
    fn the_same_token_is_news_to_an_exchange_that_found_none() {
        let mut eye = Eye::watching();
        eye.use_token("a");
        assert_eq!(eye.look(Some("a")), None);
        eye.state.found_none();
        assert_eq!(eye.due(), Due::Now(Cause::Asked));
        assert_eq!(eye.look(Some("a")), Some(Change::Content));
    }

    #[test]
    fn a_token_that_is_gone_for_a_while_is_no_news_when_it_is_back() {
        let mut eye = Eye::watching();
        eye.use_token("a");
        assert_eq!(eye.look(None), None);
        assert_eq!(eye.look(Some("a")), None);
        assert_eq!(eye.state.rotations(), 0);
    }

    #[test]
    fn another_issuer_subject_or_audience_is_another_identity() {
        let me = jwt(r#"{"iss":"i","sub":"s","aud":["a"],"iat":1}"#);
        for other in
            [r#"{"iss":"j","sub":"s","aud":"a"}"#, r#"{"iss":"i","sub":"t","aud":"a"}"#, r#"{"iss":"i","sub":"s"}"#]
        {
            let mut eye = Eye::watching();
            eye.use_token(&me);
            assert_eq!(eye.look(Some(&jwt(r#"{"iss":"i","sub":"s","aud":"a","iat":2}"#))), Some(Change::Content));
            assert_eq!(eye.look(Some(&jwt(other))), Some(Change::Identity), "{other}");
        }
    }

    #[test]
    fn a_torn_token_in_between_does_not_hide_another_identity() {
        let mut eye = Eye::watching();
        eye.use_token(&jwt(r#"{"sub":"me"}"#));
        assert_eq!(eye.look(Some("eyJ")), Some(Change::Content));
        assert_eq!(eye.look(Some(&jwt(r#"{"sub":"you"}"#))), Some(Change::Identity));
    }

    #[test]
    fn claims_survive_a_token_that_cannot_be_read() {
        let mut eye = Eye::watching();
        eye.look(Some(&jwt(r#"{"sub":"me"}"#)));
        eye.look(None);
        assert_eq!(eye.state.claims().unwrap().subject.as_deref(), Some("me"));
    }

    #[test]
    fn a_token_is_polled_at_the_interval_with_a_tenth_of_jitter_while_it_is_watched() {
        let mut eye = Eye::watching();
        let mut intervals: Vec<_> = (0..200).map(|_| eye.poll(Some("a"))).collect();
        intervals.sort_unstable();
        assert!(intervals[0] >= Duration::from_secs(27) && intervals[199] <= Duration::from_secs(33), "{intervals:?}");
        assert!(intervals[199] - intervals[0] > Duration::from_secs(3), "{intervals:?}");
    }

    #[test]
    fn a_token_without_a_watch_is_polled_every_five_seconds() {
        let mut eye = Eye { state: WatchState::new(Duration::from_secs(30), false), ..Eye::watching() };
        assert!((0..20).all(|_| eye.poll(Some("a")) == SHORT_POLL));

        let mut eye = Eye { state: WatchState::new(Duration::from_millis(100), false), ..Eye::watching() };
        assert!((0..20).all(|_| eye.poll(Some("a")) < Duration::from_millis(111)), "or more often, if that is wanted");
    }

    #[test]
    fn what_may_come_any_moment_is_looked_for_every_second_at_first_and_then_every_five() {
        let anxious = [vec![ANXIOUS_POLL; 10], vec![SHORT_POLL; 10]].concat();

        let mut eye = Eye::watching();
        assert_eq!((0..20).map(|_| eye.poll(None)).collect::<Vec<_>>(), anxious, "no token");
        assert!(eye.poll(Some("a")) > SHORT_POLL);

        let mut eye = Eye::watching();
        eye.state.armed(false);
        assert_eq!((0..20).map(|_| eye.poll(Some("a"))).collect::<Vec<_>>(), anxious, "no watch");

        let mut eye = Eye::watching();
        eye.poll(Some("a"));
        eye.state.look_closely(true, eye.now);
        assert_eq!(eye.due(), Due::At(eye.now + ANXIOUS_POLL));
        assert_eq!(
            (0..20)
                .map(|_| {
                    eye.state.look_closely(true, eye.now);
                    eye.poll(Some("a"))
                })
                .collect::<Vec<_>>(),
            anxious,
            "STS refuses this token"
        );
        eye.state.look_closely(false, eye.now);
        eye.poll(Some("a"));
        assert!(eye.poll(Some("a")) > SHORT_POLL);
    }

    #[test]
    fn a_flood_of_events_amounts_to_a_few_looks_and_a_calm_hint_to_one_at_once() {
        let mut eye = Eye::watching();
        eye.poll(Some("a"));
        let flooded_until = eye.now + Duration::from_secs(10);
        let looks = eye.state.looks();
        while eye.now < flooded_until {
            eye.nudges += 10;
            match eye.due() {
                Due::Now(cause) => drop(eye.look_for(cause, Some("a"))),
                Due::At(at) => panic!("there are nudges, yet it waits until {at:?}"),
                Due::NotBefore(_) => {}
            }
            eye.now += Duration::from_micros(100);
        }
        let looks = eye.state.looks() - looks;
        assert!((150..250).contains(&looks), "{looks}");

        eye.now += LONGEST_GAP;
        eye.look_for(Cause::Nudge, Some("a"));
        eye.now += CALM + LONGEST_GAP;
        eye.nudges += 1;
        assert_eq!(eye.due(), Due::Now(Cause::Nudge));
        eye.look_for(Cause::Nudge, Some("a"));
        eye.nudges += 1;
        assert_eq!(eye.due(), Due::NotBefore(eye.now + FIRST_GAP));
    }

    #[test]
    fn a_hint_that_comes_during_a_look_is_not_lost() {
        let mut eye = Eye::watching();
        eye.poll(Some("a"));
        let look = eye.state.look(Cause::Nudge, eye.nudges);
        eye.nudges += 1;
        eye.state.looked(look, false, Some(&Token::of("a")), eye.now);
        eye.now += FIRST_GAP;
        assert_eq!(eye.due(), Due::Now(Cause::Nudge));
    }

    #[test]
    fn a_change_that_no_event_announces_shortens_the_interval_until_one_does() {
        let mut eye = Eye::watching();
        eye.poll(Some("a"));
        eye.poll(Some("b"));
        assert!(!eye.state.is_unreliable(), "the event may be on its way");
        assert_eq!(eye.poll(Some("b")), SHORT_POLL);
        assert!(eye.state.is_unreliable() && !eye.state.watching());

        eye.nudges += 1;
        eye.look_for(Cause::Nudge, Some("c"));
        assert!(!eye.state.is_unreliable());
    }

    #[test]
    fn a_poll_that_is_faster_than_an_event_blames_nobody() {
        let mut eye = Eye::watching();
        eye.poll(Some("a"));
        eye.poll(Some("b"));
        eye.nudges += 1;
        eye.look_for(Cause::Nudge, Some("b"));
        eye.poll(Some("b"));
        eye.poll(Some("b"));
        assert!(!eye.state.is_unreliable());
    }

    #[test]
    fn a_change_from_before_the_watch_was_armed_blames_nobody() {
        let mut eye = Eye::watching();
        eye.poll(Some("a"));
        let look = eye.state.look(Cause::Clock, eye.nudges);
        eye.state.looked(look, true, Some(&Token::of("b")), eye.now);
        eye.poll(Some("b"));
        eye.poll(Some("b"));
        assert!(!eye.state.is_unreliable());
    }

    struct Eye {
        state: WatchState,
        now: Instant,
        nudges: u64,
    }

    impl Eye {
        fn watching() -> Self {
            let mut state = WatchState::new(Duration::from_secs(30), true);
            state.armed(true);
            Self { state, now: Instant::now(), nudges: 0 }
        }

        fn due(&self) -> Due {
            self.state.due(self.nudges, self.now)
        }

        fn look(&mut self, token: Option<&str>) -> Option<Change> {
            self.look_for(Cause::Clock, token)
        }

        fn look_for(&mut self, cause: Cause, token: Option<&str>) -> Option<Change> {
            let token = token.map(Token::of);
            let look = self.state.look(cause, self.nudges);
            self.state.looked(look, false, token.as_ref(), self.now);
            self.state.take_news()
        }

        /// A look whose news nobody takes.
        fn see(&mut self, token: &str) {
            let look = self.state.look(Cause::Clock, self.nudges);
            self.state.looked(look, false, Some(&Token::of(token)), self.now);
        }

        fn use_token(&mut self, token: &str) {
            self.state.used(&Token::of(token));
        }

        /// Waits for the next poll, takes it, and tells when the one after that is.
        fn poll(&mut self, token: Option<&str>) -> Duration {
            if let Due::At(at) = self.due() {
                self.now = at;
            }
            assert_eq!(self.due(), Due::Now(Cause::Clock));
            self.look(token);
            match self.due() {
                Due::At(at) => at - self.now,
                due => panic!("{due:?}"),
            }
        }
    }
}
