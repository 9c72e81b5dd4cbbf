//! What STS gave, by its own records.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_web_identity::test_util::Fault;

use crate::lane::{LATENCY, Lane};

pub(crate) struct Book {
    grants: HashMap<String, Grant>,
    calls: HashMap<String, usize>,
}

/// STS counts in whole seconds, so that its answer decides when a session ends; of that only the beginning is recorded.
pub(crate) struct Grant {
    session_name: String,
    given: SystemTime,
    pub(crate) ends_not_before: SystemTime,
    pub(crate) ends_not_after: SystemTime,
}

impl Book {
    pub(crate) fn of(lane: &Lane, session: Duration) -> Self {
        let mut book = Self { grants: HashMap::new(), calls: HashMap::new() };
        for call in lane.home.calls().into_iter().chain(lane.standby.calls()) {
            let Some(session_name) = call.session_name else { continue };
            *book.calls.entry(session_name.clone()).or_default() += 1;
            // Of those that were spoiled on their way nobody could use one.
            let is_whole = call.status == Some(200) && matches!(call.fault, None | Some(Fault::OtherShape));
            if let Some(key) = call.access_key_id.filter(|_| is_whole) {
                let given = call.at + LATENCY;
                let ends = |at| whole_seconds(at) + session;
                let (ends_not_before, ends_not_after) = (ends(call.at), ends(given + A_BUSY_MACHINE));
                book.grants.insert(key, Grant { session_name, given, ends_not_before, ends_not_after });
            }
        }
        book
    }

    /// The exchanges of this session.
    pub(crate) fn calls(&self, session_name: &str) -> usize {
        self.calls.get(session_name).copied().unwrap_or_default()
    }

    pub(crate) fn grant(&self, key: &str) -> Option<&Grant> {
        self.grants.get(key)
    }

    /// Whether one grant, which nobody refuses, was there all the while, and so long before that it had to be known.
    pub(crate) fn covers(&self, lane: &Lane, session_name: &str, began: SystemTime, ended: SystemTime) -> bool {
        self.grants.iter().any(|(key, grant)| {
            let all_the_while = grant.given + A_GOOD_WHILE <= began && ended < grant.ends_not_before;
            all_the_while && grant.session_name == session_name && !lane.has_rejected(key)
        })
    }
}

fn whole_seconds(at: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

const A_BUSY_MACHINE: Duration = Duration::from_millis(300);
/// As long as an exchange may take.
const A_GOOD_WHILE: Duration = Duration::from_secs(3);
