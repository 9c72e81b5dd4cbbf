//! Why there is no token, and what to do about it.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::token_check::NotAToken;
use crate::error::{Error, ErrorKind, in_words};
use crate::refresh::{Class, Failure};

/// Why there is no token. Knows no byte of the file.
pub(super) enum Obstacle {
    Io(io::Error),
    NotAFile(&'static str),
    NotAToken(NotAToken),
    /// The file system gave no answer for so long; `None`: and is still waited for.
    Hung(Option<Duration>),
    /// All blocking threads of the runtime were busy for so long.
    PoolFull(Duration),
    NoThread,
}

impl Obstacle {
    pub(super) fn unless_file(metadata: &Metadata) -> Result<(), Self> {
        if metadata.is_file() { Ok(()) } else { Err(Self::NotAFile(kind_of(metadata))) }
    }

    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::StaleNetworkFileHandle
            ),
            // It may be half written, over something older.
            Self::NotAToken(_) => true,
            Self::NotAFile(_) => false,
            // Whoever met these has waited already.
            Self::Hung(_) | Self::PoolFull(_) | Self::NoThread => false,
        }
    }

    /// What the engine is to make of it, once patience is over. A directory, or a file that holds something else, cannot mend
    /// itself: whoever waits hears of it at once. The watch looks on, and a token in its place ends the failure.
    pub(super) fn failure(self, path: &Path) -> Failure {
        let lasts = match &self {
            Self::NotAFile(_) => true,
            Self::NotAToken(problem) => !problem.unfinished,
            _ => false,
        };
        let class = if lasts { Class::Config } else { Class::Blocked };
        Failure { class, error: self.explain(path), retry_after: None }
    }

    pub(super) fn explain(self, path: &Path) -> Error {
        let file = path.display();
        let error = |message: String, hint: String| Error::new(ErrorKind::TokenUnavailable, message).with_hint(hint);
        match self {
            Self::Io(cause) => {
                let message = format!("the token file {file} cannot be read: {cause}");
                match cause.kind() {
                    io::ErrorKind::NotFound => error(message, where_it_ends(path)),
                    io::ErrorKind::PermissionDenied => error(message, who_may(path)),
                    io::ErrorKind::StaleNetworkFileHandle => {
                        error(message, "its network file system has replaced it; it is read again".to_owned())
                            .with_transient(true)
                    }
                    _ => error(message, "see to the volume or file system that it is on".to_owned()),
                }
            }
            Self::NotAFile(kind) => error(
                format!("the token file {file} is {kind}, not a file"),
                match kind {
                    "a directory" => "name the file in it, which is called token in most pods; if this should be the file, its \
                                      volume is mounted wrong: a mount of a missing file makes a directory",
                    _ => "name the file itself, which ends in /token in most pods",
                }
                .to_owned(),
            ),
            Self::NotAToken(problem) => {
                error(format!("the token file {file} {problem}"), problem.remedy()).with_transient(problem.unfinished)
            }
            Self::Hung(limit) => error(
                match limit {
                    Some(limit) => {
                        format!(
                            "the token file {file} cannot be read: its file system does not answer within {}",
                            in_words(limit)
                        )
                    }
                    None => format!("the token file {file} is being read: its file system has not answered yet"),
                },
                "see to the network or FUSE file system that it is on; it is read again once that answers".to_owned(),
            )
            .with_transient(true),
            Self::PoolFull(limit) => error(
                format!("the token file {file} cannot be read: the runtime's blocking pool is full for {}", in_words(limit)),
                "find what blocks the pool's threads (spawn_blocking, tokio::fs, stdin), or raise \
                 max_blocking_threads of the runtime"
                    .to_owned(),
            )
            .with_transient(true),
            Self::NoThread => error(
                format!("the token file {file} cannot be read: no thread can be started"),
                "raise the limit of threads: the pod's pids limit (pids.max of its cgroup, podPidsLimit of the kubelet) \
                 or RLIMIT_NPROC; the file is read again"
                    .to_owned(),
            )
            .with_transient(true),
        }
    }
}

impl From<NotAToken> for Obstacle {
    fn from(problem: NotAToken) -> Self {
        Self::NotAToken(problem)
    }
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The first thing that is missing on the way to the file.
fn where_it_ends(path: &Path) -> String {
    let directory = path.parent().unwrap_or(path);
    if fs::symlink_metadata(path).is_ok() {
        format!("it is a link whose target is missing; is the projected volume mounted at {}?", directory.display())
    } else if directory.is_dir() {
        format!(
            "its directory is there; does the projected volume have this path in its serviceAccountToken, and is {} where it is mounted?",
            directory.display()
        )
    } else {
        format!("its directory is missing, too; is the projected volume mounted at {}?", directory.display())
    }
}

#[cfg(unix)]
fn who_may(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;

    let us = fs::metadata("/proc/self").map_or_else(|_| "another user".to_owned(), |us| format!("uid {}", us.uid()));
    // What we may not enter hides what is below it: the nearest thing that can be seen is the one in the way.
    let seen = path.ancestors().find_map(|ancestor| Some((ancestor, fs::metadata(ancestor).ok()?)));
    let Some((barrier, metadata)) = seen else { return format!("we run as {us}; {FS_GROUP}") };
    format!(
        "{} belongs to {}:{} with mode {:04o} and we run as {us}; {FS_GROUP}",
        barrier.display(),
        metadata.uid(),
        metadata.gid(),
        metadata.mode() & 0o7777,
    )
}

#[cfg(not(unix))]
fn who_may(_: &Path) -> String {
    "the user that we run as may not read it".to_owned()
}

#[cfg(unix)]
const FS_GROUP: &str = "set the pod's securityContext.fsGroup, or run as the owner \
                        (kubelets before 1.19 wrote tokens for root alone)";

#[cfg(unix)]
fn kind_of(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;

    let kind = metadata.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn kind_of(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "a directory" } else { "something else" }
}
