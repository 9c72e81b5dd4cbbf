//! The jitter of all draws together: each delay must use its whole range, evenly. One draw cannot show that.

use std::collections::BTreeMap;
use std::fmt;

/// Draws by the name of their range, and the counts of what happened.
#[derive(Default)]
pub(crate) struct Spread {
    draws: BTreeMap<&'static str, Draws>,
    counts: BTreeMap<&'static str, u64>,
}

/// Draws of one range, each as a share of the range.
#[derive(Default)]
struct Draws {
    number: u64,
    sum: f64,
    tenths: [u64; 10],
}

impl Spread {
    pub(crate) fn draw(&mut self, name: &'static str, share: f64) {
        let draws = self.draws.entry(name).or_default();
        draws.number += 1;
        draws.sum += share;
        draws.tenths[((share * 10.0) as usize).min(9)] += 1;
    }

    pub(crate) fn count(&mut self, name: &'static str, number: u64) {
        *self.counts.entry(name).or_default() += number;
    }

    pub(crate) fn days(&self) -> u64 {
        self.counts.get(DAYS).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (name, more) in other.draws {
            let draws = self.draws.entry(name).or_default();
            draws.number += more.number;
            draws.sum += more.sum;
            draws.tenths.iter_mut().zip(more.tenths).for_each(|(tenth, more)| *tenth += more);
        }
        for (name, number) in other.counts {
            self.count(name, number);
        }
    }

    /// Few draws may lie anywhere.
    pub(crate) fn check(&self) {
        for (name, draws) in self.draws.iter().filter(|(_, draws)| draws.number >= ENOUGH) {
            let even = draws.number / 10;
            let uneven = draws.tenths.iter().any(|tenth| tenth.abs_diff(even) > even / 3);
            assert!(!uneven, "P4, P5: the jitter of \"{name}\" is uneven: {:?}", draws.tenths);
        }
    }
}

pub(crate) const DAYS: &str = "days of one provider";
const ENOUGH: u64 = 3000;

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, number) in &self.counts {
            writeln!(f, "{name}: {number}")?;
        }
        for (name, draws) in &self.draws {
            let mean = draws.sum / draws.number as f64;
            writeln!(f, "jitter of \"{name}\": {} draws, mean {mean:.3} of the range", draws.number)?;
        }
        Ok(())
    }
}
