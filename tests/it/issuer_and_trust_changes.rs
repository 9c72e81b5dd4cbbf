//! What befalls a federation in its life, with a service under load: no request fails while credentials are valid; when they
//! have ended the error says what to mend; and when that is done all is well again, with nothing restarted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_web_identity::test_util::TrustedRole;
use aws_web_identity::{ErrorKind, Phase, WebIdentityCredentialsProvider};
use tokio::task::JoinSet;

use crate::rig::{ROLE, Rig, eventually, key, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_is_rotated_and_published_late() {
    let late = |rig: &Rig| {
        rig.issuer.hold_back_keys(true);
        rig.issuer.rotate_key();
        rig.rotate(spec());
    };
    let published = |rig: &Rig| rig.issuer.hold_back_keys(false);
    goes_through(late, published, ErrorKind::ServiceUnavailable, &["InvalidIdentityToken", "jwks_uri"]).await;
}

/// By the schedule alone: in the other tests somebody calls `refresh` lest they last as long as sessions do.
#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_is_rotated_and_nobody_does_anything_about_it() {
    let rig = Rig::start().await;
    // A quarter of it is what is left at the latest refresh, and the longest wait after a first refusal of this kind.
    rig.sts.set_session_length(Duration::from_secs(20));
    let provider = rig.connect().await;
    let service = Service::start(&rig, &provider);
    service.goes_on().await;
    let first = key(&provider);

    rig.issuer.hold_back_keys(true);
    rig.issuer.rotate_key();
    rig.rotate(spec());
    eventually(|| rig.exchanges().contains(&None)).await;
    service.goes_on().await;
    assert_eq!(key(&provider), first, "refused, and nobody noticed");

    rig.issuer.hold_back_keys(false);
    rig.issuer.retire_old_keys();
    eventually(|| provider.current().is_some_and(|current| current.access_key_id() != first)).await;
    service.goes_on().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_is_retired_once_the_new_one_signs() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let service = Service::start(&rig, &provider);
    service.goes_on().await;
    let old_token = rig.rotate(spec());
    rig.issuer.rotate_key();
    soon(provider.refresh()).await.unwrap();
    rig.rotate(spec());
    soon(provider.refresh()).await.unwrap();
    rig.issuer.retire_old_keys();
    soon(provider.refresh()).await.unwrap();
    service.goes_on().await;

    // The pod whose kubelet was slow: its token is of the retired key.
    let renewed = key(&provider);
    rig.volume.write(&old_token).unwrap();
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidIdentityToken"), "{error}");
    service.goes_on().await;
    assert_eq!(key(&provider), renewed);
    rig.rotate(spec());
    soon(provider.refresh()).await.unwrap();
    service.goes_on().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_cannot_be_reached() {
    let gone = |rig: &Rig| rig.issuer.set_available(false);
    let back = |rig: &Rig| rig.issuer.set_available(true);
    goes_through(gone, back, ErrorKind::ServiceUnavailable, &["InvalidIdentityToken", "jwks_uri"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audience_of_the_projected_token_is_changed() {
    let other = |rig: &Rig| drop(rig.rotate(spec().audience("vault")));
    let right = |rig: &Rig| drop(rig.rotate(spec()));
    goes_through(other, right, ErrorKind::TokenRejected, &["vault", "OIDC provider"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trust_of_the_role_is_edited() {
    let others = |rig: &Rig| rig.sts.set_role(TrustedRole::new(ROLE).subject("system:serviceaccount:shop:billing"));
    let ours = |rig: &Rig| rig.sts.set_role(TrustedRole::new(ROLE).subject("system:serviceaccount:shop:checkout"));
    goes_through(others, ours, ErrorKind::RoleDenied, &["trust policy", "system:serviceaccount:shop:checkout"]).await;
}

/// STS does not hear of it: the last token lives on to its end, and no other comes.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_account_is_deleted() {
    let deleted = |rig: &Rig| {
        let ended = std::time::SystemTime::now() - Duration::from_secs(60);
        rig.rotate(spec().issued_at(ended - Duration::from_secs(3600)).lifetime(Duration::from_secs(3600)));
    };
    let made_again = |rig: &Rig| drop(rig.rotate(spec()));
    goes_through(deleted, made_again, ErrorKind::TokenRejected, &["expired", "kubelet"]).await;
}

async fn goes_through(break_it: impl Fn(&Rig), mend: impl Fn(&Rig), kind: ErrorKind, said: &[&str]) {
    let rig = Rig::start().await;
    let builder = rig.builder().wait_timeout(Duration::from_secs(3));
    let provider = soon(builder.connect()).await.unwrap();
    let service = Service::start(&rig, &provider);
    service.goes_on().await;
    let first = key(&provider);

    break_it(&rig);
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    service.goes_on().await;
    assert_eq!((key(&provider), provider.status().phase), (first.clone(), Phase::Stale));

    mend(&rig);
    renewed(&provider, &first).await;
    service.goes_on().await;
    service.stop().await;

    // The same again, for longer than the credentials live.
    let last = key(&provider);
    rig.sts.set_session_length(Duration::from_millis(1500));
    // Otherwise the longer session stays.
    provider.invalidate(&provider.current().unwrap());
    renewed(&provider, &last).await;
    break_it(&rig);
    eventually(|| provider.status().phase == Phase::Expired && provider.status().last_error.is_some()).await;
    let client = Client::new(&provider.install(rig.config()));
    let error = soon(client.get_caller_identity().send()).await.unwrap_err();
    let error = DisplayErrorContext(&error).to_string();
    for part in said {
        assert!(error.contains(part), "P12: {part}: {error}");
    }

    rig.sts.set_session_length(None);
    mend(&rig);
    soon(async { while client.get_caller_identity().send().await.is_err() {} }).await;
}

/// Asks until the exchange goes well: after some refusals the engine takes its time.
async fn renewed(provider: &WebIdentityCredentialsProvider, old: &str) {
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

/// Requests of a real client, one after the other and two at a time.
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

    /// More requests go well, and none has failed.
    async fn goes_on(&self) {
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
