//! The watched directories: the one of the token file, and each that its symlinks lead through.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::directory_watcher::{DirectoryWatcher, EventSignal};
use super::watch_error::WatchError;
use crate::locks::lock;

/// The path of a token file, whose directories are watched.
pub(super) struct WatchedPath {
    file: PathBuf,
    events: Arc<EventSignal>,
    directories: Mutex<Vec<Directory>>,
}

#[derive(Clone)]
struct Directory {
    watcher: Arc<DirectoryWatcher>,
    /// The flag of the watch that was made or found last. `None`: the directory could not be watched.
    is_lost: Option<Arc<AtomicBool>>,
}

impl WatchedPath {
    pub(super) fn new(file: &Path, events: Arc<EventSignal>) -> Self {
        Self { file: file.to_owned(), events, directories: Mutex::default() }
    }

    /// [`renew`](Self::renew), if a watched directory is lost or a symlink leads elsewhere. Blocks.
    pub(super) fn renew_if_stale(&self) -> Option<Result<bool, WatchError>> {
        let wanted = directories(&self.file);
        let is_stale = {
            let known = self.directories();
            let mut flags = known.iter().filter_map(|directory| directory.is_lost.as_ref());
            flags.any(|is_lost| is_lost.load(Ordering::Acquire))
                || !wanted.iter().eq(known.iter().map(|directory| directory.watcher.path()))
        };
        is_stale.then(|| self.renew())
    }

    /// Makes sure that every directory of the path is watched, as far as possible. Blocks. True if a watch is new.
    pub(super) fn renew(&self) -> Result<bool, WatchError> {
        let known = self.directories().clone();
        let mut directories: Vec<_> = directories(&self.file)
            .into_iter()
            .map(|wanted| {
                known.iter().find(|known| known.watcher.path() == wanted).cloned().unwrap_or_else(|| {
                    let watcher = DirectoryWatcher::shared(&wanted);
                    watcher.subscribe(&self.events);
                    Directory { watcher, is_lost: None }
                })
            })
            .collect();
        let mut outcome = Ok(false);
        for Directory { watcher, is_lost } in &mut directories {
            // A directory that cannot be watched does not keep the others from being watched.
            let watch = watcher.renew();
            let same = watch.as_ref().ok().zip(is_lost.as_ref()).is_some_and(|(new, old)| Arc::ptr_eq(new, old));
            *is_lost = watch.as_ref().ok().cloned();
            outcome = outcome.and_then(|any_new| watch.map(|_| any_new || !same));
        }
        *self.directories() = directories;
        outcome
    }

    fn directories(&self) -> MutexGuard<'_, Vec<Directory>> {
        lock(&self.directories)
    }
}

/// The parent of the file, the parent of its symlink's target, and so on. A symlink to a name that begins with `..` ends the
/// search. Such a symlink is the kubelet's: it stays in the directory, and its target lives for one rotation only.
fn directories(file: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut file = file.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(parent) = file.parent() else { break };
        if !all.iter().any(|known| known == parent) {
            all.push(parent.to_owned());
        }
        let Ok(target) = fs::read_link(&file) else { break };
        if let Some(Component::Normal(first)) = target.components().next()
            && first.as_encoded_bytes().starts_with(b"..")
        {
            break;
        }
        file = parent.join(target);
    }
    all
}

/// Linux follows as many.
const MAX_LINKS: usize = 40;

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn plain_file_is_watched_by_its_directory() {
        assert_eq!(directories(Path::new("/absent/token")), [Path::new("/absent")]);
        assert!(directories(Path::new("/")).is_empty());
    }

    #[test]
    fn only_the_users_symlinks_are_followed() {
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
    fn circle_of_symlinks_ends() {
        let home = tempfile::tempdir().unwrap();
        symlink("token", home.path().join("token")).unwrap();
        assert_eq!(directories(&home.path().join("token")), [home.path()]);
    }
}
