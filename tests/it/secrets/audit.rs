//! Collects all output, learns all secrets from the wire, and searches the output for them.

use std::any::type_name;
use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use crate::support::captured_log::{Log, second_dispatcher};

#[derive(Clone, Default)]
pub(super) struct Audit {
    secrets: Arc<Mutex<HashSet<String>>>,
    printed: Arc<Mutex<String>>,
    types: Arc<Mutex<BTreeSet<String>>>,
    pub(super) logged: Log,
}

impl Audit {
    pub(super) fn add_secret(&self, secret: &str) {
        assert!(secret.len() >= PART);
        self.secrets.lock().unwrap().insert(secret.to_owned());
    }

    /// Checks that the audit knows the secrets of these credentials.
    pub(super) fn must_know(&self, credentials: Option<&Credentials>) {
        let Some(credentials) = credentials else { return };
        let secrets = self.secrets.lock().unwrap();
        for secret in [Some(credentials.secret_access_key()), credentials.session_token()] {
            assert!(secrets.contains(secret.expect("a session has a token")), "the wire must have shown this secret");
        }
    }

    pub(super) fn print(&self, text: &str) {
        assert!(!text.trim().is_empty(), "an empty text proves nothing");
        self.printed.lock().unwrap().push_str(text);
    }

    /// Prints a value with `{:?}` and `{:#?}`.
    pub(super) fn show<T: Debug>(&self, value: &T) {
        self.print(&format!("{value:?} {value:#?}"));
        let name = type_name::<T>().split('<').next().and_then(|path| path.rsplit("::").next()).unwrap();
        self.types.lock().unwrap().insert(name.to_owned());
    }

    /// An error with all its causes.
    pub(super) fn print_error(&self, error: &dyn Error) {
        self.print(&with_causes(error));
    }

    pub(super) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// The names of all types shown.
    pub(super) fn types(&self) -> BTreeSet<String> {
        self.types.lock().unwrap().clone()
    }

    /// A part of a secret in the text, if there is one.
    pub(super) fn found_in(&self, text: &str) -> Option<String> {
        // Each token begins with the first text, each session token of the kit with the second.
        let beginnings = ["eyJhbGciOi", "IQoJb3JpZ2lu"].map(|text| [text.to_owned(), byte_list(text)]);
        if let Some(beginning) = beginnings.into_iter().flatten().find(|beginning| text.contains(beginning)) {
            return Some(beginning);
        }
        let secrets = self.secrets.lock().unwrap();
        let grains: HashSet<_> = secrets.iter().flat_map(|secret| secret.as_bytes().windows(GRAIN)).collect();
        // This step finds each part of `PART` bytes.
        let found = text.as_bytes().windows(GRAIN).step_by(PART - GRAIN + 1).find(|window| grains.contains(window));
        found.map(|window| String::from_utf8_lossy(window).into_owned())
    }
}

/// The bytes as `Debug` prints them.
fn byte_list(text: &str) -> String {
    format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned()
}

/// An error with all its causes, in `Display` and `Debug`.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    causes.map(|error| format!("{error} {error:?} {error:#?}\n")).collect()
}

/// A part of a secret of this length is found at any position.
pub(super) const PART: usize = 16;
/// Length of the pieces that are compared: long enough that a match is no coincidence.
const GRAIN: usize = 10;

/// Runs it on one thread, which one subscriber and one recorder listen to: to the provider's task, the SDK, and the
/// kit, which logs nothing. `target`: of whose lines alone it is judged.
pub(super) fn audited(target: Option<&'static str>, test: impl AsyncFnOnce(Audit)) {
    use tracing_subscriber::layer::SubscriberExt;
    let audit = Audit::default();
    let ours = tracing_subscriber::filter::filter_fn(move |metadata| {
        target.is_none_or(|target| metadata.target().starts_with(target))
    });
    let writer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(audit.logged.clone());
    let subscriber = tracing_subscriber::registry().with(tracing_subscriber::Layer::with_filter(writer, ours));
    let _second = second_dispatcher();
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
        audit.print(&format!("metrics:\n{}", scrape.render()));
    }
    #[cfg(not(feature = "metrics"))]
    run();
    for (place, text) in [("log", audit.logged.to_string()), ("print", audit.printed())] {
        let found = audit.found_in(&text);
        assert_eq!(found, None, "in the {place}: {}", around(&text, found.as_deref().unwrap_or_default()));
    }
}

fn around(text: &str, found: &str) -> String {
    let at = text.find(found).unwrap_or_default();
    String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(300)..text.len().min(at + 100)]).into_owned()
}

/// A relay before an STS that reads each secret in its answers.
pub(super) struct Wire {
    pub(super) url: String,
}

impl Wire {
    pub(super) async fn before(sts: &str, audit: &Audit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sts, audit) = (sts.strip_prefix("http://").unwrap().to_owned(), audit.clone());
        spawn_local(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (sts, audit) = (sts.clone(), audit.clone());
                spawn_local(async move {
                    let mut server = TcpStream::connect(sts).await.unwrap();
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
                            // The audit must know a secret before the client does.
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

/// Reads the secrets of an answer, also of one that is cut off.
fn secrets_in(answer: &str, audit: &Audit) {
    for element in ["<SecretAccessKey>", "<SessionToken>"] {
        for rest in answer.split(element).skip(1) {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
            let secret = &rest[..end.unwrap_or(rest.len())];
            if secret.len() >= PART {
                audit.add_secret(secret);
            }
        }
    }
}

#[test]
fn audit_finds_any_part_of_a_secret() {
    let audit = Audit::default();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaGVja291dCJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    audit.add_secret(token);
    assert_eq!(audit.found_in("a token: (not shown), of system:serviceaccount:shop:checkout"), None);
    let part = "say: lnbmF0dXJlLW9mLX, ä";
    for shift in 0..PART {
        let text = "-".repeat(shift) + part;
        assert!(audit.found_in(&text).is_some_and(|found| part.contains(&found)), "{text}");
    }
    assert!(audit.found_in("subject=eyJzdWIiOiJjaGVja291dCJ9").is_some());
    assert!(audit.found_in(&format!("{:?}", token.as_bytes())).is_some());
    assert!(
        audit.found_in("session: IQoJb3JpZ2luX2Vj").is_some(),
        "the beginning of a session token must be found by itself"
    );
}
