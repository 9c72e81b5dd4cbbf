//! Signature checks for a fake service of a user.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::{Caller, Refusal, TestAws};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use http::HeaderValue;

use super::send;
use crate::support::{key, soon};

#[tokio::test(flavor = "multi_thread")]
async fn caller_of_a_signed_request_is_named() {
    let setup = Setup::start().await;
    setup.put("1", ByteStream::from_static(b"bread")).await;
    let caller = setup.verify(&setup.fake.last()).unwrap();
    assert_eq!(caller.arn, "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0");
    assert_eq!(caller.access_key_id, key(&setup.identity));
    assert_eq!((&*caller.service, &*caller.region), ("s3", "eu-central-1"));
    // STS of another region knows the session, too.
    assert_eq!(setup.aws.sts().another_region().await.verify(&setup.fake.last()).unwrap(), caller);
    assert_eq!(setup.aws.sts().calls().len(), 1, "`verify` must not count as a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_of_an_object_is_verified() {
    let setup = Setup::start().await;
    for name in ["a b", "a+b", "ä/ö", "a//b", "a/./b/../c", "100%", "100%25", "a=b&c?d#e", "~*'()!$,;:@"] {
        setup.put(name, ByteStream::from_static(b"")).await;
        setup.verify(&setup.fake.last()).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let _not_xml = setup.s3.list_objects_v2().bucket("receipts").prefix(name).send().await;
        setup.verify(&setup.fake.last()).unwrap_or_else(|refusal| panic!("?prefix={name}: {refusal}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streamed_request_is_verified_by_its_headers() {
    let setup = Setup::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "bread").unwrap();
    setup.put("1", ByteStream::from_path(file.path()).await.unwrap()).await;
    let request = setup.fake.last();
    // Chunk signatures derive from the signature of the headers, which is all that the kit checks.
    assert!(request.headers()["x-amz-content-sha256"].to_str().unwrap().starts_with("STREAMING-"));
    setup.verify(&request).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_request_is_refused() {
    let setup = Setup::start().await;
    setup.put("1", ByteStream::from_static(b"bread")).await;
    let good = setup.fake.last();
    setup.verify(&good).unwrap();
    let refused = |change: &dyn Fn(&mut Request<Bytes>)| {
        let mut request = good.clone();
        change(&mut request);
        let refusal = setup.verify(&request).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains(refusal.code()) && text.contains(refusal.message()), "{text}");
        (refusal.status(), refusal.code().to_owned())
    };
    let change = |name: &'static str, value: &'static str| {
        refused(&move |request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value))))
    };
    let mismatch = || (403, "SignatureDoesNotMatch".to_owned());
    assert_eq!(refused(&|request| *request.uri_mut() = "/receipts/2?x-id=PutObject".parse().unwrap()), mismatch());
    assert_eq!(refused(&|request| *request.uri_mut() = "/receipts/1".parse().unwrap()), mismatch());
    assert_eq!(refused(&|request| *request.method_mut() = http::Method::DELETE), mismatch());
    assert_eq!(change("host", "elsewhere"), mismatch());
    assert_eq!(change("x-amz-date", "20200101T000000Z"), mismatch());
    assert_eq!(change("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), mismatch());
    assert_eq!(change("x-amz-security-token", "another"), (403, "InvalidClientTokenId".to_owned()));
    assert_eq!(refused(&|request| drop(request.headers_mut().remove("host"))), mismatch());
    let another = refused(&|request| *request.body_mut() = Bytes::from_static(b"stone"));
    assert_eq!(another, (400, "XAmzContentSHA256Mismatch".to_owned()));
    let unsigned = refused(&|request| drop(request.headers_mut().remove("authorization")));
    assert_eq!(unsigned, (403, "MissingAuthenticationToken".to_owned()));
    assert_eq!(change("authorization", "Bearer token"), (400, "IncompleteSignature".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_good_for_its_time_only() {
    let setup = Setup::start().await;
    setup.put("1", ByteStream::from_static(b"bread")).await;
    let request = setup.fake.last();
    let stranger = TestAws::start().await;
    assert_eq!(stranger.sts().verify(&request).unwrap_err().code(), "InvalidClientTokenId");
    setup.aws.sts().set_clock_offset(16 * 60);
    let late = setup.verify(&request).unwrap_err();
    assert!(late.message().starts_with("Signature expired"), "{late}");
    setup.aws.sts().set_clock_offset(3601);
    assert_eq!(setup.verify(&request).unwrap_err().code(), "ExpiredToken");
    setup.aws.sts().set_clock_offset(0);
    setup.aws.sts().reject_key(key(&setup.identity), "AccessDenied");
    assert_eq!(setup.verify(&request).unwrap_err().code(), "AccessDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn presigned_url_is_verified() {
    let setup = Setup::start().await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let get = setup.s3.get_object().bucket("receipts").key("a b").presigned(config).await.unwrap();
    let target = get.uri().strip_prefix(&setup.fake.url("127.0.0.1")).unwrap().to_owned();
    send(&setup.fake.url("127.0.0.1"), &format!("GET {target}"), "").await;
    assert_eq!(setup.verify(&setup.fake.last()).unwrap().access_key_id, key(&setup.identity));

    let longer = target.replace("X-Amz-Expires=60", "X-Amz-Expires=61");
    send(&setup.fake.url("127.0.0.1"), &format!("GET {longer}"), "").await;
    assert_eq!(setup.verify(&setup.fake.last()).unwrap_err().code(), "SignatureDoesNotMatch");
}

/// Other services than S3 encode a path twice before they sign it, and send no header with the body's hash.
#[tokio::test(flavor = "multi_thread")]
async fn request_to_another_service_is_verified() {
    let setup = Setup::start().await;
    let mut request = signed(setup.identity.current().unwrap());
    let caller = setup.aws.sts().verify(&request).unwrap();
    assert_eq!((&*caller.service, &*caller.region), ("execute-api", "us-west-2"));
    *request.body_mut() = "[]";
    assert_eq!(setup.aws.sts().verify(&request).unwrap_err().code(), "SignatureDoesNotMatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_of_unknown_credentials_is_refused() {
    let setup = Setup::start().await;
    let config = setup.s3.config().to_builder().credentials_provider(Credentials::for_tests()).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    client.get_object().bucket("receipts").key("1").send().await.unwrap();
    assert_eq!(setup.verify(&setup.fake.last()).unwrap_err().code(), "InvalidClientTokenId");
}

/// A request with a path that needs double encoding, and with a repeated header.
pub(crate) fn signed(credentials: Credentials) -> http::Request<&'static str> {
    let identity = credentials.into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-west-2")
        .name("execute-api")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let url = "http://127.0.0.1/things/a%20b/../c%2Fd?x=1";
    let headers = [("x-tag", "one"), ("x-tag", "two")];
    let signable = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(b"{}")).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    // The host is in the URI only, as over HTTP/2.
    let mut request = http::Request::post(url).header("x-tag", "one").header("x-tag", "two").body("{}").unwrap();
    instructions.apply_to_request_http1x(&mut request);
    request
}

struct Setup {
    aws: TestAws,
    fake: FakeService,
    identity: WebIdentityCredentialsProvider,
    s3: aws_sdk_s3::Client,
}

impl Setup {
    async fn start() -> Self {
        let (aws, fake) = (TestAws::start().await, FakeService::start().await);
        let identity = soon(aws.builder().connect()).await.unwrap();
        let config = aws_sdk_s3::config::Builder::from(&identity.install(aws.sdk_config()));
        let s3 = aws_sdk_s3::Client::from_conf(config.endpoint_url(fake.url("127.0.0.1")).build());
        Self { aws, fake, identity, s3 }
    }

    async fn put(&self, name: &str, body: ByteStream) {
        self.s3.put_object().bucket("receipts").key(name).body(body).send().await.unwrap();
    }

    fn verify(&self, request: &Request<Bytes>) -> Result<Caller, Refusal> {
        self.aws.sts().verify(request)
    }
}

/// A server that answers 200 to all requests and keeps the last one.
pub(super) struct FakeService {
    port: u16,
    last: Arc<Mutex<Option<Request<Bytes>>>>,
    _server: tokio::task::JoinSet<()>,
}

impl FakeService {
    pub(super) async fn start() -> Self {
        let last = Arc::<Mutex<Option<Request<Bytes>>>>::default();
        let keep = Arc::clone(&last);
        let app = Router::new().fallback(async move |request: Request| {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            *keep.lock().unwrap() = Some(Request::from_parts(head, body));
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { port, last, _server: server }
    }

    pub(super) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    pub(super) fn last(&self) -> Request<Bytes> {
        self.last.lock().unwrap().clone().expect("no request was received")
    }
}
