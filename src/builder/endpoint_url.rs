//! The endpoint URL of STS: its rule, and how it is shown without a password.

use http::Uri;

use super::invalid_value::{invalid_value, quoted};
use crate::environment::Given;
use crate::error::BuildError;
use crate::sts::is_loopback;

/// The parser is that of the SDK, so that both read an endpoint alike.
pub(super) fn parse(url: Given<String>) -> Result<String, BuildError> {
    let Given { by, value: text } = url;
    let (problem, remedy) = match flaw(&text) {
        None => return Ok(text),
        Some((problem, "")) => (problem, "write it as https://HOST, with a port or path if need be"),
        Some(flaw) => flaw,
    };
    Err(invalid_value(by, format_args!("{}, {problem}", quoted(&without_secrets(&text))), remedy))
}

/// The problem and its remedy. An empty remedy stands for the most common one.
fn flaw(text: &str) -> Option<(&'static str, &'static str)> {
    let Ok(uri) = text.parse::<Uri>() else { return Some(("which is not a URL", "")) };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Some(("which is not a whole URL", ""));
    };
    let host = uri.host().unwrap_or_default();
    let port = authority.as_str().strip_prefix(host).unwrap_or_default();
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        Some(("which is neither https nor http", ""))
    } else if authority.as_str().contains('@') {
        Some(("which has a user name", "STS needs only the token; remove the part before the @"))
    } else if uri.query().is_some() || text.contains('#') {
        Some(("which has a query or fragment", "give only scheme, host, port and path"))
    } else if host.is_empty() || !(port.is_empty() || uri.port_u16().is_some_and(|port| port != 0)) {
        Some(("which has no host or an invalid port", ""))
    } else {
        None
    }
}

/// True if requests to this URL cross a network in clear text.
pub(super) fn is_exposed(url: &str) -> bool {
    url.parse().is_ok_and(|uri: Uri| {
        uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"))
            && !uri.host().is_some_and(is_loopback)
    })
}

/// The SDK's endpoint rules refuse an endpoint with FIPS or dual stack on every call. This error comes once, before
/// them.
pub(super) fn no_variants(endpoint: &str, use_fips: bool, use_dual_stack: bool) -> Result<(), BuildError> {
    let (variant, variable) = match (use_fips, use_dual_stack) {
        (true, _) => ("FIPS", "AWS_USE_FIPS_ENDPOINT"),
        (_, true) => ("dual stack", "AWS_USE_DUALSTACK_ENDPOINT"),
        _ => return Ok(()),
    };
    Err(BuildError::invalid(
        format!("the STS endpoint is {} and {variant} is on, which the SDK does not combine", quoted(endpoint)),
        format!("remove the endpoint, or set {variable} to false and give the URL of an endpoint that has {variant}"),
    ))
}

/// Hides what may be secret in a URL: the part before the last `@`, and the query.
pub(super) fn without_secrets(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?..."));
    let shown = match url.rsplit_once('@') {
        None => url.to_owned(),
        Some((before, after)) => {
            let scheme = before.find("://").map_or("", |end| &before[..end + 3]);
            format!("{scheme}[redacted]@{after}")
        }
    };
    shown + query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<String, String> {
        let given = Given { by: "AWS_ENDPOINT_URL_STS".into(), value: url.to_owned() };
        parse(given).map_err(|error| error.to_string())
    }

    #[test]
    fn url_is_kept_as_given() {
        for url in [
            "https://sts.eu-central-1.amazonaws.com",
            "https://vpce-0a1b.sts.eu-central-1.vpce.amazonaws.com/",
            "https://ceph.example:7480/sts",
            "HTTPS://ceph.example",
            "https://[fd00::1]:443",
        ] {
            assert_eq!(endpoint(url).as_deref(), Ok(url));
            assert!(!is_exposed(url), "{url}");
        }
    }

    #[test]
    fn plain_http_is_exposed_beyond_loopback() {
        for (url, exposed) in [
            ("http://localhost:4566", false),
            ("http://sts.localhost:4566", false),
            ("http://127.0.0.1:1", false),
            ("http://127.9.9.9", false),
            ("http://[::1]:8080/", false),
            ("http://rgw.ceph.svc:7480", true),
            ("HTTP://10.0.0.1", true),
            ("http://localhost.example.com", true),
        ] {
            assert_eq!((endpoint(url).is_ok(), is_exposed(url)), (true, exposed), "{url}");
        }
    }

    #[test]
    fn p12_text_that_is_no_endpoint_gets_a_remedy() {
        let example = "write it as https://HOST, with a port or path if need be";
        for (url, text) in [
            ("sts.example", format!(r#""sts.example", which is not a whole URL: {example}"#)),
            ("/sts", format!(r#""/sts", which is not a whole URL: {example}"#)),
            ("", format!(r#""", which is not a URL: {example}"#)),
            ("https://", format!(r#""https://", which is not a URL: {example}"#)),
            ("https://a b", format!(r#""https://a b", which is not a URL: {example}"#)),
            ("ftp://sts.example", format!(r#""ftp://sts.example", which is neither https nor http: {example}"#)),
            (
                "https://sts.example:99999",
                format!(r#""https://sts.example:99999", which has no host or an invalid port: {example}"#),
            ),
            (
                "https://sts.example/#x",
                r#""https://sts.example/#x", which has a query or fragment: give only scheme, host, port and path"#
                    .to_owned(),
            ),
        ] {
            assert_eq!(endpoint(url).err(), Some(format!("AWS_ENDPOINT_URL_STS is {text}")));
        }
    }

    #[test]
    fn p9_a_password_in_a_url_is_not_repeated() {
        for url in [
            "https://me:canary@sts.example/x",
            "https://canary@sts.example",
            "me:canary@sts.example",
            "https://me:c@n@ry:canary@sts.example",
            "https://sts.example/?key=canary",
            "not a url, me:canary@sts",
        ] {
            let error = endpoint(url).err().unwrap();
            assert!(!error.contains("canary") && error.contains("sts"), "{error}");
            let shown = quoted(&without_secrets(url));
            assert!(!shown.contains("canary") && shown.contains("sts"), "{shown}");
        }
        assert_eq!(
            endpoint("https://me:canary@sts.example/x").err().unwrap(),
            "AWS_ENDPOINT_URL_STS is \"https://[redacted]@sts.example/x\", which has a user name: STS needs only the \
             token; remove the part before the @"
        );
    }

    #[test]
    fn an_endpoint_has_no_variants() {
        let check = |fips, dual_stack| no_variants("https://x", fips, dual_stack).map_err(|error| error.to_string());

        assert_eq!(check(false, false), Ok(()));
        assert_eq!(
            check(true, false).unwrap_err(),
            "the STS endpoint is \"https://x\" and FIPS is on, which the SDK does not combine: remove the endpoint, \
             or set AWS_USE_FIPS_ENDPOINT to false and give the URL of an endpoint that has FIPS"
        );
        assert!(check(false, true).unwrap_err().contains("AWS_USE_DUALSTACK_ENDPOINT"));
    }
}
