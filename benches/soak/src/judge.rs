//! Hears of all that failed, judges it by STS's records, and forgets both.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::book::Book;
use crate::lane::Lane;
use crate::party::Party;
use crate::plan::Plan;
use crate::pulse::Pulse;
use crate::summary::Summary;
use crate::traffic::{Failure, Tally};
use crate::verdict::Verdict;

pub(crate) struct Judge {
    cases: Vec<Case>,
    pulse: Pulse,
    seen: mpsc::UnboundedReceiver<Seen>,
    summary: Summary,
}

/// What somebody saw: in which lane, which of its parties, what.
pub(crate) type Seen = (usize, usize, Sight);

pub(crate) enum Sight {
    Failed(Failure),
    /// `current()` told of no credentials.
    Nothing(SystemTime),
}

impl Sight {
    fn at(&self) -> SystemTime {
        match self {
            Self::Failed(failure) => failure.ended,
            Self::Nothing(at) => *at,
        }
    }
}

/// A lane, who is in it, and what its STS gave.
struct Case {
    lane: Arc<Lane>,
    parties: Vec<Arc<Party>>,
    book: Book,
}

impl Judge {
    pub(crate) fn new(
        lanes: Vec<(Arc<Lane>, Vec<Arc<Party>>)>,
        plan: Plan,
        pulse: Pulse,
        seen: mpsc::UnboundedReceiver<Seen>,
    ) -> Self {
        let book = || Book::new(plan.session, pulse.clone());
        let cases = lanes.into_iter().map(|(lane, parties)| Case { lane, parties, book: book() }).collect();
        Self { cases, pulse, seen, summary: Summary::default() }
    }

    /// Until nobody is left to see anything.
    pub(crate) async fn run(mut self) -> Self {
        loop {
            sleep(PAUSE).await;
            let is_last = self.seen.is_closed();
            let now = SystemTime::now();
            let until = if is_last { now } else { now - KEPT };
            self.judge(until);
            if is_last {
                return self;
            }
        }
    }

    fn judge(&mut self, until: SystemTime) {
        let mut seen = Vec::new();
        while let Ok(one) = self.seen.try_recv() {
            seen.push(one);
        }
        // Read after that: whatever was sent to somebody by then is in there.
        for case in &mut self.cases {
            case.book.read(&case.lane, until);
        }
        for (lane, party, sight) in seen {
            let Case { lane, parties, book } = &self.cases[lane];
            let party = &parties[party];
            let verdict = match &sight {
                Sight::Failed(failure) => Some(Verdict::of_failure(failure, party, lane, book)),
                Sight::Nothing(at) => Verdict::of_nothing(*at, party, book),
            };
            if let Some(verdict) = verdict {
                let seen_at = sight.at();
                let had = book.covering(party, seen_at, seen_at).next();
                self.summary.judged(party, verdict, &sight, had);
            }
        }
        for case in &mut self.cases {
            case.book.forget_before(until);
        }
        // What is kept is judged by the beats before it, too.
        self.pulse.forget_before(until - KEPT);
    }

    pub(crate) fn parties(&self) -> impl Iterator<Item = &Party> {
        self.cases.iter().flat_map(|case| &case.parties).map(|party| &**party)
    }

    /// `tallies`: of each lane, of each of its parties.
    pub(crate) fn summary(mut self, tallies: &[Vec<Tally>]) -> Summary {
        for (case, tallies) in self.cases.iter().zip(tallies) {
            for (party, tally) in case.parties.iter().zip(tallies) {
                self.summary.add(party, tally, case.book.calls(&party.session_name));
            }
        }
        self.summary
    }
}

const PAUSE: Duration = Duration::from_secs(2);
/// Longer than any request or exchange takes; after that nobody asks for it again.
const KEPT: Duration = Duration::from_secs(30);
