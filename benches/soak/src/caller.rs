//! Those who make requests: our providers, each used in another way, and the SDK's.

use std::error::Error;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_web_identity::{BackgroundCredentialsProvider, Status, WebIdentityCredentialsProvider};
use tokio::time::{sleep, timeout};

use crate::pod_config;
use crate::trouble::{Clock, Files};
use crate::world::{ATTEMPT, CHAINED_ROLE, ROLE, World};

pub(crate) enum Provider {
    Ours(WebIdentityCredentialsProvider),
    Background(BackgroundCredentialsProvider),
    /// What aws-config loads, behind the SDK's identity cache.
    Sdk,
}

pub(crate) struct Caller {
    pub(crate) kind: &'static str,
    /// Which of STS's record are its pages.
    pub(crate) session_name: String,
    pub(crate) provider: Provider,
    pub(crate) config: SdkConfig,
    /// Whether its clients have the interceptor.
    pub(crate) has_interceptor: bool,
    /// Its clock shows another second than STS's, so that it cannot know when in its last second a session ends.
    pub(crate) has_wrong_clock: bool,
    /// How long before STS has_interceptor of it an attempt may begin, from which a session is counted: it waits for a
    /// token that is gone, or for the credentials that it signs with.
    pub(crate) head_start: Duration,
}

macro_rules! each {
    ($self:ident, $provider:ident => $does:expr, $otherwise:expr) => {
        match $self {
            Self::Ours($provider) => $does,
            Self::Background($provider) => $does,
            Self::Sdk => $otherwise,
        }
    };
}

impl Provider {
    pub(crate) fn current(&self) -> Option<Credentials> {
        each!(self, provider => provider.current(), None)
    }

    pub(crate) async fn provide(&self) -> Option<Result<Credentials, CredentialsError>> {
        each!(self, provider => Some(provider.provide_credentials().await), None)
    }

    /// Until there are credentials. Trouble comes later; but a busy machine may need longer than a caller waits.
    async fn begun(&self) {
        while let Some(Err(_)) = self.provide().await {
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn status(&self) -> Option<Status> {
        each!(self, provider => Some(provider.status()), None)
    }

    pub(crate) async fn shutdown(&self) {
        each!(self, provider => provider.shutdown().await, ());
    }
}

impl Caller {
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self.provider, Provider::Sdk)
    }

    /// One of each kind, the SDK's last. The clock is that of the one whose clock is set again and again.
    pub(crate) async fn all(
        world: &World,
        clock: &Clock,
        files: Files,
    ) -> Result<Vec<Self>, Box<dyn Error + Send + Sync>> {
        let named = |kind: &'static str| (kind, format!("{kind}-{}", world.number));
        let plain = world.builder(&named("plain").1).build()?;
        let polling = world.builder(&named("polling").1).watch_token(false);
        let polling = polling.token_poll_interval(Duration::from_secs(1)).build()?;
        let standby = world.builder(&named("standby").1).standby_endpoint_url(world.standby.endpoint_url()).build()?;
        let jumping = world.builder(&named("jumping").1).time_source(clock.clone()).build()?;
        let chained = plain.assume_role(CHAINED_ROLE).session_name(named("chained").1).build()?;

        let base = world.home.sdk_config();
        let mut callers = Vec::new();
        for (provider, kind) in [(&plain, "plain"), (&polling, "polling"), (&standby, "standby"), (&jumping, "jumping")]
        {
            let config = provider.install(base.clone());
            callers.push(Self::of(named(kind), Provider::Ours(provider.clone()), config));
        }
        let config = chained.install(base.clone());
        callers.push(Self::of(named("chained"), Provider::Background(chained), config));
        // Theirs believes the clock of this machine, and nobody can wrap that away.
        if world.clock_offset == 0 {
            let theirs = loaded(world, &named("wrapped").1).await?.credentials_provider().ok_or("no default chain")?;
            let wrapped = BackgroundCredentialsProvider::builder(theirs).name("aws-config's chain");
            let wrapped = wrapped.wait_timeout(Duration::from_secs(3)).build()?;
            let config = wrapped.install(base);
            callers.push(Self::of(named("wrapped"), Provider::Background(wrapped), config));
        }
        callers.push(Self::of(named("sdk"), Provider::Sdk, loaded(world, &named("sdk").1).await?));

        for caller in &mut callers {
            caller.has_wrong_clock |= world.clock_offset != 0;
            if files != Files::Sound {
                caller.head_start = ATTEMPT;
            }
            timeout(Duration::from_secs(60), caller.provider.begun()).await?;
        }
        Ok(callers)
    }

    fn of((kind, session_name): (&'static str, String), provider: Provider, config: SdkConfig) -> Self {
        let has_wrong_clock = kind == "jumping";
        let head_start = if kind == "chained" { ATTEMPT } else { Duration::ZERO };
        Self { kind, session_name, provider, config, has_interceptor: kind != "polling", has_wrong_clock, head_start }
    }
}

/// What aws-config loads in the same pod.
async fn loaded(world: &World, session_name: &str) -> std::io::Result<SdkConfig> {
    pod_config::load(pod_config::Pod {
        profile: &world.directory.path().join(session_name),
        role_arn: ROLE,
        session_name,
        token_file: &world.token_path(),
        sts: world.home.endpoint_url(),
    })
    .await
}

/// For the one line that a service's client needs to tell us of rejections.
pub(crate) fn interceptor(
    provider: &Provider,
) -> Option<aws_smithy_runtime_api::client::interceptors::SharedInterceptor> {
    match provider {
        Provider::Ours(provider) => Some(provider.interceptor()),
        Provider::Background(provider) => Some(provider.interceptor()),
        Provider::Sdk => None,
    }
}
