//! When the refresh comes, and clocks that are wrong, set, or asleep.

use std::time::{Duration, UNIX_EPOCH};

use super::testing::{HOUR, QUARTER, Reply, Rig, seconds};
use crate::refresh::source::Class;

#[tokio::test(start_paused = true)]
async fn p4_refresh_starts_between_60_and_75_percent_of_the_lifetime_and_not_always_at_the_same_point() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(40 * HOUR).await;
    let times = rig.source.call_times();
    let shares: Vec<f64> =
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() / HOUR.as_secs_f64()).collect();
    assert!(shares.len() > 40);
    assert!(shares.iter().all(|share| (0.599..0.752).contains(share)), "{shares:?}");
    let spread = shares.iter().fold(0.0_f64, |a, &b| a.max(b)) - shares.iter().fold(1.0_f64, |a, &b| a.min(b));
    assert!(spread > 0.1, "drawn afresh each time: {shares:?}");
}

#[tokio::test(start_paused = true)]
async fn p7_a_clock_two_hours_off_causes_neither_an_outage_nor_a_storm() {
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
async fn p7_credentials_end_with_the_whole_second_that_the_server_named() {
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
async fn p7_a_clock_step_is_seen_within_30_seconds_and_the_shown_expiry_follows() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    let before = rig.engine.current().unwrap().expiry().unwrap();
    rig.clock.set_by(-1000);
    rig.pass(seconds(31)).await;
    let after = rig.engine.current().unwrap().expiry().unwrap();
    assert_eq!(before.duration_since(after).unwrap().as_secs(), 1000);
    assert_eq!(rig.source.calls(), 1, "a step back moves nothing else");
    assert_eq!(rig.engine.standing().generation, 1);

    rig.clock.set_by(2000);
    rig.pass(seconds(31)).await;
    assert_eq!(rig.source.calls(), 2, "a step ahead is a reason to check");
}

#[tokio::test(start_paused = true)]
async fn p7_a_clock_that_is_set_all_the_time_does_not_become_a_storm() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    for _ in 0..120 {
        rig.clock.set_by(60);
        rig.pass(seconds(30)).await;
    }
    assert!(rig.source.calls() <= 14, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn p7_a_suspend_takes_its_time_from_the_credentials() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Grant(HOUR)).then(Reply::Fail(Class::Transient));
    rig.engine.credentials().await.unwrap();
    rig.clock.sleep_machine(2 * HOUR);
    rig.pass(seconds(31)).await;
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY2", "the old ones ended in the sleep");
}

#[tokio::test(start_paused = true)]
async fn p7_a_suspend_in_the_middle_of_an_exchange_is_taken_from_what_it_brings() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Late(HOUR, seconds(4)));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await.unwrap() });
    rig.pass(seconds(1)).await;
    rig.clock.sleep_machine(seconds(1800));
    caller.await.unwrap();
    let left = rig.engine.current().unwrap().expiry().unwrap().duration_since(rig.clock.true_time()).unwrap();
    assert!(left <= seconds(1800), "the server gave an hour, half of which we slept: {left:?}");

    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Late(HOUR, seconds(4)));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await.unwrap() });
    rig.pass(seconds(1)).await;
    rig.clock.sleep_machine(2 * HOUR);
    assert_eq!(caller.await.unwrap().access_key_id(), "KEY2", "the first ones ended in the sleep");
}

#[tokio::test(start_paused = true)]
async fn p5_an_error_from_before_a_suspend_is_too_old_for_callers() {
    let rig = Rig::new(Reply::Fail(Class::Transient));
    rig.engine.credentials().await.unwrap_err();
    rig.source.always(Reply::Grant(HOUR).after(seconds(2)));
    rig.clock.sleep_machine(HOUR);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1");

    let rig = Rig::new(Reply::Fail(Class::Config));
    for _ in 0..3600 {
        rig.engine.credentials().await.unwrap_err();
        rig.pass(seconds(1)).await;
    }
    rig.source.always(Reply::Grant(HOUR).after(seconds(2)));
    rig.clock.sleep_machine(HOUR);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY1", "nor does a denial stand so long");
}

#[tokio::test(start_paused = true)]
async fn p7_a_machine_that_sleeps_again_and_again_does_not_become_a_storm() {
    let rig = Rig::new(Reply::Grant(12 * HOUR));
    rig.engine.credentials().await.unwrap();
    for _ in 0..120 {
        rig.clock.sleep_machine(seconds(6));
        rig.pass(seconds(30)).await;
    }
    assert!(rig.source.calls() <= 16, "{}", rig.source.calls());
}
