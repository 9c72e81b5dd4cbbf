//! The engine thread: one for the process, which runs the background work of all providers.
//!
//! The first task starts the thread and the end of the last task ends it. Both happen under one lock, `THREAD`: a task is
//! counted before it is handed over, so a thread that is about to end never gets one.
//!
//! A forked child has the record of the thread, but not the thread. The process id in the record tells it so.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{mem, process, thread};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind};

pub(super) type TaskFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

static THREAD: Mutex<Option<Thread>> = Mutex::new(None);

struct Thread {
    process: u32,
    runtime: Handle,
    /// Tasks that were handed over and are not gone.
    tasks: usize,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

/// One task's place on the engine thread. The thread lives as long as one of these.
pub(super) struct Seat {
    runtime: Handle,
}

impl Seat {
    /// Starts the thread if there is none.
    ///
    /// # Errors
    /// The thread or its runtime cannot be had: an outage, since both are limits that may pass.
    pub(super) fn take() -> Result<Self, Error> {
        let mut thread = lock();
        if thread.as_ref().is_some_and(|thread| thread.process != process::id()) {
            // To drop it would wake the parent's thread.
            mem::forget(thread.take());
        }
        let running = match &mut *thread {
            Some(running) => running,
            none => none.insert(start()?),
        };
        running.tasks += 1;
        Ok(Self { runtime: running.runtime.clone() })
    }

    /// Runs the task. The place is free again when the task is gone.
    pub(super) fn run(self, task: TaskFuture) {
        let runtime = self.runtime.clone();
        drop(runtime.spawn(async move {
            let _seat = self;
            task.await;
        }));
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

fn start() -> Result<Thread, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
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
        .map_err(|error| no_thread(&error))?;
    Ok(Thread { process: process::id(), runtime: handle, tasks: 0, _stop: stop })
}

/// Ends its runtime without waiting: not for a file system that hangs, and not where waiting is forbidden.
struct Ending(Option<Runtime>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// No thread can be started.
pub(super) fn no_thread(cause: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::ServiceUnavailable, format!("no thread can be started for the background work ({cause})"))
        .with_hint(
            "raise the limit of threads: the pod's pids limit (pids.max of its cgroup, podPidsLimit of the kubelet) or \
             RLIMIT_NPROC; the next use tries again",
        )
}

fn no_runtime(cause: io::Error) -> Error {
    Error::new(ErrorKind::ServiceUnavailable, format!("no Tokio runtime can be made for the background work ({cause})"))
        .with_hint("raise the limit of open files (RLIMIT_NOFILE), or close some; the next use tries again")
}

fn lock() -> MutexGuard<'static, Option<Thread>> {
    THREAD.lock().unwrap_or_else(PoisonError::into_inner)
}
