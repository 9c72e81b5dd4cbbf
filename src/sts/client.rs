//! The SDK's client of STS, with settings of our own for all that an `SdkConfig` may lack or tune for other services.

use std::time::Duration;

use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::config::{Site, StsConfig};

/// Without credentials: a call that is to be signed brings its own.
pub(super) fn of(config: &StsConfig, site: &Site) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(config.attempt_timeout))
        .read_timeout(config.attempt_timeout)
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
    settings.set_http_client(config.http_client.clone());
    settings.set_app_name(config.app_name.clone());
    Client::from_conf(settings.build())
}

/// Behind a firewall that drops packets, soon enough for another try within a caller's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
