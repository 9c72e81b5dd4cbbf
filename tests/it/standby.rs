//! Standby endpoints: an outage of the home STS, in each way in which it can fail, fails no request (P1, P2).
//!
//! Two regions of the kit's STS; a relay before the home region can refuse connections.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::{Fault, MockSts};
use aws_web_identity::{Builder, ErrorKind, Status, WebIdentityCredentialsProvider};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::fault_list;
use crate::rig::{ARN, CHAINED_ROLE, ROLE, Rig, key, soon, who};
use crate::support::captured_log::Log;
use crate::support::stepped_clock::SteppedClock;

/// Two regions of one AWS, and a door before the one that is home.
struct Regions {
    home: Rig,
    door: Door,
    standby: MockSts,
}

/// How home is away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Away {
    Refuses,
    Hangs,
    Answers503,
    /// From the start, and for good: no name server can be told to know it again.
    Unresolvable,
}

impl Regions {
    async fn start() -> Self {
        let home = Rig::start().await;
        let door = Door::open(home.sts.endpoint_url());
        let standby = home.sts.another_region().await;
        Self { home, door, standby }
    }

    fn builder(&self, away: Away) -> Builder {
        let url = if away == Away::Unresolvable { "http://home.invalid" } else { &self.door.url };
        self.home.builder().endpoint_url(url).standby_endpoint_url(self.standby.endpoint_url())
    }

    fn go(&mut self, away: Away) {
        match away {
            Away::Refuses => self.door.shut(),
            Away::Hangs => self.home.sts.set_fault(Fault::Hang),
            Away::Answers503 => self.home.sts.set_fault(Fault::ServiceUnavailable),
            Away::Unresolvable => {}
        }
    }

    fn come_back(&mut self) {
        self.home.sts.set_fault(None);
        self.door.open_again();
    }
}

/// A port that leads to a server, and can refuse.
struct Door {
    url: String,
    address: SocketAddr,
    to: String,
    relay: Option<AbortHandle>,
    /// Bound to the port and deaf: so nobody else gets it while the door is shut.
    _holder: TcpSocket,
}

impl Door {
    fn open(to: &str) -> Self {
        let holder = socket("127.0.0.1:0".parse().unwrap());
        let address = holder.local_addr().unwrap();
        let to = to.trim_start_matches("http://").to_owned();
        let mut door = Self { url: format!("http://{address}"), address, to, relay: None, _holder: holder };
        door.open_again();
        door
    }

    fn shut(&mut self) {
        self.relay.take().expect("it is open").abort();
    }

