//! How the memory of the process goes while all lives.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::resources::Resources;
use crate::support::report;

pub(crate) struct Course {
    begun: Instant,
    /// RSS in KiB, each second.
    rss: Vec<u64>,
}

impl Course {
    pub(crate) fn new(runs_for: Duration) -> Self {
        Self { begun: Instant::now(), rss: Vec::with_capacity(runs_for.as_secs() as usize + 1) }
    }

    /// Until so long after the beginning.
    pub(crate) async fn follow_to(&mut self, end: Duration) {
        let end = self.begun + end;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + Duration::from_secs(1))).await;
            self.rss.push(Resources::now().rss_kib);
        }
    }

    /// The median of each tenth.
    fn tenths(&self) -> [f64; 10] {
        let length = self.rss.len();
        std::array::from_fn(|tenth| {
            let mut values = self.rss[length * tenth / 10..length * (tenth + 1) / 10].to_vec();
            values.sort_unstable();
            values.get(values.len() / 2).map_or(0.0, |kib| *kib as f64 / 1024.0)
        })
    }

    pub(crate) fn print(&self) {
        report("live rss_mib by tenths", self.tenths().map(|mib| format!("{mib:.1}")).join(" "));
    }

    /// What to say of it, if it keeps growing: even the least of the last three tenths is above all that the third to fifth
    /// came to, which are past the warm-up.
    pub(crate) fn leak(&self) -> Option<String> {
        if self.begun.elapsed() < LONG_ENOUGH {
            return None;
        }
        let tenths = self.tenths();
        let warm = tenths[2..5].iter().copied().fold(0.0, f64::max);
        let last = tenths[7..].iter().copied().fold(f64::INFINITY, f64::min);
        (last > warm + BOUND_MIB).then(|| format!("{:.1} MiB since the warm-up, {BOUND_MIB} may be noise", last - warm))
    }
}

/// What the judge keeps, and the sessions of the first minute, make a shorter course steep.
const LONG_ENOUGH: Duration = Duration::from_secs(300);
/// Of allocations that come to lie elsewhere. A provider that leaks is 16 KiB if it was never used, else 50 and more, and there
/// are several of both each second.
const BOUND_MIB: f64 = 3.0;
