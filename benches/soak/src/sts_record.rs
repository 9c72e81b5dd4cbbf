//! What STS gave, by its own records, for as long as that matters.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::caller::Caller;
use crate::runtime_progress::RuntimeProgress;
use crate::world::World;

pub(crate) struct StsRecord {
    session: Duration,
    progress: RuntimeProgress,
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
    /// When whoever had it had asked, or before. `None` if it may not have got it, or asked before the first beats.
    asked: Option<SystemTime>,
}

impl StsRecord {
    pub(crate) fn new(session: Duration, progress: RuntimeProgress) -> Self {
        Self { session, progress, grants: HashMap::new(), calls: HashMap::new() }
    }

    /// Reads on. Calls from before `until` are final: it counts them, and lets STS forget them.
    pub(crate) fn read(&mut self, world: &World, until: SystemTime) {
        for sts in [&world.home, &world.standby] {
            for call in sts.calls() {
                let Some(session_name) = call.session_name else { continue };
                if call.at < until {
                    *self.calls.entry(session_name.clone()).or_default() += 1;
                }
                let (Some(key), Some(sent), Some(expiration)) = (call.access_key_id, call.answered, call.expiration)
                else {
                    continue;
                };
                let grants = self.grants.entry(session_name).or_default();
                if grants.iter().any(|grant| grant.key == key) {
                    continue;
                }
                let is_late = sent.duration_since(call.at).is_ok_and(|took| took > LATE);
                let ends = world.here(expiration);
                let asked = self.progress.moment_before(call.at).filter(|_| !is_late);
                grants.push(Grant { key, sent, ends, asked });
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

    pub(crate) fn grant(&self, session_name: &str, key: &str) -> Option<&Grant> {
        self.of(session_name).iter().find(|grant| grant.key == key)
    }

    /// Those that the caller had all the while, and that it knew to be valid: it counts from when it asked, as it
    /// cannot know that STS's second began later.
    pub(crate) fn covering(
        &self,
        caller: &Caller,
        began: SystemTime,
        ended: SystemTime,
    ) -> impl Iterator<Item = &Grant> {
        let known = self.session.saturating_sub(caller.head_start);
        self.of(&caller.session_name).iter().filter(move |grant| {
            let until = grant.asked.map(|asked| grant.ends.min(asked + known));
            until.is_some_and(|until| ended < until) && self.is_past(grant.sent, began)
        })
    }

    /// Whether it was `at` then for all who were busy with something.
    pub(crate) fn is_past(&self, at: SystemTime, then: SystemTime) -> bool {
        self.progress.moment_after(at).is_some_and(|done| done <= then)
    }

    fn of(&self, session_name: &str) -> &[Grant] {
        self.grants.get(session_name).map_or(&[], Vec::as_slice)
    }
}

/// Who asked may have given up by then.
const LATE: Duration = Duration::from_secs(2);
