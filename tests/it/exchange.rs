//! The trade over real sockets and files: what is sent, how often, and who waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{Builder, Config};
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_web_identity::test_util::Fault;
use aws_web_identity::{ErrorKind, Phase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fault_list;
use crate::rig::{ARN, KeyUsed, ROLE, Rig, at_once, eventually, key, soon, spec, who};
use crate::rotations::InPlaceFile;

#[tokio::test(flavor = "multi_thread")]
async fn p3_five_hundred_first_callers_cost_one_exchange() {
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
async fn p3_an_error_reaches_all_who_wait_and_costs_one_exchange() {
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
async fn p3_a_client_that_gives_up_does_not_end_the_exchange() {
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
    assert_eq!(provider.current().map(|_| ()), None, "the exchange is still under way");
    eventually(|| provider.current().is_some()).await;
    assert_eq!(rig.exchanges(), [Some(key(&provider))]);
    let patient = Client::new(&provider.install(rig.config()));
    assert_eq!(who(&patient).await, ARN);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_rotations_are_seen_by_file_events() {
    let rig = Rig::start().await;
    let provider = rig.builder().token_poll_interval(Duration::from_secs(300)).connect().await.unwrap();
    // Polling, even as often as it ever is, could not see so many within the time that a test may hang.
    soon(async {
        for minutes in 1..=20 {
            rig.rotate(spec().lifetime(Duration::from_secs(3600 + 60 * minutes)));
            let lifetime = || {
                let token = provider.status().token?;
                token.expires_at?.duration_since(token.issued_at?).ok()
            };
            eventually(|| lifetime() == Some(Duration::from_secs(3600 + 60 * minutes))).await;
        }
    })
    .await;
    assert_eq!(rig.exchanges().len(), 1, "a rotation forces no exchange while all is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_without_file_events_polling_sees_a_rotation() {
    let rig = Rig::start().await;
    let builder = rig.builder().watch_token(false).token_poll_interval(Duration::from_secs(1));
    let provider = builder.connect().await.unwrap();
    rig.rotate(spec().audience("sts.amazonaws.com").audience("another"));
    eventually(|| provider.status().token.is_some_and(|token| token.audience.len() == 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_new_token_ends_the_wait_for_it() {
    let rig = Rig::start().await;
    rig.rotate(spec().issued_at(SystemTime::now() - Duration::from_secs(7200)));
    let provider = rig.builder().build().unwrap();
    let waiting = tokio::spawn({
        let provider = provider.clone();
        async move { provider.provide_credentials().await }
    });
    rig.sts.wait_for_calls(1).await;
    eventually(|| provider.status().last_error.is_some()).await;
    assert_eq!(provider.status().last_error.unwrap().kind(), ErrorKind::TokenRejected);
    rig.rotate(spec());
    soon(waiting).await.unwrap().unwrap();
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_token_that_comes_late_is_taken() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = InPlaceFile::new(directory.path().join("token"));
    let provider = rig.builder().token_file(file.token_path()).build().unwrap();
    let ready = tokio::spawn({
        let provider = provider.clone();
        async move { provider.ready().await }
    });
    eventually(|| provider.status().last_error.is_some()).await;
    assert_eq!(provider.status().last_error.unwrap().kind(), ErrorKind::TokenUnavailable);
    file.write(rig.issuer.mint(spec())).unwrap();
    soon(ready).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_the_token_is_in_the_body_and_never_in_the_url() {
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
    assert!(!head.to_lowercase().contains("authorization"), "the exchange is not signed: {head}");
    assert!(body.contains(&format!("WebIdentityToken={token}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_arrives() {
    let rig = Rig::start().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let builder = rig.builder().session_length(Duration::from_secs(1800)).policy(policy).policy_arns([arn]);
    let provider = builder.connect().await.unwrap();
    let [call] = &rig.sts.calls()[..] else { panic!("one call") };
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
async fn what_is_not_set_is_not_sent() {
    let rig = Rig::start().await;
    rig.connect().await;
    let [call] = &rig.sts.calls()[..] else { panic!("one call") };
    assert_eq!((call.duration, call.policy.as_deref(), call.policy_arns.len()), (None, None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_an_sts_hours_ahead_or_behind_gives_whole_lifetimes_and_no_storm() {
    let rig = Rig::start().await;
    for offset in [7200_i64, -7200] {
        let before = rig.exchanges().len();
        rig.sts.set_clock_offset(offset);
        let by = Duration::from_secs(7200);
        let now = SystemTime::now();
        rig.rotate(spec().issued_at(if offset > 0 { now + by } else { now - by }));
        let provider = rig.connect().await;
        let status = provider.status();
        let minutes = |at: Option<SystemTime>| at.unwrap().duration_since(now).unwrap().as_secs() / 60;
        assert!((55..65).contains(&minutes(status.expiry)), "{offset}: {status:?}");
        assert!((30..50).contains(&minutes(status.next_attempt)), "{offset}: {status:?}");
        assert!(provider.current().is_some(), "{offset}");
        assert_eq!(status.phase, Phase::Fresh, "{offset}");
        assert_eq!(rig.exchanges().len(), before + 1, "{offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_without_the_servers_date_the_local_clock_serves() {
    let rig = Rig::start().await;
    rig.sts.set_send_date(false);
    let now = SystemTime::now();
    let provider = rig.connect().await;
    let minutes = provider.status().expiry.unwrap().duration_since(now).unwrap().as_secs() / 60;
    assert!((55..65).contains(&minutes), "{minutes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_no_request_waits_fails_or_gets_an_old_key_across_refreshes() {
    let rig = Arc::new(Rig::start().await);
    rig.sts.set_session_length(Duration::from_secs(4));
    rig.sts.set_latency(Duration::from_millis(100));
    // Times of STS are whole seconds: of four, three and a bit can be relied on.
    let provider = rig.builder().refresh_window(0.25..=0.40).connect().await.unwrap();
    let config = provider.install(rig.config());
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (rig, provider, done) = (Arc::clone(&rig), provider.clone(), Arc::clone(&done));
        let used = KeyUsed::default();
        let config = Builder::from(&config).retry_config(RetryConfig::disabled()).interceptor(used.clone());
        let cache = NobodyWaits(provider.identity_cache());
        let client = Client::from_conf(config.identity_cache(cache).build());
        tasks.spawn(async move {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                let before = key(&provider);
                assert_eq!(who(&client).await, ARN);
                let used = used.get();
                if used != before {
                    let keys = rig.exchanges();
                    let place = |key: &str| keys.iter().position(|given| given.as_deref() == Some(key)).unwrap();
                    assert!(place(&used) > place(&before), "an older key was used");
                }
                sent += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            sent
        });
    }
    eventually(|| provider.status().generation >= 5).await;
    done.store(true, Ordering::Relaxed);
    assert!(soon(tasks.join_all()).await.into_iter().all(|sent: u32| sent > 5));
    assert_eq!(rig.sts.most_at_once(), 1);
}

/// An identity cache that may not let anybody wait.
#[derive(Debug)]
struct NobodyWaits(SharedIdentityCache);

impl ResolveCachedIdentity for NobodyWaits {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let identity = self.0.resolve_cached_identity(resolver, runtime_components, config_bag);
        IdentityFuture::ready(at_once(identity))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_an_outage_is_not_noticed_while_credentials_are_valid() {
    let rig = Rig::start().await;
    rig.sts.set_session_length(Duration::from_secs(12));
    let provider = rig.builder().refresh_window(0.10..=0.11).connect().await.unwrap();
    let client = Client::new(&provider.install(rig.config()));
    let first = key(&provider);
    rig.sts.set_fault(Fault::ServiceUnavailable);
    eventually(|| provider.status().consecutive_failures >= 1).await;
    assert_eq!((provider.status().phase, key(&provider)), (Phase::Stale, first.clone()));
    assert_eq!(who(&client).await, ARN);
    rig.sts.set_fault(None);
    eventually(|| provider.status().generation == 2).await;
    assert_eq!(who(&client).await, ARN);
    assert_ne!(rig.last_signed_with(), first);
    assert_eq!(provider.status().consecutive_failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_another_kind_of_sts_works() {
    let rig = Rig::start().await;
    rig.sts.set_fault(fault_list::ceph_grant(ARN));
    let provider = rig.connect().await;
    assert_eq!(provider.status().assumed_role_arn.as_deref(), Some(ARN));
    assert_eq!(key(&provider), fault_list::CEPH_KEY);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_update_is_told_in_order() {
    let rig = Rig::start().await;
    let provider = rig.builder().build().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let listening = tokio::spawn({
        let (mut updates, seen) = (provider.updates(), Arc::clone(&seen));
        async move {
            while let Ok(generation) = updates.changed().await {
                seen.lock().unwrap().push(generation);
            }
        }
    });
    for expected in 1..=3 {
        soon(provider.refresh()).await.unwrap();
        eventually(|| seen.lock().unwrap().last() == Some(&expected)).await;
    }
    soon(provider.shutdown()).await;
    soon(listening).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_operation_is_given_is_its_own() {
    // The provider beside a config that knows nothing of it: plainly a credentials provider.
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let config = Config::from(&rig.config()).to_builder().credentials_provider(provider);
    assert_eq!(who(&Client::from_conf(config.build())).await, ARN);
}

/// MinIO gives a session as long as the token where none was asked for.
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
