//! Decisions of the watch: when to check, and what is a change. No files, no clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::refresh::Change;
use crate::web_identity::loaded_token::LoadedToken;
use crate::web_identity::testing::jwt;
use crate::web_identity::token_watch::WatchState;
use crate::web_identity::token_watch::poll_schedule::{Cause, Due};

#[test]
fn each_token_but_the_first_is_one_change() {
    let mut watcher = Watcher::watching();
    assert_eq!(watcher.check(Some("a")), None);
    assert_eq!(watcher.check(Some("a")), None);
    assert_eq!(watcher.check(Some("b")), Some(Change::Content));
    assert_eq!(watcher.check(Some("b")), None);
    assert_eq!(watcher.check(Some("a")), Some(Change::Content));
    assert_eq!(watcher.state.changes.rotations, 2);
}

#[test]
fn token_that_was_missing_is_a_change() {
    let mut watcher = Watcher::watching();
    assert_eq!(watcher.check(None), None);
    assert_eq!(watcher.check(Some("a")), Some(Change::Content));
}

#[test]
fn other_token_than_used_is_a_change() {
    let mut watcher = Watcher::watching();
    watcher.use_token("a");
    assert_eq!(watcher.due(), Due::Now(Cause::Poll), "only a poll starts the watch");
    assert_eq!(watcher.check(Some("a")), None);
    watcher.use_token("b");
    assert_eq!(watcher.due(), Due::Now(Cause::Exchange), "a check must tell which token is newer");
    assert_eq!(watcher.check(Some("b")), None);
    assert_eq!(watcher.check(Some("c")), Some(Change::Content));
    watcher.use_token("b");
    assert_eq!(watcher.check(Some("c")), Some(Change::Content), "the exchange read the file before the check did");
}

#[test]
fn check_overtaken_by_an_exchange_is_ignored() {
    let mut watcher = Watcher::watching();
    watcher.use_token("a");
    watcher.check(Some("a"));
    let check = watcher.state.schedule.begin(Cause::Poll, watcher.events);
    watcher.use_token("b");
    watcher.state.checked(check, false, Some(&LoadedToken::of("a")), watcher.now);
    assert_eq!(watcher.state.changes.take(), None, "the check saw the older content");
    assert_eq!(watcher.due(), Due::Now(Cause::Exchange));
    assert_eq!(watcher.check(Some("b")), None);
    assert_eq!(watcher.state.changes.rotations, 1);
}

#[test]
fn check_overtaken_by_a_later_one_is_ignored() {
    let mut watcher = Watcher::watching();
    watcher.check(Some("a"));
    let first = watcher.state.schedule.begin(Cause::Poll, watcher.events);
    assert_eq!(watcher.check(Some("b")), Some(Change::Content));
    watcher.state.checked(first, false, Some(&LoadedToken::of("a")), watcher.now);
    assert_eq!(watcher.state.changes.take(), None, "the check saw the older content");
    assert_eq!(watcher.check(Some("b")), None);
    assert_eq!(watcher.state.changes.rotations, 1);
}

