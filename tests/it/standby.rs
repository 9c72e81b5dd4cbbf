//! Standby endpoints: no failure of the home STS fails a request (P1, P2).
//!
//! Two regions of the kit's STS take part. A relay before the home region can refuse connections.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::{Fault, MockSts};
use aws_web_identity::{Builder, ErrorKind, Status, WebIdentityCredentialsProvider};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::support::captured_log::Log;
use crate::support::fault_list;
use crate::support::stepped_clock::SteppedClock;
use crate::support::{ARN, CHAINED_ROLE, ROLE, Rig, caller_arn, key, soon};

/// Two regions of one AWS, with a relay before the home region.
struct Regions {
    home: Rig,
    relay: Relay,
    standby: MockSts,
}

/// How the home region fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Refuses,
    Hangs,
    Answers503,
    /// The name never resolves, from the start to the end.
    Unresolvable,
}

impl Regions {
    async fn start() -> Self {
        let home = Rig::start().await;
        let relay = Relay::open(home.sts.endpoint_url());
        let standby = home.sts.another_region().await;
        Self { home, relay, standby }
    }

    fn builder(&self, failure: Failure) -> Builder {
        let url = if failure == Failure::Unresolvable { "http://home.invalid" } else { &self.relay.url };
        self.home.builder().endpoint_url(url).standby_endpoint_url(self.standby.endpoint_url())
    }

    fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::Refuses => self.relay.refuse(),
            Failure::Hangs => self.home.sts.set_fault(Fault::Hang),
            Failure::Answers503 => self.home.sts.set_fault(Fault::ServiceUnavailable),
            Failure::Unresolvable => {}
        }
    }

    fn recover(&mut self) {
        self.home.sts.set_fault(None);
        self.relay.accept();
    }
}

/// A relay to a server that can refuse connections.
struct Relay {
    url: String,
    address: SocketAddr,
    to: String,
    task: Option<AbortHandle>,
    /// Holds the port while the relay is closed, so that no other process takes it.
    _holder: TcpSocket,
}

impl Relay {
    fn open(to: &str) -> Self {
        let holder = socket("127.0.0.1:0".parse().unwrap());
        let address = holder.local_addr().unwrap();
        let to = to.trim_start_matches("http://").to_owned();
        let mut relay = Self { url: format!("http://{address}"), address, to, task: None, _holder: holder };
        relay.accept();
        relay
    }

    fn refuse(&mut self) {
        self.task.take().expect("the relay is open").abort();
    }

    fn accept(&mut self) {
        if self.task.is_none() {
            let listener = socket(self.address).listen(64).unwrap();
            self.task = Some(tokio::spawn(forward(listener, self.to.clone())).abort_handle());
        }
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    #[cfg(unix)]
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn forward(listener: TcpListener, to: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut from, _)) = listener.accept().await {
        let to = to.clone();
        connections.spawn(async move {
            let mut to = TcpStream::connect(to).await?;
            copy_bidirectional(&mut from, &mut to).await
        });
    }
}

/// A provider and its client. Time passes only when a request has succeeded.
struct Traffic {
    clock: SteppedClock,
    provider: WebIdentityCredentialsProvider,
    client: Client,
}

impl Traffic {
    /// Sends requests until the condition holds. Each must find valid credentials and succeed. Each takes 100 ms.
    async fn until(&self, regions: &Regions, mut holds: impl FnMut(&Status) -> bool) {
        for _ in 0..900 {
            let status = self.provider.status();
            if holds(&status) {
                return;
            }
            assert!(self.provider.current().is_some(), "a request would wait: {status:?}");
            assert_eq!(caller_arn(&self.client).await, ARN);
            self.clock.advance(Duration::from_millis(100), &[&regions.home.sts, &regions.standby]).await;
        }
        panic!("the condition did not hold within 90 s: {:?}", self.provider.status());
    }
}

