//! Why the token file gives no token, and what to do about it.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind, RAISE_THREAD_LIMIT, in_words};
use crate::refresh::{Class, Failure};
use crate::web_identity::token_format::NotAToken;

/// Why the token file gives no token. Holds no byte of the file.
pub(in crate::web_identity) enum ReadError {
    Io(io::Error),
    /// The path leads to something else, such as "a directory".
    NotAFile(&'static str),
    NotAToken(NotAToken),
    /// The read is under way.
    NotYetRead,
    /// The file system gave no answer within this time.
    Hung(Duration),
    /// No blocking thread of the runtime was free within this time.
    PoolFull(Duration),
    NoThread,
}

impl ReadError {
    pub(super) fn unless_file(metadata: &Metadata) -> Result<(), Self> {
        if metadata.is_file() { Ok(()) } else { Err(Self::NotAFile(kind_of(metadata))) }
    }

    /// True if the file may become readable within half a second.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::StaleNetworkFileHandle
            ),
            // Somebody may be overwriting other content with a token.
            Self::NotAToken(_) => true,
            _ => false,
        }
    }

    /// The failure of an attempt. A directory, or a file with other content, does not mend itself, so callers hear of it at
    /// once. The watch goes on: a token in its place ends the failure.
    pub(super) fn failure(self, path: &Path) -> Failure {
        let class = match &self {
            Self::NotAFile(_) => Class::Misconfigured,
            Self::NotAToken(problem) if !problem.unfinished => Class::Misconfigured,
            _ => Class::BadInput,
        };
        Failure { class, error: self.explain(path), retry_after: None }
    }

    pub(in crate::web_identity) fn explain(self, path: &Path) -> Error {
        let (transient, problem, remedy) = match self {
            Self::Io(cause) => {
                let remedy = match cause.kind() {
                    io::ErrorKind::NotFound => where_it_ends(path),
                    io::ErrorKind::PermissionDenied => who_may(path),
                    io::ErrorKind::StaleNetworkFileHandle => {
                        "its network file system has replaced the file. The file is read again".to_owned()
                    }
                    _ => "check the volume or the file system that holds the file".to_owned(),
                };
                let stale = cause.kind() == io::ErrorKind::StaleNetworkFileHandle;
                (stale, format!("cannot be read: {cause}"), remedy)
            }
            Self::NotAFile(kind) => {
                let remedy = if kind == "a directory" {
                    "name the file in it, which is called token in most pods. If this path should be the file, its \
                     volume is mounted wrong: a mount of a missing file makes a directory"
                } else {
                    "name the file itself, which ends in /token in most pods"
                };
                (false, format!("is {kind}, not a file"), remedy.to_owned())
            }
            Self::NotAToken(problem) => (problem.unfinished, problem.to_string(), problem.remedy()),
            Self::NotYetRead => {
                (true, "is being read: its file system has not answered yet".to_owned(), MEND_FILE_SYSTEM.to_owned())
            }
            Self::Hung(limit) => {
                let problem = format!("cannot be read: its file system did not answer within {}", in_words(limit));
                (true, problem, MEND_FILE_SYSTEM.to_owned())
            }
            Self::PoolFull(limit) => (
                true,
                format!("cannot be read: all blocking threads of the Tokio runtime were busy for {}", in_words(limit)),
                "find the code that blocks these threads (spawn_blocking, tokio::fs, stdin), or raise \
                 max_blocking_threads of the runtime"
                    .to_owned(),
            ),
            Self::NoThread => (
                true,
                "cannot be read: no thread can be started".to_owned(),
                format!("{RAISE_THREAD_LIMIT}. The file is read again"),
            ),
        };
        Error::new(ErrorKind::TokenUnavailable, format!("the token file {} {problem}", path.display()))
            .with_remedy(remedy)
            .with_transient(transient)
    }
}

impl From<NotAToken> for ReadError {
    fn from(problem: NotAToken) -> Self {
        Self::NotAToken(problem)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

const MEND_FILE_SYSTEM: &str =
    "check the network or FUSE file system that holds the file. The file is read again once that system answers";

/// Names the first missing part of the path.
fn where_it_ends(path: &Path) -> String {
    let directory = path.parent().unwrap_or(path);
    let mounted = format!("Check that the projected volume is mounted at {}", directory.display());
    if fs::symlink_metadata(path).is_ok() {
        format!("it is a symlink whose target is missing. {mounted}")
    } else if directory.is_dir() {
        let name = path.file_name().unwrap_or_default().display();
        format!("its directory is there. {mounted}, and that `path` of its serviceAccountToken is {name}")
    } else {
        format!("its directory is missing, too. {mounted}")
    }
}

#[cfg(unix)]
fn who_may(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;

    // A directory that we may not enter hides what is below it. So the nearest visible ancestor is the one in the way.
    let seen = path.ancestors().find_map(|ancestor| Some((ancestor, fs::metadata(ancestor).ok()?)));
    let barrier = seen.map_or_else(String::new, |(path, metadata)| {
        let (owner, group, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        format!("{} belongs to {owner}:{group} with mode {mode:04o}, and ", path.display())
    });
    let us = fs::metadata("/proc/self").map_or_else(|_| "another user".to_owned(), |us| format!("uid {}", us.uid()));
    format!(
        "{barrier}this process runs as {us}. Set the pod's securityContext.fsGroup, or run as the owner (kubelets before 1.19 \
         wrote tokens for root alone)"
    )
}

#[cfg(not(unix))]
fn who_may(_: &Path) -> String {
    "the user of this process may not read the file".to_owned()
}

fn kind_of(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if metadata.file_type().is_fifo() {
            return "a FIFO";
        }
        if metadata.file_type().is_socket() {
            return "a socket";
        }
    }
    if metadata.is_dir() { "a directory" } else { "a device" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_identity::token_format;

    #[test]
    fn unfinished_content_waits_and_other_content_is_a_mistake() {
        for (content, class) in [("", Class::BadInput), ("{}", Class::Misconfigured)] {
            let problem = token_format::parse(content.as_bytes()).err().unwrap();
            let failure = ReadError::NotAToken(problem).failure(Path::new("/var/token"));
            assert_eq!((failure.class, failure.error.is_transient()), (class, content.is_empty()), "{content}");
        }
    }

    #[test]
    fn file_that_nfs_replaced_is_read_again() {
        let stale = || ReadError::Io(io::ErrorKind::StaleNetworkFileHandle.into());
        assert!(stale().may_pass());
        let error = stale().explain(Path::new("/var/token"));
        assert!(error.is_transient() && error.to_string().contains("The file is read again"), "{error}");
    }
}
