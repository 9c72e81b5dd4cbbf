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
        .connect_timeout(CONNECT_TIMEOUT.min(config.attempt_timeout) + NOBODY_ELSES)
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

/// Behind a firewall that drops packets, soon enough for another try within a caller's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
