//! `BackgroundCredentialsProvider` keeps the promises around any provider.
//!
//! A scripted provider stands for that of another project. `WebIdentityCredentialsProvider` converts into the same
//! type.

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::meta::credentials::CredentialsProviderChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::Client;
use aws_web_identity::test_util::Fault;
use aws_web_identity::{
    BackgroundBuilder, BackgroundCredentialsProvider, Error, ErrorKind, Phase, Registry, WebIdentityCredentialsProvider,
};
use tokio::task::JoinSet;

use crate::support::{ARN, CHAINED_ROLE, Rig, at_once, caller_arn, eventually, key, soon};

/// A provider that follows a script.
#[derive(Clone, Debug)]
struct Theirs(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    _signs_in_with: &'static str,
    does: Does,
    asked: usize,
    at_once: usize,
    most_at_once: usize,
    latency: Duration,
    lifetime: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Does {
    Give,
    Fail,
    LackConfiguration,
    Hang,
    Panic,
    /// Credentials without a secret: `aws-config` makes them of an incomplete answer.
    GiveHalf,
    GiveExpired,
}

impl Theirs {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            _signs_in_with: "password-canary",
            does: Does::Give,
            asked: 0,
            at_once: 0,
            most_at_once: 0,
            latency: Duration::ZERO,
            lifetime: Some(Duration::from_secs(3600)),
        })))
    }

    fn set<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn asked(&self) -> usize {
        self.set(|state| state.asked)
    }

    async fn give(&self) -> Result<Credentials, CredentialsError> {
        struct Leaves<'a>(&'a Theirs);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.set(|state| state.at_once -= 1);
            }
        }
        let (does, latency, number, lifetime) = self.set(|state| {
            state.asked += 1;
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            (state.does, state.latency, state.asked, state.lifetime)
        });
        let _leaves = Leaves(self);
        tokio::time::sleep(latency).await;
        match does {
            Does::Give => {
                let expiry = lifetime.map(|lifetime| SystemTime::now() + lifetime);
                let (key, token) = (format!("AKIA{number}"), Some("session-canary".to_owned()));
                Ok(Credentials::new(key, "secret-canary", token, expiry, "Theirs"))
            }
            Does::Fail => Err(CredentialsError::provider_error("their service is away")),
            Does::LackConfiguration => Err(CredentialsError::not_loaded("no profile")),
            Does::Hang => std::future::pending().await,
            Does::Panic => panic!("a bug in their provider"),
            Does::GiveHalf => Ok(Credentials::new("HALF", "", None, None, "Theirs")),
            Does::GiveExpired => {
                Ok(Credentials::new("OLD", "secret-canary", None, Some(SystemTime::UNIX_EPOCH), "Theirs"))
            }
        }
    }
}

impl ProvideCredentials for Theirs {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.give())
    }
}

fn builder(theirs: &Theirs) -> BackgroundBuilder {
    BackgroundCredentialsProvider::builder(theirs.clone()).name("their provider")
}

