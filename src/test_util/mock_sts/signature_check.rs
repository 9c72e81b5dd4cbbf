//! The check of a request's signature (SigV4). The mock signs the same request with the secret that it gave, and
//! compares the signatures.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::{Request, Uri};

use super::refusal::Refusal;
use super::request::Form;
use crate::test_util::hex;

/// The signer of a request: see [`MockSts::verify`](super::MockSts::verify).
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The session of the role, such as `arn:aws:sts::123456789012:assumed-role/checkout/checkout-0`.
    pub arn: String,
    /// The access key that made the signature.
    pub access_key_id: String,
    /// The region that the signature is for.
    pub region: String,
    /// The service that the signature is for, by its name in signatures: `s3`, `sqs`, `dynamodb`.
    pub service: String,
}

/// The claims of a request about its signature, from its headers or, if presigned, from its query.
pub(super) struct Signed {
    pub(super) access_key_id: String,
    pub(super) region: String,
    pub(super) service: String,
    signed_headers: String,
    date: String,
    signature: String,
    session_token: Option<String>,
    /// `X-Amz-Expires`. `None` if the request is not presigned.
    expires: Option<Duration>,
}

impl Signed {
    pub(super) fn parse<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let authorization = header("authorization");
        let presigned = query.get("X-Amz-Signature").is_some();
        if authorization.is_none() && !presigned {
            return Err(Refusal::of_key("MissingAuthenticationToken"));
        }
        let of_header = |name: &str| {
            let fields = authorization?.strip_prefix("AWS4-HMAC-SHA256 ")?;
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let find = |name: &str| if presigned { query.get(&format!("X-Amz-{name}")) } else { of_header(name) };
        let parse = || {
            let mut scope = find("Credential")?.split('/');
            let (access_key_id, _day) = (scope.next()?, scope.next()?);
            let date = if presigned { query.get("X-Amz-Date") } else { header("x-amz-date") };
            let session_token =
                if presigned { query.get("X-Amz-Security-Token") } else { header("x-amz-security-token") };
            Some(Self {
                access_key_id: access_key_id.to_owned(),
                region: scope.next()?.to_owned(),
                service: scope.next()?.to_owned(),
                signed_headers: find("SignedHeaders")?.to_owned(),
                date: date?.to_owned(),
                signature: find("Signature")?.to_owned(),
                session_token: session_token.map(str::to_owned),
                expires: if presigned { Some(Duration::from_secs(find("Expires")?.parse().ok()?)) } else { None },
            })
        };
        parse().ok_or_else(|| {
            Refusal::new(400, "IncompleteSignature", "The request signature does not conform to AWS standards")
        })
    }

    /// Checks that `credentials` made the signature, and that it has not expired.
    pub(super) fn verify(
        &self,
        request: &Request<impl AsRef<[u8]>>,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        if self.session_token.as_deref() != credentials.session_token() {
            return Err(Refusal::of_key("InvalidClientTokenId"));
        }
        let signed_at = parse_date(&self.date).ok_or_else(mismatch)?;
        if self.signature_by(request, credentials, signed_at).as_ref() != Some(&self.signature) {
            return Err(mismatch());
        }
        if named_hash(request).is_some_and(|named| named != hash(request)) {
            return Err(Refusal::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ));
        }
        let fault = if now > signed_at + self.expires.unwrap_or(TOLERANCE) {
            "expired"
        } else if signed_at > now + TOLERANCE {
            "not yet current"
        } else {
            return Ok(());
        };
        Err(Refusal::new(403, "SignatureDoesNotMatch", format!("Signature {fault}: {}", self.date)))
    }

    fn signature_by(
        &self,
        request: &Request<impl AsRef<[u8]>>,
        credentials: &Credentials,
        signed_at: SystemTime,
    ) -> Option<String> {
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        settings.expires_in = self.expires;
        if self.expires.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
        }
        // S3 signs the path as sent. Other services encode it once more.
        let is_s3 = matches!(self.service.as_str(), "s3" | "s3express" | "s3-outposts" | "s3-object-lambda");
        if is_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = Identity::from(credentials.clone());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(signed_at)
            .settings(settings)
            .build()
            .ok()?;
        let host = match request.headers().get("host") {
            Some(host) => host.to_str().ok()?,
            None => request.uri().authority()?.as_str(),
        };
        let mut headers = Vec::new();
        for name in self.signed_headers.split(';') {
            match name {
                // The signer adds these two headers itself.
                "x-amz-date" | "x-amz-security-token" => {}
                "host" => headers.push((name, host)),
                _ => {
                    let before = headers.len();
                    for value in request.headers().get_all(name) {
                        headers.push((name, value.to_str().ok()?));
                    }
                    if headers.len() == before {
                        return None;
                    }
                }
            }
        }
        let body = match request.headers().get("x-amz-content-sha256") {
            Some(named) => SignableBody::Precomputed(named.to_str().ok()?.to_owned()),
            None if is_s3 && self.expires.is_some() => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(request.body().as_ref()),
        };
        let url = format!("http://{host}{}", unsigned_target(request.uri()));
        let signable = SignableRequest::new(request.method().as_str(), url, headers.into_iter(), body).ok()?;
        Some(sign(signable, &params.into()).ok()?.into_parts().1)
    }
}

/// The hash of the body in `x-amz-content-sha256`. `None` if the body is unsigned, or signed in chunks.
fn named_hash<B>(request: &Request<B>) -> Option<&str> {
    let named = request.headers().get("x-amz-content-sha256")?.to_str().ok()?;
    (named.len() == 64).then_some(named)
}

fn hash(request: &Request<impl AsRef<[u8]>>) -> String {
    hex(digest(&SHA256, request.body().as_ref()).as_ref())
}

/// Path and query without the parameters that a presigner adds.
fn unsigned_target(uri: &Uri) -> String {
    let added = ["Algorithm", "Credential", "Date", "Expires", "Security-Token", "Signature", "SignedHeaders"];
    let is_added = |pair: &&str| {
        added.iter().any(|name| pair.strip_prefix("X-Amz-").is_some_and(|rest| rest.starts_with(&format!("{name}="))))
    };
    let query: Vec<_> = uri.query().unwrap_or_default().split('&').filter(|pair| !is_added(pair)).collect();
    format!("{}?{}", uri.path(), query.join("&"))
}

/// Parses a time such as `20261123T080900Z`.
fn parse_date(text: &str) -> Option<SystemTime> {
    let part = |from, to| text.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(9, 11)?, part(11, 13)?, part(13, 15)?);
    let usual = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    SystemTime::try_from(DateTime::from_str(&usual, Format::DateTime).ok()?).ok()
}

fn mismatch() -> Refusal {
    Refusal::of_key("SignatureDoesNotMatch")
}

/// Largest difference between a request's clock and AWS's.
const TOLERANCE: Duration = Duration::from_secs(15 * 60);
