//! A runtime of one thread: the thread that calls `block_on` runs the tasks.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::world::point;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
pub struct Builder(());

impl Builder {
    pub fn new_current_thread() -> Self {
        Self::default()
    }

    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    pub fn build(&mut self) -> io::Result<Runtime> {
        Ok(Runtime { handle: Handle::default(), tasks: RefCell::default() })
    }
}

pub struct Runtime {
    handle: Handle,
    tasks: RefCell<FuturesUnordered<Task>>,
}

impl Runtime {
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs the tasks until `main` is ready. Unfinished tasks wait for the next call, or end with the runtime.
    pub fn block_on<F: Future>(&self, main: F) -> F::Output {
        let mut main = pin!(main);
        shuttle::future::block_on(poll_fn(|cx| {
            self.handle.lock().runner = Some(cx.waker().clone());
            if let Poll::Ready(outcome) = main.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            let mut tasks = self.tasks.borrow_mut();
            loop {
                let handed_over = std::mem::take(&mut self.handle.lock().handed_over);
                let none = handed_over.is_empty();
                tasks.extend(handed_over);
                while let Poll::Ready(Some(())) = tasks.poll_next_unpin(cx) {}
                if none {
                    return Poll::Pending;
                }
            }
        }))
    }

    pub fn shutdown_background(self) {}
}

impl Drop for Runtime {
    fn drop(&mut self) {
        point();
        let handed_over = {
            let mut queue = self.handle.lock();
            queue.closed = true;
            std::mem::take(&mut queue.handed_over)
        };
        drop(handed_over);
        self.tasks.borrow_mut().clear();
    }
}

#[derive(Clone, Default)]
pub struct Handle(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    closed: bool,
    handed_over: Vec<Task>,
    runner: Option<Waker>,
}

impl Handle {
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle {
        point();
        let mut queue = self.lock();
        if queue.closed {
            drop(queue);
            drop(task);
            return JoinHandle(());
        }
        queue.handed_over.push(Box::pin(task));
        let runner = queue.runner.clone();
        drop(queue);
        if let Some(runner) = runner {
            runner.wake();
        }
        JoinHandle(())
    }

    /// Never held across a scheduling point.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct JoinHandle(());