#[tokio::test(flavor = "multi_thread")]
async fn client_signs_with_credentials_of_the_wrapped_provider() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let wrapped = BackgroundCredentialsProvider::builder(identity.clone()).connect().await.unwrap();
    let client = Client::new(&wrapped.install(rig.config()));
    assert_eq!(caller_arn(&client).await, ARN);
    assert_eq!(rig.last_signed_with(), key(&wrapped));
    soon(identity.refresh()).await.unwrap();
    soon(wrapped.refresh()).await.unwrap();
    assert_eq!(caller_arn(&client).await, ARN);
    assert_eq!(Some(rig.last_signed_with()), identity.current().map(|newest| newest.access_key_id().to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p3_callers_share_one_call_and_wait_once() {
    let theirs = Theirs::new();
    theirs.set(|state| state.latency = Duration::from_millis(100));
    let provider = builder(&theirs).build().unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..40 {
        let provider = provider.clone();
        callers.spawn(async move { provider.provide_credentials().await.unwrap().access_key_id().to_owned() });
    }
    assert!(soon(callers.join_all()).await.iter().all(|key| key == "AKIA1"));

    theirs.set(|state| state.does = Does::Hang);
    let refresh = tokio::spawn({
        let provider = provider.clone();
        async move { provider.refresh().await }
    });
    eventually(|| theirs.asked() == 2).await;
    // The read is ready at its first poll although the call hangs.
    let read = at_once(provider.provide_credentials()).unwrap();
    assert_eq!(read.access_key_id(), "AKIA1");
    assert_eq!(provider.status().phase, Phase::Refreshing);
    refresh.abort();
    theirs.set(|state| assert_eq!(state.most_at_once, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_failed_refresh_keeps_valid_credentials() {
    let theirs = Theirs::new();
    for (does, kind) in [
        (Does::Fail, ErrorKind::ServiceUnavailable),
        (Does::LackConfiguration, ErrorKind::InvalidConfiguration),
        (Does::Hang, ErrorKind::TimedOut),
        (Does::Panic, ErrorKind::Unexpected),
        (Does::GiveHalf, ErrorKind::Unexpected),
        (Does::GiveExpired, ErrorKind::Unexpected),
    ] {
        theirs.set(|state| state.does = Does::Give);
        let provider = builder(&theirs).attempt_timeout(Duration::from_millis(50)).connect().await.unwrap();
        let kept = key(&provider);
        theirs.set(|state| state.does = does);
        assert_eq!(soon(provider.refresh()).await.unwrap_err().kind(), kind);
        assert_eq!((key(&provider), provider.status().phase), (kept, Phase::Stale), "{does:?}");
        theirs.set(|state| state.does = Does::Give);
        soon(provider.refresh()).await.unwrap();
        assert_eq!(provider.status().phase, Phase::Fresh);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_refresh_comes_before_expiry() {
    let theirs = Theirs::new();
    theirs.set(|state| state.lifetime = Some(Duration::from_secs(3)));
    let provider = builder(&theirs).connect().await.unwrap();
    let mut updates = provider.updates();
    while updates.last() < 3 {
        soon(updates.changed()).await.unwrap();
        assert!(provider.current().is_some(), "there must always be valid credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_failing_wrapped_provider_stops_the_chain() {
    let theirs = Theirs::new();
    for (does, at_least) in [(Does::LackConfiguration, 1), (Does::Fail, 2)] {
        theirs.set(|state| (state.does, state.asked) = (does, 0));
        let provider = builder(&theirs).wait_timeout(Duration::from_millis(800)).build().unwrap();
        let node = Credentials::new("NODE", "secret", None, None, "node");
        let chain = CredentialsProviderChain::first_try("Background", provider).or_else("Node", node);
        let error = soon(chain.provide_credentials()).await.unwrap_err();
        let ours: &Error = error.source().unwrap().downcast_ref().unwrap();
        assert!(ours.to_string().contains("their provider"), "{ours}");
        assert!(theirs.asked() >= at_least);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_secrets_of_the_wrapped_provider_stay_hidden() {
    let theirs = Theirs::new();
    let provider = builder(&theirs).connect().await.unwrap();
    theirs.set(|state| state.does = Does::Fail);
    let error = soon(provider.refresh()).await.unwrap_err();
    let said = format!("{provider:?} {:?} {error:?} {error} {:?}", provider.status(), provider.identity_cache());
    let said = format!("{said} {:?}", builder(&theirs));
    assert!(said.contains("their provider") && said.contains("their service is away"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_wrapped_provider_is_dropped_with_last_handle() {
    let theirs = Theirs::new();
    let held = Arc::downgrade(&theirs.0);
    let provider = builder(&theirs).connect().await.unwrap();
    drop(theirs);
    let config = provider.install(aws_types::SdkConfig::builder().build());
    drop(provider);
    assert!(held.upgrade().is_some(), "a config must keep the provider alive");
    drop(config);
    eventually(|| held.upgrade().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_shutdown_keeps_valid_credentials_and_asks_nobody() {
    let theirs = Theirs::new();
    let provider = builder(&theirs).connect().await.unwrap();
    soon(provider.shutdown()).await;
    assert_eq!((key(&provider), provider.status().phase), ("AKIA1".to_owned(), Phase::Closed));
    assert_eq!(soon(provider.refresh()).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(theirs.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_without_expiry_stay_valid() {
    let theirs = Theirs::new();
    theirs.set(|state| state.lifetime = None);
    let provider = builder(&theirs).connect().await.unwrap();
    assert_eq!(key(&provider), "AKIA1");
    let day = Duration::from_secs(86_400);
    assert!(provider.status().next_attempt.unwrap() > SystemTime::now() + day);
    soon(provider.valid_for(365 * day)).await.unwrap();
    theirs.set(|state| state.does = Does::Fail);
    soon(provider.refresh()).await.unwrap_err();
    assert_eq!(key(&provider), "AKIA1");
}

#[tokio::test(flavor = "multi_thread")]
async fn expiring_credentials_replace_endless_ones() {
    let theirs = Theirs::new();
    theirs.set(|state| state.lifetime = None);
    let provider = builder(&theirs).connect().await.unwrap();
    theirs.set(|state| state.lifetime = Some(Duration::from_secs(3600)));
    soon(provider.refresh()).await.unwrap();
    assert_eq!(key(&provider), "AKIA2");
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    assert!(provider.status().next_attempt.unwrap() < in_an_hour);
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_in_year_9999_is_accepted() {
    let theirs = Theirs::new();
    theirs.set(|state| state.lifetime = Some(Duration::from_secs(250_000_000_000)));
    let provider = builder(&theirs).connect().await.unwrap();
    let years = Duration::from_secs(9 * 365 * 86_400);
    assert!(provider.current().unwrap().expiry().unwrap() > SystemTime::now() + years);
    theirs.set(|state| state.does = Does::Fail);
    soon(provider.refresh()).await.unwrap_err();
    assert_eq!(key(&provider), "AKIA1");
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_wrapped_web_identity_error_keeps_its_kind() {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::AccessDenied);
    let wrapped = BackgroundCredentialsProvider::builder(rig.builder().build().unwrap()).build().unwrap();
    // `ready` waits without end for an outage, so this error was recognised as permanent.
    let error = soon(wrapped.ready()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::RoleDenied, false));
    let cause: &Error = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!((cause.kind(), cause.code()), (ErrorKind::RoleDenied, Some("AccessDenied")));
    assert!(!error.to_string().contains(&cause.to_string()), "an error must not repeat its source: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapped_cache_is_asked_until_credentials_are_new() {
    let theirs = Theirs::new();
    // The first credentials are about to expire: their remaining time counts, not their lifetime.
    theirs.set(|state| state.lifetime = Some(Duration::from_millis(1500)));
    let provider = builder(&theirs).connect().await.unwrap();
    theirs.set(|state| state.lifetime = Some(Duration::from_secs(3600)));
    eventually(|| provider.status().generation == 2).await;
    let left = provider.status().expiry.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(3000), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn converted_handle_shares_credentials_and_cache() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let general: BackgroundCredentialsProvider = identity.clone().into();
    soon(general.refresh()).await.unwrap();
    assert_eq!(key(&general), key(&identity));
    assert_eq!(rig.exchanges().len(), 2);
    let status = general.status();
    assert_eq!(status.generation, 2);
    assert_eq!(status.token.unwrap().subject, identity.status().token.unwrap().subject);
    // The identity cache of one handle serves the credentials provider of the other.
    let config = identity.install(rig.config()).into_builder();
    let config = config.credentials_provider(general.credentials_provider()).build();
    let client = Client::new(&config);
    caller_arn(&client).await;
    soon(identity.refresh()).await.unwrap();
    caller_arn(&client).await;
    assert_eq!(rig.last_signed_with(), key(&identity));
    drop((identity, client, config));
    soon(general.refresh()).await.unwrap();
    soon(general.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_finds_provider_held_by_converted_handle() {
    let rig = Rig::start().await;
    let registry = Registry::default();
    let general: BackgroundCredentialsProvider = registry.connect(rig.builder()).await.unwrap().into();
    let again = registry.connect(rig.builder()).await.unwrap();
    assert_eq!(key(&again), key(&general));
    let chained = soon(again.assume_role(CHAINED_ROLE).connect()).await.unwrap();
    drop((general, again));
    registry.connect(rig.builder()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 1, "the chained role must keep the provider alive");
    drop(chained);
    eventually(|| registry.build(rig.builder()).unwrap().current().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_handles_are_sdk_credentials_providers() {
    fn provider<T>(handle: &T) -> SharedCredentialsProvider
    where
        T: ProvideCredentials + Clone + std::fmt::Debug + 'static,
    {
        SharedCredentialsProvider::new(handle.clone())
    }
    let rig = Rig::start().await;
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
