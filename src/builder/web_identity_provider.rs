//! The provider of a web identity: the general provider, and the settings that it was built from.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use aws_credential_types::provider::{ProvideCredentials, future};

use super::{Builder, Settings};
use crate::provider::{BackgroundCredentialsProvider, ChainBase, EngineConfig};
use crate::refresh::EngineHandle;
use crate::web_identity::{Config, WebIdentity};

/// Credentials of an IAM role, obtained with a Kubernetes service-account token and refreshed in the background.
///
/// This type adds [`builder`](Self::builder) and [`to_builder`](Self::to_builder) to [`BackgroundCredentialsProvider`],
/// and dereferences to it: a `&WebIdentityCredentialsProvider` is accepted where a `&BackgroundCredentialsProvider` is
/// expected. [`From`] converts it into the general type, for a struct that holds any provider.
///
/// A provider is a cheap handle. Its clones share one snapshot of the credentials, one background task and one exchange
/// at a time. The task runs on the engine thread. It starts with the first use, inside a runtime or not, and ends with
/// the last handle. The config that [`install`](BackgroundCredentialsProvider::install) returns, and each client made
/// from that config, counts as a handle.
///
/// ```no_run
/// # async fn example() -> Result<(), aws_web_identity::Error> {
/// use aws_config::BehaviorVersion;
/// use aws_web_identity::WebIdentityCredentialsProvider;
///
/// let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
/// let identity = WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
/// let sts = aws_sdk_sts::Client::new(&identity.install(base));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WebIdentityCredentialsProvider {
    background: BackgroundCredentialsProvider,
    source: Arc<WebIdentity>,
    settings: Arc<Settings>,
    /// The source was made from these settings.
    made_source: bool,
}

impl WebIdentityCredentialsProvider {
    /// Returns a builder with nothing set.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns a builder with this provider's settings, for a second role with the same token. Set
    /// [`role_arn`](Builder::role_arn), and whatever else differs.
    ///
    /// Each setting can be replaced. A setting that was not set stays unset. Its value comes from the `SdkConfig`, from a
    /// variable or from the default, as before. The session policies are taken over, too. A session policy that is lost
    /// by oversight would widen what the session may do.
    ///
    /// The two providers share the watch on the token's directory. They also share the STS client, unless you set the
    /// runtime or a setting of the client. Credentials, schedule, exchanges and shutdown are separate: neither a
    /// [`shutdown`](BackgroundCredentialsProvider::shutdown) nor a [`shutdown_when`](Builder::shutdown_when) of one
    /// provider ends the other.
    ///
    /// ```no_run
    /// # async fn example(orders: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
    /// let billing = orders.to_builder().role_arn("arn:aws:iam::123456789012:role/billing").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_builder(&self) -> Builder {
        Builder {
            settings: Settings {
                // Another builder's HTTP client, clock and runtime may differ.
                shares_client_with: self.made_source.then(|| Arc::clone(&self.source)),
                ..Settings::clone(&self.settings)
            },
        }
    }

    /// `settings`: those of this handle's own builder. In a registry, another builder may have made source and engine.
    pub(super) fn of(
        handle: EngineHandle,
        source: Arc<WebIdentity>,
        engine: EngineConfig,
        settings: Arc<Settings>,
        made_source: bool,
    ) -> Self {
        let Config { session, sts, .. } = source.config();
        let chain_base = ChainBase::new(session.name.clone(), sts.clone(), Some(source.sts()));
        let background = BackgroundCredentialsProvider::of(handle, engine, Some(Arc::clone(&source)), Ok(chain_base));
        Self { background, source, settings, made_source }
    }

    pub(super) fn source(&self) -> &Arc<WebIdentity> {
        &self.source
    }
}

impl Deref for WebIdentityCredentialsProvider {
    type Target = BackgroundCredentialsProvider;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.background
    }
}

/// Returns another handle of the same engine. Its [`status`](BackgroundCredentialsProvider::status) still has the
/// claims of the token.
impl From<WebIdentityCredentialsProvider> for BackgroundCredentialsProvider {
    fn from(provider: WebIdentityCredentialsProvider) -> Self {
        provider.background
    }
}

impl ProvideCredentials for WebIdentityCredentialsProvider {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.background.provide_credentials()
    }
}

/// Works as for [`BackgroundCredentialsProvider`].
#[cfg(feature = "reqsign-core-3")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqsign-core-3")))]
impl reqsign_core::ProvideCredential for WebIdentityCredentialsProvider {
    type Credential = reqsign_aws_v4::Credential;

    async fn provide_credential(
        &self,
        context: &reqsign_core::Context,
    ) -> reqsign_core::Result<Option<Self::Credential>> {
        self.background.provide_credential(context).await
    }
}

impl fmt::Debug for WebIdentityCredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.background.fmt_as("WebIdentityCredentialsProvider", f)
    }
}

#[cfg(test)]
#[cfg(feature = "default-https-client")]
mod tests {
    use std::time::Duration;

    use aws_types::SdkConfig;
    use aws_types::region::Region;

    use super::*;
    use crate::environment::Environment;
    use crate::refresh::ExpiredPolicy;
    use crate::web_identity::TokenOrigin;
    use crate::web_identity::token_source::{ProvideToken, Token, future::ProvideToken as Provided};

    const OTHER: &str = "arn:aws:iam::123456789012:role/other";

