//! Those who make requests: our providers, each used in another way, and the SDK's.

use std::error::Error;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_web_identity::{BackgroundCredentialsProvider, Status, WebIdentityCredentialsProvider};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::lane::{ATTEMPT, CHAINED_ROLE, Lane, ROLE};
use crate::trouble::Files;

pub(crate) enum Provider {
    Ours(WebIdentityCredentialsProvider),
    Background(BackgroundCredentialsProvider),
    /// What aws-config loads, behind the SDK's identity cache.
    Sdk,
}

pub(crate) struct Party {
    pub(crate) kind: &'static str,
    /// Which of STS's book are its pages.
    pub(crate) session_name: String,
    pub(crate) provider: Provider,
    pub(crate) config: SdkConfig,
    /// Whether its clients have the interceptor.
    pub(crate) hears: bool,
    /// Its clock shows another second than STS's, so that it cannot know when in its last second a session ends.
    pub(crate) has_wrong_clock: bool,
    /// How long before STS hears of it an attempt may begin, from which a session is counted: it waits for a token that is gone,
    /// or for the credentials that it signs with.
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

impl Party {
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self.provider, Provider::Sdk)
    }

    /// One of each kind, the SDK's last. The clock is that of the one whose clock is set again and again.
    pub(crate) async fn all(
        lane: &Lane,
        clock: &Clock,
        files: Files,
    ) -> Result<Vec<Self>, Box<dyn Error + Send + Sync>> {
        let named = |kind: &'static str| (kind, format!("{kind}-{}", lane.number));
        let plain = lane.builder(&named("plain").1).build()?;
        let polling = lane.builder(&named("polling").1).watch_token(false);
        let polling = polling.token_poll_interval(Duration::from_secs(1)).build()?;
        let standby = lane.builder(&named("standby").1).standby_endpoint_url(lane.standby.endpoint_url()).build()?;
        let jumping = lane.builder(&named("jumping").1).time_source(clock.clone()).build()?;
        let chained = plain.assume_role(CHAINED_ROLE).session_name(named("chained").1).build()?;

        let base = lane.home.sdk_config();
        let mut parties = Vec::new();
        for (provider, kind) in [(&plain, "plain"), (&polling, "polling"), (&standby, "standby"), (&jumping, "jumping")]
        {
            let config = provider.install(base.clone());
            parties.push(Self::of(named(kind), Provider::Ours(provider.clone()), config));
        }
        let config = chained.install(base.clone());
        parties.push(Self::of(named("chained"), Provider::Background(chained), config));
        // Theirs believes the clock of this machine, and nobody can wrap that away.
        if lane.clock_offset == 0 {
            let theirs = loaded(lane, &named("wrapped").1).await?.credentials_provider().ok_or("no default chain")?;
            let wrapped = BackgroundCredentialsProvider::builder(theirs).name("aws-config's chain");
            let wrapped = wrapped.wait_timeout(Duration::from_secs(3)).build()?;
            let config = wrapped.install(base);
            parties.push(Self::of(named("wrapped"), Provider::Background(wrapped), config));
        }
        parties.push(Self::of(named("sdk"), Provider::Sdk, loaded(lane, &named("sdk").1).await?));

        for party in &mut parties {
            party.has_wrong_clock |= lane.clock_offset != 0;
            if files != Files::Sound {
                party.head_start = ATTEMPT;
            }
            timeout(Duration::from_secs(60), party.provider.begun()).await?;
        }
        Ok(parties)
    }

    fn of((kind, session_name): (&'static str, String), provider: Provider, config: SdkConfig) -> Self {
        let has_wrong_clock = kind == "jumping";
        let head_start = if kind == "chained" { ATTEMPT } else { Duration::ZERO };
        Self { kind, session_name, provider, config, hears: kind != "polling", has_wrong_clock, head_start }
    }
}

/// What a program in a pod loads, with the variables of the pod in a profile instead.
#[expect(deprecated, reason = "the names that are not would need one dependency more")]
async fn loaded(lane: &Lane, session_name: &str) -> Result<SdkConfig, Box<dyn Error + Send + Sync>> {
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    let profile = lane.directory.path().join(session_name);
    let (token, sts) = (lane.token_path(), lane.home.endpoint_url());
    std::fs::write(
        &profile,
        format!(
            "[default]\nrole_arn = {ROLE}\nrole_session_name = {session_name}\nweb_identity_token_file = {}\n\
             services = mock\n[services mock]\nsts =\n  endpoint_url = {sts}\n",
            token.display(),
        ),
    )?;
    let files = ProfileFiles::builder().with_file(ProfileFileKind::Config, &profile).build();
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::from_static("eu-central-1"));
    Ok(loader.profile_files(files).load().await)
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
