//! `reqsign`, and with it OpenDAL: its signer asks for a new credential when the one that it keeps expires soon.

use std::time::{SystemTime, UNIX_EPOCH};

use reqsign_aws_v4::Credential;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, ErrorKind as Kind, ProvideCredential, ProvideCredentialChain, Result};

use crate::error::{Error, ErrorKind};
use crate::provider::BackgroundCredentialsProvider;

/// For a `reqsign_core::Signer` of SigV4 requests. In a chain use
/// [`reqsign_chain`](BackgroundCredentialsProvider::reqsign_chain).
///
/// A signer keeps a credential until two minutes before its expiry. The refresh comes long before that. Without valid
/// credentials the signer fails with an error that has our [`Error`] as its source.
#[cfg_attr(docsrs, doc(cfg(feature = "reqsign-core-3")))]
impl ProvideCredential for BackgroundCredentialsProvider {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> Result<Option<Credential>> {
        let handle = self.handle();
        let credentials = match handle.read(|snapshot| Some(snapshot.credentials()), || None) {
            Some(credentials) => credentials,
            None => handle.credentials().await.map_err(failed)?,
        };
        Ok(Some(Credential {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().map(str::to_owned),
            expires_in: credentials.expiry().and_then(timestamp),
        }))
    }
}

impl BackgroundCredentialsProvider {
    /// Returns this provider as a `reqsign` chain, for the `credential_provider_chain` of OpenDAL's S3.
    ///
    /// A `reqsign` chain passes over errors and asks the next provider, for example the node's. This chain ends with
    /// this provider, even if others are pushed: a failure is an error. The signer does not know the reason, and says
    /// "refreshed signing credential expires before the requested operation deadline". `reqsign` logs the reason as a
    /// warning, and [`status`](Self::status) has it. The chain counts as a handle.
    ///
    /// The [recipe](crate::docs::recipes#opendal) makes an OpenDAL store with it.
    #[cfg_attr(docsrs, doc(cfg(feature = "reqsign-core-3")))]
    #[must_use]
    pub fn reqsign_chain(&self) -> ProvideCredentialChain<Credential> {
        ProvideCredentialChain::new().push(self.clone()).push(EndOfChain)
    }
}

/// Ends a chain: it returns a credential that every signer refuses.
#[derive(Debug)]
struct EndOfChain;

impl ProvideCredential for EndOfChain {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> Result<Option<Credential>> {
        Ok(Some(Credential::default()))
    }
}

fn timestamp(at: SystemTime) -> Option<Timestamp> {
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    Timestamp::from_millisecond(i64::try_from(since.as_millis()).ok()?).ok()
}

fn failed(error: Error) -> reqsign_core::Error {
    let kind = match error.kind() {
        ErrorKind::InvalidConfiguration => Kind::ConfigInvalid,
        ErrorKind::RoleDenied => Kind::PermissionDenied,
        ErrorKind::Throttled => Kind::RateLimited,
        ErrorKind::TokenRejected | ErrorKind::TokenUnavailable => Kind::CredentialInvalid,
        _ => Kind::Unexpected,
    };
    reqsign_core::Error::new(kind, "there are no AWS credentials to sign with")
        .set_retryable(error.is_transient())
        .with_source(error)
}
