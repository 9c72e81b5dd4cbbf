//! Finds out why no connection to STS was made, from the error of the HTTP client, and gives the remedy for each cause.

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_runtime_api::client::result::ConnectorError;

use super::config::is_aws;
use super::failure_reason::Reason;
use super::remedies::{RemedyContext, fips_remedy};
use crate::error::RAISE_THREAD_LIMIT;
use crate::scrub::chain;

/// Why no connection to STS was made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum NoConnection {
    /// The connection was refused or reset, or the host name is unknown.
    Unreachable,
    /// TLS failed for a cause without a variant here.
    Certificate,
    /// The certificate belongs to another host.
    CertificateHost,
    /// No trusted CA signed the certificate.
    CertificateAuthority,
    /// The certificate has expired, or is not valid yet.
    CertificateTime,
    /// One side speaks TLS, the other plain HTTP.
    NotTls,
    /// This machine has no CA certificates.
    NoCertificates,
    /// No thread could be started to look up the host.
    NoThread,
}

/// The reason for an error of the HTTP client, and the text of its causes.
///
/// Each TLS library has its own texts: those of rustls, OpenSSL and s2n are known here.
pub(super) fn reason(error: &ConnectorError) -> (Reason, String) {
    // The error itself says only `io error`, `timeout` or `other`.
    let text = chain(error.source().unwrap_or(error));
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let reason = match () {
        () if error.is_timeout() => Reason::NoAnswer,
        () if lower.contains("no http client") => Reason::NoHttpClient,
        () => Reason::NoConnection(match causes.find_map(|cause| cause.downcast_ref::<SetUpError>()) {
            Some(SetUpError::NoThread) => NoConnection::NoThread,
            Some(SetUpError::NoCertificates) => NoConnection::NoCertificates,
            None if says(NOT_TLS) => NoConnection::NotTls,
            None if !lower.contains("certificate") => NoConnection::Unreachable,
            None if says(OTHER_HOST) => NoConnection::CertificateHost,
            None if says(OTHER_TIME) => NoConnection::CertificateTime,
            None if says(UNKNOWN_AUTHORITY) => NoConnection::CertificateAuthority,
            None => NoConnection::Certificate,
        }),
    };
    (reason, text)
}

/// rustls reports the first text if the server speaks plain http. hyper reports the second if the server speaks TLS.
const NOT_TLS: &[&str] = &["invalidcontenttype", "invalid http version", "wrong version number", "record overflow"];
const OTHER_HOST: &[&str] = &["not valid for name", "notvalidforname", "hostname mismatch", "host name"];
const OTHER_TIME: &[&str] = &["expired", "not valid yet", "not yet valid"];
const UNKNOWN_AUTHORITY: &[&str] =
    &["unknownissuer", "badsignature", "causedasendentity", "local issuer", "self-signed", "self signed", "untrusted"];

/// Why our own HTTP client could not be set up.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "default-https-client"), expect(dead_code, reason = "that client is not built"))]
pub(super) enum SetUpError {
    NoCertificates,
    NoThread,
}

impl fmt::Display for SetUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificates => "this machine has no CA certificates",
            Self::NoThread => "no thread can be started",
        })
    }
}

impl StdError for SetUpError {}

/// Tells the reader of the error what to do.
pub(super) fn remedy(cause: NoConnection, context: &RemedyContext<'_>) -> String {
    let endpoint = context.endpoint;
    match cause {
        NoConnection::Unreachable => unreachable(context),
        NoConnection::Certificate => format!(
            "TLS with {endpoint} fails. A proxy or firewall in between may break TLS. A server that is not AWS's may lack \
             TLS 1.2 or 1.3. {OWN_CLIENT}"
        ),
        NoConnection::CertificateHost => format!(
            "the certificate of {endpoint} belongs to another host. Check the host name in AWS_ENDPOINT_URL_STS, the DNS \
             entry, and any proxy in between. The certificate of your own STS must name the host in this URL"
        ),
        NoConnection::CertificateAuthority => format!(
            "the CA that signed the certificate of {endpoint} is not trusted here. Find out whether a proxy intercepts TLS or the \
             server has a private CA. If so, write that CA (PEM) into a file together with the system's CAs, and set \
             SSL_CERT_FILE to the file. SSL_CERT_FILE replaces the system's CAs; SSL_CERT_DIR names a directory instead. \
             AWS_CA_BUNDLE is not read. {OWN_CLIENT}"
        ),
        NoConnection::CertificateTime => format!(
            "the certificate of {endpoint} has expired, or is not valid yet, by the clock of this machine. Compare this clock \
             with a time server first. If the clock is right, the operator of {endpoint} (or of a proxy that intercepts TLS) must renew \
             the certificate"
        ),
        NoConnection::NotTls if endpoint.starts_with("http://") => format!(
            "the server at {endpoint} speaks TLS, but the URL begins with http. Set AWS_ENDPOINT_URL_STS to the same URL with \
             https"
        ),
        NoConnection::NotTls => format!(
            "the server at {endpoint} does not speak TLS. Check the port in AWS_ENDPOINT_URL_STS; a server in your own network \
             that speaks plain HTTP needs a URL with http. If HTTPS_PROXY is set, the URL in it often must begin with http"
        ),
        NoConnection::NoCertificates => format!(
            "without CA certificates {endpoint} cannot be trusted. Install the package ca-certificates in the base image, or \
             set SSL_CERT_FILE (a file) or SSL_CERT_DIR (a directory) to the path of certificates. If one of these \
             variables is set already, check that its path exists and can be read. AWS_CA_BUNDLE is not read"
        ),
        NoConnection::NoThread => format!("{RAISE_THREAD_LIMIT}. The exchange is tried again"),
    }
}

