//! P9: no token, secret key or session token appears in any output, whole or in part.
//!
//! Outputs are logs of all levels, metrics, `Debug`, `Display` and errors, of the crate, the SDK and the kit.

mod audit;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::region::Region;
use aws_web_identity::test_util::{Algorithm, AssumableRole, Fault, MockSts, OidcIssuer, TestAws, TrustedRole};
use aws_web_identity::token_source::{ProvideToken, Token, TokenError, future};
use aws_web_identity::{
    BackgroundCredentialsProvider, Builder, ErrorKind, ExpiredPolicy, Registry, WebIdentityCredentialsProvider,
};
use tokio::task::JoinSet;

use self::audit::{Audit, Wire, audited, with_causes};
use crate::autotraits::public_types;
use crate::support::fault_list::{self, ceph_grant};
use crate::support::{ARN, CHAINED_ROLE, ROLE, Rig, caller_arn, eventually, expired_token, key, soon, spec};
use crate::test_kit::signed;

#[test]
fn p9_no_fault_of_sts_reveals_a_secret() {
    audited(None, async |audit| {
        let issuer = OidcIssuer::start().await;
        issuer.mint(spec());
        let mut faults = JoinSet::new();
        for (fault, grants) in fault_list::ALL.iter().map(|(fault, _)| (*fault, false)).chain([(ceph_grant(ARN), true)])
        {
            let rig = Rig::with_issuer(&issuer).await;
            faults.spawn_local(soon(run_fault(fault, grants, rig, audit.clone())));
        }
        assert_eq!(faults.join_all().await.len(), fault_list::ALL.len() + 1);
        let logged = audit.logged.to_string();
        for told in [format!("assumed_role_arn=\"{ARN}\""), format!("exchange{{role=\"{ROLE}\" attempt=")] {
            assert!(logged.contains(&told), "the log lacks {told}");
        }
        for level in ["ERROR", "WARN", "INFO", "DEBUG"] {
            let heard = |after: &str| logged.contains(&format!(" {level} {after}"));
            assert!(heard("exchange{") || heard("aws_web_identity: "), "the log lacks our lines at {level}");
        }
        assert!(logged.contains("TRACE "), "the log lacks TRACE lines");
        printed_each_code(&audit);
    });
}

/// Checks that the errors of all faults were printed.
fn printed_each_code(audit: &Audit) {
    let printed = audit.printed();
    for code in fault_list::ALL.iter().filter_map(|(_, code)| *code) {
        assert!(printed.contains(&format!("code: \"{code}\"")), "the error {code} was not printed");
    }
}

/// Prints everything without credentials, with fresh, stale and expired ones, and after the recovery. `grants`: the answer
/// is odd, but good.
async fn run_fault(fault: Fault, grants: bool, rig: Rig, audit: Audit) {
    let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
    let builder = || {
        let patient = rig.builder().attempt_timeout(Duration::from_secs(5)).wait_timeout(Duration::from_secs(10));
        patient.endpoint_url(&wire.url)
    };
    audit.add_secret(&rig.rotate(spec().lifetime(Duration::from_secs(3000))));
    audit.show(&builder());
    rig.sts.set_session_length(Duration::from_secs(10));
    let provider = builder().connect().await.unwrap();
    let client = Client::new(&provider.install(rig.config()));
    assert_eq!(caller_arn(&client).await, ARN);
    print_everything(&provider, &rig, &audit);

    rig.sts.set_fault(fault);
    let failing = builder().build().unwrap();
    let (first, again) = tokio::join!(failing.provide_credentials(), provider.refresh());
    let outcomes = (first.map_err(|error| with_causes(&error)), again.map_err(|error| with_causes(&error)));
    assert_eq!((outcomes.0.is_ok(), outcomes.1.is_ok()), (grants, grants), "{fault:?}: {outcomes:?}");
    assert_eq!(failing.status().last_error.is_none(), grants, "{fault:?}");
    audit.print(&format!("{outcomes:?}"));
    print_everything(&failing, &rig, &audit);
    print_everything(&provider, &rig, &audit);
    if !grants {
        eventually(|| provider.current().is_none()).await;
        audit.print_error(&provider.provide_credentials().await.unwrap_err());
        audit.print_error(&client.get_caller_identity().send().await.unwrap_err());
        print_everything(&provider, &rig, &audit);
    }

    rig.sts.set_fault(None);
    rig.sts.set_session_length(None);
    audit.add_secret(&rig.rotate(spec().lifetime(Duration::from_secs(3100))));
    while provider.refresh().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(caller_arn(&client).await, ARN);
    print_everything(&provider, &rig, &audit);
    provider.shutdown().await;
    failing.shutdown().await;
    print_everything(&provider, &rig, &audit);
}

