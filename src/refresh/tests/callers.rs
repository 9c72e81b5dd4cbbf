//! Callers: what each gets, and how long it waits.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::rig::{HOUR, QUARTER, Reply, Rig, seconds};
use crate::error::{Error, ErrorKind};
use crate::refresh::{Class, ExpiredPolicy, Phase};

#[tokio::test(start_paused = true)]
async fn p1_read_does_not_wait_for_a_hanging_exchange() {
    let rig = Rig::new(Reply::Hang);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(899)).await;
    assert!(rig.source.calls() >= 2, "a refresh is under way");
    let before = Instant::now();
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(Instant::now(), before, "no time passed");
    assert_eq!(rig.key().as_deref(), Some("KEY1"), "valid to the last second");
    rig.pass(seconds(1)).await;
    assert_eq!(rig.key(), None, "not after their expiry");
}

#[tokio::test(start_paused = true)]
async fn p3_five_hundred_first_callers_cost_one_exchange() {
    let rig = Rig::new(Reply::Grant(HOUR).after(seconds(2)));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let engine = rig.engine.clone();
        callers.spawn(async move { engine.credentials().await.unwrap().access_key_id().to_owned() });
    }
    let keys: BTreeSet<String> = callers.join_all().await.into_iter().collect();
    assert_eq!(keys, BTreeSet::from(["KEY1".to_owned()]));
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn p3_callers_share_the_error_of_one_exchange() {
    let rig = Rig::new(Reply::Fail(Class::Misconfigured).after(seconds(1)));
    let before = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let engine = rig.engine.clone();
        callers.spawn(async move { engine.credentials().await.unwrap_err().kind() });
    }
    assert!(callers.join_all().await.into_iter().all(|kind| kind == ErrorKind::RoleDenied));
    assert_eq!(rig.source.calls(), 1);
    assert!(before.elapsed() < seconds(2), "each waits for one exchange: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn p3_cancelled_caller_leaves_exchange_running() {
    let rig = Rig::new(Reply::Grant(HOUR).after(seconds(2)));
    for _ in 0..10 {
        assert!(timeout(Duration::from_millis(100), rig.engine.credentials()).await.is_err());
    }
    rig.pass(seconds(2)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"));
    assert_eq!(rig.source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn same_access_key_keeps_the_generation() {
    let rig = Rig::new(Reply::SameKey(HOUR));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.source.calls(), 2);
    assert_eq!(rig.engine.status().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn refresh_returns_the_outcome_of_its_own_exchange() {
    let rig = Rig::new(Reply::Grant(HOUR));
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY2");
    rig.source.then(Reply::Fail(Class::Misconfigured));
    assert_eq!(rig.engine.refresh().await.unwrap_err().kind(), ErrorKind::RoleDenied);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY2");
    let times = rig.source.call_times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= seconds(1)), "at least 1 s apart");
}

#[tokio::test(start_paused = true)]
async fn valid_for_asks_a_cache_before_it_refuses() {
    let rig = Rig::new(Reply::Undated(2 * HOUR));
    rig.source.then(Reply::Undated(2 * HOUR)).then(Reply::Undated(6 * HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(60)).await;
    assert_eq!(rig.engine.valid_for(3 * HOUR).await.unwrap().access_key_id(), "KEY2");
    rig.pass(seconds(60)).await;
    let error = rig.engine.valid_for(7 * HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfiguration, "{error}");
    assert_eq!(rig.source.calls(), 3, "it was asked once more");
}

#[tokio::test(start_paused = true)]
async fn timeout_before_an_attempt_says_when_it_starts() {
    let rig = Rig::with(Reply::Grant(HOUR), |policy| policy.wait_timeout = Duration::from_millis(300));
    rig.engine.credentials().await.unwrap();
    // Exchanges start at least 1 s apart.
    let error = rig.engine.refresh().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = "came within 300 ms: the next attempt starts in 700 ms. Call again then, or raise wait_timeout";
    assert!(error.to_string().ends_with(text), "{error}");
}

#[tokio::test(start_paused = true)]
async fn valid_for_returns_credentials_that_last_long_enough() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.engine.valid_for(seconds(3000)).await.unwrap().access_key_id(), "KEY1");
    rig.pass(seconds(1000)).await;
    assert_eq!(rig.engine.valid_for(seconds(3000)).await.unwrap().access_key_id(), "KEY2");
    rig.pass(seconds(200)).await;
    let error = rig.engine.valid_for(seconds(3500)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfiguration);
    let asked =
        format!("credentials of {} valid for 3500 s were asked for, but new ones last 3600 s: ", rig.engine.subject());
    assert!(error.to_string().starts_with(&asked), "{error}");
}

#[tokio::test(start_paused = true)]
async fn rejected_keys_are_replaced_without_a_storm() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.engine.rejected("FOREIGN", Duration::ZERO);
    rig.pass(seconds(5)).await;
    assert_eq!(rig.source.calls(), 1);
    rig.engine.rejected("KEY1", seconds(30));
    rig.pass(seconds(5)).await;
    assert_eq!(rig.source.calls(), 1, "the key may be too new to be known");
    rig.engine.rejected("KEY1", Duration::ZERO);
    assert_eq!(rig.key().as_deref(), Some("KEY1"), "readable until it is replaced");
    rig.pass(seconds(5)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
    for _ in 0..7200 {
        rig.engine.rejected(&rig.key().unwrap(), Duration::ZERO);
        rig.pass(seconds(1)).await;
    }
    assert!(rig.source.calls() <= 15, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn last_256_keys_are_known() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    for _ in 0..255 {
        rig.engine.refresh().await.unwrap();
    }
    assert!(rig.engine.issued("KEY1") && rig.engine.issued("KEY256"));
    rig.engine.refresh().await.unwrap();
    assert!(!rig.engine.issued("KEY1") && rig.engine.issued("KEY2") && rig.engine.issued("KEY257"));
}

#[tokio::test(start_paused = true)]
async fn until_rejected_policy_serves_expired_credentials() {
    let rig = Rig::with(Reply::Fail(Class::Outage), |policy| policy.expired = ExpiredPolicy::UntilRejected);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(1000)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"));
    assert!(rig.engine.current().is_none(), "they are not valid");
    assert_eq!(rig.engine.status().phase, Phase::Expired);
    rig.engine.rejected("KEY1", Duration::ZERO);
    assert_eq!(rig.key(), None);

    let rig = Rig::with(Reply::Fail(Class::Outage), |policy| policy.expired = ExpiredPolicy::UntilRejected);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(1801)).await;
    assert_eq!(rig.key(), None, "no longer than one lifetime");
}

#[tokio::test(start_paused = true)]
async fn phase_follows_each_attempt() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    assert_eq!(rig.engine.status().phase, Phase::Empty);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.engine.status().phase, Phase::Fresh);
    rig.source.then(Reply::Fail(Class::Outage).after(seconds(5)));
    while rig.source.calls() < 2 {
        rig.pass(seconds(1)).await;
    }
    assert_eq!(rig.engine.status().phase, Phase::Refreshing);
    rig.pass(seconds(6)).await;
    assert_eq!(rig.engine.status().phase, Phase::Stale);
    rig.pass(QUARTER).await;
    assert_eq!(rig.engine.status().phase, Phase::Expired);
}

