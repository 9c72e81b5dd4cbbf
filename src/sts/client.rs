//! The SDK's client of STS, with settings of our own for all that an `SdkConfig` may lack or tune for other services.

use std::time::Duration;

use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::config::{Site, StsConfig};

/// The SDK's HTTP clients keep one pool of connections for each pair of connect and read timeout. With a pair that nobody
/// else has, no exchange gets a connection that a caller's client opened: the caller's runtime drives that connection, and
/// may be blocked.
const NOBODY_ELSES: Duration = Duration::from_nanos(1);

/// Without credentials: a call that is to be signed brings its own.
pub(super) fn of(config: &StsConfig, site: &Site) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout.min(config.attempt_timeout) + NOBODY_ELSES)
        .read_timeout(config.attempt_timeout + NOBODY_ELSES)
        .operation_attempt_timeout(config.attempt_timeout)
        .operation_timeout(config.attempt_timeout)
        .build();
    let mut settings = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(site.region.clone())
        .use_fips(config.use_fips)
        .use_dual_stack(config.use_dual_stack)
        .time_source(config.time_source.clone())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache());
    settings.set_endpoint_url(site.endpoint_url.clone());
    #[cfg(feature = "default-https-client")]
    settings.set_http_client(config.http_client.clone().or_else(|| Some(super::http_client::new())));
    #[cfg(not(feature = "default-https-client"))]
    settings.set_http_client(config.http_client.clone());
    settings.set_app_name(config.app_name.clone());
    Client::from_conf(settings.build())
}

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

    /// What the HTTP client is asked for.
    async fn asked(connect: Duration, attempt: Duration) -> HttpConnectorSettings {
        let asked = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&asked);
        let mut config = config("https://sts.example.com");
        (config.connect_timeout, config.attempt_timeout) = (connect, attempt);
        config.http_client = Some(http_client_fn(move |settings: &HttpConnectorSettings, _| {
            *seen.lock().unwrap() = Some(settings.clone());
            SharedHttpConnector::new(Unconnected)
        }));
        let call = of(&config, &config.home).assume_role_with_web_identity().role_arn(ROLE).role_session_name("pod");
        call.web_identity_token(JWT).send().await.unwrap_err();
        asked.lock().unwrap().take().unwrap()
    }

    #[tokio::test]
    async fn connect_timeout_reaches_the_http_client() {
        let secs = Duration::from_secs;
        for (connect, attempt, expected) in [(2, 8, 2), (5, 8, 5), (5, 3, 3)] {
            let settings = asked(secs(connect), secs(attempt)).await;
            assert_eq!(settings.connect_timeout(), Some(secs(expected) + NOBODY_ELSES));
            assert_eq!(settings.read_timeout(), Some(secs(attempt) + NOBODY_ELSES));
        }
    }
}
