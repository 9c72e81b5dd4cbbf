//! Warnings about settings that are valid but may surprise.

use std::collections::BTreeSet;
use std::iter::once;
use std::sync::Mutex;

use aws_types::region::Region;

use super::endpoint_url::is_exposed;
use crate::environment::Environment;
use crate::locks::lock;
use crate::sts::{EndpointConfig, StsConfig};
use crate::web_identity::Config;

/// The warnings that were logged. Many providers of a process have the same settings, and one warning is enough.
pub(super) struct Warned(Mutex<BTreeSet<(&'static str, String)>>);

/// The warnings of this process.
pub(super) static WARNED: Warned = Warned(Mutex::new(BTreeSet::new()));

impl Warned {
    /// True if this warning is due now. A warning without a listener does not count as logged.
    fn first(&self, what: &'static str, value: &str) -> bool {
        tracing::enabled!(tracing::Level::WARN) && lock(&self.0).insert((what, value.to_owned()))
    }
}

/// Warns about the place of STS: plain http, and FIPS where AWS has none.
pub(super) fn about_sts(sts: &StsConfig, env: &Environment, warned: &Warned) {
    for EndpointConfig { region, endpoint_url } in once(&sts.home).chain(&sts.standbys) {
        match endpoint_url.as_deref() {
            Some(endpoint) if is_exposed(endpoint) && warned.first("http", endpoint) => {
                tracing::warn!(
                    endpoint,
                    "requests to STS use plain http: anybody on the network path can read the token and the \
                     credentials; use https"
                );
                if let Some(variable) = env.proxy_of_plain_http() {
                    tracing::warn!(
                        endpoint,
                        variable,
                        "a proxy is set for plain http: it receives the token and the credentials in clear text, \
                         unless NO_PROXY names the host of the endpoint; use https"
                    );
                }
            }
            None if sts.use_fips && !has_fips(region) && warned.first("FIPS", region.as_ref()) => tracing::warn!(
                %region,
                "FIPS is on, but AWS lists no FIPS endpoint of STS for this region: if DNS does not find the \
                 endpoint, turn AWS_USE_FIPS_ENDPOINT off, or choose a region in the US or Canada"
            ),
            _ => {}
        }
    }
}

/// Warns about the settings of a web identity.
pub(super) fn about(config: &Config, env: &Environment, warned: &Warned) {
    about_sts(&config.sts, env, warned);
    if env.has_pod_identity() && env.has_web_identity() && warned.first("pod identity", "") {
        tracing::warn!(
            role = config.session.role_arn,
            "both AWS_ROLE_ARN (web identity) and AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) are set: this \
             provider uses web identity, other SDKs may not; remove one of the two"
        );
    }
    if env.has_access_key() && warned.first("access key", "") {
        tracing::warn!(
            role = config.session.role_arn,
            "AWS_ACCESS_KEY_ID is set beside web identity: this provider does not use that key, but the SDK's default \
             chain and other SDKs take it first; remove it"
        );
    }
    tracing::debug!(
        role = config.session.role_arn,
        session = config.session.name,
        token = %config.token,
        region = %config.sts.home.region,
        endpoint = config.sts.home.endpoint_url,
        "web identity is configured"
    );
}

/// Follows [AWS's list](https://docs.aws.amazon.com/general/latest/gr/sts.html). The list may have grown, so this is
/// only a warning.
fn has_fips(region: &Region) -> bool {
    ["us-", "ca-"].iter().any(|area| region.as_ref().starts_with(area))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::builder::Builder;
    use crate::sts::testing::Log;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    /// A pod that the webhook prepared, with these variables as well.
    fn env(more: Variables<'_>) -> Environment {
        let injected = [
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token"),
            ("AWS_REGION", "eu-central-1"),
        ];
        Environment::from_fn(|name| {
            more.iter().chain(&injected).find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn each_surprising_setting_is_warned_of_once() {
        let pod_identity = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
        let log_of = |builder: Builder, more: Variables<'_>| {
            let (env, warned) = (env(more), Warned(Mutex::default()));
            let config = builder.settings.resolve(&env).unwrap().config;
            // A warning before the log is set up must not count.
            about(&config, &env, &warned);
            warnings(|| (0..10).for_each(|_| about(&config, &env, &warned)))
        };
        let log = |more: Variables<'_>| log_of(Builder::default(), more);

        assert_eq!(log(&[("AWS_STS_REGIONAL_ENDPOINTS", "legacy"), ("AWS_ENDPOINT_URL", "http://localhost:1")]), "");
        let both = log(&[pod_identity]);
        assert_eq!(both.matches("WARN").count(), 1, "{both}");
        assert!(both.contains("AWS_ROLE_ARN") && both.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{both}");
        let exposed = log(&[("AWS_ENDPOINT_URL_STS", "http://ceph.example:7480")]);
        assert_eq!(exposed.matches("WARN").count(), 1, "{exposed}");
        assert!(exposed.contains("http://ceph.example:7480") && exposed.contains("use https"), "{exposed}");
        let proxied = log(&[("AWS_ENDPOINT_URL_STS", "http://ceph.example:7480"), ("HTTP_PROXY", "http://canary:1")]);
        assert_eq!(proxied.matches("WARN").count(), 2, "{proxied}");
        assert!(proxied.contains(r#"variable="HTTP_PROXY""#) && !proxied.contains("canary"), "{proxied}");
        assert_eq!(log(&[("HTTP_PROXY", "http://canary:1")]), "");
        let standby =
            Builder::default().standby_endpoint_url("http://sts.example").standby_endpoint_url("http://[::1]:1");
        let exposed = log_of(standby, &[]);
        assert_eq!(exposed.matches("WARN").count(), 1, "{exposed}");
        assert!(exposed.contains("http://sts.example"), "{exposed}");
        let keys = log(&[("AWS_ACCESS_KEY_ID", "AKIACANARY"), ("AWS_SECRET_ACCESS_KEY", "canary")]);
        assert_eq!(keys.matches("WARN").count(), 1, "{keys}");
        assert!(keys.contains("AWS_ACCESS_KEY_ID is set beside web identity") && !keys.contains("CANARY"), "{keys}");
        let fips = |region| log(&[("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_REGION", region)]);
        assert_eq!(fips("eu-central-1").matches("WARN").count(), 1);
        assert!(
            fips("eu-central-1").contains("AWS_USE_FIPS_ENDPOINT") && fips("eu-central-1").contains("eu-central-1")
        );
        assert_eq!((fips("us-east-2"), fips("ca-central-1")), (String::new(), String::new()));
        assert_eq!(log(&[("AWS_REGION", "eu-central-1")]), "");
    }

    /// The log lines at WARN.
    fn warnings(act: impl FnOnce()) -> String {
        let (log, _guard) = Log::capture();
        act();
        log.text().lines().filter(|line| line.contains("WARN")).collect()
    }
}
