//! Many roles for one token, one provider for equal sessions, and no more calls at once than STS likes.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_web_identity::test_util::{Fault, MockSts, OidcIssuer, TrustedRole};
use aws_web_identity::{Phase, Registry};
use tokio::task::JoinSet;

use crate::rig::{ARN, OTHER_ARN, OTHER_ROLE, Rig, key, soon, who};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_role_is_made_from_the_first_and_lives_its_own_life() {
    let rig = Rig::start().await;
    let one = rig.connect().await;
    let other = one.to_builder().role_arn(OTHER_ROLE).connect().await.unwrap();
    let (ones, others) = (Client::new(&one.install(rig.config())), Client::new(&other.install(rig.config())));
    for _ in 0..2 {
        assert_eq!((who(&ones).await, who(&others).await), (ARN.to_owned(), OTHER_ARN.to_owned()));
        soon(other.refresh()).await.unwrap();
    }
    assert_eq!((one.status().generation, other.status().generation), (1, 3));

    // The one's end, and the one's failure, are not the other's.
    rig.sts.fail_next(1, Fault::AccessDenied);
    soon(one.refresh()).await.unwrap_err();
    assert_eq!((one.status().phase, other.status().phase), (Phase::Stale, Phase::Fresh));
    soon(one.shutdown()).await;
    drop(one);
    soon(other.refresh()).await.unwrap();
    assert_eq!(who(&others).await, OTHER_ARN);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_those_who_build_the_same_through_a_registry_share_one_exchange() {
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

    // A config of the one with a provider of the other: still the newest key at each request.
    let config = providers[0].install(rig.config());
    let mixed = config.into_builder().credentials_provider(providers[1].credentials_provider()).build();
    let client = Client::new(&mixed);
    for _ in 0..2 {
        assert_eq!(who(&client).await, ARN);
        assert_eq!(rig.last_signed_with(), key(&providers[2]));
        soon(providers[2].refresh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_registry_builds_anew_once_the_last_handle_is_gone() {
    let rig = Rig::start().await;
    let registry = Registry::default();
    let mut updates = registry.connect(rig.builder()).await.unwrap().updates();
    soon(updates.changed()).await.unwrap_err();
    registry.connect(rig.builder()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_no_more_than_eight_calls_under_way() {
    let issuer = OidcIssuer::start().await;
    let arn = |number| format!("arn:aws:iam::123456789012:role/r{number}");
    let mut builder = MockSts::builder().issuer(&issuer);
    for number in 0..30 {
        builder = builder.role(TrustedRole::new(arn(number)));
    }
    let rig = Rig::with(&issuer, builder.start().await);
    rig.sts.set_latency(Duration::from_millis(100));
    let mut roles = JoinSet::new();
    for number in 0..30 {
        roles.spawn(rig.builder_of(&arn(number)).connect());
    }
    for connected in soon(roles.join_all()).await {
        connected.unwrap();
    }
    assert_eq!(rig.exchanges().len(), 30);
    let most = rig.sts.most_at_once();
    assert!((2..=8).contains(&most), "{most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sts_that_hangs_takes_no_turn_from_those_who_ask_another() {
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
