//! What the process takes of the machine.

use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::report;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    pub(crate) rss_kib: u64,
    threads: u64,
    files: u64,
    /// Of the runtime.
    tasks: usize,
}

impl Resources {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let field = |name| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            value.trim().trim_end_matches(" kB").parse().unwrap()
        };
        // Less the one that is open to count them.
        let files = fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
        let tasks = Handle::current().metrics().num_alive_tasks();
        Self { rss_kib: field("VmRSS:"), threads: field("Threads:"), files, tasks }
    }

    /// As soon as there are no more threads, files and tasks than that, or after a minute.
    pub(crate) async fn back_to(before: Self) -> Self {
        let mut now = Self::now();
        for _ in 0..600 {
            if !now.leaks_since(before) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            now = Self::now();
        }
        now
    }

    pub(crate) fn leaks_since(self, before: Self) -> bool {
        self.threads > before.threads || self.files > before.files || self.tasks > before.tasks
    }

    pub(crate) fn print(self, when: &str) {
        report(format_args!("{when} rss_mib"), format_args!("{:.1}", self.rss_kib as f64 / 1024.0));
        report(format_args!("{when} threads"), self.threads);
        report(format_args!("{when} open_files"), self.files);
        report(format_args!("{when} tasks"), self.tasks);
    }
}

/// Where each open file leads, for who looks for a leak.
pub(crate) fn open_files() -> Vec<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
    files.filter_map(|file| Some(fs::read_link(file.path()).ok()?.display().to_string())).collect()
}

/// The memory of the process from second to second.
pub(crate) struct MemoryTrend {
    begun: Instant,
    /// RSS in KiB, each second.
    rss: Vec<u64>,
}

impl MemoryTrend {
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

    /// What to say of it, if it keeps growing: even the least of the last three tenths is above all that the third to
    /// fifth came to, which are past the warm-up.
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

/// What the judge keeps, and the sessions of the first minute, make a shorter memory steep.
const LONG_ENOUGH: Duration = Duration::from_secs(300);
/// Of allocations that come to lie elsewhere. A provider that leaks is 16 KiB if it was never used, else 50 and more,
/// and there are several of both each second.
const BOUND_MIB: f64 = 3.0;
