//! Reads with valid credentials (P1, P2, P11) wait for nothing, cost no exchange, and allocate nothing.
//!
//! Real SDK clients send requests to the kit's STS, which verifies the signatures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::identity::{IdentityFuture, ResolveCachedIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::config_bag::ConfigBag;
use aws_web_identity::Phase;
use aws_web_identity::test_util::Fault;
use tokio::task::JoinSet;

use crate::support::sdk_hooks::{HookedCache, LastHeader};
use crate::support::stepped_clock::SteppedClock;
use crate::support::{ARN, Rig, at_once, caller_arn, eventually, key};

const READS: u64 = 1000;

fn allocations(read: impl Fn()) -> u64 {
    read();
    allocation_counter::measure(|| (0..READS).for_each(|_| read())).count_total
}

#[tokio::test]
async fn p11_read_allocates_nothing_of_its_own() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;

    assert_eq!(allocations(|| drop(provider.current().unwrap())), 0, "current()");
    let provided = || drop(at_once(provider.provide_credentials()).unwrap());
    assert_eq!(allocations(provided), 0, "provide_credentials()");

    let cache = provider.identity_cache();
    let resolver = SharedIdentityResolver::new(provider.credentials_provider());
    let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
    let bag = ConfigBag::base();
    let through_the_sdk = || {
        let identity = at_once(cache.resolve_cached_identity(resolver.clone(), &components, &bag));
        assert!(identity.unwrap().expiration().is_some());
    };
    assert!(allocations(through_the_sdk) <= READS, "a read through the SDK's trait may only allocate its boxed future");
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_credentials_cost_no_exchange() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for _ in 0..1000 {
        provider.provide_credentials().await.unwrap();
        provider.credentials_provider().provide_credentials().await.unwrap();
    }
    assert_eq!(rig.exchanges().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p1_requests_never_wait_across_refreshes() {
    let clock = SteppedClock::start();
    let rig = Arc::new(Rig::start().await);
    rig.sts.set_session_length(Duration::from_secs(20));
    let provider = clock.drive(rig.builder()).refresh_window(0.25..=0.40).connect().await.unwrap();
    rig.sts.set_latency(Duration::from_millis(100));
    let config = provider.install(rig.config());
    let sent: Arc<[AtomicUsize; 16]> = Arc::default();
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let (rig, provider, sent) = (Arc::clone(&rig), provider.clone(), Arc::clone(&sent));
        let used = LastHeader::new("authorization");
        let config = Builder::from(&config).retry_config(RetryConfig::disabled()).interceptor(used.clone());
        // `at_once` panics if a request would have to wait for its identity.
        let cache = HookedCache::shared(provider.identity_cache(), |identity| IdentityFuture::ready(at_once(identity)));
        let client = Client::from_conf(config.identity_cache(cache).build());
        tasks.spawn(async move {
            loop {
                let before = key(&provider);
                assert_eq!(caller_arn(&client).await, ARN);
                let used = used.access_key_id();
                if used != before {
                    let keys = rig.exchanges();
                    let place = |key: &str| keys.iter().position(|given| given.as_deref() == Some(key)).unwrap();
                    assert!(place(&used) > place(&before), "a request used an older key");
                }
                sent[number].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let requests = || sent.iter().map(|sent| sent.load(Ordering::Relaxed)).sum::<usize>();
    while provider.status().generation < 5 {
        let before = requests();
        clock.until(|| requests() > before).await;
        assert!(tasks.try_join_next().is_none(), "a request failed");
        clock.advance(Duration::from_millis(100), &[&rig.sts]).await;
    }
    assert!(sent.iter().all(|sent| sent.load(Ordering::Relaxed) > 5), "{sent:?}");
    assert_eq!(rig.sts.most_at_once(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_outage_fails_no_request_while_credentials_are_valid() {
    let rig = Rig::start().await;
    rig.sts.set_session_length(Duration::from_secs(12));
    let provider = rig.builder().refresh_window(0.10..=0.11).connect().await.unwrap();
    let client = Client::new(&provider.install(rig.config()));
    let first = key(&provider);
    rig.sts.set_fault(Fault::ServiceUnavailable);
    eventually(|| provider.status().consecutive_failures >= 1).await;
    assert_eq!((provider.status().phase, key(&provider)), (Phase::Stale, first.clone()));
    assert_eq!(caller_arn(&client).await, ARN);
    rig.sts.set_fault(None);
    eventually(|| provider.status().generation == 2).await;
    assert_eq!(caller_arn(&client).await, ARN);
    assert_ne!(rig.last_signed_with(), first);
    assert_eq!(provider.status().consecutive_failures, 0);
}
