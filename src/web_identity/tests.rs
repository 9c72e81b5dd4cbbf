//! Exchanges with a server that answers as STS does.

use std::error::Error as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource, SystemTimeSource, TimeSource};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::testing::jwt;
use super::*;
use crate::error::ErrorKind;
use crate::sts::testing::{self as server, DATE, Server, Then, http, success, xml};

const CALM: Attempt = Attempt { valid: true };

/// A source of credentials with its own token file and its own server.
struct Rig {
    directory: TempDir,
    server: Server,
    source: WebIdentity,
}

impl Rig {
    async fn start(reply: String, then: Then) -> Self {
        Self::with_clock(reply, then, SystemTimeSource::new()).await
    }

    async fn with_clock(reply: String, then: Then, clock: impl TimeSource + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(reply, then).await;
        // Only frequent polling comes before the next poll.
        let (file, poll_interval) = (directory.path().join("token"), Duration::from_secs(3600));
        let mut config = Config {
            session: server::session(server::ROLE),
            token: TokenOrigin::File(TokenConfig { file, poll_interval, watch: false }),
            sts: server::config(&server.url),
        };
        config.sts.time_source = SharedTimeSource::new(clock);
        Self { directory, server, source: WebIdentity::new(config, None) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("token")
    }

    fn write(&self, subject: &str) {
        self.write_until(server::NOW - 1, subject);
    }

    fn write_until(&self, exp: u64, subject: &str) {
        let payload = format!(
            r#"{{"iss":"https://issuer.example.com","sub":"{subject}","aud":["sts.amazonaws.com"],"exp":{exp}}}"#
        );
        let new = self.directory.path().join("new");
        std::fs::write(&new, jwt(&payload) + "\n").unwrap();
        std::fs::rename(new, self.path()).unwrap();
    }

    async fn failure(&self) -> Failure {
        self.source.fetch(CALM).await.err().expect("a failure")
    }
}

/// Fails a test that would hang.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("in time")
}