/// The message shows which step failed: the operating system, the resolver and the proxy have their own words.
fn unreachable(context: &RemedyContext<'_>) -> String {
    let RemedyContext { endpoint, region, session, .. } = *context;
    // Names in it are no causes: a role may be called external-dns.
    let message = context.message.replace(endpoint, "").replace(&session.role_arn, "").to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let check = if says(&["proxy authorization required"]) {
        "the proxy wants a login. Write it into the URL of the proxy (HTTPS_PROXY or ALL_PROXY) as http://USER:PASSWORD@HOST."
            .to_owned()
    } else if says(&["failed to create underlying connection"]) {
        format!(
            "the proxy cannot be reached. Check its URL (HTTPS_PROXY or ALL_PROXY), or name the host of {endpoint} in NO_PROXY."
        )
    } else if says(&["tunnel"]) {
        format!(
            "the proxy in HTTPS_PROXY refuses to connect to {endpoint}. Let the proxy allow that host, or name the host in NO_PROXY."
        )
    } else if says(&["dns", "lookup", "resolve"]) {
        let variable =
            if is_aws(endpoint) { format!("AWS_REGION ({region})") } else { "AWS_ENDPOINT_URL_STS".to_owned() };
        format!("the host of {endpoint} is not found. Check {variable}, and the DNS of this pod.")
    } else if says(&["refused"]) {
        format!(
            "nothing accepts connections at {endpoint}. Check the host and the port, and HTTP_PROXY and HTTPS_PROXY if a proxy \
             is set. A firewall or network policy may also refuse connections."
        )
    } else {
        let tls = if endpoint.starts_with("http://") {
            " If the server there speaks TLS, write https in the URL."
        } else {
            ""
        };
        format!(
            "check that this pod can reach {endpoint}: DNS, network policy, security groups, HTTPS_PROXY and NO_PROXY, the VPC \
             endpoint of STS in {region}.{tls}"
        )
    };
    check + fips_remedy(endpoint) + " The exchange is tried again"
}

const OWN_CLIENT: &str = "If the program gives its own HTTP client to the builder, give the CA to that client";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::testing::{ROLE, session};

    #[test]
    fn remedy_follows_the_text_of_the_error() {
        let session = session(ROLE);
        let remedy_for = |endpoint, message| {
            remedy(
                NoConnection::Unreachable,
                &RemedyContext { session: &session, endpoint, region: "eu-central-1", message },
            )
        };
        for (endpoint, message, begins) in [
            (
                "https://sts.eu-central-1.amazonaws.com",
                "dns error: no such name",
                "the host of https://sts.eu-central-1.amazonaws.com is not found. Check AWS_REGION (eu-central-1)",
            ),
            (
                "https://sts.example.com",
                "failed to lookup address",
                "the host of https://sts.example.com is not found. Check AWS_ENDPOINT_URL_STS",
            ),
            (
                "https://sts.example.com",
                "tunnel error: unsuccessful",
                "the proxy in HTTPS_PROXY refuses to connect to https://sts.example.com.",
            ),
            (
                "https://sts.example.com",
                "tunnel error: failed to create underlying connection: tcp connect error: Connection refused (os error 111)",
                "the proxy cannot be reached. Check its URL (HTTPS_PROXY or ALL_PROXY), or name",
            ),
            ("https://sts.example.com", "tunnel error: proxy authorization required", "the proxy wants a login."),
            (
                "https://tunnel.example.com",
                "no answer from STS at https://tunnel.example.com for arn:aws:iam::123456789012:role/app: Connection refused",
                "nothing accepts connections at https://tunnel.example.com.",
            ),
            (
                "https://sts.example.com",
                "Connection refused (os error 111)",
                "nothing accepts connections at https://sts.example.com.",
            ),
            (
                "https://sts.example.com",
                "Connection reset by peer",
                "check that this pod can reach https://sts.example.com: DNS",
            ),
        ] {
            let remedy = remedy_for(endpoint, message);
            assert!(
                remedy.starts_with(begins) && remedy.ends_with("The exchange is tried again"),
                "{message}: {remedy}"
            );
            assert!(!remedy.contains("write https in the URL"), "{remedy}");
        }
        assert!(remedy_for("http://sts.example.com", "Connection reset by peer").contains("write https in the URL"));
    }
}
