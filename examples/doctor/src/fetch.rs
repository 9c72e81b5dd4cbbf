//! One HTTP request with limits for time and size.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use reqwest::header::{AGE, DATE};
use reqwest::{Client, Url, redirect};

use crate::clock::ClockOffset;
use crate::text::causes;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) clock_offset: Option<ClockOffset>,
}

/// Sends a GET request. Follows no redirect, as discovery allows none (OpenID Connect Discovery, 4.2).
pub(crate) async fn get(url: &Url) -> Result<Answer, String> {
    let mut builder = Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT).timeout(WHOLE);
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // A container may have no CA certificates. Plain http needs none.
        builder = builder.tls_certs_only([]);
    }
    let client = builder.build().map_err(|error| causes(&error))?;
    let sent = SystemTime::now();
    // The client's own timeout does not cover the name look-up.
    tokio::time::timeout(WHOLE + Duration::from_secs(1), async {
        let mut response = client.get(url.clone()).send().await.map_err(|error| causes(&error))?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        // An answer from a cache has an old date.
        let date = header(DATE).filter(|_| header(AGE).is_none());
        let clock_offset = date.and_then(|date| ClockOffset::from_date(date, sent, url.host_str().unwrap_or_default()));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| causes(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(format!("the answer is longer than {MAX_BYTES} bytes"));
            }
        }
        Ok(Answer { status, body, clock_offset })
    })
    .await
    .unwrap_or_else(|_| Err(format!("no answer within {} s", WHOLE.as_secs())))
}

/// A failure of TLS, recognised by the text of an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tls {
    Authority,
    Host,
    Time,
    PlainHttp,
    NotPlainHttp,
    NoCertificates,
}

impl Tls {
    pub(crate) fn of(error: &str) -> Option<Self> {
        let error = error.to_ascii_lowercase();
        let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
        Some(match () {
            () if says(&["unknownissuer", "unknown issuer", "badsignature", "causedasendentity"]) => Self::Authority,
            () if says(&["not valid for name", "notvalidforname"]) => Self::Host,
            () if says(&["certificate expired", "certificate not valid yet"]) => Self::Time,
            () if says(&["invalidcontenttype", "corrupt message"]) => Self::PlainHttp,
            () if says(&["invalid http version"]) => Self::NotPlainHttp,
            () if says(&["no ca certificates"]) => Self::NoCertificates,
            () => return None,
        })
    }

    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Authority => {
                "no CA that this pod trusts signed the certificate: write the private CA, or that of a proxy that intercepts TLS, \
                 into a PEM file together with the system's CAs, and set SSL_CERT_FILE to it (SSL_CERT_FILE replaces the \
                 system's CAs; SSL_CERT_DIR names a directory instead; AWS_CA_BUNDLE is not read)"
            }
            Self::Host => {
                "the certificate is another host's: check the host name in the URL, the DNS entry, and any proxy on the way"
            }
            Self::Time => {
                "the certificate has expired or is not valid yet by this clock: compare the clock with a time server, then \
                 renew the certificate"
            }
            Self::PlainHttp => {
                "the port does not speak TLS: check the port, or write http in the URL if plain HTTP is meant"
            }
            Self::NotPlainHttp => "the port does not speak plain HTTP, but TLS: write https in the URL",
            Self::NoCertificates => {
                "this pod has no CA certificates: install the package ca-certificates in the base image, or set SSL_CERT_FILE \
                 or SSL_CERT_DIR to where they are"
            }
        }
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

const CONNECT: Duration = Duration::from_secs(3);
/// STS waits as long for an issuer.
const WHOLE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 1 << 20;
