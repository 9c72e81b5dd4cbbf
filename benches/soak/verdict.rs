//! Whose fault a failure was.

use std::time::Duration;

use crate::book::Book;
use crate::lane::Lane;
use crate::party::Party;
use crate::traffic::Failure;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// There were valid credentials all the while, or were said to be: this must not be.
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
        if failure.signed_with.as_deref().is_some_and(|key| lane.has_rejected(key)) {
            return Self::Rejected;
        }
        if !party.is_ours() {
            return Self::of_sdk(failure, party, lane, book);
        }
        let Failure { before, after, signed_with, .. } = failure;
        let Some(key) = signed_with else {
            // An error was provided.
            let outlived = |key| book.grant(key).is_some_and(|grant| failure.ended + NOISE < grant.ends_not_before);
            let had_some = before.as_deref().is_some_and(|key| before == after || outlived(key));
            return if had_some { Self::WhileValid } else { Self::NothingUsable };
        };
        let was_current = before.as_ref() == Some(key) || after.as_ref() == Some(key) || before.is_none();
        let Some(grant) = book.grant(key).filter(|_| was_current && failure.code.as_deref() == Some("ExpiredToken"))
        else {
            return Self::WhileValid;
        };
        match failure.began {
            // Within the second that the records leave open, too.
            began
                if party.has_wrong_clock
                    && (grant.ends_not_before..grant.ends_not_after + A_SECOND).contains(&began) =>
            {
                Self::EndedWithinASecond
            }
            began if began < grant.ends_not_after => Self::EndedOnTheWay,
            _ => Self::WhileValid,
        }
    }

    fn of_sdk(failure: &Failure, party: &Party, lane: &Lane, book: &Book) -> Self {
        let ended = |key| book.grant(key).is_some_and(|grant| grant.ends_not_after <= failure.began);
        match &failure.signed_with {
            _ if book.covers(lane, &party.session_name, failure.began, failure.ended) => Self::WhileValid,
            Some(key) if ended(key) => Self::SignedWithAnEndedKey,
            Some(_) => Self::EndedOnTheWay,
            None => Self::NothingUsable,
        }
    }
}

const A_SECOND: Duration = Duration::from_secs(1);
const NOISE: Duration = Duration::from_millis(200);
