//! Why no answer came, from what the HTTP client says.

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_runtime_api::client::result::ConnectorError;

use super::reason::Reason;
use crate::scrub::chain;

/// The machine has no CA certificates.
#[derive(Debug)]
pub(super) struct NoCertificates;

/// No thread can be started.
#[derive(Debug)]
pub(super) struct NoThread;

/// The reason for an error of the HTTP client, and the text of its causes.
///
/// Each TLS library has its own words: those of rustls, OpenSSL and s2n are known here.
pub(super) fn reason(error: &ConnectorError) -> (Reason, String) {
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    // The error itself says just `io error`, `timeout` or `other`.
    let text = chain(error.source().unwrap_or(error));
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let reason = match () {
        () if error.is_timeout() => Reason::NoAnswer,
        () if lower.contains("no http client") => Reason::NoHttpClient,
        () if causes().any(|cause| cause.is::<NoThread>()) => Reason::NoThread,
        () if causes().any(|cause| cause.is::<NoCertificates>()) => Reason::NoCertificates,
        () if says(&NOT_TLS) => Reason::NotTls,
        () if !lower.contains("certificate") => Reason::Unreachable,
        () if says(&OTHER_HOST) => Reason::CertificateHost,
        () if says(&OTHER_TIME) => Reason::CertificateTime,
        () if says(&UNKNOWN_AUTHORITY) => Reason::CertificateAuthority,
        () => Reason::Certificate,
    };
    (reason, text)
}

/// The first is http in place of TLS, the second TLS in place of http.
const NOT_TLS: [&str; 4] = ["invalidcontenttype", "invalid http version", "wrong version number", "record overflow"];
const OTHER_HOST: [&str; 4] = ["not valid for name", "notvalidforname", "hostname mismatch", "host name"];
const OTHER_TIME: [&str; 3] = ["expired", "not valid yet", "not yet valid"];
const UNKNOWN_AUTHORITY: [&str; 7] =
    ["unknownissuer", "badsignature", "causedasendentity", "local issuer", "self-signed", "self signed", "untrusted"];

impl fmt::Display for NoCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this machine has no CA certificates")
    }
}

impl StdError for NoCertificates {}

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no thread can be started")
    }
}

impl StdError for NoThread {}
