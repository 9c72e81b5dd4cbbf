//! Whose fault a failure was.

use std::time::Duration;

use crate::book::Book;
use crate::lane::Lane;
use crate::party::Party;
use crate::traffic::Failure;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// There were valid credentials all the while, by STS's record or by what the provider said: this must not be.
    WhileValid,
    /// Signed while the session was valid, which ended on the way.
    EndedOnTheWay,
    /// Signed within a second of the session's end, by who cannot know it better: STS tells whole seconds, and the two clocks
    /// show different ones.
    EndedWithinASecond,
    /// Signed with a key whose session had ended before: the SDK's, to which the cache gave it.
    SignedWithAnEndedKey,
    /// Signed with a key that services were told to refuse.
    Rejected,
    NothingUsable,
}

impl Verdict {
    pub(crate) fn of(failure: &Failure, party: &Party, lane: &Lane, book: &Book) -> Self {
        let Failure { began, ended, before, after, signed_with, code, .. } = failure;
        let told = |key| before.as_ref() == Some(key) || after.as_ref() == Some(key);
        if signed_with.as_ref().is_some_and(|key| lane.has_rejected(key) && (told(key) || !party.is_ours())) {
            return Self::Rejected;
        }
        if book.covers(lane, &party.session_name, *began, *ended) {
            return Self::WhileValid;
        }
        let grant = signed_with.as_deref().and_then(|key| book.grant(key));
        if !party.is_ours() {
            return match grant {
                _ if signed_with.is_none() => Self::NothingUsable,
                Some(grant) if grant.ends_not_after <= *began => Self::SignedWithAnEndedKey,
                _ => Self::EndedOnTheWay,
            };
        }
        let Some(key) = signed_with else {
            // An error was provided.
            let outlived = |key| book.grant(key).is_some_and(|grant| *ended + NOISE < grant.ends_not_before);
            let had_some = before.as_deref().is_some_and(|key| before == after || outlived(key));
            return if had_some { Self::WhileValid } else { Self::NothingUsable };
        };
        // Who waited for it may have used it when it was told to nobody yet.
        let was_current = told(key) || before.is_none();
        match grant {
            Some(grant) if was_current && code.as_deref() == Some("ExpiredToken") => {
                let may_not_know = party.has_wrong_clock && grant.ends_not_before <= *began;
                if may_not_know && *began < grant.ends_not_after + A_SECOND {
                    Self::EndedWithinASecond
                } else if *began < grant.ends_not_after {
                    Self::EndedOnTheWay
                } else {
                    Self::WhileValid
                }
            }
            _ => Self::WhileValid,
        }
    }
}

const A_SECOND: Duration = Duration::from_secs(1);
const NOISE: Duration = Duration::from_millis(200);
