//! The SDK's identity cache, answered from the slot.

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
use crate::refresh::Supervisor;

impl BackgroundCredentialsProvider {
    /// The config with this provider and its identity cache: each client made from it uses new credentials at its next
    /// request, and none waits for them.
    ///
    /// The identity cache that the config had is kept for identities that are not this provider's: bearer tokens, a
    /// credentials provider of your own on one service's config. (An operation that is given credentials of its own gets a
    /// cache of its own from the SDK.) The user agent tells AWS how these credentials were obtained: `m/k` for a web
    /// identity, `m/i` for a chained role. Without this cache it does not. Another provider of this crate behind this
    /// one's cache works, but its keys are pinned as the SDK pins them: `install` each on a config of its own.
    #[must_use = "only clients of the config that this returns use the provider"]
    pub fn install(&self, config: SdkConfig) -> SdkConfig {
        let others = config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
        let cache = self.cache_before(others);
        config.into_builder().credentials_provider(self.credentials_provider()).identity_cache(cache).build()
    }

    /// The identity cache alone, for one service's config, beside
    /// [`credentials_provider`](Self::credentials_provider). Identities that are not this provider's go through the SDK's
    /// default cache.
    #[must_use]
    pub fn identity_cache(&self) -> SharedIdentityCache {
        self.cache_before(IdentityCache::lazy().build())
    }

    fn cache_before(&self, others: SharedIdentityCache) -> SharedIdentityCache {
        SharedIdentityCache::new(SnapshotCache {
            partition: SharedIdentityResolver::new(self.credentials_provider()).cache_partition(),
            supervisor: self.supervisor().clone(),
            others,
        })
    }
}

/// Answers for our own partition from the slot, and for others by way of the cache that was there before.
#[derive(Debug)]
struct SnapshotCache {
    partition: IdentityCachePartition,
    supervisor: Supervisor,
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
            self.supervisor.read(|snapshot| IdentityFuture::ready(Ok(snapshot.identity())), || self.wait())
        } else {
            self.ask_others(resolver, runtime_components, config_bag)
        }
    }
}

impl SnapshotCache {
    #[cold]
    fn wait(&self) -> IdentityFuture<'_> {
        IdentityFuture::new(async {
            self.supervisor.identity().await.map_err(|error| CredentialsError::from(error).into())
        })
    }

    /// The identity of another provider, or of this one behind a chain or a plain setter.
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
            let is_ours =
                identity.data::<Credentials>().is_some_and(|keys| self.supervisor.issued(keys.access_key_id()));
            Ok(if is_ours { self.supervisor.read(|snapshot| snapshot.identity(), || identity) } else { identity })
        })
    }
}
