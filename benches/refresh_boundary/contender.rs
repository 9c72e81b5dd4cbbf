//! The contenders. Each has its own STS and its own clients.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::{OidcIssuer, ProjectedVolume, TokenSpec};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::cache_waits::{ObservedCache, Wait};
use crate::pod_config;
use crate::scenario::{Clients, Scenario};
use crate::service;
use crate::sts::{ROLE, Sts};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    Ours,
    /// aws-config's default chain, behind the SDK's default identity cache.
    Sdk,
    /// Keys that never change. They show what the machine itself does to latency.
    FixedKeys,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Sdk, Self::FixedKeys];
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Sdk => "sdk",
            Self::FixedKeys => "fixed_keys",
        })
    }
}

/// A contender before its first credentials.
pub(crate) struct Pod {
    pub(crate) who: Who,
    scenario: &'static Scenario,
    pub(crate) sts: Sts,
    /// URL of the service that the clients call.
    service: String,
    token: PathBuf,
    configs: Vec<SdkConfig>,
    directory: TempDir,
}

impl Pod {
    /// STS and the service run on `servers`.
    pub(crate) async fn start(
        who: Who,
        scenario: &'static Scenario,
        issuer: &OidcIssuer,
        servers: &Handle,
    ) -> Result<Self, Failure> {
        let trusted = issuer.clone();
        let sts = servers.spawn(async move { Sts::start(&trusted, scenario).await }).await?;
        let issued_by = (who != Who::FixedKeys).then(|| sts.clone());
        let service = servers.spawn(service::serve(issued_by)).await??;
        let directory = tempfile::tempdir()?;
        let volume = ProjectedVolume::new(directory.path().join("serviceaccount"))?;
        volume.write(issuer.mint(TokenSpec::service_account("shop", "checkout")))?;
        let token = volume.token_path();
        let pod = pod_config::Pod {
            profile: &directory.path().join("config"),
            role_arn: ROLE,
            session_name: "bench",
            token_file: &token,
            sts: sts.mock.endpoint_url(),
        };
        let mut configs = vec![pod_config::load(pod).await?];
        if scenario.clients == Clients::FiveOfFiveConfigs {
            for _ in 1..5 {
                configs.push(pod_config::load(pod).await?);
            }
        }
        Ok(Self { who, scenario, sts, service, token, configs, directory })
    }

    /// Gets the first credentials and sends a first request.
    pub(crate) async fn connect(self) -> Result<Contender, Failure> {
        let Self { who, scenario, sts, service, token, mut configs, directory } = self;
        let began = Instant::now();
        let mut first_credentials = Duration::ZERO;
        match who {
            Who::Sdk => {}
            Who::Ours => {
                let builder = WebIdentityCredentialsProvider::builder().configure(&configs[0]);
                let provider = builder.role_arn(ROLE).token_file(token).session_name("bench").connect().await?;
                first_credentials = began.elapsed();
                configs = configs.into_iter().map(|config| provider.install(config)).collect();
            }
            Who::FixedKeys => {
                let keys = SharedCredentialsProvider::new(Credentials::new("FIXED", "secret", None, None, "bench"));
                let with = |config: SdkConfig| config.into_builder().credentials_provider(keys.clone()).build();
                configs = configs.into_iter().map(with).collect();
            }
        }

        let waits = Arc::default();
        for config in &mut configs {
            let cache = config.identity_cache().ok_or("a loaded config has an identity cache")?;
            *config = config.to_builder().identity_cache(ObservedCache::over(cache, &waits)).build();
            // This request makes the SDK get its first credentials.
            client(config, &service, None).get_caller_identity().send().await?;
        }
        if who == Who::Sdk {
            let waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
            first_credentials = waits.first().map_or(Duration::ZERO, |wait: &Wait| wait.ended - wait.began);
        }
        let count = if scenario.clients == Clients::One { 1 } else { 5 };
        let clients = configs.iter().cycle().take(count);
        let clients = clients.map(|config| client(config, &service, scenario.request_timeout)).collect();
        Ok(Contender { who, clients, sts, waits, first_credentials, _directory: directory })
    }
}

/// A contender with its first credentials.
pub(crate) struct Contender {
    pub(crate) who: Who,
    pub(crate) clients: Vec<Client>,
    pub(crate) sts: Sts,
    pub(crate) waits: Arc<Mutex<Vec<Wait>>>,
    /// How long the first credentials took. Fixed keys take no time.
    pub(crate) first_credentials: Duration,
    _directory: TempDir,
}

fn client(config: &SdkConfig, service: &str, timeout: Option<Duration>) -> Client {
    let mut config = aws_sdk_sts::config::Builder::from(config).endpoint_url(service);
    if let Some(timeout) = timeout {
        config = config.timeout_config(TimeoutConfig::builder().operation_timeout(timeout).build());
    }
    Client::from_conf(config.build())
}
