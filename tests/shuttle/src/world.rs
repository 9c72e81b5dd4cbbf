//! The world of one schedule: its clock, its timers, and the threads that the engine started.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic;
use std::task::Waker;
use std::time::Duration;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread::{self, JoinHandle};

use crate::time::Instant;

/// A scheduling point: any other thread may run here.
pub fn point() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

struct World {
    now: Instant,
    timers: BTreeMap<(Instant, u64), Waker>,
    next_timer: u64,
    starts_that_fail: u32,
    threads: Vec<JoinHandle<()>>,
    over: bool,
}

pub(crate) const BEGINNING: Instant = Instant(Duration::from_secs(1_000_000));

// All threads of a schedule are coroutines on one thread of the system.
thread_local! {
    static PANICKED: Cell<bool> = const { Cell::new(false) };
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

impl World {
    fn new() -> Self {
        Self {
            now: BEGINNING,
            timers: BTreeMap::new(),
            next_timer: 0,
            starts_that_fail: 0,
            threads: Vec::new(),
            over: false,
        }
    }
}

fn with<T>(look: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(look)
}

/// Runs one schedule of a model, within `limit` of virtual time. With more time, a later timer could hide a lost wake-up. At
/// the end no timer is left.
pub fn run(limit: Duration, model: impl FnOnce()) {
    with(|world| *world = World::new());
    let keeper = thread::spawn(move || keep_time(limit));
    model();
    with(|world| {
        assert!(world.timers.is_empty(), "a timer is left");
        world.over = true;
    });
    keeper.join().unwrap();
    assert!(!PANICKED.get(), "a thread panicked");
}

/// Makes each panic fail the model. The engine survives panics of foreign code, but Shuttle reports a deadlock by a panic.
pub fn hear_panics() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICKED.set(true);
        hook(panic);
    }));
}

/// Waits until the threads of the engine have ended.
pub fn join_threads() {
    while let Some(thread) = with(|world| world.threads.pop()) {
        thread.join().unwrap();
    }
}

/// Moves time to the next timer, whenever no other thread can run.
fn keep_time(limit: Duration) {
    while !with(|world| world.over) {
        let due = with(|world| {
            let ((at, _), waker) = world.timers.pop_first().expect("all threads sleep for ever");
            world.now = world.now.max(at);
            let mut due = vec![waker];
            while let Some(entry) = world.timers.first_entry().filter(|entry| entry.key().0 <= world.now) {
                due.push(entry.remove());
            }
            due
        });
        assert!(now() - BEGINNING <= limit, "a thread still sleeps after {limit:?}");
        due.into_iter().for_each(Waker::wake);
        thread::yield_now();
    }
}

/// Another scheduler, but the thread that moves time runs only if no other can.
pub struct TimeLast<S>(pub S);

impl<S: Scheduler> Scheduler for TimeLast<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        // The first thread of each schedule.
        let keeper = TaskId::from(1);
        let others: Vec<_> = runnable.iter().copied().filter(|task| task.id() != keeper).collect();
        if others.is_empty() { Some(keeper) } else { self.0.next_task(&others, current, is_yielding) }
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// The next `times` starts of a thread fail.
pub fn fail_thread_starts(times: u32) {
    with(|world| world.starts_that_fail = times);
}

/// Threads that the engine started.
pub fn threads_started() -> usize {
    with(|world| world.threads.len())
}

pub(crate) fn thread_start_fails() -> bool {
    with(|world| {
        let fails = world.starts_that_fail > 0;
        world.starts_that_fail -= u32::from(fails);
        fails
    })
}

pub(crate) fn started(thread: JoinHandle<()>) {
    with(|world| world.threads.push(thread));
}

pub(crate) fn now() -> Instant {
    with(|world| world.now)
}

pub(crate) fn set_timer(at: Instant, timer: Option<u64>, waker: Waker) -> u64 {
    with(|world| {
        let timer = timer.unwrap_or_else(|| {
            world.next_timer += 1;
            world.next_timer
        });
        world.timers.insert((at, timer), waker);
        timer
    })
}

pub(crate) fn clear_timer(at: Instant, timer: u64) {
    // The drop of a waker may run foreign code, so it comes after the borrow.
    drop(with(|world| world.timers.remove(&(at, timer))));
}
