//! Token sources: a token is requested for each exchange, and a failing source is retried like an outage.
//!
//! Through the example `token_source` and a source that follows a script.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_web_identity::test_util::{Fault, OidcIssuer, TokenSpec};
use aws_web_identity::token_source::{ProvideToken, Token, TokenError, future};
use aws_web_identity::{Builder, ErrorKind, Phase, WebIdentityCredentialsProvider};
use axum::Router;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::example::GithubActions;
use crate::support::fault_list;
use crate::support::stepped_clock::SteppedClock;
use crate::support::{ARN, ROLE, Rig, caller_arn, eventually, key, soon, spec};

#[path = "../../examples/token_source.rs"]
#[expect(dead_code, reason = "its main is for itself")]
mod example;

/// A token source that follows a script.
#[derive(Clone)]
struct Scripted(Arc<Script>);

struct Script {
    issuer: OidcIssuer,
    does: Mutex<Does>,
    spec: Mutex<fn() -> TokenSpec>,
    asked: AtomicUsize,
    changed: Notify,
}

#[derive(Clone, Copy)]
enum Does {
    Give,
    Fail,
    Hang,
    Panic,
}

impl Scripted {
    fn new(rig: &Rig, does: Does) -> Self {
        Self(Arc::new(Script {
            issuer: rig.issuer.clone(),
            does: Mutex::new(does),
            spec: Mutex::new(spec),
            asked: AtomicUsize::new(0),
            changed: Notify::new(),
        }))
    }

    fn set(&self, does: Does) {
        *self.0.does.lock().unwrap() = does;
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn change_to(&self, spec: fn() -> TokenSpec) {
        *self.0.spec.lock().unwrap() = spec;
        self.0.changed.notify_one();
    }

    async fn answer(&self) -> Result<Token, TokenError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let does = *self.0.does.lock().unwrap();
        match does {
            Does::Give => {
                let spec = *self.0.spec.lock().unwrap();
                Token::new(self.0.issuer.mint(spec()))
            }
            Does::Fail => Err(TokenError::new(std::io::Error::other("the agent is asleep"))),
            Does::Hang => std::future::pending().await,
            Does::Panic => panic!("a bug in the source"),
        }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl ProvideToken for Scripted {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::new(self.answer())
    }

    fn changed(&self) -> future::Changed<'_> {
        future::Changed::new(self.0.changed.notified())
    }
}

fn builder(rig: &Rig, source: impl ProvideToken) -> Builder {
    let builder = WebIdentityCredentialsProvider::builder().configure(&rig.sts.sdk_config()).role_arn(ROLE);
    builder.session_name("checkout-0").token_source(source)
}

