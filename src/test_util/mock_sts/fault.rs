//! What can be made to go wrong with an exchange.

use super::refusal::Refusal;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What goes wrong with an exchange: see [`MockSts::fail_next`](super::MockSts::fail_next).
        ///
        /// Those that spoil a grant, [`AlreadyExpired`](Self::AlreadyExpired) say, do so only to a request that would
        /// get one. All others answer without a look at the request.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Fault {
            $($(#[$doc])* $name,)+
        }

        impl Fault {
            /// All of them, for tests that go through a matrix.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

faults! {
    /// `Throttling`, with a status of 400 as STS does.
    Throttled,
    /// `TooManyRequestsException` with a status of 429 and a `retry-after` header, of one second unless
    /// [set](super::MockSts::set_retry_after).
    TooManyRequests,
    /// `IDPCommunicationError`: STS got no answer from the issuer.
    IdpCommunicationError,
    /// `InvalidIdentityToken`: STS got no key from the issuer. Often an outage.
    VerificationKeyUnreachable,
    /// `IDPRejectedClaim`.
    IdpRejectedClaim,
    /// `ExpiredTokenException`: the web identity token has expired.
    ExpiredToken,
    /// `InvalidIdentityToken`: the account has no such OIDC provider.
    NoOpenIdConnectProvider,
    /// `InvalidIdentityToken`: the provider does not list the token's audience.
    IncorrectAudience,
    /// `InvalidIdentityToken`, with a text that nobody has seen yet.
    UnknownInvalidToken,
    /// `AccessDenied`: the role's trust policy does not match.
    AccessDenied,
    /// `ValidationError`.
    ValidationError,
    /// `MalformedPolicyDocument`.
    MalformedPolicyDocument,
    /// `PackedPolicyTooLarge`.
    PackedPolicyTooLarge,
    /// `RegionDisabledException`: STS is not activated in this region for the account.
    RegionDisabled,
    /// `InternalFailure`, 500.
    InternalFailure,
    /// `ServiceUnavailable`, 503.
    ServiceUnavailable,
    /// A load balancer's 502, in HTML.
    BadGateway,
    /// The connection is reset instead of an answer.
    ConnectionReset,
    /// No answer, for as long as the client waits.
    Hang,
    /// A 200 in HTML, as from a captive portal.
    Garbage,
    /// A 403 in HTML, as from a proxy.
    HtmlError,
    /// A 403 in JSON, as from a gateway.
    Json,
    /// A 302 to a page that asks for a login.
    Redirect,
    /// A 200 with nothing in it.
    EmptyBody,
    /// A grant that ended a minute ago, by STS's own clock.
    AlreadyExpired,
    /// A grant without its `Expiration`.
    MissingExpiration,
    /// A grant without its `SecretAccessKey`.
    MissingSecret,
    /// The connection ends amid the body of a grant.
    CutBody,
    /// The body is whole by its length, but its XML ends amid the session token.
    CutXml,
    /// Not a failure: a good grant in the shape of Ceph's STS, without namespace and `ResponseMetadata`, with
    /// `AssumeRoleId` for `AssumedRoleId`, and an `Expiration` with nine fractional digits.
    OtherShape,
    /// `AccessDenied` in the shape of Ceph's STS: an `<Error>` at the root, and an empty message.
    ErrorRoot,
    /// A grant of more than 64 KiB.
    Oversized,
}

impl Fault {
    /// The error code of the answer, if the answer is an error of STS.
    pub fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::Throttled => "Throttling",
            Self::TooManyRequests => "TooManyRequestsException",
            Self::IdpCommunicationError => "IDPCommunicationError",
            Self::VerificationKeyUnreachable
            | Self::NoOpenIdConnectProvider
            | Self::IncorrectAudience
            | Self::UnknownInvalidToken => "InvalidIdentityToken",
            Self::IdpRejectedClaim => "IDPRejectedClaim",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::AccessDenied | Self::ErrorRoot => "AccessDenied",
            Self::ValidationError => "ValidationError",
            Self::MalformedPolicyDocument => "MalformedPolicyDocument",
            Self::PackedPolicyTooLarge => "PackedPolicyTooLarge",
            Self::RegionDisabled => "RegionDisabledException",
            Self::InternalFailure => "InternalFailure",
            Self::ServiceUnavailable => "ServiceUnavailable",
            _ => return None,
        })
    }

    pub(super) fn effect(self) -> Effect {
        let refusal = |status, message: &'static str| {
            Effect::Refuse(Refusal::new(status, self.code().unwrap_or_default(), message))
        };
        match self {
            Self::Throttled => refusal(400, "Rate exceeded"),
            Self::TooManyRequests => refusal(429, "Too Many Requests"),
            Self::IdpCommunicationError => refusal(400, "Unable to communicate with the identity provider"),
            Self::VerificationKeyUnreachable => Effect::Refuse(Refusal::no_verification_key()),
            Self::IdpRejectedClaim => refusal(403, "The identity provider rejected the claim"),
            Self::ExpiredToken => refusal(400, "Token expired"),
            Self::NoOpenIdConnectProvider => Effect::Refuse(Refusal::no_provider("https://issuer.invalid")),
            Self::IncorrectAudience => Effect::Refuse(Refusal::incorrect_audience()),
            Self::UnknownInvalidToken => refusal(400, "The token is not to our taste"),
            Self::AccessDenied => Effect::Refuse(Refusal::access_denied()),
            Self::ValidationError => Effect::Refuse(Refusal::validation("Request ARN is invalid")),
            Self::MalformedPolicyDocument => Effect::Refuse(Refusal::malformed_policy()),
            Self::PackedPolicyTooLarge => {
                refusal(400, "Packed size of session policies consumes 112% of allotted space")
            }
            Self::RegionDisabled => refusal(403, "STS is not activated in this region for account:123456789012"),
            Self::InternalFailure => refusal(500, "We encountered an internal error. Please try again."),
            Self::ServiceUnavailable => refusal(503, "Service Unavailable"),
            Self::ErrorRoot => Effect::BareError(Refusal::new(403, "AccessDenied", "")),
            Self::BadGateway => Effect::Page(502, "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>"),
            Self::Garbage => Effect::Page(200, "text/html", "<html><body>Welcome to our network.</body></html>"),
            Self::HtmlError => Effect::Page(403, "text/html", "<html><body><h1>403 Forbidden</h1></body></html>"),
            Self::Json => Effect::Page(403, "application/json", r#"{"message":"Forbidden"}"#),
            Self::Redirect => Effect::Page(302, "text/html", "<html><body>Found</body></html>"),
            Self::EmptyBody => Effect::Page(200, "text/xml", ""),
            Self::ConnectionReset => Effect::Reset,
            Self::Hang => Effect::Hang,
            Self::AlreadyExpired => Effect::Spoil(Spoil::Expired),
            Self::MissingExpiration => Effect::Spoil(Spoil::Without("Expiration")),
            Self::MissingSecret => Effect::Spoil(Spoil::Without("SecretAccessKey")),
            Self::CutBody => Effect::Spoil(Spoil::Disconnected),
            Self::CutXml => Effect::Spoil(Spoil::CutXml),
            Self::OtherShape => Effect::Spoil(Spoil::OtherShape),
            Self::Oversized => Effect::Spoil(Spoil::Oversized),
        }
    }
}

/// What a fault does.
pub(super) enum Effect {
    /// An error in AWS's shape.
    Refuse(Refusal),
    /// An error with `<Error>` at its root.
    BareError(Refusal),
    /// What no STS would answer: a status, a content type and a body.
    Page(u16, &'static str, &'static str),
    /// A grant, but.
    Spoil(Spoil),
    Reset,
    Hang,
}

/// What is wrong with a grant.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Spoil {
    Expired,
    /// Lacks this element.
    Without(&'static str),
    /// The connection ends amid the body.
    Disconnected,
    CutXml,
    OtherShape,
    Oversized,
}
