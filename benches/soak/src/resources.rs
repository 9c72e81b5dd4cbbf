//! Threads, files, tasks and memory of the process.

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
    /// Tasks of the runtime.
    tasks: usize,
}

impl Resources {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let field = |name| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            value.trim().trim_end_matches(" kB").parse().unwrap()
        };
        // Without the directory that is open for this count.
        let files = fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
        let tasks = Handle::current().metrics().num_alive_tasks();
        Self { rss_kib: field("VmRSS:"), threads: field("Threads:"), files, tasks }
    }

    /// Waits until there are no more threads, files and tasks than `before`, at most a minute.
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

/// The targets of all open files, to find a leak.
pub(crate) fn open_files() -> Vec<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
    files.filter_map(|file| Some(fs::read_link(file.path()).ok()?.display().to_string())).collect()
}

/// The memory of the process over time.
pub(crate) struct MemoryTrend {
    begun: Instant,
    /// Resident memory in KiB, each second.
    rss: Vec<u64>,
}

impl MemoryTrend {
    pub(crate) fn new(runs_for: Duration) -> Self {
        Self { begun: Instant::now(), rss: Vec::with_capacity(runs_for.as_secs() as usize + 1) }
    }

    /// Records until `end` after the beginning.
    pub(crate) async fn follow_to(&mut self, end: Duration) {
        let end = self.begun + end;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + Duration::from_secs(1))).await;
            self.rss.push(Resources::now().rss_kib);
        }
    }

    /// The median of each tenth of the time, in MiB.
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

    /// The growth, if memory keeps growing. Compares the smallest of the last three tenths with the largest of the
    /// third to fifth, which are past the warm-up.
    pub(crate) fn leak(&self) -> Option<String> {
        if self.begun.elapsed() < LONG_ENOUGH {
            return None;
        }
        let tenths = self.tenths();
        let warm = tenths[2..5].iter().copied().fold(0.0, f64::max);
        let last = tenths[7..].iter().copied().fold(f64::INFINITY, f64::min);
        (last > warm + BOUND_MIB)
            .then(|| format!("{:.1} MiB since the warm-up; up to {BOUND_MIB} MiB may be noise", last - warm))
    }
}

/// A shorter run is all warm-up: the judge's records and the first sessions still grow.
const LONG_ENOUGH: Duration = Duration::from_secs(300);
/// Noise of the allocator. A leaked provider has 16 KiB or more, and there are several a second.
const BOUND_MIB: f64 = 3.0;
