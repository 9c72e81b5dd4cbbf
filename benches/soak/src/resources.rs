//! What the process takes of the machine.

use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

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
