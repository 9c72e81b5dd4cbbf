//! The cause of a failure.

use std::time::{Duration, SystemTime};

use crate::caller::Caller;
use crate::sts_record::StsRecord;
use crate::traffic::{Failure, Signature};
use crate::world::World;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Must not happen: a request failed although credentials were valid, by the record of STS or by the provider.
    WhileValid,
    /// Must not happen: `current()` returned none although credentials were valid by the record of STS.
    Withheld,
    /// The session expired between signature and answer.
    EndedOnTheWay,
    /// Signed in the last second of the session by a caller whose clock shows another second. STS gives whole seconds,
    /// so the caller cannot know better.
    EndedWithinASecond,
    /// The SDK's cache gave a key of an expired session, or one that was never valid.
    SignedWithAnEndedKey,
    /// Services were told to reject the key.
    Rejected,
    NothingUsable,
}

impl Verdict {
    pub(crate) fn of_failure(failure: &Failure, caller: &Caller, world: &World, record: &StsRecord) -> Self {
        let Failure { began, ended, before, after, signed, code, .. } = failure;
        let Some(Signature { key, at }) = signed else {
            // The provider returned an error. It counts at its end.
            let told_the_same = before.is_some() && before == after;
            let had_some = told_the_same || record.covering(caller, *ended, *ended).next().is_some();
            return if had_some { Self::WhileValid } else { Self::NothingUsable };
        };
        let told = before.as_ref() == Some(key) || after.as_ref() == Some(key);
        let of_key = record.grant(&caller.session_name, key);
        let mut others =
            record.covering(caller, *began, *ended).filter(|grant| !world.had_rejected(&grant.key, *ended));
        if world.had_rejected(key, *ended) && (told || !caller.is_ours()) {
            // A failure of ours if newer credentials were there.
            let outdated = others.any(|grant| of_key.is_some_and(|of_key| of_key.sent < grant.sent));
            return if outdated { Self::WhileValid } else { Self::Rejected };
        }
        if others.next().is_some() {
            return Self::WhileValid;
        }
        // Credentials that the record has forgotten expired long ago.
        let ends = of_key.map(|grant| grant.ends);
        if !caller.is_ours() {
            return if ends.is_some_and(|ends| *began < ends) {
                Self::EndedOnTheWay
            } else {
                Self::SignedWithAnEndedKey
            };
        }
        // A request that waited may have used a key that `current()` had not returned to anybody yet.
        let was_current = told || before.is_none();
        let Some(ends) = ends.filter(|_| was_current && code.as_deref() == Some("ExpiredToken")) else {
            return Self::WhileValid;
        };
        let known_to_end = if caller.has_wrong_clock { ends + A_SECOND } else { ends };
        if *began >= known_to_end || record.is_past(known_to_end, *at) {
            Self::WhileValid
        } else if *began < ends {
            Self::EndedOnTheWay
        } else {
            Self::EndedWithinASecond
        }
    }

    /// Judges that `current()` returned no credentials at this time.
    pub(crate) fn of_nothing(at: SystemTime, caller: &Caller, record: &StsRecord) -> Option<Self> {
        record.covering(caller, at, at).next().map(|_| Self::Withheld)
    }
}

const A_SECOND: Duration = Duration::from_secs(1);
