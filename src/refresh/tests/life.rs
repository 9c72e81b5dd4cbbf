//! The task: who keeps it, what ends it, and what it survives.

use tokio::time::{Instant, timeout};

use super::testing::{HOUR, Reply, Rig, seconds};
use crate::error::ErrorKind;
use crate::refresh::source::{Change, Class};
use crate::refresh::state::Phase;

#[tokio::test(start_paused = true)]
async fn p10_dropping_last_handle_ends_task() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    let mut updates = rig.engine.updates();
    let Rig { engine, source, .. } = rig;
    let second = engine.clone();
    drop(engine);
    tokio::time::sleep(HOUR).await;
    assert!(source.calls() > 1, "a handle is left");
    updates.changed().await.unwrap();
    drop(second);
    assert!(updates.changed().await.is_err());
    let calls = source.calls();
    tokio::time::sleep(10 * HOUR).await;
    assert_eq!(source.calls(), calls);
    assert_eq!(std::sync::Arc::strong_count(&source), 1, "nothing of the task is left");
}

#[tokio::test(start_paused = true)]
async fn p10_shutdown_ends_waiters_and_leaves_usable_credentials_readable() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    tokio::join!(rig.engine.shutdown(), rig.engine.shutdown());
    rig.engine.shutdown().await;
    assert_eq!(rig.engine.standing().phase, Phase::Closed);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.engine.refresh().await.unwrap_err().kind(), ErrorKind::Closed);
    rig.pass(2 * HOUR).await;
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
async fn p10_loop_survives_every_class_of_failure_and_panics() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Panic).then(Reply::Fail(Class::Transient)).then(Reply::Panic);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    rig.source.panic_at_next_change();
    rig.pass(seconds(60)).await;
    rig.source.change(Change::Identity);
    rig.pass(seconds(3)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"), "watching went on after its panic");
}

#[test]
fn p10_survives_runtime_shutdown() {
    let first = runtime();
    let rig = first.block_on(async {
        let rig = Rig::new(Reply::Grant(HOUR));
        rig.engine.credentials().await.unwrap();
        rig
    });
    drop(first);
    assert!(rig.key().is_some(), "readable without any runtime");
    let second = runtime();
    second.block_on(async {
        assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY2");
        assert_eq!(rig.source.calls(), 2);
    });
}

#[test]
fn p10_a_runtime_that_nobody_drives_is_replaced_by_the_next_waiter() {
    let idle = runtime();
    let rig = idle.block_on(async {
        let rig = Rig::new(Reply::Hang);
        assert!(timeout(seconds(1), rig.engine.credentials()).await.is_err());
        rig.source.always(Reply::Grant(HOUR));
        rig
    });
    let live = runtime();
    live.block_on(async { assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1") });
    assert_eq!(rig.source.calls(), 2);
    idle.block_on(async { tokio::time::sleep(seconds(5)).await });
    assert_eq!(rig.source.calls(), 2, "the old task left");
}

#[test]
fn without_a_runtime_and_credentials_the_error_says_so() {
    let rig = {
        let runtime = runtime();
        let _entered = runtime.enter();
        Rig::new(Reply::Grant(HOUR))
    };
    assert_eq!(rig.key(), None);
    let mut waiting = std::pin::pin!(rig.engine.credentials());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = Future::poll(waiting.as_mut(), &mut context) else {
        panic!("an error at once")
    };
    assert!(error.to_string().contains("no Tokio runtime"), "{error}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}
