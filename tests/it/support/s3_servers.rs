//! Object storage of other projects, with credentials that it accepts: moto and Ceph.

use std::any::Any;
use std::path::PathBuf;

use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_sts::config::BehaviorVersion;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::MockSts;

use crate::real_sts_servers::Ceph;
use crate::support::{ROLE, Rig, server, soon};

pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Storage {
    pub(crate) endpoint: String,
    pub(crate) bucket: String,
    pub(crate) provider: WebIdentityCredentialsProvider,
    pub(crate) sts_endpoint: String,
    pub(crate) role_arn: String,
    pub(crate) token_file: PathBuf,
    /// The mock that counts the exchanges. `None`: the server verifies tokens itself.
    pub(crate) mock: Option<MockSts>,
    _kept_alive: Box<dyn Any>,
}

impl Storage {
    /// All configured servers, each with a new bucket. A note on stderr names those that are not configured.
    pub(crate) async fn all() -> Vec<Self> {
        [Self::of_moto().await, Self::of_ceph().await].into_iter().flatten().collect()
    }

    /// Moto accepts any credentials, so those of the mock STS, which counts exchanges.
    async fn of_moto() -> Option<Self> {
        let endpoint = server("MOTO_ENDPOINT")?;
        let rig = Rig::start().await;
        let provider = soon(rig.connect()).await;
        let storage = Self {
            bucket: make_bucket(&provider, &endpoint).await,
            endpoint,
            provider,
            sts_endpoint: rig.sts.endpoint_url().to_owned(),
            role_arn: ROLE.to_owned(),
            token_file: rig.volume.token_path(),
            mock: Some(rig.sts.clone()),
            _kept_alive: Box::new(rig),
        };
        Some(storage)
    }

    async fn of_ceph() -> Option<Self> {
        let ceph = Ceph::start().await?;
        let provider = soon(ceph.builder().connect()).await.unwrap();
        let storage = Self {
            bucket: make_bucket(&provider, &ceph.endpoint).await,
            endpoint: ceph.endpoint.clone(),
            provider,
            sts_endpoint: ceph.endpoint.clone(),
            role_arn: ceph.role_arn(),
            token_file: ceph.token_file(),
            mock: None,
            _kept_alive: Box::new(ceph),
        };
        Some(storage)
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        s3(&self.provider, &self.endpoint)
    }
}

async fn make_bucket(provider: &WebIdentityCredentialsProvider, endpoint: &str) -> String {
    let bucket = format!("signers-{:08x}", fastrand::u32(..));
    soon(s3(provider, endpoint).create_bucket().bucket(&bucket).send()).await.unwrap();
    bucket
}

/// The config of a program that sets no endpoints.
pub(crate) fn sdk_config() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .build()
}

pub(crate) fn s3(provider: &WebIdentityCredentialsProvider, endpoint: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&provider.install(sdk_config()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        // Ceph 16 does not know the checksums that the SDK adds by default.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    aws_sdk_s3::Client::from_conf(config.build())
}
