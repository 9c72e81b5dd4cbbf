//! The client of one STS endpoint. Its settings do not depend on what an `SdkConfig` lacks, or tunes for other services.

use std::time::Duration;

use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::config::{EndpointConfig, StsConfig, printable_url};

/// One STS endpoint. Clones share connections.
#[derive(Clone)]
pub(crate) struct StsClient {
    pub(super) client: Client,
    /// The endpoint's name: the key of its permits, and for messages before a request has shown its URL.
    pub(super) name: String,
    pub(super) region: String,
    pub(super) attempt_timeout: Duration,
    pub(super) time: SharedTimeSource,
}

impl StsClient {
    pub(crate) fn new(config: &StsConfig, endpoint: &EndpointConfig) -> Self {
        let url = endpoint.endpoint_url.as_deref();
        Self {
            client: sdk_client(config, endpoint),
            name: url.map_or_else(|| region_name(config, endpoint), printable_url),
            region: endpoint.region.to_string(),
            attempt_timeout: config.attempt_timeout,
            time: config.time_source.clone(),
        }
    }
}

/// Distinguishes the endpoints of a region, because each has its own permits.
fn region_name(config: &StsConfig, endpoint: &EndpointConfig) -> String {
    let variant = match (config.use_fips, config.use_dual_stack) {
        (false, false) => "",
        (true, false) => " (FIPS)",
        (false, true) => " (dual-stack)",
        (true, true) => " (FIPS, dual-stack)",
    };
    format!("region {}{variant}", endpoint.region)
}

/// The client has no credentials: a signed request brings its own.
fn sdk_client(config: &StsConfig, endpoint: &EndpointConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout.min(config.attempt_timeout) + UNUSUAL)
        .read_timeout(config.attempt_timeout + UNUSUAL)
        .operation_attempt_timeout(config.attempt_timeout)
        .operation_timeout(config.attempt_timeout)
        .build();
    let mut settings = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(endpoint.region.clone())
        .use_fips(config.use_fips)
        .use_dual_stack(config.use_dual_stack)
        .time_source(config.time_source.clone())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache());
    settings.set_endpoint_url(endpoint.endpoint_url.clone());
    let http_client = config.http_client.clone();
    #[cfg(feature = "default-https-client")]
    let http_client = http_client.or_else(|| Some(super::http_client::new()));
    settings.set_http_client(http_client);
    settings.set_app_name(config.app_name.clone());
    Client::from_conf(settings.build())
}

/// Makes the timeouts differ from those of all other clients. The SDK's HTTP clients keep one connection pool for each pair of
/// connect and read timeout. So no exchange uses a connection of the caller's clients. The caller's runtime drives those, and
/// it may be blocked.
const UNUSUAL: Duration = Duration::from_nanos(1);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;
    use crate::sts::testing::{JWT, ROLE, config};

    #[derive(Debug)]
    struct Unconnected;

    impl HttpConnector for Unconnected {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::ready(Err(ConnectorError::io("nothing is sent".into())))
        }
    }

    /// The settings that the HTTP client gets.
    async fn asked(connect: Duration, attempt: Duration) -> HttpConnectorSettings {
        let asked = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&asked);
        let mut config = config("https://sts.example.com");
        (config.connect_timeout, config.attempt_timeout) = (connect, attempt);
        config.http_client = Some(http_client_fn(move |settings: &HttpConnectorSettings, _| {
            *seen.lock().unwrap() = Some(settings.clone());
            SharedHttpConnector::new(Unconnected)
        }));
        let call =
            sdk_client(&config, &config.home).assume_role_with_web_identity().role_arn(ROLE).role_session_name("pod");
        call.web_identity_token(JWT).send().await.unwrap_err();
        asked.lock().unwrap().take().unwrap()
    }

    #[test]
    fn each_endpoint_of_a_region_has_its_name() {
        let name = |use_fips, use_dual_stack| {
            let mut config = StsConfig { use_fips, use_dual_stack, ..config("") };
            config.home.endpoint_url = None;
            StsClient::of(&config).name
        };
        assert_eq!(name(false, false), "region eu-central-1");
        assert_eq!(name(true, false), "region eu-central-1 (FIPS)");
        assert_eq!(name(false, true), "region eu-central-1 (dual-stack)");
        assert_eq!(name(true, true), "region eu-central-1 (FIPS, dual-stack)");
    }

    #[tokio::test]
    async fn connect_timeout_reaches_the_http_client() {
        let secs = Duration::from_secs;
        for (connect, attempt, expected) in [(2, 8, 2), (5, 8, 5), (5, 3, 3)] {
            let settings = asked(secs(connect), secs(attempt)).await;
            assert_eq!(settings.connect_timeout(), Some(secs(expected) + UNUSUAL));
            assert_eq!(settings.read_timeout(), Some(secs(attempt) + UNUSUAL));
        }
    }
}
