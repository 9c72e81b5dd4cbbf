//! The standbys: other STS endpoints, and the rules by which they fit the one at home.

use aws_types::region::Region;
use http::Uri;

use super::invalid_value::{invalid_value, quoted};
use super::region::{self, partition_of};
use super::{RawStandby, endpoint_url};
use crate::environment::Given;
use crate::error::BuildError;
use crate::sts::{EndpointConfig, StsConfig};

/// Checks the standbys against `sts` and against each other.
pub(super) fn resolve(given: Vec<RawStandby>, sts: &StsConfig) -> Result<Vec<EndpointConfig>, BuildError> {
    let mut standbys: Vec<EndpointConfig> = Vec::with_capacity(given.len());
    for standby in given {
        let (by, standby) = match standby {
            RawStandby::Region(region) => (BY_REGION, of_region(region, sts)?),
            RawStandby::Url(url) => (BY_URL, of_url(url, sts)?),
        };
        let shown = || quoted(standby.endpoint_url.as_deref().unwrap_or(standby.region.as_ref()));
        if is_same(&standby, &sts.home) {
            let problem = format_args!("{}, which is the provider's own STS", shown());
            return Err(invalid_value(
                by,
                problem,
                "name another standby, or none; no_standbys() removes the earlier standbys",
            ));
        }
        if standbys.iter().any(|other| is_same(&standby, other)) {
            let remedy = "give each standby once; no_standbys() removes the earlier standbys";
            return Err(invalid_value(by, format_args!("{} twice", shown()), remedy));
        }
        standbys.push(standby);
    }
    Ok(standbys)
}

fn of_region(region: Region, sts: &StsConfig) -> Result<EndpointConfig, BuildError> {
    let name = region.to_string();
    if let Some(url) = &sts.home.endpoint_url {
        return Err(invalid_value(
            BY_REGION,
            format_args!("{}, a region of AWS, but the provider's own STS is {}", quoted(&name), quoted(url)),
            "the token would go to another STS; use standby_endpoint_url (https://sts.REGION.amazonaws.com for AWS's \
             STS); no_standbys() removes the earlier standbys",
        ));
    }
    let name = region::parse(Given { by: BY_REGION.into(), value: name }, true)?;
    check_partition(BY_REGION, &name, &name, sts)?;
    Ok(EndpointConfig { region, endpoint_url: None })
}

fn of_url(url: String, sts: &StsConfig) -> Result<EndpointConfig, BuildError> {
    let url = endpoint_url::parse(Given { by: BY_URL.into(), value: url })?;
    endpoint_url::no_variants(&url, sts.use_fips, sts.use_dual_stack)?;
    let at_aws = region_in(&url);
    if let Some(region) = &at_aws {
        check_partition(BY_URL, &url, region.as_ref(), sts)?;
    }
    // A chained role signs for this region.
    let region = at_aws.unwrap_or_else(|| sts.home.region.clone());
    Ok(EndpointConfig { region, endpoint_url: Some(url) })
}

/// An STS at home that is not AWS's has no partition, and every standby fits it.
fn check_partition(by: &'static str, given: &str, region: &str, sts: &StsConfig) -> Result<(), BuildError> {
    let home = match &sts.home.endpoint_url {
        Some(url) => region_in(url),
        None => Some(sts.home.region.clone()),
    };
    let Some(home) = home else { return Ok(()) };
    let (here, there) = (partition_of(home.as_ref()), partition_of(region));
    if here == there {
        return Ok(());
    }
    Err(invalid_value(
        by,
        format_args!("{}, of partition {there}, but the home region {home} is of partition {here}", quoted(given)),
        "credentials are valid in one partition only; name a region of the home partition; no_standbys() removes the \
         earlier standbys",
    ))
}

/// True if the endpoint is AWS's own STS, also by the name of a VPC endpoint.
pub(super) fn is_aws(endpoint_url: Option<&str>) -> bool {
    endpoint_url.is_none_or(|url| region_in(url).is_some())
}

/// The region of an endpoint of AWS: `sts.REGION.amazonaws.com`, or the name of a VPC endpoint.
fn region_in(url: &str) -> Option<Region> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.to_ascii_lowercase();
    let name = AWS_DOMAINS.iter().find_map(|domain| host.strip_suffix(domain))?;
    let mut labels = name.split('.');
    labels.find(|label| *label == "sts" || *label == "sts-fips")?;
    labels.next().filter(|label| label.contains('-')).map(|region| Region::new(region.to_owned()))
}

fn is_same(one: &EndpointConfig, other: &EndpointConfig) -> bool {
    let url = |site: &EndpointConfig| match &site.endpoint_url {
        Some(url) => url.trim_end_matches('/').to_ascii_lowercase(),
        None if site.region.as_ref().starts_with("cn-") => format!("https://sts.{}.amazonaws.com.cn", site.region),
        None => format!("https://sts.{}.amazonaws.com", site.region),
    };
    url(one) == url(other)
}

