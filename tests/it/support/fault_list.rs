//! Faults of STS: errors of AWS, pages of proxies, and answers without valid credentials.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_web_identity::test_util::Fault;

macro_rules! start {
    () => {
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><AssumedRoleUser><AssumedRoleId>AROA0123456789ABCDEFG:checkout-0</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/checkout/checkout-0</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>ASIAQWERTYUIOP234567</AccessKeyId>\
         <SessionToken>IQoJb3JpZ2luX2VjVGhpc0lzTm90R29vZEF0QWxs==</SessionToken>"
    };
}
macro_rules! secret_key {
    () => {
        "<SecretAccessKey>4Jq8vXN2bT6yKd0Rw3LmZc9HfUe5PgAsVo1iYnQt</SecretAccessKey>"
    };
}
macro_rules! far_expiration {
    () => {
        "<Expiration>2099-01-01T00:00:00Z</Expiration>"
    };
}
macro_rules! end {
    () => {
        "</Credentials></AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>\
         5a1d7e9c-0b3f-4c62-8a4e-9d2f6b7c8e10</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    };
}

pub(crate) const TOO_MANY_REQUESTS: Fault = error(429, "TooManyRequestsException", "Too Many Requests");
pub(crate) const IDP_COMMUNICATION_ERROR: Fault =
    error(400, "IDPCommunicationError", "Unable to communicate with the identity provider");
pub(crate) const VERIFICATION_KEY_UNREACHABLE: Fault = error(
    400,
    "InvalidIdentityToken",
    // The two spaces are AWS's own.
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity \
     documentation for requirements",
);
pub(crate) const IDP_REJECTED_CLAIM: Fault = error(403, "IDPRejectedClaim", "The identity provider rejected the claim");
pub(crate) const NO_OPEN_ID_CONNECT_PROVIDER: Fault =
    error(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://issuer.invalid");
pub(crate) const INCORRECT_AUDIENCE: Fault = error(400, "InvalidIdentityToken", "Incorrect token audience");
pub(crate) const UNKNOWN_INVALID_TOKEN: Fault = error(400, "InvalidIdentityToken", "The token is not to our taste");
pub(crate) const VALIDATION_ERROR: Fault = error(400, "ValidationError", "Request ARN is invalid");
pub(crate) const MALFORMED_POLICY_DOCUMENT: Fault =
    error(400, "MalformedPolicyDocument", "This policy contains invalid Json");
pub(crate) const PACKED_POLICY_TOO_LARGE: Fault =
    error(400, "PackedPolicyTooLarge", "Packed size of session policies consumes 112% of allotted space");
pub(crate) const REGION_DISABLED: Fault =
    error(403, "RegionDisabledException", "STS is not activated in this region for account:123456789012");
pub(crate) const INTERNAL_FAILURE: Fault =
    error(500, "InternalFailure", "We encountered an internal error. Please try again.");

/// A load balancer without a healthy server.
pub(crate) const BAD_GATEWAY: Fault = html(502, "<html><body><h1>502 Bad Gateway</h1></body></html>");
/// A captive portal.
pub(crate) const GARBAGE: Fault = html(200, "<html><body>Welcome to our network.</body></html>");
/// A proxy that does not let the request pass.
pub(crate) const HTML_ERROR: Fault = html(403, "<html><body><h1>403 Forbidden</h1></body></html>");
pub(crate) const REDIRECT: Fault = html(302, "<html><body>Found</body></html>");
/// An API gateway.
pub(crate) const JSON: Fault = page(403, "application/json", r#"{"message":"Forbidden"}"#);
pub(crate) const EMPTY_BODY: Fault = xml("");
/// `AccessDenied` as Ceph's gateway writes it: `<Error>` is the root, and the message is empty.
pub(crate) const ERROR_ROOT: Fault = page(
    403,
    "application/xml",
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message></Message>\
     <RequestId>tx00000c5b1</RequestId><HostId>d2a-default-default</HostId></Error>",
);
pub(crate) const ALREADY_EXPIRED: Fault =
    xml(concat!(start!(), secret_key!(), "<Expiration>2026-01-01T00:00:00Z</Expiration>", end!()));
pub(crate) const MISSING_EXPIRATION: Fault = xml(concat!(start!(), secret_key!(), end!()));
pub(crate) const MISSING_SECRET: Fault = xml(concat!(start!(), far_expiration!(), end!()));
/// The body has its length, but the XML ends within the credentials.
pub(crate) const CUT_XML: Fault = xml(concat!(start!(), "<SecretAccessKey>4Jq8vXN2bT6yKd0Rw3Lm"));
/// More than 64 KiB.
pub(crate) const OVERSIZED: Fault = xml(match std::str::from_utf8(&PADDED) {
    Ok(body) => body,
    Err(_) => panic!("the body is ASCII"),
});

/// All faults, each with the error code that the provider reports for it.
pub(crate) const ALL: &[(Fault, Option<&str>)] = &[
    (Fault::Throttled, Some("Throttling")),
    (TOO_MANY_REQUESTS, Some("TooManyRequestsException")),
    (IDP_COMMUNICATION_ERROR, Some("IDPCommunicationError")),
    (VERIFICATION_KEY_UNREACHABLE, Some("InvalidIdentityToken")),
    (IDP_REJECTED_CLAIM, Some("IDPRejectedClaim")),
    (Fault::ExpiredToken, Some("ExpiredTokenException")),
    (NO_OPEN_ID_CONNECT_PROVIDER, Some("InvalidIdentityToken")),
    (INCORRECT_AUDIENCE, Some("InvalidIdentityToken")),
    (UNKNOWN_INVALID_TOKEN, Some("InvalidIdentityToken")),
    (Fault::AccessDenied, Some("AccessDenied")),
    (VALIDATION_ERROR, Some("ValidationError")),
    (MALFORMED_POLICY_DOCUMENT, Some("MalformedPolicyDocument")),
    (PACKED_POLICY_TOO_LARGE, Some("PackedPolicyTooLarge")),
    (REGION_DISABLED, Some("RegionDisabledException")),
    (INTERNAL_FAILURE, Some("InternalFailure")),
    (Fault::ServiceUnavailable, Some("ServiceUnavailable")),
    (BAD_GATEWAY, None),
    (Fault::ConnectionReset, None),
    (Fault::Hang, None),
    (GARBAGE, None),
    (HTML_ERROR, None),
    (JSON, None),
    (REDIRECT, None),
    (EMPTY_BODY, None),
    (ALREADY_EXPIRED, None),
    (MISSING_EXPIRATION, None),
    (MISSING_SECRET, None),
    (Fault::CutBody, None),
    (CUT_XML, None),
    (ERROR_ROOT, Some("AccessDenied")),
    (OVERSIZED, None),
];

/// Not a fault: good credentials for `arn`, as Ceph's gateway writes them. They expire after an hour.
///
/// The differences to AWS: no namespace, no `ResponseMetadata`, `AssumeRoleId` for `AssumedRoleId`, and nine fractional
/// digits in `Expiration`.
pub(crate) fn ceph_grant(arn: &str) -> Fault {
    let expiration = DateTime::from(SystemTime::now() + Duration::from_secs(3600)).fmt(Format::DateTime).unwrap();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\
         <SubjectFromWebIdentityToken>system:serviceaccount:shop:checkout</SubjectFromWebIdentityToken>\
         <Audience>sts.amazonaws.com</Audience><AssumedRoleUser><Arn>{arn}</Arn>\
         <AssumeRoleId>0f5bc0b4:checkout-0</AssumeRoleId></AssumedRoleUser><Credentials>\
         <AccessKeyId>{CEPH_KEY}</AccessKeyId>{}<SessionToken>IQoJb3JpZ2luX2VjVGhpc0lzT2Y0Q2VwaA==</SessionToken>\
         <Expiration>{}.000000000Z</Expiration></Credentials><Provider>issuer</Provider>\
         <PackedPolicySize>0</PackedPolicySize></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        secret_key!(),
        &expiration[..19],
    );
    page(200, "application/xml", body.leak())
}

pub(crate) const CEPH_KEY: &str = "WJXBHDJPQ5TRZ3KFMVWQ";

const fn error(status: u16, code: &'static str, message: &'static str) -> Fault {
    Fault::Error { status, code, message }
}

const fn html(status: u16, body: &'static str) -> Fault {
    page(status, "text/html", body)
}

const fn xml(body: &'static str) -> Fault {
    page(200, "text/xml", body)
}

const fn page(status: u16, content_type: &'static str, body: &'static str) -> Fault {
    Fault::Page { status, content_type, body }
}

/// White space before the root, so that only the length is wrong.
static PADDED: [u8; 100 * 1024] = {
    let good = concat!(start!(), secret_key!(), far_expiration!(), end!()).as_bytes();
    let mut padded = [b' '; 100 * 1024];
    let mut at = 0;
    while at < good.len() {
        padded[100 * 1024 - good.len() + at] = good[at];
        at += 1;
    }
    padded
};
