//! The kinds of reads that are compared. All read the same credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Context, Poll, Waker};

use arc_swap::ArcSwap;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::TestAws;
use tokio::sync::watch;

pub(crate) const FLOOR: &str = "through the SDK's trait/floor: a prebuilt identity, no cell";
pub(crate) const OURS: &str = "through the SDK's trait/ours";
pub(crate) const LAZY: &str = "through the SDK's trait/SDK lazy";
const NO_CACHE: &str = "through the SDK's trait/SDK no_cache";
const ARC_SWAP: &str = "through the SDK's trait/ArcSwap";
const RW_LOCK: &str = "through the SDK's trait/RwLock<Arc>";
const WATCH: &str = "through the SDK's trait/tokio watch";
pub(crate) const CURRENT: &str = "current()";
pub(crate) const PROVIDE: &str = "provide_credentials()";

/// Reads this many times.
pub(crate) type Read = Box<dyn Fn(u32) + Send + Sync>;
/// Writes a new value.
pub(crate) type Write = Box<dyn Fn() + Send + Sync>;

pub(crate) struct Reads {
    pub(crate) all: BTreeMap<&'static str, Read>,
    /// Writers, for those kinds that have one.
    pub(crate) writers: BTreeMap<&'static str, Write>,
    provider: WebIdentityCredentialsProvider,
    _aws: TestAws,
}

impl Reads {
    pub(crate) async fn prepare() -> Self {
        let aws = TestAws::start().await;
        let base = aws.sdk_config();
        let provider = aws.builder().connect().await.unwrap();
        let credentials = provider.current().unwrap();

        let mut all = BTreeMap::new();
        let mut writers: BTreeMap<_, Write> = BTreeMap::new();
        let mut behind_the_trait = |name, cache: SharedIdentityCache, resolver| {
            all.insert(name, through_the_sdk(cache, resolver));
        };

        let installed = provider.install(base);
        let ours = SharedIdentityResolver::new(installed.credentials_provider().unwrap());
        behind_the_trait(OURS, installed.identity_cache().unwrap(), ours.clone());
        let fixed = identity(&credentials);
        behind_the_trait(FLOOR, SharedIdentityCache::new(Cell(move || fixed.clone())), ours.clone());

        let peer = SharedIdentityResolver::new(SharedCredentialsProvider::new(Ready(credentials.clone())));
        behind_the_trait(LAZY, IdentityCache::lazy().build(), peer.clone());
        behind_the_trait(NO_CACHE, IdentityCache::no_cache(), peer);

        let swap = Arc::new(ArcSwap::from_pointee(identity(&credentials)));
        let reader = Arc::clone(&swap);
        let read = move || Identity::clone(&reader.load());
        behind_the_trait(ARC_SWAP, SharedIdentityCache::new(Cell(read)), ours.clone());
        let lock = Arc::new(RwLock::new(Arc::new(identity(&credentials))));
        let reader = Arc::clone(&lock);
        let read = move || {
            let present = Arc::clone(&reader.read().unwrap());
            Identity::clone(&present)
        };
        behind_the_trait(RW_LOCK, SharedIdentityCache::new(Cell(read)), ours.clone());
        let sender = watch::Sender::new(Arc::new(identity(&credentials)));
        let receiver = sender.subscribe();
        let read = move || {
            let present = Arc::clone(&receiver.borrow());
            Identity::clone(&present)
        };
        behind_the_trait(WATCH, SharedIdentityCache::new(Cell(read)), ours);

        let reader = provider.clone();
        all.insert(CURRENT, many(move || reader.current().is_some()));
        let reader = provider.clone();
        all.insert(PROVIDE, many(move || at_once(reader.provide_credentials()).is_ok()));

        let template = credentials.clone();
        writers.insert(ARC_SWAP, Box::new(move || swap.store(Arc::new(identity(&template)))));
        let template = credentials.clone();
        writers.insert(RW_LOCK, Box::new(move || *lock.write().unwrap() = Arc::new(identity(&template))));
        let template = credentials;
        writers.insert(WATCH, Box::new(move || drop(sender.send_replace(Arc::new(identity(&template))))));
        // `invalidate` makes the provider publish again, and causes at most one exchange a second.
        for name in [OURS, CURRENT, PROVIDE] {
            let provider = provider.clone();
            let exchange = Mutex::new(None);
            writers.insert(
                name,
                Box::new(move || {
                    let mut exchange = exchange.lock().unwrap();
                    if exchange.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
                        let provider = provider.clone();
                        *exchange = Some(tokio::spawn(async move { drop(provider.refresh().await) }));
                    }
                    provider.invalidate(&provider.current().unwrap());
                }),
            );
        }
        Self { all, writers, provider, _aws: aws }
    }

    /// Number of refreshes of the provider.
    pub(crate) fn generation(&self) -> u64 {
        self.provider.status().generation
    }

    pub(crate) async fn end(self) {
        self.provider.shutdown().await;
    }
}

/// A copy with its own reference counts.
fn identity(credentials: &Credentials) -> Identity {
    let mut copy = credentials.clone();
    let expiry = copy.expiry();
    *copy.expiry_mut() = expiry;
    copy.into()
}

/// Asks like the SDK's orchestrator: with a clone of the resolver.
fn through_the_sdk(cache: SharedIdentityCache, resolver: SharedIdentityResolver) -> Read {
    let components = components();
    let bag = ConfigBag::base();
    many(move || at_once(cache.resolve_cached_identity(resolver.clone(), &components, &bag)).is_ok())
}

fn many(read: impl Fn() -> bool + Send + Sync + 'static) -> Read {
    Box::new(move |reads| {
        for _ in 0..reads {
            assert!(black_box(read()));
        }
    })
}

/// The value of a future that is ready at once.
#[inline]
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => black_box(value),
        Poll::Pending => panic!("it waited"),
    }
}

fn components() -> RuntimeComponents {
    RuntimeComponentsBuilder::for_tests()
        .with_time_source(Some(SharedTimeSource::new(SystemTimeSource::new())))
        .with_sleep_impl(Some(SharedAsyncSleep::new(TokioSleep::new())))
        .build()
        .unwrap()
}

/// An identity cache around a function that returns an identity.
struct Cell<F>(F);

impl<F> fmt::Debug for Cell<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cell")
    }
}

impl<F: Fn() -> Identity + Send + Sync> ResolveCachedIdentity for Cell<F> {
    fn resolve_cached_identity<'a>(
        &'a self,
        _resolver: SharedIdentityResolver,
        _runtime_components: &'a RuntimeComponents,
        _config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::ready(Ok((self.0)()))
    }
}

/// A provider that makes new credentials at each call.
#[derive(Debug)]
struct Ready(Credentials);

impl ProvideCredentials for Ready {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(self.0.clone()))
    }
}
