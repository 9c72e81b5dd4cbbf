//! Turns the settings of a builder into a valid config: the order of precedence, and the defaults.

use std::sync::Arc;

use aws_smithy_async::time::SharedTimeSource;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::ServiceConfigKey;

use super::durations::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, TOKEN_POLL_INTERVAL, WAIT_TIMEOUT};
use super::missing_settings::missing;
use super::session_settings::SessionRules;
use super::web_identity_provider::WebIdentityCredentialsProvider;
use super::{
    EngineSettings, Settings, TokenSetting, endpoint_url, refresh_window, region, role_arn, session_name, standbys,
    token_path, warnings,
};
use crate::adapters;
use crate::environment::{Environment, Given};
use crate::error::BuildError;
use crate::provider::EngineConfig;
use crate::refresh::{ExpiredPolicy, Policy, ShutdownWhen, Source};
use crate::sts::{EndpointConfig, Endpoints, StsConfig};
use crate::web_identity::{Config, TokenConfig, TokenOrigin, WebIdentity};

/// The valid parts of a provider.
pub(super) struct Parts {
    pub(super) config: Config,
    /// The STS client of another provider, if it fits this one.
    pub(super) sts: Option<Endpoints>,
    pub(super) engine: EngineConfig,
    pub(super) shutdown_when: ShutdownWhen,
    /// For `to_builder`.
    pub(super) settings: Arc<Settings>,
}

impl Parts {
    pub(super) fn build(self) -> WebIdentityCredentialsProvider {
        let source = Arc::new(WebIdentity::new(self.config, self.sts));
        let observer = adapters::observer(source.subject(), Some(Arc::clone(&source)));
        let handle = self.engine.new_handle(Arc::clone(&source), self.shutdown_when, observer);
        WebIdentityCredentialsProvider::of(handle, source, self.engine, self.settings, true)
    }
}

impl Settings {
    pub(super) fn configure(&mut self, config: &SdkConfig) {
        let mut config = config.to_builder();
        config.set_credentials_provider(None).set_token_provider(None).set_identity_cache(None);
        self.sdk_config = Some(config.build());
        self.shares_client_with = None;
    }

    /// Reads the variables of this process, and logs warnings.
    pub(super) fn parts(self) -> Result<Parts, BuildError> {
        let env = Environment::real();
        let parts = self.resolve(&env)?;
        warnings::about(&parts.config, &env, &warnings::WARNED);
        Ok(parts)
    }

    /// The builder wins over the `SdkConfig`, and the `SdkConfig` over the environment.
    pub(super) fn resolve(self, env: &Environment) -> Result<Parts, BuildError> {
        let mut settings = Self { shares_client_with: None, ..self.clone() };
        settings.engine.shutdown_when = ShutdownWhen::default();
        let role = match &self.role_arn {
            Some(role) => Some(Given::to("Builder", "role_arn", role.clone())),
            None => env.role_arn()?,
        };
        let (role, token) = match (role, self.token(env)?) {
            (Some(role), Some(token)) => (role, token.value),
            (role, token) => return Err(missing(role.map(|role| role.by), token.map(|token| token.by), env)),
        };
        let sts = self.sts(env)?;
        let role = role_arn::parse(role, &sts.home, &self.region(env)?)?;
        let name = session_name::given_or_default(self.session.name.clone(), env)?;
        let session = self.session.resolve(&SESSION_RULES, role, name)?;
        let shared = self.shares_client_with.filter(|other| sts.is_served_by(&other.config().sts));
        Ok(Parts {
            sts: shared.map(|other| other.sts().for_another_provider()),
            shutdown_when: self.engine.shutdown_when.clone(),
            engine: self.engine.resolve("Builder", default_engine_config(sts.time_source.clone()))?,
            config: Config { session, token, sts },
            settings: Arc::new(settings),
        })
    }

    fn token(&self, env: &Environment) -> Result<Option<Given<TokenOrigin>>, BuildError> {
        let file = match &self.token {
            Some(TokenSetting::Source(source)) => {
                return Ok(Some(Given::to("Builder", "token_source", TokenOrigin::Source(source.clone()))));
            }
            Some(TokenSetting::File(path)) => Some(Given::to("Builder", "token_file", path.clone())),
            None => env.token_file(),
        };
        let Some(file) = file else { return Ok(None) };
        let origin = TokenConfig {
            poll_interval: TOKEN_POLL_INTERVAL.parse("Builder", self.token_poll_interval)?,
            watch: self.watch_token.unwrap_or(true),
            file: token_path::parse(file.clone())?,
        };
        Ok(Some(Given { by: file.by, value: TokenOrigin::File(origin) }))
    }

