//! The refresh point, and clocks that are wrong, set, or suspended.

use std::time::{Duration, UNIX_EPOCH};

use tokio::time::{Instant, timeout};

use super::rig::{HOUR, QUARTER, Reply, Rig, seconds};
use crate::error::ErrorKind;
use crate::refresh::{Class, ExpiredPolicy};

#[tokio::test(start_paused = true)]
async fn refresh_point_is_drawn_anew_each_time() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(40 * HOUR).await;
    let times = rig.source.call_times();
    let shares: Vec<f64> =
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() / HOUR.as_secs_f64()).collect();
    assert!(shares.len() > 40);
    assert!(shares.iter().all(|share| (0.599..0.752).contains(share)), "{shares:?}");
    let spread = shares.iter().fold(0.0_f64, |a, &b| a.max(b)) - shares.iter().fold(1.0_f64, |a, &b| a.min(b));
    assert!(spread > 0.1, "drawn anew each time: {shares:?}");
}

#[tokio::test(start_paused = true)]
async fn wrong_clock_does_no_harm() {
    for off in [7200, -7200] {
        let rig = Rig::new(Reply::Grant(HOUR));
        rig.clock.set_by(off);
        for _ in 0..3600 {
            rig.engine.credentials().await.unwrap();
            rig.pass(seconds(1)).await;
        }
        assert!(rig.source.calls() <= 3, "{off}: {}", rig.source.calls());
        let shown = rig.engine.current().unwrap().expiry().unwrap();
        let left = shown.duration_since(aws_smithy_async::time::TimeSource::now(&rig.clock)).unwrap();
        assert!(left <= HOUR, "the shown expiry is on the local clock: {left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_end_with_the_servers_second() {
    for into in [0, 350, 999] {
        let rig = Rig::new(Reply::InWholeSeconds(QUARTER));
        let asked = aws_smithy_async::time::TimeSource::now(&rig.clock).duration_since(UNIX_EPOCH).unwrap();
        let next = Duration::from_secs(asked.as_secs() + 1) - asked;
        rig.pass(next + Duration::from_millis(into)).await;
        let ends = rig.engine.credentials().await.unwrap().expiry().unwrap().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(ends, Duration::from_secs(asked.as_secs() + 1) + QUARTER, "{into} ms into a second");
    }
}

#[tokio::test(start_paused = true)]
async fn shown_expiry_follows_a_clock_step() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    let before = rig.engine.current().unwrap().expiry().unwrap();
    rig.clock.set_by(-1000);
    rig.pass(seconds(29)).await;
    assert_eq!(rig.engine.current().unwrap().expiry(), Some(before), "clocks are compared every 30 s");
    rig.pass(seconds(2)).await;
    let after = rig.engine.current().unwrap().expiry().unwrap();
    assert_eq!(before.duration_since(after).unwrap().as_secs(), 1000);
    assert_eq!(rig.source.calls(), 1, "a step back causes no exchange");
    assert_eq!(rig.engine.status().generation, 1);

    rig.clock.set_by(2000);
    rig.pass(seconds(31)).await;
    assert_eq!(rig.source.calls(), 2, "a step ahead causes an exchange");
}

#[tokio::test(start_paused = true)]
async fn changing_clock_causes_no_storm() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    for _ in 0..120 {
        rig.clock.set_by(60);
        rig.pass(seconds(30)).await;
    }
    assert!(rig.source.calls() <= 14, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn suspend_ends_credentials_sooner() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Grant(HOUR)).then(Reply::Fail(Class::Outage));
    rig.engine.credentials().await.unwrap();
    rig.clock.suspend(2 * HOUR);
    rig.pass(seconds(31)).await;
    assert_eq!(
        rig.engine.credentials().await.unwrap().access_key_id(),
        "KEY2",
        "the old ones ended during the suspend"
    );
}

#[tokio::test(start_paused = true)]
async fn suspend_counts_as_time_after_the_expiry() {
    for (suspend, key) in [(1700, Some("KEY1")), (1900, None)] {
        let rig = Rig::with(Reply::Fail(Class::Outage), |policy| policy.expired = ExpiredPolicy::UntilRejected);
        rig.source.then(Reply::Grant(QUARTER));
        rig.engine.credentials().await.unwrap();
        rig.clock.suspend(seconds(suspend));
        rig.pass(seconds(31)).await;
        assert_eq!(rig.key().as_deref(), key, "{suspend}");
    }
}