#[tokio::test]
async fn github_actions_tokens_are_exchanged() {
    let rig = Rig::start().await;
    let (heard, minted) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (issuer, hears, mints) = (rig.issuer.clone(), Arc::clone(&heard), Arc::clone(&minted));
    let answer = async move |RawQuery(query): RawQuery, headers: HeaderMap| {
        let authorization = headers["authorization"].to_str().unwrap().to_owned();
        hears.lock().unwrap().push((query.unwrap(), authorization));
        let lifetime = Duration::from_secs(600 + hears.lock().unwrap().len() as u64);
        let token = issuer.mint(spec().lifetime(lifetime));
        mints.lock().unwrap().push(token.clone());
        format!(r#"{{"count":1,"value":"{token}"}}"#)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/idtoken?api-version=2.0", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, Router::new().route("/idtoken", get(answer))).into_future());

    let source = GithubActions::new(&url, "request-canary".to_owned(), "sts.amazonaws.com");
    let shown = format!("{source:?}");
    let provider = builder(&rig, source).connect().await.unwrap();
    let client = Client::new(&provider.install(rig.config()));
    assert_eq!(caller_arn(&client).await, ARN);
    let claims = provider.status().token.unwrap();
    assert_eq!(claims.subject.as_deref(), Some("system:serviceaccount:shop:checkout"));
    soon(provider.refresh()).await.unwrap();
    let tokens: Vec<_> = rig.sts.calls().into_iter().filter_map(|call| call.token_sha256).collect();
    assert!(tokens.len() == 2 && tokens[0] != tokens[1], "each exchange must have a new token");
    let expected = ("api-version=2.0&audience=sts.amazonaws.com".to_owned(), "Bearer request-canary".to_owned());
    assert_eq!(*heard.lock().unwrap(), [expected.clone(), expected]);

    server.abort();
    drop(server.await);
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert!(error.source().is_some());
    // No secret is printed (P9).
    let shown = format!("{shown} {error} {error:?} {provider:?} {:?} {:?}", provider.status(), provider.to_builder());
    assert!(!shown.contains("canary"), "{shown}");
    for token in &*minted.lock().unwrap() {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!shown.contains(signature), "{shown}");
    }
    assert_eq!(caller_arn(&client).await, ARN);
}

#[tokio::test]
async fn p2_failing_source_keeps_credentials_and_is_retried() {
    let rig = Rig::start().await;
    let source = Scripted::new(&rig, Does::Fail);
    let first = builder(&rig, source.clone()).wait_timeout(Duration::from_secs(3)).build().unwrap();
    let error = soon(first.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "the token source it::token_source::Scripted gave no token: see the source's own error below, or its log. The \
         source is asked again until it gives a token"
    );
    let cause = error.source().unwrap();
    assert!(cause.is::<TokenError>() && cause.to_string() == "the agent is asleep", "{cause}");
    assert!(source.asked() > 1, "the source must be asked repeatedly: {}", source.asked());
    assert!(rig.exchanges().is_empty(), "no call may be sent without a token");

    source.set(Does::Give);
    soon(first.ready()).await.unwrap();
    let before = key(&first);
    source.set(Does::Fail);
    assert_eq!(soon(first.refresh()).await.unwrap_err().kind(), ErrorKind::TokenUnavailable);
    assert_eq!((key(&first), first.status().phase), (before, Phase::Stale));
    let asked = source.asked();
    // A failing source is retried like an outage, within seconds. A missing file is retried after a minute.
    eventually(|| source.asked() > asked).await;
}

#[tokio::test]
async fn hanging_or_panicking_source_costs_one_attempt() {
    let rig = Rig::start().await;
    let source = Scripted::new(&rig, Does::Hang);
    let builder = builder(&rig, source.clone()).attempt_timeout(Duration::from_millis(500));
    let provider = builder.wait_timeout(Duration::from_secs(2)).build().unwrap();
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert!(error.to_string().contains("gave no token within 500 ms"), "{error}");

    source.set(Does::Panic);
    eventually(|| provider.status().last_error.is_some_and(|error| error.kind() == ErrorKind::Unexpected)).await;
    source.set(Does::Give);
    soon(provider.ready()).await.unwrap();
    source.set(Does::Hang);
    let refreshing = provider.clone();
    let refreshing = tokio::spawn(async move { refreshing.refresh().await });
    eventually(|| provider.status().phase == Phase::Refreshing).await;
    soon(provider.shutdown()).await;
    assert_eq!(soon(refreshing).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn expired_token_is_requested_anew_at_once() {
    let rig = Rig::start().await;
    rig.sts.fail_next(3, Fault::ExpiredToken);
    rig.sts.fail_next(1, fault_list::IDP_REJECTED_CLAIM);
    let source = Scripted::new(&rig, Does::Give);
    let provider = soon(builder(&rig, source.clone()).connect()).await.unwrap();
    assert_eq!(source.asked(), 5);
    // Rejected tokens are no reason to use a standby.
    let elsewhere = rig.sts.another_region().await;
    rig.sts.fail_next(3, Fault::ExpiredToken);
    let standby = builder(&rig, source.clone()).standby_endpoint_url(elsewhere.endpoint_url());
    soon(standby.connect()).await.unwrap();
    assert!(elsewhere.calls().is_empty());
    drop(provider);
}

/// At most eight exchanges run at once. The wait before an exchange does not count as its time.
#[tokio::test(flavor = "multi_thread")]
async fn queued_exchange_is_neither_late_nor_at_standby() {
    let rig = Rig::start().await;
    let elsewhere = rig.sts.another_region().await;
    rig.sts.set_latency(Duration::from_millis(1500));
    let source = Scripted::new(&rig, Does::Give);
    let mut roles = JoinSet::new();
    for number in 0..20 {
        let builder = builder(&rig, source.clone()).session_name(format!("pod-{number}"));
        let builder = builder.attempt_timeout(Duration::from_millis(2900));
        roles.spawn(builder.standby_endpoint_url(elsewhere.endpoint_url()).connect());
    }
    for connected in soon(roles.join_all()).await {
        assert_eq!(connected.unwrap().status().endpoint.as_deref(), Some(rig.sts.endpoint_url()));
    }
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test]
async fn p6_change_reported_by_source_is_noticed() {
    let rig = Rig::start().await;
    let source = Scripted::new(&rig, Does::Give);
    let provider = soon(builder(&rig, source.clone()).connect()).await.unwrap();
    // With fresh credentials, only a token of another identity causes an exchange.
    source.change_to(|| spec().lifetime(Duration::from_secs(1234)));
    eventually(|| source.asked() == 2).await;
    source.change_to(|| spec().audience("sts.amazonaws.com").audience("another"));
    eventually(|| provider.status().generation == 2).await;
    assert_eq!(rig.exchanges().len(), 2);
    assert_eq!(source.asked(), 4, "expected one request for each change and each exchange");

    // After a permanent failure any new token causes an exchange.
    rig.sts.set_fault(fault_list::INCORRECT_AUDIENCE);
    soon(provider.refresh()).await.unwrap_err();
    rig.sts.set_fault(None);
    let before = key(&provider);
    source.change_to(spec);
    eventually(|| key(&provider) != before).await;
}

#[tokio::test]
async fn p2_source_may_change_its_identity_silently() {
    let rig = Rig::start().await;
    let source = Scripted::new(&rig, Does::Give);
    let provider = soon(builder(&rig, source.clone()).connect()).await.unwrap();
    let before = key(&provider);
    rig.sts.set_session_length(Duration::from_secs(900));
    *source.0.spec.lock().unwrap() = || TokenSpec::service_account("shop", "billing");
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), before);
}

#[tokio::test(start_paused = true)]
async fn p6_source_that_fails_after_its_change_is_asked_again() {
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    let source = Scripted::new(&rig, Does::Give);
    let provider = clock.drive(builder(&rig, source.clone())).connect().await.unwrap();
    let before = source.asked();
    source.set(Does::Fail);
    source.change_to(|| TokenSpec::service_account("shop", "billing"));
    clock.until(|| source.asked() > before).await;
    source.set(Does::Give);
    let mut updates = provider.updates();
    let noticed = timeout(Duration::from_secs(120), updates.changed());
    assert_eq!(clock.pass_until(noticed, &[&rig.sts]).await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn endless_changes_of_a_source_are_paced() {
    #[derive(Debug)]
    struct Restless(Scripted);
    impl ProvideToken for Restless {
        fn provide_token(&self) -> future::ProvideToken<'_> {
            self.0.provide_token()
        }

        fn changed(&self) -> future::Changed<'_> {
            future::Changed::new(std::future::ready(()))
        }
    }
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    let source = Scripted::new(&rig, Does::Give);
    let provider = clock.drive(builder(&rig, Restless(source.clone()))).connect().await.unwrap();
    let before = source.asked();
    let mut passed = Duration::ZERO;
    while source.asked() < before + 4 {
        passed += Duration::from_millis(100);
        assert!(passed < Duration::from_secs(60), "the changes must be noticed");
        clock.advance(Duration::from_millis(100), &[&rig.sts]).await;
    }
    assert!(passed >= Duration::from_secs(3), "at most one request per second is expected: 4 in {passed:?}");
    assert_eq!(rig.exchanges(), [Some(key(&provider))]);
}