    /// The STS config of a web identity, or of the chained roles of a wrapped provider.
    pub(super) fn sts(&self, env: &Environment) -> Result<StsConfig, BuildError> {
        let config = self.sdk_config.as_ref();
        let endpoint_url = self.endpoint_url(env)?.map(endpoint_url::parse).transpose()?;
        let region = region::parse(self.region(env)?, endpoint_url.is_none())?;
        let use_fips = config.and_then(SdkConfig::use_fips).map_or_else(|| env.use_fips(), Ok)?;
        let use_dual_stack = config.and_then(SdkConfig::use_dual_stack).map_or_else(|| env.use_dual_stack(), Ok)?;
        if let Some(url) = &endpoint_url {
            endpoint_url::no_variants(url, use_fips, use_dual_stack)?;
        }
        let mut sts = StsConfig {
            home: EndpointConfig { region: Region::new(region), endpoint_url },
            standbys: Vec::new(),
            use_fips,
            use_dual_stack,
            http_client: config.and_then(SdkConfig::http_client),
            time_source: self.time_source(),
            app_name: config.and_then(SdkConfig::app_name).cloned(),
            attempt_timeout: ATTEMPT_TIMEOUT.parse("Builder", self.attempt_timeout)?,
            connect_timeout: CONNECT_TIMEOUT.parse("Builder", self.connect_timeout)?,
        };
        sts.standbys = standbys::resolve(self.standbys.clone(), &sts)?;
        Ok(sts)
    }

    pub(super) fn time_source(&self) -> SharedTimeSource {
        let of_config = || self.sdk_config.as_ref()?.time_source();
        self.engine.time_source.clone().or_else(of_config).unwrap_or_default()
    }

    fn endpoint_url(&self, env: &Environment) -> Result<Option<Given<String>>, BuildError> {
        if let Some(url) = &self.endpoint_url {
            return Ok(Some(Given::to("Builder", "endpoint_url", url.clone())));
        }
        let Some(config) = &self.sdk_config else { return env.sts_endpoint_url() };
        match endpoint_in(config) {
            Some(url) if !env.is_ignored_endpoint(&url)? => Ok(Some(Given {
                by: "the STS endpoint of the SdkConfig (AWS_ENDPOINT_URL_STS or the profile)".into(),
                value: url,
            })),
            _ => Ok(None),
        }
    }

    fn region(&self, env: &Environment) -> Result<Given<String>, BuildError> {
        if let Some(region) = &self.region {
            return Ok(Given::to("Builder", "region", region.to_string()));
        }
        // A config loader reads an empty AWS_REGION as an empty region.
        let of_config = self.sdk_config.as_ref().and_then(SdkConfig::region);
        if let Some(region) = of_config.filter(|region| !region.as_ref().is_empty()) {
            return Ok(Given { by: "the region of the SdkConfig".into(), value: region.to_string() });
        }
        env.region()?.ok_or_else(|| {
            BuildError::invalid(
                "there is no region",
                "set AWS_REGION to the region that this program runs in, or call Builder::region, or configure with an \
                 SdkConfig that has a region; us-east-1 is never assumed",
            )
        })
    }
}

/// The config's endpoint of STS, by the key that the SDK's own STS client uses. The config's `endpoint_url` is often
/// that of an object store, which must not receive the token.
fn endpoint_in(config: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("STS").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    config.service_config()?.load_config(key).filter(|url| !url.is_empty())
}

pub(super) const SESSION_RULES: SessionRules = SessionRules {
    builder: "Builder",
    longest_seconds: 43_200,
    about_length: "STS takes whole seconds from 900 (15 min) to 43200 (12 h), and no more than the role's \
                   MaxSessionDuration",
};

