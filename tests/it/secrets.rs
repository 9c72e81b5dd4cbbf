//! P9: token, secret key and session token appear nowhere, in whole or in part, whatever is printed, logged, counted or thrown.

use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_web_identity::test_util::{Fault, OidcIssuer};
use aws_web_identity::{BackgroundCredentialsProvider, Builder, ErrorKind, WebIdentityCredentialsProvider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinSet, LocalSet};
use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;

use crate::rig::{ARN, CHAINED_ROLE, ROLE, Rig, eventually, key, soon, spec, who};

#[test]
fn p9_no_secret_is_in_any_log_metric_debug_display_or_error_whatever_sts_does() {
    audited(None, async |audit| {
        let issuer = OidcIssuer::start().await;
        issuer.mint(spec());
        let mut faults = JoinSet::new();
        for &fault in Fault::ALL {
            let rig = Rig::of(&issuer).await;
            faults.spawn_local(soon(through(fault, rig, audit.clone())));
        }
        assert_eq!(faults.join_all().await.len(), Fault::ALL.len());
        let logged = audit.logged.text();
        for told in [format!("assumed_role_arn=\"{ARN}\""), format!("exchange{{role=\"{ROLE}\" attempt=")] {
            assert!(logged.contains(&told), "the log is heard: {told}");
        }
        for level in ["WARN", "ERROR", "DEBUG"] {
            assert!(
                logged.contains(&format!(" {level} exchange{{"))
                    || logged.contains(&format!("{level} aws_web_identity: "))
            );
        }
        // Two sessions of each fault, their tokens, and those that a spoilt grant brought.
        let secrets = audit.secrets.lock().unwrap().len();
        assert!(secrets > Fault::ALL.len() * 6, "the wire is read: {secrets}");
    });
}

/// With nothing usable, with fresh credentials, with stale ones, with expired ones, and over it.
async fn through(fault: Fault, rig: Rig, audit: Audit) {
    let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
    let builder = || {
        let patient = rig.builder().attempt_timeout(Duration::from_secs(5)).wait_timeout(Duration::from_secs(10));
        patient.endpoint_url(&wire.url)
    };
    audit.secret(&rig.rotate(spec().lifetime(Duration::from_secs(3000))));
    audit.print(format!("{:?} {:#?}", builder(), builder()));
    rig.sts.set_session_length(Duration::from_secs(10));
    let provider = builder().connect().await.unwrap();
    let client = Client::new(&provider.install(rig.config()));
    assert_eq!(who(&client).await, ARN);
    everything(&provider, &rig, &audit);

    rig.sts.set_fault(fault);
    let failing = builder().build().unwrap();
    let (first, again) = tokio::join!(failing.provide_credentials(), provider.refresh());
    let outcomes = (first.map_err(|error| chain(&error)), again.map_err(|error| chain(&error)));
    let well = fault == Fault::OtherShape;
    assert_eq!((outcomes.0.is_ok(), outcomes.1.is_ok()), (well, well), "{fault:?}: {outcomes:?}");
    audit.print(format!("{outcomes:?}"));
    everything(&failing, &rig, &audit);
    everything(&provider, &rig, &audit);
    if fault != Fault::OtherShape {
        eventually(|| provider.current().is_none()).await;
        audit.print(chain(&provider.provide_credentials().await.unwrap_err()));
        audit.print(chain(&client.get_caller_identity().send().await.unwrap_err()));
        everything(&provider, &rig, &audit);
    }

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
        audit.print(chain(&soon(client.get_caller_identity().send()).await.unwrap_err()));
        eventually(|| provider.status().generation == 2).await;
        everything(&provider, &rig, &audit);

        audit.secret(&rig.rotate(spec().issued_at(SystemTime::now() - Duration::from_secs(7200))));
        let error = soon(provider.refresh()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TokenRejected);
        audit.print(chain(&error));
        audit.secret(&rig.rotate(spec().forged()));
        audit.print(chain(&soon(provider.refresh()).await.unwrap_err()));
        everything(&provider, &rig, &audit);
    });
}

