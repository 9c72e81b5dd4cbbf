//! P9: token, secret key and session token appear nowhere, in whole or in part, whatever is printed, logged, counted or thrown.

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

use self::audit::{Audit, Wire, audited, chain};
use crate::autotraits::public_types;
use crate::fault_list;
use crate::rig::{ARN, CHAINED_ROLE, ROLE, Rig, eventually, expired_token, key, soon, spec, who};
use crate::test_kit::signed;

#[test]
fn p9_no_secret_is_in_any_log_metric_debug_display_or_error_whatever_sts_does() {
    audited(None, async |audit| {
        let issuer = OidcIssuer::start().await;
        issuer.mint(spec());
        let mut faults = JoinSet::new();
        for &(fault, _) in fault_list::ALL {
            let rig = Rig::of(&issuer).await;
            faults.spawn_local(soon(through(fault, rig, audit.clone())));
        }
        assert_eq!(faults.join_all().await.len(), fault_list::ALL.len());
        let logged = audit.logged.to_string();
        for told in [format!("assumed_role_arn=\"{ARN}\""), format!("exchange{{role=\"{ROLE}\" attempt=")] {
            assert!(logged.contains(&told), "the log is heard: {told}");
        }
        for level in ["ERROR", "WARN", "INFO", "DEBUG"] {
            let heard = |after: &str| logged.contains(&format!(" {level} {after}"));
            assert!(heard("exchange{") || heard("aws_web_identity: "), "ours at {level}");
        }
        assert!(logged.contains("TRACE "), "to the last level");
        names_each_code(&audit);
    });
}

/// That errors were printed, and those of the faults.
fn names_each_code(audit: &Audit) {
    let printed = audit.printed();
    for code in fault_list::ALL.iter().filter_map(|(_, code)| *code) {
        assert!(printed.contains(&format!("code: \"{code}\"")), "the error of {code} is printed");
    }
}

/// With nothing usable, with fresh credentials, with stale ones, with expired ones, and over it.
async fn through(fault: Fault, rig: Rig, audit: Audit) {
    let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
    let builder = || {
        let patient = rig.builder().attempt_timeout(Duration::from_secs(5)).wait_timeout(Duration::from_secs(10));
        patient.endpoint_url(&wire.url)
    };
    audit.secret(&rig.rotate(spec().lifetime(Duration::from_secs(3000))));
    audit.show(&builder());
    rig.sts.set_session_length(Duration::from_secs(10));
    let provider = builder().connect().await.unwrap();
    let client = Client::new(&provider.install(rig.config()));
    assert_eq!(who(&client).await, ARN);
    everything(&provider, &rig, &audit);

    rig.sts.set_fault(fault);
    let failing = builder().build().unwrap();
    let (first, again) = tokio::join!(failing.provide_credentials(), provider.refresh());
    let outcomes = (first.map_err(|error| chain(&error)), again.map_err(|error| chain(&error)));
    assert_eq!((outcomes.0.is_ok(), outcomes.1.is_ok()), (false, false), "{fault:?}: {outcomes:?}");
    assert!(failing.status().last_error.is_some(), "{fault:?}");
    audit.print(&format!("{outcomes:?}"));
    everything(&failing, &rig, &audit);
    everything(&provider, &rig, &audit);
    eventually(|| provider.current().is_none()).await;
    audit.tell(&provider.provide_credentials().await.unwrap_err());
    audit.tell(&client.get_caller_identity().send().await.unwrap_err());
    everything(&provider, &rig, &audit);

    rig.sts.set_fault(None);
    rig.sts.set_session_length(None);
    audit.secret(&rig.rotate(spec().lifetime(Duration::from_secs(3100))));
    while provider.refresh().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(who(&client).await, ARN);
    everything(&provider, &rig, &audit);
    provider.shutdown().await;
    failing.shutdown().await;
    everything(&provider, &rig, &audit);
}

