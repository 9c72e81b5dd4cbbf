//! The models: threads that race, and the conditions that hold in every order.

use std::iter;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, oneshot};
use std::task::{Context, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::world;

use aws_credential_types::Credentials;
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};

use crate::error::{Error, ErrorKind};
use crate::refresh::EngineHandle;
use crate::source::{HoldsBriefly, PATIENCE, SECOND, Scripted};

pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) holds: &'static str,
    /// Longest virtual time of a schedule.
    pub(crate) limit: Duration,
    pub(crate) run: fn(),
}

pub(crate) const ALL: &[Model] = &[
    Model {
        name: "first_use",
        holds: "racing first uses start one task on one thread, and each gets its outcome",
        limit: SECOND,
        run: first_use,
    },
    Model {
        name: "two_providers",
        holds: "a provider that starts while the last other provider ends gets a running task",
        limit: SECOND,
        run: two_providers,
    },
    Model {
        name: "shutdown",
        holds: "shutdown ends the task and returns, and each waiter gets credentials or Closed",
        limit: SECOND,
        run: shutdown,
    },
    Model {
        name: "last_drop",
        holds: "the last handle ends the task, even if the engine thread drops it",
        limit: SECOND,
        run: last_drop,
    },
    Model {
        name: "failed_start",
        holds: "a caller gets an error if the thread cannot start, and the next use starts it",
        // Room for the retry delays of an outage.
        limit: PATIENCE.saturating_sub(SECOND),
        run: failed_start,
    },
    Model {
        name: "timeouts",
        holds: "a caller is woken for its deadline, and an answer at that moment is not lost",
        limit: PATIENCE.saturating_add(SECOND),
        run: timeouts,
    },
    Model {
        name: "rejection",
        holds: "the task sees each rejection and request; reads see whole snapshots",
        // Room for the spacing of two exchanges and the spread of rejections.
        limit: PATIENCE.saturating_sub(SECOND),
        run: rejection,
    },
    Model {
        name: "republish",
        holds: "a rejection of the old snapshot does not replace the new one",
        limit: PATIENCE.saturating_sub(SECOND),
        run: republish,
    },
    Model {
        name: "lost_runtime",
        holds: "the end of the user's runtime closes the provider for all callers",
        limit: SECOND,
        run: lost_runtime,
    },
];

fn first_use() {
    let source = Scripted::new(Some(Duration::ZERO));
    let engine = source.engine();
    let waiters = [used(&engine), used(&engine)];
    let reader = with(&engine, |engine| {
        let mut updates = engine.updates();
        // A caller that gives up at once.
        poll_once(engine.credentials());
        assert_eq!(if updates.last() == 0 { block_on(updates.changed()).unwrap() } else { 1 }, 1);
    });
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap().unwrap().access_key_id(), "1");
    }
    reader.join().unwrap();
    assert_eq!(source.fetches.load(Ordering::SeqCst), 1, "one exchange");
    assert_eq!(world::threads_started(), 1, "one engine thread");
    drop(engine);
    over(&[&source]);
}

fn two_providers() {
    let sources = [Scripted::new(Some(Duration::ZERO)), Scripted::new(Some(Duration::ZERO))];
    let users = sources.each_ref().map(|source| {
        let engine = source.engine();
        thread::spawn(move || {
            block_on(engine.credentials()).unwrap();
            if maybe() {
                block_on(engine.shutdown());
            }
        })
    });
    for user in users {
        user.join().unwrap();
    }
    over(&[&sources[0], &sources[1]]);
}

fn shutdown() {
    let source = Scripted::new(maybe().then_some(Duration::ZERO));
    let engine = source.engine();
    let waiter = used(&engine);
    let ender = {
        let (engine, source) = (engine.clone(), Arc::clone(&source));
        thread::spawn(move || {
            block_on(engine.shutdown());
            assert!(source.is_idle(), "the task is gone");
        })
    };
    let listener = with(&engine, |engine| {
        let mut updates = engine.updates();
        drop(engine);
        while block_on(updates.changed()).is_ok() {}
    });
    closed_or_ok(waiter.join().unwrap());
    ender.join().unwrap();
    listener.join().unwrap();
    closed_or_ok(block_on(engine.credentials()));
    drop(engine);
    over(&[&source]);
}

fn last_drop() {
    let source = Scripted::new(Some(Duration::ZERO));
    let observer = Arc::new(HoldsBriefly(OnceLock::new()));
    let engine = source.engine_with(None, Some(observer.clone()));
    assert!(observer.0.set(engine.downgrade()).is_ok());
    let user = with(&engine, |engine| drop(engine.current()));
    let weak = engine.downgrade();
    let late = thread::spawn(move || {
        let Some(engine) = weak.upgrade() else { return };
        let mut updates = engine.updates();
        drop(engine);
        while block_on(updates.changed()).is_ok() {}
    });
    engine.start();
    drop(engine);
    user.join().unwrap();
    late.join().unwrap();
    over(&[&source]);
}

fn failed_start() {
    let source = Scripted::new(Some(Duration::ZERO));
    let engine = source.engine();
    world::fail_thread_starts(thread_rng().gen_range(1..4));
    let waiters = [used(&engine), used(&engine)];
    let reader = with(&engine, |engine| engine.start());
    let ender = maybe().then(|| with(&engine, |engine| block_on(engine.shutdown())));
    let ends = ender.is_some();
    for waiter in waiters {
        if let Err(error) = waiter.join().unwrap() {
            let closed = ends && error.kind() == ErrorKind::Closed;
            assert!(closed || error.kind() == ErrorKind::ServiceUnavailable, "{error}");
        }
    }
    reader.join().unwrap();
    if let Some(ender) = ender {
        ender.join().unwrap();
        assert!(source.is_idle(), "the task is gone");
    } else {
        world::fail_thread_starts(0);
        block_on(engine.ready()).unwrap();
        assert_eq!(world::threads_started(), 1, "one engine thread");
    }
    drop(engine);
    over(&[&source]);
}

