//! The recipes of `docs::recipes`, compiled and run against the kit.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_web_identity::test_util::{AssumableRole, Fault, MockSts, OidcIssuer, TrustedRole};
use axum::Router;
use tokio::net::TcpListener;

use crate::support::{ARN, CHAINED_ROLE as LAKE, ROLE, Rig, caller_arn, eventually, key, soon};

/// The recipes as a reader's program has them.
#[allow(unreachable_pub, reason = "public in the reader's program")]
#[path = "../../../src/docs/recipes"]
mod copied {
    pub(super) mod blocking;
    #[cfg(feature = "object_store-0_14")]
    pub(super) mod object_store;
    pub(super) mod one_service;
    #[cfg(feature = "reqsign-core-3")]
    pub(super) mod opendal;
    pub(super) mod other_signer;
    pub(super) mod presign;
    pub(super) mod service;
    pub(super) mod tenants;
    pub(super) mod two_accounts;
}
use copied::tenants::Tenants;
use copied::{blocking, one_service, other_signer, presign, service, two_accounts};

#[test]
fn each_recipe_is_short_and_on_the_page() {
    let docs = super::src().join("docs");
    let page = fs::read_to_string(docs.join("recipes.rs")).unwrap();
    let files: Vec<PathBuf> = fs::read_dir(docs.join("recipes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("include_str!(\"recipes/{name}\")")), "{name} is not on the page");
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 30, "{name} has {lines} lines");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_service_signs_as_the_pod_alone() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let base = rig.config();
    let s3 = one_service::s3(&identity, &base);
    for _ in 0..2 {
        let link = presign::link(&identity, &s3, "shop", "receipt", Duration::from_secs(60)).await.unwrap();
        assert!(is_signed_with(&link, &key(&identity)), "the link must be signed with the newest key");
        soon(identity.refresh()).await.unwrap();
    }
    assert!(base.credentials_provider().is_none(), "the shared config must stay unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn link_is_signed_with_keys_that_outlive_it() {
    let rig = Rig::start().await;
    rig.sts.set_session_length(Duration::from_secs(4));
    let identity = rig.connect().await;
    let s3 = aws_sdk_s3::Client::new(&identity.install(rig.config()));
    let first = key(&identity);
    let link = async |lifetime| presign::link(&identity, &s3, "shop", "receipt", Duration::from_secs(lifetime)).await;
    assert!(is_signed_with(&link(1).await.unwrap(), &first), "the first credentials last long enough");
    // Now less than 3 s remain.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let renewed = soon(link(3)).await.unwrap();
    assert!(
        !is_signed_with(&renewed, &first) && renewed.contains("X-Amz-Expires=3&"),
        "credentials that expire too early must be replaced"
    );
    let error = soon(link(4)).await.unwrap_err().to_string();
    assert!(error.contains("valid for 4 s"), "no session lasts that long: {error}");
}

#[cfg(feature = "object_store-0_14")]
#[tokio::test(flavor = "multi_thread")]
async fn object_store_signs_with_the_newest_key() {
    use object_store::signer::Signer;

    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let bucket = copied::object_store::bucket(&identity, "eu-central-1", "shop").unwrap();
    for _ in 0..2 {
        let lifetime = Duration::from_secs(60);
        let link = bucket.signed_url(http::Method::GET, &"receipt".into(), lifetime).await.unwrap();
        assert!(is_signed_with(link.as_str(), &key(&identity)));
        soon(identity.refresh()).await.unwrap();
    }
}

#[cfg(feature = "reqsign-core-3")]
#[tokio::test(flavor = "multi_thread")]
async fn opendal_signs_with_our_key() {
    opendal::install_default();
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let bucket = copied::opendal::bucket(&identity, "eu-central-1", "shop").unwrap();
    let link = soon(bucket.presign_read("receipt", Duration::from_secs(60))).await.unwrap();
    assert!(is_signed_with(&link.uri().to_string(), &key(&identity)));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_ready_once_it_is() {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::ServiceUnavailable);
    let identity = rig.builder().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = service::app(identity.clone(), Router::new().route("/", axum::routing::get(async || "hello")));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = soon(client.get(format!("{url}{path}")).send()).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!((get("/").await.0, get("/livez").await.0, get("/readyz").await.0), (200, 200, 503));
    eventually(|| identity.status().last_error.is_some()).await;
    let why = get("/readyz").await.1;
    assert!(why.contains("503"), "the probe must name the cause: {why}");
    rig.sts.set_fault(None);
    soon(identity.ready()).await.unwrap();
    assert_eq!(get("/readyz").await, (200, "ready".to_owned()));
}

