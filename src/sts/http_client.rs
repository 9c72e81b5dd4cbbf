//! The HTTP client of a provider that was given none: the SDK's connector, set up for one STS.
//!
//! It differs from the SDK's default client in five ways:
//!
//! - **Reads nothing before the first request.** The CA certificates are read within the time of an attempt, on a blocking
//!   thread. Without certificates the request fails, and the next one looks again (`connection_errors` has the texts). Plain
//!   http needs none.
//! - **Tries addresses in turn.** After a request without an answer, the next connection begins with another address of the
//!   host. One dead address costs one attempt, not all of them.
//! - **Sends no loopback request through a proxy**, whatever `HTTP_PROXY` says: the token would leave this machine.
//! - **Returns an error if no thread can be started**, instead of a panic.
//! - **Keeps no connection.** The next exchange usually comes half an hour later. A connection whose peer has died in silence
//!   would cost each retry, since HTTP/2 requests share it. And no exchange uses a connection that another runtime drives.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
use super::connection_errors::SetUpError;
use crate::blocking_threads;

/// A client for one STS.
pub(super) fn new() -> SharedHttpClient {
    SharedHttpClient::new(Client::default())
}

#[derive(Debug, Default)]
struct Client(Arc<Shared>);

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(LazyConnector { settings: settings.clone(), shared: Arc::clone(&self.0) })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

/// Sets up the SDK's connector when the first request goes out.
#[derive(Debug)]
struct LazyConnector {
    /// The same for all requests of one STS client.
    settings: HttpConnectorSettings,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    connector: OnceCell<Connector>,
    /// Kept when an attempt ends without it. So certificates on a hanging file system cost one thread, not one per attempt.
    setting_up: Mutex<Option<JoinHandle<Result<Connector, BoxError>>>>,
    addresses: AddressRotation,
}

impl HttpConnector for LazyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (settings, shared) = (self.settings.clone(), Arc::clone(&self.shared));
        HttpConnectorFuture::new(async move {
            let set_up = || shared.set_up(settings, request.uri());
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
    async fn set_up(&self, settings: HttpConnectorSettings, uri: &str) -> Result<Connector, BoxError> {
        let mut setting_up = self.setting_up.lock().await;
        let job = match &mut *setting_up {
            Some(job) => job,
            none => none.insert(self.start(settings, uri.parse()?).ok_or(SetUpError::NoThread)?),
        };
        let outcome = job.await;
        *setting_up = None;
        outcome?
    }

    fn start(&self, settings: HttpConnectorSettings, uri: Uri) -> Option<JoinHandle<Result<Connector, BoxError>>> {
        let loopback = uri.host().is_some_and(is_loopback);
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let addresses = self.addresses.clone();
        blocking_threads::start(move || {
            // A request to a proxy may need TLS as well.
            let certificates = (tls || !loopback) && certificates_exist();
            if tls && !certificates {
                return Err(SetUpError::NoCertificates.into());
            }
            // The SDK's store of native certificates panics where there are none.
            let trust = if certificates { TrustStore::default() } else { TrustStore::empty() };
            let connector = Connector::builder()
                .connector_settings(settings)
                .pool_max_idle_per_host(0)
                .sleep_impl(TokioSleep::new())
                .proxy_config(if loopback { ProxyConfig::disabled() } else { ProxyConfig::from_env() })
                .tls_provider(Provider::rustls(CryptoMode::AwsLc))
                .tls_context(TlsContext::builder().with_trust_store(trust).build()?)
                .build_with_resolver(addresses);
            Ok(connector)
        })
    }
}

/// True if the machine has a valid CA certificate. Blocks.
fn certificates_exist() -> bool {
    let found = rustls_native_certs::load_native_certs();
    RootCertStore::empty().add_parsable_certificates(found.certs).0 > 0
}

/// Resolves a host, and lets another of its addresses come first after each request without an answer.
#[derive(Clone, Debug)]
struct AddressRotation(Arc<AtomicUsize>);

impl Default for AddressRotation {
    /// Random, so that the pods of a fleet do not all begin with the same address.
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(fastrand::usize(..usize::MAX / 2))))
    }
}

impl AddressRotation {
    /// Number of the address to try first. Each call moves to the next address; `stay` takes that back after an answer.
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn stay(&self, turn: usize) {
        self.0.store(turn, Ordering::Relaxed);
    }
}

impl ResolveDns for AddressRotation {
    fn resolve_dns<'a>(&'a self, host: &'a str) -> DnsFuture<'a> {
        let (host, turn) = (host.to_owned(), self.0.load(Ordering::Relaxed));
        DnsFuture::new(async move {
            let lookup = blocking_threads::start(move || (host, 0).to_socket_addrs());
            let lookup = lookup.ok_or(ResolveDnsError::new(SetUpError::NoThread))?;
            let found = lookup.await.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)?;
            Ok(rotated(found.map(|address| address.ip()).collect(), turn))
        })
    }
}

/// Keeps the family that the system prefers in front. The connector tries the other family at the same time.
fn rotated(addresses: Vec<IpAddr>, turn: usize) -> Vec<IpAddr> {
    let preferred = addresses.first().is_some_and(IpAddr::is_ipv4);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == preferred);
    for family in [&mut first, &mut second] {
        // Resolvers shuffle, and a rotation needs a fixed order.
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
    fn each_address_comes_first_once() {
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
            assert_eq!(rotated(of(found), turn), of(tried), "{found} {turn}");
        }
        assert_eq!(rotated(Vec::new(), 1), Vec::<IpAddr>::new());
    }

    #[test]
    fn unanswered_request_rotates_addresses() {
        let addresses = AddressRotation::default();
        let first = addresses.next();
        assert_eq!(addresses.next(), first + 1);
        addresses.stay(first);
        assert_eq!(addresses.next(), first);
    }
}
