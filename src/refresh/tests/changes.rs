//! A change of what an exchange rests on.

use std::time::Duration;

use tokio::time::Instant;

use super::testing::{HOUR, Reply, Rig, seconds};
use crate::refresh::source::{Change, Class};

#[tokio::test(start_paused = true)]
async fn p6_a_blocked_exchange_waits_for_a_change_and_then_goes_at_once() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Fail(Class::Blocked));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await });
    rig.pass(seconds(20)).await;
    assert_eq!(rig.source.calls(), 1, "nothing is sent while nothing changes");
    let before = Instant::now();
    rig.source.change(Change::Content);
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY1");
    assert!(before.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn p6_a_blocked_exchange_is_probed_once_a_minute() {
    let rig = Rig::new(Reply::Fail(Class::Blocked));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(seconds(600)).await;
    assert!((10..=12).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn p5_who_finds_a_blocked_error_too_old_causes_a_probe_and_does_not_wait_for_the_next_minute() {
    let rig = Rig::new(Reply::Fail(Class::Blocked));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(seconds(10)).await;
    let (calls, before) = (rig.source.calls(), Instant::now());
    rig.engine.credentials().await.unwrap_err();
    assert_eq!((rig.source.calls(), before.elapsed()), (calls, Duration::ZERO), "it is young enough");
    rig.pass(seconds(25)).await;
    let before = Instant::now();
    rig.engine.credentials().await.unwrap_err();
    assert_eq!(rig.source.calls(), calls + 1);
    assert!(before.elapsed() < Duration::from_millis(10), "{:?}", before.elapsed());
    rig.pass(seconds(1)).await;
    rig.engine.credentials().await.unwrap_err();
    assert_eq!(rig.source.calls(), calls + 1, "one in half a minute at most");
}

#[tokio::test(start_paused = true)]
async fn p6_a_source_that_never_rests_does_not_become_a_storm() {
    let rig = Rig::new(Reply::Fail(Class::Blocked));
    rig.engine.credentials().await.unwrap_err();
    let calls = rig.source.calls();
    for _ in 0..1000 {
        rig.source.change(Change::Content);
        rig.pass(Duration::from_millis(10)).await;
    }
    assert!(rig.source.calls() - calls <= 12, "{}", rig.source.calls() - calls);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_forces_no_exchange_while_all_is_well() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.source.change(Change::Content);
    rig.pass(seconds(600)).await;
    assert_eq!(rig.source.calls(), 1);
    rig.source.change(Change::Identity);
    rig.pass(seconds(3)).await;
    assert_eq!(rig.source.calls(), 2, "somebody else's token is another matter");
}

#[tokio::test(start_paused = true)]
async fn p6_a_rotation_ends_a_failing_state() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Grant(HOUR)).then(Reply::Fail(Class::Config));
    rig.engine.credentials().await.unwrap();
    while rig.source.calls() < 2 {
        rig.pass(seconds(1)).await;
    }
    rig.source.change(Change::Content);
    rig.pass(seconds(3)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
}