#[tokio::test(start_paused = true)]
async fn updates_tell_each_generation_and_the_end() {
    let rig = Rig::new(Reply::Grant(HOUR));
    let mut updates = rig.engine.updates();
    assert_eq!(updates.last(), 0);
    rig.engine.credentials().await.unwrap();
    assert_eq!(updates.changed().await.unwrap(), 1);
    assert_eq!(updates.changed().await.unwrap(), 2);
    rig.engine.refresh().await.unwrap();
    rig.engine.shutdown().await;
    assert_eq!(updates.changed().await.unwrap(), 3, "generations before the end are told first");
    assert!(updates.changed().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn refresh_ignores_a_denial_from_before_its_call() {
    let rig = Rig::new(Reply::Fail(Class::Misconfigured));
    while rig.source.calls() < 8 {
        rig.engine.credentials().await.unwrap_err();
        rig.pass(Duration::from_millis(100)).await;
    }
    let calls = rig.source.calls();
    rig.engine.credentials().await.unwrap_err();
    assert_eq!(rig.source.calls(), calls, "the denial stands");
    rig.source.always(Reply::Grant(HOUR).after(seconds(2)));
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.source.calls(), calls + 1);
}

#[tokio::test(start_paused = true)]
async fn p12_old_failure_is_no_cause_of_a_hanging_attempt() {
    let rig = Rig::with(Reply::Hang, |policy| policy.wait_timeout = seconds(5));
    rig.source.then(Reply::Fail(Class::Misconfigured));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(seconds(31)).await;
    let error = rig.engine.credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.source().is_none(), "{error:?}");
    assert!(error.to_string().contains("still under way"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn p12_old_failure_is_the_cause_of_its_delay() {
    let rig = Rig::with(Reply::Hang, |policy| policy.wait_timeout = seconds(5));
    rig.source.then(Reply::Throttle(seconds(60)));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(seconds(40)).await;
    let error = rig.engine.credentials().await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "scripted Throttled");
}

#[tokio::test(start_paused = true)]
async fn p12_timed_out_call_names_what_it_wanted() {
    let rig = Rig::new(Reply::Hang);
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    let error = rig.engine.refresh().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().starts_with("no newer credentials for "), "{error}");
    rig.pass(seconds(600)).await;
    let error = rig.engine.valid_for(seconds(3240)).await.unwrap_err();
    assert!(error.to_string().starts_with("no credentials that last longer for "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn p12_time_limit_error_has_the_sources_obstacle() {
    let rig = Rig::new(Reply::Hang);
    rig.source.set_obstacle(Error::new(ErrorKind::TokenRejected, "the file is missing").with_remedy("mount it"));
    let error = rig.engine.credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.remedy(), Some("mount it"));
}
