//! The callers: clients of our providers, each with other settings, and clients of the SDK's own provider.

use std::error::Error;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_web_identity::BackgroundCredentialsProvider;
use tokio::time::{sleep, timeout};

use crate::pod_config;
use crate::trouble::{Clock, Files};
use crate::world::{ATTEMPT, CHAINED_ROLE, ROLE, World};

pub(crate) struct Caller {
    pub(crate) kind: &'static str,
    /// Session name, which the record of STS is sorted by.
    pub(crate) session_name: String,
    /// `None`: aws-config's chain, behind the SDK's identity cache.
    pub(crate) provider: Option<BackgroundCredentialsProvider>,
    pub(crate) config: SdkConfig,
    /// True if its clients have the interceptor.
    pub(crate) has_interceptor: bool,
    /// True if its clock and the clock of STS show different seconds. Then it cannot know when in a session's last
    /// second the session ends.
    pub(crate) has_wrong_clock: bool,
    /// The most time between the begin of an attempt, from which a session counts, and its request to STS. The attempt
    /// may wait for a missing token, or for the credentials of the chain's base.
    pub(crate) head_start: Duration,
}

impl Caller {
    pub(crate) fn is_ours(&self) -> bool {
        self.provider.is_some()
    }

    pub(crate) fn current(&self) -> Option<Credentials> {
        self.provider.as_ref()?.current()
    }

    /// Waits for the first credentials. A busy machine may need longer than `wait_timeout`.
    async fn begun(&self) {
        let Some(provider) = &self.provider else { return };
        while provider.provide_credentials().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// One caller of each kind, the SDK's last. `clock` is the clock of `jumping`.
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
            callers.push(Self::of(named(kind), Some(provider.clone().into()), config));
        }
        let config = chained.install(base.clone());
        callers.push(Self::of(named("chained"), Some(chained), config));
        if world.has_wrapped() {
            let theirs = loaded(world, &named("wrapped").1).await?.credentials_provider().ok_or("no default chain")?;
            let wrapped = BackgroundCredentialsProvider::builder(theirs).name("aws-config's chain");
            let wrapped = wrapped.wait_timeout(Duration::from_secs(3)).build()?;
            let config = wrapped.install(base);
            callers.push(Self::of(named("wrapped"), Some(wrapped), config));
        }
        callers.push(Self::of(named("sdk"), None, loaded(world, &named("sdk").1).await?));

        for caller in &mut callers {
            caller.has_wrong_clock |= world.clock_offset != 0;
            if files != Files::Sound {
                caller.head_start = ATTEMPT;
            }
            timeout(Duration::from_secs(60), caller.begun()).await?;
        }
        Ok(callers)
    }

    fn of(
        (kind, session_name): (&'static str, String),
        provider: Option<BackgroundCredentialsProvider>,
        config: SdkConfig,
    ) -> Self {
        let has_wrong_clock = kind == "jumping";
        let head_start = if kind == "chained" { ATTEMPT } else { Duration::ZERO };
        Self { kind, session_name, provider, config, has_interceptor: kind != "polling", has_wrong_clock, head_start }
    }
}

/// The configuration that aws-config loads in the same pod.
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
