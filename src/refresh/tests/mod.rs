//! The promises of the engine, one sentence each, in paused time over a scripted source.

mod figures;
mod hostile;
mod model;
mod providers;
mod scenarios;
mod simulation;
mod telemetry;
mod testing;

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::{Instant, timeout};

use self::testing::{HOUR, Reply, Rig, seconds};
use super::source::{Change, Class};
use super::state::{ExpiredPolicy, Phase};
use crate::error::ErrorKind;

const QUARTER: Duration = Duration::from_secs(900);

#[tokio::test(start_paused = true)]
async fn p1_a_read_with_valid_credentials_never_waits_even_while_an_exchange_hangs() {
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
    assert_eq!(rig.key(), None, "and not longer");
}

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
async fn p3_fifty_callers_of_a_failing_first_load_share_one_error() {
    let rig = Rig::new(Reply::Fail(Class::Config).after(seconds(1)));
    let before = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let engine = rig.engine.clone();
        callers.spawn(async move { engine.credentials().await.unwrap_err().kind() });
    }
    assert!(callers.join_all().await.into_iter().all(|kind| kind == ErrorKind::RoleDenied));
    assert_eq!(rig.source.calls(), 1);
    assert!(before.elapsed() < seconds(2), "no convoy: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn p3_caller_timeout_leaves_flight_running() {
    let rig = Rig::new(Reply::Grant(HOUR).after(seconds(2)));
    for _ in 0..10 {
        assert!(timeout(Duration::from_millis(100), rig.engine.credentials()).await.is_err());
    }
    rig.pass(seconds(2)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"));
    assert_eq!(rig.source.calls(), 1);
}

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

#[tokio::test(start_paused = true)]
async fn identical_credentials_do_not_bump_generation() {
    let rig = Rig::new(Reply::SameKey(HOUR));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.source.calls(), 2);
    assert_eq!(rig.engine.standing().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn refresh_gets_the_outcome_of_its_own_exchange_good_or_bad() {
    let rig = Rig::new(Reply::Grant(HOUR));
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY1");
    assert_eq!(rig.engine.refresh().await.unwrap().access_key_id(), "KEY2");
    rig.source.then(Reply::Fail(Class::Config));
    assert_eq!(rig.engine.refresh().await.unwrap_err().kind(), ErrorKind::RoleDenied);
    assert_eq!(rig.engine.credentials().await.unwrap().access_key_id(), "KEY2");
    let times = rig.source.call_times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= seconds(1)), "at least 1 s apart");
}

#[tokio::test(start_paused = true)]
async fn p1_credentials_for_presigning_last_as_long_as_asked() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.engine.valid_for(seconds(3000)).await.unwrap().access_key_id(), "KEY1");
    rig.pass(seconds(1000)).await;
    assert_eq!(rig.engine.valid_for(seconds(3000)).await.unwrap().access_key_id(), "KEY2");
    rig.pass(seconds(200)).await;
    let error = rig.engine.valid_for(seconds(3500)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfiguration);
    assert!(error.to_string().contains("3600 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_key_is_replaced_at_once_and_a_key_that_is_never_accepted_is_no_storm() {
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.engine.rejected("SOMEBODYS", Duration::ZERO);
    rig.pass(seconds(5)).await;
    assert_eq!(rig.source.calls(), 1);
    rig.engine.rejected("KEY1", seconds(30));
    rig.pass(seconds(5)).await;
    assert_eq!(rig.source.calls(), 1, "too young to be refused for good");
    rig.engine.rejected("KEY1", Duration::ZERO);
    assert_eq!(rig.key().as_deref(), Some("KEY1"), "readable until replaced");
    rig.pass(seconds(1)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
    for _ in 0..7200 {
        rig.engine.rejected(&rig.key().unwrap(), Duration::ZERO);
        rig.pass(seconds(1)).await;
    }
    assert!(rig.source.calls() <= 15, "{}", rig.source.calls());
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_served_until_rejected_where_that_is_asked_for() {
    let rig = Rig::with(Reply::Fail(Class::Transient), |policy| policy.expired = ExpiredPolicy::UntilRejected);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(1000)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY1"));
    assert!(rig.engine.current().is_none(), "valid they are not");
    assert_eq!(rig.engine.standing().phase, Phase::Expired);
    rig.engine.rejected("KEY1", Duration::ZERO);
    assert_eq!(rig.key(), None);

    let rig = Rig::with(Reply::Fail(Class::Transient), |policy| policy.expired = ExpiredPolicy::UntilRejected);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(1801)).await;
    assert_eq!(rig.key(), None, "not longer than a lifetime");
}

#[tokio::test(start_paused = true)]
async fn the_phase_says_how_things_stand() {
    let rig = Rig::new(Reply::Fail(Class::Transient));
    assert_eq!(rig.engine.standing().phase, Phase::Empty);
    rig.source.then(Reply::Grant(QUARTER));
    rig.engine.credentials().await.unwrap();
    assert_eq!(rig.engine.standing().phase, Phase::Fresh);
    rig.source.then(Reply::Fail(Class::Transient).after(seconds(5)));
    while rig.source.calls() < 2 {
        rig.pass(seconds(1)).await;
    }
    assert_eq!(rig.engine.standing().phase, Phase::Refreshing);
    rig.pass(seconds(6)).await;
    assert_eq!(rig.engine.standing().phase, Phase::Stale);
    rig.pass(QUARTER).await;
    assert_eq!(rig.engine.standing().phase, Phase::Expired);
}

#[tokio::test(start_paused = true)]
async fn updates_tell_of_each_generation_and_of_the_end() {
    let rig = Rig::new(Reply::Grant(HOUR));
    let mut updates = rig.engine.updates();
    assert_eq!(updates.last(), 0);
    rig.engine.credentials().await.unwrap();
    assert_eq!(updates.changed().await.unwrap(), 1);
    assert_eq!(updates.changed().await.unwrap(), 2);
    rig.engine.refresh().await.unwrap();
    rig.engine.shutdown().await;
    assert_eq!(updates.changed().await.unwrap(), 3, "what came before the end is told first");
    assert!(updates.changed().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn sessions_of_seconds_make_no_tight_loop() {
    let rig = Rig::new(Reply::Grant(Duration::from_millis(300)));
    rig.engine.credentials().await.unwrap();
    rig.pass(seconds(60)).await;
    assert!((55..=62).contains(&rig.source.calls()), "{}", rig.source.calls());
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
async fn credentials_that_end_before_their_answer_arrives_are_a_failure_that_says_so() {
    let rig = Rig::new(Reply::Late(seconds(5), seconds(6)));
    let error = rig.engine.credentials().await.unwrap_err();
    assert!(error.to_string().contains("expired on arrival"), "{error}");
    assert!(rig.engine.standing().consecutive_failures > 1);
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

#[tokio::test(start_paused = true)]
async fn refresh_waits_for_its_own_exchange_although_an_older_denial_still_stands() {
    let rig = Rig::new(Reply::Fail(Class::Config));
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

/// Asks how things stand at each event, as a subscriber may that signs what it sends with our credentials.
struct Curious(crate::refresh::Supervisor);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Curious {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.standing();
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_subscriber_may_call_us() {
    use tracing_subscriber::layer::SubscriberExt as _;
    let rig = Rig::new(Reply::Grant(HOUR));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Curious(rig.engine.clone())));
    rig.source.then(Reply::Fail(Class::Transient));
    rig.engine.credentials().await.unwrap();
    rig.clock.sleep_machine(seconds(600));
    rig.pass(seconds(31)).await;
    rig.clock.set_by(600);
    rig.pass(seconds(31)).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
}
