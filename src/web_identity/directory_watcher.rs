//! File events of a directory: one watcher for all who care about it. Alone knows `notify`.
//!
//! Events are hints. A watch of the directory itself sees every rotation; one of the file, or of anything that a link on
//! the way leads to, sees the first and is dead after it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::SystemTime;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::nudge::Nudge;
use super::watch_error::WatchError;

/// A directory, and those who want to hear of it.
pub(super) struct DirectoryWatcher {
    path: PathBuf,
    audience: Arc<Audience>,
    /// Locked while notify's thread answers, so never by that thread.
    watch: Mutex<Watch>,
}

impl DirectoryWatcher {
    /// The process's one watcher of this directory; not armed yet if it is new.
    pub(super) fn shared(path: &Path) -> Arc<Self> {
        static ALL: Mutex<BTreeMap<PathBuf, Weak<DirectoryWatcher>>> = Mutex::new(BTreeMap::new());
        let mut all = lock(&ALL);
        all.retain(|_, watcher| watcher.strong_count() > 0);
        if let Some(watcher) = all.get(path).and_then(Weak::upgrade) {
            return watcher;
        }
        let watcher = Arc::new(Self {
            path: path.to_owned(),
            audience: Arc::new(Audience::of(path)),
            watch: Mutex::new(Watch::Off),
        });
        all.insert(path.to_owned(), Arc::downgrade(&watcher));
        watcher
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn subscribe(&self, nudge: &Arc<Nudge>) {
        let mut members = lock(&self.audience.members);
        members.retain(|member| member.strong_count() > 0);
        members.push(Arc::downgrade(nudge));
    }

    /// The directory that was watched is gone, or elsewhere.
    pub(super) fn is_lost(&self) -> bool {
        self.audience.has_lost_it()
    }

    /// Makes sure that the directory at this path is the one that is watched. Blocks. Gives the number of the watch, which
    /// is another for each that had to be made anew, whoever of those who share it was first to ask.
    pub(super) fn arm(&self) -> Result<u64, WatchError> {
        let mut watch = lock(&self.watch);
        let place = Place::of(&self.path);
        match &*watch {
            Watch::On { place: watched, .. }
                if !self.is_lost() && place.as_ref().is_ok_and(|place| place == watched) =>
            {
                return Ok(self.audience.armed.load(Ordering::Acquire));
            }
            Watch::Broken => return Err(WatchError::Broken),
            Watch::On { .. } | Watch::Off => {}
        }
        // Never `watch` again on the old one: that is without effect, or leaks.
        *watch = Watch::Off;
        let place = place.map_err(WatchError::Directory)?;
        let ear = Ear::new(&self.audience);
        let number = ear.armed;
        let watcher = match build(&self.path, ear) {
            Ok(watcher) => watcher,
            Err(error) => {
                if matches!(error, WatchError::Broken) {
                    *watch = Watch::Broken;
                }
                return Err(error);
            }
        };
        if Place::of(&self.path).map_err(WatchError::Directory)? != place {
            return Err(WatchError::Moved);
        }
        *watch = Watch::On { place, _watcher: watcher };
        Ok(number)
    }
}

enum Watch {
    Off,
    On {
        place: Place,
        _watcher: Guarded,
    },
    /// notify panicked. Each attempt would leak file descriptors.
    Broken,
}

/// A directory by what it is, not by its name.
#[derive(Eq, PartialEq)]
struct Place {
    #[cfg(unix)]
    inode: (u64, u64),
    /// Some file systems give a freed inode to the next comer.
    created: Option<SystemTime>,
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
            created: metadata.created().ok(),
        })
    }
}

/// Plain: nothing in here waits for a thread when dropped, for the last reference may be dropped on notify's own.
struct Audience {
    directory: PathBuf,
    members: Mutex<Vec<Weak<Nudge>>>,
    /// The number of the present watch, to tell its events from those of an earlier one.
    armed: AtomicU64,
    /// The number of the last watch that is known to be lost.
    lost: AtomicU64,
}

impl Audience {
    fn of(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            members: Mutex::default(),
            armed: AtomicU64::new(1),
            lost: AtomicU64::new(0),
        }
    }

    fn has_lost_it(&self) -> bool {
        self.lost.load(Ordering::Acquire) >= self.armed.load(Ordering::Acquire)
    }
}

/// Called on notify's thread. Does no I/O, cannot wait, cannot panic.
struct Ear {
    audience: Weak<Audience>,
    armed: u64,
}

impl Ear {
    fn new(audience: &Arc<Audience>) -> Self {
        let armed = audience.armed.fetch_add(1, Ordering::AcqRel) + 1;
        Self { audience: Arc::downgrade(audience), armed }
    }
}

impl notify::EventHandler for Ear {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        let Some(audience) = self.audience.upgrade() else { return };
        match meaning(&event, &audience.directory) {
            Meaning::Nothing => return,
            Meaning::Look => {}
            Meaning::Lost => {
                audience.lost.fetch_max(self.armed, Ordering::AcqRel);
            }
        }
        for member in lock(&audience.members).iter().filter_map(Weak::upgrade) {
            member.give();
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    Nothing,
    Look,
    Lost,
}

fn meaning(event: &notify::Result<notify::Event>, directory: &Path) -> Meaning {
    let Ok(event) = event else { return Meaning::Lost };
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Meaning::Look,
        // Our own reads are among these: to follow them would be a loop.
        EventKind::Access(_) => Meaning::Nothing,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
            if event.paths.iter().any(|path| path == directory) =>
        {
            Meaning::Lost
        }
        _ => Meaning::Look,
    }
}

