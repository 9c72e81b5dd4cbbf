//! The HTTP client of a provider that was given none: the SDK's connector, set up for what an exchange must survive.
//!
//! It differs from the SDK's default client in four ways:
//!
//! - **Nothing is read before the first request.** The CA certificates are read within the time of an attempt, on a thread
//!   that may block. Without any, the request fails and says so, and the next one looks again. Plain http needs none.
//! - **Addresses are tried in turn.** After a request that got no answer, the next connection begins with another address
//!   of the host. One dead address costs one attempt, not all of them.
//! - **A loopback request never goes through a proxy**, whatever `HTTP_PROXY` says. It would carry the token off this host.
//! - **A thread that cannot be started is an error**, not a panic.
//!
//! Each provider has a connection pool of its own, so no exchange gets a connection that a caller's runtime drives.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http::Uri;
use http::uri::Scheme;
use rustls::RootCertStore;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;

use super::config::is_loopback;
use super::no_answer::{NoCertificates, NoThread};
use crate::blocking;

/// A client for one STS.
pub(super) fn new() -> SharedHttpClient {
    SharedHttpClient::new(Client::default())
}

#[derive(Debug, Default)]
struct Client(OnceLock<SharedHttpConnector>);

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // One STS client always asks with the same settings.
        self.0.get_or_init(|| SharedHttpConnector::new(FirstUse::new(settings.clone()))).clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

/// Sets the SDK's connector up when the first request goes out.
#[derive(Clone, Debug)]
struct FirstUse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: HttpConnectorSettings,
    connector: OnceCell<Connector>,
    /// Outlives an attempt that did not wait for its end: certificates on a file system that hangs cost one thread.
    setting_up: Mutex<Option<JoinHandle<Result<Connector, BoxError>>>>,
    addresses: InTurn,
}

impl FirstUse {
    fn new(settings: HttpConnectorSettings) -> Self {
        Self(Arc::new(Shared {
            settings,
            connector: OnceCell::new(),
            setting_up: Mutex::default(),
            addresses: InTurn::default(),
        }))
    }
}

impl HttpConnector for FirstUse {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(shared) = self.clone();
        HttpConnectorFuture::new(async move {
            let set_up = || shared.set_up(request.uri());
            let connector =
                shared.connector.get_or_try_init(set_up).await.map_err(|error| ConnectorError::other(error, None))?;
            let turn = shared.addresses.next();
            let answer = connector.call(request).await;
            if answer.is_ok() {
                shared.addresses.stay(turn);
            }
            answer
        })
    }
}

impl Shared {
    async fn set_up(&self, uri: &str) -> Result<Connector, BoxError> {
        let mut setting_up = self.setting_up.lock().await;
        let job = match &mut *setting_up {
            Some(job) => job,
            none => none.insert(self.start(uri.parse()?).ok_or(NoThread)?),
        };
        let outcome = job.await;
        *setting_up = None;
        outcome?
    }

    fn start(&self, uri: Uri) -> Option<JoinHandle<Result<Connector, BoxError>>> {
        let loopback = uri.host().is_some_and(is_loopback);
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let (settings, addresses) = (self.settings.clone(), self.addresses.clone());
        blocking::start(move || {
            // A proxy may be spoken to by TLS, too.
            let certificates = (tls || !loopback) && certificates_exist();
            if tls && !certificates {
                return Err(NoCertificates.into());
            }
            // The SDK's store of native certificates panics where there are none.
            let trust = if certificates { TrustStore::default() } else { TrustStore::empty() };
            let connector = Connector::builder()
                .connector_settings(settings)
                .sleep_impl(TokioSleep::new())
                .proxy_config(if loopback { ProxyConfig::disabled() } else { ProxyConfig::from_env() })
                .tls_provider(Provider::rustls(CryptoMode::AwsLc))
                .tls_context(TlsContext::builder().with_trust_store(trust).build()?)
                .build_with_resolver(addresses);
            Ok(connector)
        })
    }
}

/// Whether the machine has a CA certificate that can be used. Blocks.
fn certificates_exist() -> bool {
    let found = rustls_native_certs::load_native_certs();
    RootCertStore::empty().add_parsable_certificates(found.certs).0 > 0
}

/// The addresses of a host, each first in its turn.
#[derive(Clone, Debug)]
struct InTurn(Arc<AtomicUsize>);

/// Random, so that the pods of a fleet do not all begin with the same address.
impl Default for InTurn {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(fastrand::usize(..usize::MAX / 2))))
    }
}

impl InTurn {
    /// The turn of a request, which is over unless the request is answered.
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// The next request takes this turn again.
    fn stay(&self, turn: usize) {
        self.0.store(turn, Ordering::Relaxed);
    }
}

impl ResolveDns for InTurn {
    fn resolve_dns<'a>(&'a self, host: &'a str) -> DnsFuture<'a> {
        let (host, turn) = (host.to_owned(), self.0.load(Ordering::Relaxed));
        DnsFuture::new(async move {
            let lookup = blocking::start(move || (host, 0).to_socket_addrs()).ok_or(ResolveDnsError::new(NoThread))?;
            let found = lookup.await.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)?;
            Ok(in_turn(found.map(|address| address.ip()).collect(), turn))
        })
    }
}

/// Keeps the family that the system prefers first: the connector tries the other one at the same time.
fn in_turn(addresses: Vec<IpAddr>, turn: usize) -> Vec<IpAddr> {
    let preferred = addresses.first().is_some_and(IpAddr::is_ipv4);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == preferred);
    for family in [&mut first, &mut second] {
        // Resolvers shuffle: without an order there is no turn.
        family.sort_unstable();
        let by = turn.checked_rem(family.len()).unwrap_or_default();
        family.rotate_left(by);
    }
    first.extend(second);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_comes_first_in_its_turn() {
        let of = |text: &str| text.split(' ').map(|address| address.parse().unwrap()).collect::<Vec<IpAddr>>();
        for (found, turn, tried) in [
            ("10.0.0.2 10.0.0.1 10.0.0.3", 0, "10.0.0.1 10.0.0.2 10.0.0.3"),
            ("10.0.0.2 10.0.0.1 10.0.0.3", 1, "10.0.0.2 10.0.0.3 10.0.0.1"),
            ("10.0.0.3 10.0.0.2 10.0.0.1", 2, "10.0.0.3 10.0.0.1 10.0.0.2"),
            ("10.0.0.3 10.0.0.2 10.0.0.1", usize::MAX, "10.0.0.1 10.0.0.2 10.0.0.3"),
            // The family that the system prefers stays first.
            ("fd00::2 10.0.0.1 fd00::1 10.0.0.2", 1, "fd00::2 fd00::1 10.0.0.2 10.0.0.1"),
            ("10.0.0.1 fd00::1", 1, "10.0.0.1 fd00::1"),
        ] {
            assert_eq!(in_turn(of(found), turn), of(tried), "{found} {turn}");
        }
        assert_eq!(in_turn(Vec::new(), 1), Vec::<IpAddr>::new());
    }

    #[test]
    fn unanswered_request_ends_a_turn() {
        let addresses = InTurn::default();
        let first = addresses.next();
        assert_eq!(addresses.next(), first + 1);
        addresses.stay(first);
        assert_eq!(addresses.next(), first);
    }
}
