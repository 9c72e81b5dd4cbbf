//! Nothing leaks (P10): who keeps the task alive, what ends it, and what is left then.

use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::{Builder, Closed, ErrorKind, Phase};
use tokio::runtime::Runtime;

use crate::held::{Held, settled};
use crate::isolated::Isolated;
use crate::rig::{ARN, Rig, eventually, key, soon, spec, who};

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
    if !(Isolated { test, wrapper: &["env"], uid: None }).is_here() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start().await;
        // What the process keeps from the first use on is no leak.
        drop(rig.connect().await);
        let before = settled().await;
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
            eventually(|| Held::now().inotify == 8).await;
            providers[0].0.shutdown().await;
            drop(providers);
            let given_back = |now: Held| now.inotify == 0 && now.threads <= before.threads && now.files <= before.files;
            eventually(|| given_back(Held::now())).await;
        }
    });
}

/// Refreshed every second or two.
fn short_lived(rig: &Rig) -> Builder {
    rig.sts.set_session_length(Duration::from_secs(4));
    rig.builder().refresh_window(0.25..=0.40)
}