#[test]
fn p9_no_secret_is_told_of_a_token_that_sts_refuses_or_a_key_that_a_service_does() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        audit.secret(&rig.rotate(spec().lifetime(Duration::from_secs(3000))));
        let provider = rig.builder().endpoint_url(&wire.url).connect().await.unwrap();
        let config = aws_sdk_sts::config::Builder::from(&provider.install(rig.config()));
        let client = Client::from_conf(config.interceptor(provider.interceptor()).build());
        assert_eq!(who(&client).await, ARN);
        rig.sts.reject_key(key(&provider), "ExpiredToken");
        audit.tell(&soon(client.get_caller_identity().send()).await.unwrap_err());
        eventually(|| provider.status().generation == 2).await;
        everything(&provider, &rig, &audit);

        audit.secret(&rig.rotate(expired_token()));
        let error = soon(provider.refresh()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenRejected);
        audit.tell(&error);
        audit.secret(&rig.rotate(spec().forged()));
        audit.tell(&soon(provider.refresh()).await.unwrap_err());
        everything(&provider, &rig, &audit);
    });
}

#[test]
fn p9_no_secret_is_told_of_a_role_that_is_assumed_with_the_credentials_whatever_sts_does() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        let base = rig.builder().endpoint_url(&wire.url).attempt_timeout(Duration::from_secs(3));
        let base = base.connect().await.unwrap();
        let chained = base.assume_role(CHAINED_ROLE).connect().await.unwrap();
        all_of_a_chain(&chained, &rig, &audit);
        for &(fault, _) in fault_list::ALL {
            rig.sts.set_chain_fault(fault);
            let builder = base.assume_role(CHAINED_ROLE).wait_timeout(Duration::from_millis(200));
            audit.show(&builder);
            let failing = builder.build().unwrap();
            audit.tell(&soon(failing.provide_credentials()).await.unwrap_err());
            eventually(|| failing.status().last_error.is_some()).await;
            all_of_a_chain(&failing, &rig, &audit);
        }
        names_each_code(&audit);
    });
}

fn all_of_a_chain(chained: &BackgroundCredentialsProvider, rig: &Rig, audit: &Audit) {
    audit.knows(chained.current().as_ref());
    audit.show(chained);
    audit.show(&chained.status());
    if let Some(error) = chained.status().last_error {
        audit.tell(&error);
    }
    audit.print(&format!("{:?} {:?}", chained.current(), chained.install(rig.config())));
}

#[test]
fn p9_no_public_type_prints_a_secret() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        let token = rig.rotate(spec());
        audit.secret(&token);
        let builder = || rig.builder().endpoint_url(&wire.url);
        let registry = Registry::default();
        let provider = registry.connect(builder()).await.unwrap();
        everything(&provider, &rig, &audit);
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
        assert_eq!(public.difference(&shown).collect::<Vec<_>>(), [""; 0], "not shown");
    });
}

/// A source that has its token at hand, and says nothing of it, as it must.
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
fn p9_a_token_in_the_place_of_a_setting_is_not_repeated() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let token = rig.rotate(spec());
        audit.secret(&token);
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
            audit.tell(&set(rig.builder(), token.clone()).build().unwrap_err());
            audit.tell(&set(rig.builder(), token.clone()).connect().await.unwrap_err());
        }
    });
}

/// A client that panics with all that it was given: what we say of it says nothing of that. Its own panic message is not ours.
#[test]
fn p9_what_a_client_panics_with_is_withheld() {
    audited(Some("aws_web_identity"), async |audit| {
        let rig = Rig::start().await;
        let token = rig.rotate(spec());
        audit.secret(&token);
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
        assert!(chain(&error).contains("panicked"), "{error:?}");
        assert!(spilled.lock().unwrap().contains(&token), "it was given the token");
        audit.tell(&error);
        everything(&provider, &rig, &audit);
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

/// All that can be printed of a provider, and of the kit beside it.
fn everything(provider: &WebIdentityCredentialsProvider, rig: &Rig, audit: &Audit) {
    audit.knows(provider.current().as_ref());
    audit.show(provider);
    audit.show(&provider.status());
    if let Some(error) = provider.status().last_error {
        audit.tell(&error);
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