#[tokio::test(start_paused = true)]
async fn suspend_during_exchange_shortens_its_session() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Late(HOUR, seconds(4)));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await.unwrap() });
    rig.pass(seconds(1)).await;
    rig.clock.suspend(seconds(1800));
    caller.await.unwrap();
    let left = rig.engine.current().unwrap().expiry().unwrap().duration_since(rig.clock.true_time()).unwrap();
    assert!(left <= seconds(1800), "half of the hour passed during the suspend: {left:?}");

    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Late(HOUR, seconds(4)));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await.unwrap() });
    rig.pass(seconds(1)).await;
    rig.clock.suspend(2 * HOUR);
    assert_eq!(caller.await.unwrap().access_key_id(), "KEY2", "the first ones ended during the suspend");
}

#[tokio::test(start_paused = true)]
async fn suspend_does_not_count_as_waiting() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await });
    rig.pass(seconds(10)).await;
    rig.clock.suspend(HOUR);
    rig.pass(seconds(19)).await;
    assert!(!caller.is_finished(), "29 s of 30 s");
    rig.pass(seconds(2)).await;
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::ServiceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn error_from_before_suspend_is_not_returned() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    rig.engine.credentials().await.unwrap_err();
    rig.source.always(Reply::Grant(HOUR).after(seconds(2)));
    rig.clock.suspend(HOUR);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");

    let rig = Rig::new(Reply::Fail(Class::Misconfigured));
    for _ in 0..3600 {
        rig.engine.credentials().await.unwrap_err();
        rig.pass(seconds(1)).await;
    }
    rig.source.always(Reply::Grant(HOUR).after(seconds(2)));
    rig.clock.suspend(HOUR);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1", "a denial is too old as well");
}

#[tokio::test(start_paused = true)]
async fn repeated_suspends_cause_no_storm() {
    let rig = Rig::new(Reply::Grant(12 * HOUR));
    rig.engine.credentials().await.unwrap();
    for _ in 0..120 {
        rig.clock.suspend(seconds(6));
        rig.pass(seconds(30)).await;
    }
    assert!(rig.source.calls() <= 16, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn boot_clock_alone_is_no_suspend() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.clock.suspend(2 * HOUR);
    rig.clock.set_by(-7200);
    rig.pass(seconds(31)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"), "59 min remain by the wall and monotonic clocks");
}

#[tokio::test(start_paused = true)]
async fn clock_ahead_without_date_causes_no_storm() {
    let rig = Rig::new(Reply::Undated(HOUR));
    rig.clock.set_by(3590);
    for _ in 0..3600 {
        drop(timeout(seconds(1), rig.engine.credentials()).await);
        rig.pass(seconds(1)).await;
    }
    assert!((100..=244).contains(&rig.source.calls()), "{} calls in two hours at most", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn p1_credentials_end_exactly_at_their_expiry() {
    let rig = Rig::new(Reply::Fail(Class::Outage));
    rig.source.then(Reply::Grant(seconds(60)));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(60) - Duration::from_millis(1)).await;
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");
    assert!(rig.engine.status().usable && rig.engine.status().phase.is_usable());
    rig.pass(Duration::from_millis(1)).await;
    assert!(!rig.engine.status().usable && !rig.engine.status().phase.is_usable());
    assert!(rig.engine.current().is_none());
    assert_eq!(rig.engine.credentials().await.unwrap_err().kind(), ErrorKind::ServiceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn session_that_ends_on_arrival_is_a_failure() {
    let rig = Rig::new(Reply::Late(seconds(5), seconds(5)));
    let error = rig.engine.credentials().await.unwrap_err();
    assert!(error.to_string().contains("expired on arrival"), "{error}");
    assert_eq!(rig.engine.status().generation, 0);
}

#[tokio::test(start_paused = true)]
async fn caller_after_a_suspend_wakes_the_task() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(1)).await;
    rig.clock.suspend(2 * HOUR);
    let before = Instant::now();
    assert_eq!(rig.engine.ready().await.map_err(|error| error.to_string()), Ok(()));
    assert!(before.elapsed() < seconds(2), "{:?}", before.elapsed());
}
