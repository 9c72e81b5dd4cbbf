//! When the token file is checked: the poll interval, events, and exchanges that have read the file. No I/O, no clock,
//! no random numbers of its own.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Default)]
pub(super) struct PollSchedule {
    poll_interval: Duration,
    /// `None`: at once.
    poll_at: Option<Instant>,
    /// Number of the latest read that has begun. Checks and exchanges read the file.
    last_begun: u64,
    /// Number of the latest read that has ended.
    last_ended: u64,
    #[cfg(test)]
    pub(super) checks: u64,
    /// An exchange has read the file, and no check since.
    exchange_has_read: bool,
    /// Number of events before the last check.
    events_heard: u64,
    /// Earliest next check for an event. A flood of events doubles the gap.
    next_event_check: Option<Instant>,
    event_gap: Duration,
    /// The last check found no token.
    no_token: bool,
    /// Only another token can end the failure.
    poll_often: bool,
    /// Polls since frequent polling began.
    frequent_polls: u32,
    wants_events: bool,
    pub(super) watching: bool,
    missed_event: Option<MissedEvent>,
    /// A poll has found a change that no event announced, and no event has announced one since.
    pub(super) events_are_missed: bool,
}

impl PollSchedule {
    pub(super) fn new(poll_interval: Duration, wants_events: bool) -> Self {
        Self { poll_interval, wants_events, ..Self::default() }
    }

    /// When the next check is due. `events`: number of events so far.
    pub(super) fn due(&self, events: u64, now: Instant) -> Due {
        // A poll comes first, because only a poll renews the watch.
        let Some(poll_at) = self.poll_at.filter(|poll_at| *poll_at > now) else { return Due::Now(Cause::Poll) };
        if self.exchange_has_read {
            return Due::Now(Cause::Exchange);
        }
        if events == self.events_heard {
            return Due::At(poll_at);
        }
        match self.next_event_check {
            Some(instant) if instant > now => Due::NotBefore(instant),
            _ => Due::Now(Cause::Event),
        }
    }

    pub(super) fn begin(&mut self, cause: Cause, events: u64) -> Check {
        self.last_begun += 1;
        Check { cause, events, number: self.last_begun }
    }

    /// A check has ended. False if a read that began later has ended before: then the check may have seen older content.
    pub(super) fn end(&mut self, check: Check) -> bool {
        #[cfg(test)]
        {
            self.checks += 1;
        }
        let counts = check.number > self.last_ended;
        if counts {
            self.last_ended = check.number;
            self.exchange_has_read = false;
        }
        counts
    }

    /// An exchange has read the file. A check must follow, because a check that is under way may have seen older content.
    pub(super) fn exchange_has_read(&mut self) {
        self.last_begun += 1;
        self.last_ended = self.last_begun;
        self.exchange_has_read = true;
    }

    /// Plans the next poll after a check. `rotated`: the check found other content than the one before. `random`: in `[0, 1)`.
    pub(super) fn plan(
        &mut self,
        check: Check,
        watch_is_new: bool,
        has_token: bool,
        rotated: bool,
        now: Instant,
        random: f64,
    ) {
        self.judge_events(check, watch_is_new, rotated, now);
        self.no_token = !has_token;
        self.events_heard = check.events;
        if check.cause == Cause::Event {
            let calm = self.next_event_check.is_none_or(|instant| instant + CALM <= now);
            self.event_gap = if calm { FIRST_GAP } else { (self.event_gap * 2).min(LONGEST_GAP) };
            self.next_event_check = Some(now + self.event_gap);
        }
        let mut interval = self.poll_interval.mul_f64(0.9 + 0.2 * random);
        if !self.events_work() {
            interval = interval.min(SHORT_POLL);
        }
        if self.poll_often || self.no_token || (self.wants_events && !self.watching) {
            interval = interval.min(if self.frequent_polls < FREQUENT_POLLS { FREQUENT_POLL } else { SHORT_POLL });
            self.frequent_polls = self.frequent_polls.saturating_add(u32::from(check.is_poll()));
        } else {
            self.frequent_polls = 0;
        }
        self.poll_at = Some(now + interval);
    }

    pub(super) fn poll_often(&mut self, on: bool, now: Instant) {
        if on && !self.poll_often {
            self.frequent_polls = 0;
            self.poll_at = self.poll_at.map(|poll_at| poll_at.min(now + FREQUENT_POLL));
        }
        self.poll_often = on;
    }

    pub(super) fn events_work(&self) -> bool {
        self.watching && !self.events_are_missed
    }

    /// Events do not work here if a poll finds a change, and no event has followed by the next poll. An event that announces a
    /// change proves that they work again.
    fn judge_events(&mut self, check: Check, watch_is_new: bool, rotated: bool, now: Instant) {
        let Check { cause, events, .. } = check;
        if watch_is_new || !self.watching {
            self.missed_event = None;
            return;
        }
        match (cause, self.missed_event) {
            (Cause::Event, _) if rotated => self.events_are_missed = false,
            (Cause::Poll, Some(missed)) if missed.since + EVENT_DELAY <= now => {
                self.events_are_missed |= missed.events == events;
                self.missed_event = None;
            }
            (Cause::Poll, None) if rotated && events == self.events_heard => {
                self.missed_event = Some(MissedEvent { events, since: now });
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Now(Cause),
    /// Unless an event or an exchange comes first.
    At(Instant),
    /// An event has come, but too soon after the last check.
    NotBefore(Instant),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    Poll,
    Event,
    /// An exchange has read the file.
    Exchange,
}

/// One check that has begun.
#[derive(Clone, Copy)]
pub(super) struct Check {
    cause: Cause,
    events: u64,
    number: u64,
}

impl Check {
    pub(super) fn is_poll(self) -> bool {
        self.cause == Cause::Poll
    }
}

/// A poll found a change, and no event had announced it.
#[derive(Clone, Copy)]
struct MissedEvent {
    events: u64,
    since: Instant,
}

/// Longest interval while file events do not work.
const SHORT_POLL: Duration = Duration::from_secs(5);

/// The interval at first while there is no token, only another token helps, or the directory is missing.
const FREQUENT_POLL: Duration = Duration::from_secs(1);
const FREQUENT_POLLS: u32 = 10;

/// A rotation causes seven events within 0.1 ms. The gap doubles while events keep coming, so that a flood of events does not
/// keep a core busy.
const FIRST_GAP: Duration = Duration::from_millis(1);
const LONGEST_GAP: Duration = Duration::from_millis(64);
const CALM: Duration = Duration::from_millis(250);

/// Longest delay of an event.
const EVENT_DELAY: Duration = Duration::from_secs(1);
