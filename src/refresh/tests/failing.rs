//! What fails, when it is tried again, and who hears of it.

use std::time::Duration;

use tokio::time::Instant;

use super::testing::{HOUR, QUARTER, Reply, Rig, seconds};
use crate::error::ErrorKind;
use crate::refresh::source::Class;

#[tokio::test(start_paused = true)]
async fn p2_failed_refresh_keeps_usable_credentials() {
    for class in Class::ALL {
        let rig = Rig::new(Reply::Fail(class));
        rig.source.then(Reply::Grant(QUARTER));
        rig.engine.credentials().await.unwrap();
        for _ in 0..899 {
            rig.pass(seconds(1)).await;
            assert_eq!(rig.key().as_deref(), Some("KEY1"), "{class:?}");
        }
        assert!(rig.source.calls() > 2, "{class:?} was tried again before the expiry");
    }
}

#[tokio::test(start_paused = true)]
async fn p5_waiters_stay_through_an_outage_until_wait_timeout_and_get_the_last_error() {
    let rig = Rig::new(Reply::Fail(Class::Transient));
    let before = Instant::now();
    let error = rig.engine.credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(before.elapsed().as_secs(), 30);
    assert!(rig.source.calls() > 3, "the flight went on: {}", rig.source.calls());

    let before = Instant::now();
    rig.engine.credentials().await.unwrap_err();
    assert!(before.elapsed() < seconds(1), "those who come later get the error at once");
}

#[tokio::test(start_paused = true)]
async fn p5_waiters_get_credentials_as_soon_as_the_outage_ends() {
    let rig = Rig::new(Reply::Grant(HOUR));
    for _ in 0..5 {
        rig.source.then(Reply::Fail(Class::Transient));
    }
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.source.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn p5_a_role_that_nobody_mends_costs_few_calls_and_its_error_is_never_older_than_30_seconds() {
    let rig = Rig::new(Reply::Fail(Class::Config));
    for _ in 0..3600 {
        rig.engine.credentials().await.unwrap_err();
        let last = *rig.source.call_times().last().unwrap();
        assert!(last.elapsed() <= seconds(30), "{:?}", last.elapsed());
        rig.pass(seconds(1)).await;
    }
    assert!((100..=260).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn p5_without_callers_a_role_that_nobody_mends_is_tried_every_five_minutes() {
    let rig = Rig::new(Reply::Fail(Class::Config));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(HOUR).await;
    assert!((12..=14).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn p5_a_new_role_gets_three_more_tries_before_its_denial_is_believed() {
    let rig = Rig::new(Reply::Fail(Class::Lagging));
    let before = Instant::now();
    rig.engine.credentials().await.unwrap_err();
    assert_eq!(rig.source.calls(), 4);
    assert_eq!(before.elapsed().as_secs(), 7);

    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Fail(Class::Lagging)).then(Reply::Fail(Class::Lagging));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.source.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_understood_is_tried_twice_more() {
    let rig = Rig::new(Reply::Fail(Class::Unclear));
    assert_eq!(rig.engine.credentials().await.unwrap_err().kind(), ErrorKind::Unexpected);
    assert_eq!(rig.source.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn expired_response_backs_off() {
    let rig = Rig::new(Reply::Expired);
    rig.engine.credentials().await.unwrap_err();
    rig.pass(HOUR).await;
    assert!(rig.source.calls() < 400, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn p5_throttling_is_waited_out_as_long_as_the_server_says() {
    let rig = Rig::new(Reply::Throttle(seconds(200)));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(3000)).await;
    let times = rig.source.call_times();
    for pair in times[1..].windows(2) {
        assert!(pair[1] - pair[0] >= seconds(200), "{:?}", pair[1] - pair[0]);
    }
    let before = Instant::now();
    let calls = rig.source.calls();
    let error = rig.engine.refresh().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(before.elapsed() <= seconds(30));
    assert!(rig.source.calls() <= calls + 1, "refresh() breaks no throttled wait");
}

#[tokio::test(start_paused = true)]
async fn sessions_of_seconds_make_no_tight_loop() {
    let rig = Rig::new(Reply::Grant(Duration::from_millis(300)));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(60)).await;
    assert!((55..=62).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_before_their_answer_arrives_are_a_failure_that_says_so() {
    let rig = Rig::new(Reply::Late(seconds(5), seconds(6)));
    let error = rig.engine.credentials().await.unwrap_err();
    assert!(error.to_string().contains("expired on arrival"), "{error}");
    assert!(rig.engine.standing().consecutive_failures > 1);
}

#[tokio::test(start_paused = true)]
async fn callers_of_sessions_of_milliseconds_make_no_tight_loop() {
    let rig = Rig::new(Reply::Grant(Duration::from_millis(300)));
    for _ in 0..600 {
        rig.engine.credentials().await.unwrap();
        rig.pass(Duration::from_millis(100)).await;
    }
    let times = rig.source.call_times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= seconds(1)), "at least 1 s apart");
}

#[tokio::test(start_paused = true)]
async fn a_source_is_told_at_each_attempt_whether_somebody_could_be_waiting_for_it() {
    let rig = Rig::new(Reply::Fail(Class::Transient));
    rig.source.then(Reply::Fail(Class::Transient)).then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(2 * QUARTER).await;
    let usable: Vec<bool> = rig.source.attempts().iter().map(|attempt| attempt.usable).collect();
    let expired = rig.source.call_times().iter().position(|&at| at >= rig.source.call_times()[1] + QUARTER).unwrap();
    assert_eq!(usable[..2], [false, false], "before there are any");
    assert!(expired > 4 && usable[2..expired].iter().all(|usable| *usable), "{usable:?}");
    assert!(
        usable.len() > expired && usable[expired..].iter().all(|usable| !*usable),
        "at the expiry, too: {usable:?}"
    );
}
