//! Exchanges over real sockets (P3, P9): callers share one exchange, STS receives all settings, and its answer is used.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_web_identity::{ErrorKind, Phase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::fault_list;
use crate::support::{ARN, ROLE, Rig, caller_arn, eventually, key, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn p3_five_hundred_first_callers_share_one_exchange() {
    let rig = Rig::start().await;
    rig.sts.set_latency(Duration::from_millis(200));
    let provider = rig.builder().build().unwrap();
    let mut callers = JoinSet::new();
    for number in 0..500 {
        let provider = provider.clone();
        callers.spawn(async move {
            match number % 3 {
                0 => provider.provide_credentials().await.unwrap(),
                1 => provider.credentials_provider().provide_credentials().await.unwrap(),
                _ => {
                    provider.ready().await.unwrap();
                    provider.current().unwrap()
                }
            }
        });
    }
    let given = soon(callers.join_all()).await;
    assert_eq!(given.len(), 500);
    assert!(given.iter().all(|credentials| credentials.access_key_id() == key(&provider)));
    assert_eq!((rig.sts.calls().len(), rig.sts.most_at_once()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_waiting_callers_share_one_error() {
    let rig = Rig::start().await;
    rig.sts.set_latency(Duration::from_millis(200));
    rig.sts.set_fault(fault_list::VALIDATION_ERROR);
    let provider = rig.builder().build().unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let provider = provider.clone();
        callers.spawn(async move { provider.ready().await.unwrap_err().kind() });
    }
    assert_eq!(soon(callers.join_all()).await, [ErrorKind::InvalidConfiguration; 200]);
    assert_eq!(rig.sts.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_client_timeout_does_not_cancel_the_exchange() {
    let rig = Rig::start().await;
    rig.sts.set_latency(Duration::from_secs(2));
    let provider = rig.builder().build().unwrap();
    let impatient = TimeoutConfig::builder().operation_timeout(Duration::from_millis(30)).build();
    let config = provider.install(rig.config());
    let config = Builder::from(&config).timeout_config(impatient).retry_config(RetryConfig::disabled());
    let client = Client::from_conf(config.build());
    for _ in 0..3 {
        soon(client.get_caller_identity().send()).await.unwrap_err();
    }
    assert_eq!(provider.current().map(|_| ()), None, "the exchange must still run");
    eventually(|| provider.current().is_some()).await;
    assert_eq!(rig.exchanges(), [Some(key(&provider))]);
    let patient = Client::new(&provider.install(rig.config()));
    assert_eq!(caller_arn(&patient).await, ARN);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_token_is_sent_in_body_only() {
    let rig = Rig::start().await;
    let token = rig.rotate(spec());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !String::from_utf8_lossy(&got).contains("WebIdentityToken=") || !got.ends_with(b"==END") {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await.unwrap();
            got.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&got).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length == Some(body.len()) {
                break;
            }
        }
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(got).unwrap()
    });
    let _provider = rig.builder().endpoint_url(url).wait_timeout(Duration::from_millis(500)).connect().await;
    let request = soon(request).await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains(&token) && !head.contains(token.rsplit_once('.').unwrap().1), "{head}");
    assert!(!head.to_lowercase().contains("authorization"), "the exchange must not be signed: {head}");
    assert!(body.contains(&format!("WebIdentityToken={token}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_reach_sts_and_status() {
    let rig = Rig::start().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let builder = rig.builder().session_length(Duration::from_secs(1800)).policy(policy).policy_arns([arn]);
    let provider = builder.connect().await.unwrap();
    let [call] = &rig.sts.calls()[..] else { panic!("expected one call") };
    assert_eq!(call.role_arn.as_deref(), Some(ROLE));
    assert_eq!(call.session_name.as_deref(), Some("checkout-0"));
    assert_eq!(call.duration, Some(Duration::from_secs(1800)));
    assert_eq!(call.policy.as_deref(), Some(policy));
    assert_eq!(call.policy_arns, [arn]);
    assert_eq!(call.subject.as_deref(), Some("system:serviceaccount:shop:checkout"));

    let status = provider.status();
    assert_eq!((status.phase, status.generation, status.consecutive_failures), (Phase::Fresh, 1, 0));
    assert_eq!(status.assumed_role_arn.as_deref(), Some(ARN));
    assert_eq!(status.account_id.as_deref(), Some("123456789012"));
    assert_eq!(status.endpoint.as_deref(), Some(rig.sts.endpoint_url()));
    let token = status.token.unwrap();
    assert_eq!(token.issuer.as_deref(), Some(rig.issuer.url()));
    assert_eq!(token.subject.as_deref(), Some("system:serviceaccount:shop:checkout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unset_parameters_are_not_sent() {
    let rig = Rig::start().await;
    rig.connect().await;
    let [call] = &rig.sts.calls()[..] else { panic!("expected one call") };
    assert_eq!((call.duration, call.policy.as_deref(), call.policy_arns.len()), (None, None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_of_another_sts_is_understood() {
    let rig = Rig::start().await;
    rig.sts.set_fault(fault_list::ceph_grant(ARN));
    let provider = rig.connect().await;
    assert_eq!(provider.status().assumed_role_arn.as_deref(), Some(ARN));
    assert_eq!(key(&provider), fault_list::CEPH_KEY);
}

/// Without a requested duration, MinIO gives a session as long as the token.
#[tokio::test(flavor = "multi_thread")]
async fn session_longer_than_asked_is_used() {
    let rig = Rig::start().await;
    let day = Duration::from_secs(86_400);
    rig.sts.set_session_length(day);
    let before = SystemTime::now();
    let provider = soon(rig.builder().connect()).await.unwrap();
    let lifetime = provider.status().expiry.unwrap().duration_since(before).unwrap();
    assert!(lifetime > day - Duration::from_secs(60), "{lifetime:?}");
    assert_eq!(rig.sts.calls().len(), 1);
}
