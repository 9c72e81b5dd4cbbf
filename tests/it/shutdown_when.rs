//! The user's future that shuts a provider down.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_web_identity::{BackgroundCredentialsProvider, Phase, Registry};
use tokio::sync::oneshot;

use crate::rig::{CHAINED_ROLE, OTHER_ROLE, Rig, eventually, soon};

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
