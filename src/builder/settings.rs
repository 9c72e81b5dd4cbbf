//! From what was given, by whom, to what is valid: precedence and defaults.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use aws_types::service_config::ServiceConfigKey;
use tokio_util::sync::CancellationToken;

use super::arn::{RoleArn, policy_arns};
use super::endpoint::{self, Endpoint, RawUrl};
use super::parse;
use crate::environment::{self, Environment, Given};
use crate::error::BuildError;
use crate::refresh::{self, ExpiredPolicy};
use crate::web_identity::{Config, StsConfig, TokenConfig};

/// What the builder was told. Nothing here is known to be valid.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) shared: Option<Shared>,
    pub(super) role_arn: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) session_name: Option<String>,
    pub(super) session_length: Option<Duration>,
    pub(super) policy: Option<String>,
    pub(super) policy_arns: Vec<String>,
    pub(super) region: Option<Region>,
    pub(super) endpoint_url: Option<RawUrl>,
    pub(super) refresh_window: Option<RangeInclusive<f64>>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) wait_timeout: Option<Duration>,
    pub(super) expired_policy: Option<ExpiredPolicy>,
    pub(super) token_poll_interval: Option<Duration>,
    pub(super) watch_token: Option<bool>,
    pub(super) cancellation_token: Option<CancellationToken>,
    pub(super) time_source: Option<SharedTimeSource>,
}

/// All that we take from an `SdkConfig`. Never its `endpoint_url`: that is an object store's as often as not, and a token
/// is not for it.
#[derive(Debug)]
pub(super) struct Shared {
    region: Option<Region>,
    sts_endpoint_url: Option<RawUrl>,
    use_fips: Option<bool>,
    use_dual_stack: Option<bool>,
    http_client: Option<SharedHttpClient>,
    time_source: Option<SharedTimeSource>,
    app_name: Option<AppName>,
}

impl From<&SdkConfig> for Shared {
    fn from(config: &SdkConfig) -> Self {
        Self {
            region: config.region().cloned(),
            sts_endpoint_url: configured_endpoint(config).map(RawUrl),
            use_fips: config.use_fips(),
            use_dual_stack: config.use_dual_stack(),
            http_client: config.http_client(),
            time_source: config.time_source(),
            app_name: config.app_name().cloned(),
        }
    }
}

/// Asks with the key that the SDK's own STS client asks with. An empty answer is none, as an empty variable is.
fn configured_endpoint(config: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("STS").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    config.service_config()?.load_config(key).filter(|url| !url.is_empty())
}

/// What a provider is made of. Valid.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) policy: refresh::Policy,
    pub(super) time_source: SharedTimeSource,
    pub(super) parent: Option<CancellationToken>,
}

impl Settings {
    /// What the builder was told wins over the `SdkConfig`, and that over the environment.
    pub(super) fn resolve(self, env: &Environment) -> Result<Parts, BuildError> {
        let (role_arn, token_file) = who(self.role_arn, self.token_file, env)?;
        let token_file = parse::token_file(token_file)?;
        let endpoint = sts_endpoint(self.endpoint_url, self.shared.as_ref(), env)?;
        let at_aws = endpoint.is_none();
        let role = RoleArn::parse(&role_arn, at_aws)?;
        let region = parse::region(region(self.region, self.shared.as_ref(), env)?, at_aws)?;
        if at_aws {
            role.check_region(role_arn.by, &region)?;
        }

        let from_shared = |flag: fn(&Shared) -> Option<bool>| self.shared.as_ref().and_then(flag);
        let use_fips = from_shared(|shared| shared.use_fips).map_or_else(|| env.use_fips(), Ok)?;
        let use_dual_stack = from_shared(|shared| shared.use_dual_stack).map_or_else(|| env.use_dual_stack(), Ok)?;
        if let Some(endpoint) = &endpoint {
            endpoint::no_variants(&endpoint.url, use_fips, use_dual_stack)?;
        }

        let (shared_client, shared_time, app_name) = match self.shared {
            Some(shared) => (shared.http_client, shared.time_source, shared.app_name),
            None => (None, None, None),
        };
        let time_source = self.time_source.or(shared_time).unwrap_or_default();

        let config = Config {
            role_arn: role.into_string(),
            session_name: session_name(self.session_name, env)?,
            session_length: self.session_length.map(parse::session_length).transpose()?,
            policy: self.policy.map(parse::policy).transpose()?,
            policy_arns: policy_arns(self.policy_arns)?,
            token: TokenConfig {
                file: token_file,
                poll_interval: parse::token_poll_interval(self.token_poll_interval.unwrap_or(Duration::from_secs(30)))?,
                watch: self.watch_token.unwrap_or(true),
            },
            sts: StsConfig {
                region: Region::new(region.value),
                endpoint_url: endpoint.as_ref().map(|endpoint| endpoint.url.clone()),
                use_fips,
                use_dual_stack,
                http_client: http_client(shared_client)?,
                time_source: time_source.clone(),
                app_name,
                attempt_timeout: parse::attempt_timeout(self.attempt_timeout.unwrap_or(Duration::from_secs(8)))?,
            },
        };
        let policy = refresh::Policy {
            refresh_window: parse::refresh_window(self.refresh_window.unwrap_or(0.60..=0.75))?,
            wait_timeout: parse::wait_timeout(self.wait_timeout.unwrap_or(Duration::from_secs(30)))?,
            expired: self.expired_policy.unwrap_or(ExpiredPolicy::Never),
        };
        tell(&config, endpoint.is_some_and(|endpoint| endpoint.is_exposed), env);
        Ok(Parts { config, policy, time_source, parent: self.cancellation_token })
    }
}

