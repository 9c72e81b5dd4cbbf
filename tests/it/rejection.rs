//! A service that refuses the key is heard, by those who asked for it.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::Client;
use aws_sdk_sts::config::Config;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_web_identity::WebIdentityCredentialsProvider;

use crate::rig::{ARN, CHAINED_ROLE, Rig, eventually, key, soon, who};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_service_calls_expired_is_replaced() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let client = listening(&rig, &provider);
    let (old, first) = (provider.current().unwrap(), key(&provider));
    refuse(&rig, &client, &first, "ExpiredToken").await;
    eventually(|| key(&provider) != first).await;
    assert_eq!(who(&client).await, ARN);
    assert_eq!(rig.exchanges(), [Some(first.clone()), Some(key(&provider))]);

    // A late refusal of the key that was replaced is of no consequence.
    provider.invalidate(&old);
    assert!(rests(&provider), "{:?}", provider.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_refused_key_stays_until_it_is_replaced() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let first = key(&provider);
    rig.sts.set_latency(Duration::from_secs(1));
    provider.invalidate(&provider.current().unwrap());
    rig.sts.wait_for_calls(2).await;
    assert_eq!(key(&provider), first);
    eventually(|| key(&provider) != first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_authorization_says_nothing_of_the_key() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for code in ["AccessDenied", "AuthFailure"] {
        refuse(&rig, &listening(&rig, &provider), &key(&provider), code).await;
        assert!(rests(&provider), "{code}: {:?}", provider.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_request_is_the_keys_fault_only_with_a_right_clock() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let (client, first) = (listening(&rig, &provider), key(&provider));
    // The mock's `Date` shows that the two clocks differ.
    for wrong in [-1200, 1200] {
        rig.sts.set_clock_offset(wrong);
        refuse(&rig, &client, &first, "RequestExpired").await;
        assert!(rests(&provider), "{wrong} s: {:?}", provider.status());
    }
    rig.sts.set_clock_offset(0);
    rig.sts.set_send_date(false);
    refuse(&rig, &client, &first, "RequestExpired").await;
    assert!(rests(&provider), "nobody knows: {:?}", provider.status());

    rig.sts.set_send_date(true);
    refuse(&rig, &client, &first, "RequestExpired").await;
    eventually(|| key(&provider) != first).await;
}

/// STS refuses the base's key as a service would.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_judges_refusals_of_its_base_by_the_same_list() {
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
            assert!(rests(&base) && key(&base) == first, "{code} {wrong_by}: {:?}", base.status());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_too_young_to_be_known_everywhere_is_given_time() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    refuse(&rig, &listening(&rig, &provider), &key(&provider), "InvalidClientTokenId").await;
    assert!(rests(&provider), "{:?}", provider.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_interceptor_nothing_is_heard() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    refuse(&rig, &Client::new(&provider.install(rig.config())), &key(&provider), "ExpiredToken").await;
    assert!(rests(&provider), "{:?}", provider.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_never_accepted_is_no_storm() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let client = listening(&rig, &provider);
    let first = key(&provider);
    refuse(&rig, &client, &first, "ExpiredToken").await;
    eventually(|| key(&provider) != first).await;
    for _ in 0..20 {
        refuse(&rig, &client, &key(&provider), "ExpiredToken").await;
    }
    let next = provider.status().next_attempt.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(next > Duration::from_secs(10), "not at once again: {next:?}");
    assert_eq!(rig.exchanges().len(), 2);
}

/// A service that speaks Smithy's RPC v2 in CBOR, and one that once spoke the query protocol.
#[tokio::test(flavor = "multi_thread")]
async fn cbor_service_and_query_header_are_heard() {
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

/// Answers each request with the same error.
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

async fn refuse(rig: &Rig, client: &Client, key: &str, code: &str) {
    rig.sts.reject_key(key, code);
    let error = soon(client.get_caller_identity().send()).await.unwrap_err();
    assert_eq!(error.code(), Some(code));
}

/// Whether the next exchange is still the one that the hour's session asks for.
fn rests(provider: &WebIdentityCredentialsProvider) -> bool {
    let next = provider.status().next_attempt.unwrap();
    next.duration_since(SystemTime::now()).is_ok_and(|wait| wait > Duration::from_secs(20 * 60))
}
