//! Hooks into SDK clients: an interceptor that keeps a header, and an identity cache with a hook.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};

/// An interceptor that keeps one header of the last request.
#[derive(Clone, Debug)]
pub(crate) struct LastHeader {
    name: &'static str,
    value: Arc<Mutex<String>>,
}

impl LastHeader {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, value: Arc::default() }
    }

    pub(crate) fn get(&self) -> String {
        self.value.lock().unwrap().clone()
    }

    /// The access key in an `authorization` header.
    pub(crate) fn access_key_id(&self) -> String {
        let header = self.get();
        let (_, credential) = header.split_once("Credential=").expect("a signed request");
        credential.split('/').next().unwrap_or_default().to_owned()
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for LastHeader {
    fn name(&self) -> &'static str {
        "LastHeader"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let value = context.request().headers().get(self.name).unwrap_or_default();
        value.clone_into(&mut self.value.lock().unwrap());
        Ok(())
    }
}

/// An identity cache whose results pass through a function.
pub(crate) struct HookedCache<F> {
    inner: SharedIdentityCache,
    hook: F,
}

impl<F> HookedCache<F>
where
    F: for<'a> Fn(IdentityFuture<'a>) -> IdentityFuture<'a> + Send + Sync + 'static,
{
    pub(crate) fn shared(inner: SharedIdentityCache, hook: F) -> SharedIdentityCache {
        SharedIdentityCache::new(Self { inner, hook })
    }
}

impl<F> fmt::Debug for HookedCache<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookedCache")
    }
}

impl<F> ResolveCachedIdentity for HookedCache<F>
where
    F: for<'a> Fn(IdentityFuture<'a>) -> IdentityFuture<'a> + Send + Sync,
{
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        (self.hook)(self.inner.resolve_cached_identity(resolver, runtime_components, config_bag))
    }
}
