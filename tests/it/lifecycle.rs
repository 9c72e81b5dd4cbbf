//! A provider's life (P10): first use, last handle, `shutdown` and `shutdown_when`; nothing leaks.
//!
//! Through the kit's STS and real SDK clients. Threads and descriptors are counted in a process of its own.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::{BackgroundCredentialsProvider, Builder, Closed, ErrorKind, Phase, Registry};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::rig::{ARN, CHAINED_ROLE, OTHER_ROLE, Rig, eventually, key, soon, spec, who};
use crate::support::own_process::in_own_process;
use crate::support::process_resources::ProcessResources;

#[test]
fn building_needs_no_runtime_and_sends_nothing() {
    let runtime = Runtime::new().unwrap();
    let rig = runtime.block_on(Rig::start());
    let provider = rig.builder().build().unwrap();
    assert!(format!("{provider:?}").contains("Empty"), "to print it is no use of it");
    drop(provider);
    assert!(rig.sts.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_client_keeps_its_provider_alive_and_the_last_one_ends_it() {
    let rig = Rig::start().await;
    let provider = short_lived(&rig).connect().await.unwrap();
    let mut updates = provider.updates();
    let config = provider.install(rig.config());
    let client = Client::new(&config);
    drop((provider, config));

    for _ in 0..2 {
        soon(updates.changed()).await.unwrap();
        assert_eq!(who(&client).await, ARN);
        assert_eq!(Some(&Some(rig.last_signed_with())), rig.exchanges().last());
    }
    drop(client);
    // A generation that came before the end is told first.
    soon(async { while updates.changed().await.is_ok() {} }).await;
    assert!(soon(updates.changed()).await.is_err());
    let calls = rig.sts.calls().len();
    // Longer than any refresh of so short a session would have let on to wait.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.sts.calls().len(), calls, "no call after the last handle");
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_after_shutdown_valid_credentials_stay_and_no_call_is_made() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let client = Client::new(&provider.install(rig.config()));
    let mut updates = provider.updates();
    let other = provider.clone();
    let before = rig.exchanges();
    assert_eq!(before.last(), Some(&Some(key(&provider))));
    soon(async { tokio::join!(provider.shutdown(), other.shutdown()) }).await;
    soon(provider.shutdown()).await;

    assert_eq!((provider.status().phase, provider.status().next_attempt), (Phase::Closed, None));
    let _: Closed = soon(updates.changed()).await.unwrap_err();
    assert_eq!(who(&client).await, ARN);
    soon(provider.provide_credentials()).await.unwrap();
    assert_eq!(soon(provider.refresh()).await.unwrap_err().kind(), ErrorKind::Closed);
    provider.invalidate(&provider.current().unwrap());
    assert_eq!(rig.exchanges(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_shutdown_ends_an_exchange_and_all_who_wait() {
    let rig = Rig::start().await;
    rig.sts.set_fault(aws_web_identity::test_util::Fault::Hang);
    let provider = rig.builder().build().unwrap();
    let waiting = tokio::spawn({
        let provider = provider.clone();
        async move { provider.ready().await }
    });
    rig.sts.wait_for_calls(1).await;
    soon(provider.shutdown()).await;
    assert_eq!(soon(waiting).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(soon(provider.ready()).await.unwrap_err().kind(), ErrorKind::Closed);
    soon(provider.provide_credentials()).await.unwrap_err();
    assert_eq!(rig.sts.calls().len(), 1);
}

/// In a process of its own, whose threads and descriptors can be counted.
#[test]
fn p10_threads_and_descriptors_are_given_back() {
    let test = concat!(module_path!(), "::p10_threads_and_descriptors_are_given_back");
    if !in_own_process(test) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start().await;
        // What the process keeps from the first use on is no leak.
        drop(rig.connect().await);
        let before = ProcessResources::settled().await;
        for _ in 0..3 {
            let mut providers = Vec::new();
            for _ in 0..8 {
                // A directory each, so that each has a watch.
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("token");
                std::fs::write(&file, rig.issuer.mint(spec())).unwrap();
                let provider = rig.builder().token_file(file).connect().await.unwrap();
                assert_eq!(who(&Client::new(&provider.install(rig.config()))).await, ARN);
                providers.push((provider, directory));
            }
            eventually(|| ProcessResources::now().inotify == 8).await;
            providers[0].0.shutdown().await;
            drop(providers);
            let given_back =
                |now: ProcessResources| now.inotify == 0 && now.threads <= before.threads && now.files <= before.files;
            eventually(|| given_back(ProcessResources::now())).await;
        }
    });
}

/// Refreshed every second or two.
fn short_lived(rig: &Rig) -> Builder {
    rig.sts.set_session_length(Duration::from_secs(4));
    rig.builder().refresh_window(0.25..=0.40)
}

#[tokio::test(flavor = "multi_thread")]
async fn resolved_future_shuts_down_its_provider_only() {
    let rig = Rig::start().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let identity = rig.builder().shutdown_when(async { drop(stopped.await) }).connect().await.unwrap();
    let other = identity.to_builder().role_arn(OTHER_ROLE).connect().await.unwrap();
    let chained = identity.assume_role(CHAINED_ROLE).connect().await.unwrap();
    let mut updates = identity.updates();
    assert_eq!(identity.status().phase, Phase::Fresh);

    stop.send(()).unwrap();
    soon(updates.changed()).await.unwrap_err();
    assert_eq!(identity.status().phase, Phase::Closed);
    assert!(identity.current().is_some(), "valid credentials stay readable");
    for phase in [other.status().phase, chained.status().phase] {
        assert_eq!(phase, Phase::Fresh);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chained_and_wrapped_providers_have_futures_too() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let stops: [_; 2] = std::array::from_fn(|_| oneshot::channel::<()>());
    let [(stop, stopped), (stop_wrapped, stopped_wrapped)] = stops;
    let chained = identity.assume_role(CHAINED_ROLE).shutdown_when(async { drop(stopped.await) });
    let chained = chained.connect().await.unwrap();
    let wrapped = BackgroundCredentialsProvider::builder(identity.clone());
    let wrapped = wrapped.shutdown_when(async { drop(stopped_wrapped.await) }).connect().await.unwrap();

    stop.send(()).unwrap();
    eventually(|| chained.status().phase == Phase::Closed).await;
    assert_eq!(wrapped.status().phase, Phase::Fresh);
    stop_wrapped.send(()).unwrap();
    eventually(|| wrapped.status().phase == Phase::Closed).await;
    assert_eq!(identity.status().phase, Phase::Fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn future_is_polled_from_first_use_to_last_handle() {
    let rig = Rig::start().await;
    let polled = Arc::new(AtomicBool::new(false));
    drop(rig.builder().shutdown_when(watched(&polled)).build().unwrap());
    assert!(!polled.load(Ordering::Relaxed), "the provider was never used");
    assert_eq!(Arc::strong_count(&polled), 1, "the future is dropped");

    let identity = rig.builder().shutdown_when(watched(&polled)).connect().await.unwrap();
    assert!(polled.load(Ordering::Relaxed));
    drop(identity);
    eventually(|| Arc::strong_count(&polled) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_keeps_the_first_future_only() {
    let rig = Rig::start().await;
    let registry = Registry::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let first = registry.build(rig.builder().shutdown_when(async { drop(stopped.await) })).unwrap();
    let polled = Arc::new(AtomicBool::new(false));
    let second = registry.connect(rig.builder().shutdown_when(watched(&polled))).await.unwrap();
    assert_eq!((polled.load(Ordering::Relaxed), Arc::strong_count(&polled)), (false, 1));
    stop.send(()).unwrap();
    eventually(|| second.status().phase == Phase::Closed).await;
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn panic_of_the_future_leaves_provider_open() {
    let rig = Rig::start().await;
    let identity = rig.builder().shutdown_when(async { panic!("a bug of the user's") }).connect().await.unwrap();
    soon(identity.refresh()).await.unwrap();
    assert_eq!(identity.status().phase, Phase::Fresh);
}

/// Never resolves. Tells whether it was polled, and holds `held` until it is dropped.
fn watched(held: &Arc<AtomicBool>) -> impl Future<Output = ()> + Send + use<> {
    let polled = Arc::clone(held);
    async move {
        poll_fn(|_| {
            polled.store(true, Ordering::Relaxed);
            std::task::Poll::Ready(())
        })
        .await;
        pending().await
    }
}