/// A pod and this number of tenant roles. The recipe keeps at most two clients.
async fn tenants(number: usize) -> (Rig, Tenants) {
    let issuer = OidcIssuer::start().await;
    let mut builder = MockSts::builder().issuer(&issuer).role(TrustedRole::new(ROLE));
    for tenant in 0..number {
        builder = builder.assumable_role(AssumableRole::new(role_of(tenant)).principal(ROLE));
    }
    let rig = Rig::from_parts(&issuer, builder.start().await);
    let tenants =
        Tenants { pod: rig.connect().await, base: rig.config(), most: 2, clients: Mutex::new(HashMap::new()) };
    (rig, tenants)
}

fn role_of(tenant: usize) -> String {
    format!("arn:aws:iam::{tenant:012}:role/shop")
}

/// Number of exchanges for each tenant's role.
fn assumed(rig: &Rig, number: usize) -> Vec<usize> {
    let calls = rig.sts.calls();
    let of =
        |role| calls.iter().filter(|call| call.action == "AssumeRole" && call.role_arn == Some(role_of(role))).count();
    (0..number).map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_one_tenant_share_one_exchange() {
    let (rig, tenants) = tenants(2).await;
    rig.sts.set_latency(Duration::from_millis(50));
    let clients: Vec<Client> = (0..20).map(|n| tenants.client(&role_of(n % 2)).unwrap()).collect();
    let asked = clients.into_iter().map(|client| tokio::spawn(async move { caller_arn(&client).await }));
    for (number, arn) in asked.enumerate().collect::<Vec<_>>() {
        let account = format!(":{:012}:", number % 2);
        let arn = soon(arn).await.unwrap();
        assert!(arn.contains(&account), "caller {number} got {arn}");
    }
    assert_eq!(assumed(&rig, 2), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn longest_idle_tenant_makes_room() {
    let (rig, tenants) = tenants(3).await;
    // Tenant 1 is idle longest when tenant 2 comes.
    for tenant in [0, 1, 0, 2, 0, 1] {
        soon(caller_arn(&tenants.client(&role_of(tenant)).unwrap())).await;
        assert!(tenants.clients.lock().unwrap().len() <= 2);
    }
    assert_eq!(assumed(&rig, 3), [1, 2, 1]);
}

#[tokio::test]
async fn idle_tenant_is_forgotten() {
    let (rig, tenants) = tenants(2).await;
    soon(caller_arn(&tenants.client(&role_of(0)).unwrap())).await;
    // Pauses the caller's clock only. The engine thread has its own, and the kit's sockets need real time.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(29 * 60)).await;
    tenants.client(&role_of(1)).unwrap();
    assert_eq!(tenants.clients.lock().unwrap().len(), 2);
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    tenants.client(&role_of(1)).unwrap();
    tokio::time::resume();
    let held: Vec<String> = tenants.clients.lock().unwrap().keys().cloned().collect();
    assert_eq!(held, [role_of(1)]);
    drop(rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_have_a_config_each() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let (own, lake) = two_accounts::configs(&identity, rig.config()).await.unwrap();
    assert_eq!(caller_arn(&Client::new(&own)).await, ARN);
    let account = LAKE.split(':').nth(4).unwrap();
    assert!(caller_arn(&Client::new(&lake)).await.contains(account));
    assert_eq!(rig.exchanges().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_signers_request_is_accepted() {
    let rig = Rig::start().await;
    let identity = rig.connect().await;
    let request = http_request(rig.sts.endpoint_url());
    let request = other_signer::signed(&identity, "eu-central-1", "sts", request).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = soon(client.execute(request.try_into().unwrap())).await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success() && text.contains(ARN), "{status} {text}");
}

fn http_request(url: &str) -> http::Request<String> {
    http::Request::post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("Action=GetCallerIdentity&Version=2011-06-15".to_owned())
        .unwrap()
}

#[test]
fn blocking_program_has_keys_without_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rig = runtime.block_on(Rig::start());
    // This thread is in no runtime: the one above drives the kit.
    let identity = rig.builder().build().unwrap();
    let first = blocking::keys(&identity).unwrap();
    assert_eq!(first.access_key_id(), key(&identity), "the first call must wait for credentials");
    assert_eq!(blocking::keys(&identity).unwrap().access_key_id(), first.access_key_id());
    rig.sts.set_fault(Fault::AccessDenied);
    let error = blocking::keys(&rig.builder().build().unwrap()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("AccessDenied"), "{error:?}");
}

fn is_signed_with(link: &str, key: &str) -> bool {
    link.contains(&format!("X-Amz-Credential={key}%2F"))
}
