//! Threads, files, tasks and memory of the process.

use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::report;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    rss_kib: u64,
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

/// Memory, threads and files of the process over time.
pub(crate) struct Trend {
    begun: Instant,
    /// One entry a second.
    seen: Vec<Resources>,
}

impl Trend {
    pub(crate) fn new(runs_for: Duration) -> Self {
        Self { begun: Instant::now(), seen: Vec::with_capacity(runs_for.as_secs() as usize + 1) }
    }

    /// Records until `end` after the beginning.
    pub(crate) async fn follow_to(&mut self, end: Duration) {
        let end = self.begun + end;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + Duration::from_secs(1))).await;
            self.seen.push(Resources::now());
        }
    }

    /// The median of each tenth of the time.
    fn tenths(&self, figure: fn(&Resources) -> u64) -> [u64; 10] {
        let length = self.seen.len();
        std::array::from_fn(|tenth| {
            let of_tenth = &self.seen[length * tenth / 10..length * (tenth + 1) / 10];
            let mut values: Vec<_> = of_tenth.iter().map(figure).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or_default()
        })
    }

    /// Prints the figures. True if one of them keeps growing: its smallest value in the last three tenths is beyond the
    /// largest of the third to fifth, which are past the warm-up.
    pub(crate) fn leaks(&self) -> bool {
        let is_long_enough = self.begun.elapsed() >= LONG_ENOUGH;
        let mut leaks = false;
        for (name, figure, noise) in FIGURES {
            let tenths = self.tenths(figure);
            report(format_args!("live {name} by tenths"), format_args!("{tenths:?}"));
            let (warm, last) = (tenths[2..5].iter().max(), tenths[7..].iter().min());
            let grown = last.copied().unwrap_or_default().saturating_sub(warm.copied().unwrap_or_default());
            if is_long_enough && grown > noise {
                report("LEAK", format_args!("{name} grew by {grown} since the warm-up; up to {noise} may be noise"));
                leaks = true;
            }
        }
        leaks
    }
}

/// A shorter run is all warm-up: the judge's records and the first sessions still grow.
const LONG_ENOUGH: Duration = Duration::from_secs(300);

type Figure = (&'static str, fn(&Resources) -> u64, u64);
/// Each with its noise: of the allocator, of busy worker threads, of open connections. A leaked provider has 16 KiB or
/// more, and there are several a second.
const FIGURES: [Figure; 3] = [
    ("rss_kib", |seen| seen.rss_kib, 3 * 1024),
    ("threads", |seen| seen.threads, 8),
    ("open_files", |seen| seen.files, 32),
];
