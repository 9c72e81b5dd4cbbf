//! An HTTP client that speaks plain HTTP to loopback only, and ignores proxies. The kit's `SdkConfig` has it.
//!
//! Each request has a connection of its own. A pool would tie a provider's exchange to the runtime of the test that made
//! the connection.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::sts::is_loopback;

/// The client and, with its timeouts, each of its connectors.
#[derive(Clone, Debug, Default)]
pub(super) struct LoopbackClient {
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
}

impl HttpClient for LoopbackClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self {
            connect_timeout: settings.connect_timeout(),
            read_timeout: settings.read_timeout(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("aws-web-identity-test-util", None))
    }
}

impl HttpConnector for LoopbackClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            client.send(request).await
        })
    }
}

impl LoopbackClient {
    async fn send(&self, mut request: Request<SdkBody>) -> Result<HttpResponse, ConnectorError> {
        let stream = within(self.connect_timeout, connect(request.uri())).await??;
        origin_form(&mut request)?;
        within(self.read_timeout, exchange(stream, request)).await?
    }
}

/// Fetches a page. `None` if it does not come with status 200 in time.
pub(super) async fn get(url: &str) -> Option<Bytes> {
    // AWS gives an identity provider five seconds.
    let patience = Some(Duration::from_secs(5));
    let client = LoopbackClient { connect_timeout: patience, read_timeout: patience };
    let request = Request::get(url).body(SdkBody::empty()).ok()?;
    let response = client.send(request).await.ok().filter(|response| response.status().as_u16() == 200)?;
    Some(response.into_body().collect().await.ok()?.to_bytes())
}

/// Connects without looking up a name: `localhost` is this machine, whatever a resolver says.
async fn connect(uri: &Uri) -> Result<TcpStream, ConnectorError> {
    let host = uri.host().unwrap_or_default();
    if uri.scheme() != Some(&Scheme::HTTP) || !is_loopback(host) {
        return Err(ConnectorError::user(
            NotLoopback(format!("{}://{host}", uri.scheme_str().unwrap_or_default())).into(),
        ));
    }
    let addresses = match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(address) => vec![address],
        Err(_name) => vec![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()],
    };
    let port = uri.port_u16().unwrap_or(80);
    let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::from((address, port))).collect();
    TcpStream::connect(&addresses[..]).await.map_err(|error| ConnectorError::io(error.into()))
}

async fn exchange(stream: TcpStream, request: Request<SdkBody>) -> Result<HttpResponse, ConnectorError> {
    let broken = |error: hyper::Error| ConnectorError::io(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // This task ends with the body of the answer, or when nobody waits for the answer any more.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// Without a proxy, the request line has neither scheme nor host.
fn origin_form(request: &mut Request<SdkBody>) -> Result<(), ConnectorError> {
    let user = |error: http::Error| ConnectorError::user(error.into());
    if let (Some(authority), false) = (request.uri().authority(), request.headers().contains_key(header::HOST)) {
        let host = HeaderValue::try_from(authority.as_str()).map_err(|error| user(error.into()))?;
        request.headers_mut().insert(header::HOST, host);
    }
    let target = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Result<T, ConnectorError> {
    let Some(limit) = limit else { return Ok(work.await) };
    let late = |_| ConnectorError::timeout(io::Error::from(io::ErrorKind::TimedOut).into());
    tokio::time::timeout(limit, work).await.map_err(late)
}

/// Error with the scheme and host of a request that was not sent.
#[derive(Debug)]
struct NotLoopback(String);

impl fmt::Display for NotLoopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the test kit sent nothing to {}: its HTTP client speaks plain http to loopback only; set the service's \
             endpoint_url to a fake on loopback, or give its config an http_client of your own",
            self.0
        )
    }
}

impl StdError for NotLoopback {}
