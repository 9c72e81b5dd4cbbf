//! The figures of all callers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::caller::Caller;
use crate::judge::Observation;
use crate::sts_record::Grant;
use crate::support::report;
use crate::traffic::Tally;
use crate::verdict::Verdict;

#[derive(Default)]
pub(crate) struct Summary {
    /// Figures of each kind, summed over the worlds.
    of_kinds: BTreeMap<&'static str, Figures>,
    /// Descriptions of failures that must not happen.
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
    /// Adds the figures of a caller. `sts_calls` is the number of its exchanges.
    pub(crate) fn add(&mut self, caller: &Caller, tally: &Tally, sts_calls: usize) {
        let figures = self.of_kinds.entry(caller.kind).or_default();
        figures.is_ours = caller.is_ours();
        figures.providers += 1;
        figures.requests += tally.requests;
        figures.sts_calls += sts_calls;
        figures.generations += caller.provider.as_ref().map_or(0, |provider| provider.status().generation);
        figures.longest = figures.longest.max(tally.longest);
        figures.longest_with_nothing_usable =
            figures.longest_with_nothing_usable.max(tally.longest_with_nothing_usable);
    }

    /// Adds a verdict. `had` are credentials that were valid at that time.
    pub(crate) fn judged(&mut self, caller: &Caller, verdict: Verdict, observation: &Observation, had: Option<&Grant>) {
        let figures = self.of_kinds.entry(caller.kind).or_default();
        figures.verdicts[VERDICTS.iter().position(|(each, _)| *each == verdict).unwrap()] += 1;
        // Four descriptions of each verdict are enough.
        if caller.is_ours() && MUST_NOT_BE.contains(&verdict) && figures.of(verdict) <= 4 {
            let what = match observation {
                Observation::Nothing(at) => format!("nothing at {}", seconds(*at)),
                Observation::Failed(failure) => format!(
                    "current {:?} then {:?}, from {} to {}, {:?}: {:.200}",
                    failure.before,
                    failure.after,
                    seconds(failure.began),
                    seconds(failure.ended),
                    failure.signed,
                    failure.error
                ),
            };
            let had = had.map(|grant| format!(", had {} sent at {}", grant.key, seconds(grant.sent)));
            self.told.push(format!("{}: {what}{}", caller.session_name, had.unwrap_or_default()));
        }
    }

    /// True if none of our requests failed that could have succeeded.
    pub(crate) fn is_well(&self) -> bool {
        let mut ours = self.of_kinds.values().filter(|figures| figures.is_ours);
        ours.all(|figures| MUST_NOT_BE.iter().all(|verdict| figures.of(*verdict) == 0))
    }

    pub(crate) fn print(&self) {
        for line in &self.told {
            report("must not be", line);
        }
        for (kind, figures) in &self.of_kinds {
            figures.print(kind);
        }
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

fn seconds(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:.3}", since.as_secs_f64())
}

const MUST_NOT_BE: [Verdict; 2] = [Verdict::WhileValid, Verdict::Withheld];

const VERDICTS: [(Verdict, &str); 7] = [
    (Verdict::WhileValid, "failed_while_valid"),
    (Verdict::Withheld, "withheld_while_valid"),
    (Verdict::EndedOnTheWay, "failed_ended_on_the_way"),
    (Verdict::EndedWithinASecond, "failed_ended_within_a_second"),
    (Verdict::SignedWithAnEndedKey, "failed_signed_with_an_ended_key"),
    (Verdict::Rejected, "failed_key_revoked"),
    (Verdict::NothingUsable, "failed_with_nothing_usable"),
];