async fn home_failure_fails_no_request(failure: Failure) {
    let clock = SteppedClock::start();
    let mut regions = Regions::start().await;
    for sts in [&regions.home.sts, &regions.standby] {
        sts.set_session_length(Duration::from_secs(12));
    }
    let attempt = match failure {
        Failure::Refuses | Failure::Answers503 => Duration::from_secs(8),
        // Two attempts and their retry delays must fit into a session.
        Failure::Hangs => Duration::from_secs(1),
        // A name server may answer late.
        Failure::Unresolvable => Duration::from_millis(500),
    };
    let builder = clock.drive(regions.builder(failure)).refresh_window(0.10..=0.12).attempt_timeout(attempt);
    let provider = builder.build().unwrap();
    clock.finish(provider.ready(), &provider, &[&regions.home.sts, &regions.standby]).await.unwrap();
    // A service accepts the credentials of either region.
    let client = Client::new(&provider.install(regions.standby.sdk_config()));
    let traffic = Traffic { clock, provider, client };
    let provider = &traffic.provider;
    let home = regions.relay.url.clone();
    let standby = regions.standby.endpoint_url().to_owned();
    let answered = provider.status().endpoint.unwrap();
    assert_eq!(answered, if failure == Failure::Unresolvable { &*standby } else { &*home }, "{failure:?}");

    regions.fail(failure);
    let (first, before) = (key(provider), provider.status());
    traffic
        .until(&regions, |status| {
            traffic.clock.now() > before.expiry.unwrap()
                && status.generation >= before.generation + 2
                && status.endpoint.as_ref() == Some(&standby)
        })
        .await;
    assert_ne!(key(provider), first);
    if failure == Failure::Unresolvable {
        return;
    }
    regions.recover();
    traffic.until(&regions, |status| status.endpoint.as_ref() == Some(&home)).await;
    // From now on only home is used.
    let (calls, generation) = (exchanges(&regions.standby), provider.status().generation);
    traffic.until(&regions, |status| status.generation > generation).await;
    assert_eq!((exchanges(&regions.standby), provider.status().endpoint), (calls, Some(home)), "{failure:?}");
}

