//! `Status` and `Updates`: each field at each change of phase, and each generation announced in order.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_web_identity::test_util::{Fault, OidcIssuer, TokenSpec};
use aws_web_identity::{ErrorKind, ExpiredPolicy, Phase, Status};

use crate::fault_list;
use crate::rig::{ARN, Rig, eventually, soon, spec};
use crate::support::stepped_clock::SteppedClock;

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_answer_nothing_is_known() {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::Hang);
    let status = rig.builder().build().unwrap().status();
    let Status { phase, generation, consecutive_failures, .. } = status;
    assert_eq!((phase, generation, consecutive_failures), (Phase::Empty, 0, 0));
    assert_eq!((status.expiry, status.is_usable()), (None, false));
    assert!(status.next_attempt.is_some(), "the question has started the attempts");
    assert_eq!((status.assumed_role_arn, status.account_id, status.endpoint), (None, None, None));
    assert!(status.last_error.is_none() && status.token.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_that_which_answered_last_be_it_with_an_error() {
    let rig = Rig::start().await;
    for (fault, answered) in [
        (Fault::ConnectionReset, false),
        (Fault::Hang, false),
        (Fault::AccessDenied, true),
        (fault_list::HTML_ERROR, true),
    ] {
        rig.sts.set_fault(fault);
        let attempt = Duration::from_secs(if fault == Fault::Hang { 1 } else { 8 });
        let builder = rig.builder().attempt_timeout(attempt).wait_timeout(Duration::from_secs(1));
        let provider = builder.build().unwrap();
        eventually(|| provider.status().last_error.is_some()).await;
        soon(provider.provide_credentials()).await.unwrap_err();
        let status = provider.status();
        assert_eq!(status.endpoint.as_deref(), answered.then(|| rig.sts.endpoint_url()), "{fault:?}");
        assert_eq!(status.assumed_role_arn, None, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_of_sts_keeps_the_last_endpoint() {
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    let provider = clock.drive(rig.builder()).connect().await.unwrap();
    rig.sts.set_fault(Fault::Hang);
    let (refreshed, ()) = tokio::join!(provider.refresh(), async {
        // Attempts start at least a second apart, and last 8 s at most.
        clock.advance(Duration::from_secs(1), &[&rig.sts]).await;
        rig.sts.wait_for_calls(2).await;
        clock.advance(Duration::from_secs(9), &[&rig.sts]).await;
    });
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(provider.status().endpoint.as_deref(), Some(rig.sts.endpoint_url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_is_told_while_a_task_runs() {
    let rig = Rig::start().await;
    let before = SystemTime::now();
    let provider = rig.connect().await;
    let until = |time: Option<SystemTime>| time.unwrap().duration_since(before).unwrap().as_secs();
    let fresh = provider.status();
    assert!((2160..=2760).contains(&until(fresh.next_attempt)), "{fresh:?}");
    assert!((3598..=3660).contains(&until(fresh.expiry)), "{fresh:?}");

    rig.sts.set_fault(fault_list::INTERNAL_FAILURE);
    soon(provider.refresh()).await.unwrap_err();
    let stale = provider.status();
    assert!(until(stale.next_attempt) < 60, "{stale:?}");
    assert_eq!((stale.phase, stale.consecutive_failures, stale.generation), (Phase::Stale, 1, 1));
    assert!(stale.is_usable() && stale.phase.is_usable());
    assert_eq!(stale.last_error.unwrap().kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(
        (stale.expiry.is_some(), stale.assumed_role_arn.as_deref()),
        (true, Some(ARN)),
        "what is valid is told of"
    );

    rig.sts.set_fault(None);
    rig.sts.set_latency(Duration::from_secs(1));
    let (outcome, under_way) = tokio::join!(soon(provider.refresh()), async {
        eventually(|| provider.status().phase == Phase::Refreshing).await;
        provider.status()
    });
    outcome.unwrap();
    assert!(until(under_way.next_attempt) < 60, "it is the one under way: {under_way:?}");
    assert_eq!(under_way.consecutive_failures, 1, "not over yet");
    let renewed = provider.status();
    assert_eq!((renewed.phase, renewed.consecutive_failures, renewed.generation), (Phase::Fresh, 0, 2));
    assert!(renewed.last_error.is_none());

    soon(provider.shutdown()).await;
    let closed = provider.status();
    assert_eq!((closed.phase, closed.next_attempt, closed.generation), (Phase::Closed, None, 2));
    assert!(closed.expiry.is_some());
    assert!(closed.is_usable() && !closed.phase.is_usable(), "readable, and not kept fresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn usable_means_that_a_caller_gets_credentials() {
    for (policy, served) in [(ExpiredPolicy::Never, false), (ExpiredPolicy::UntilRejected, true)] {
        let rig = Rig::start().await;
        rig.sts.set_session_length(Duration::from_secs(2));
        let provider =
            rig.builder().expired_policy(policy).wait_timeout(Duration::from_secs(1)).connect().await.unwrap();
        assert!(provider.status().is_usable());
        rig.sts.set_fault(fault_list::INTERNAL_FAILURE);
        eventually(|| provider.status().phase == Phase::Expired).await;
        assert_eq!(soon(provider.provide_credentials()).await.is_ok(), served, "{policy:?}");
        assert_eq!(provider.status().is_usable(), served, "{policy:?}");
        assert!(!provider.status().phase.is_usable());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_still_told_of() {
    let rig = Rig::start().await;
    rig.sts.set_session_length(Duration::from_secs(2));
    let provider = rig.builder().wait_timeout(Duration::from_secs(2)).connect().await.unwrap();
    rig.sts.set_fault(Fault::AccessDenied);
    eventually(|| provider.status().phase == Phase::Expired).await;
    let status = provider.status();
    assert!(provider.current().is_none());
    assert!(status.expiry.unwrap() <= SystemTime::now() + Duration::from_secs(1), "{status:?}");
    assert_eq!((status.generation, status.assumed_role_arn.as_deref()), (1, Some(ARN)));
    eventually(|| provider.status().last_error.is_some_and(|error| error.kind() == ErrorKind::RoleDenied)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_the_newest_in_the_file_whether_or_not_it_was_sent() {
    let rig = Rig::start().await;
    let issued = SystemTime::now() - Duration::from_secs(60);
    let token = || spec().issued_at(issued).lifetime(Duration::from_secs(1200));
    rig.rotate(token());
    let provider = rig.connect().await;
    let claims = provider.status().token.unwrap();
    let near = |time: Option<SystemTime>, expected: SystemTime| {
        let time = time.unwrap();
        let apart = time.duration_since(expected).unwrap_or_else(|error| error.duration());
        assert!(apart < Duration::from_secs(2), "{time:?} {expected:?}");
    };
    near(claims.issued_at, issued);
    near(claims.expires_at, issued + Duration::from_secs(1200));
    assert_eq!(claims.issuer.as_deref(), Some(rig.issuer.url()));
    assert_eq!(claims.audience, ["sts.amazonaws.com"]);

    let calls = rig.sts.calls().len();
    rig.rotate(token().lifetime(Duration::from_secs(2400)));
    eventually(|| provider.status().token.is_some_and(|token| token.expires_at > claims.expires_at)).await;
    assert_eq!(rig.sts.calls().len(), calls, "no exchange for that");

    rig.volume.write("opaque").unwrap();
    eventually(|| provider.status().token.is_none()).await;
    let other = OidcIssuer::start().await;
    rig.volume.write(other.mint(TokenSpec::service_account("shop", "cart"))).unwrap();
    eventually(|| provider.status().token.is_some_and(|token| token.issuer.as_deref() == Some(other.url()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_comes_late_hears_of_what_comes_after_it() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let mut updates = provider.updates();
    assert_eq!(updates.last(), 1);
    let (heard, _) = tokio::join!(soon(updates.changed()), soon(provider.refresh()));
    assert_eq!((heard, updates.last()), (Ok(2), 2));
    drop(provider);
    let closed = soon(updates.changed()).await.unwrap_err();
    assert!(closed.to_string().contains("closed"));
    assert_eq!(updates.last(), 2, "and remembers");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_update_is_told_in_order() {
    let rig = Rig::start().await;
    let provider = rig.builder().build().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listening = tokio::spawn({
        let (mut updates, seen) = (provider.updates(), Arc::clone(&seen));
        async move {
            while let Ok(generation) = updates.changed().await {
                seen.lock().unwrap().push(generation);
            }
        }
    });
    for expected in 1..=3 {
        soon(provider.refresh()).await.unwrap();
        eventually(|| seen.lock().unwrap().last() == Some(&expected)).await;
    }
    soon(provider.shutdown()).await;
    soon(listening).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
}