    fn first() -> Builder {
        WebIdentityCredentialsProvider::builder()
            .role_arn("arn:aws:iam::123456789012:role/app")
            .token_file("/run/token")
            .session_name("pod-1")
            .session_length(Duration::from_secs(7200))
            .policy("{}")
            .policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
            .region(Region::from_static("eu-central-1"))
            .endpoint_url("https://sts.example.com")
            .standby_endpoint_url("https://standby.example.com")
            .refresh_window(0.2..=0.3)
            .attempt_timeout(Duration::from_secs(3))
            .wait_timeout(Duration::from_secs(4))
            .expired_policy(ExpiredPolicy::UntilRejected)
            .token_poll_interval(Duration::from_secs(7))
            .watch_token(false)
    }

    fn of<const N: usize>(variables: [(&str, &str); N]) -> Environment {
        Environment::from_fn(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    /// The config without any variable, and true if it shares a client.
    fn resolved(builder: Builder) -> (String, bool) {
        let parts = builder.settings.resolve(&of([])).unwrap();
        (format!("{:#?} {:#?}", parts.config, parts.engine.policy), parts.sts.is_some())
    }

    #[test]
    fn to_builder_takes_over_every_setting() {
        let provider = first().build().unwrap();
        let (config, shares) = resolved(provider.to_builder());
        assert_eq!(config, resolved(first()).0);
        assert!(shares);
        let (config, shares) = resolved(provider.to_builder().role_arn(OTHER));
        assert_eq!(config, resolved(first().role_arn(OTHER)).0);
        assert!(shares);
    }

    #[test]
    fn client_is_shared_only_with_equal_settings() {
        let provider = first().build().unwrap();
        let builder = || provider.to_builder();
        for (number, different) in [
            builder().region(Region::from_static("eu-west-1")),
            builder().endpoint_url("https://other.example.com"),
            builder().standby_endpoint_url("https://other.example.com"),
            builder().attempt_timeout(Duration::from_secs(5)),
            builder().runtime(None),
            builder().time_source(aws_smithy_async::time::SystemTimeSource::new()),
            builder().configure(&SdkConfig::builder().build()),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(!resolved(different).1, "{number}");
        }
    }

    #[derive(Debug)]
    struct Vault;

    impl ProvideToken for Vault {
        fn provide_token(&self) -> Provided<'_> {
            Provided::ready(Token::new("token"))
        }
    }

    #[test]
    fn later_token_setting_replaces_the_earlier() {
        let origin = |builder: Builder| builder.settings.resolve(&of([])).unwrap().config.token;
        let file = first().build().unwrap();
        let source = file.to_builder().token_source(Vault);
        assert!(matches!(origin(source), TokenOrigin::Source(_)));
        let source = file.to_builder().token_source(Vault).build().unwrap();
        for builder in [source.to_builder(), source.to_builder().role_arn(OTHER).build().unwrap().to_builder()] {
            assert!(matches!(origin(builder), TokenOrigin::Source(_)), "to_builder keeps the source");
        }
        let TokenOrigin::File(file) = origin(source.to_builder().token_file("/run/other")) else {
            panic!("a source still");
        };
        assert_eq!((file.file.to_str(), file.watch), (Some("/run/other"), false), "the settings of files stay");
    }

    #[test]
    fn each_setting_can_be_cleared() {
        let cleared = first().build().unwrap().to_builder();
        let cleared = cleared.set_session_name(None).session_length(None).set_policy(None).policy_arns([""; 0]);
        let cleared = cleared.region(None).set_endpoint_url(None).no_standbys().runtime(None);
        let parts = cleared.settings.resolve(&of([("AWS_REGION", "us-east-2"), ("HOSTNAME", "pod-2")])).unwrap();
        let Config { session, sts, .. } = parts.config;
        assert_eq!((session.name.as_str(), session.length), ("pod-2", None));
        assert_eq!((session.policy, session.policy_arns.len()), (None, 0));
        assert_eq!((sts.home.region.as_ref(), sts.home.endpoint_url, sts.standbys.len()), ("us-east-2", None, 0));
    }

    #[test]
    fn standbys_that_do_not_fit_can_be_cleared() {
        let west = || Region::from_static("eu-west-1");
        let builder = first().set_endpoint_url(None).no_standbys().standby_region(west());
        let provider = builder.build().unwrap();
        let error = provider.to_builder().region(west()).build().unwrap_err();
        assert!(error.remedy().contains("no_standbys() removes the earlier standbys"), "{error}");
        let moved = provider.to_builder().region(west()).no_standbys();
        let moved = moved.standby_region(Region::from_static("eu-central-1")).build().unwrap();
        let sts = &moved.source().config().sts;
        assert_eq!((sts.home.region.as_ref(), sts.standbys[0].region.as_ref()), ("eu-west-1", "eu-central-1"));
    }

    #[test]
    fn unset_setting_stays_unset() {
        let config = |region| SdkConfig::builder().region(Region::from_static(region)).build();
        let bare = WebIdentityCredentialsProvider::builder().role_arn(OTHER).token_file("/run/token");
        let provider = bare.configure(&config("eu-central-1")).build().unwrap();
        let env = of([("AWS_ROLE_SESSION_NAME", "another"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/variable")]);
        let resolved = |builder: Builder| builder.settings.resolve(&env).unwrap().config;
        let again = resolved(provider.to_builder());
        assert_eq!((again.session.name.as_str(), again.sts.home.region.as_ref()), ("another", "eu-central-1"));
        assert!(format!("{:?}", again.token).contains("/run/token"), "the builder set this file");
        let moved = resolved(provider.to_builder().configure(&config("us-east-2")));
        assert_eq!(moved.sts.home.region.as_ref(), "us-east-2");
    }

    #[test]
    fn to_builder_keeps_no_provider_alive() {
        let provider = first().build().unwrap();
        let source = Arc::downgrade(provider.source());
        let other = provider.to_builder().role_arn(OTHER).build().unwrap();
        drop(provider);
        assert_eq!(source.strong_count(), 0);
        drop(other);
    }
}