fn timeouts() {
    // The answer never comes, or comes at the moment when the first callers give up.
    let source = Scripted::new(maybe().then_some(PATIENCE));
    let engine = source.engine();
    let began = Instant::now();
    // Often one caller alone: a second one would wake the task for the first, too.
    let more = maybe().then(|| with(&engine, |engine| block_on(engine.refresh())));
    let waiters = iter::once(used(&engine)).chain(more);
    // This starts the task, so a caller may come while the task waits already.
    let reader = with(&engine, |engine| engine.start());
    for waiter in waiters {
        if let Err(error) = waiter.join().unwrap() {
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        }
    }
    reader.join().unwrap();
    assert_eq!(Instant::now() - began, PATIENCE);
    drop(engine);
    over(&[&source]);
}

fn rejection() {
    let source = Scripted::new(Some(Duration::ZERO));
    let engine = source.engine();
    let mut updates = engine.updates();
    block_on(engine.credentials()).unwrap();
    let which = thread_rng().gen_range(0..3);
    let service = (which != 0).then(|| with(&engine, |engine| engine.rejected("1", Duration::ZERO)));
    let caller = (which != 1).then(|| with(&engine, |engine| block_on(engine.refresh()).unwrap()));
    let reader = with(&engine, read_thrice);
    while block_on(updates.changed()).unwrap() < 2 {}
    if let Some(service) = service {
        service.join().unwrap();
    }
    if let Some(caller) = caller {
        assert_ne!(caller.join().unwrap().access_key_id(), "1", "newer credentials");
    }
    reader.join().unwrap();
    drop(engine);
    over(&[&source]);
}

fn republish() {
    let source = Scripted::failing(Some(Duration::ZERO), 2);
    let engine = source.engine();
    let mut updates = engine.updates();
    block_on(engine.credentials()).unwrap();
    // From now on the first credentials are readable after their expiry, until they are rejected.
    block_on(engine.refresh()).unwrap_err();
    let service = during_third_fetch(&source, &engine, |engine| engine.rejected("1", Duration::ZERO));
    let reader = during_third_fetch(&source, &engine, read_thrice);
    drop(block_on(engine.refresh()));
    while block_on(updates.changed()).unwrap() < 2 {}
    service.join().unwrap();
    reader.join().unwrap();
    assert_eq!(engine.current().unwrap().access_key_id(), "3");
    drop(engine);
    over(&[&source]);
}

fn during_third_fetch(source: &Arc<Scripted>, engine: &EngineHandle, run: fn(EngineHandle)) -> JoinHandle<()> {
    let source = Arc::clone(source);
    with(engine, move |engine| {
        source.wait_for_fetch(3);
        run(engine);
    })
}

fn read_thrice(engine: EngineHandle) {
    let mut last = 0;
    for _ in 0..3 {
        let status = engine.status();
        let credentials = engine.read(|snapshot| snapshot.credentials(), || panic!("valid credentials are readable"));
        assert_eq!(credentials.access_key_id(), credentials.secret_access_key());
        assert_eq!(Some(credentials.access_key_id()), credentials.session_token());
        let fetch: u64 = credentials.access_key_id().parse().unwrap();
        let fetch_of_status: u64 = status.principal.unwrap().account_id.as_deref().unwrap().parse().unwrap();
        assert!(last <= fetch_of_status && fetch_of_status <= fetch, "no read goes back");
        assert_eq!(fetch_of_status == 1, status.generation == 1);
        last = fetch;
    }
}

fn lost_runtime() {
    let source = Scripted::new(maybe().then_some(Duration::ZERO));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = source.engine_with(Some(runtime.handle().clone()), None);
    let waiter = used(&engine);
    let (stop, stopped) = oneshot::channel::<()>();
    let host = thread::spawn(move || drop(runtime.block_on(stopped)));
    let listener = with(&engine, |engine| {
        let mut updates = engine.updates();
        while block_on(updates.changed()).is_ok() {}
        block_on(engine.shutdown());
    });
    drop(stop);
    host.join().unwrap();
    closed_or_ok(waiter.join().unwrap());
    listener.join().unwrap();
    assert!(engine.is_closed());
    drop(engine);
    over(&[&source]);
}

/// A thread that waits for credentials.
fn used(engine: &EngineHandle) -> JoinHandle<Result<Credentials, Error>> {
    with(engine, |engine| block_on(engine.credentials()))
}

/// A thread with a handle of its own.
fn with<T: Send + 'static>(
    engine: &EngineHandle,
    run: impl FnOnce(EngineHandle) -> T + Send + 'static,
) -> JoinHandle<T> {
    let engine = engine.clone();
    thread::spawn(move || run(engine))
}

fn maybe() -> bool {
    thread_rng().r#gen()
}

fn poll_once(future: impl Future) {
    drop(std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())));
}

fn closed_or_ok(outcome: Result<Credentials, Error>) {
    if let Err(error) = outcome {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

/// No handle is left. Checks that the threads end, and that no task is left.
fn over(sources: &[&Arc<Scripted>]) {
    world::join_threads();
    for source in sources {
        assert!(source.is_idle());
        assert_eq!(Arc::strong_count(source), 1, "no task is left");
    }
}