fn exchanges(sts: &MockSts) -> usize {
    sts.calls().iter().filter(|call| call.action == "AssumeRoleWithWebIdentity").count()
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_refusing_connections_fails_no_request() {
    home_failure_fails_no_request(Failure::Refuses).await;
}

#[tokio::test(start_paused = true)]
async fn p1_p2_hanging_home_fails_no_request() {
    home_failure_fails_no_request(Failure::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_answering_503_fails_no_request() {
    home_failure_fails_no_request(Failure::Answers503).await;
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_without_address_fails_no_request() {
    home_failure_fails_no_request(Failure::Unresolvable).await;
}

/// With the default timeouts: 8 s for an attempt, 30 s for a caller.
#[tokio::test(flavor = "multi_thread")]
async fn first_credentials_come_through_the_standby() {
    let mut starts = JoinSet::new();
    for failure in [Failure::Refuses, Failure::Hangs, Failure::Answers503, Failure::Unresolvable] {
        starts.spawn(async move {
            let mut regions = Regions::start().await;
            regions.fail(failure);
            let provider = regions.builder(failure).connect().await.unwrap();
            let client = Client::new(&provider.install(regions.standby.sdk_config()));
            assert_eq!(caller_arn(&client).await, ARN);
            assert_eq!(provider.status().endpoint.as_deref(), Some(regions.standby.endpoint_url()));
            assert_eq!(exchanges(&regions.standby), 1, "{failure:?}");
            assert!(exchanges(&regions.home.sts) <= 1, "one failure must suffice: {failure:?}");
        });
    }
    starts.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn error_answered_by_sts_stays_at_home() {
    let clock = SteppedClock::start();
    for (fault, kind) in [
        (Fault::Throttled, ErrorKind::Throttled),
        (fault_list::VERIFICATION_KEY_UNREACHABLE, ErrorKind::ServiceUnavailable),
        (Fault::ExpiredToken, ErrorKind::TokenRejected),
        (fault_list::UNKNOWN_INVALID_TOKEN, ErrorKind::TokenRejected),
        (fault_list::INCORRECT_AUDIENCE, ErrorKind::TokenRejected),
        (fault_list::NO_OPEN_ID_CONNECT_PROVIDER, ErrorKind::TokenRejected),
        (Fault::AccessDenied, ErrorKind::RoleDenied),
        (fault_list::REGION_DISABLED, ErrorKind::InvalidConfiguration),
    ] {
        let regions = Regions::start().await;
        regions.home.sts.set_fault(fault);
        let builder = clock.drive(regions.builder(Failure::Answers503)).wait_timeout(Duration::from_millis(1500));
        let provider = builder.build().unwrap();
        let servers = [&regions.home.sts, &regions.standby];
        let error = clock.finish(provider.refresh(), &provider, &servers).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}");
        clock.finish(provider.refresh(), &provider, &servers).await.unwrap_err();
        assert!(regions.standby.calls().is_empty(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_a_proxy_leads_to_the_standby() {
    for fault in [
        fault_list::BAD_GATEWAY,
        fault_list::HTML_ERROR,
        fault_list::REDIRECT,
        Fault::CutBody,
        fault_list::ALREADY_EXPIRED,
    ] {
        let regions = Regions::start().await;
        regions.home.sts.set_fault(fault);
        let provider = soon(regions.builder(Failure::Answers503).connect()).await.unwrap();
        assert_eq!(provider.status().endpoint.as_deref(), Some(regions.standby.endpoint_url()), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chained_role_has_the_same_standbys() {
    let mut regions = Regions::start().await;
    let base = regions.builder(Failure::Refuses).connect().await.unwrap();
    regions.fail(Failure::Refuses);
    let lake = soon(base.assume_role(CHAINED_ROLE).connect()).await.unwrap();
    assert_eq!(base.status().endpoint, Some(regions.relay.url.clone()), "the base's last answer must still be home's");
    assert_eq!(lake.status().endpoint.as_deref(), Some(regions.standby.endpoint_url()));
    let client = Client::new(&lake.install(regions.home.config()));
    assert_eq!(caller_arn(&client).await, "arn:aws:sts::210987654321:assumed-role/lake/checkout-0");
    regions.recover();
    let other = soon(base.to_builder().session_name("other").connect()).await.unwrap();
    assert_eq!(other.status().endpoint, Some(regions.relay.url.clone()), "each provider must find its own endpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_without_oidc_provider_is_skipped() {
    let mut regions = Regions::start().await;
    let second = regions.standby.another_region().await;
    regions.standby.set_fault(fault_list::NO_OPEN_ID_CONNECT_PROVIDER);
    regions.fail(Failure::Refuses);
    let builder = regions.builder(Failure::Refuses).standby_endpoint_url(second.endpoint_url());
    let provider = soon(builder.connect()).await.unwrap();
    assert_eq!(provider.status().endpoint.as_deref(), Some(second.endpoint_url()));
    assert_eq!((exchanges(&regions.standby), exchanges(&second)), (1, 1));

    // If the only standby answers so, the error names both possible causes, and home is used again.
    let lonely = regions.builder(Failure::Refuses).wait_timeout(Duration::from_secs(3)).build().unwrap();
    let error = loop {
        let error = soon(lonely.refresh()).await.unwrap_err();
        if error.code().is_some() {
            break error;
        }
    };
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::ServiceUnavailable, true), "{error}");
    let text = error.to_string();
    assert!(text.contains("knows no OIDC provider") && text.contains("or the region is not active"), "{text}");
    regions.recover();
    soon(lonely.ready()).await.unwrap();
    assert_eq!(lonely.status().endpoint, Some(regions.relay.url.clone()));
}

/// Runs on one thread, because the log is captured per thread.
#[tokio::test]
async fn inactive_standby_is_dropped_with_one_warning() {
    let (log, guard) = Log::listen();
    let mut regions = Regions::start().await;
    let other = regions.standby.another_region().await;
    regions.standby.set_fault(fault_list::REGION_DISABLED);
    regions.fail(Failure::Refuses);
    let builder = regions.builder(Failure::Refuses).standby_endpoint_url(other.endpoint_url());
    let provider = soon(builder.connect()).await.unwrap();
    let last = provider.status().endpoint;
    assert_eq!(last.as_deref(), Some(other.endpoint_url()));
    // With valid credentials, home must fail twice. Then the second standby follows at once.
    for _ in 0..2 {
        let before = key(&provider);
        while key(&provider) == before {
            drop(soon(provider.refresh()).await);
        }
    }
    assert_eq!((exchanges(&regions.standby), exchanges(&other)), (1, 3));

    // Without an active standby only home is used.
    let lonely = regions.builder(Failure::Refuses).wait_timeout(Duration::from_secs(5)).build().unwrap();
    let error = soon(lonely.refresh()).await.unwrap_err();
    soon(lonely.refresh()).await.unwrap_err();
    assert_eq!(exchanges(&regions.standby), 2);
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    drop(guard);
    let log = log.to_string();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("STS is not activated at a standby")).collect();
    assert!(warnings.len() == 2 && warnings.iter().all(|line| line.contains("WARN") && line.contains(ROLE)), "{log}");
    assert!(
        log.contains("credentials refreshed") && log.contains("endpoint=\"http://"),
        "the log must name the endpoint: {log}"
    );
}