impl EngineSettings {
    /// `default` fills in what is not set.
    pub(super) fn resolve(self, builder: &str, default: EngineConfig) -> Result<EngineConfig, BuildError> {
        let Policy { refresh_window, wait_timeout, expired } = default.policy;
        let refresh_window = self.refresh_window.unwrap_or(refresh_window);
        Ok(EngineConfig {
            policy: Policy {
                refresh_window: refresh_window::parse(Given::to(builder, "refresh_window", refresh_window))?,
                wait_timeout: WAIT_TIMEOUT.parse(builder, self.wait_timeout.or(Some(wait_timeout)))?,
                expired: self.expired_policy.unwrap_or(expired),
            },
            time_source: self.time_source.unwrap_or(default.time_source),
            runtime: self.runtime.or(default.runtime),
        })
    }
}

/// The engine of a provider with nothing set.
pub(super) fn default_engine_config(time_source: SharedTimeSource) -> EngineConfig {
    let (refresh_window, wait_timeout) = (refresh_window::DEFAULT, WAIT_TIMEOUT.default);
    EngineConfig {
        policy: Policy { refresh_window, wait_timeout, expired: ExpiredPolicy::default() },
        time_source,
        runtime: None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ffi::OsString;
    use std::path::PathBuf;
    use std::time::Duration;

    use aws_config::BehaviorVersion;
    use aws_smithy_async::time::SystemTimeSource;
    use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, http_client_fn};
    use aws_types::app_name::AppName;
    use aws_types::service_config::LoadServiceConfig;
    use proptest::prelude::*;

    use super::*;
    use crate::builder::Builder;
    use crate::builder::invalid_value::is_name_byte;
    use crate::fuzzing::os_string;
    use crate::refresh::ExpiredPolicy;
    use crate::sts::testing::{DATE, JWT, Server, Then, http, success};
    use crate::web_identity::token_source::{ProvideToken, future};

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";
    const INJECTED: [(&str, &str); 3] =
        [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token"), ("AWS_REGION", "eu-central-1")];

    type Variables<'a> = &'a [(&'a str, &'a str)];

    /// Later variables win.
    fn env(base: Variables<'_>, more: Variables<'_>) -> Environment {
        Environment::from_fn(|name| {
            more.iter().rev().chain(base).find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn p9_misplaced_token_is_not_printed() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ";
        let around = [" TOKEN\n", "TOKEN..", "\"TOKEN\"", "Bearer TOKEN", "AWS_=TOKEN", "{\"value\":\"TOKEN\"}"];
        let texts = around.map(|around| around.replace("TOKEN", token).replace("AWS_", "AWS_TOKEN"));
        for text in texts.iter().map(String::as_str).chain([token]) {
            let builder = Builder::default().token_file(text).role_arn(text).session_name(text);
            let builder = builder.region(Region::new(text.to_owned())).policy(text).policy_arns([text]);
            let builder =
                builder.endpoint_url(text).standby_endpoint_url(text).standby_region(Region::new(text.to_owned()));
            let shown = format!("{builder:?}");
            assert!(shown.contains("a token (not shown)") && !shown.contains("c2ln"), "{shown}");
        }
        let builder = Builder::default().token_file("/run/token").role_arn(ROLE);
        assert!(format!("{builder:?}").contains("\"/run/token\""), "{builder:?}");
        for text in texts {
            let error = refuse(Builder::default().token_file(text), &[]);
            assert!(error.contains("a token itself") && !error.contains("c2ln"), "{error}");
        }
    }

    fn resolve(builder: Builder, more: Variables<'_>) -> Parts {
        builder.settings.resolve(&env(&INJECTED, more)).unwrap()
    }

    fn refuse(builder: Builder, more: Variables<'_>) -> String {
        builder.settings.resolve(&env(&INJECTED, more)).err().unwrap().to_string()
    }

    fn file(config: &Config) -> &TokenConfig {
        match &config.token {
            TokenOrigin::File(file) => file,
            TokenOrigin::Source(source) => panic!("{source:?}"),
        }
    }

    #[derive(Debug)]
    struct Vault;

    impl ProvideToken for Vault {
        fn provide_token(&self) -> future::ProvideToken<'_> {
            unreachable!("nobody asks")
        }
    }

    /// The endpoint of STS in the profile or the environment, as aws-config passes it on.
    #[derive(Debug)]
    struct ServiceConfig(&'static str);

    impl LoadServiceConfig for ServiceConfig {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            let is_sts = (key.service_id(), key.env(), key.profile()) == ("STS", "AWS_ENDPOINT_URL", "endpoint_url");
            is_sts.then(|| self.0.to_owned())
        }
    }

    /// The client is our own, or one that another crate enabled in the SDK.
    #[tokio::test]
    async fn compiled_in_http_client_serves_by_default() {
        let server = Server::start(http(200, DATE, &success()), Then::Close).await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, JWT).unwrap();
        let builder = Builder::default().role_arn(ROLE).token_file(file).region(Region::from_static("eu-central-1"));
        let provider = builder.session_name("pod-1").endpoint_url(&server.url).connect().await.unwrap();
        assert!(provider.current().is_some());
    }

    #[test]
    fn prepared_pod_needs_no_setting() {
        let Parts { config, engine: EngineConfig { policy, .. }, .. } =
            resolve(Builder::default(), &[("HOSTNAME", "web-0")]);

        assert_eq!(config.session.role_arn, ROLE);
        assert_eq!(file(&config).file, PathBuf::from("/run/token"));
        assert_eq!(config.session.name, "web-0");
        assert_eq!(config.sts.home.region.as_ref(), "eu-central-1");
        assert_eq!((file(&config).poll_interval, file(&config).watch), (Duration::from_secs(30), true));
        assert_eq!((config.session.length, config.session.policy, config.session.policy_arns.len()), (None, None, 0));
        assert_eq!(
            (config.sts.home.endpoint_url, config.sts.use_fips, config.sts.use_dual_stack),
            (None, false, false)
        );
        assert_eq!(config.sts.attempt_timeout, Duration::from_secs(8));
        assert_eq!(config.sts.connect_timeout, Duration::from_secs(2));
        assert_eq!(policy.refresh_window, 0.60..=0.75);
        assert_eq!(policy.wait_timeout, Duration::from_secs(30));
        assert_eq!(policy.expired, ExpiredPolicy::Never);
    }

    #[test]
    fn builder_wins_over_config_and_environment() {
        let shared = SdkConfig::builder()
            .region(Region::new("eu-west-1"))
            .service_config(ServiceConfig("https://config.example"))
            .build();
        let Parts { config, engine: EngineConfig { policy, .. }, .. } = resolve(
            Builder::default()
                .role_arn("arn:aws:iam:::role/own")
                .token_file("/own")
                .session_name("own-name")
                .session_length(Duration::from_secs(900))
                .policy("{}")
                .policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
                .region(Region::new("eu-north-1"))
                .endpoint_url("https://own.example")
                .refresh_window(0.2..=0.3)
                .attempt_timeout(Duration::from_secs(3))
                .connect_timeout(Duration::from_millis(700))
                .wait_timeout(Duration::from_secs(4))
                .expired_policy(ExpiredPolicy::UntilRejected)
                .token_poll_interval(Duration::from_secs(5))
                .watch_token(false)
                .shutdown_when(std::future::pending())
                .configure(&shared),
            &[("AWS_ROLE_SESSION_NAME", "variable"), ("AWS_ENDPOINT_URL_STS", "https://variable.example")],
        );

        assert_eq!(config.session.role_arn, "arn:aws:iam:::role/own");
        assert_eq!(file(&config).file, PathBuf::from("/own"));
        assert_eq!(config.session.name, "own-name");
        assert_eq!(config.session.length, Some(Duration::from_secs(900)));
        assert_eq!(config.session.policy.as_deref(), Some("{}"));
        assert_eq!(config.session.policy_arns, ["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
        assert_eq!(config.sts.home.region.as_ref(), "eu-north-1");
        assert_eq!(config.sts.home.endpoint_url.as_deref(), Some("https://own.example"));
        assert_eq!((file(&config).poll_interval, file(&config).watch), (Duration::from_secs(5), false));
        assert_eq!(config.sts.attempt_timeout, Duration::from_secs(3));
        assert_eq!(config.sts.connect_timeout, Duration::from_millis(700));
        assert_eq!((policy.refresh_window, policy.wait_timeout), (0.2..=0.3, Duration::from_secs(4)));
        assert_eq!(policy.expired, ExpiredPolicy::UntilRejected);
    }

    #[test]
    fn configure_takes_what_sts_needs() {
        let client = http_client_fn(|_: &HttpConnectorSettings, _| unreachable!("nothing is sent"));
        let shared = SdkConfig::builder()
            .region(Region::new("eu-west-1"))
            .http_client(client)
            .time_source(SystemTimeSource::new())
            .app_name(AppName::new("app").unwrap())
            .use_fips(true)
            .use_dual_stack(true)
            .build();
        let variables = [("AWS_USE_FIPS_ENDPOINT", "false"), ("AWS_USE_DUALSTACK_ENDPOINT", "false")];
        let sts = resolve(Builder::default().configure(&shared), &variables).config.sts;

        assert_eq!(sts.home.region.as_ref(), "eu-west-1");
        assert_eq!((sts.use_fips, sts.use_dual_stack), (true, true));
        assert_eq!(sts.app_name, Some(AppName::new("app").unwrap()));
        assert!(sts.http_client.is_some());
    }

    #[test]
    fn token_never_goes_to_the_general_endpoint() {
        let shared = SdkConfig::builder().endpoint_url("https://minio.example").build();
        let sts = resolve(Builder::default().configure(&shared), &[]).config.sts;
        assert_eq!(sts.home.endpoint_url, None);

        let shared = shared.into_builder().service_config(ServiceConfig("https://sts.example")).build();
        let sts = resolve(Builder::default().configure(&shared), &[]).config.sts;
        assert_eq!(sts.home.endpoint_url.as_deref(), Some("https://sts.example"));
    }

    #[test]
    fn environment_names_the_endpoint_without_a_config() {
        let variables = [("AWS_ENDPOINT_URL_STS", "https://sts.example"), ("AWS_ENDPOINT_URL", "https://all.example")];
        let endpoint = |builder, more| resolve(builder, more).config.sts.home.endpoint_url;

        assert_eq!(endpoint(Builder::default(), &variables).as_deref(), Some("https://sts.example"));
        assert_eq!(endpoint(Builder::default(), &variables[1..]).as_deref(), Some("https://all.example"));
        let config = SdkConfig::builder().build();
        assert_eq!(endpoint(Builder::default().configure(&config), &variables), None, "a config has the say");
    }

    #[test]
    fn configured_endpoints_can_be_ignored() {
        let variables =
            [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("AWS_ENDPOINT_URL_STS", "https://sts.example")];
        let of_config = |url| {
            let config = SdkConfig::builder().service_config(ServiceConfig(url)).build();
            resolve(Builder::default().configure(&config), &variables).config.sts.home.endpoint_url
        };

        assert_eq!(resolve(Builder::default(), &variables).config.sts.home.endpoint_url, None);
        assert_eq!(
            of_config("https://sts.example"),
            None,
            "the loader passes variables on if its own endpoint_url is set"
        );
        assert_eq!(
            of_config("https://own.example").as_deref(),
            Some("https://own.example"),
            "no variable has this endpoint"
        );
        assert_eq!(of_config(""), None);
        let parts = resolve(Builder::default().endpoint_url("https://own.example"), &variables);
        assert_eq!(parts.config.sts.home.endpoint_url.as_deref(), Some("https://own.example"));
    }

    #[tokio::test]
    #[expect(deprecated, reason = "the new names are in a crate that we do not need otherwise")]
    async fn aws_config_knows_the_endpoint_of_sts() {
        use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};

        let profile = "[default]\nendpoint_url = https://all.example\nservices = mine\n\
                       [services mine]\nsts =\n  endpoint_url = https://sts.example\n";
        let files = ProfileFiles::builder().with_contents(ProfileFileKind::Config, profile).build();
        let loader =
            aws_config::defaults(BehaviorVersion::latest()).region(Region::new("eu-central-1")).no_credentials();
        let config = loader.profile_files(files).load().await;

        assert_eq!(config.endpoint_url(), Some("https://all.example"));
        assert_eq!(endpoint_in(&config).as_deref(), Some("https://sts.example"));
    }

    #[test]
    fn fips_and_dual_stack_come_from_variables_too() {
        let sts = resolve(
            Builder::default().configure(&SdkConfig::builder().build()),
            &[("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "TRUE")],
        )
        .config
        .sts;
        assert_eq!((sts.use_fips, sts.use_dual_stack), (true, true));
    }

    #[test]
    fn p12_error_names_the_profile_that_is_ignored() {
        for (variables, name) in [
            (&[("AWS_PROFILE", "pod")][..], "AWS_PROFILE"),
            (&[("AWS_CONFIG_FILE", "/etc/aws"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")], "AWS_CONFIG_FILE"),
        ] {
            let error = Builder::default().settings.resolve(&env(&[], variables)).err().unwrap();
            let text = error.to_string();
            assert!(
                text.contains(&format!(
                    "; {name} is set, but this builder does not read web_identity_token_file in a \
                                        profile"
                )),
                "{text}"
            );
        }
    }

    #[test]
    fn p8_absent_variables_are_told_apart() {
        let resolve =
            |variables: Variables<'_>| Builder::default().settings.resolve(&env(&[], variables)).err().unwrap();

        let error = resolve(&[]);
        assert!(error.is_not_configured() && !error.is_not_injected() && !error.is_invalid());
        assert_eq!(
            error.to_string(),
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set, and this is not a pod: set both, or call \
             Builder::role_arn and Builder::token_file; a program that also runs outside pods can check \
             is_not_configured() and use its other credentials"
        );

        let error = resolve(&[("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("AWS_ROLE_ARN", "")]);
        assert!(error.is_not_injected() && !error.is_not_configured() && !error.is_invalid());
        assert_eq!(
            error.to_string(),
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set although this is a pod \
             (KUBERNETES_SERVICE_HOST is set), so the identity webhook did not inject them: annotate the pod's \
             service account with eks.amazonaws.com/role-arn and recreate the pod, because the webhook changes only \
             new pods; check that the webhook runs and that eks.amazonaws.com/skip-containers does not name this \
             container; without the webhook, project a token into the pod and set both variables"
        );

        let error = resolve(&[INJECTED[0]]);
        assert!(error.is_invalid());
        assert_eq!(
            error.to_string(),
            "AWS_ROLE_ARN is set but AWS_WEB_IDENTITY_TOKEN_FILE is not: set AWS_WEB_IDENTITY_TOKEN_FILE to the path \
             of the projected token, or call Builder::token_file; if the EKS webhook should set both, remove \
             AWS_ROLE_ARN from the manifest: the webhook sets neither if one is already set"
        );

        let error = resolve(&[INJECTED[1]]);
        assert!(error.is_invalid());
        assert!(error.to_string().starts_with("AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not: "));

        let error = Builder::default().token_file("/run/token").settings.resolve(&env(&[], &[])).err().unwrap();
        assert_eq!(
            error.to_string(),
            "Builder::token_file is set but AWS_ROLE_ARN is not: set AWS_ROLE_ARN to the role's ARN, or call \
             Builder::role_arn"
        );
    }

    #[test]
    fn token_source_replaces_the_file() {
        let role =
            Builder::default().token_source(Vault).settings.resolve(&env(&INJECTED[..1], &INJECTED[2..])).unwrap();
        assert!(matches!(&role.config.token, TokenOrigin::Source(source) if source.name.ends_with("::tests::Vault")));
        let Parts { config, .. } = resolve(Builder::default().token_source(Vault), &[]);
        assert!(matches!(config.token, TokenOrigin::Source(_)), "the variable is ignored");

        let error = Builder::default().token_source(Vault).settings.resolve(&env(&[], &[])).err().unwrap();
        assert!(error.is_invalid() && !error.is_not_configured());
        assert_eq!(
            error.to_string(),
            "Builder::token_source is set but AWS_ROLE_ARN is not: set AWS_ROLE_ARN to the role's ARN, or call \
             Builder::role_arn"
        );
        let Parts { config, .. } = resolve(Builder::default().token_source(Vault).token_file("/run/other"), &[]);
        assert_eq!(file(&config).file, PathBuf::from("/run/other"), "the later one holds");
    }

    #[test]
    fn a_region_is_never_guessed() {
        let builder = || Builder::default().configure(&SdkConfig::builder().region(Region::new("")).build());
        let missing = "there is no region: set AWS_REGION to the region that this program runs in, or call \
             Builder::region, or configure with an SdkConfig that has a region; us-east-1 is never assumed";

        assert_eq!(refuse(builder(), &[("AWS_REGION", "")]), missing);
        let parts = resolve(builder(), &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-south-1")]);
        assert_eq!(parts.config.sts.home.region.as_ref(), "eu-south-1");
    }

    #[test]
    fn p12_each_error_names_its_setting() {
        let config =
            SdkConfig::builder().region(Region::new("US")).service_config(ServiceConfig("sts.example")).build();
        for (builder, variables, start) in [
            (Builder::default(), ("AWS_ROLE_ARN", "app"), "AWS_ROLE_ARN is \"app\""),
            (Builder::default().role_arn("app"), ("", ""), "Builder::role_arn is \"app\""),
            (Builder::default().role_arn(""), ("", ""), "Builder::role_arn is \"\""),
            (Builder::default().token_file(""), ("", ""), "Builder::token_file is empty"),
            (Builder::default(), ("AWS_REGION", "EU"), "AWS_REGION is \"EU\""),
            (Builder::default().region(Region::new("EU")), ("", ""), "Builder::region is \"EU\""),
            (Builder::default().configure(&config).endpoint_url("x"), ("", ""), "Builder::endpoint_url is \"x\""),
            (Builder::default().configure(&config), ("", ""), "the STS endpoint of the SdkConfig"),
            (Builder::default().session_name("a b"), ("", ""), "Builder::session_name is \"a b\""),
            (Builder::default(), ("AWS_ROLE_SESSION_NAME", "a b"), "AWS_ROLE_SESSION_NAME is \"a b\""),
            (Builder::default(), ("AWS_ENDPOINT_URL_STS", "x"), "AWS_ENDPOINT_URL_STS is \"x\""),
            (Builder::default(), ("AWS_USE_FIPS_ENDPOINT", "yes"), "AWS_USE_FIPS_ENDPOINT is \"yes\""),
            (Builder::default().policy(""), ("", ""), "Builder::policy is empty"),
            (Builder::default().policy_arns(["x"]), ("", ""), "Builder::policy_arns is \"x\""),
            (Builder::default().attempt_timeout(Duration::ZERO), ("", ""), "Builder::attempt_timeout is 0ns"),
            (Builder::default().connect_timeout(Duration::ZERO), ("", ""), "Builder::connect_timeout is 0ns"),
            (Builder::default().wait_timeout(Duration::ZERO), ("", ""), "Builder::wait_timeout is 0ns"),
            (Builder::default().token_poll_interval(Duration::ZERO), ("", ""), "Builder::token_poll_interval is 0ns"),
            (Builder::default().session_length(Duration::ZERO), ("", ""), "Builder::session_length is 0ns"),
            (Builder::default().refresh_window(0.0..=1.0), ("", ""), "Builder::refresh_window is 0.0..=1.0"),
        ] {
            let error = refuse(builder, &[variables]);
            assert!(error.starts_with(start), "{error}");
            assert!(error.contains(": "), "{error}");
        }
    }

    #[test]
    fn other_servers_have_no_partition() {
        let role = ("AWS_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/app");

        assert!(refuse(Builder::default(), &[role]).contains("a role of partition aws-cn"));
        resolve(Builder::default().endpoint_url("https://ceph.example"), &[role]);
    }

    #[test]
    fn other_servers_have_their_own_role_names() {
        let urn = || Builder::default().role_arn("urn:ecs:iam::s3:role/x");

        assert!(refuse(urn(), &[]).contains("which is not a role's ARN"));
        assert_eq!(
            resolve(urn().endpoint_url("https://ecs.example"), &[]).config.session.role_arn,
            "urn:ecs:iam::s3:role/x"
        );
        let vpc = "https://vpce-0a1b.sts.eu-central-1.vpce.amazonaws.com";
        assert!(
            refuse(urn().endpoint_url(vpc), &[]).contains("which is not a role's ARN"),
            "a VPC endpoint is AWS, \
                                                                                             too"
        );
    }

    #[test]
    fn fips_beside_an_endpoint_is_refused() {
        let variables = [("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_ENDPOINT_URL_STS", "https://sts.example")];
        assert!(refuse(Builder::default(), &variables).contains("FIPS is on, which the SDK does not combine"));
    }

    #[test]
    fn process_has_one_random_session_name() {
        let name = |more| resolve(Builder::default(), more).config.session.name;

        assert_eq!(name(&[("AWS_ROLE_SESSION_NAME", "own"), ("HOSTNAME", "web-0")]), "own");
        let random = name(&[]);
        assert_eq!(random, name(&[("HOSTNAME", "?")]));
        assert!(random.starts_with("aws-web-identity-") && random.len() == 33, "{random}");
    }

    #[test]
    fn p12_pod_identity_alone_gets_its_remedy() {
        let pod = [
            ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/token"),
        ];
        let resolve =
            |variables: Variables<'_>| Builder::default().settings.resolve(&env(&[], variables)).err().unwrap();
        let error = resolve(&pod);
        assert!(error.is_not_injected() && error.setting().is_none());
        assert!(error.to_string().contains("so this pod has EKS Pod Identity and not web identity: "), "{error}");
        assert!(
            error.remedy().starts_with("to use Pod Identity, build a BackgroundCredentialsProvider around"),
            "{error}"
        );
        assert!(resolve(&pod[1..]).is_not_configured(), "ECS uses the variable, too");

        let half = resolve(&[pod[0], pod[1], INJECTED[0]]);
        assert_eq!(half.setting(), Some("AWS_ROLE_ARN"));
        assert!(half.remedy().contains("this may be EKS Pod Identity: to use Pod Identity, build"), "{half}");
    }

    #[test]
    fn p9_debug_shows_settings_without_a_password() {
        let builder = Builder::default().role_arn(ROLE).endpoint_url("https://me:canary@sts.example");
        let shown = format!("{builder:?}");

        assert!(shown.contains(ROLE) && shown.contains("sts.example") && !shown.contains("canary"), "{shown}");
    }

    /// A value that is often nearly valid, and sometimes any bytes.
    fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
        let near = prop_oneof![
            Just("arn:aws:iam::123456789012:role/app"),
            Just("arn:aws:iam:::role/app"),
            Just("/run/token"),
            Just("eu-central-1"),
            Just("https://sts.example:443/x"),
            Just("http://me:pw@[::1]:1/?q#f"),
            Just("true"),
            Just("web-0"),
        ];
        let mutated =
            (near, any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(text, at, byte, keep)| {
                let mut bytes = text.as_bytes().to_vec();
                if !keep {
                    bytes[at.index(text.len())] = byte;
                }
                bytes
            });
        prop_oneof![
            1 => Just(None),
            4 => mutated.prop_map(Some),
            1 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Some),
        ]
    }

    proptest! {
        /// No environment causes a panic, and every config is valid.
        #[test]
        fn any_environment_gives_a_valid_config_or_an_error(
            values in prop::collection::vec(value(), 32),
            injected in any::<bool>(),
        ) {
            let asked = Cell::new(0);
            let env = Environment::from_fn(|name| {
                let value = values[asked.replace(asked.get() + 1)].as_deref().map(os_string);
                let given = INJECTED.iter().find(|(key, _)| injected && *key == name);
                given.map(|(_, value)| OsString::from(value)).or(value)
            });
            if let Ok(Parts { config, .. }) = Builder::default().settings.resolve(&env) {
                let (arn, name) = (&config.session.role_arn, &config.session.name);
                let at_aws = config.sts.home.endpoint_url.is_none();
                prop_assert!(!at_aws || arn.starts_with("arn:") && arn.contains(":role/") && arn.len() <= 2048, "{arn}");
                prop_assert!((20..=2048).contains(&arn.chars().count()), "{arn}");
                prop_assert!(!arn.contains(char::is_whitespace), "{arn:?}");
                prop_assert!((2..=64).contains(&name.len()) && name.bytes().all(is_name_byte), "{name}");
                prop_assert!(!file(&config).file.as_os_str().is_empty());
                let region = config.sts.home.region.as_ref();
                prop_assert!(!region.is_empty() && !region.contains(char::is_control), "{region:?}");
                if let Some(url) = &config.sts.home.endpoint_url {
                    prop_assert!(url.to_ascii_lowercase().starts_with("http"), "{url}");
                    prop_assert!(!url.contains(['@', '?', '#', ' ']), "{url}");
                    prop_assert!(!config.sts.use_fips && !config.sts.use_dual_stack);
                } else {
                    prop_assert!(region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{region}");
                }
            }
        }
    }
}
