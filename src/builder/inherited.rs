//! What a provider hands on to one that is made from it.

use super::endpoint::RawUrl;
use super::settings::{Settings, Shared};
use super::standby::RawStandby;
use crate::provider::{Engine, WebIdentityCredentialsProvider};
use crate::refresh::ShutdownWhen;
use crate::web_identity::{Config, TokenConfig, TokenOrigin};

impl Settings {
    /// Those that gave this provider.
    pub(super) fn of(provider: &WebIdentityCredentialsProvider) -> Self {
        let Config { session, token, sts } = provider.source().config().clone();
        let Engine { policy, time_source, runtime, .. } = provider.engine().clone();
        let (mut token_file, mut token_source, mut token_poll_interval, mut watch_token) = (None, None, None, None);
        match token {
            TokenOrigin::File(TokenConfig { file, poll_interval, watch }) => {
                (token_file, token_poll_interval, watch_token) = (Some(file), Some(poll_interval), Some(watch));
            }
            TokenOrigin::Source(source) => token_source = Some(source),
        }
        Self {
            shared: Some(Shared {
                region: None,
                sts_endpoint_url: None,
                use_fips: Some(sts.use_fips),
                use_dual_stack: Some(sts.use_dual_stack),
                http_client: sts.http_client,
                time_source: None,
                app_name: sts.app_name,
            }),
            role_arn: Some(session.role_arn),
            token_file,
            token_source,
            session_name: Some(session.name),
            session_length: session.length,
            policy: session.policy,
            policy_arns: session.policy_arns,
            region: Some(sts.home.region),
            endpoint_url: sts.home.endpoint_url.map(RawUrl),
            standbys: sts.standbys.into_iter().map(RawStandby::from).collect(),
            refresh_window: Some(policy.refresh_window),
            attempt_timeout: Some(sts.attempt_timeout),
            wait_timeout: Some(policy.wait_timeout),
            expired_policy: Some(policy.expired),
            token_poll_interval,
            watch_token,
            shutdown_when: ShutdownWhen::default(),
            runtime,
            time_source: Some(time_source),
            like: Some(provider.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_types::region::Region;

    use super::*;
    use crate::builder::Builder;
    use crate::environment::Environment;
    use crate::refresh::ExpiredPolicy;

    const OTHER: &str = "arn:aws:iam::123456789012:role/other";

    fn first() -> Builder {
        WebIdentityCredentialsProvider::builder()
            .role_arn("arn:aws:iam::123456789012:role/app")
            .token_file("/run/token")
            .session_name("pod-1")
            .session_length(Duration::from_secs(7200))
            .policy("{}")
            .policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
            .region(Region::from_static("eu-central-1"))
            .endpoint_url("https://sts.example.com")
            .standby_endpoint_url("https://standby.example.com")
            .refresh_window(0.2..=0.3)
            .attempt_timeout(Duration::from_secs(3))
            .wait_timeout(Duration::from_secs(4))
            .expired_policy(ExpiredPolicy::UntilRejected)
            .token_poll_interval(Duration::from_secs(7))
            .watch_token(false)
    }

    /// As it comes out in a place where no variable is set.
    fn resolved(builder: Builder) -> (String, bool) {
        let parts = builder.settings.resolve(&Environment::from_fn(|_| None)).unwrap();
        (format!("{:#?} {:#?}", parts.config, parts.engine.policy), parts.sts.is_some())
    }

    #[test]
    fn everything_is_handed_on_but_what_is_set_anew() {
        let provider = first().build().unwrap();
        let (config, shares) = resolved(provider.to_builder());
        assert_eq!(config, resolved(first()).0);
        assert!(shares);
        let (config, shares) = resolved(provider.to_builder().role_arn(OTHER));
        assert_eq!(config, resolved(first().role_arn(OTHER)).0);
        assert!(shares);
    }

    #[test]
    fn the_client_is_shared_only_while_it_does_for_both() {
        let provider = first().build().unwrap();
        let builder = || provider.to_builder();
        for (number, different) in [
            builder().region(Region::from_static("eu-west-1")),
            builder().endpoint_url("https://other.example.com"),
            builder().standby_endpoint_url("https://other.example.com"),
            builder().attempt_timeout(Duration::from_secs(5)),
            builder().time_source(aws_smithy_async::time::SystemTimeSource::new()),
            builder().configure(&aws_types::SdkConfig::builder().build()),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(!resolved(different).1, "{number}");
        }
    }
}
