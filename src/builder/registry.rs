//! The registry: one provider for all builders of the same session.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::resolve::Parts;
use super::{Builder, WebIdentityCredentialsProvider};
use crate::error::{BuildError, Error};
use crate::locks::lock;
use crate::provider::EngineConfig;
use crate::refresh::WeakEngineHandle;
use crate::sts::{EndpointsKey, Session};
use crate::web_identity::{Config, TokenId, WebIdentity};

/// Shares one provider among all builders of the same session.
///
/// A registry is for programs in which several parts or libraries each build a provider. It shares nothing by itself:
/// keep one registry, in a `static` behind a `LazyLock` or with the program's other state, and build through it. Its
/// clones are the same registry.
///
/// Sessions are the same if role, token file, session name, session length, session policies and STS endpoint are
/// equal. The endpoint includes region, URL, FIPS, dual stack and standbys. A [token source](crate::token_source) is
/// equal only to itself; give the builders clones of one `Arc`. The default session name is the same throughout a
/// process.
///
/// The first builder makes the provider. Its other settings (timeouts, refresh window, HTTP client, time source,
/// runtime, shutdown future, polling) apply, and those of later builders do not. However,
/// [`to_builder`](WebIdentityCredentialsProvider::to_builder) of a handle starts with the settings of the handle's own
/// builder.
///
/// A registry keeps no provider alive. After the last handle, client or config is gone, or after a
/// [`shutdown`](crate::BackgroundCredentialsProvider::shutdown), the next builder makes a new provider. A shutdown ends
/// the provider for all that share it.
///
/// ```no_run
/// use std::sync::LazyLock;
///
/// use aws_web_identity::{Registry, WebIdentityCredentialsProvider};
///
/// static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);
///
/// # async fn example(base: aws_config::SdkConfig) -> Result<(), aws_web_identity::Error> {
/// let builder = || WebIdentityCredentialsProvider::builder().configure(&base);
/// let one = REGISTRY.connect(builder()).await?;
/// let same = REGISTRY.connect(builder()).await?; // no second exchange
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    providers: Arc<Mutex<HashMap<Key, WeakProvider>>>,
}

/// Equal keys are the same session.
type Key = (Session, TokenId, EndpointsKey);

/// Finds a provider again while a handle of it exists somewhere, also in a client or a config.
struct WeakProvider {
    handle: WeakEngineHandle,
    source: Weak<WebIdentity>,
    engine: EngineConfig,
}

impl WeakProvider {
    fn of(provider: &WebIdentityCredentialsProvider) -> Self {
        let (handle, source) = (provider.handle().downgrade(), Arc::downgrade(provider.source()));
        Self { handle, source, engine: provider.engine().clone() }
    }

    /// `None` if the provider is gone or was shut down. The handle gets the settings of its own builder, in `parts`.
    fn upgrade(&self, parts: &Parts) -> Option<WebIdentityCredentialsProvider> {
        let handle = self.handle.upgrade().filter(|handle| !handle.is_closed())?;
        let settings = Arc::clone(&parts.settings);
        Some(WebIdentityCredentialsProvider::of(handle, self.source.upgrade()?, self.engine.clone(), settings, false))
    }
}

impl Registry {
    /// Returns a handle of the provider of this session, or builds one as [`Builder::build`] does.
    ///
    /// # Errors
    /// The errors of [`Builder::build`].
    pub fn build(&self, builder: Builder) -> Result<WebIdentityCredentialsProvider, BuildError> {
        let parts = builder.settings.parts()?;
        let Config { session, token, sts } = &parts.config;
        let key: Key = (session.clone(), token.id(), sts.endpoints_key());
        let mut providers = self.providers();
        if let Some(provider) = providers.get(&key).and_then(|provider| provider.upgrade(&parts)) {
            return Ok(provider);
        }
        providers.retain(|_, provider| provider.source.strong_count() > 0);
        let provider = parts.build();
        providers.insert(key, WeakProvider::of(&provider));
        Ok(provider)
    }

    /// Like [`build`](Self::build), and waits for the first credentials.
    ///
    /// # Errors
    /// The errors of [`Builder::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future drops one handle. Other handles are not affected.
    pub async fn connect(&self, builder: Builder) -> Result<WebIdentityCredentialsProvider, Error> {
        let provider = self.build(builder)?;
        provider.connected().await?;
        Ok(provider)
    }