#[test]
fn p9_rejected_token_or_key_reveals_no_secret() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        audit.add_secret(&rig.rotate(spec().lifetime(Duration::from_secs(3000))));
        let provider = rig.builder().endpoint_url(&wire.url).connect().await.unwrap();
        let config = aws_sdk_sts::config::Builder::from(&provider.install(rig.config()));
        let client = Client::from_conf(config.interceptor(provider.interceptor()).build());
        assert_eq!(caller_arn(&client).await, ARN);
        rig.sts.reject_key(key(&provider), "ExpiredToken");
        audit.print_error(&soon(client.get_caller_identity().send()).await.unwrap_err());
        eventually(|| provider.status().generation == 2).await;
        print_everything(&provider, &rig, &audit);

        audit.add_secret(&rig.rotate(expired_token()));
        let error = soon(provider.refresh()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenRejected);
        audit.print_error(&error);
        audit.add_secret(&rig.rotate(spec().forged()));
        audit.print_error(&soon(provider.refresh()).await.unwrap_err());
        print_everything(&provider, &rig, &audit);
    });
}

#[test]
fn p9_chained_role_reveals_no_secret() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        let base = rig.builder().endpoint_url(&wire.url).attempt_timeout(Duration::from_secs(3));
        let base = base.connect().await.unwrap();
        let chained = base.assume_role(CHAINED_ROLE).connect().await.unwrap();
        print_chained(&chained, &rig, &audit);
        for &(fault, _) in fault_list::ALL {
            rig.sts.set_chain_fault(fault);
            let builder = base.assume_role(CHAINED_ROLE).wait_timeout(Duration::from_millis(200));
            audit.show(&builder);
            let failing = builder.build().unwrap();
            audit.print_error(&soon(failing.provide_credentials()).await.unwrap_err());
            eventually(|| failing.status().last_error.is_some()).await;
            print_chained(&failing, &rig, &audit);
        }
        printed_each_code(&audit);
    });
}

fn print_chained(chained: &BackgroundCredentialsProvider, rig: &Rig, audit: &Audit) {
    audit.must_know(chained.current().as_ref());
    audit.show(chained);
    audit.show(&chained.status());
    if let Some(error) = chained.status().last_error {
        audit.print_error(&error);
    }
    audit.print(&format!("{:?} {:?}", chained.current(), chained.install(rig.config())));
}

#[test]
fn p9_no_public_type_prints_a_secret() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        let token = rig.rotate(spec());
        audit.add_secret(&token);
        let builder = || rig.builder().endpoint_url(&wire.url);
        let registry = Registry::default();
        let provider = registry.connect(builder()).await.unwrap();
        print_everything(&provider, &rig, &audit);
        audit.show(&registry);
        let credentials = provider.current().unwrap();
        let background = BackgroundCredentialsProvider::builder(credentials.clone());
        audit.show(&background);
        audit.show(&background.connect().await.unwrap());
        audit.show(&provider.assume_role(CHAINED_ROLE));
        audit.show(&provider.to_builder().token_source(Careless(token.clone())));
        audit.show(&TokenError::new(std::io::Error::other(format!("what came was {token}"))));
        audit.show(&ProvideToken::provide_token(&Careless(token.clone())));
        audit.show(&ProvideToken::changed(&Careless(token.clone())));
        audit.show(&Token::new(token.clone()).unwrap());
        audit.show(&builder().role_arn(&token).build().unwrap_err());

        rig.sts.set_fault(fault_list::MISSING_EXPIRATION);
        let error = soon(provider.refresh()).await.unwrap_err();
        audit.show(&error);
        audit.show(&error.kind());
        #[cfg(feature = "object_store-0_14")]
        audit.print(&format!("{:?}", provider.object_store_credentials()));
        #[cfg(feature = "reqsign-core-3")]
        audit.print(&format!("{:?}", provider.reqsign_chain()));

        audit.show(&provider.status().token.unwrap());
        audit.show(&provider.status().phase);
        audit.show(&ExpiredPolicy::default());
        let mut updates = provider.updates();
        provider.shutdown().await;
        audit.show(&updates.changed().await.unwrap_err());

        audit.show(&rig.sts.calls()[0]);
        audit.show(&MockSts::builder().issuer(&rig.issuer).role(TrustedRole::new(ROLE)));
        audit.show(&TrustedRole::new(ROLE).subject("me"));
        audit.show(&AssumableRole::new(CHAINED_ROLE).principal(ROLE));
        let aws = TestAws::from_parts(rig.issuer.clone(), rig.sts.clone());
        audit.show(&aws);
        audit.show(&aws.sts().verify(&signed(credentials)).unwrap());
        audit.show(&aws.sts().verify(&http::Request::new("")).unwrap_err());
        audit.show(&Fault::Hang);
        audit.show(&Algorithm::Es256);

        let shown = audit.types();
        let public: BTreeSet<_> = public_types(&Path::new(crate::ROOT).join("src")).into_iter().collect();
        assert_eq!(public.difference(&shown).collect::<Vec<_>>(), [""; 0], "public types that were not printed");
    });
}

