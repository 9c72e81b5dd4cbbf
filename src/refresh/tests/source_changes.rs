//! Changes of the source, such as a new token.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::rig::{HOUR, Reply, Rig, seconds};
use crate::refresh::{Change, Class};

#[tokio::test(start_paused = true)]
async fn bad_input_waits_for_a_change() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Fail(Class::BadInput));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await });
    rig.pass(seconds(14)).await;
    assert_eq!(rig.source.calls(), 1, "nothing is sent while nothing changes");
    let before = Instant::now();
    rig.source.change(Change::Content);
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY1");
    assert!(before.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn change_without_callers_is_spread_out() {
    let mut delays = Duration::ZERO;
    for _ in 0..5 {
        let rig = Rig::new(Reply::Grant(HOUR));
        rig.source.then(Reply::Fail(Class::BadInput));
        timeout(seconds(5), rig.engine.credentials()).await.unwrap_err();
        let before = Instant::now();
        rig.source.change(Change::Content);
        while rig.source.calls() < 2 {
            rig.pass(Duration::from_millis(1)).await;
        }
        delays += before.elapsed();
    }
    assert!(delays > Duration::from_millis(100), "a caller that gave up counts as waiting: {delays:?}");
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_probed_each_minute() {
    let rig = Rig::new(Reply::Fail(Class::BadInput));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(seconds(600)).await;
    assert!((11..=21).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn caller_of_bad_input_causes_a_probe() {
    let rig = Rig::new(Reply::Fail(Class::BadInput));
    rig.engine.credentials().await.unwrap_err();
    let calls = rig.source.calls();
    for _ in 0..600 {
        let before = Instant::now();
        rig.engine.credentials().await.unwrap_err();
        assert_eq!(before.elapsed(), Duration::ZERO, "the last error is recent enough");
        rig.pass(seconds(1)).await;
    }
    for pair in rig.source.call_times()[calls - 1..].windows(2) {
        assert!((15.0..=30.1).contains(&(pair[1] - pair[0]).as_secs_f64()), "{:?}", pair[1] - pair[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn changing_source_causes_no_storm() {
    let rig = Rig::new(Reply::Fail(Class::BadInput));
    rig.engine.credentials().await.unwrap_err();
    let calls = rig.source.calls();
    for _ in 0..1000 {
        rig.source.change(Change::Content);
        rig.pass(Duration::from_millis(10)).await;
    }
    assert!(rig.source.calls() - calls <= 12, "{}", rig.source.calls() - calls);
}

#[tokio::test(start_paused = true)]
async fn rotation_alone_causes_no_exchange() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.source.change(Change::Content);
    rig.pass(seconds(600)).await;
    assert_eq!(rig.source.calls(), 1);
    rig.source.change(Change::Identity);
    rig.pass(seconds(3)).await;
    assert_eq!(rig.source.calls(), 2, "a token of another identity causes one");
}

#[tokio::test(start_paused = true)]
async fn p2_shorter_session_of_another_identity_is_used() {
    let rig = Rig::new(Reply::Grant(seconds(900)));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.refresh().await.unwrap();
    rig.source.set_identity("one");
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1", "nothing is known of the first identity");
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.refresh().await.unwrap();
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY3", "the same identity");
    rig.source.set_identity("other");
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY5");
}

#[tokio::test(start_paused = true)]
async fn rotation_ends_a_run_of_failures() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Grant(HOUR)).then(Reply::Fail(Class::Misconfigured));
    rig.engine.credentials().await.unwrap();
    while rig.source.calls() < 2 {
        rig.pass(seconds(1)).await;
    }
    rig.source.change(Change::Content);
    rig.pass(seconds(3)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
}
