//! What became of all requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::book::Book;
use crate::lane::Lane;
use crate::party::Party;
use crate::plan::Plan;
use crate::support::report;
use crate::traffic::Tally;
use crate::verdict::Verdict;

#[derive(Default)]
pub(crate) struct Summary {
    /// By kind, all lanes together.
    of_kinds: BTreeMap<&'static str, Figures>,
    churned: u64,
    /// What must not be, told in full.
    told: Vec<String>,
}

#[derive(Default)]
struct Figures {
    is_ours: bool,
    providers: usize,
    requests: u64,
    verdicts: [usize; VERDICTS.len()],
    sts_calls: usize,
    generations: u64,
    longest: Duration,
    longest_with_nothing_usable: Duration,
}

impl Summary {
    pub(crate) fn of(
        lanes: &[(Arc<Lane>, Vec<Arc<Party>>)],
        tallies: Vec<Vec<Tally>>,
        plan: Plan,
        churned: u64,
    ) -> Self {
        let mut summary = Self { churned, ..Self::default() };
        for ((lane, parties), tallies) in lanes.iter().zip(tallies) {
            let book = Book::of(lane, plan.session);
            for (party, tally) in parties.iter().zip(tallies) {
                summary.add(lane, party, &tally, &book);
            }
        }
        summary
    }

    fn add(&mut self, lane: &Lane, party: &Party, tally: &Tally, book: &Book) {
        let figures = self.of_kinds.entry(party.kind).or_default();
        figures.is_ours = party.is_ours();
        figures.providers += 1;
        figures.requests += tally.requests;
        figures.sts_calls += book.calls(&party.session_name);
        figures.generations += party.provider.status().map_or(0, |status| status.generation);
        figures.longest = figures.longest.max(tally.longest);
        figures.longest_with_nothing_usable =
            figures.longest_with_nothing_usable.max(tally.longest_with_nothing_usable);
        for failure in &tally.failures {
            let verdict = Verdict::of(failure, party, lane, book);
            figures.verdicts[VERDICTS.iter().position(|(each, _)| *each == verdict).unwrap()] += 1;
            // A few of each are enough.
            if party.is_ours() && verdict == Verdict::WhileValid && figures.of(verdict) <= 4 {
                let lasted = failure.ended.duration_since(failure.began).unwrap_or_default();
                self.told.push(format!(
                    "{}: current {:?} then {:?}, signed with {:?}, within {lasted:?}, {:?}: {:.200}",
                    party.session_name,
                    failure.before,
                    failure.after,
                    failure.signed_with,
                    failure.began,
                    failure.error
                ));
            }
        }
    }

    /// Whether our requests went well wherever they could.
    pub(crate) fn is_well(&self) -> bool {
        let mut ours = self.of_kinds.values().filter(|figures| figures.is_ours);
        ours.all(|figures| figures.of(Verdict::WhileValid) == 0)
    }

    pub(crate) fn print(&self) {
        for line in &self.told {
            report("failed while valid", line);
        }
        for (kind, figures) in &self.of_kinds {
            figures.print(kind);
        }
        report("churn providers", self.churned);
        let ours = || self.of_kinds.values().filter(|figures| figures.is_ours);
        report("ours requests", ours().map(|figures| figures.requests).sum::<u64>());
        for (verdict, name) in VERDICTS {
            report(format_args!("ours {name}"), ours().map(|figures| figures.of(verdict)).sum::<usize>());
        }
    }
}

impl Figures {
    fn of(&self, verdict: Verdict) -> usize {
        VERDICTS.iter().zip(self.verdicts).filter(|((each, _), _)| *each == verdict).map(|(_, count)| count).sum()
    }

    fn print(&self, kind: &str) {
        report(format_args!("{kind} requests"), self.requests);
        for (verdict, name) in VERDICTS {
            report(format_args!("{kind} {name}"), self.of(verdict));
        }
        report(format_args!("{kind} sts_calls_per_provider"), self.sts_calls / self.providers);
        if self.is_ours {
            report(format_args!("{kind} generations_per_provider"), self.generations / self.providers as u64);
        }
        let milliseconds = |duration: Duration| format!("{:.0} ms", duration.as_secs_f64() * 1e3);
        report(format_args!("{kind} longest_request"), milliseconds(self.longest));
        if self.is_ours {
            report(
                format_args!("{kind} longest_request_with_nothing_usable"),
                milliseconds(self.longest_with_nothing_usable),
            );
        }
    }
}

const VERDICTS: [(Verdict, &str); 6] = [
    (Verdict::WhileValid, "failed_while_valid"),
    (Verdict::EndedOnTheWay, "failed_ended_on_the_way"),
    (Verdict::EndedWithinASecond, "failed_ended_within_a_second"),
    (Verdict::SignedWithAnEndedKey, "failed_signed_with_an_ended_key"),
    (Verdict::Rejected, "failed_key_revoked"),
    (Verdict::NothingUsable, "failed_with_nothing_usable"),
];
