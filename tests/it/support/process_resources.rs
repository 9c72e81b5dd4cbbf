//! Counts of files, inotify instances and threads, for tests that run in a process of their own.

use std::fs;
use std::time::Duration;

use super::soon;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ProcessResources {
    pub(crate) files: usize,
    pub(crate) inotify: usize,
    pub(crate) threads: usize,
}

impl ProcessResources {
    pub(crate) fn now() -> Self {
        let links =
            || fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        Self {
            files: links().count(),
            inotify: links().filter(|file| file.to_string_lossy().contains("inotify")).count(),
            threads: fs::read_dir("/proc/self/task").unwrap().count(),
        }
    }

    /// Waits until the resources have not changed for 400 ms.
    pub(crate) async fn settled() -> Self {
        let mut last = Self::now();
        let mut unchanged = 0;
        soon(async {
            while unchanged < 20 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let now = Self::now();
                unchanged = if now == last { unchanged + 1 } else { 0 };
                last = now;
            }
        })
        .await;
        last
    }
}

/// Number of engine threads. Linux shows the first 15 bytes of a thread's name.
pub(crate) fn engine_threads() -> usize {
    let names =
        fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| fs::read_to_string(task.path().join("comm")));
    names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "aws-web-identit")).count()
}
