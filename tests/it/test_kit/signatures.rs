//! Signed requests to the mock STS: it accepts the exact signature of a live session only.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_web_identity::test_util::MockSts;

use super::{Kit, post, send};

#[tokio::test]
async fn request_needs_its_keys_own_signature() {
    let kit = Kit::start().await;
    let good = kit.credentials().await;
    let (key, secret, token) =
        (good.access_key_id(), good.secret_access_key(), good.session_token().map(str::to_owned));
    let credentials = |key: &str, secret: &str, token| Credentials::new(key, secret, token, None, "test");
    for (credentials, code) in [
        (credentials(key, &secret.to_lowercase(), token.clone()), "SignatureDoesNotMatch"),
        (credentials("ASIAUNKNOWNUNKNOWN00", secret, token.clone()), "InvalidClientTokenId"),
        (credentials(key, secret, Some("another".to_owned())), "InvalidClientTokenId"),
        (credentials(key, secret, None), "InvalidClientTokenId"),
    ] {
        let error = kit.client_with(credentials).get_caller_identity().send().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    }
    kit.client_with(good).get_caller_identity().send().await.unwrap();
    let (head, body) = post(&kit.sts, "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert!(head.starts_with("HTTP/1.1 403") && body.contains("MissingAuthenticationToken"), "{head}{body}");
}

#[tokio::test]
async fn signature_covers_headers_body_and_date() {
    let kit = Kit::start().await;
    let client = kit.client_with(kit.credentials().await);
    let send = async |change: fn(&mut aws_sdk_sts::config::http::HttpRequest)| {
        let request = client.get_caller_identity().customize().mutate_request(|_| {}).interceptor(AfterSigning(change));
        request.send().await.map_err(|error| error.code().map(str::to_owned))
    };
    send(|_| {}).await.unwrap();
    let mismatch = Some("SignatureDoesNotMatch".to_owned());
    let changed = [
        send(|request| *request.body_mut() = "Action=GetCallerIdentity&Version=2011-06-15&x=y".into()).await,
        send(|request| {
            request.headers_mut().insert("x-amz-date", "20200101T000000Z");
        })
        .await,
        send(|request| {
            request.headers_mut().insert("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        })
        .await,
    ];
    for error in changed {
        assert_eq!(error.unwrap_err(), mismatch);
    }
}

#[tokio::test]
async fn presigned_request_is_verified() {
    let kit = Kit::start().await;
    let target = presigned(&kit.sts, kit.credentials().await);
    let caller = async |target: &str| send(kit.sts.endpoint_url(), &format!("GET {target}"), "").await;
    let (head, body) = caller(&target).await;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("assumed-role/checkout"), "{head}{body}");

    let (_, body) = caller(&target.replace("X-Amz-Expires=60", "X-Amz-Expires=61")).await;
    assert!(body.contains("SignatureDoesNotMatch"), "{body}");
    kit.sts.set_clock_offset(100);
    let (_, body) = caller(&target).await;
    assert!(body.contains("Signature expired"), "{body}");
}

#[tokio::test]
async fn session_ends_exactly_at_its_expiration() {
    let kit = Kit::start().await;
    kit.sts.set_session_length(Duration::from_secs(600));
    let client = kit.client_with(kit.credentials().await);
    kit.sts.set_clock_offset(500);
    client.get_caller_identity().send().await.unwrap();
    kit.sts.set_clock_offset(600);
    let error = client.get_caller_identity().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredToken"));
    assert_eq!(error.message(), Some("The security token included in the request is expired"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn rejected_key_is_refused_with_given_code() {
    let kit = Kit::start().await;
    for code in ["ExpiredToken", "InvalidClientTokenId", "AccessDenied"] {
        let credentials = kit.credentials().await;
        kit.sts.reject_key(credentials.access_key_id(), code);
        let error = kit.client_with(credentials).get_caller_identity().send().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
    }
}

/// Changes a request after it was signed.
#[derive(Debug)]
struct AfterSigning(fn(&mut aws_sdk_sts::config::http::HttpRequest));

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl aws_sdk_sts::config::Intercept for AfterSigning {
    fn name(&self) -> &'static str {
        "AfterSigning"
    }

    fn modify_before_transmit(
        &self,
        context: &mut aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextMut<'_>,
        _: &aws_sdk_sts::config::RuntimeComponents,
        _: &mut aws_sdk_sts::config::ConfigBag,
    ) -> Result<(), aws_sdk_sts::error::BoxError> {
        (self.0)(context.request_mut());
        Ok(())
    }
}

/// Path and query of a presigned `GetCallerIdentity`, valid for a minute.
fn presigned(sts: &MockSts, credentials: Credentials) -> String {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let identity = credentials.into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name("sts")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let target = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let url = format!("{}{target}", sts.endpoint_url());
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut query = form_urlencoded::Serializer::new(format!("{target}&"));
    query.extend_pairs(instructions.params());
    query.finish()
}
