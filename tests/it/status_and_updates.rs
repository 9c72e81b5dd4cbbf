//! `Status` and `Updates`: each field in each phase, and each generation announced in order.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::{Fault, OidcIssuer, TokenSpec};
use aws_web_identity::{ErrorKind, ExpiredPolicy, Phase, Status};

use crate::support::fault_list;
use crate::support::stepped_clock::SteppedClock;
use crate::support::{ARN, Rig, eventually, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn status_is_empty_before_the_first_answer() {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::Hang);
    let status = rig.builder().build().unwrap().status();
    let Status { phase, generation, consecutive_failures, .. } = status;
    assert_eq!((phase, generation, consecutive_failures), (Phase::Empty, 0, 0));
    assert_eq!((status.expiry, status.is_usable()), (None, false));
    assert!(status.next_attempt.is_some(), "`status` must start the attempts");
    assert_eq!((status.assumed_role_arn, status.account_id, status.endpoint), (None, None, None));
    assert!(status.last_error.is_none() && status.token.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_is_the_last_that_answered() {
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
async fn hanging_sts_keeps_the_last_endpoint() {
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    let provider = clock.drive(rig.builder()).connect().await.unwrap();
    rig.sts.set_fault(Fault::Hang);
    let (refreshed, ()) = tokio::join!(provider.refresh(), async {
        // Attempts start at least a second apart and last 8 s at most.
        clock.advance(Duration::from_secs(1), &[&rig.sts]).await;
        rig.sts.wait_for_calls(2).await;
        clock.advance(Duration::from_secs(9), &[&rig.sts]).await;
    });
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(provider.status().endpoint.as_deref(), Some(rig.sts.endpoint_url()));
}

#[tokio::test(start_paused = true)]
async fn next_attempt_follows_each_phase() {
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    let before = clock.now();
    let provider = clock.drive(rig.builder()).connect().await.unwrap();
    let until = |time: Option<SystemTime>| time.unwrap().duration_since(before).unwrap().as_secs();
    let fresh = provider.status();
    assert!((2160..=2760).contains(&until(fresh.next_attempt)), "{fresh:?}");
    assert!((3598..=3660).contains(&until(fresh.expiry)), "{fresh:?}");

    rig.sts.set_fault(fault_list::INTERNAL_FAILURE);
    clock.pass_until(provider.refresh(), &[&rig.sts]).await.unwrap_err();
    let stale = provider.status();
    assert!(until(stale.next_attempt) < 60, "{stale:?}");
    assert_eq!((stale.phase, stale.consecutive_failures, stale.generation), (Phase::Stale, 1, 1));
    assert!(stale.is_usable() && stale.phase.is_usable());
    assert_eq!(stale.last_error.unwrap().kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(
        (stale.expiry.is_some(), stale.assumed_role_arn.as_deref()),
        (true, Some(ARN)),
        "valid credentials must stay in the status"
    );

    rig.sts.set_fault(None);
    rig.sts.set_latency(Duration::from_secs(1));
    let refresh = tokio::spawn({
        let provider = provider.clone();
        async move { provider.refresh().await }
    });
    clock.pass_until(rig.sts.wait_for_calls(3), &[&rig.sts]).await;
    let under_way = provider.status();
    assert_eq!(under_way.phase, Phase::Refreshing);
    assert!(until(under_way.next_attempt) < 60, "the attempt that runs must be the next one: {under_way:?}");
    assert_eq!(under_way.consecutive_failures, 1, "the failures count until an attempt succeeds");
    clock.pass_until(refresh, &[&rig.sts]).await.unwrap().unwrap();
    let refreshed = provider.status();
    assert_eq!((refreshed.phase, refreshed.consecutive_failures, refreshed.generation), (Phase::Fresh, 0, 2));
    assert!(refreshed.last_error.is_none());

    soon(provider.shutdown()).await;
    let closed = provider.status();
    assert_eq!((closed.phase, closed.next_attempt, closed.generation), (Phase::Closed, None, 2));
    assert!(closed.expiry.is_some());
    assert!(
        closed.is_usable() && !closed.phase.is_usable(),
        "credentials must stay readable, but are no longer refreshed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usable_means_callers_get_credentials() {
    for (policy, served) in [(ExpiredPolicy::Never, false), (ExpiredPolicy::UntilRejected, true)] {
        let rig = Rig::start().await;
        rig.sts.set_session_length(Duration::from_secs(5));
        let provider =
            rig.builder().expired_policy(policy).wait_timeout(Duration::from_secs(5)).connect().await.unwrap();
        assert!(provider.status().is_usable());
        rig.sts.set_fault(fault_list::INTERNAL_FAILURE);
        eventually(|| provider.status().phase == Phase::Expired).await;
        assert_eq!(soon(provider.provide_credentials()).await.is_ok(), served, "{policy:?}");
        assert_eq!(provider.status().is_usable(), served, "{policy:?}");
        assert!(!provider.status().phase.is_usable());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_stay_in_status() {
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
async fn token_is_the_newest_in_the_file() {
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
    assert_eq!(rig.sts.calls().len(), calls, "a rotation must cause no exchange");

    rig.volume.write("opaque").unwrap();
    eventually(|| provider.status().token.is_none()).await;
    let other = OidcIssuer::start().await;
    rig.volume.write(other.mint(TokenSpec::service_account("shop", "cart"))).unwrap();
    eventually(|| provider.status().token.is_some_and(|token| token.issuer.as_deref() == Some(other.url()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_listener_hears_later_updates_only() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let mut updates = provider.updates();
    assert_eq!(updates.last(), 1);
    let (heard, _) = tokio::join!(soon(updates.changed()), soon(provider.refresh()));
    assert_eq!((heard, updates.last()), (Ok(2), 2));
    drop(provider);
    let closed = soon(updates.changed()).await.unwrap_err();
    assert!(closed.to_string().contains("closed"));
    assert_eq!(updates.last(), 2, "the last generation must be kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_arrive_in_order() {
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