#[test]
fn unreported_change_stays_until_reported_or_used() {
    let token = |subject: &str| jwt(&format!(r#"{{"sub":"{subject}"}}"#));
    let mut watcher = Watcher::watching();
    watcher.use_token(&token("me"));
    watcher.see(&token("you"));
    watcher.see(r#"{"not":"a JWT"}"#);
    assert_eq!(watcher.state.changes.take(), Some(Change::Identity), "another identity outweighs new content");
    assert_eq!(watcher.state.changes.take(), None);

    watcher.see(&token("me"));
    watcher.use_token(&token("me"));
    assert_eq!(watcher.state.changes.take(), None);
    watcher.see(&token("me"));
    assert_eq!(watcher.state.changes.take(), None);
}

#[test]
fn same_token_is_change_after_failed_read() {
    let mut watcher = Watcher::watching();
    watcher.use_token("a");
    assert_eq!(watcher.check(Some("a")), None);
    watcher.state.used(None);
    assert_eq!(watcher.due(), Due::Now(Cause::Exchange));
    assert_eq!(watcher.check(Some("a")), Some(Change::Content));
}

#[test]
fn token_that_returns_unchanged_is_no_change() {
    let mut watcher = Watcher::watching();
    watcher.use_token("a");
    assert_eq!(watcher.check(None), None);
    assert_eq!(watcher.check(Some("a")), None);
    assert_eq!(watcher.state.changes.rotations, 0);
}

#[test]
fn another_issuer_subject_or_audience_is_another_identity() {
    let me = jwt(r#"{"iss":"i","sub":"s","aud":["a"],"iat":1}"#);
    for other in
        [r#"{"iss":"j","sub":"s","aud":"a"}"#, r#"{"iss":"i","sub":"t","aud":"a"}"#, r#"{"iss":"i","sub":"s"}"#]
    {
        let mut watcher = Watcher::watching();
        watcher.use_token(&me);
        assert_eq!(watcher.check(Some(&jwt(r#"{"iss":"i","sub":"s","aud":"a","iat":2}"#))), Some(Change::Content));
        assert_eq!(watcher.check(Some(&jwt(other))), Some(Change::Identity), "{other}");
    }
}

#[test]
fn torn_token_does_not_hide_another_identity() {
    let mut watcher = Watcher::watching();
    watcher.use_token(&jwt(r#"{"sub":"me"}"#));
    assert_eq!(watcher.check(Some("eyJ")), Some(Change::Content));
    assert_eq!(watcher.check(Some(&jwt(r#"{"sub":"you"}"#))), Some(Change::Identity));
}

#[test]
fn claims_survive_a_token_that_cannot_be_read() {
    let mut watcher = Watcher::watching();
    watcher.check(Some(&jwt(r#"{"sub":"me"}"#)));
    watcher.check(None);
    assert_eq!(watcher.state.changes.claims.as_ref().unwrap().subject.as_deref(), Some("me"));
}

#[test]
fn watched_token_is_polled_with_ten_percent_jitter() {
    let mut watcher = Watcher::watching();
    let mut intervals: Vec<_> = (0..200).map(|_| watcher.poll(Some("a"))).collect();
    intervals.sort_unstable();
    assert!(intervals[0] >= Duration::from_secs(27) && intervals[199] <= Duration::from_secs(33), "{intervals:?}");
    assert!(intervals[199] - intervals[0] > Duration::from_secs(3), "{intervals:?}");
}

#[test]
fn jitter_of_a_poll_is_a_parameter() {
    for (random, seconds) in [(0.0, 27), (0.5, 30), (1.0, 33)] {
        let mut watcher = Watcher::watching();
        let check = watcher.state.schedule.begin(Cause::Poll, 0);
        watcher.state.schedule.plan(check, false, true, false, watcher.now, random);
        assert_eq!(watcher.due(), Due::At(watcher.now + Duration::from_secs(seconds)));
    }
}

#[test]
fn unwatched_token_is_polled_every_five_seconds() {
    let mut watcher = Watcher { state: WatchState::new(Duration::from_secs(30), false), ..Watcher::watching() };
    assert!((0..20).all(|_| watcher.poll(Some("a")) == SHORT_POLL));

    let mut watcher = Watcher { state: WatchState::new(Duration::from_millis(100), false), ..Watcher::watching() };
    assert!((0..20).all(|_| watcher.poll(Some("a")) < Duration::from_millis(111)), "a shorter interval is kept");
}

#[test]
fn missing_token_is_polled_each_second_at_first() {
    let frequent = [vec![FREQUENT_POLL; 10], vec![SHORT_POLL; 10]].concat();

    let mut watcher = Watcher::watching();
    assert_eq!((0..20).map(|_| watcher.poll(None)).collect::<Vec<_>>(), frequent, "no token");
    assert!(watcher.poll(Some("a")) > SHORT_POLL);

    let mut watcher = Watcher::watching();
    watcher.state.schedule.watching = false;
    assert_eq!((0..20).map(|_| watcher.poll(Some("a"))).collect::<Vec<_>>(), frequent, "no watch");

    let mut watcher = Watcher::watching();
    watcher.poll(Some("a"));
    watcher.state.schedule.poll_often(true, watcher.now);
    assert_eq!(watcher.due(), Due::At(watcher.now + FREQUENT_POLL));
    assert_eq!(
        (0..20)
            .map(|_| {
                watcher.state.schedule.poll_often(true, watcher.now);
                watcher.poll(Some("a"))
            })
            .collect::<Vec<_>>(),
        frequent,
        "STS refuses this token"
    );
    watcher.state.schedule.poll_often(false, watcher.now);
    watcher.poll(Some("a"));
    assert!(watcher.poll(Some("a")) > SHORT_POLL);
}

#[test]
fn event_flood_causes_few_checks() {
    let mut watcher = Watcher::watching();
    watcher.poll(Some("a"));
    let flooded_until = watcher.now + Duration::from_secs(10);
    let checks = watcher.state.schedule.checks;
    while watcher.now < flooded_until {
        watcher.events += 10;
        match watcher.due() {
            Due::Now(cause) => drop(watcher.check_for(cause, Some("a"))),
            Due::At(at) => panic!("events came, but the next check is at {at:?}"),
            Due::NotBefore(_) => {}
        }
        watcher.now += Duration::from_micros(100);
    }
    let checks = watcher.state.schedule.checks - checks;
    assert!((150..250).contains(&checks), "{checks}");

    watcher.now += LONGEST_GAP;
    watcher.check_for(Cause::Event, Some("a"));
    watcher.now += CALM + LONGEST_GAP;
    watcher.events += 1;
    assert_eq!(watcher.due(), Due::Now(Cause::Event));
    watcher.check_for(Cause::Event, Some("a"));
    watcher.events += 1;
    assert_eq!(watcher.due(), Due::NotBefore(watcher.now + FIRST_GAP));
}

#[test]
fn event_during_a_check_causes_another_check() {
    let mut watcher = Watcher::watching();
    watcher.poll(Some("a"));
    let check = watcher.state.schedule.begin(Cause::Event, watcher.events);
    watcher.events += 1;
    watcher.state.checked(check, false, Some(&LoadedToken::of("a")), watcher.now);
    watcher.now += FIRST_GAP;
    assert_eq!(watcher.due(), Due::Now(Cause::Event));
}

#[test]
fn unannounced_change_shortens_the_poll_interval() {
    let mut watcher = Watcher::watching();
    watcher.poll(Some("a"));
    watcher.poll(Some("b"));
    assert!(!watcher.state.schedule.events_are_missed, "the event may be on its way");
    assert_eq!(watcher.poll(Some("b")), SHORT_POLL);
    assert!(watcher.state.schedule.events_are_missed && !watcher.state.schedule.events_work());

    watcher.events += 1;
    watcher.check_for(Cause::Event, Some("c"));
    assert!(!watcher.state.schedule.events_are_missed);
}

#[test]
fn poll_before_late_event_keeps_watch_trusted() {
    let mut watcher = Watcher::watching();
    watcher.poll(Some("a"));
    watcher.poll(Some("b"));
    watcher.events += 1;
    watcher.check_for(Cause::Event, Some("b"));
    watcher.poll(Some("b"));
    watcher.poll(Some("b"));
    assert!(!watcher.state.schedule.events_are_missed);
}

#[test]
fn change_before_the_watch_began_keeps_it_trusted() {
    let mut watcher = Watcher::watching();
    watcher.poll(Some("a"));
    let check = watcher.state.schedule.begin(Cause::Poll, watcher.events);
    watcher.state.checked(check, true, Some(&LoadedToken::of("b")), watcher.now);
    watcher.poll(Some("b"));
    watcher.poll(Some("b"));
    assert!(!watcher.state.schedule.events_are_missed);
}

#[test]
fn p6_missed_rotation_shortens_polls_until_an_event_comes() {
    let second = Duration::from_secs(1);
    let mut now = Instant::now();
    let mut events = 0;
    let mut number = 1000;
    let mut check = |state: &mut WatchState, cause, rotated: bool, event_came: bool| {
        now += 2 * second;
        number += usize::from(rotated);
        events += u64::from(event_came);
        let check = state.schedule.begin(cause, events);
        state.checked(check, false, Some(&LoadedToken::of(&number.to_string())), now);
        let Due::At(next) = state.schedule.due(events, now) else { panic!("no check is due now") };
        next - now
    };
    let mut state = WatchState::new(30 * second, true);
    state.schedule.watching = true;
    let far = 27 * second..=33 * second;

    assert!(far.contains(&check(&mut state, Cause::Poll, true, false)));
    assert!(far.contains(&check(&mut state, Cause::Poll, false, false)), "the first content is no rotation");
    check(&mut state, Cause::Poll, true, false);
    check(&mut state, Cause::Poll, false, true);
    assert!(state.schedule.events_work(), "the event came late");
    check(&mut state, Cause::Poll, true, false);
    assert!(check(&mut state, Cause::Poll, false, false) <= 5 * second, "no event came");
    assert!(!state.schedule.events_work());
    assert!(check(&mut state, Cause::Event, false, true) <= 5 * second, "an event without a rotation proves nothing");
    assert!(far.contains(&check(&mut state, Cause::Event, true, true)));
    assert!(state.schedule.events_work());
}

struct Watcher {
    state: WatchState,
    now: Instant,
    events: u64,
}

impl Watcher {
    fn watching() -> Self {
        let mut state = WatchState::new(Duration::from_secs(30), true);
        state.schedule.watching = true;
        Self { state, now: Instant::now(), events: 0 }
    }

    fn due(&self) -> Due {
        self.state.schedule.due(self.events, self.now)
    }

    fn check(&mut self, token: Option<&str>) -> Option<Change> {
        self.check_for(Cause::Poll, token)
    }

    fn check_for(&mut self, cause: Cause, token: Option<&str>) -> Option<Change> {
        let token = token.map(LoadedToken::of);
        let check = self.state.schedule.begin(cause, self.events);
        self.state.checked(check, false, token.as_ref(), self.now);
        self.state.changes.take()
    }

    /// A check whose change nobody takes.
    fn see(&mut self, token: &str) {
        let check = self.state.schedule.begin(Cause::Poll, self.events);
        self.state.checked(check, false, Some(&LoadedToken::of(token)), self.now);
    }

    fn use_token(&mut self, token: &str) {
        self.state.used(Some(&LoadedToken::of(token)));
    }

    /// Makes the next poll when it is due. Returns the interval until the one after it.
    fn poll(&mut self, token: Option<&str>) -> Duration {
        if let Due::At(at) = self.due() {
            self.now = at;
        }
        assert_eq!(self.due(), Due::Now(Cause::Poll));
        self.check(token);
        match self.due() {
            Due::At(at) => at - self.now,
            due => panic!("{due:?}"),
        }
    }
}

const SHORT_POLL: Duration = Duration::from_secs(5);
const FREQUENT_POLL: Duration = Duration::from_secs(1);
const FIRST_GAP: Duration = Duration::from_millis(1);
const LONGEST_GAP: Duration = Duration::from_millis(64);
const CALM: Duration = Duration::from_millis(250);
