//! A provider's life (P10): first use, last handle, `shutdown` and `shutdown_when`. Nothing leaks.
//!
//! Through the kit's STS and real SDK clients. Threads and descriptors are counted in a process of its own.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::{BackgroundCredentialsProvider, Closed, ErrorKind, Phase, Registry};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::support::own_process::in_own_process;
use crate::support::process_resources::ProcessResources;
use crate::support::stepped_clock::SteppedClock;
use crate::support::{ARN, CHAINED_ROLE, OTHER_ROLE, Rig, caller_arn, eventually, key, soon, spec};

#[test]
fn build_needs_no_runtime_and_sends_nothing() {
    let runtime = Runtime::new().unwrap();
    let rig = runtime.block_on(Rig::start());
    let provider = rig.builder().build().unwrap();
    assert!(format!("{provider:?}").contains("Empty"), "`Debug` must not start the provider");
    drop(provider);
    assert!(rig.sts.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p10_last_client_ends_the_provider() {
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    rig.sts.set_session_length(Duration::from_secs(20));
    let provider = clock.drive(rig.builder()).refresh_window(0.25..=0.40).connect().await.unwrap();
    let mut updates = provider.updates();
    let config = provider.install(rig.config());
    let client = Client::new(&config);
    drop((provider, config));

    for _ in 0..2 {
        clock.pass_until(updates.changed(), &[&rig.sts]).await.unwrap();
        assert_eq!(caller_arn(&client).await, ARN);
        assert_eq!(Some(&Some(rig.last_signed_with())), rig.exchanges().last());
    }
    drop(client);
    updates.changed().await.unwrap_err();
    let calls = rig.sts.calls().len();
    // Longer than the longest time to the next refresh.
    clock.pass_until(tokio::time::sleep(Duration::from_secs(10)), &[&rig.sts]).await;
    assert_eq!(rig.sts.calls().len(), calls, "no call may follow the last handle");
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_shutdown_keeps_valid_credentials_and_calls_nobody() {
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
    assert_eq!(caller_arn(&client).await, ARN);
    soon(provider.provide_credentials()).await.unwrap();
    assert_eq!(soon(provider.refresh()).await.unwrap_err().kind(), ErrorKind::Closed);
    provider.invalidate(&provider.current().unwrap());
    assert_eq!(rig.exchanges(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_shutdown_ends_the_exchange_and_all_waits() {
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

/// Runs in a process of its own, whose threads and descriptors can be counted.
#[test]
fn p10_threads_and_descriptors_are_released() {
    let test = concat!(module_path!(), "::p10_threads_and_descriptors_are_released");
    if !in_own_process(test) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start().await;
        // Some resources stay after the first use: they are no leak.
        drop(rig.connect().await);
        let before = ProcessResources::settled().await;
        for _ in 0..3 {
            let mut providers = Vec::new();
            for _ in 0..8 {
                // Each provider watches a directory of its own.
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("token");
                std::fs::write(&file, rig.issuer.mint(spec())).unwrap();
                let provider = rig.builder().token_file(file).connect().await.unwrap();
                assert_eq!(caller_arn(&Client::new(&provider.install(rig.config()))).await, ARN);
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

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_future_ends_its_provider_only() {
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
    assert!(identity.current().is_some(), "valid credentials must stay readable");
    for phase in [other.status().phase, chained.status().phase] {
        assert_eq!(phase, Phase::Fresh);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_future_works_for_chained_and_wrapped_providers() {
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
async fn shutdown_future_lives_until_the_last_handle() {
    let rig = Rig::start().await;
    let polled = Arc::new(AtomicBool::new(false));
    drop(rig.builder().shutdown_when(watched(&polled)).build().unwrap());
    assert!(!polled.load(Ordering::Relaxed), "a future must not be polled before the first use");
    assert_eq!(Arc::strong_count(&polled), 1, "the future must be dropped");

    let identity = rig.builder().shutdown_when(watched(&polled)).connect().await.unwrap();
    assert!(polled.load(Ordering::Relaxed));
    drop(identity);
    eventually(|| Arc::strong_count(&polled) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_keeps_the_first_shutdown_future() {
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
async fn panic_in_shutdown_future_leaves_provider_open() {
    let rig = Rig::start().await;
    let identity = rig.builder().shutdown_when(async { panic!("a bug of the user's") }).connect().await.unwrap();
    soon(identity.refresh()).await.unwrap();
    assert_eq!(identity.status().phase, Phase::Fresh);
}

/// A future that never resolves, sets the flag when polled, and holds it until dropped.
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
