//! SDK clients, built in every supported way: each signs with the newest key of its own provider (P1).
//!
//! The kit's STS verifies each signature and records the key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::meta::credentials::CredentialsProviderChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Config;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_web_identity::WebIdentityCredentialsProvider;
use tokio::task::JoinSet;

use crate::support::sdk_hooks::{HookedCache, LastHeader};
use crate::support::{ARN, CHAINED_ROLE, OTHER_ARN, OTHER_ROLE, Rig, caller_arn, key, soon};

/// A program that drops the result of `install` would run without the provider.
#[tokio::test]
#[deny(unfulfilled_lint_expectations)]
async fn install_is_must_use() {
    let rig = Rig::start().await;
    let identity = rig.builder().build().unwrap();
    #[expect(unused_must_use)]
    identity.install(rig.config());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_next_request_signs_with_new_credentials() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let client = Client::new(&provider.install(rig.config()));
    for generation in 1..=3 {
        assert_eq!(provider.status().generation, generation);
        assert_eq!(caller_arn(&client).await, ARN);
        assert_eq!(rig.last_signed_with(), key(&provider));
        soon(provider.refresh()).await.unwrap();
    }
    assert_eq!(rig.exchanges().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_many_clients_share_one_exchange() {
    let rig = Rig::start().await;
    rig.sts.set_latency(std::time::Duration::from_millis(100));
    let provider = rig.builder().build().unwrap();
    let config = provider.install(rig.config());
    let mut requests = JoinSet::new();
    for _ in 0..5 {
        let client = Client::new(&config);
        for _ in 0..20 {
            let client = client.clone();
            requests.spawn(async move { caller_arn(&client).await });
        }
    }
    for arn in soon(requests.join_all()).await {
        assert_eq!(arn, ARN);
    }
    assert_eq!(rig.exchanges(), [Some(key(&provider))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_provider_and_cache_fit_a_service_config() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let mut config = Config::from(&rig.config()).to_builder().identity_cache(provider.identity_cache());
    config.set_credentials_provider(Some(provider.credentials_provider()));
    signs_with_each_new_key(&rig, &provider, &Client::from_conf(config.build())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_rewrapped_provider_signs_with_newest_key() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for wrapped in wrappings(&provider) {
        let config = provider.install(rig.config()).into_builder().credentials_provider(wrapped).build();
        signs_with_each_new_key(&rig, &provider, &Client::new(&config)).await;
    }
    // The setter of a service's config builder wraps the provider, too.
    let config = Config::from(&provider.install(rig.config())).to_builder().credentials_provider(provider.clone());
    signs_with_each_new_key(&rig, &provider, &Client::from_conf(config.build())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_on_one_cache_keep_their_own_keys() {
    let rig = Rig::start().await;
    let (one, other) = (rig.connect().await, rig.connect_as(OTHER_ROLE).await);
    let base = rig.config();
    // The flags say which provider finds its own cache in the config. Without it, the SDK's cache keeps an old key.
    let caches = [
        (one.install(base.clone()), [true, false]),
        (other.install(base.clone()), [false, true]),
        (one.install(other.install(base.clone())), [true, true]),
        (other.install(one.install(base)), [true, true]),
    ];
    let mut clients = Vec::new();
    for (config, [ones, others]) in &caches {
        for (provider, arn, newest) in [(&one, ARN, *ones), (&other, OTHER_ARN, *others)] {
            let own = std::iter::once(provider.credentials_provider());
            for credentials in own.chain(wrappings(provider)) {
                let config = config.clone().into_builder().credentials_provider(credentials).build();
                clients.push((Client::new(&config), provider, arn, newest));
            }
        }
    }
    for round in 0..3 {
        for (number, (client, provider, arn, newest)) in clients.iter().enumerate() {
            assert_eq!(caller_arn(client).await, *arn, "client {number}, round {round}");
            if *newest {
                assert_eq!(rig.last_signed_with(), key(*provider), "client {number}, round {round}");
            }
        }
        // Round 0 refreshes the first role, round 1 the other, round 2 both.
        if round != 1 {
            soon(one.refresh()).await.unwrap();
        }
        if round != 0 {
            soon(other.refresh()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_per_operation_keep_their_own_keys() {
    let rig = Rig::start().await;
    let (one, other) = (rig.connect().await, rig.connect_as(OTHER_ROLE).await);
    let client = Client::new(&one.install(rig.config()));
    for round in 0..3 {
        let own = std::iter::once(other.credentials_provider());
        for credentials in own.chain(wrappings(&other)) {
            assert_eq!(caller_arn(&client).await, ARN, "round {round}");
            assert_eq!(rig.last_signed_with(), key(&one), "round {round}");

            let mut with = Config::builder();
            with.set_credentials_provider(Some(credentials.clone()));
            let arn = client.get_caller_identity().customize().config_override(with).send().await.unwrap();
            assert_eq!(arn.arn(), Some(OTHER_ARN), "round {round}");

            // With its own cache the other provider signs with its newest key.
            let mut with = Config::builder().identity_cache(other.identity_cache());
            with.set_credentials_provider(Some(credentials));
            let arn = client.get_caller_identity().customize().config_override(with).send().await.unwrap();
            assert_eq!(arn.arn(), Some(OTHER_ARN), "round {round}");
            assert_eq!(rig.last_signed_with(), key(&other), "round {round}");
        }
        soon(one.refresh()).await.unwrap();
        soon(other.refresh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn static_credentials_of_the_user_are_kept() {
    let rig = Rig::start().await;
    let (one, other) = (rig.connect().await, rig.connect_as(OTHER_ROLE).await);
    let client = Client::new(&one.install(rig.config()));
    let fixed: Credentials = other.current().unwrap();
    let fixed_key = fixed.access_key_id().to_owned();
    let own = Config::from(&one.install(rig.config())).to_builder().credentials_provider(fixed.clone());
    let own = Client::from_conf(own.build());
    for _ in 0..2 {
        assert_eq!(caller_arn(&own).await, OTHER_ARN);
        assert_eq!(rig.last_signed_with(), fixed_key);

        let with = Config::builder().credentials_provider(fixed.clone());
        let answer = client.get_caller_identity().customize().config_override(with).send().await.unwrap();
        assert_eq!(answer.arn(), Some(OTHER_ARN));
        assert_eq!(rig.last_signed_with(), fixed_key);
        assert_eq!(caller_arn(&client).await, ARN);
        soon(other.refresh()).await.unwrap();
        soon(one.refresh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_identity_cache_serves_other_providers() {
    let rig = Rig::start().await;
    let (one, other) = (rig.connect().await, rig.connect_as(OTHER_ROLE).await);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let tuned = HookedCache::shared(IdentityCache::lazy().build(), move |identity| {
        counter.fetch_add(1, Ordering::Relaxed);
        identity
    });
    let config = rig.config().into_builder().identity_cache(tuned).build();
    let config = one.install(config);

    assert_eq!(caller_arn(&Client::new(&config)).await, ARN);
    assert_eq!(asked.load(Ordering::Relaxed), 0, "our own partition must not use the user's cache");
    let fixed = SharedCredentialsProvider::new(other.current().unwrap());
    let client = Client::new(&config.into_builder().credentials_provider(fixed).build());
    for times in 1..=2 {
        assert_eq!(caller_arn(&client).await, OTHER_ARN);
        assert_eq!(asked.load(Ordering::Relaxed), times);
    }
}

/// The SDK marks how credentials were obtained: k is AssumeRoleWithWebIdentity, i is AssumeRole.
#[tokio::test(flavor = "multi_thread")]
async fn user_agent_says_how_credentials_were_obtained() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let chained = identity.assume_role(CHAINED_ROLE).connect().await.unwrap();
    let own =
        rig.config().into_builder().credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()));
    for (config, marks) in [
        (identity.install(rig.config()), [true, false]),
        (chained.install(rig.config()), [false, true]),
        (own.build(), [false, false]),
    ] {
        soon(identity.refresh()).await.unwrap();
        let agent = LastHeader::new("x-amz-user-agent");
        let config = Config::from(&config).to_builder().interceptor(agent.clone()).build();
        drop(soon(Client::from_conf(config).get_caller_identity().send()).await);
        let agent = agent.get();
        let features = agent.split(' ').find_map(|part| part.strip_prefix("m/")).unwrap_or_default();
        let has = ["k", "i"].map(|mark| features.split(',').any(|feature| feature == mark));
        assert_eq!(has, marks, "{agent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_works_without_its_identity_cache() {
    // Only the provider is installed, not its identity cache.
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let config = Config::from(&rig.config()).to_builder().credentials_provider(provider);
    assert_eq!(caller_arn(&Client::from_conf(config.build())).await, ARN);
}

/// The SDK gives each of these wrappers a cache partition of its own.
fn wrappings(provider: &WebIdentityCredentialsProvider) -> [SharedCredentialsProvider; 3] {
    [
        SharedCredentialsProvider::new(provider.clone()),
        SharedCredentialsProvider::new(provider.credentials_provider()),
        SharedCredentialsProvider::new(CredentialsProviderChain::first_try("WebIdentity", provider.clone())),
    ]
}

/// Checks that the client signs with each new key of the provider.
async fn signs_with_each_new_key(rig: &Rig, provider: &WebIdentityCredentialsProvider, client: &Client) {
    for _ in 0..2 {
        assert_eq!(caller_arn(client).await, ARN);
        assert_eq!(rig.last_signed_with(), key(provider));
        soon(provider.refresh()).await.unwrap();
    }
    assert_eq!(caller_arn(client).await, ARN);
    assert_eq!(rig.last_signed_with(), key(provider));
}
