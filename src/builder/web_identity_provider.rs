//! The handle of a web identity: the handle of any provider, and what its builder was told.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use aws_credential_types::provider::{ProvideCredentials, future};

use super::Builder;
use super::settings::Settings;
use crate::provider::{BackgroundCredentialsProvider, Chaining, Engine};
use crate::refresh::Supervisor;
use crate::web_identity::{Config, WebIdentity};

/// Credentials of an IAM role for a Kubernetes service-account token, always ready.
///
/// This is a [`BackgroundCredentialsProvider`] that also has [`builder`](Self::builder) and
/// [`to_builder`](Self::to_builder). All other methods are that type's. This type dereferences to it, since both are handles
/// of one engine: like `&String` for `&str`, a reference to this type serves where one to the general type is asked for.
/// [`From`] gives a general handle of the same engine, for a struct that holds any provider.
///
/// A cheap handle: clones share one slot, one background task and one STS exchange at a time. The task runs on the engine
/// thread. It starts with the first use, in a runtime or not, and ends with the last handle. The config that
/// [`install`](BackgroundCredentialsProvider::install) returns, and each client made from it, counts as a handle.
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
    any: BackgroundCredentialsProvider,
    source: Arc<WebIdentity>,
    told: Arc<Settings>,
}

impl WebIdentityCredentialsProvider {
    /// Starts with everything unset.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts with all that this provider's builder was told, for a second role and the same token: set
    /// [`role_arn`](Builder::role_arn), and whatever else is to differ.
    ///
    /// Each setting can be replaced or cleared, as the builder's methods say. What was not set stays unset: it comes from the
    /// `SdkConfig`, from variables, or from the default, as it did for this provider. A session policy is taken over like the
    /// rest, since to lose it by oversight would widen what a session may do.
    ///
    /// The two share the STS client, and so its connections, unless one of its settings is changed, and the watch on
    /// the token's directory. Slot, schedule and exchanges are each one's own, and so is the end of each: the same
    /// [`cancellation_token`](Builder::cancellation_token) ends both, a
    /// [`shutdown`](BackgroundCredentialsProvider::shutdown) does not.
    ///
    /// ```no_run
    /// # async fn example(orders: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
    /// let billing = orders.to_builder().role_arn("arn:aws:iam::123456789012:role/billing").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_builder(&self) -> Builder {
        Builder { settings: Settings { like: Some(Arc::clone(&self.source)), ..Settings::clone(&self.told) } }
    }

    /// `told`: what led to this source and engine, or to equal ones.
    pub(super) fn of(supervisor: Supervisor, source: Arc<WebIdentity>, engine: Engine, told: Arc<Settings>) -> Self {
        let Config { session, sts, .. } = source.config();
        let chaining = Chaining::with(session.name.clone(), sts.clone(), source.sts());
        let any = BackgroundCredentialsProvider::of(supervisor, engine, Some(Arc::clone(&source)), Ok(chaining));
        Self { any, source, told }
    }

    pub(super) fn source(&self) -> &Arc<WebIdentity> {
        &self.source
    }
}

impl Deref for WebIdentityCredentialsProvider {
    type Target = BackgroundCredentialsProvider;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.any
    }
}

/// Another handle of the same engine; [`status`](BackgroundCredentialsProvider::status) still has the token's claims.
impl From<WebIdentityCredentialsProvider> for BackgroundCredentialsProvider {
    fn from(provider: WebIdentityCredentialsProvider) -> Self {
        provider.any
    }
}

impl ProvideCredentials for WebIdentityCredentialsProvider {
    #[inline]
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.any.provide_credentials()
    }
}

/// As for [`BackgroundCredentialsProvider`].
#[cfg(feature = "reqsign")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqsign")))]
impl reqsign_core::ProvideCredential for WebIdentityCredentialsProvider {
    type Credential = reqsign_aws_v4::Credential;

    async fn provide_credential(
        &self,
        context: &reqsign_core::Context,
    ) -> reqsign_core::Result<Option<Self::Credential>> {
        self.any.provide_credential(context).await
    }
}

impl fmt::Debug for WebIdentityCredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt_as("WebIdentityCredentialsProvider", f)
    }
}
