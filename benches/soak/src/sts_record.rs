//! The credentials that STS gave, by its own record.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::caller::Caller;
use crate::runtime_progress::RuntimeProgress;
use crate::world::World;

pub(crate) struct StsRecord {
    session: Duration,
    progress: RuntimeProgress,
    /// By session name.
    grants: HashMap<String, Vec<Grant>>,
    calls: HashMap<String, usize>,
}

/// Credentials, with times by this machine's clock.
pub(crate) struct Grant {
    pub(crate) key: String,
    /// When STS sent the answer.
    pub(crate) sent: SystemTime,
    pub(crate) ends: SystemTime,
    /// Earliest time at which the attempt can have begun. `None` if that is unknown, or if the answer may have come too
    /// late.
    asked: Option<SystemTime>,
}

impl StsRecord {
    pub(crate) fn new(session: Duration, progress: RuntimeProgress) -> Self {
        Self { session, progress, grants: HashMap::new(), calls: HashMap::new() }
    }

    /// Reads the new calls of the world. Calls before `until` are final: they are counted, and STS forgets them.
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

    /// Forgets credentials that expired before `until`.
    pub(crate) fn forget_before(&mut self, until: SystemTime) {
        for grants in self.grants.values_mut() {
            grants.retain(|grant| grant.ends >= until);
        }
    }

    /// Number of exchanges with this session name.
    pub(crate) fn calls(&self, session_name: &str) -> usize {
        self.calls.get(session_name).copied().unwrap_or_default()
    }

    pub(crate) fn grant(&self, session_name: &str, key: &str) -> Option<&Grant> {
        self.of(session_name).iter().find(|grant| grant.key == key)
    }

    /// Credentials that the caller had from `began` to `ended` and knew to be valid. It counts a session from the begin
    /// of its attempt, since it cannot know at which moment the second of STS began.
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

    /// True if at time `then` all work had ended that began by `at`.
    pub(crate) fn is_past(&self, at: SystemTime, then: SystemTime) -> bool {
        self.progress.moment_after(at).is_some_and(|done| done <= then)
    }

    fn of(&self, session_name: &str) -> &[Grant] {
        self.grants.get(session_name).map_or(&[], Vec::as_slice)
    }
}

/// The client may have given up by then.
const LATE: Duration = Duration::from_secs(2);
