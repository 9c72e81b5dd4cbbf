//! HTTP/1 on loopback: a server that can also break a connection off, and the requests that an STS makes itself.

use std::error::Error as StdError;
use std::future::{Future, pending};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1 as client;
use hyper::header::HeaderValue;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// A server on a free port of loopback. It and its connections end when it is dropped.
pub(super) struct Server {
    task: AbortHandle,
}

/// What a handler answers.
pub(super) enum Reply {
    Whole(Response<Body>),
    /// These bytes, then the end of the connection.
    Cut(Vec<u8>),
    /// A TCP reset.
    Reset,
}

impl Server {
    /// Serves what [`listen`] gave.
    pub(super) fn start<H, F>(listener: TcpListener, handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        Self { task: tokio::spawn(accept(listener, Arc::new(handler))).abort_handle() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of a response.
pub(super) type Body = Full<Bytes>;

/// A response with these and nothing else.
pub(super) fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A listener on loopback, and where it listens.
pub(super) async fn listen() -> (TcpListener, SocketAddr) {
    listen_at((Ipv4Addr::LOCALHOST, 0).into()).await
}

/// As [`listen`], there.
#[expect(clippy::expect_used, reason = "a machine without a free loopback port cannot run a test of this kind")]
pub(super) async fn listen_at(address: SocketAddr) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).await.expect("the address can be listened at");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

/// The body behind a URL of plain HTTP. Anything but a 200 is an error.
pub(super) async fn get(url: &str) -> Result<Bytes, Box<dyn StdError + Send + Sync>> {
    tokio::time::timeout(PATIENCE, get_unbounded(url)).await?
}

async fn get_unbounded(url: &str) -> Result<Bytes, Box<dyn StdError + Send + Sync>> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or("not a URL of plain HTTP")?;
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let request = Request::get(uri.path()).header(header::HOST, authority.as_str()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string().into());
    }
    Ok(response.into_body().collect().await?.to_bytes())
}

async fn accept<H, F>(listener: TcpListener, handler: Arc<H>)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&handler)));
                }
                // Out of file descriptors, say.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<H, F>(stream: TcpStream, handler: Arc<H>)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let (break_off, mut broken_off) = mpsc::channel(1);
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        let break_off = break_off.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let rest = match handler(Request::from_parts(head, body)).await {
                Reply::Whole(response) => return Ok::<_, hyper::Error>(response),
                Reply::Cut(bytes) => Some(bytes),
                Reply::Reset => None,
            };
            // The other end is this connection's own task: either it takes this, or it is gone and so are we.
            let _ended = break_off.send(rest).await;
            pending().await
        }
    });
    let mut connection = server::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    let rest = tokio::select! {
        _ended = &mut connection => return,
        rest = broken_off.recv() => rest.flatten(),
    };
    let mut stream = connection.into_parts().io.into_inner();
    // A failure of these means that the client was faster to break off.
    let _ended = match rest {
        Some(bytes) => match stream.write_all(&bytes).await {
            Ok(()) => stream.shutdown().await,
            error => error,
        },
        // Closing such a socket sends a reset instead of a farewell.
        None => stream.set_zero_linger(),
    };
}

/// AWS gives an identity provider five seconds.
const PATIENCE: Duration = Duration::from_secs(5);
