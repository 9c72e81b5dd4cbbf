//! Hints that a file may have changed: from its directory, and from every one that a link on the way leads through.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::directory_watcher::DirectoryWatcher;
use super::nudge::Nudge;
use super::watch_error::WatchError;

pub(super) struct FileEvents {
    file: PathBuf,
    nudge: Arc<Nudge>,
    directories: Mutex<Vec<Directory>>,
}

#[derive(Clone)]
struct Directory {
    watcher: Arc<DirectoryWatcher>,
    /// Of the last watch that we know of. Another of those who share it may have made a new one meanwhile.
    armed: Option<u64>,
}

impl FileEvents {
    pub(super) fn new(file: &Path, nudge: Arc<Nudge>) -> Self {
        Self { file: file.to_owned(), nudge, directories: Mutex::default() }
    }

    /// As [`arm`](Self::arm), if the watch was lost or a link leads elsewhere than when it was armed. Blocks.
    pub(super) fn follow(&self) -> Option<Result<bool, WatchError>> {
        let wanted = directories(&self.file);
        let must = {
            let known = self.directories();
            known.iter().any(|directory| directory.watcher.is_lost())
                || !wanted.iter().eq(known.iter().map(|directory| directory.watcher.path()))
        };
        must.then(|| self.arm())
    }

    /// Makes sure that all that can be watched is, and is still the right thing. Blocks. Whether something was new.
    pub(super) fn arm(&self) -> Result<bool, WatchError> {
        let known = self.directories().clone();
        let mut directories: Vec<_> = directories(&self.file)
            .into_iter()
            .map(|wanted| {
                known.iter().find(|known| known.watcher.path() == wanted).cloned().unwrap_or_else(|| {
                    let watcher = DirectoryWatcher::shared(&wanted);
                    watcher.subscribe(&self.nudge);
                    Directory { watcher, armed: None }
                })
            })
            .collect();
        let mut outcome = Ok(false);
        for directory in &mut directories {
            // One that fails does not keep the others from being armed.
            let armed = directory.watcher.arm();
            let anew = armed.as_ref().is_ok_and(|armed| directory.armed != Some(*armed));
            directory.armed = armed.as_ref().ok().copied();
            outcome = outcome.and_then(|before| armed.map(|_| before | anew));
        }
        *self.directories() = directories;
        outcome
    }

    fn directories(&self) -> MutexGuard<'_, Vec<Directory>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parent of the file, and of what it links to, and so on. Links to `..` names are the kubelet's own: they stay in the
/// directory, and what they lead through lives for one rotation.
fn directories(file: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut file = file.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(parent) = file.parent() else { break };
        if !all.iter().any(|known| known == parent) {
            all.push(parent.to_owned());
        }
        let Ok(target) = fs::read_link(&file) else { break };
        if matches!(target.components().next(), Some(Component::Normal(first)) if is_reserved(first)) {
            break;
        }
        file = parent.join(target);
    }
    all
}

fn is_reserved(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_plain_file_is_watched_by_its_directory() {
        assert_eq!(directories(Path::new("/absent/token")), [Path::new("/absent")]);
        assert!(directories(Path::new("/")).is_empty());
    }

    #[test]
    fn the_links_of_a_kubelet_are_not_followed_and_those_of_a_user_are() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for name in ["volume", "volume/..2026", "application", "between"] {
            fs::create_dir(path(name)).unwrap();
        }
        symlink("..2026", path("volume/..data")).unwrap();
        symlink("..data/token", path("volume/token")).unwrap();
        assert_eq!(directories(&path("volume/token")), [path("volume")]);

        symlink(path("volume/token"), path("between/link")).unwrap();
        symlink("../between/link", path("application/second")).unwrap();
        symlink("second", path("application/first")).unwrap();
        let watched = directories(&path("application/first"));
        assert_eq!(watched, [path("application"), path("application/../between"), path("volume")]);
    }

    #[test]
    fn a_circle_of_links_comes_to_an_end() {
        let home = tempfile::tempdir().unwrap();
        symlink("token", home.path().join("token")).unwrap();
        assert_eq!(directories(&home.path().join("token")), [home.path()]);
    }
}
