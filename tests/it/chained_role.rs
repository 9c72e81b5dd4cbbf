//! Chained roles keep the promises, in chains of any length.
//!
//! The kit's STS verifies the signature of each `AssumeRole`, which the base's key makes.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::test_util::{AssumableRole, Call, Fault, MockSts, OidcIssuer, TrustedRole};
use aws_web_identity::{AssumeRoleBuilder, BackgroundCredentialsProvider, Error, ErrorKind, Phase, Registry};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::fault_list;
use crate::support::{CHAINED_ROLE as LAKE, ROLE, Rig, caller_arn, eventually, key, soon, spec};

const LAKE_ARN: &str = "arn:aws:sts::210987654321:assumed-role/lake/checkout-0";

/// A rig with a role in another account that trusts the pod's role.
async fn rig() -> Rig {
    with(AssumableRole::new(LAKE).principal(ROLE).external_id("orders")).await
}

async fn with(role: AssumableRole) -> Rig {
    let issuer = OidcIssuer::start().await;
    let builder = MockSts::builder().issuer(&issuer).role(TrustedRole::new(ROLE)).assumable_role(role);
    Rig::from_parts(&issuer, builder.start().await)
}

fn lake(rig: &Rig) -> AssumeRoleBuilder {
    rig.builder().build().unwrap().assume_role(LAKE).external_id("orders")
}

