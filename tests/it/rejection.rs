//! Rejected keys: a service refuses credentials that are still valid, and the interceptor has them replaced.
//!
//! Real SDK clients send requests to the kit's STS, which rejects a key on demand.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::Client;
use aws_sdk_sts::config::Config;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_web_identity::WebIdentityCredentialsProvider;

use crate::support::stepped_clock::SteppedClock;
use crate::support::{ARN, CHAINED_ROLE, Rig, caller_arn, eventually, key, soon};

#[tokio::test(flavor = "multi_thread")]
async fn key_rejected_as_expired_is_replaced() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let client = listening(&rig, &provider);
    let (old, first) = (provider.current().unwrap(), key(&provider));
    reject(&rig, &client, &first, "ExpiredToken").await;
    eventually(|| key(&provider) != first).await;
    assert_eq!(caller_arn(&client).await, ARN);
    assert_eq!(rig.exchanges(), [Some(first.clone()), Some(key(&provider))]);

    // A late rejection of the old key changes nothing.
    provider.invalidate(&old);
    assert!(refreshes_as_scheduled(&provider), "{:?}", provider.status());
}

#[tokio::test(start_paused = true)]
async fn p2_rejected_key_stays_until_replaced() {
    let clock = SteppedClock::start();
    let rig = Rig::start().await;
    let provider = clock.drive(rig.builder()).connect().await.unwrap();
    let first = key(&provider);
    rig.sts.set_latency(Duration::from_secs(60));
    provider.invalidate(&provider.current().unwrap());
    // The exchange lasts longer than the attempt, so the first one cannot replace the key.
    clock.pass_until(rig.sts.wait_for_calls(2), &[&rig.sts]).await;
    assert_eq!(key(&provider), first);
    rig.sts.set_latency(Duration::ZERO);
    let replaced = async { while key(&provider) == first && provider.updates().changed().await.is_ok() {} };
    clock.pass_until(replaced, &[&rig.sts]).await;
    assert_ne!(key(&provider), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_error_is_no_rejection() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for code in ["AccessDenied", "AuthFailure"] {
        reject(&rig, &listening(&rig, &provider), &key(&provider), code).await;
        assert!(refreshes_as_scheduled(&provider), "{code}: {:?}", provider.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_request_is_a_rejection_if_clocks_agree() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let (client, first) = (listening(&rig, &provider), key(&provider));
    // The `Date` header shows that the clocks differ.
    for wrong in [-1200, 1200] {
        rig.sts.set_clock_offset(wrong);
        reject(&rig, &client, &first, "RequestExpired").await;
        assert!(refreshes_as_scheduled(&provider), "{wrong} s: {:?}", provider.status());
    }
    rig.sts.set_clock_offset(0);
    rig.sts.set_send_date(false);
    reject(&rig, &client, &first, "RequestExpired").await;
    assert!(refreshes_as_scheduled(&provider), "unknown clocks are no reason to reject: {:?}", provider.status());

    rig.sts.set_send_date(true);
    reject(&rig, &client, &first, "RequestExpired").await;
    eventually(|| key(&provider) != first).await;
}

/// STS rejects the base's key, as a service may.
#[tokio::test(flavor = "multi_thread")]
async fn chained_role_rejects_its_base_by_same_rules() {
    for (code, wrong_by, renewed) in [
        ("RequestExpired", 0, true),
        ("RequestExpired", 1200, false),
        ("ExpiredToken", 1200, true),
        ("AuthFailure", 0, false),
    ] {
        let rig = Rig::start().await;
        let base = rig.connect().await;
        let first = key(&base);
        rig.sts.reject_key(&first, code);
        rig.sts.set_clock_offset(wrong_by);
        let lake = base.assume_role(CHAINED_ROLE).wait_timeout(Duration::from_secs(1)).build().unwrap();
        eventually(|| lake.status().last_error.is_some()).await;
        let outcome = soon(lake.refresh()).await;
        if renewed {
            eventually(|| key(&base) != first).await;
        } else {
            assert_eq!(outcome.unwrap_err().code(), Some(code));
            assert!(refreshes_as_scheduled(&base) && key(&base) == first, "{code} {wrong_by}: {:?}", base.status());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_key_unknown_to_a_service_is_kept() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    reject(&rig, &listening(&rig, &provider), &key(&provider), "InvalidClientTokenId").await;
    assert!(refreshes_as_scheduled(&provider), "{:?}", provider.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn client_without_interceptor_reports_no_rejection() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    reject(&rig, &Client::new(&provider.install(rig.config())), &key(&provider), "ExpiredToken").await;
    assert!(refreshes_as_scheduled(&provider), "{:?}", provider.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_rejections_cost_one_exchange() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let client = listening(&rig, &provider);
    let first = key(&provider);
    reject(&rig, &client, &first, "ExpiredToken").await;
    eventually(|| key(&provider) != first).await;
    for _ in 0..20 {
        reject(&rig, &client, &key(&provider), "ExpiredToken").await;
    }
    let next = provider.status().next_attempt.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(next > Duration::from_secs(10), "the next exchange must wait: {next:?}");
    assert_eq!(rig.exchanges().len(), 2);
}

/// One service speaks RPC v2 CBOR. The other one migrated from the query protocol.
#[tokio::test(flavor = "multi_thread")]
async fn rejection_in_cbor_or_query_header_is_noticed() {
    let cbor = b"\xbf\x67Message\x64gone\x66__type\x78\x22com.amazonaws.metrics#ExpiredToken\xff";
    for (headers, body) in [
        (&[("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")][..], &cbor[..]),
        (&[("x-amzn-query-error", "ExpiredToken;Sender")], b"{\"__type\":\"com.amazonaws.queues#Failure\"}"),
    ] {
        let rig = Rig::start().await;
        let provider = rig.connect().await;
        let first = key(&provider);
        let service = http_client_fn(move |_, _| SharedHttpConnector::new(Canned { headers, body }));
        let config = Config::from(&provider.install(rig.config())).to_builder().http_client(service);
        let client = Client::from_conf(config.interceptor(provider.interceptor()).build());
        soon(client.get_caller_identity().send()).await.unwrap_err();
        eventually(|| key(&provider) != first).await;
    }
}

/// An HTTP client that answers each request with the same error.
#[derive(Clone, Copy, Debug)]
struct Canned {
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
}

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let mut response = HttpResponse::new(400.try_into().unwrap(), SdkBody::from(self.body));
        for (name, value) in self.headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn listening(rig: &Rig, provider: &WebIdentityCredentialsProvider) -> Client {
    let config = Config::from(&provider.install(rig.config())).to_builder().interceptor(provider.interceptor());
    Client::from_conf(config.build())
}

async fn reject(rig: &Rig, client: &Client, key: &str, code: &str) {
    rig.sts.reject_key(key, code);
    let error = soon(client.get_caller_identity().send()).await.unwrap_err();
    assert_eq!(error.code(), Some(code));
}

/// True if the next exchange is still the scheduled refresh of an hour's session.
fn refreshes_as_scheduled(provider: &WebIdentityCredentialsProvider) -> bool {
    let next = provider.status().next_attempt.unwrap();
    next.duration_since(SystemTime::now()).is_ok_and(|wait| wait > Duration::from_secs(20 * 60))
}