#[test]
fn p9_no_secret_is_told_of_a_role_that_is_assumed_with_the_credentials_whatever_sts_does() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let wire = Wire::before(rig.sts.endpoint_url(), &audit).await;
        let base = rig.builder().endpoint_url(&wire.url).connect().await.unwrap();
        let chained = base.assume_role(CHAINED_ROLE).connect().await.unwrap();
        all_of_a_chain(&chained, &rig, &audit);
        for &fault in Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::OtherShape)) {
            rig.sts.set_chain_fault(fault);
            let builder = base.assume_role(CHAINED_ROLE).wait_timeout(Duration::from_millis(200));
            audit.print(format!("{builder:?}"));
            let failing = builder.build().unwrap();
            audit.print(chain(&soon(failing.provide_credentials()).await.unwrap_err()));
            all_of_a_chain(&failing, &rig, &audit);
        }
    });
}

fn all_of_a_chain(chained: &BackgroundCredentialsProvider, rig: &Rig, audit: &Audit) {
    let config = chained.install(rig.config());
    let status = chained.status();
    let last = status.last_error.as_ref().map(|error| chain(error)).unwrap_or_default();
    audit.print(format!("{chained:?} {chained:#?} {status:?} {last} {:?} {config:?}", chained.current()));
}

#[test]
fn p9_a_token_in_the_place_of_a_setting_is_not_repeated() {
    audited(None, async |audit| {
        let rig = Rig::start().await;
        let token = rig.rotate(spec());
        audit.secret(&token);
        let settings: [fn(Builder, String) -> Builder; 5] = [
            |builder, token| builder.token_file(token),
            |builder, token| builder.role_arn(token),
            |builder, token| builder.session_name(token),
            |builder, token| builder.endpoint_url(token),
            |builder, token| builder.policy_arns([token]),
        ];
        for set in settings {
            let error = set(rig.builder(), token.clone()).build().unwrap_err();
            audit.print(chain(&error));
            audit.print(chain(&set(rig.builder(), token.clone()).connect().await.unwrap_err()));
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
        let error = soon(provider.provide_credentials()).await.unwrap_err();
        assert!(chain(&error).contains("panicked"), "{error:?}");
        assert!(spilled.lock().unwrap().contains(&token), "it was given the token");
        audit.print(chain(&error));
        everything(&provider, &rig, &audit);
        let quoted = catch_unwind(AssertUnwindSafe(|| panic!("{error:?} {provider:?}"))).unwrap_err();
        audit.print(quoted.downcast_ref::<String>().unwrap().clone());
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

/// The check itself must be able to fail.
#[test]
fn a_part_of_a_secret_is_found_wherever_it_stands() {
    let audit = Audit::default();
    audit.secret("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaGVja291dCJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg");
    assert_eq!(audit.found_in("a token: (not shown), of system:serviceaccount:shop:checkout"), None);
    let part = "say: lnbmF0dXJlLW9mLX, ä";
    for shift in 0..PART {
        let text = "-".repeat(shift) + part;
        assert!(audit.found_in(&text).is_some_and(|found| part.contains(&found)), "{text}");
    }
    assert!(audit.found_in("subject=eyJzdWIiOiJjaGVja291dCJ9").is_some());
}

/// All that can be printed of a provider, and of the kit beside it.
fn everything(provider: &WebIdentityCredentialsProvider, rig: &Rig, audit: &Audit) {
    let config = provider.install(rig.config());
    let status = provider.status();
    let last = status.last_error.as_ref().map(|error| chain(error)).unwrap_or_default();
    audit.print(format!(
        "{provider:?} {provider:#?} {status:?} {last} {:?} {:?} {:?} {:?} {:?} {config:?} {:?}",
        provider.updates(),
        provider.credentials_provider(),
        provider.identity_cache(),
        provider.interceptor(),
        provider.current(),
        Client::new(&config),
    ));
    audit.print(format!("{:?} {:?} {:?} {:?}", rig.sts, rig.sts.calls(), rig.issuer, rig.volume));
    audit.print(format!("{:?} {:?}", spec(), provider.clone().updates().last()));
}

/// An error with all its causes, in both ways of printing.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    causes.map(|error| format!("{error} {error:?} {error:#?}\n")).collect()
}

/// What was said, and what must not be in it.
#[derive(Clone, Default)]
struct Audit {
    secrets: Arc<Mutex<HashSet<String>>>,
    printed: Arc<Mutex<String>>,
    logged: Log,
}

impl Audit {
    fn secret(&self, secret: &str) {
        assert!(secret.len() >= PART);
        self.secrets.lock().unwrap().insert(secret.to_owned());
    }

    fn print(&self, text: String) {
        self.printed.lock().unwrap().push_str(&text);
    }

    /// A part of any secret that is in the text.
    fn found_in(&self, text: &str) -> Option<String> {
        let secrets = self.secrets.lock().unwrap();
        let grains: HashSet<_> = secrets.iter().flat_map(|secret| secret.as_bytes().windows(GRAIN)).collect();
        // One in so many is enough to meet each part.
        let found = text.as_bytes().windows(GRAIN).step_by(PART - GRAIN + 1).find(|window| grains.contains(window));
        found.map(|window| String::from_utf8_lossy(window).into_owned())
    }
}

/// So much of a secret is found wherever it stands.
const PART: usize = 16;
/// Long enough to be no coincidence.
const GRAIN: usize = 10;

/// Runs it on one thread, which one subscriber and one recorder listen to: to the provider's task, the SDK, and the kit, which
/// logs nothing. `target`: of whose lines alone it is judged.
fn audited(target: Option<&'static str>, test: impl AsyncFnOnce(Audit)) {
    use tracing_subscriber::layer::SubscriberExt;
    let audit = Audit::default();
    let ours = tracing_subscriber::filter::filter_fn(move |metadata| {
        target.is_none_or(|target| metadata.target().starts_with(target))
    });
    let writer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(audit.logged.clone());
    let subscriber = tracing_subscriber::registry().with(tracing_subscriber::Layer::with_filter(writer, ours));
    // With a single dispatcher, tracing asks the thread that first meets a callsite, which may be another test's.
    let _second = Dispatch::new(tracing_subscriber::registry());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || {
        tracing::subscriber::with_default(subscriber, || {
            runtime.block_on(LocalSet::new().run_until(test(audit.clone())));
        });
    };
    #[cfg(feature = "metrics")]
    {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let scrape = recorder.handle();
        metrics::with_local_recorder(&recorder, run);
        audit.print(scrape.render());
    }
    #[cfg(not(feature = "metrics"))]
    run();
    let logged = audit.logged.text();
    let printed = audit.printed.lock().unwrap().clone();
    for (place, text) in [("log", &logged), ("print", &printed)] {
        let found = audit.found_in(text);
        assert_eq!(found, None, "in the {place}: {}", around(text, found.as_deref().unwrap_or_default()));
    }
    // A spoilt grant's session token, should the wire have missed it, starts like this.
    assert!(!logged.contains("IQoJb3JpZ2luX2Vj") && !printed.contains("IQoJb3JpZ2luX2Vj"));
}

fn around(text: &str, found: &str) -> String {
    let at = text.find(found).unwrap_or_default();
    String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(300)..text.len().min(at + 100)]).into_owned()
}

/// A wire before an STS, on which each secret is read that it sends.
struct Wire {
    url: String,
}

impl Wire {
    async fn before(sts: &str, audit: &Audit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sts, audit) = (sts.strip_prefix("http://").unwrap().to_owned(), audit.clone());
        tokio::task::spawn_local(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (sts, audit) = (sts.clone(), audit.clone());
                tokio::task::spawn_local(async move {
                    let mut server = tokio::net::TcpStream::connect(sts).await.unwrap();
                    let (mut from_client, mut to_client) = client.split();
                    let (mut from_server, mut to_server) = server.split();
                    let requests = async {
                        drop(tokio::io::copy(&mut from_client, &mut to_server).await);
                        drop(to_server.shutdown().await);
                    };
                    let answers = async {
                        let mut said = Vec::new();
                        let mut buffer = [0; 16 * 1024];
                        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                            said.extend_from_slice(&buffer[..read]);
                            // Before anybody can say it.
                            secrets_in(&String::from_utf8_lossy(&said), &audit);
                            if to_client.write_all(&buffer[..read]).await.is_err() {
                                break;
                            }
                        }
                        drop(to_client.shutdown().await);
                    };
                    tokio::join!(requests, answers);
                });
            }
        });
        Self { url }
    }
}

/// Of a cut one, what came of it.
fn secrets_in(answer: &str, audit: &Audit) {
    for element in ["<SecretAccessKey>", "<SessionToken>"] {
        for rest in answer.split(element).skip(1) {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
            let secret = &rest[..end.unwrap_or(rest.len())];
            if secret.len() >= PART {
                audit.secret(secret);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
