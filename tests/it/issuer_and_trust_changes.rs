//! Changes of the issuer, the trust policy and the service account, with a service under load (P2, P12).
//!
//! No request fails while credentials are valid. After their expiry the error says what to change. After that change
//! the service recovers without a restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_smithy_async::time::TimeSource;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_web_identity::test_util::{Fault, TrustedRole};
use aws_web_identity::{ErrorKind, Phase, WebIdentityCredentialsProvider};
use tokio::task::JoinSet;

use crate::support::captured_log::Log;
use crate::support::stepped_clock::SteppedClock;
use crate::support::{ROLE, Rig, eventually, key, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn late_published_signing_key_fails_no_request() {
    let late = |rig: &Rig| {
        rig.issuer.hold_back_keys(true);
        rig.issuer.rotate_key();
        rig.rotate(spec());
    };
    let published = |rig: &Rig| rig.issuer.hold_back_keys(false);
    fails_no_request(late, published, ErrorKind::ServiceUnavailable, &["InvalidIdentityToken", "jwks_uri"]).await;
}

/// Nothing but the schedule acts here. The other tests call `refresh`, so that they do not last as long as a session.
#[tokio::test(flavor = "multi_thread")]
async fn signing_key_rotation_is_survived_by_schedule_alone() {
    let rig = Rig::start().await;
    // The latest refresh leaves 5 s, which is also the longest retry delay after the first error of this kind.
    rig.sts.set_session_length(Duration::from_secs(20));
    let provider = rig.connect().await;
    let service = Service::start(&rig, &provider);
    service.keeps_succeeding().await;
    let first = key(&provider);

    rig.issuer.hold_back_keys(true);
    rig.issuer.rotate_key();
    rig.rotate(spec());
    eventually(|| rig.exchanges().contains(&None)).await;
    service.keeps_succeeding().await;
    assert_eq!(key(&provider), first, "a failed refresh must keep the key");

    rig.issuer.hold_back_keys(false);
    rig.issuer.retire_old_keys();
    eventually(|| provider.current().is_some_and(|current| current.access_key_id() != first)).await;
    service.keeps_succeeding().await;
    service.stop().await;
}

/// Ceph's gateway answers no more than this code when it cannot read the issuer's keys.
#[tokio::test(start_paused = true)]
async fn pod_started_without_issuer_is_ready_soon_after() {
    let clock = SteppedClock::start();
    let (log, _guard) = Log::listen();
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::Error { status: 400, code: "InvalidArgument", message: "" });
    let provider = clock.drive(rig.builder()).build().unwrap();
    assert!(provider.current().is_none());
    clock.finish(tokio::time::sleep(Duration::from_secs(600)), &provider, &[&rig.sts]).await;
    let error = provider.status().last_error.unwrap();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert!(error.to_string().contains(&format!("cannot read the keys of {}", rig.issuer.url())), "{error}");

    rig.sts.set_fault(None);
    let back = clock.now();
    let ready = async {
        while provider.current().is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    clock.finish(ready, &provider, &[&rig.sts]).await;
    let waited = clock.now().duration_since(back).unwrap();
    assert!(waited <= Duration::from_secs(21), "{waited:?}");
    assert!(log.to_string().contains("credentials refreshed after failures"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retired_signing_key_fails_no_request() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let service = Service::start(&rig, &provider);
    service.keeps_succeeding().await;
    let old_token = rig.rotate(spec());
    rig.issuer.rotate_key();
    soon(provider.refresh()).await.unwrap();
    rig.rotate(spec());
    soon(provider.refresh()).await.unwrap();
    rig.issuer.retire_old_keys();
    soon(provider.refresh()).await.unwrap();
    service.keeps_succeeding().await;

    // A slow kubelet leaves a pod with a token that the retired key signed.
    let refreshed = key(&provider);
    rig.volume.write(&old_token).unwrap();
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidIdentityToken"), "{error}");
    service.keeps_succeeding().await;
    assert_eq!(key(&provider), refreshed);
    rig.rotate(spec());
    soon(provider.refresh()).await.unwrap();
    service.keeps_succeeding().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_issuer_fails_no_request() {
    let gone = |rig: &Rig| rig.issuer.set_available(false);
    let back = |rig: &Rig| rig.issuer.set_available(true);
    fails_no_request(gone, back, ErrorKind::ServiceUnavailable, &["InvalidIdentityToken", "jwks_uri"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_token_audience_fails_no_request() {
    let other = |rig: &Rig| drop(rig.rotate(spec().audience("vault")));
    let right = |rig: &Rig| drop(rig.rotate(spec()));
    fails_no_request(other, right, ErrorKind::TokenRejected, &["vault", "OIDC provider"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edited_trust_policy_fails_no_request() {
    let others = |rig: &Rig| rig.sts.set_role(TrustedRole::new(ROLE).subject("system:serviceaccount:shop:billing"));
    let ours = |rig: &Rig| rig.sts.set_role(TrustedRole::new(ROLE).subject("system:serviceaccount:shop:checkout"));
    fails_no_request(others, ours, ErrorKind::RoleDenied, &["trust policy", "system:serviceaccount:shop:checkout"])
        .await;
}

/// STS is not told of the deletion: the last token stays valid until it expires, and no other follows.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_service_account_fails_no_request() {
    let deleted = |rig: &Rig| {
        let ended = std::time::SystemTime::now() - Duration::from_secs(60);
        rig.rotate(spec().issued_at(ended - Duration::from_secs(3600)).lifetime(Duration::from_secs(3600)));
    };
    let made_again = |rig: &Rig| drop(rig.rotate(spec()));
    fails_no_request(deleted, made_again, ErrorKind::TokenRejected, &["expired", "kubelet"]).await;
}

async fn fails_no_request(break_trust: impl Fn(&Rig), repair: impl Fn(&Rig), kind: ErrorKind, said: &[&str]) {
    let rig = Rig::start().await;
    let builder = rig.builder().wait_timeout(Duration::from_secs(3));
    let provider = soon(builder.connect()).await.unwrap();
    let service = Service::start(&rig, &provider);
    service.keeps_succeeding().await;
    let first = key(&provider);

    break_trust(&rig);
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    service.keeps_succeeding().await;
    assert_eq!((key(&provider), provider.status().phase), (first.clone(), Phase::Stale));

    repair(&rig);
    refresh_until_success(&provider, &first).await;
    service.keeps_succeeding().await;
    service.stop().await;

    // The same again, until the credentials have expired.
    let last = key(&provider);
    rig.sts.set_session_length(Duration::from_millis(1500));
    // A longer session is kept unless a service rejected it.
    provider.invalidate(&provider.current().unwrap());
    refresh_until_success(&provider, &last).await;
    break_trust(&rig);
    eventually(|| provider.status().phase == Phase::Expired && provider.status().last_error.is_some()).await;
    let client = Client::new(&provider.install(rig.config()));
    let error = soon(client.get_caller_identity().send()).await.unwrap_err();
    let error = DisplayErrorContext(&error).to_string();
    for part in said {
        assert!(error.contains(part), "P12: {part}: {error}");
    }

    rig.sts.set_session_length(None);
    repair(&rig);
    soon(async { while client.get_caller_identity().send().await.is_err() {} }).await;
}

/// Refreshes until an exchange succeeds: after some errors the engine delays its retries.
async fn refresh_until_success(provider: &WebIdentityCredentialsProvider, old: &str) {
    let new = soon(async {
        loop {
            if let Ok(credentials) = provider.refresh().await {
                break credentials;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert_ne!(new.await.access_key_id(), old);
}

/// A service under load: two SDK clients that send one request after another.
struct Service {
    succeeded: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Service {
    fn start(rig: &Rig, provider: &WebIdentityCredentialsProvider) -> Self {
        let mut service = Self { succeeded: Arc::default(), failures: Arc::default(), tasks: JoinSet::new() };
        for _ in 0..2 {
            let client = Client::new(&provider.install(rig.config()));
            let (succeeded, failures) = (Arc::clone(&service.succeeded), Arc::clone(&service.failures));
            service.tasks.spawn(async move {
                loop {
                    match client.get_caller_identity().send().await {
                        Ok(_) => drop(succeeded.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => failures.lock().unwrap().push(DisplayErrorContext(error).to_string()),
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
        service
    }

    /// Waits for ten more successful requests. None may have failed.
    async fn keeps_succeeding(&self) {
        let enough = self.succeeded.load(Ordering::Relaxed) + 10;
        eventually(|| self.succeeded.load(Ordering::Relaxed) >= enough || !self.failures.lock().unwrap().is_empty())
            .await;
        assert_eq!(*self.failures.lock().unwrap(), [""; 0], "a request failed");
    }

    async fn stop(mut self) {
        self.tasks.shutdown().await;
        assert_eq!(*self.failures.lock().unwrap(), [""; 0], "a request failed");
    }
}