/// The ends of AWS's host names. An end that contains another one stands before it.
const AWS_DOMAINS: [&str; 4] = [".vpce.amazonaws.com", ".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
const BY_REGION: &str = "Builder::standby_region";
const BY_URL: &str = "Builder::standby_endpoint_url";

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::builder::Builder;
    use crate::builder::resolve::Parts;
    use crate::environment::Environment;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn outcome(builder: Builder, variables: Variables<'_>) -> Result<Parts, BuildError> {
        let builder = builder.role_arn("arn:aws:iam::123456789012:role/app").token_file("/run/token");
        let known = [("AWS_REGION", "eu-central-1")];
        builder.settings.resolve(&Environment::from_fn(|name| {
            let all = variables.iter().chain(&known);
            all.filter(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)).next()
        }))
    }

    fn resolve(builder: Builder, variables: Variables<'_>) -> Parts {
        outcome(builder, variables).unwrap()
    }

    fn refuse(builder: Builder, variables: Variables<'_>) -> String {
        outcome(builder, variables).err().unwrap().to_string()
    }

    #[test]
    fn standbys_keep_their_order() {
        let builder = Builder::default().standby_region(Region::new("eu-west-1"));
        let sts =
            resolve(builder.standby_endpoint_url("https://sts.example").standby_region(Region::new("eu-north-1")), &[]);
        let shown: Vec<_> =
            sts.config.sts.standbys.iter().map(|it| (it.region.as_ref(), it.endpoint_url.as_deref())).collect();
        let expected = [("eu-west-1", None), ("eu-central-1", Some("https://sts.example")), ("eu-north-1", None)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn p12_standby_that_cannot_help_is_refused() {
        let region = |name: &'static str| Builder::default().standby_region(Region::new(name));
        let url = |url: &str| Builder::default().standby_endpoint_url(url);
        let ceph = ("AWS_ENDPOINT_URL_STS", "https://ceph.example/");
        for (builder, variable, text) in [
            (
                region("cn-north-1"),
                ("", ""),
                "Builder::standby_region is \"cn-north-1\", of partition aws-cn, but the home region eu-central-1 is \
                 of partition aws: credentials are valid in one partition only; name a region of the home partition; \
                 no_standbys() removes the earlier standbys",
            ),
            (
                url("https://sts.cn-north-1.amazonaws.com.cn"),
                ("AWS_REGION", "cn-north-1"),
                "Builder::standby_endpoint_url is \"https://sts.cn-north-1.amazonaws.com.cn\", which is the provider's \
                 own STS: name another standby, or none; no_standbys() removes the earlier standbys",
            ),
            (
                region("eu-central-1"),
                ("", ""),
                "Builder::standby_region is \"eu-central-1\", which is the provider's own STS: name another standby, or \
                 none; no_standbys() removes the earlier standbys",
            ),
            (
                region("eu-west-1").standby_region(Region::new("eu-west-1")),
                ("", ""),
                "Builder::standby_region is \"eu-west-1\" twice: give each standby once; no_standbys() removes the \
                 earlier standbys",
            ),
            (
                region("eu-west-1a"),
                ("", ""),
                "Builder::standby_region is \"eu-west-1a\", which is not a region: write it as eu-west-1",
            ),
            (
                region("eu-west-1"),
                ceph,
                "Builder::standby_region is \"eu-west-1\", a region of AWS, but the provider's own STS is \
                 \"https://ceph.example/\": the token would go to another STS; use standby_endpoint_url \
                 (https://sts.REGION.amazonaws.com for AWS's STS); no_standbys() removes the earlier standbys",
            ),
            (
                url("HTTPS://ceph.example"),
                ceph,
                "Builder::standby_endpoint_url is \"HTTPS://ceph.example\", which is the provider's own STS: \
                 name another standby, or none; no_standbys() removes the earlier standbys",
            ),
            (
                url("https://sts.eu-central-1.amazonaws.com/"),
                ("", ""),
                "Builder::standby_endpoint_url is \"https://sts.eu-central-1.amazonaws.com/\", which is the \
                 provider's own STS: name another standby, or none; no_standbys() removes the earlier standbys",
            ),
            (
                url("https://sts.cn-north-1.amazonaws.com.cn"),
                ("", ""),
                "Builder::standby_endpoint_url is \"https://sts.cn-north-1.amazonaws.com.cn\", of partition aws-cn, \
                 but the home region eu-central-1 is of partition aws: credentials are valid in one partition only; \
                 name a region of the home partition; no_standbys() removes the earlier standbys",
            ),
            (
                url("https://sts.cn-north-1.amazonaws.com.cn"),
                ("AWS_ENDPOINT_URL_STS", "https://vpce-1a.sts.eu-central-1.vpce.amazonaws.com"),
                "Builder::standby_endpoint_url is \"https://sts.cn-north-1.amazonaws.com.cn\", of partition aws-cn, \
                 but the home region eu-central-1 is of partition aws: credentials are valid in one partition only; \
                 name a region of the home partition; no_standbys() removes the earlier standbys",
            ),
            (
                url("sts.example"),
                ("", ""),
                "Builder::standby_endpoint_url is \"sts.example\", which is not a whole URL: write it as \
                 https://HOST, with a port or path if need be",
            ),
            (
                url("https://sts.example"),
                ("AWS_USE_FIPS_ENDPOINT", "true"),
                "the STS endpoint is \"https://sts.example\" and FIPS is on, which the SDK does not combine: remove \
                 the endpoint, or set AWS_USE_FIPS_ENDPOINT to false and give the URL of an endpoint that has FIPS",
            ),
        ] {
            assert_eq!(refuse(builder, &[variable]), text);
        }
        for (given, of) in [
            ("https://vpce-1a.sts.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
            ("https://sts.eu-north-1.api.aws", "eu-north-1"),
            ("https://sts.amazonaws.com", "eu-central-1"),
            ("https://sts.eu-west-1.example", "eu-central-1"),
        ] {
            let standbys = resolve(url(given), &[]).config.sts.standbys;
            assert_eq!(standbys[0].region.as_ref(), of, "{given}");
        }
        let fips = resolve(region("eu-west-1"), &[("AWS_USE_FIPS_ENDPOINT", "true")]);
        assert!(
            fips.config.sts.use_fips && fips.config.sts.standbys.len() == 1,
            "standbys have the FIPS setting of home"
        );
    }
}