/// Each `AssumeRole` call in order: the key that STS gave (`None` for a failure) and the key that signed the request.
fn chained(rig: &Rig) -> Vec<(Option<String>, Option<String>)> {
    let calls = rig.sts.calls().into_iter().filter(|call| call.action == "AssumeRole");
    calls.map(|call| (call.access_key_id, call.signed_with)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn client_signs_as_role_of_another_account() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let lake = identity.assume_role(LAKE).external_id("orders").session_length(Duration::from_secs(900));
    let lake = lake.connect().await.unwrap();
    let client = Client::new(&lake.install(rig.config()));
    for _ in 0..2 {
        assert_eq!(caller_arn(&client).await, LAKE_ARN);
        assert_eq!(rig.last_signed_with(), key(&lake));
        soon(lake.refresh()).await.unwrap();
    }
    let call = rig.sts.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap();
    assert_eq!(call.role_arn.as_deref(), Some(LAKE));
    assert_eq!(call.session_name.as_deref(), Some("checkout-0"), "the session name must be the base's");
    assert_eq!(call.duration, Some(Duration::from_secs(900)));
    assert_eq!(call.external_id.as_deref(), Some("orders"));
    assert_eq!(call.signed_with, Some(identity.current().unwrap().access_key_id().to_owned()));

    let status = lake.status();
    assert_eq!((status.phase, status.generation), (Phase::Fresh, 3));
    assert_eq!(status.assumed_role_arn.as_deref(), Some(LAKE_ARN));
    assert_eq!(status.account_id.as_deref(), Some("210987654321"));
    assert!(status.token.is_none());
    assert_eq!(rig.exchanges().len(), 1, "the base's credentials must be reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_source_identity_are_sent() {
    let role = AssumableRole::new(LAKE).principal(ROLE).allow("sts:TagSession").allow("sts:SetSourceIdentity");
    let rig = with(role).await;
    let lake = rig.builder().build().unwrap().assume_role(LAKE).tags([("Tenant", "blue"), ("stage", "")]);
    let lake = lake.transitive_tag_keys(["Tenant"]).source_identity("jane@example.com").connect().await.unwrap();
    assert_eq!(caller_arn(&Client::new(&lake.install(rig.config()))).await, LAKE_ARN);
    soon(lake.refresh()).await.unwrap();
    let calls: Vec<_> = rig.sts.calls().into_iter().filter(|call| call.action == "AssumeRole").collect();
    assert_eq!(calls.len(), 2);
    for call in calls {
        let tags = [("Tenant", "blue"), ("stage", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!((call.tags, call.transitive_tag_keys), (tags.to_vec(), vec!["Tenant".to_owned()]));
        assert_eq!(call.source_identity.as_deref(), Some("jane@example.com"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_tag_or_identity_names_its_action() {
    let rig = with(AssumableRole::new(LAKE).principal(ROLE)).await;
    let base = rig.builder().build().unwrap();
    for (builder, action) in [
        (base.assume_role(LAKE).tags([("tenant", "blue")]), "sts:TagSession"),
        (base.assume_role(LAKE).source_identity("jane"), "sts:SetSourceIdentity"),
    ] {
        let error = soon(builder.build().unwrap().refresh()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::RoleDenied, Some("AccessDenied")));
        let text = error.to_string();
        assert!(text.contains(&format!("is not authorized to perform: {action} on resource: {LAKE}")), "{text}");
        assert!(text.contains(&format!(r#""Action":["sts:AssumeRole","{action}"]"#)), "{text}");
        assert!(
            error.remedy().unwrap().contains(&format!("must allow sts:AssumeRole and {action} on {LAKE}")),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p3_requests_share_one_call_of_each_kind() {
    let rig = rig().await;
    rig.sts.set_latency(Duration::from_millis(100));
    let lake = lake(&rig).build().unwrap();
    let config = lake.install(rig.config());
    let mut requests = JoinSet::new();
    for _ in 0..40 {
        let client = Client::new(&config);
        requests.spawn(async move { caller_arn(&client).await });
    }
    assert!(soon(requests.join_all()).await.iter().all(|arn| arn == LAKE_ARN));
    assert_eq!((rig.exchanges().len(), chained(&rig).len()), (1, 1));

    let first = key(&lake);
    rig.sts.set_fault(Fault::Hang);
    let refresh = tokio::spawn({
        let lake = lake.clone();
        async move { lake.refresh().await }
    });
    eventually(|| chained(&rig).len() == 2).await;
    assert_eq!(caller_arn(&Client::new(&config)).await, LAKE_ARN, "requests must succeed while the exchange hangs");
    assert_eq!(key(&lake), first);
    refresh.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_failed_assume_role_keeps_valid_credentials() {
    let rig = rig().await;
    let lake = lake(&rig).connect().await.unwrap();
    let first = key(&lake);
    for fault in [Fault::ServiceUnavailable, Fault::AccessDenied, fault_list::GARBAGE, Fault::Throttled] {
        rig.sts.set_chain_fault(fault);
        soon(lake.refresh()).await.unwrap_err();
        assert_eq!((key(&lake), lake.status().phase), (first.clone(), Phase::Stale), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_failing_base_is_the_chains_error() {
    let rig = rig().await;
    rig.sts.set_fault(Fault::AccessDenied);
    let lake = lake(&rig).build().unwrap();
    let error = soon(lake.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RoleDenied);
    let cause: &Error = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(cause.code(), Some("AccessDenied"));
    assert!(error.to_string().contains(ROLE) && error.to_string().contains(LAKE), "{error}");
    assert!(chained(&rig).is_empty(), "no AssumeRole may be sent without base credentials");
    assert!(lake.current().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_denied_chain_shows_the_missing_trust_statement() {
    let rig = with(AssumableRole::new(LAKE).principal(ROLE).external_id("another")).await;
    let lake = lake(&rig).build().unwrap();
    let error = soon(lake.ready()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::RoleDenied, Some("AccessDenied")));
    let text = error.to_string();
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":"orders"}}}}}}"#
    );
    assert!(text.contains(&statement) && text.contains(&format!("a policy of {ROLE}")), "{text}");
    assert_eq!(chained(&rig).len(), 4, "IAM is eventually consistent, so three retries are expected");
}

#[tokio::test(flavor = "multi_thread")]
async fn base_replaces_rejected_key_and_chain_recovers() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let lake = identity.assume_role(LAKE).external_id("orders").build().unwrap();
    let old = identity.current().unwrap().access_key_id().to_owned();
    rig.sts.reject_key(&old, "ExpiredToken");
    soon(lake.ready()).await.unwrap();
    let new = identity.current().unwrap().access_key_id().to_owned();
    assert_ne!(new, old, "the base must replace the rejected key");
    let chained = chained(&rig);
    assert_eq!(chained.first(), Some(&(None, Some(old))));
    assert_eq!(chained.last(), Some(&(Some(key(&lake)), Some(new))));
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_chain_recovers_at_once_with_its_base() {
    let rig = rig().await;
    // A wrong audience is a misconfiguration, which is retried every five minutes only.
    rig.rotate(spec().audience("nobody"));
    let lake = lake(&rig).build().unwrap();
    soon(lake.refresh()).await.unwrap_err();
    assert!(chained(&rig).is_empty());
    rig.rotate(spec());
    eventually(|| lake.current().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_chained_role_prints_no_secret() {
    let rig = rig().await;
    let lake = lake(&rig).connect().await.unwrap();
    let secret = lake.current().unwrap().secret_access_key().to_owned();
    rig.sts.set_chain_fault(fault_list::GARBAGE);
    let error = soon(lake.refresh()).await.unwrap_err();
    let said = format!("{lake:?} {:?} {error:?} {error} {:?}", lake.status(), lake.identity_cache());
    assert!(said.contains(LAKE) && !said.contains(&secret), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_chain_keeps_base_alive_until_last_handle() {
    let rig = rig().await;
    let identity = rig.connect().await;
    let mut updates = identity.updates();
    let lake = identity.assume_role(LAKE).external_id("orders").connect().await.unwrap();
    drop(identity);
    let client = Client::new(&lake.install(rig.config()));
    soon(lake.refresh()).await.unwrap();
    drop(lake);
    assert_eq!(caller_arn(&client).await, LAKE_ARN);
    let mut gone = Box::pin(async move { while updates.changed().await.is_ok() {} });
    timeout(Duration::from_millis(100), &mut gone).await.expect_err("the base still lives");
    drop(client);
    soon(gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_shutdown_of_base_or_chain_keeps_valid_credentials() {
    let rig = Arc::new(rig().await);
    let identity = rig.connect().await;
    let lake = identity.assume_role(LAKE).external_id("orders").connect().await.unwrap();
    let (first, mut updates) = (key(&lake), lake.updates());
    // The base's credentials are still valid and sign the chain's exchange.
    soon(identity.shutdown()).await;
    soon(lake.refresh()).await.unwrap();
    assert_ne!(key(&lake), first);
    soon(lake.shutdown()).await;
    assert!(lake.current().is_some());
    assert_eq!(soon(lake.refresh()).await.unwrap_err().kind(), ErrorKind::Closed);
    soon(async { while updates.changed().await.is_ok() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p12_chain_outlives_base_that_was_shut_down() {
    let rig = rig().await;
    rig.sts.set_session_length(Duration::from_secs(3));
    let identity = rig.connect().await;
    rig.sts.set_session_length(None);
    let lake = identity.assume_role(LAKE).external_id("orders").connect().await.unwrap();
    let first = key(&lake);
    soon(identity.shutdown()).await;
    eventually(|| identity.current().is_none()).await;
    for _ in 0..2 {
        let error = soon(lake.refresh()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        let cause: &Error = error.source().unwrap().downcast_ref().unwrap();
        let closed = format!("the credentials provider of {ROLE} was shut down: build a new provider");
        assert_eq!(cause.to_string(), closed);
        assert!(error.to_string().contains(ROLE) && error.to_string().contains(LAKE), "{error}");
    }
    assert_eq!((key(&lake), lake.status().phase), (first, Phase::Stale));
    let client = Client::new(&lake.install(rig.config()));
    assert_eq!(caller_arn(&client).await, LAKE_ARN);
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_chain_error_names_missing_token_of_base() {
    let rig = rig().await;
    let base = rig.builder().token_file("/nowhere/token").attempt_timeout(Duration::from_millis(300)).build().unwrap();
    let lake = base.assume_role(LAKE).wait_timeout(Duration::from_millis(500)).build().unwrap();
    eventually(|| lake.status().last_error.is_some()).await;
    let error = soon(lake.provide_credentials()).await.unwrap_err();
    let ours: &Error = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(
        (ours.kind(), ours.is_transient()),
        (ErrorKind::TokenUnavailable, false),
        "a missing mount is a permanent error"
    );
    let cause = ours.source().unwrap().to_string();
    assert!(cause.contains("/nowhere/token"), "{ours}: {cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_cancelled_callers_disturb_no_exchange() {
    let rig = rig().await;
    rig.sts.set_latency(Duration::from_millis(20));
    let registry = Registry::default();
    let base = registry.build(rig.builder()).unwrap();
    let lake = base.assume_role(LAKE).external_id("orders").build().unwrap();
    let client = Client::new(&lake.install(rig.config()));
    let mut given_up = 0;
    for number in 0..300_u64 {
        let patience = Duration::from_micros(fastrand::u64(0..30_000));
        let ended = match number % 7 {
            0 => timeout(patience, async { drop(lake.provide_credentials().await) }).await,
            1 => timeout(patience, async { drop(lake.refresh().await) }).await,
            2 => timeout(patience, async { drop(base.refresh().await) }).await,
            3 => timeout(patience, async { drop(lake.valid_for(Duration::from_secs(3000)).await) }).await,
            4 => timeout(patience, async { drop(client.get_caller_identity().send().await) }).await,
            5 => timeout(patience, async { drop(registry.connect(rig.builder()).await) }).await,
            _ => timeout(patience, async { drop(lake.ready().await) }).await,
        };
        given_up += u32::from(ended.is_err());
        if number == 150 {
            base.invalidate(&base.provide_credentials().await.unwrap());
        }
    }
    assert!(given_up > 50, "{given_up}");
    assert_eq!(caller_arn(&client).await, LAKE_ARN);
    assert_eq!(rig.last_signed_with(), key(&lake));
    assert_eq!((base.status().consecutive_failures, lake.status().consecutive_failures), (0, 0));
    assert!(rig.sts.most_at_once() <= 2, "at most one exchange of each kind may run");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_chains_leave_base_free_to_exchange() {
    let rig = rig().await;
    // No attempt times out within the test: a chain that held a turn while it waits for its base would block it for
    // good.
    let base = rig.builder().attempt_timeout(Duration::from_secs(60)).build().unwrap();
    let mut chains = JoinSet::new();
    for number in 0..12 {
        let chain = base.assume_role(LAKE).external_id("orders").session_name(format!("chain-{number}"));
        chains.spawn(chain.connect());
    }
    for connected in soon(chains.join_all()).await {
        connected.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_provider_begins_a_chain() {
    let rig = chain_rig().await;
    let identity = rig.connect().await;
    let wrapped = BackgroundCredentialsProvider::builder(identity.clone()).configure(&rig.config()).build().unwrap();
    let config = identity.install(rig.config());
    let theirs = BackgroundCredentialsProvider::builder(config.credentials_provider().unwrap()).configure(&config);
    for base in [identity.clone().into(), wrapped, theirs.build().unwrap()] {
        let before = assumed(&rig).len();
        let first = base.assume_role(CHAIN[0]).session_name("chain-0").build().unwrap();
        let second = first.assume_role(CHAIN[1]).build().unwrap();
        let third = soon(second.assume_role(CHAIN[2]).connect()).await.unwrap();
        let client = Client::new(&third.install(rig.config()));
        for _ in 0..2 {
            let arn = "arn:aws:sts::410987654321:assumed-role/third/chain-0";
            assert_eq!(caller_arn(&client).await, arn, "the session name must pass down the chain");
            assert_eq!(rig.last_signed_with(), key(&third));
            soon(third.refresh()).await.unwrap();
        }
        let calls = assumed(&rig).split_off(before);
        let roles: Vec<_> = calls.iter().filter_map(|call| call.role_arn.as_deref()).collect();
        assert_eq!(roles, [CHAIN[0], CHAIN[1], CHAIN[2], CHAIN[2], CHAIN[2]]);
        let signed: Vec<_> = calls.iter().filter_map(|call| call.signed_with.clone()).collect();
        let (first, second) = (key(&first), key(&second));
        assert_eq!(signed, [key(&base), first, second.clone(), second.clone(), second]);
    }
    assert_eq!(rig.exchanges().len(), 1, "the token must be exchanged once");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_key_in_mid_chain_is_replaced() {
    let rig = chain_rig().await;
    let identity = rig.connect().await;
    let first = soon(identity.assume_role(CHAIN[0]).connect()).await.unwrap();
    let second = first.assume_role(CHAIN[1]).build().unwrap();
    let old = key(&first);
    rig.sts.reject_key(&old, "ExpiredToken");
    soon(second.ready()).await.unwrap();
    assert_ne!(key(&first), old);
    assert_eq!(rig.exchanges().len(), 1, "the pod's own key must be kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_chain_ends_with_its_last_link() {
    let rig = chain_rig().await;
    let identity = rig.connect().await;
    let mut updates = identity.updates();
    let first = identity.assume_role(CHAIN[0]).build().unwrap();
    let second = soon(first.assume_role(CHAIN[1]).connect()).await.unwrap();
    drop((identity, first));
    soon(second.refresh()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 1);
    drop(second);
    soon(async { while updates.changed().await.is_ok() {} }).await;
}

/// Each role trusts the one before it. The first one trusts the pod's role.
const CHAIN: [&str; 3] = [
    "arn:aws:iam::210987654321:role/first",
    "arn:aws:iam::310987654321:role/second",
    "arn:aws:iam::410987654321:role/third",
];

async fn chain_rig() -> Rig {
    let issuer = OidcIssuer::start().await;
    let mut builder = MockSts::builder().issuer(&issuer).role(TrustedRole::new(ROLE));
    for (role, principal) in CHAIN.into_iter().zip([ROLE].into_iter().chain(CHAIN)) {
        builder = builder.assumable_role(AssumableRole::new(role).principal(principal));
    }
    Rig::from_parts(&issuer, builder.start().await)
}

fn assumed(rig: &Rig) -> Vec<Call> {
    rig.sts.calls().into_iter().filter(|call| call.action == "AssumeRole").collect()
}
