//! The whole kit in one call: issuer, STS and a pod's volume.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::{env, process};

use aws_types::SdkConfig;

use super::{MockSts, OidcIssuer, ProjectedVolume, TokenSpec, TrustedRole};
use crate::{Builder, WebIdentityCredentialsProvider};

/// A cluster's issuer, a pod's volume with a valid token, and an STS that trusts the issuer.
///
/// The servers listen on loopback. The volume is a new directory in [`std::env::temp_dir`]. Dropping this value ends the
/// servers and removes the directory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use aws_web_identity::test_util::TestAws;
///
/// let aws = TestAws::start().await;
/// let identity = aws.builder().connect().await?;
/// let client = aws_sdk_sts::Client::new(&identity.install(aws.sdk_config()));
///
/// let caller = client.get_caller_identity().send().await?;
/// assert_eq!(caller.arn(), Some("arn:aws:sts::123456789012:assumed-role/checkout/checkout-0"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TestAws {
    issuer: OidcIssuer,
    sts: MockSts,
    volume: ProjectedVolume,
    _directory: Directory,
}

impl TestAws {
    /// The role of [`start`](Self::start) and of [`builder`](Self::builder).
    pub const ROLE: &str = "arn:aws:iam::123456789012:role/checkout";

    /// Starts an issuer and an STS, and writes a first token.
    ///
    /// The STS has one role, [`ROLE`](Self::ROLE). It trusts the service account `checkout` of the namespace `shop`.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, when loopback has no free port, or when the directory for temporary files is not writable.
    pub async fn start() -> Self {
        let issuer = OidcIssuer::start().await;
        let role = TrustedRole::new(Self::ROLE).subject("system:serviceaccount:shop:checkout");
        let sts = MockSts::builder().issuer(&issuer).role(role).start().await;
        Self::from_parts(issuer, sts)
    }

    /// Makes a volume with a first token for an issuer and an STS that you have started.
    ///
    /// Use this for other roles, or for a second pod of the same cluster.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use aws_web_identity::test_util::{AssumableRole, MockSts, OidcIssuer, TestAws, TrustedRole};
    ///
    /// let lake = "arn:aws:iam::210987654321:role/lake";
    /// let issuer = OidcIssuer::start().await;
    /// let sts = MockSts::builder()
    ///     .issuer(&issuer)
    ///     .role(TrustedRole::new(TestAws::ROLE))
    ///     .assumable_role(AssumableRole::new(lake).principal(TestAws::ROLE))
    ///     .start()
    ///     .await;
    /// let aws = TestAws::from_parts(issuer, sts);
    ///
    /// let identity = aws.builder().connect().await?;
    /// let lake = identity.assume_role(lake).connect().await?;
    /// # assert!(lake.current().is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// When the directory for temporary files is not writable.
    #[expect(clippy::expect_used, reason = "a machine without temporary files cannot run a test of this kind")]
    pub fn from_parts(issuer: OidcIssuer, sts: MockSts) -> Self {
        let directory = Directory::new().expect("the directory for temporary files (TMPDIR) must be writable");
        let volume = ProjectedVolume::new(directory.0.join("serviceaccount")).expect("a volume can be made");
        let aws = Self { issuer, sts, volume, _directory: directory };
        aws.rotate();
        aws
    }

    /// A builder with every setting that a pod's environment would give: role, token file, session name `checkout-0`,
    /// region and STS endpoint. The test's own environment variables have no effect.
    pub fn builder(&self) -> Builder {
        WebIdentityCredentialsProvider::builder()
            .configure(&self.sdk_config())
            .role_arn(Self::ROLE)
            .token_file(self.volume.token_path())
            .session_name("checkout-0")
    }

    /// The SDK configuration for clients of any service: see [`MockSts::sdk_config`].
    pub fn sdk_config(&self) -> SdkConfig {
        self.sts.sdk_config()
    }

    /// Replaces the token in the volume with a new one. The kubelet does so well before the old token expires.
    ///
    /// # Panics
    ///
    /// When the volume is not writable.
    pub fn rotate(&self) {
        self.rotate_to(self.token_spec());
    }

    /// Replaces the token in the volume with a token of your choice: an expired one, or one of another service account.
    ///
    /// # Panics
    ///
    /// When the volume is not writable.
    #[expect(clippy::expect_used, reason = "a test that removed the volume cannot go on")]
    pub fn rotate_to(&self, spec: TokenSpec) {
        self.volume.write(self.issuer.mint(spec)).expect("the volume can be written to");
    }

    /// The token that [`rotate`](Self::rotate) writes: one hour for the service account `checkout` of the namespace `shop`.
    ///
    /// Change it for [`rotate_to`](Self::rotate_to).
    pub fn token_spec(&self) -> TokenSpec {
        TokenSpec::service_account("shop", "checkout")
    }

    /// The cluster's issuer.
    pub fn issuer(&self) -> &OidcIssuer {
        &self.issuer
    }

    /// The STS. It fails on demand, and tells who signed a request.
    pub fn sts(&self) -> &MockSts {
        &self.sts
    }

    /// The pod's volume with the token file.
    pub fn volume(&self) -> &ProjectedVolume {
        &self.volume
    }
}

/// A directory that only this user can enter. It is removed on drop.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> std::io::Result<Self> {
        let path = env::temp_dir().join(format!("aws-web-identity-{}-{:016x}", process::id(), fastrand::u64(..)));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A test may have removed the directory already.
        let _removed = fs::remove_dir_all(&self.0);
    }
}
