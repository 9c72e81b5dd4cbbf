//! What this process holds of the system: for tests that run in one of their own.

use std::fs;
use std::time::Duration;

use crate::rig::soon;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Held {
    pub(crate) files: usize,
    pub(crate) inotify: usize,
    pub(crate) threads: usize,
}

impl Held {
    pub(crate) fn now() -> Self {
        let links =
            || fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        Self {
            files: links().count(),
            inotify: links().filter(|file| file.to_string_lossy().contains("inotify")).count(),
            threads: fs::read_dir("/proc/self/task").unwrap().count(),
        }
    }

    /// How many engine threads there are. Linux shows the first 15 bytes of a thread's name.
    pub(crate) fn engine_threads() -> usize {
        let names =
            fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| fs::read_to_string(task.path().join("comm")));
        names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "aws-web-identit")).count()
    }
}

/// Once it has not changed for a while.
pub(crate) async fn settled() -> Held {
    let mut held = Held::now();
    let mut since = 0;
    soon(async {
        while since < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = Held::now();
            since = if now == held { since + 1 } else { 0 };
            held = now;
        }
    })
    .await;
    held
}