/// A token source whose `Debug` hides its token.
struct Careless(String);

impl std::fmt::Debug for Careless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Careless")
    }
}

impl ProvideToken for Careless {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::ready(Token::new(self.0.clone()))
    }
}

#[test]
fn p9_token_given_as_setting_is_not_repeated() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let token = rig.rotate(spec());
        audit.add_secret(&token);
        let settings: [fn(Builder, String) -> Builder; 8] = [
            |builder, token| builder.token_file(token),
            |builder, token| builder.role_arn(token),
            |builder, token| builder.session_name(token),
            |builder, token| builder.endpoint_url(token),
            |builder, token| builder.standby_endpoint_url(token),
            |builder, token| builder.region(Region::new(token)),
            |builder, token| builder.policy(token),
            |builder, token| builder.policy_arns([token]),
        ];
        for set in settings {
            audit.show(&set(rig.builder(), token.clone()));
            audit.print_error(&set(rig.builder(), token.clone()).build().unwrap_err());
            audit.print_error(&set(rig.builder(), token.clone()).connect().await.unwrap_err());
        }
    });
}

/// The HTTP client panics with the request body. The panic hook prints it, but the crate's own texts must not.
#[test]
fn p9_panic_message_of_a_client_is_withheld() {
    audited(Some("aws_web_identity"), async |audit| {
        let rig = Rig::start().await;
        let token = rig.rotate(spec());
        audit.add_secret(&token);
        let spilled = Arc::new(Mutex::new(String::new()));
        let client = http_client_fn({
            let spilled = Arc::clone(&spilled);
            move |_: &HttpConnectorSettings, _: &_| SharedHttpConnector::new(Spilling(Arc::clone(&spilled)))
        });
        let config = rig.config().into_builder().http_client(client).build();
        let builder = WebIdentityCredentialsProvider::builder().configure(&config).role_arn(ROLE);
        let builder = builder.token_file(rig.volume.token_path()).wait_timeout(Duration::from_millis(300));
        let provider = builder.build().unwrap();
        eventually(|| provider.status().last_error.is_some()).await;
        let error = soon(provider.provide_credentials()).await.unwrap_err();
        assert!(with_causes(&error).contains("panicked"), "{error:?}");
        assert!(spilled.lock().unwrap().contains(&token), "the client must have received the token");
        audit.print_error(&error);
        print_everything(&provider, &rig, &audit);
    });
}

#[derive(Debug)]
struct Spilling(Arc<Mutex<String>>);

impl HttpConnector for Spilling {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap()).into_owned();
        self.0.lock().unwrap().clone_from(&body);
        std::panic::panic_any(body)
    }
}

/// Prints all there is of a provider and of the kit.
fn print_everything(provider: &WebIdentityCredentialsProvider, rig: &Rig, audit: &Audit) {
    audit.must_know(provider.current().as_ref());
    audit.show(provider);
    audit.show(&provider.status());
    if let Some(error) = provider.status().last_error {
        audit.print_error(&error);
    }
    audit.show(&provider.updates());
    let config = provider.install(rig.config());
    audit.print(&format!(
        "{:?} {:?} {:?} {:?} {config:?} {:?}",
        provider.credentials_provider(),
        provider.identity_cache(),
        provider.interceptor(),
        provider.current(),
        Client::new(&config),
    ));
    audit.show(&provider.to_builder());
    audit.show(&rig.sts);
    audit.print(&format!("{:?}", rig.sts.calls()));
    audit.show(&rig.issuer);
    audit.show(&rig.volume);
    audit.show(&spec());
}
