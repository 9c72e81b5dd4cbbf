//! The engine thread: one for the process, which runs the background work of all providers.
//!
//! **I. The engine thread ends with the last task, and never gets a task after that.** The first task starts the thread. The
//! lock `THREAD` guards the count of tasks, and a task is counted before the thread gets it. A task on a thread that is about
//! to end would be dropped, and its provider would be closed for no reason.
//!
//! A forked child inherits the record of the thread, but not the thread. The record holds the process id. The child compares
//! it with its own, and starts a thread of its own.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{mem, process, thread};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, RAISE_THREAD_LIMIT};

pub(super) type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

static THREAD: Mutex<Option<Thread>> = Mutex::new(None);

struct Thread {
    process: u32,
    runtime: Handle,
    /// Number of tasks that the thread has or is about to get.
    tasks: usize,
    /// Its drop ends the thread.
    _stop: oneshot::Sender<()>,
}

/// Runs a task on the engine thread. Starts the thread if there is none. If the thread cannot start, `make` is not called.
/// `subject`: the role or provider, for the error.
///
/// # Errors
/// The system has no thread or no file descriptors for it. This counts as an outage, since both limits may pass.
pub(super) fn spawn(subject: &str, make: impl FnOnce() -> TaskFuture) -> Result<(), Error> {
    let (seat, runtime) = Seat::take(subject)?;
    let task = make();
    drop(runtime.spawn(async move {
        let _seat = seat;
        task.await;
    }));
    Ok(())
}

/// Counts one task of the engine thread. The drop of the last seat ends the thread.
struct Seat;

impl Seat {
    fn take(subject: &str) -> Result<(Self, Handle), Error> {
        let mut thread = lock();
        if thread.as_ref().is_some_and(|thread| thread.process != process::id()) {
            // A drop would wake the parent's thread.
            mem::forget(thread.take());
        }
        let running = match &mut *thread {
            Some(running) => running,
            none => none.insert(start(subject)?),
        };
        running.tasks += 1;
        Ok((Self, running.runtime.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut thread = lock();
        let last = thread.as_mut().is_some_and(|thread| {
            thread.tasks -= 1;
            thread.tasks == 0
        });
        if last {
            *thread = None;
        }
    }
}

fn start(subject: &str) -> Result<Thread, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|cause| {
        let message = format!("no Tokio runtime can be made to refresh the credentials of {subject} ({cause})");
        Error::new(ErrorKind::ServiceUnavailable, message)
            .with_remedy("raise the limit of open files (RLIMIT_NOFILE), or close some; the next use tries again")
    })?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime = Ending(Some(runtime));
    thread::Builder::new()
        .name("aws-web-identity".to_owned())
        .spawn(move || {
            if let Some(runtime) = &runtime.0 {
                drop(runtime.block_on(stopped));
            }
        })
        .map_err(|error| no_thread(subject, &error))?;
    Ok(Thread { process: process::id(), runtime: handle, tasks: 0, _stop: stop })
}

/// Ends its runtime without waiting. A hung file system must not delay the end, and Tokio forbids waiting in async code.
struct Ending(Option<Runtime>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The error if the system has no thread.
pub(super) fn no_thread(subject: &str, cause: &dyn Display) -> Error {
    Error::new(
        ErrorKind::ServiceUnavailable,
        format!("no thread can be started to refresh the credentials of {subject} ({cause})"),
    )
    .with_remedy(format!("{RAISE_THREAD_LIMIT}; the next use tries again"))
}

fn lock() -> MutexGuard<'static, Option<Thread>> {
    THREAD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn thread_ends_with_the_last_task() {
        let (tell, told) = mpsc::channel();
        let start = |name: &'static str| {
            let (release, released) = oneshot::channel::<()>();
            let tell = tell.clone();
            let task = async move {
                tell.send((name, "began")).unwrap();
                drop(released.await);
                tell.send((name, "ended")).unwrap();
            };
            spawn("role", || Box::pin(task)).unwrap();
            release
        };
        let next = || told.recv_timeout(Duration::from_secs(60)).unwrap();

        let first = start("first");
        assert_eq!(next(), ("first", "began"));
        let second = start("second");
        assert_eq!(next(), ("second", "began"));
        drop(first);
        assert_eq!(next(), ("first", "ended"));
        drop(second);
        assert_eq!(next(), ("second", "ended"));
        let begun = Instant::now();
        while lock().is_some() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the thread outlives its tasks");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