    fn open_again(&mut self) {
        if self.relay.is_none() {
            let listener = socket(self.address).listen(64).unwrap();
            self.relay = Some(tokio::spawn(relay(listener, self.to.clone())).abort_handle());
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

async fn relay(listener: TcpListener, to: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut from, _)) = listener.accept().await {
        let to = to.clone();
        connections.spawn(async move {
            let mut to = TcpStream::connect(to).await?;
            copy_bidirectional(&mut from, &mut to).await
        });
    }
}

/// The provider, a client, and the clock that only their requests move.
struct Traffic {
    clock: SteppedClock,
    provider: WebIdentityCredentialsProvider,
    client: Client,
}

impl Traffic {
    /// Sends requests until it holds: each must succeed, with credentials that were there. Each takes 100 ms.
    async fn until(&self, regions: &Regions, mut holds: impl FnMut(&Status) -> bool) {
        for _ in 0..900 {
            let status = self.provider.status();
            if holds(&status) {
                return;
            }
            assert!(self.provider.current().is_some(), "nobody waits: {status:?}");
            assert_eq!(who(&self.client).await, ARN);
            self.clock.advance(Duration::from_millis(100), &[&regions.home.sts, &regions.standby]).await;
        }
        panic!("in vain: {:?}", self.provider.status());
    }
}

async fn outlives(away: Away) {
    let clock = SteppedClock::start();
    let mut regions = Regions::start().await;
    for sts in [&regions.home.sts, &regions.standby] {
        sts.set_session_length(Duration::from_secs(12));
    }
    let attempt = match away {
        Away::Refuses | Away::Answers503 => Duration::from_secs(8),
        // Twice of it must fit into a session, with the pauses.
        Away::Hangs => Duration::from_secs(1),
        // A name server may let us wait.
        Away::Unresolvable => Duration::from_millis(500),
    };
    let builder = clock.drive(regions.builder(away)).refresh_window(0.10..=0.12).attempt_timeout(attempt);
    let provider = builder.build().unwrap();
    clock.finish(provider.ready(), &provider, &[&regions.home.sts, &regions.standby]).await.unwrap();
    // A service takes what either gave.
    let client = Client::new(&provider.install(regions.standby.sdk_config()));
    let traffic = Traffic { clock, provider, client };
    let provider = &traffic.provider;
    let home = regions.door.url.clone();
    let standby = regions.standby.endpoint_url().to_owned();
    let answered = provider.status().endpoint.unwrap();
    assert_eq!(answered, if away == Away::Unresolvable { &*standby } else { &*home }, "{away:?}");

    regions.go(away);
    let (first, before) = (key(provider), provider.status());
    traffic
        .until(&regions, |status| {
            traffic.clock.now() > before.expiry.unwrap()
                && status.generation >= before.generation + 2
                && status.endpoint.as_ref() == Some(&standby)
        })
        .await;
    assert_ne!(key(provider), first);
    if away == Away::Unresolvable {
        return;
    }
    regions.come_back();
    traffic.until(&regions, |status| status.endpoint.as_ref() == Some(&home)).await;
    // And from then on there alone.
    let (calls, generation) = (exchanges(&regions.standby), provider.status().generation);
    traffic.until(&regions, |status| status.generation > generation).await;
    assert_eq!((exchanges(&regions.standby), provider.status().endpoint), (calls, Some(home)), "{away:?}");
}

fn exchanges(sts: &MockSts) -> usize {
    sts.calls().iter().filter(|call| call.action == "AssumeRoleWithWebIdentity").count()
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_that_refuses_for_longer_than_a_session_fails_no_request() {
    outlives(Away::Refuses).await;
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_that_hangs_for_longer_than_a_session_fails_no_request() {
    outlives(Away::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_that_answers_503_for_longer_than_a_session_fails_no_request() {
    outlives(Away::Answers503).await;
}

#[tokio::test(start_paused = true)]
async fn p1_p2_home_without_an_address_fails_no_request() {
    outlives(Away::Unresolvable).await;
}

/// With the timeouts as they are without being set: 8 s for an attempt, 30 s for who waits.
#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_usable_the_first_credentials_come_through_the_standby_while_the_first_caller_waits() {
    let mut starts = JoinSet::new();
    for away in [Away::Refuses, Away::Hangs, Away::Answers503, Away::Unresolvable] {
        starts.spawn(async move {
            let mut regions = Regions::start().await;
            regions.go(away);
            let provider = regions.builder(away).connect().await.unwrap();
            let client = Client::new(&provider.install(regions.standby.sdk_config()));
            assert_eq!(who(&client).await, ARN);
            assert_eq!(provider.status().endpoint.as_deref(), Some(regions.standby.endpoint_url()));
            assert_eq!(exchanges(&regions.standby), 1, "{away:?}");
            assert!(exchanges(&regions.home.sts) <= 1, "one failure is enough: {away:?}");
        });
    }
    starts.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_sts_sends_nobody_to_a_standby() {
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
        let builder = clock.drive(regions.builder(Away::Answers503)).wait_timeout(Duration::from_millis(1500));
        let provider = builder.build().unwrap();
        let servers = [&regions.home.sts, &regions.standby];
        let error = clock.finish(provider.refresh(), &provider, &servers).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}");
        clock.finish(provider.refresh(), &provider, &servers).await.unwrap_err();
        assert!(regions.standby.calls().is_empty(), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_the_place_of_sts_is_an_outage_like_another() {
    for fault in [
        fault_list::BAD_GATEWAY,
        fault_list::HTML_ERROR,
        fault_list::REDIRECT,
        Fault::CutBody,
        fault_list::ALREADY_EXPIRED,
    ] {
        let regions = Regions::start().await;
        regions.home.sts.set_fault(fault);
        let provider = soon(regions.builder(Away::Answers503).connect()).await.unwrap();
        assert_eq!(provider.status().endpoint.as_deref(), Some(regions.standby.endpoint_url()), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_assumed_with_the_credentials_has_the_same_standbys() {
    let mut regions = Regions::start().await;
    let base = regions.builder(Away::Refuses).connect().await.unwrap();
    regions.go(Away::Refuses);
    let lake = soon(base.assume_role(CHAINED_ROLE).connect()).await.unwrap();
    assert_eq!(base.status().endpoint, Some(regions.door.url.clone()), "still good");
    assert_eq!(lake.status().endpoint.as_deref(), Some(regions.standby.endpoint_url()));
    let client = Client::new(&lake.install(regions.home.config()));
    assert_eq!(who(&client).await, "arn:aws:sts::210987654321:assumed-role/lake/checkout-0");
    regions.come_back();
    let other = soon(base.to_builder().session_name("other").connect()).await.unwrap();
    assert_eq!(other.status().endpoint, Some(regions.door.url.clone()), "each goes its own way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_without_the_oidc_provider_is_passed_over() {
    let mut regions = Regions::start().await;
    let second = regions.standby.another_region().await;
    regions.standby.set_fault(fault_list::NO_OPEN_ID_CONNECT_PROVIDER);
    regions.go(Away::Refuses);
    let builder = regions.builder(Away::Refuses).standby_endpoint_url(second.endpoint_url());
    let provider = soon(builder.connect()).await.unwrap();
    assert_eq!(provider.status().endpoint.as_deref(), Some(second.endpoint_url()));
    assert_eq!((exchanges(&regions.standby), exchanges(&second)), (1, 1));

    // The only standby says so: the error names both causes, and home is asked again.
    let lonely = regions.builder(Away::Refuses).wait_timeout(Duration::from_secs(3)).build().unwrap();
    let error = loop {
        let error = soon(lonely.refresh()).await.unwrap_err();
        if error.code().is_some() {
            break error;
        }
    };
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::ServiceUnavailable, true), "{error}");
    let text = error.to_string();
    assert!(text.contains("knows no OIDC provider") && text.contains("or the region is not active"), "{text}");
    regions.come_back();
    soon(lonely.ready()).await.unwrap();
    assert_eq!(lonely.status().endpoint, Some(regions.door.url.clone()));
}

/// On one thread: the log is that thread's.
#[tokio::test]
async fn a_standby_where_sts_is_not_activated_is_dropped_with_one_warning() {
    let (log, guard) = Log::listen();
    let mut regions = Regions::start().await;
    let other = regions.standby.another_region().await;
    regions.standby.set_fault(fault_list::REGION_DISABLED);
    regions.go(Away::Refuses);
    let builder = regions.builder(Away::Refuses).standby_endpoint_url(other.endpoint_url());
    let provider = soon(builder.connect()).await.unwrap();
    let last = provider.status().endpoint;
    assert_eq!(last.as_deref(), Some(other.endpoint_url()));
    // While they are valid a second failure is waited for; then it is the other's turn at once.
    for _ in 0..2 {
        let before = key(&provider);
        while key(&provider) == before {
            drop(soon(provider.refresh()).await);
        }
    }
    assert_eq!((exchanges(&regions.standby), exchanges(&other)), (1, 3));

    // With none left there is only home.
    let lonely = regions.builder(Away::Refuses).wait_timeout(Duration::from_millis(1500)).build().unwrap();
    let error = soon(lonely.refresh()).await.unwrap_err();
    soon(lonely.refresh()).await.unwrap_err();
    assert_eq!(exchanges(&regions.standby), 2);
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    drop(guard);
    let log = log.to_string();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("STS is not activated at a standby")).collect();
    assert!(warnings.len() == 2 && warnings.iter().all(|line| line.contains("WARN") && line.contains(ROLE)), "{log}");
    assert!(log.contains("credentials refreshed") && log.contains("endpoint=\"http://"), "who answered: {log}");
}
