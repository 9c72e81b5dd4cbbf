//! An identity cache that notes each wait for credentials.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// A client that waited for credentials or got an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// False after an error, and if the client gave up.
    pub(crate) got_them: bool,
}

/// A cache, with a note of each wait.
#[derive(Debug)]
pub(crate) struct ObservedCache {
    cache: SharedIdentityCache,
    waits: Arc<Mutex<Vec<Wait>>>,
}

impl ObservedCache {
    pub(crate) fn over(cache: SharedIdentityCache, waits: &Arc<Mutex<Vec<Wait>>>) -> SharedIdentityCache {
        SharedIdentityCache::new(Self { cache, waits: Arc::clone(waits) })
    }
}

impl ResolveCachedIdentity for ObservedCache {
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
            let mut wait =
                Waiting { wait: Wait { began, ended: began, got_them: false }, waits: &self.waits, is_one: true };
            let mut looked = false;
            let identity = poll_fn(|context| {
                let polled = resolving.as_mut().poll(context);
                // No wait if the identity was ready at the first poll.
                wait.is_one = looked || polled.is_pending();
                looked = true;
                polled
            })
            .await;
            wait.wait.got_them = identity.is_ok();
            wait.is_one |= identity.is_err();
            identity
        })
    }
}

/// Adds the wait when dropped: the identity has come, or the client has given up.
struct Waiting<'a> {
    wait: Wait,
    waits: &'a Mutex<Vec<Wait>>,
    is_one: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_one {
            self.wait.ended = Instant::now();
            self.waits.lock().unwrap_or_else(PoisonError::into_inner).push(self.wait);
        }
    }
}
