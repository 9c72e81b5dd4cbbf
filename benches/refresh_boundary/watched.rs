//! An identity cache that notes who had to wait for it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// From when until when somebody waited for credentials, whether they came or not.
pub(crate) type Wait = (Instant, Instant);

/// Any cache, watched.
#[derive(Debug)]
pub(crate) struct Watched {
    cache: SharedIdentityCache,
    waits: Arc<Mutex<Vec<Wait>>>,
}

impl Watched {
    pub(crate) fn over(cache: SharedIdentityCache, waits: &Arc<Mutex<Vec<Wait>>>) -> SharedIdentityCache {
        SharedIdentityCache::new(Self { cache, waits: Arc::clone(waits) })
    }
}

impl ResolveCachedIdentity for Watched {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let began = Instant::now();
        let resolving = self.cache.resolve_cached_identity(resolver, runtime_components, config_bag);
        IdentityFuture::new(async move {
            let mut resolving = pin!(resolving);
            let mut waiting = None;
            poll_fn(|context| {
                let polled = resolving.as_mut().poll(context);
                if polled.is_pending() && waiting.is_none() {
                    waiting = Some(Waiting { began, waits: &self.waits });
                }
                polled
            })
            .await
        })
    }
}

/// Ends when the identity is there, or the caller has given up.
struct Waiting<'a> {
    began: Instant,
    waits: &'a Mutex<Vec<Wait>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let wait = (self.began, Instant::now());
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).push(wait);
    }
}
