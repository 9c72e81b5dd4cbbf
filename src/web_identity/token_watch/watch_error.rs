//! Why there are no file events (inotify limits, a missing directory, no thread), and what to do about it.

use std::fmt;
use std::io;

use crate::scrub::plain;

/// Why there are no file events.
#[derive(Debug)]
pub(super) enum WatchError {
    Directory(io::Error),
    Moved,
    Instances,
    Watches,
    Thread(io::Error),
    Broken,
    Other(String),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => write!(f, "the directory cannot be watched: {error}"),
            Self::Moved => f.write_str("the directory was replaced just before it could be watched"),
            Self::Instances => f.write_str(
                "no inotify instance is left (EMFILE). All processes of this uid on the node share \
                 fs.inotify.max_user_instances. Raise it on the node, or turn file events off with watch_token(false). \
                 If this process has no file descriptor left, raise RLIMIT_NOFILE",
            ),
            Self::Watches => f.write_str(
                "no inotify watch is left (ENOSPC). All processes of this uid on the node share \
                 fs.inotify.max_user_watches. Raise it on the node",
            ),
            Self::Thread(error) => write!(
                f,
                "no thread can be started for the watcher ({error}): raise the pod's pids limit (pids.max) or RLIMIT_NPROC"
            ),
            Self::Broken => f.write_str(
                "the watcher has failed and is not started again. The file is polled until the process ends",
            ),
            Self::Other(error) => f.write_str(&plain(error, 200)),
        }
    }
}
