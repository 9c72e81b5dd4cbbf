//! Where STS is, and how to reach it. Valid by construction: `builder` has parsed each value.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::app_name::AppName;
use aws_types::region::Region;

#[derive(Clone, Debug)]
pub(crate) struct StsConfig {
    pub(crate) home: EndpointConfig,
    /// Endpoints to ask in an outage of `home`, in this order.
    pub(crate) standbys: Vec<EndpointConfig>,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
    /// Unset: the SDK's default client.
    pub(crate) http_client: Option<SharedHttpClient>,
    pub(crate) time_source: SharedTimeSource,
    pub(crate) app_name: Option<AppName>,
    /// Limit of one exchange.
    pub(crate) attempt_timeout: Duration,
    /// Limit of one connection. The attempt that waits for it may end sooner.
    pub(crate) connect_timeout: Duration,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct EndpointConfig {
    pub(crate) region: Region,
    /// Unset: AWS's own URL for the region.
    pub(crate) endpoint_url: Option<String>,
}

/// Two configs with equal keys name the same endpoints.
#[derive(Eq, Hash, PartialEq)]
pub(crate) struct EndpointsKey(EndpointConfig, Vec<EndpointConfig>, [bool; 2]);

impl StsConfig {
    pub(crate) fn endpoints_key(&self) -> EndpointsKey {
        EndpointsKey(self.home.clone(), self.standbys.clone(), [self.use_fips, self.use_dual_stack])
    }

    /// True if this config can use the clients of `other`. The caller compares HTTP client and time source.
    pub(crate) fn is_served_by(&self, other: &Self) -> bool {
        self.endpoints_key() == other.endpoints_key()
            && self.app_name == other.app_name
            && self.attempt_timeout == other.attempt_timeout
            && self.connect_timeout == other.connect_timeout
    }
}

/// True if a request to this host stays on the machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

pub(super) fn is_aws(endpoint: &str) -> bool {
    [".amazonaws.", ".api.aws"].iter().any(|name| endpoint.contains(name))
}

/// A URL for messages: without query, fragment and password.
pub(super) fn printable_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + "://".len()));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}{host}{}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::testing::config;

    #[test]
    fn clients_are_shared_only_by_equal_configs() {
        let change = |change: fn(&mut StsConfig)| {
            let mut other = config("http://127.0.0.1:1");
            change(&mut other);
            config("http://127.0.0.1:1").is_served_by(&other)
        };
        assert!(change(|_| {}));
        for differs in [
            (|other| other.home = config("http://127.0.0.1:2").home) as fn(&mut StsConfig),
            |other| other.standbys.push(config("http://127.0.0.1:2").home),
            |other| other.use_fips = !other.use_fips,
            |other| other.use_dual_stack = !other.use_dual_stack,
            |other| other.app_name = Some(AppName::new("shop").unwrap()),
            |other| other.attempt_timeout += Duration::from_secs(1),
            |other| other.connect_timeout += Duration::from_secs(1),
        ] {
            assert!(!change(differs));
        }
    }

    #[test]
    fn p9_printed_url_holds_no_secret() {
        for (url, expected) in [
            ("https://sts.eu-central-1.amazonaws.com/", "https://sts.eu-central-1.amazonaws.com"),
            ("http://user:password@127.0.0.1:80/sts/?token=x#y", "http://127.0.0.1:80/sts"),
            ("http://127.0.0.1:80?a@b", "http://127.0.0.1:80"),
            ("odd", "odd"),
        ] {
            assert_eq!(printable_url(url), expected);
        }
    }
}
