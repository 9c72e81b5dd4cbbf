//! One watcher for each directory, which all token files in it share. The only file that knows `notify`.

use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::SystemTime;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::watch_error::WatchError;
use crate::locks::{SharedValues, lock};

/// A directory, and the token files that want its events.
pub(super) struct DirectoryWatcher {
    path: PathBuf,
    listeners: Arc<Listeners>,
    /// Held while waiting for notify's thread, so that thread must never lock it.
    watch: Mutex<Watch>,
}

type Listeners = Mutex<Vec<Weak<EventSignal>>>;

enum Watch {
    Off,
    On {
        directory: DirectoryId,
        is_lost: Arc<AtomicBool>,
        _watcher: Guarded,
    },
    /// notify has panicked. Each further attempt would leak file descriptors.
    Broken,
}

impl DirectoryWatcher {
    /// The watcher of this directory that the whole process shares. A new one watches nothing yet.
    pub(super) fn shared(path: &Path) -> Arc<Self> {
        static ALL: SharedValues<PathBuf, DirectoryWatcher> = SharedValues::new();
        let watch = Mutex::new(Watch::Off);
        ALL.get(path.to_owned(), || Self { path: path.to_owned(), listeners: Arc::default(), watch })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn subscribe(&self, events: &Arc<EventSignal>) {
        let mut listeners = lock(&self.listeners);
        let events = Arc::downgrade(events);
        listeners.retain(|listener| listener.strong_count() > 0 && !listener.ptr_eq(&events));
        listeners.push(events);
    }

    /// Makes sure that the directory which is at this path now is watched. Blocks. Returns the flag of the watch, which turns
    /// true once the directory is removed or moved. Each watch has its own flag.
    pub(super) fn renew(&self) -> Result<Arc<AtomicBool>, WatchError> {
        let mut watch = lock(&self.watch);
        let directory = directory_id(&self.path);
        match &*watch {
            Watch::On { directory: watched, is_lost, .. }
                if !is_lost.load(Ordering::Acquire) && directory.as_ref().is_ok_and(|now| now == watched) =>
            {
                return Ok(Arc::clone(is_lost));
            }
            Watch::Broken => return Err(WatchError::Broken),
            Watch::On { .. } | Watch::Off => {}
        }
        // A new watcher each time: to watch again with the old one has no effect, or leaks.
        *watch = Watch::Off;
        let directory = directory.map_err(WatchError::Directory)?;
        let is_lost = Arc::new(AtomicBool::new(false));
        // notify panics if its thread cannot be started, and again when it is dropped after that.
        let probe = thread::Builder::new().name("watch-probe".to_owned()).spawn(|| {}).map_err(WatchError::Thread)?;
        let watcher = if probe.join().is_ok() { self.start(&is_lost) } else { Err(WatchError::Broken) };
        match watcher {
            Ok(watcher) if directory_id(&self.path).map_err(WatchError::Directory)? == directory => {
                *watch = Watch::On { directory, is_lost: Arc::clone(&is_lost), _watcher: watcher };
                Ok(is_lost)
            }
            Ok(_) => Err(WatchError::Moved),
            Err(error) => {
                if matches!(error, WatchError::Broken) {
                    *watch = Watch::Broken;
                }
                Err(error)
            }
        }
    }

    fn start(&self, is_lost: &Arc<AtomicBool>) -> Result<Guarded, WatchError> {
        let handler = Handler {
            directory: self.path.clone(),
            listeners: Arc::downgrade(&self.listeners),
            is_lost: Arc::clone(is_lost),
        };
        catch_unwind(AssertUnwindSafe(|| {
            let mut watcher = ManuallyDrop::new(notify::recommended_watcher(handler)?);
            let watched = watcher.watch(&self.path, RecursiveMode::NonRecursive);
            // Its thread has answered, so it lives, and the watcher can be dropped.
            let watcher = Guarded(Some(ManuallyDrop::into_inner(watcher)));
            watched.map(|()| watcher)
        }))
        .map_err(|_| WatchError::Broken)?
        .map_err(WatchError::from)
    }
}

/// Counts file events, and wakes the task that waits for them. The count keeps events while nobody waits.
#[derive(Default)]
pub(super) struct EventSignal {
    count: AtomicU64,
    wake: Notify,
}

impl EventSignal {
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Makes the waiting task ask again which check is due.
    pub(super) fn wake(&self) {
        self.wake.notify_waiters();
    }

