//! The faults that a test can ask for.

use std::fmt;

/// A failure of an exchange: an error, a page that is not from STS, or a broken connection.
///
/// [`MockSts::fail_next`](super::MockSts::fail_next) and [`MockSts::set_fault`](super::MockSts::set_fault) take a fault. The
/// mock does not look at the request then: a good token gets the fault, too.
///
/// ```
/// use aws_web_identity::test_util::Fault;
///
/// let no_provider = Fault::Error {
///     status: 400,
///     code: "InvalidIdentityToken",
///     message: "No OpenIDConnect provider found in your account for https://issuer.example.com",
/// };
/// let captive_portal = Fault::Page { status: 200, content_type: "text/html", body: "<h1>Welcome!</h1>" };
/// # assert_ne!(no_provider, captive_portal);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub enum Fault {
    /// An outage of STS: `ServiceUnavailable`, with status 503.
    ServiceUnavailable,
    /// STS limits the rate of calls: `Throttling`, with status 400 as AWS sends it.
    Throttled,
    /// The role does not trust the token: `AccessDenied`, with status 403.
    AccessDenied,
    /// The token has expired: `ExpiredTokenException`, with status 400.
    ExpiredToken,
    /// The server resets the connection instead of answering.
    ConnectionReset,
    /// The server closes the connection in the middle of its answer.
    CutBody,
    /// The server never answers.
    Hang,
    /// Any other error of STS, in the XML that AWS writes, with a request id.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code, such as `IDPCommunicationError`.
        code: &'static str,
        /// The text that goes with the code.
        message: &'static str,
    },
    /// A page that is not from STS but from a proxy, a load balancer or a captive portal. A redirect leads to `/login`.
    Page {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: &'static str,
        /// The whole body.
        body: &'static str,
    },
}

/// Without the body of a page, which can be long, and can hold a secret.
impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Throttled => "Throttled",
            Self::AccessDenied => "AccessDenied",
            Self::ExpiredToken => "ExpiredToken",
            Self::ConnectionReset => "ConnectionReset",
            Self::CutBody => "CutBody",
            Self::Hang => "Hang",
            Self::Error { status, code, .. } => return write!(f, "Error({status} {code})"),
            Self::Page { status, content_type, .. } => return write!(f, "Page({status} {content_type})"),
        })
    }
}
