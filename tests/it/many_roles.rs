//! Many roles in one process: each refreshes by itself, equal builders share one provider, and at most eight exchanges
//! run.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_web_identity::test_util::{Fault, MockSts, OidcIssuer, TrustedRole};
use aws_web_identity::{Phase, Registry};
use tokio::task::JoinSet;

use crate::support::{ARN, OTHER_ARN, OTHER_ROLE, Rig, caller_arn, key, soon};

#[tokio::test(flavor = "multi_thread")]
async fn roles_fail_and_shut_down_independently() {
    let rig = Rig::start().await;
    let one = rig.connect().await;
    let other = one.to_builder().role_arn(OTHER_ROLE).connect().await.unwrap();
    let (client, other_client) = (Client::new(&one.install(rig.config())), Client::new(&other.install(rig.config())));
    for _ in 0..2 {
        assert_eq!(
            (caller_arn(&client).await, caller_arn(&other_client).await),
            (ARN.to_owned(), OTHER_ARN.to_owned())
        );
        soon(other.refresh()).await.unwrap();
    }
    assert_eq!((one.status().generation, other.status().generation), (1, 3));

    // Failure and shutdown of one provider do not affect the other.
    rig.sts.fail_next(1, Fault::AccessDenied);
    soon(one.refresh()).await.unwrap_err();
    assert_eq!((one.status().phase, other.status().phase), (Phase::Stale, Phase::Fresh));
    soon(one.shutdown()).await;
    drop(one);
    soon(other.refresh()).await.unwrap();
    assert_eq!(caller_arn(&other_client).await, OTHER_ARN);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_registry_shares_one_exchange_among_equal_builders() {
    let rig = Arc::new(Rig::start().await);
    rig.sts.set_latency(Duration::from_millis(100));
    let registry = Registry::default();
    let mut parts = JoinSet::new();
    for _ in 0..20 {
        let (rig, registry) = (Arc::clone(&rig), registry.clone());
        parts.spawn(async move { registry.connect(rig.builder()).await.unwrap() });
    }
    let providers = soon(parts.join_all()).await;
    assert_eq!(rig.exchanges(), [Some(key(&providers[0]))]);
    soon(providers[3].refresh()).await.unwrap();
    assert_eq!(key(&providers[7]), key(&providers[3]));

    // A config of one provider with the credentials provider of another signs with the newest key.
    let config = providers[0].install(rig.config());
    let mixed = config.into_builder().credentials_provider(providers[1].credentials_provider()).build();
    let client = Client::new(&mixed);
    for _ in 0..2 {
        assert_eq!(caller_arn(&client).await, ARN);
        assert_eq!(rig.last_signed_with(), key(&providers[2]));
        soon(providers[2].refresh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_registry_builds_anew_after_the_last_handle() {
    let rig = Rig::start().await;
    let registry = Registry::default();
    let mut updates = registry.connect(rig.builder()).await.unwrap().updates();
    soon(updates.changed()).await.unwrap_err();
    registry.connect(rig.builder()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_eight_exchanges_run_at_once() {
    let issuer = OidcIssuer::start().await;
    let arn = |number| format!("arn:aws:iam::123456789012:role/r{number}");
    let mut builder = MockSts::builder().issuer(&issuer);
    for number in 0..30 {
        builder = builder.role(TrustedRole::new(arn(number)));
    }
    let rig = Rig::from_parts(&issuer, builder.start().await);
    rig.sts.set_latency(Duration::from_millis(100));
    let mut roles = JoinSet::new();
    for number in 0..30 {
        roles.spawn(rig.builder_for(&arn(number)).connect());
    }
    for connected in soon(roles.join_all()).await {
        connected.unwrap();
    }
    assert_eq!(rig.exchanges().len(), 30);
    let most = rig.sts.most_at_once();
    assert!((2..=8).contains(&most), "{most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_sts_does_not_block_another_endpoint() {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::Hang);
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            let builder = rig.builder().session_name(format!("pod-{number}")).attempt_timeout(Duration::from_secs(60));
            let provider = builder.build().unwrap();
            tokio::spawn(async move { provider.ready().await })
        })
        .collect();
    rig.sts.wait_for_calls(8).await;
    let elsewhere = rig.sts.another_region().await;
    let builder = rig.builder().endpoint_url(elsewhere.endpoint_url()).wait_timeout(Duration::from_secs(10));
    soon(builder.connect()).await.unwrap();
    assert_eq!(rig.sts.most_at_once(), 8);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