    fn providers(&self) -> MutexGuard<'_, HashMap<Key, WeakProvider>> {
        lock(&self.providers)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("providers", &self.providers().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_types::region::Region;

    use super::*;
    use crate::environment::Environment;
    use crate::web_identity::token_source::{ProvideToken, Token, future};

    fn builder() -> Builder {
        let builder = WebIdentityCredentialsProvider::builder().role_arn("arn:aws:iam::123456789012:role/app");
        builder.token_file("/run/token").region(Region::from_static("eu-central-1")).session_name("pod-1")
    }

    fn is_same(one: &WebIdentityCredentialsProvider, other: &WebIdentityCredentialsProvider) -> bool {
        Arc::ptr_eq(one.source(), other.source())
    }

    #[test]
    fn same_session_is_one_provider() {
        let registry = Registry::default();
        let one = registry.build(builder()).unwrap();
        let same = builder().wait_timeout(Duration::from_secs(1)).refresh_window(0.2..=0.3).watch_token(false);
        assert!(is_same(&one, &registry.clone().build(same).unwrap()));
        let others = [
            builder().role_arn("arn:aws:iam::123456789012:role/other"),
            builder().token_file("/run/other"),
            builder().session_name("pod-2"),
            builder().session_length(Duration::from_secs(900)),
            builder().policy("{}"),
            builder().policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
            builder().region(Region::from_static("eu-west-1")),
            builder().endpoint_url("https://sts.example.com"),
            builder().standby_region(Region::from_static("eu-west-1")),
        ]
        .map(|builder| registry.build(builder).unwrap());
        for (number, other) in others.iter().enumerate() {
            assert!(!is_same(&one, other), "{number}");
            assert!(others[..number].iter().all(|before| !is_same(before, other)), "{number}");
        }
        assert!(!is_same(&one, &Registry::default().build(builder()).unwrap()), "two registries share no provider");
    }

    #[test]
    fn token_source_equals_only_itself() {
        #[derive(Debug)]
        struct Agent;
        impl ProvideToken for Agent {
            fn provide_token(&self) -> future::ProvideToken<'_> {
                future::ProvideToken::ready(Token::new("token"))
            }
        }
        let registry = Registry::default();
        let asking = || {
            let builder = WebIdentityCredentialsProvider::builder().role_arn("arn:aws:iam::123456789012:role/app");
            builder.token_source(Agent).region(Region::from_static("eu-central-1")).session_name("pod-1")
        };
        let one = registry.build(asking()).unwrap();
        assert!(!is_same(&one, &registry.build(asking()).unwrap()), "an equal type is another source");
        assert!(is_same(&one, &registry.build(one.to_builder()).unwrap()));
    }

    #[test]
    fn shared_token_source_is_one_source() {
        #[derive(Debug)]
        struct Agent(#[expect(dead_code, reason = "gives it a size")] u8);
        impl ProvideToken for Agent {
            fn provide_token(&self) -> future::ProvideToken<'_> {
                future::ProvideToken::ready(Token::new("token"))
            }
        }
        let registry = Registry::default();
        let asking = |source: Arc<dyn ProvideToken>| {
            let builder = WebIdentityCredentialsProvider::builder().role_arn("arn:aws:iam::123456789012:role/app");
            let builder = builder.token_source(source).region(Region::from_static("eu-central-1"));
            registry.build(builder.session_name("pod-1")).unwrap()
        };
        let shared = Arc::new(Agent(0));
        let (one, same) = (asking(shared.clone()), asking(shared.clone()));
        assert!(is_same(&one, &same) && is_same(&one, &asking(Arc::new(shared))));
        assert!(!is_same(&one, &asking(Arc::new(Agent(0)))), "an equal value is another source");
    }

    #[test]
    fn handle_keeps_the_settings_of_its_builder() {
        let registry = Registry::default();
        let one = registry.build(builder().wait_timeout(Duration::from_secs(1))).unwrap();
        let same = registry.build(builder().wait_timeout(Duration::from_secs(2))).unwrap();
        assert!(is_same(&one, &same));
        for (handle, given, in_force) in [(&one, 1, 1), (&same, 2, 1)] {
            let other = handle.to_builder().session_name("pod-2").build().unwrap();
            assert_eq!(other.engine().policy.wait_timeout, Duration::from_secs(given));
            assert_eq!(handle.engine().policy.wait_timeout, Duration::from_secs(in_force));
            // The HTTP client of another builder is not for this one.
            let parts = handle.to_builder().session_name("pod-2").settings.resolve(&Environment::from_fn(|_| None));
            assert_eq!(parts.unwrap().sts.is_some(), given == in_force);
        }
    }

    #[test]
    fn many_providers_warn_of_one_setting_once() {
        let (log, _guard) = crate::sts::testing::Log::capture();
        let registry = Registry::default();
        for _ in 0..10 {
            registry.build(builder().endpoint_url("http://registry.example")).unwrap();
            builder().endpoint_url("http://registry.example").build().unwrap();
        }
        assert_eq!(log.count(&["WARN", "requests to STS use plain http"]), 1, "{}", log.text());
        registry.build(builder().endpoint_url("http://other.registry.example")).unwrap();
        assert_eq!(log.count(&["WARN", "requests to STS use plain http"]), 2, "{}", log.text());
    }

    #[test]
    fn default_session_name_is_the_same_for_all() {
        let registry = Registry::default();
        let builder = || {
            let builder = WebIdentityCredentialsProvider::builder().role_arn("arn:aws:iam::123456789012:role/app");
            builder.token_file("/run/token").region(Region::from_static("eu-central-1"))
        };
        let one = registry.build(builder()).unwrap();
        assert!(is_same(&one, &registry.build(builder()).unwrap()));
    }

    #[tokio::test]
    async fn p10_registry_keeps_nothing_alive() {
        let registry = Registry::default();
        let one = registry.build(builder()).unwrap();
        let mut updates = one.updates();
        // Only the config keeps the provider alive.
        let config = one.install(aws_types::SdkConfig::builder().build());
        let first = Arc::as_ptr(one.source());
        drop(one);
        assert_eq!(Arc::as_ptr(registry.build(builder()).unwrap().source()), first);
        drop(config);
        updates.changed().await.unwrap_err();

        let closed = registry.build(builder()).unwrap();
        closed.shutdown().await;
        let next = registry.build(builder()).unwrap();
        assert!(!is_same(&closed, &next));
        assert_eq!(format!("{registry:?}"), "Registry { providers: 1 }");
    }
}
