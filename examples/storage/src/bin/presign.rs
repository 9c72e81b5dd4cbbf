//! Makes download links for an object, signed with this pod's role by `aws-sigv4` alone.
//!
//! `cargo run -p storage --bin presign` reads `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_REGION`, `BUCKET` and
//! `KEY`. `EXPIRES` is the time that a link is valid, in seconds (300), and `COUNT` the number of links (1). For
//! servers that are not AWS's, set `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL_S3`. The exit status is 0, or 1 with
//! the reason.
//!
//! A link stops working when the credentials that signed it expire. So the program asks `valid_for` for credentials
//! that last as long as the link. That costs an exchange only if the present ones do not last.
//!
//! A link is a secret: it lets its holder read the object, and its query contains the session token. So links go to
//! standard output only. Standard error, which may be a log, gets the URL without the query.

#[macro_use]
#[path = "../../../output/mod.rs"]
mod output;

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_web_identity::WebIdentityCredentialsProvider;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failed("presign", &*error),
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let need = |name| env::var(name).map_err(|_| format!("{name} is not set"));
    let number = |name, default| match env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} is not a number: {text}")),
        Err(_) => Ok(default),
    };
    let (bucket, key, region) = (need("BUCKET")?, need("KEY")?, need("AWS_REGION")?);
    let (lifetime, count) = (Duration::from_secs(number("EXPIRES", 300)?), number("COUNT", 1)?);
    let endpoint = env::var("AWS_ENDPOINT_URL_S3").unwrap_or_else(|_| format!("https://s3.{region}.amazonaws.com"));
    let url = format!("{}/{}/{}", endpoint.trim_end_matches('/'), encode(&bucket, ""), encode(&key, "/"));

    let identity = WebIdentityCredentialsProvider::builder().connect().await?;
    for _ in 0..count {
        // Returns at once, unless the credentials expire before the link does.
        let credentials = identity.valid_for(lifetime).await?;
        say!("{}", presigned(&url, &region, credentials, lifetime)?);
    }
    complain!("presign: {count} x {url}, valid for {} s", lifetime.as_secs());
    identity.shutdown().await;
    Ok(())
}

/// The URL with the signature in its query.
fn presigned(url: &str, region: &str, credentials: Credentials, lifetime: Duration) -> Result<String, Box<dyn Error>> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(lifetime);
    // S3 alone encodes a path once, and does not normalise it.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::UnsignedPayload)?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    let query: Vec<_> =
        instructions.params().iter().map(|(name, value)| format!("{name}={}", encode(value, ""))).collect();
    Ok(format!("{url}?{}", query.join("&")))
}

/// Percent-encodes all characters except unreserved ones and those in `also`.
fn encode(text: &str, also: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte);
        // Writing to a string cannot fail.
        let _written = if plain { out.write_char(byte.into()) } else { write!(out, "%{byte:02X}") };
        out
    })
}
