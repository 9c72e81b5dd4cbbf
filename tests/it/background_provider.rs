//! `BackgroundCredentialsProvider`: any provider behind the engine keeps the promises, and so does each converted handle.
//!
//! A scripted provider stands for somebody else's. The handle of a web identity converts into the same type.

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

use crate::rig::{ARN, CHAINED_ROLE, Rig, at_once, eventually, key, soon, who};

/// A provider of somebody else's, that does as it is told.
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
    /// As aws-config's does of an answer of STS without a secret.
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
async fn a_client_signs_with_what_the_wrapped_provider_gives() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let wrapped = BackgroundCredentialsProvider::builder(identity.clone()).connect().await.unwrap();
    let client = Client::new(&wrapped.install(rig.config()));
    assert_eq!(who(&client).await, ARN);
    assert_eq!(rig.last_signed_with(), key(&wrapped));
    soon(identity.refresh()).await.unwrap();
    soon(wrapped.refresh()).await.unwrap();
    assert_eq!(who(&client).await, ARN);
    assert_eq!(Some(rig.last_signed_with()), identity.current().map(|newest| newest.access_key_id().to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p3_many_callers_cost_one_call_and_none_waits_for_the_next() {
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
    // No time passes for a read, though the call hangs.
    let read = at_once(provider.provide_credentials()).unwrap();
    assert_eq!(read.access_key_id(), "AKIA1");
    assert_eq!(provider.status().phase, Phase::Refreshing);
    refresh.abort();
    theirs.set(|state| assert_eq!(state.most_at_once, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_no_failure_takes_usable_credentials_away() {
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
async fn p4_the_refresh_comes_by_itself_and_early() {
    let theirs = Theirs::new();
    theirs.set(|state| state.lifetime = Some(Duration::from_secs(3)));
    let provider = builder(&theirs).connect().await.unwrap();
    let mut updates = provider.updates();
    while updates.last() < 3 {
        soon(updates.changed()).await.unwrap();
        assert!(provider.current().is_some(), "never a gap");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_its_failure_is_an_error_and_a_chain_stops_there() {
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
async fn p9_what_it_gives_is_printed_nowhere() {
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
async fn p10_the_task_ends_with_the_last_handle() {
    let theirs = Theirs::new();
    let held = Arc::downgrade(&theirs.0);
    let provider = builder(&theirs).connect().await.unwrap();
    drop(theirs);
    let config = provider.install(aws_types::SdkConfig::builder().build());
    drop(provider);
    assert!(held.upgrade().is_some(), "the config is a handle");
    drop(config);
    eventually(|| held.upgrade().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_after_shutdown_what_is_valid_stays_and_nobody_is_asked() {
    let theirs = Theirs::new();
    let provider = builder(&theirs).connect().await.unwrap();
    soon(provider.shutdown()).await;
    assert_eq!((key(&provider), provider.status().phase), ("AKIA1".to_owned(), Phase::Closed));
    assert_eq!(soon(provider.refresh()).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(theirs.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_without_an_expiry_are_usable_for_as_long_as_there_are_no_others() {
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
async fn an_expiry_in_the_year_9999_is_as_good_as_none() {
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
async fn p12_a_provider_of_this_crate_fails_as_what_it_is() {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::AccessDenied);
    let wrapped = BackgroundCredentialsProvider::builder(rig.builder().build().unwrap()).build().unwrap();
    // Without end if it were an outage.
    let error = soon(wrapped.ready()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::RoleDenied, false));
    let cause: &Error = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!((cause.kind(), cause.code()), (ErrorKind::RoleDenied, Some("AccessDenied")));
    assert!(!error.to_string().contains(&cause.to_string()), "it is not repeated: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hands_on_what_it_keeps_is_asked_until_it_gives_new() {
    let theirs = Theirs::new();
    // Near its end when it comes: what remains is what counts.
    theirs.set(|state| state.lifetime = Some(Duration::from_millis(1500)));
    let provider = builder(&theirs).connect().await.unwrap();
    theirs.set(|state| state.lifetime = Some(Duration::from_secs(3600)));
    eventually(|| provider.status().generation == 2).await;
    let left = provider.status().expiry.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(3000), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn general_handle_is_of_the_same_engine() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let general: BackgroundCredentialsProvider = identity.clone().into();
    soon(general.refresh()).await.unwrap();
    assert_eq!(key(&general), key(&identity));
    assert_eq!(rig.exchanges().len(), 2);
    let status = general.status();
    assert_eq!(status.generation, 2);
    assert_eq!(status.token.unwrap().subject, identity.status().token.unwrap().subject);
    // The cache of the one knows the other's partition.
    let config = identity.install(rig.config()).into_builder();
    let config = config.credentials_provider(general.credentials_provider()).build();
    let client = Client::new(&config);
    who(&client).await;
    soon(identity.refresh()).await.unwrap();
    who(&client).await;
    assert_eq!(rig.last_signed_with(), key(&identity));
    drop((identity, client, config));
    soon(general.refresh()).await.unwrap();
    soon(general.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_finds_a_provider_by_its_general_handle() {
    let rig = Rig::start().await;
    let registry = Registry::default();
    let general: BackgroundCredentialsProvider = registry.connect(rig.builder()).await.unwrap().into();
    let again = registry.connect(rig.builder()).await.unwrap();
    assert_eq!(key(&again), key(&general));
    let chained = soon(again.assume_role(CHAINED_ROLE).connect()).await.unwrap();
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
