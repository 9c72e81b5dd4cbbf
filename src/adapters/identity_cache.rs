//! The SDK's identity cache: it reads the snapshot of the credentials.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    IdentityCachePartition, IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::SdkConfig;

use crate::provider::BackgroundCredentialsProvider;
use crate::refresh::EngineHandle;

impl BackgroundCredentialsProvider {
    /// Returns the config with this provider and its identity cache. Each client made from that config signs its next
    /// request with the newest credentials, and no request waits for a refresh.
    ///
    /// All other identities still use the config's earlier identity cache. Examples are bearer tokens, and the
    /// credentials of a provider that one service's config sets itself. An operation with credentials of its own gets
    /// its own cache from the SDK. With this cache, the user agent tells AWS how the credentials were obtained: `m/k`
    /// for a web identity, `m/i` for a chained role.
    ///
    /// Use one config for each provider of this crate. In the config of one provider, the credentials of another go to
    /// the earlier cache. The SDK's default cache keeps them until seconds before their expiry.
    #[must_use = "only clients of the config that this returns use the provider"]
    pub fn install(&self, config: SdkConfig) -> SdkConfig {
        let others = config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
        let cache = self.cache_before(others);
        config.into_builder().credentials_provider(self.credentials_provider()).identity_cache(cache).build()
    }

    /// Returns the identity cache alone, for the config of one service, to be used with
    /// [`credentials_provider`](Self::credentials_provider). The SDK's default cache serves the identities of other
    /// providers.
    #[must_use]
    pub fn identity_cache(&self) -> SharedIdentityCache {
        self.cache_before(IdentityCache::lazy().build())
    }

    fn cache_before(&self, others: SharedIdentityCache) -> SharedIdentityCache {
        SharedIdentityCache::new(SnapshotCache {
            partition: SharedIdentityResolver::new(self.credentials_provider()).cache_partition(),
            handle: self.handle().clone(),
            others,
        })
    }
}

/// Reads the snapshot for the partition of this provider, and asks the earlier cache for all others.
#[derive(Debug)]
struct SnapshotCache {
    partition: IdentityCachePartition,
    handle: EngineHandle,
    others: SharedIdentityCache,
}

impl ResolveCachedIdentity for SnapshotCache {
    #[inline]
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        if resolver.cache_partition() == self.partition {
            self.handle.read(|snapshot| IdentityFuture::ready(Ok(snapshot.identity())), || self.wait())
        } else {
            self.ask_others(resolver, runtime_components, config_bag)
        }
    }
}

impl SnapshotCache {
    #[cold]
    fn wait(&self) -> IdentityFuture<'_> {
        IdentityFuture::new(async {
            self.handle.identity().await.map_err(|error| CredentialsError::from(error).into())
        })
    }

    /// The identity of another provider, or of this provider in a chain or behind a service's plain `credentials_provider`.
    #[cold]
    fn ask_others<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            // `LazyCache` panics without them, and the SDK's own check for them does not reach it through us.
            if runtime_components.time_source().is_none() || runtime_components.sleep_impl().is_none() {
                return Err(
                    "the client's config has no time source or no sleep implementation, which the identity cache for \
                     other credentials providers needs: set both, or use `install`"
                        .into(),
                );
            }
            let identity = self.others.resolve_cached_identity(resolver, runtime_components, config_bag).await?;
            // That cache keeps an identity until it expires. An access key belongs to one role: if the key is ours, the
            // newest identity replaces it.
            let is_ours = identity.data::<Credentials>().is_some_and(|keys| self.handle.issued(keys.access_key_id()));
            Ok(if is_ours { self.handle.read(|snapshot| snapshot.identity(), || identity) } else { identity })
        })
    }
}
