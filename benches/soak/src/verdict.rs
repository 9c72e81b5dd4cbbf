//! Whose fault it was.

use std::time::{Duration, SystemTime};

use crate::caller::Caller;
use crate::sts_record::StsRecord;
use crate::traffic::{Failure, Signature};
use crate::world::World;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// A request failed though there were valid credentials, by STS's record or by what the provider said: this must
    /// not be.
    WhileValid,
    /// There were valid credentials by STS's record, and `current()` told of none: this must not be.
    Withheld,
    /// Signed while the session was valid, which ended on the way.
    EndedOnTheWay,
    /// Signed within a second of the session's end, by who cannot know it better: STS tells whole seconds, and the two
    /// clocks show different ones.
    EndedWithinASecond,
    /// Signed with a key whose session had ended before, or that was never good: the SDK's, to which the cache gave it.
    SignedWithAnEndedKey,
    /// Signed with a key that services were told to refuse.
    Rejected,
    NothingUsable,
}

impl Verdict {
    pub(crate) fn of_failure(failure: &Failure, caller: &Caller, world: &World, record: &StsRecord) -> Self {
        let Failure { began, ended, before, after, signed, code, .. } = failure;
        let Some(Signature { key, at }) = signed else {
            // An error was provided: at its end, whenever it was asked for.
            let told_the_same = before.is_some() && before == after;
            let had_some = told_the_same || record.covering(caller, *ended, *ended).next().is_some();
            return if had_some { Self::WhileValid } else { Self::NothingUsable };
        };
        let told = before.as_ref() == Some(key) || after.as_ref() == Some(key);
        let of_key = record.grant(&caller.session_name, key);
        let mut others =
            record.covering(caller, *began, *ended).filter(|grant| !world.had_rejected(&grant.key, *ended));
        if world.had_rejected(key, *ended) && (told || !caller.is_ours()) {
            // Unless there was a newer one.
            let outdated = others.any(|grant| of_key.is_some_and(|of_key| of_key.sent < grant.sent));
            return if outdated { Self::WhileValid } else { Self::Rejected };
        }
        if others.next().is_some() {
            return Self::WhileValid;
        }
        // Where the record has it no longer, it ended long ago.
        let ends = of_key.map(|grant| grant.ends);
        if !caller.is_ours() {
            return if ends.is_some_and(|ends| *began < ends) {
                Self::EndedOnTheWay
            } else {
                Self::SignedWithAnEndedKey
            };
        }
        // Who waited for it may have used it when it was told to nobody yet.
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

    /// `current()` told of no credentials at this moment.
    pub(crate) fn of_nothing(at: SystemTime, caller: &Caller, record: &StsRecord) -> Option<Self> {
        record.covering(caller, at, at).next().map(|_| Self::Withheld)
    }
}

const A_SECOND: Duration = Duration::from_secs(1);
