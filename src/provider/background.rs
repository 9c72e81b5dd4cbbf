//! The handle of whatever is not a token's: a wrapped provider, a chained role.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::{ProvideCredentials, future};

use super::handle::{Engine, Handle};
use crate::refresh::{Observer, Source};
use crate::web_identity::TokenClaims;

/// Credentials of any provider, or of a role assumed with another's, always ready.
///
/// As [`WebIdentityCredentialsProvider`](crate::WebIdentityCredentialsProvider), for all else: the SDK's own providers
/// of an instance, of SSO, of a process, or one of your own, made by [`builder`](Self::builder); and what
/// [`assume_role`](crate::WebIdentityCredentialsProvider::assume_role) gives. A cheap handle: clones share one slot,
/// one background task and one call of the provider at a time. The task runs on the engine thread, from the first use to
/// the last handle; a provider that must run elsewhere gets [`runtime`](crate::BackgroundBuilder::runtime).
///
/// ```no_run
/// # async fn example() -> Result<(), aws_web_identity::Error> {
/// use aws_config::BehaviorVersion;
/// use aws_config::imds::credentials::ImdsCredentialsProvider;
/// use aws_web_identity::BackgroundCredentialsProvider;
///
/// let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
/// let node = ImdsCredentialsProvider::builder().build();
/// let identity = BackgroundCredentialsProvider::builder(node).name("node role").connect().await?;
/// let sts = aws_sdk_sts::Client::new(&identity.install(base));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BackgroundCredentialsProvider {
    pub(super) handle: Handle,
}

impl BackgroundCredentialsProvider {
    pub(crate) fn from_parts(source: impl Source, engine: Engine, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { handle: Handle::new(Arc::new(source), engine, observer) }
    }

    /// What it stands on may have one; it has none of its own.
    pub(super) fn token(&self) -> Option<TokenClaims> {
        None
    }
}

impl ProvideCredentials for BackgroundCredentialsProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.handle.provide_credentials()
    }
}

impl fmt::Debug for BackgroundCredentialsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.debug("BackgroundCredentialsProvider", "of", f)
    }
}
