//! `TestAws`: the whole kit in one call, and the HTTP client of its config.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_sts::Client;
use aws_web_identity::ErrorKind;
use aws_web_identity::test_util::{Fault, TestAws};

use super::fake_service::FakeService;
use crate::support::own_process::{DEAD_PROXIES, in_process_of};
use crate::support::{caller_arn, eventually, failure, key, soon};

#[tokio::test(flavor = "multi_thread")]
async fn one_call_gives_a_working_pod() {
    let aws = TestAws::start().await;
    let identity = soon(aws.builder().connect()).await.unwrap();
    let client = Client::new(&identity.install(aws.sdk_config()));
    assert_eq!(caller_arn(&client).await, "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0");

    let generation = identity.status().generation;
    aws.sts().set_fault(Fault::ServiceUnavailable);
    soon(identity.refresh()).await.unwrap_err();
    caller_arn(&client).await;
    assert_eq!(identity.status().generation, generation);

    let expired = aws.token_spec().issued_at(SystemTime::now() - Duration::from_secs(2 * 3600));
    aws.rotate_to(expired);
    aws.sts().set_fault(None);
    eventually(|| identity.status().last_error.is_some_and(|error| error.kind() == ErrorKind::TokenRejected)).await;
    let first = key(&identity);
    aws.rotate();
    eventually(|| key(&identity) != first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_service_accounts_are_denied() {
    let aws = TestAws::start().await;
    aws.rotate_to(aws.token_spec().subject("system:serviceaccount:shop:cart"));
    let error = failure(aws.builder().wait_timeout(Duration::from_millis(500))).await;
    assert_eq!(error.kind(), ErrorKind::RoleDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_directory_lives_as_long_as_the_fixture() {
    let aws = TestAws::start().await;
    let volume = aws.volume().token_path().parent().unwrap().to_owned();
    let directory = volume.parent().unwrap().to_owned();
    assert!(aws.volume().token_path().exists());
    drop(aws);
    assert!(!directory.exists() && std::env::temp_dir().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_and_proxies_do_not_matter() {
    let test = concat!(module_path!(), "::environment_and_proxies_do_not_matter");
    let variables = [
        "SSL_CERT_FILE=/nowhere",
        "SSL_CERT_DIR=/nowhere",
        "AWS_ROLE_ARN=nobody",
        "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere",
        "AWS_ROLE_SESSION_NAME=no name",
        "AWS_REGION=nowhere",
        "AWS_DEFAULT_REGION=nowhere",
        "AWS_ENDPOINT_URL=http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_STS=http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3=http://127.0.0.1:9",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
        "AWS_USE_FIPS_ENDPOINT=true",
        "AWS_USE_DUALSTACK_ENDPOINT=true",
        "AWS_ACCESS_KEY_ID=nobody",
        "AWS_CONFIG_FILE=/nowhere",
        "AWS_PROFILE=nobody",
    ];
    if !in_process_of(test, &[DEAD_PROXIES, &variables].concat()) {
        return;
    }
    let aws = TestAws::start().await;
    let identity = soon(aws.builder().connect()).await.unwrap();
    let config = identity.install(aws.sdk_config());
    caller_arn(&Client::new(&config)).await;

    let fake = FakeService::start().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).endpoint_url(fake.url("127.0.0.1")).build();
    aws_sdk_s3::Client::from_conf(s3).put_object().bucket("receipts").key("1").send().await.unwrap();
    let request = fake.last();
    assert_eq!(aws.sts().verify(&request).unwrap().region, "eu-central-1");
}

#[tokio::test]
async fn clients_of_the_config_stay_on_loopback() {
    let aws = TestAws::start().await;
    let fake = FakeService::start().await;
    let send = async |endpoint: Option<String>| {
        let credentials = aws_credential_types::Credentials::for_tests();
        let mut config = aws_sdk_s3::config::Builder::from(&aws.sdk_config()).credentials_provider(credentials);
        config.set_endpoint_url(endpoint);
        let client = aws_sdk_s3::Client::from_conf(config.build());
        client
            .get_object()
            .bucket("receipts")
            .key("1")
            .send()
            .await
            .map_err(|error| DisplayErrorContext(error).to_string())
    };
    let refused = "its HTTP client speaks plain http to loopback only";
    for (endpoint, host) in [
        (None, "https://receipts.s3.eu-central-1.amazonaws.com:"),
        (Some("http://192.0.2.1".to_owned()), "http://192.0.2.1:"),
        (Some("http://127.0.0.1.example.com".to_owned()), "http://receipts.127.0.0.1.example.com:"),
        (Some(fake.url("127.0.0.1").replace("http:", "https:")), "https://127.0.0.1:"),
    ] {
        let error = send(endpoint).await.unwrap_err();
        assert!(error.contains(host) && error.contains(refused), "{error}");
    }
    // Not all resolvers know names below `localhost`, so the client does not look them up.
    for host in ["127.0.0.1", "localhost"] {
        send(Some(fake.url(host))).await.unwrap();
    }
    let host = fake.last().headers()["host"].to_str().unwrap().to_owned();
    assert!(host.starts_with("receipts.localhost:"), "{host}");
}

#[tokio::test]
async fn clients_of_the_config_have_their_timeouts() {
    let aws = TestAws::start().await;
    aws.sts().set_fault(Fault::Hang);
    let limits = TimeoutConfig::builder().read_timeout(Duration::from_millis(50)).build();
    let config = aws.sdk_config().into_builder().timeout_config(limits).build();
    let exchange = Client::new(&config).assume_role_with_web_identity();
    let exchange = exchange.role_arn(TestAws::ROLE).role_session_name("checkout-0").web_identity_token("token");
    let error = soon(exchange.send()).await.unwrap_err();
    let dispatch = error.source().map(|source| format!("{source:?}")).unwrap_or_default();
    assert!(dispatch.contains("Timeout"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_pod_shares_issuer_and_sts() {
    let one = TestAws::start().await;
    let other = TestAws::from_parts(one.issuer().clone(), one.sts().clone());
    assert_ne!(one.volume().token_path(), other.volume().token_path());
    for aws in [&one, &other] {
        soon(aws.builder().connect()).await.unwrap();
    }
    assert_eq!(one.sts().calls().len(), 2);
}
