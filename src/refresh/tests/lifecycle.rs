//! The task: its start, its end, and what it survives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::rig::{HOUR, Reply, Rig, seconds};
use crate::error::ErrorKind;
use crate::refresh::engine_thread::no_thread;
use crate::refresh::{Change, Class, Phase};

#[tokio::test(start_paused = true)]
async fn p10_dropping_last_handle_ends_task() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    let mut updates = rig.engine.updates();
    let Rig { engine, source, .. } = rig;
    let second = engine.clone();
    drop(engine);
    tokio::time::sleep(HOUR).await;
    assert!(source.calls() > 1, "the second handle keeps the task");
    assert_eq!(updates.changed().await, Ok(updates.last()));
    assert_eq!(updates.last(), 2);
    assert_eq!(format!("{updates:?}"), "Updates { last: 2, .. }");
    drop(second);
    let closed = updates.changed().await.unwrap_err();
    assert!(closed.to_string().contains("closed"), "{closed}");
    let calls = source.calls();
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(source.calls(), calls);
    assert_eq!(std::sync::Arc::strong_count(&source), 1, "nothing of the task is left");
}

#[tokio::test(start_paused = true)]
async fn p10_shutdown_leaves_valid_credentials_readable() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    assert!(!rig.engine.is_closed() && rig.engine.status().usable);
    tokio::join!(rig.engine.shutdown(), rig.engine.shutdown());
    assert!(rig.engine.is_closed() && rig.engine.status().usable);
    assert!(format!("{:?}", rig.engine).contains("arn:aws:iam"), "{:?}", rig.engine);
    rig.engine.shutdown().await;
    assert_eq!(rig.engine.status().phase, Phase::Closed);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.engine.refresh().await.unwrap_err().kind(), ErrorKind::Closed);
    rig.pass(2 * HOUR).await;
    assert!(!rig.engine.status().usable);
    assert_eq!(rig.engine.credentials().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_wake_on_shutdown() {
    let rig = Rig::new(Reply::Hang);
    let engine = rig.engine.clone();
    let waiter = tokio::spawn(async move { engine.ready().await });
    rig.pass(seconds(1)).await;
    let before = Instant::now();
    rig.engine.shutdown().await;
    assert_eq!(waiter.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(before.elapsed() < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn p10_task_survives_failures_and_panics() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Panic).then(Reply::Fail(Class::Outage)).then(Reply::Panic);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    rig.source.panic_at_next_change();
    assert_pauses(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn error_quotes_the_panic_of_a_source() {
    let rig = Rig::new(Reply::Panic);
    let error = rig.engine.credentials().await.unwrap_err();
    assert!(error.to_string().contains("(scripted panic)"), "{error}");
}

/// The task continues 30 s after its panic. It hears of a change then, and acts within 2 s.
async fn assert_pauses(rig: &Rig) {
    rig.pass(seconds(1)).await;
    let calls = rig.source.calls();
    rig.source.change(Change::Identity);
    rig.pass(seconds(29) - Duration::from_millis(2)).await;
    assert_eq!(rig.source.calls(), calls, "the task pauses");
    rig.pass(seconds(2) + Duration::from_millis(4)).await;
    assert_eq!(rig.source.calls(), calls + 1, "the task continued");
}

#[test]
fn lost_runtime_closes_provider_and_keeps_valid_credentials() {
    let first = runtime();
    let (rig, mut updates) = first.block_on(async {
        let rig = Rig::new(Reply::Grant(HOUR));
        rig.engine.credentials().await.unwrap();
        let updates = rig.engine.updates();
        (rig, updates)
    });
    drop(first);
    assert!(rig.key().is_some(), "readable without any runtime");
    assert_eq!(rig.engine.status().phase, Phase::Closed);
    let error = at_once(rig.engine.refresh()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(
        error.to_string().contains("runtime that fetched the credentials of") && error.remedy().is_some(),
        "{error}"
    );
    assert!(at_once(updates.changed()).is_err(), "no further generation will come");
    at_once(rig.engine.shutdown());
}

#[test]
fn runtime_lost_before_first_use_is_an_error() {
    let first = runtime();
    let rig = first.block_on(async { Rig::new(Reply::Grant(HOUR)) });
    drop(first);
    assert!(rig.engine.current().is_none());
    let error = at_once(rig.engine.credentials()).unwrap_err();
    assert!(error.to_string().contains("runtime that fetched"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_first_use_starts_the_task() {
    let uses: [fn(&Rig); 3] =
        [|rig| assert!(rig.engine.current().is_none()), |rig| drop(rig.engine.updates()), |rig| rig.engine.start()];
    for starts in uses {
        let rig = Rig::new(Reply::Grant(HOUR));
        rig.pass(HOUR).await;
        assert_eq!(rig.source.calls(), 0, "building starts nothing");
        starts(&rig);
        rig.pass(seconds(1)).await;
        assert!(rig.engine.current().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn subscriber_that_panics_costs_a_pause() {
    struct Panics {
        once: bool,
        quiet: AtomicBool,
    }
    impl<S: tracing::Subscriber> Layer<S> for Panics {
        fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
            assert!(self.quiet.swap(self.once, Ordering::SeqCst), "scripted panic");
        }
    }
    // With one dispatcher, tracing asks only the thread that first reaches a callsite, perhaps another test's thread.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    for once in [true, false] {
        let panics = tracing_subscriber::registry().with(Panics { once, quiet: AtomicBool::new(false) });
        let rig = tracing::subscriber::with_default(panics, || Rig::new(Reply::Grant(HOUR)));
        rig.engine.credentials().await.unwrap();
        assert_pauses(&rig).await;
        assert_eq!(rig.key().as_deref(), Some("KEY2"), "once: {once}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_thread_starts_do_not_delay_the_attempt() {
    let rig = Rig::new(Reply::Grant(HOUR));
    for _ in 0..100 {
        assert!(rig.engine.shared().claim_task());
        rig.engine.shared().task_not_started(&no_thread("role/app", &"scripted"));
    }
    let start = Instant::now();
    rig.engine.credentials().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// The outcome of a future that is ready at its first poll.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}
