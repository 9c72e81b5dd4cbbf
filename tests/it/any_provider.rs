//! One handle for whatever credentials come from, and chains from each of them.

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::Client;
use aws_web_identity::test_util::{AssumableRole, Call, MockSts, OidcIssuer, TrustedRole};
use aws_web_identity::{BackgroundCredentialsProvider, Registry, WebIdentityCredentialsProvider};

use crate::rig::{ROLE, Rig, eventually, soon, who};

/// Each trusts the one before it, the first one the pod's.
const CHAIN: [&str; 3] = [
    "arn:aws:iam::210987654321:role/first",
    "arn:aws:iam::310987654321:role/second",
    "arn:aws:iam::410987654321:role/third",
];

async fn rig() -> Rig {
    let issuer = OidcIssuer::start().await;
    let mut builder = MockSts::builder().issuer(&issuer).role(TrustedRole::new(ROLE));
    for (role, principal) in CHAIN.into_iter().zip([ROLE].into_iter().chain(CHAIN)) {
        builder = builder.assumable_role(AssumableRole::new(role).principal(principal));
    }
    Rig::with(&issuer, builder.start().await)
}

fn key(provider: &BackgroundCredentialsProvider) -> String {
    provider.current().expect("usable credentials").access_key_id().to_owned()
}

fn assumed(rig: &Rig) -> Vec<Call> {
    rig.sts.calls().into_iter().filter(|call| call.action == "AssumeRole").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_provider_begins_a_chain() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let wrapped = BackgroundCredentialsProvider::builder(identity.clone()).configure(&rig.config()).build().unwrap();
    let config = identity.install(rig.config());
    let theirs = BackgroundCredentialsProvider::builder(config.credentials_provider().unwrap()).configure(&config);
    for base in [identity.clone().into(), wrapped, theirs.build().unwrap()] {
        let before = assumed(&rig).len();
        let first = base.assume_role(CHAIN[0]).session_name("chain-0").build().unwrap();
        let second = first.assume_role(CHAIN[1]).build().unwrap();
        let third = soon(second.assume_role(CHAIN[2]).connect()).await.unwrap();
        let client = Client::new(&third.install(rig.config()));
        for _ in 0..2 {
            let arn = "arn:aws:sts::410987654321:assumed-role/third/chain-0";
            assert_eq!(who(&client).await, arn, "the session's name is handed down");
            assert_eq!(rig.last_signed_with(), key(&third));
            soon(third.refresh()).await.unwrap();
        }
        let calls = assumed(&rig).split_off(before);
        let roles: Vec<_> = calls.iter().filter_map(|call| call.role_arn.as_deref()).collect();
        assert_eq!(roles, [CHAIN[0], CHAIN[1], CHAIN[2], CHAIN[2], CHAIN[2]]);
        let signed: Vec<_> = calls.iter().filter_map(|call| call.signed_with.clone()).collect();
        let (first, second) = (key(&first), key(&second));
        assert_eq!(signed, [key(&base), first, second.clone(), second.clone(), second]);
    }
    assert_eq!(rig.exchanges().len(), 1, "the token was traded once");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_key_in_mid_chain_is_renewed() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let first = soon(identity.assume_role(CHAIN[0]).connect()).await.unwrap();
    let second = first.assume_role(CHAIN[1]).build().unwrap();
    let old = key(&first);
    rig.sts.reject_key(&old, "ExpiredToken");
    soon(second.ready()).await.unwrap();
    assert_ne!(key(&first), old);
    assert_eq!(rig.exchanges().len(), 1, "the pod's own key is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_chain_ends_with_its_last_link() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let mut updates = identity.updates();
    let first = identity.assume_role(CHAIN[0]).build().unwrap();
    let second = soon(first.assume_role(CHAIN[1]).connect()).await.unwrap();
    drop((identity, first));
    soon(second.refresh()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 1);
    drop(second);
    soon(async { while updates.changed().await.is_ok() {} }).await;
}

/// As a program has it that does not care.
struct Service {
    identity: BackgroundCredentialsProvider,
}

fn signer(identity: &BackgroundCredentialsProvider) -> String {
    key(identity)
}

#[tokio::test(flavor = "multi_thread")]
async fn general_handle_is_of_the_same_engine() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let service = Service { identity: identity.clone().into() };
    soon(service.identity.refresh()).await.unwrap();
    assert_eq!(signer(&service.identity), signer(&identity));
    assert_eq!(rig.exchanges().len(), 2);
    let status = service.identity.status();
    assert_eq!(status.generation, 2);
    assert_eq!(status.token.unwrap().subject, identity.status().token.unwrap().subject);
    // The cache of the one knows the other's partition.
    let config = identity.install(rig.config()).into_builder();
    let config = config.credentials_provider(service.identity.credentials_provider()).build();
    let client = Client::new(&config);
    who(&client).await;
    soon(identity.refresh()).await.unwrap();
    who(&client).await;
    assert_eq!(rig.last_signed_with(), signer(&identity));
    drop((identity, client, config));
    soon(service.identity.refresh()).await.unwrap();
    soon(service.identity.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_finds_a_provider_by_its_general_handle() {
    let rig = rig().await;
    let registry = Registry::default();
    let general: BackgroundCredentialsProvider = registry.connect(rig.builder()).await.unwrap().into();
    let again = registry.connect(rig.builder()).await.unwrap();
    assert_eq!(key(&again), key(&general));
    let chained = soon(again.assume_role(CHAIN[0]).connect()).await.unwrap();
    drop((general, again));
    registry.connect(rig.builder()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 1, "the chain keeps it");
    drop(chained);
    eventually(|| registry.build(rig.builder()).unwrap().current().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_handle_is_a_provider_of_the_sdk() {
    fn provider<T>(handle: &T) -> SharedCredentialsProvider
    where
        T: ProvideCredentials + Clone + std::fmt::Debug + 'static,
    {
        SharedCredentialsProvider::new(handle.clone())
    }
    let rig = rig().await;
    let identity: WebIdentityCredentialsProvider = rig.connect().await;
    let general = BackgroundCredentialsProvider::from(identity.clone());
    for provider in [provider(&identity), provider(&general)] {
        assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), key(&identity));
    }
    assert!(
        format!("{identity:?}").starts_with("WebIdentityCredentialsProvider { of: \"arn:aws:iam::"),
        "{identity:?}"
    );
    assert!(format!("{general:?}").starts_with("BackgroundCredentialsProvider { of: \"arn:aws:iam::"), "{general:?}");
}
