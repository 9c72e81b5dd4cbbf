use std::error::Error;
use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_web_identity::WebIdentityCredentialsProvider;
use http::Request;

/// Signs a request to a service without an SDK client: an API Gateway, OpenSearch, a database.
pub async fn signed(
    identity: &WebIdentityCredentialsProvider,
    region: &str,
    service: &str,
    mut request: Request<String>,
) -> Result<Request<String>, Box<dyn Error + Send + Sync>> {
    // Returns at once while credentials are valid. Ask anew for each request; keep nothing.
    let credentials = identity.provide_credentials().await?.into();
    let params = SigningParams::builder().identity(&credentials).region(region).name(service);
    let params = params.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
    let (method, uri) = (request.method().as_str(), request.uri().to_string());
    let headers = request.headers().iter().map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
    let headers = headers.collect::<Result<Vec<_>, http::header::ToStrError>>()?;
    let body = SignableBody::Bytes(request.body().as_bytes());
    let signable = SignableRequest::new(method, uri, headers.into_iter(), body)?;
    sign(signable, &params)?.into_parts().0.apply_to_request_http1x(&mut request);
    Ok(request)
}
