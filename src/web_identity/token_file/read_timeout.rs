//! A time limit for access to a file whose file system may hang, such as NFS or FUSE.
//!
//! A hung system call cannot be cancelled. So each access runs on a blocking thread, and its caller stops waiting after the
//! limit. No other access to the same file begins before the hung one ends. Thus a hung file costs the process one thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{io, mem};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::read_error::ReadError;
use crate::blocking_threads;
use crate::locks::SharedValues;

/// Runs `work`, which accesses the file, on a blocking thread. Waits for its result until `limit` after `start`; an access
/// that hangs goes on alone.
pub(in crate::web_identity) async fn with_timeout<T: Send + 'static>(
    file: &Path,
    start: Instant,
    limit: Duration,
    work: impl FnOnce() -> T + Clone + Send + 'static,
) -> Result<T, ReadError> {
    let gate = gate(file);
    let mut free = gate.subscribe();
    let outcome = async {
        loop {
            drop(free.wait_for(|taken| !taken).await);
            let job = {
                let (gate, work) = (Arc::clone(&gate), work.clone());
                // The job itself takes the gate. A job that never leaves the runtime's queue must not hold it.
                move || Pass::take(gate).map(|_pass| work())
            };
            let ended = blocking_threads::start(job).ok_or(ReadError::NoThread)?.await;
            if let Some(value) = ended.map_err(io::Error::from)? {
                return Ok(value);
            }
        }
    };
    match timeout_at(start + limit, outcome).await {
        Ok(outcome) => outcome,
        Err(_) if *gate.borrow() => Err(ReadError::Hung(limit)),
        Err(_) if !blocking_threads::thread_can_start() => Err(ReadError::NoThread),
        Err(_) => Err(ReadError::PoolFull(limit)),
    }
}

/// Holds true while a job has access to the file. A semaphore would hand its permit to the first waiter, even if the runtime of
/// that waiter is blocked. Then nobody else could read the file.
type Gate = watch::Sender<bool>;

/// Access to the file until dropped.
struct Pass(Arc<Gate>);

impl Pass {
    fn take(gate: Arc<Gate>) -> Option<Self> {
        gate.send_if_modified(|taken| !mem::replace(taken, true)).then(|| Self(gate))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// The gate to this file that the whole process shares.
fn gate(file: &Path) -> Arc<Gate> {
    static ALL: SharedValues<PathBuf, Gate> = SharedValues::new();
    ALL.get(file.to_owned(), || Gate::new(false))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};
    use std::task::Poll;
    use std::thread;

    use tokio::task::spawn_blocking;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn hung_access_ends_in_time_and_blocks_others() {
        let file = Path::new("/file_access/hung");
        let (release, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let begun = Arc::new(AtomicUsize::new(0));
        let work = {
            let begun = Arc::clone(&begun);
            move || {
                begun.fetch_add(1, Ordering::SeqCst);
                assert!(hangs.lock().unwrap().recv().is_err());
            }
        };
        // A busy machine may need longer than `SHORT` to start the thread.
        while let Err(ReadError::PoolFull(_)) = with_timeout(file, Instant::now(), SHORT, work.clone()).await {}
        for _ in 0..3 {
            let outcome = with_timeout(file, Instant::now(), SHORT, work.clone()).await;
            assert!(matches!(outcome, Err(ReadError::Hung(SHORT))));
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1, "no second access begins");
        // Another file is not concerned.
        assert!(with_timeout(Path::new("/file_access/other"), Instant::now(), LONG, || ()).await.is_ok());

        drop(release);
        assert!(with_timeout(file, Instant::now(), LONG, work).await.is_ok());
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn full_blocking_pool_is_named() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let file = Path::new("/file_access/pool");
            let (release, stuck) = mpsc::channel::<()>();
            drop(spawn_blocking(move || stuck.recv()));
            for _ in 0..3 {
                let outcome = with_timeout(file, Instant::now(), SHORT, || ()).await;
                assert!(matches!(outcome, Err(ReadError::PoolFull(SHORT))));
            }
            // What waits in this runtime's queue keeps no other runtime from the file.
            let elsewhere = thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(with_timeout(file, Instant::now(), LONG, || ())).is_ok()
            });
            assert!(elsewhere.join().unwrap());
            drop(release);
            assert!(with_timeout(file, Instant::now(), LONG, || ()).await.is_ok());
        });
    }

    #[tokio::test]
    async fn many_accesses_of_one_file_all_end() {
        let all = Arc::new(AtomicUsize::new(0));
        let accesses = (0..50).map(|_| {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let work = move || all.fetch_add(1, Ordering::SeqCst);
                with_timeout(Path::new("/file_access/many"), Instant::now(), LONG, work).await.is_ok()
            })
        });
        for access in accesses.collect::<Vec<_>>() {
            assert!(access.await.unwrap());
        }
        assert_eq!(all.load(Ordering::SeqCst), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn caller_that_is_not_polled_blocks_nobody() {
        let file = Path::new("/file_access/not_polled");
        let (release, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let begun = Arc::new(AtomicBool::new(false));
        let first = {
            let begun = Arc::clone(&begun);
            tokio::spawn(with_timeout(file, Instant::now(), LONG, move || {
                begun.store(true, Ordering::SeqCst);
                hangs.lock().unwrap().recv()
            }))
        };
        while !begun.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        // As in a runtime that is blocked, or not driven any more.
        let mut sleeper = pin!(with_timeout(file, Instant::now(), LONG, || ()));
        assert!(poll_fn(|cx| Poll::Ready(sleeper.as_mut().poll(cx).is_pending())).await);
        drop(release);
        assert!(first.await.unwrap().is_ok());
        assert!(with_timeout(file, Instant::now(), LONG, || ()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_access_beats_a_paused_clock() {
        let slow = || thread::sleep(Duration::from_millis(20));
        assert!(with_timeout(Path::new("/file_access/paused"), Instant::now(), LONG, slow).await.is_ok());
    }
}