#[tokio::test]
async fn token_is_read_for_every_exchange() {
    let rig = Rig::start(http(200, "", &success()), Then::Close).await;
    for subject in ["one", "two"] {
        rig.write(subject);
        let grant = rig.source.fetch(CALM).await.ok().unwrap();
        assert_eq!(grant.credentials.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(rig.source.claims().unwrap().issuer.as_deref(), Some("https://issuer.example.com"));
        let asked = String::from_utf8(rig.server.asked.lock().unwrap().pop().unwrap()).unwrap();
        let token = std::fs::read_to_string(rig.path()).unwrap();
        assert!(asked.contains(&format!("&WebIdentityToken={}", token.trim())), "{asked}");
        assert!(!asked.contains("%0A"), "{asked}");
    }
    assert_eq!(rig.source.subject(), server::ROLE);
}

#[tokio::test]
async fn p12_denial_says_what_to_do() {
    let reply = xml("", 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    let rig = Rig::start(reply, Then::Close).await;
    rig.write("system:serviceaccount:shop:orders");
    let Failure { class, error, retry_after } = rig.failure().await;
    assert_eq!((class, error.kind(), retry_after), (Class::NotYetKnown, ErrorKind::RoleDenied, None));
    assert_eq!(error.code(), Some("AccessDenied"));
    assert_eq!(error.request_id(), Some("7c41e222-d77b-4402-a75c-057740452593"));
    assert!(!error.is_transient());
    assert!(error.source().is_none());
    assert_eq!(
        error.to_string().replace(&rig.server.url, "ENDPOINT"),
        "STS at ENDPOINT answered AccessDenied (HTTP 403) for arn:aws:iam::123456789012:role/app: \"Not authorized to \
         perform sts:AssumeRoleWithWebIdentity\": check that arn:aws:iam::123456789012:role/app exists. Its trust policy \
         must have this statement: {\"Effect\":\"Allow\",\"Principal\":{\"Federated\":\
         \"arn:aws:iam::123456789012:oidc-provider/issuer.example.com\"},\
         \"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Condition\":{\"StringEquals\":\
         {\"issuer.example.com:sub\":\"system:serviceaccount:shop:orders\",\"issuer.example.com:aud\":\
         \"sts.amazonaws.com\"}}} - if system:serviceaccount:shop:orders must not have this role, run the pod under \
         a service account that the policy names. If the statement is there, check that it has no further \
         condition, and that no resource control policy, service control policy or VPC endpoint policy denies the exchange"
    );
}

#[tokio::test]
async fn rejected_expired_token_waits_for_another() {
    let rig = Rig::start(xml(DATE, 403, "AccessDenied", ""), Then::Close).await;
    rig.write("app");
    let Failure { class, error, .. } = rig.failure().await;
    assert_eq!((class, error.kind(), error.code()), (Class::BadInput, ErrorKind::TokenRejected, Some("AccessDenied")));
    assert!(error.is_transient());
    assert!(error.to_string().contains("expired at 2029-12-31T23:59:59Z"), "{error}");
}

#[tokio::test]
async fn token_expired_by_both_clocks_is_not_sent() {
    let rig = Rig::with_clock(http(200, DATE, &success()), Then::Close, at(server::NOW + 5)).await;
    rig.write_until(server::NOW - 3600, "app");
    assert!(rig.source.fetch(CALM).await.is_ok(), "the clock of STS is not known yet");
    rig.write_until(server::NOW - 3600, "another token of the same time");
    let file = std::fs::File::options().write(true).open(rig.path()).unwrap();
    file.set_modified(at(server::NOW - 7200).now()).unwrap();
    let Failure { class, error, retry_after } = rig.failure().await;
    assert_eq!((class, error.kind(), retry_after), (Class::BadInput, ErrorKind::TokenRejected, None));
    assert!(error.is_transient());
    assert_eq!(rig.server.asked.lock().unwrap().len(), 1);
    let text = error.to_string();
    for part in [
        rig.path().to_str().unwrap(),
        "expired at 2029-12-31T23:00:00Z, 3600 s ago",
        "last written at 2029-12-31T22:00:00Z, 7205 s ago",
        "kubelet",
    ] {
        assert!(text.contains(part), "{text}");
    }
    rig.write_until(server::NOW + 3600, "app");
    assert!(rig.source.fetch(CALM).await.is_ok());
    assert_eq!(rig.server.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn p7_wrong_local_clock_keeps_no_token_from_sts() {
    let day = 24 * 3600;
    for (ours, exp, date) in [
        (server::NOW + day, server::NOW + 3600, DATE.to_owned()),
        (server::NOW - day, server::NOW - 3600, DATE.to_owned()),
        (server::NOW, server::NOW - 30, DATE.to_owned()),
        (server::NOW, server::NOW - 3600, format!("{DATE}Age: 1\r\n")),
        (server::NOW, server::NOW - 3600, String::new()),
        // The local clock and the proxy that writes the `Date` are a day ahead. The session shows it.
        (server::NOW + day, server::NOW + 3600, "Date: Wed, 02 Jan 2030 00:00:00 GMT\r\n".to_owned()),
    ] {
        let rig = Rig::with_clock(http(200, &date, &success()), Then::Close, at(ours)).await;
        rig.write_until(exp, "app");
        for asked in 1..4 {
            assert!(rig.source.fetch(CALM).await.is_ok(), "{ours} {exp} {date}");
            assert_eq!(rig.server.asked.lock().unwrap().len(), asked);
        }
    }
}

fn at(seconds: u64) -> StaticTimeSource {
    StaticTimeSource::from_secs(seconds)
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let rig = Rig::start(http(200, "", &success()), Then::Close).await;
    let Failure { class, error, .. } = rig.failure().await;
    assert_eq!((class, error.kind()), (Class::BadInput, ErrorKind::TokenUnavailable));
    assert!(error.to_string().contains(rig.path().to_str().unwrap()), "{error}");
    assert!(rig.server.asked.lock().unwrap().is_empty());
    // A token that comes is noticed at once.
    rig.write("app");
    soon(rig.source.changed()).await;
    assert!(rig.source.fetch(CALM).await.is_ok());
}

#[tokio::test]
async fn p6_rejected_token_is_polled_often() {
    let rig = Rig::start(xml("", 400, "ExpiredTokenException", "Token expired"), Then::Close).await;
    rig.write("app");
    assert_eq!(rig.failure().await.class, Class::BadInput);
    // No socket is used from here on, so the paused clock may jump.
    tokio::time::pause();
    let start = Instant::now();
    let mut changed = pin!(rig.source.changed());
    timeout(Duration::from_millis(200), changed.as_mut()).await.expect_err("nothing has changed");
    rig.write("other");
    assert_eq!(changed.await, Change::Identity);
    // The interval would be 5 s otherwise.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn accepted_token_is_polled_as_usual() {
    let rig = Rig::start(http(200, "", &success()), Then::Close).await;
    rig.write("app");
    let Tokens::File(watch) = &rig.source.tokens else { unreachable!("the rig has a file") };
    watch.poll_often(true);
    assert!(rig.source.fetch(CALM).await.is_ok());
    #[cfg(feature = "metrics")]
    let rotations = rig.source.rotations().unwrap();
    tokio::time::pause();
    let start = Instant::now();
    let mut changed = pin!(rig.source.changed());
    timeout(Duration::from_millis(200), changed.as_mut()).await.expect_err("nothing has changed");
    rig.write("other");
    assert_eq!(changed.await, Change::Identity);
    assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
    #[cfg(feature = "metrics")]
    assert_eq!(rig.source.rotations(), Some(rotations + 1));
}

#[tokio::test]
async fn p6_rotation_during_an_exchange_is_a_change() {
    let rig = Rig::start(String::new(), Then::Hang).await;
    rig.write("app");
    let Tokens::File(watch) = &rig.source.tokens else { unreachable!("the rig has a file") };
    watch.poll_often(true);
    let fetch = rig.source.fetch(CALM);
    let change = async {
        while rig.server.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        rig.write("other");
        rig.source.changed().await
    };
    // The exchange still hangs.
    let change = soon(async {
        tokio::select! {
            _ = fetch => panic!("the exchange ended first"),
            change = change => change,
        }
    });
    assert_eq!(change.await, Change::Identity);
}

#[tokio::test]
async fn token_is_read_after_the_turn_comes() {
    let rig = Rig::start(http(200, "", &success()), Then::Close).await;
    rig.write("old");
    let others = Endpoints::new(&server::config(&rig.server.url));
    let mut permits = Vec::new();
    for _ in 0..8 {
        permits.push(others.permit(CALM).await);
    }
    let rotate = async {
        until(|| says(&rig.source, "8 exchanges of this process with STS at http://127.0.0.1:")).await;
        rig.write("new");
        drop(permits);
    };
    let (outcome, ()) = soon(async { tokio::join!(rig.source.fetch(CALM), rotate) }).await;
    assert!(outcome.is_ok());
    let asked = rig.server.asked.lock().unwrap();
    let token = std::fs::read_to_string(rig.path()).unwrap();
    assert_eq!(asked.len(), 1);
    assert!(String::from_utf8_lossy(&asked[0]).contains(token.trim()), "the old token was sent");
}

#[tokio::test]
async fn missing_token_is_reported_while_waited_for() {
    let rig = Rig::start(http(200, "", &success()), Then::Close).await;
    assert!(rig.source.obstacle().is_none());
    let patience = async {
        until(|| says(&rig.source, "os error 2")).await;
        assert!(says(&rig.source, rig.path().to_str().unwrap()));
        rig.write("app");
    };
    let (outcome, ()) = soon(async { tokio::join!(rig.source.fetch(CALM), patience) }).await;
    assert!(outcome.is_ok());
    assert!(rig.source.obstacle().is_none());
}

#[tokio::test]
async fn silent_sts_is_not_reported_as_missing_token() {
    let rig = Rig::start(String::new(), Then::Hang).await;
    rig.write("app");
    let asked = until(|| !rig.server.asked.lock().unwrap().is_empty());
    soon(async {
        tokio::select! {
            _ = rig.source.fetch(CALM) => panic!("the exchange ended first"),
            () = asked => {}
        }
    })
    .await;
    assert!(rig.source.obstacle().is_none());
}

#[tokio::test(start_paused = true)]
async fn slow_source_is_reported_while_asked() {
    #[derive(Debug)]
    struct Silent;
    impl token_source::ProvideToken for Silent {
        fn provide_token(&self) -> token_source::future::ProvideToken<'_> {
            token_source::future::ProvideToken::new(std::future::pending())
        }
    }
    let config = Config {
        session: server::session(server::ROLE),
        token: TokenOrigin::Source(SourceConfig::new(Silent)),
        sts: server::config("http://127.0.0.1:1"),
    };
    let source = WebIdentity::new(config, None);
    let early = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(says(&source, "Silent was asked and has given no token yet"));
    };
    let (outcome, ()) = tokio::join!(source.fetch(CALM), early);
    let Failure { class, error, .. } = outcome.err().unwrap();
    assert_eq!((class, error.kind()), (Class::Outage, ErrorKind::TokenUnavailable));
    assert!(error.to_string().contains("gave no token within 8 s"), "{error}");
    assert!(source.obstacle().is_none());
}

#[tokio::test]
async fn source_that_panicked_is_not_waited_for() {
    #[derive(Debug)]
    struct Broken;
    impl token_source::ProvideToken for Broken {
        fn provide_token(&self) -> token_source::future::ProvideToken<'_> {
            panic!("a bug in the source")
        }
    }
    let config = Config {
        session: server::session(server::ROLE),
        token: TokenOrigin::Source(SourceConfig::new(Broken)),
        sts: server::config("http://127.0.0.1:1"),
    };
    let source = std::sync::Arc::new(WebIdentity::new(config, None));
    let asked = std::sync::Arc::clone(&source);
    assert!(tokio::spawn(async move { asked.fetch(CALM).await.is_ok() }).await.unwrap_err().is_panic());
    assert!(source.obstacle().is_none(), "{:?}", source.obstacle());
}

#[cfg(target_os = "linux")]
#[test]
fn process_without_threads_names_the_limits() {
    let test = concat!(module_path!(), "::process_without_threads_names_the_limits");
    if !(testing::Isolated { test, wrapper: &["env"], uid: Some(65_534) }).is_here() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limit = |limit: &str| {
        let pid = format!("--pid={}", std::process::id());
        std::process::Command::new("prlimit").args([&pid, &format!("--nproc={limit}")]).status()
    };
    if !limit("0:").is_ok_and(|status| status.success()) || std::thread::Builder::new().spawn(|| {}).is_ok() {
        return eprintln!("skipped: threads cannot be forbidden here");
    }
    let panics = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&panics);
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        show(panic);
    }));
    runtime.block_on(async {
        let (log, _guard) = testing::Log::capture();
        let rig = Rig::start(http(200, "", &success()), Then::Close).await;
        rig.write("app");
        for _ in 0..2 {
            let Failure { class, error, .. } = rig.failure().await;
            assert_eq!((class, error.kind()), (Class::BadInput, ErrorKind::TokenUnavailable));
            assert!(error.is_transient());
            for part in [rig.path().to_str().unwrap(), "no thread can be started", "pids limit", "RLIMIT_NPROC"] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        // The checks of the watch survive it, too.
        drop(timeout(Duration::from_millis(50), rig.source.changed()).await);
        assert_eq!(log.count(&["WARN", "no token", "RLIMIT_NPROC"]), 1, "{}", log.text());
    });
    // One panic of Tokio, which the panic hook of the process shows.
    assert_eq!(panics.load(std::sync::atomic::Ordering::Relaxed), 1);
}

fn says(source: &WebIdentity, part: &str) -> bool {
    source.obstacle().is_some_and(|obstacle| obstacle.to_string().contains(part))
}

async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