/// notify panics when it cannot have a thread, and again when it is dropped then, which would be the end of the process.
fn build(directory: &Path, ear: Ear) -> Result<Guarded, WatchError> {
    let probe = thread::Builder::new().name("watch-probe".to_owned()).spawn(|| {}).map_err(WatchError::Thread)?;
    if probe.join().is_err() {
        return Err(WatchError::Broken);
    }
    build_guarded(directory, ear)
}

fn build_guarded(directory: &Path, ear: Ear) -> Result<Guarded, WatchError> {
    catch_unwind(AssertUnwindSafe(|| {
        let mut watcher = ManuallyDrop::new(notify::recommended_watcher(ear)?);
        let watched = watcher.watch(directory, RecursiveMode::NonRecursive);
        // It answered, so its thread lives and it can be dropped.
        let watcher = Guarded(Some(ManuallyDrop::into_inner(watcher)));
        watched.map(|()| watcher)
    }))
    .map_err(|_| WatchError::Broken)?
    .map_err(WatchError::from)
}

/// Its thread may have died meanwhile, and then its drop panics.
struct Guarded(Option<RecommendedWatcher>);

impl Drop for Guarded {
    fn drop(&mut self) {
        let watcher = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(watcher))).is_err() {
            tracing::debug!("a file watcher could not be stopped");
        }
    }
}

impl From<notify::Error> for WatchError {
    fn from(error: notify::Error) -> Self {
        match error.kind {
            notify::ErrorKind::MaxFilesWatch => Self::Watches,
            notify::ErrorKind::PathNotFound => Self::Directory(io::ErrorKind::NotFound.into()),
            // By number: std has no name for it. The same on every Unix.
            notify::ErrorKind::Io(ref cause) if cfg!(unix) && cause.raw_os_error() == Some(24) => Self::Instances,
            _ => Self::Other(error.to_string()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use notify::event::Flag;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::web_identity::testing::Isolated;

    #[tokio::test]
    async fn p6_a_queue_that_overflowed_is_a_reason_to_look_and_the_watch_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let watcher = DirectoryWatcher::shared(home.path());
        let nudge = Arc::new(Nudge::default());
        watcher.subscribe(&nudge);
        let number = watcher.arm().unwrap();

        let mut made = 0;
        {
            let _busy = lock(&watcher.audience.members);
            let longest: usize =
                fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
            while made < longest.min(40_000) + 100 {
                std::os::unix::fs::symlink("nowhere", home.path().join("link")).unwrap();
                fs::remove_file(home.path().join("link")).unwrap();
                made += 2;
            }
        }
        // At rest once nothing has come for a while.
        let mut heard = 0;
        while heard == 0 || heard != nudge.count() {
            heard = nudge.count();
            sleep(Duration::from_millis(100)).await;
        }
        assert!(!watcher.is_lost());
        assert_eq!(watcher.arm().unwrap(), number, "it is the same watch");
        fs::write(home.path().join("token"), "token").unwrap();
        let hears = async {
            while nudge.count() == heard {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), hears).await.unwrap();
    }

    #[test]
    fn what_an_event_means() {
        let directory = Path::new("/volume");
        let meaning = |kind, path: &str| meaning(&Ok(notify::Event::new(kind).add_path(path.into())), directory);
        let overflow = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(super::meaning(&Ok(overflow), directory), Meaning::Look);
        assert_eq!(super::meaning(&Err(notify::Error::generic("any")), directory), Meaning::Lost);

        let removed = EventKind::Remove(notify::event::RemoveKind::Folder);
        assert_eq!(meaning(removed, "/volume"), Meaning::Lost);
        assert_eq!(meaning(removed, "/volume/..2026"), Meaning::Look);
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert_eq!(meaning(written, "/volume/token"), Meaning::Look);
        for read in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read), AccessKind::Read] {
            assert_eq!(meaning(EventKind::Access(read), "/volume/token"), Meaning::Nothing);
        }
    }

    /// notify 8 would abort the process here.
    #[test]
    fn a_process_that_can_have_no_thread_goes_on_without_events() {
        let test = concat!(module_path!(), "::a_process_that_can_have_no_thread_goes_on_without_events");
        if !(Isolated { test, wrapper: &["env"], uid: Some(65_534) }).is_here() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let status = Command::new("prlimit").args([&format!("--pid={}", std::process::id()), "--nproc=0:0"]).status();
        if !status.is_ok_and(|status| status.success()) || thread::Builder::new().spawn(|| {}).is_ok() {
            return eprintln!("skipped: threads cannot be forbidden here");
        }

        let watcher = DirectoryWatcher::shared(directory.path());
        assert!(matches!(watcher.arm(), Err(WatchError::Thread(_))));
        assert!(matches!(watcher.arm(), Err(WatchError::Thread(_))), "it is tried again");
        // The same, if the last thread was taken between the probe and notify's own.
        assert!(matches!(build_guarded(directory.path(), Ear::new(&watcher.audience)), Err(WatchError::Broken)));
    }
}