    /// Resolves at the first wake after this call. Call this before asking which check is due, so that no wake is lost.
    pub(super) fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }
}

/// Identifies a directory whatever its name: device and inode, and the time of its creation. Some file systems reuse the inode
/// of a removed directory at once.
type DirectoryId = (Option<(u64, u64)>, Option<SystemTime>);

fn directory_id(path: &Path) -> io::Result<DirectoryId> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    };
    #[cfg(not(unix))]
    let inode = None;
    Ok((inode, metadata.created().ok()))
}

/// Runs on notify's thread. Must not wait for any thread, not even by a drop: the thread would wait for itself.
struct Handler {
    directory: PathBuf,
    listeners: Weak<Listeners>,
    is_lost: Arc<AtomicBool>,
}

impl notify::EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        let Some(listeners) = self.listeners.upgrade() else { return };
        match meaning(&event, &self.directory) {
            Meaning::Nothing => return,
            Meaning::Check => {}
            Meaning::Lost => self.is_lost.store(true, Ordering::Release),
        }
        for events in lock(&listeners).iter().filter_map(Weak::upgrade) {
            events.count.fetch_add(1, Ordering::AcqRel);
            events.wake();
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    Nothing,
    Check,
    /// The directory was removed or moved.
    Lost,
}

fn meaning(event: &notify::Result<notify::Event>, directory: &Path) -> Meaning {
    let Ok(event) = event else { return Meaning::Lost };
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Meaning::Check,
        // Our own reads cause these events. To follow them would be an endless loop.
        EventKind::Access(_) => Meaning::Nothing,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
            if event.paths.iter().any(|path| path == directory) =>
        {
            Meaning::Lost
        }
        _ => Meaning::Check,
    }
}

/// Catches the panic of a drop after the watcher's thread has died.
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
            // EMFILE, which has this number on every Unix and no name in std.
            notify::ErrorKind::Io(ref cause) if cfg!(unix) && cause.raw_os_error() == Some(24) => Self::Instances,
            _ => Self::Other(error.to_string()),
        }
    }
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
    async fn p6_overflowed_event_queue_causes_a_check() {
        let home = tempfile::tempdir().unwrap();
        let watcher = DirectoryWatcher::shared(home.path());
        let events = Arc::new(EventSignal::default());
        watcher.subscribe(&events);
        let is_lost = watcher.renew().unwrap();

        let mut made = 0;
        {
            let _busy = lock(&watcher.listeners);
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
        while heard == 0 || heard != events.count() {
            heard = events.count();
            sleep(Duration::from_millis(100)).await;
        }
        assert!(!is_lost.load(Ordering::Acquire));
        assert!(Arc::ptr_eq(&watcher.renew().unwrap(), &is_lost), "it is the same watch");
        fs::write(home.path().join("token"), "token").unwrap();
        let hears = async {
            while events.count() == heard {
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
        assert_eq!(super::meaning(&Ok(overflow), directory), Meaning::Check);
        assert_eq!(super::meaning(&Err(notify::Error::generic("any")), directory), Meaning::Lost);

        let removed = EventKind::Remove(notify::event::RemoveKind::Folder);
        assert_eq!(meaning(removed, "/volume"), Meaning::Lost);
        assert_eq!(meaning(removed, "/volume/..2026"), Meaning::Check);
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert_eq!(meaning(written, "/volume/token"), Meaning::Check);
        for read in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read), AccessKind::Read] {
            assert_eq!(meaning(EventKind::Access(read), "/volume/token"), Meaning::Nothing);
        }
    }

    /// notify 8 would abort the process here.
    #[test]
    fn process_without_threads_has_no_events() {
        let test = concat!(module_path!(), "::process_without_threads_has_no_events");
        if !(Isolated { test, wrapper: &["env"], uid: Some(65_534) }).is_here() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let status = Command::new("prlimit").args([&format!("--pid={}", std::process::id()), "--nproc=0:0"]).status();
        if !status.is_ok_and(|status| status.success()) || thread::Builder::new().spawn(|| {}).is_ok() {
            return eprintln!("skipped: threads cannot be forbidden here");
        }

        let watcher = DirectoryWatcher::shared(directory.path());
        assert!(matches!(watcher.renew(), Err(WatchError::Thread(_))));
        assert!(matches!(watcher.renew(), Err(WatchError::Thread(_))), "it is tried again");
        // The same, if the last thread was taken between the probe and notify's own.
        assert!(matches!(watcher.start(&Arc::default()), Err(WatchError::Broken)));
    }
}
