//! Failed attempts: their retry delays, and the callers' errors.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::rig::{HOUR, QUARTER, Reply, Rig, seconds};
use crate::error::{Error, ErrorKind};
use crate::refresh::{Class, ExpiredPolicy};

#[tokio::test(start_paused = true)]
async fn failed_refresh_keeps_valid_credentials() {
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
async fn callers_wait_out_an_outage_until_their_limit() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    let before = Instant::now();
    let error = rig.engine.credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(before.elapsed().as_secs(), 30);
    assert!(rig.source.calls() > 3, "the attempts went on: {}", rig.source.calls());

    let before = Instant::now();
    rig.engine.credentials().await.unwrap_err();
    assert!(before.elapsed() < seconds(1), "a later caller gets the error at once");
}

#[tokio::test(start_paused = true)]
async fn callers_get_credentials_when_the_outage_ends() {
    let rig = Rig::new(Reply::Grant(HOUR));
    for _ in 0..5 {
        rig.source.then(Reply::Fail(Class::Outage));
    }
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.source.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn denied_role_costs_few_calls() {
    let rig = Rig::new(Reply::Fail(Class::Misconfigured));
    for _ in 0..3600 {
        rig.engine.credentials().await.unwrap_err();
        let last = *rig.source.call_times().last().unwrap();
        assert!(last.elapsed() <= seconds(30), "{:?}", last.elapsed());
        rig.pass(seconds(1)).await;
    }
    assert!((100..=200).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn denied_role_is_retried_without_callers() {
    let rig = Rig::new(Reply::Fail(Class::Misconfigured));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(HOUR).await;
    assert!((13..=25).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn new_role_is_retried_before_and_after_its_error() {
    let rig = Rig::new(Reply::Fail(Class::NotYetKnown));
    let before = Instant::now();
    rig.engine.credentials().await.unwrap_err();
    assert_eq!(rig.source.calls(), 4);
    assert!((3.5..=7.1).contains(&before.elapsed().as_secs_f64()), "{:?}", before.elapsed());
    rig.source.always(Reply::Grant(HOUR));
    rig.pass(seconds(8)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"), "the attempts go on");

    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Fail(Class::NotYetKnown)).then(Reply::Fail(Class::NotYetKnown));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.source.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn unclear_answer_is_retried_twice() {
    let rig = Rig::new(Reply::Fail(Class::Unclear));
    assert_eq!(rig.engine.credentials().await.unwrap_err().kind(), ErrorKind::Unexpected);
    assert_eq!(rig.source.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_in_answers_back_off() {
    let rig = Rig::new(Reply::Expired);
    rig.engine.credentials().await.unwrap_err();
    rig.pass(HOUR).await;
    assert!(rig.source.calls() < 400, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_the_server_is_kept() {
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
    assert!(rig.source.calls() <= calls + 1, "refresh() keeps the retry delay");
}

#[tokio::test(start_paused = true)]
async fn short_sessions_cause_no_storm() {
    let rig = Rig::new(Reply::Grant(Duration::from_millis(300)));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(60)).await;
    assert!((55..=62).contains(&rig.source.calls()), "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn late_answer_says_that_credentials_expired() {
    let rig = Rig::new(Reply::Late(seconds(5), seconds(6)));
    let error = rig.engine.credentials().await.unwrap_err();
    assert!(error.to_string().contains("expired on arrival"), "{error}");
    assert!(rig.engine.status().consecutive_failures > 1);
}

#[tokio::test(start_paused = true)]
async fn callers_of_short_sessions_cause_no_storm() {
    let rig = Rig::new(Reply::Grant(Duration::from_millis(300)));
    for _ in 0..600 {
        rig.engine.credentials().await.unwrap();
        rig.pass(Duration::from_millis(100)).await;
    }
    let times = rig.source.call_times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= seconds(1)), "at least 1 s apart");
}

#[tokio::test(start_paused = true)]
async fn source_hears_if_valid_credentials_are_left() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    rig.source.then(Reply::Fail(Class::Outage)).then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(2 * QUARTER).await;
    let valid: Vec<bool> = rig.source.attempts().iter().map(|attempt| attempt.valid).collect();
    let expired = rig.source.call_times().iter().position(|&at| at >= rig.source.call_times()[1] + QUARTER).unwrap();
    assert_eq!(valid[..2], [false, false], "before the first credentials");
    assert!(expired > 4 && valid[2..expired].iter().all(|valid| *valid), "{valid:?}");
    assert!(valid.len() > expired && valid[expired..].iter().all(|valid| !*valid), "from the expiry on: {valid:?}");
}

#[tokio::test(start_paused = true)]
async fn shorter_session_does_not_replace_a_longer_one() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    rig.source.then(Reply::Grant(HOUR)).then(Reply::Grant(seconds(20)));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(2)).await;
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1");
    rig.pass(seconds(3590)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"));
    assert_eq!(rig.engine.status().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn shorter_session_replaces_a_rejected_one() {
    let rig = Rig::new(Reply::Grant(QUARTER));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.engine.rejected("KEY1", Duration::ZERO);
    rig.pass(seconds(5)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
}

#[tokio::test(start_paused = true)]
async fn callers_in_an_outage_cause_few_exchanges() {
    for call in ["valid_for", "refresh"] {
        let rig = Rig::new(Reply::Fail(Class::Outage));
        rig.source.then(Reply::Grant(12 * HOUR));
        rig.engine.credentials().await.unwrap();
        rig.pass(9 * HOUR).await;
        let calls = rig.source.calls();
        for _ in 0..3000 {
            match call {
                "valid_for" => drop(timeout(seconds(1), rig.engine.valid_for(10 * HOUR)).await),
                _ => drop(timeout(seconds(1), rig.engine.refresh()).await),
            }
            rig.pass(seconds(1)).await;
        }
        let calls = rig.source.calls() - calls;
        assert!((40..=120).contains(&calls), "{call}: {calls} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_served_for_one_hour() {
    let rig = Rig::with(Reply::Fail(Class::Outage), |policy| policy.expired = ExpiredPolicy::UntilRejected);
    rig.source.then(Reply::Grant(12 * HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(13 * HOUR - seconds(1)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"));
    rig.pass(seconds(1)).await;
    assert_eq!(rig.key(), None);
}

#[tokio::test(start_paused = true)]
async fn tokio_without_threads_is_an_outage() {
    let rig = Rig::new(Reply::NoThread);
    let error = rig.engine.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::ServiceUnavailable, true));
    let text = error.to_string();
    let subject = rig.engine.subject();
    let start = format!("no thread can be started to refresh the credentials of {subject} (");
    assert!(text.starts_with(&start), "{text}");
    assert!(["os error 11", "pids.max", "RLIMIT_NPROC"].iter().all(|it| text.contains(it)), "{text}");
    rig.source.always(Reply::Grant(HOUR));
    rig.engine.ready().await.unwrap();
}

#[test]
fn class_follows_another_providers_error() {
    let class = |kind| Class::of(&Error::new(kind, "said"));
    assert_eq!(class(ErrorKind::Throttled), Class::Throttled);
    assert_eq!(class(ErrorKind::ServiceUnavailable), Class::Outage);
    assert_eq!(class(ErrorKind::RoleDenied), Class::Misconfigured);
}
