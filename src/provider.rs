//! The public handle.

use aws_credential_types::Credentials;
use aws_smithy_async::time::SharedTimeSource;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::refresh::Policy;
use crate::web_identity::Config;

/// Stand-in until the engine exists.
#[derive(Clone, Debug)]
pub struct WebIdentityCredentialsProvider(());

impl WebIdentityCredentialsProvider {
    pub(crate) fn from_parts(_: Config, _: Policy, _: SharedTimeSource, _: Option<&CancellationToken>) -> Self {
        Self(())
    }

    #[expect(clippy::unused_async, reason = "stand-in")]
    pub(crate) async fn first(&self) -> Result<Credentials, Error> {
        Err(Error::closed())
    }
}