/// Role and token belong together. The webhook sets both variables or, if either is set already, none.
fn who(
    role_arn: Option<String>,
    token_file: Option<PathBuf>,
    env: &Environment,
) -> Result<(Given<String>, Given<PathBuf>), BuildError> {
    let role_arn = match role_arn {
        Some(value) => Some(Given { by: "Builder::role_arn", value }),
        None => env.role_arn()?,
    };
    let token_file = match token_file {
        Some(value) => Some(Given { by: "Builder::token_file", value }),
        None => env.token_file(),
    };
    let alone = |given: &str, (missing, method, what): (&str, &str, &str)| {
        BuildError::invalid(format!(
            "{given} is set but {missing} is not: set it to {what}, or call Builder::{method}; if the EKS webhook should have \
             set both, take {given} out of the pod's manifest, for it sets neither where it finds one"
        ))
    };
    match (role_arn, token_file) {
        (Some(role_arn), Some(token_file)) => Ok((role_arn, token_file)),
        (Some(role_arn), None) => {
            Err(alone(role_arn.by, (environment::TOKEN_FILE, "token_file", "the path of the projected token")))
        }
        (None, Some(token_file)) => Err(alone(token_file.by, (environment::ROLE_ARN, "role_arn", "the role's ARN"))),
        (None, None) if env.is_pod() => Err(BuildError::not_injected(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set although this is a pod (KUBERNETES_SERVICE_HOST is \
             set), so the identity webhook did not inject them: annotate the pod's service account with \
             eks.amazonaws.com/role-arn and create the pod anew, for only new pods are changed; see that the webhook runs and \
             that eks.amazonaws.com/skip-containers does not name this container; without the webhook, project a token into \
             the pod and set both variables",
        )),
        (None, None) => Err(BuildError::not_configured(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set, and this is not a pod: set both, or call \
             Builder::role_arn and Builder::token_file; a program that also runs elsewhere can ask is_not_configured() and \
             keep the credentials it has",
        )),
    }
}

fn sts_endpoint(
    given: Option<RawUrl>,
    shared: Option<&Shared>,
    env: &Environment,
) -> Result<Option<Endpoint>, BuildError> {
    let given = match (given, shared) {
        (Some(value), _) => Some(Given { by: "Builder::endpoint_url", value }),
        (None, Some(Shared { sts_endpoint_url: Some(url), .. })) if !env.ignores_endpoint_url(&url.0)? => Some(Given {
            by: "the STS endpoint of the SdkConfig (AWS_ENDPOINT_URL_STS or the profile)",
            value: url.clone(),
        }),
        (None, Some(_)) => None,
        (None, None) => env.sts_endpoint_url()?.map(|url| Given { by: url.by, value: RawUrl(url.value) }),
    };
    given.map(endpoint::parse).transpose()
}

fn region(given: Option<Region>, shared: Option<&Shared>, env: &Environment) -> Result<Given<String>, BuildError> {
    let from = |by, region: &Region| Given { by, value: region.as_ref().to_owned() };
    if let Some(region) = given {
        return Ok(from("Builder::region", &region));
    }
    // A config loader hands on an empty AWS_REGION as a region.
    if let Some(region) = shared.and_then(|shared| shared.region.as_ref()).filter(|region| !region.as_ref().is_empty())
    {
        return Ok(from("the region of the SdkConfig", region));
    }
    env.region()?.ok_or_else(|| {
        BuildError::invalid(
            "there is no region: set AWS_REGION to the one that this runs in, or call Builder::region; STS is asked there and \
             us-east-1 is never assumed",
        )
    })
}

fn session_name(given: Option<String>, env: &Environment) -> Result<String, BuildError> {
    /// Drawn once, so that CloudTrail shows one name for all providers of a process.
    static RANDOM: OnceLock<String> = OnceLock::new();

    let given = match given {
        Some(value) => Some(Given { by: "Builder::session_name", value }),
        None => env.session_name()?,
    };
    if let Some(name) = given {
        return parse::session_name(name);
    }
    let random = || RANDOM.get_or_init(|| format!("{}-{:016x}", env!("CARGO_PKG_NAME"), fastrand::u64(..)));
    Ok(env.pod_name().and_then(|pod| parse::session_name_of_pod(&pod)).unwrap_or_else(|| random().clone()))
}

/// Without one the STS client takes the SDK's default, if it is compiled in.
fn http_client(shared: Option<SharedHttpClient>) -> Result<Option<SharedHttpClient>, BuildError> {
    if shared.is_none() && !cfg!(feature = "default-https-client") {
        return Err(BuildError::invalid(
            "there is no HTTP client: enable this crate's feature default-https-client, or give Builder::configure an \
             SdkConfig that has an http_client",
        ));
    }
    Ok(shared)
}

/// What is not wrong but may surprise.
fn tell(config: &Config, is_exposed: bool, env: &Environment) {
    if is_exposed {
        tracing::warn!(
            endpoint = config.sts.endpoint_url,
            "STS is asked over plain http: whoever is on the way can read the token and the credentials; use https"
        );
    }
    if env.has_pod_identity_too() {
        tracing::warn!(
            role = config.role_arn,
            "both {} (web identity) and {} (EKS Pod Identity) are set: this provider uses web identity, other SDKs may not; \
             remove one of the two",
            environment::ROLE_ARN,
            environment::POD_IDENTITY,
        );
    }
    if env.wants_global_sts() {
        // Not worth a warning: old manifests have it, and SDKs no longer heed it.
        tracing::debug!("AWS_STS_REGIONAL_ENDPOINTS=legacy is not heeded: STS is asked in the region");
    }
    tracing::debug!(
        role = config.role_arn,
        session = config.session_name,
        token_file = %config.token.file.display(),
        region = %config.sts.region,
        endpoint = config.sts.endpoint_url,
        "web identity is configured"
    );
}
