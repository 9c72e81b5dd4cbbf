//! `object_store`: its S3 client asks for a credential at each request, which this adapter makes from the snapshot.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::{CredentialProvider, Result};
use zeroize::Zeroize;

use crate::provider::BackgroundCredentialsProvider;
use crate::refresh::EngineHandle;

impl BackgroundCredentialsProvider {
    /// Returns credentials for `AmazonS3Builder::with_credentials` of `object_store`.
    ///
    /// Each request is signed with the newest credentials, and none waits for a refresh. Without valid credentials the
    /// request fails with `object_store::Error::Generic`, which has our [`Error`](crate::Error) as its source. No
    /// request is sent unsigned. The returned value counts as a handle, and so does each store made with it. Make it
    /// once: all stores that use it share one copy of the credentials.
    ///
    /// ```no_run
    /// # fn example(identity: aws_web_identity::WebIdentityCredentialsProvider) -> object_store::Result<()> {
    /// use object_store::aws::AmazonS3Builder;
    ///
    /// let store = AmazonS3Builder::new()
    ///     .with_region("eu-central-1")
    ///     .with_bucket_name("receipts")
    ///     .with_credentials(identity.object_store_credentials())
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "object_store-0_14")))]
    #[must_use]
    pub fn object_store_credentials(&self) -> AwsCredentialProvider {
        Arc::new(SnapshotCredentials { handle: self.handle().clone(), kept: ArcSwapOption::empty() })
    }
}

struct SnapshotCredentials {
    handle: EngineHandle,
    /// The last credentials in the form of `object_store`, so that a request need not convert them.
    kept: ArcSwapOption<Kept>,
}

impl SnapshotCredentials {
    fn convert(&self, credentials: &Credentials) -> Arc<AwsCredential> {
        if let Some(kept) = self.kept.load().as_ref().filter(|kept| kept.is_of(credentials)) {
            return Arc::clone(&kept.0);
        }
        // Two requests at the same time may both convert. Each uses its own copy.
        let made = Kept::new(credentials);
        let credential = Arc::clone(&made.0);
        self.kept.store(Some(Arc::new(made)));
        credential
    }
}

// The signature is that of `async_trait`, written by hand.
impl CredentialProvider for SnapshotCredentials {
    type Credential = AwsCredential;

    fn get_credential<'life0, 'async_trait>(
        &'life0 self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<AwsCredential>>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        match self.handle.read(|snapshot| Some(snapshot.credentials()), || None) {
            Some(credentials) => Box::pin(ready(Ok(self.convert(&credentials)))),
            None => Box::pin(async {
                let outcome = self.handle.credentials().await;
                let failed = |error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
                Ok(self.convert(&outcome.map_err(failed)?))
            }),
        }
    }
}

impl fmt::Debug for SnapshotCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SnapshotCredentials").field(&self.handle).finish()
    }
}

/// Credentials in the form of `object_store`. The copy is wiped when it is dropped.
struct Kept(Arc<AwsCredential>);

impl Kept {
    fn new(credentials: &Credentials) -> Self {
        Self(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }

    fn is_of(&self, credentials: &Credentials) -> bool {
        self.0.key_id == credentials.access_key_id()
            && self.0.secret_key == credentials.secret_access_key()
            && self.0.token.as_deref() == credentials.session_token()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // A request under way may still hold the credential. Then only that request can drop it.
        if let Some(credential) = Arc::get_mut(&mut self.0) {
            credential.secret_key.zeroize();
            credential.token.zeroize();
        }
    }
}
