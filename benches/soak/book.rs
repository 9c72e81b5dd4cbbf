//! What STS gave, by its own records, for as long as that matters.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_web_identity::test_util::Fault;

use crate::lane::Lane;

pub(crate) struct Book {
    session: Duration,
    /// By the name of the session.
    grants: HashMap<String, Vec<Grant>>,
    calls: HashMap<String, usize>,
}

/// All by this machine's clock.
pub(crate) struct Grant {
    pub(crate) key: String,
    /// When STS sent it.
    pub(crate) sent: SystemTime,
    pub(crate) ends: SystemTime,
    /// The same for who counts from when it asked: it cannot know that STS's second began later.
    ends_surely_not_before: SystemTime,
}

impl Book {
    pub(crate) fn new(session: Duration) -> Self {
        Self { session, grants: HashMap::new(), calls: HashMap::new() }
    }

    /// Reads on. Calls from before `until` are final: it counts them, and lets STS forget them.
    pub(crate) fn read(&mut self, lane: &Lane, until: SystemTime) {
        for sts in [&lane.home, &lane.standby] {
            for call in sts.calls() {
                let Some(session_name) = call.session_name else { continue };
                if call.at < until {
                    *self.calls.entry(session_name.clone()).or_default() += 1;
                }
                // Of those that were spoiled on their way nobody could use one.
                let is_whole = matches!(call.fault, None | Some(Fault::OtherShape));
                let (Some(key), Some(sent), Some(expiration), true) =
                    (call.access_key_id, call.answered, call.expiration, is_whole)
                else {
                    continue;
                };
                let grants = self.grants.entry(session_name).or_default();
                let is_late = sent.duration_since(call.at).is_ok_and(|took| took > LATE);
                if is_late || grants.iter().any(|grant| grant.key == key) {
                    continue;
                }
                let ends = lane.here(expiration);
                let ends_surely_not_before = ends.min(call.at + self.session) - AN_INSTANT;
                grants.push(Grant { key, sent, ends, ends_surely_not_before });
            }
            sts.forget_before(until);
        }
    }

    /// What ended before.
    pub(crate) fn forget_before(&mut self, until: SystemTime) {
        for grants in self.grants.values_mut() {
            grants.retain(|grant| grant.ends >= until);
        }
    }

    /// The exchanges of this session.
    pub(crate) fn calls(&self, session_name: &str) -> usize {
        self.calls.get(session_name).copied().unwrap_or_default()
    }

    pub(crate) fn grants(&self, session_name: &str) -> &[Grant] {
        self.grants.get(session_name).map_or(&[], Vec::as_slice)
    }
}

impl Grant {
    /// Whether it was valid all the while, and whoever asked for it had it.
    pub(crate) fn covers(&self, began: SystemTime, ended: SystemTime) -> bool {
        self.sent + A_MOMENT <= began && ended < self.ends_surely_not_before
    }
}

/// From the answer's way to its reader, on a busy machine.
const A_MOMENT: Duration = Duration::from_millis(500);
/// Between two readings of a clock, or of two clocks.
const AN_INSTANT: Duration = Duration::from_millis(100);
/// Who asked may have given up by then.
const LATE: Duration = Duration::from_secs(2);
