use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_web_identity::ErrorKind;
use aws_web_identity::test_util::{Fault, MockSts, TestAws};
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;

// The service.
async fn save(State(s3): State<Client>, Path(id): Path<String>, receipt: Bytes) -> StatusCode {
    match s3.put_object().bucket("receipts").key(id).body(receipt.into()).send().await {
        Ok(_) => StatusCode::CREATED,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

// The fake S3. It accepts requests that this role signed for S3, and refuses others as AWS does.
async fn fake_s3(State(sts): State<MockSts>, request: Request) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    match sts.verify(&Request::from_parts(head, body)) {
        Ok(caller) => {
            assert_eq!(caller.arn, "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0");
            assert_eq!(caller.service, "s3");
            (StatusCode::OK, String::new())
        }
        Err(refusal) => {
            let text = format!("<Error><Code>{}</Code></Error>", refusal.code());
            (StatusCode::from_u16(refusal.status()).unwrap(), text)
        }
    }
}

// In your own crate this is a `#[tokio::test]`.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = TestAws::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let app = axum::Router::new().fallback(fake_s3).with_state(aws.sts().clone());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let identity = aws.builder().connect().await?;
    let config = aws_sdk_s3::config::Builder::from(&identity.install(aws.sdk_config()));
    let s3 = Client::from_conf(config.endpoint_url(endpoint).build());
    let post = || save(State(s3.clone()), Path("1".to_owned()), Bytes::from_static(b"bread"));
    assert_eq!(post().await, StatusCode::CREATED);

    // The kubelet replaces the token. The next exchange sends the new token.
    aws.rotate();
    identity.refresh().await?;
    assert_eq!(post().await, StatusCode::CREATED);

    // STS is down. The credentials stay valid for an hour, so that no request fails.
    aws.sts().set_fault(Fault::ServiceUnavailable);
    let error = identity.refresh().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(post().await, StatusCode::CREATED);
    aws.sts().set_fault(None);

    // A second pod finds an expired token: its error says so. With a new token the pod starts.
    let expired = aws.token_spec().issued_at(SystemTime::now() - Duration::from_secs(2 * 3600));
    aws.rotate_to(expired);
    let error = aws.builder().wait_timeout(Duration::from_secs(3)).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenRejected);
    aws.rotate();
    aws.builder().connect().await?;

    // Another AWS gave the key of this request. The fake refuses the request, and the service reports the failure.
    let stranger = TestAws::start().await;
    let theirs = stranger.builder().connect().await?;
    let config = s3.config().to_builder().credentials_provider(theirs).build();
    let answer = save(State(Client::from_conf(config)), Path("2".to_owned()), Bytes::new()).await;
    assert_eq!(answer, StatusCode::BAD_GATEWAY);
    Ok(())
}
