//! Where STS is and what to ask it for. Valid by construction: `builder` parses, nobody checks again.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::app_name::AppName;
use aws_types::region::Region;

/// A session of one role.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Session {
    pub(crate) role_arn: String,
    pub(crate) name: String,
    /// Unset: STS's default, 3600 s.
    pub(crate) length: Option<Duration>,
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<String>,
}

/// What `AssumeRole` takes beside a session, and `AssumeRoleWithWebIdentity` does not.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct ChainSettings {
    pub(crate) external_id: Option<String>,
    /// Keys and values.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tag_keys: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

/// Where one STS is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Site {
    pub(crate) region: Region,
    /// Instead of AWS's own for the region.
    pub(crate) endpoint_url: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct StsConfig {
    pub(crate) home: Site,
    /// Where else the same can be had, in their order.
    pub(crate) standbys: Vec<Site>,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
    /// Unset: the SDK's default client.
    pub(crate) http_client: Option<SharedHttpClient>,
    pub(crate) time_source: SharedTimeSource,
    pub(crate) app_name: Option<AppName>,
    /// One whole exchange.
    pub(crate) attempt_timeout: Duration,
    /// One connection. The attempt that waits for it may end sooner.
    pub(crate) connect_timeout: Duration,
}

/// Which STS a config names.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Place {
    home: Site,
    standbys: Vec<Site>,
    use_fips: bool,
    use_dual_stack: bool,
}

impl StsConfig {
    pub(crate) fn place(&self) -> Place {
        Place {
            home: self.home.clone(),
            standbys: self.standbys.clone(),
            use_fips: self.use_fips,
            use_dual_stack: self.use_dual_stack,
        }
    }

    /// Whether a client of the one does for the other, given that both have the same HTTP client and time source.
    pub(crate) fn is_served_by(&self, other: &Self) -> bool {
        self.place() == other.place()
            && self.app_name == other.app_name
            && self.attempt_timeout == other.attempt_timeout
            && self.connect_timeout == other.connect_timeout
    }
}

/// Whether what is sent to this host never leaves the machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
