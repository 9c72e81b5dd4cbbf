//! An HTTP/1 server on loopback that can also break off a connection.

use std::future::{Future, pending};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// A server. It ends with all its connections when it is dropped.
pub(super) struct Server {
    task: AbortHandle,
}

/// The answer of a handler.
pub(super) enum Reply {
    Whole(Response<Full<Bytes>>),
    /// The beginning of a response, then the end of the connection.
    Cut,
    /// A TCP reset.
    Reset,
}

impl Server {
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

pub(super) fn response(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// Listens on a free port of loopback.
#[expect(clippy::expect_used, reason = "a machine without a free loopback port cannot run a test of this kind")]
pub(super) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
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
                // For example, no file descriptor is free.
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
            let reply = handler(Request::from_parts(head, body)).await;
            if let Reply::Whole(response) = reply {
                return Ok::<_, hyper::Error>(response);
            }
            // The receiver is the task of this connection. If it is gone, so is this future.
            let _ended = break_off.send(reply).await;
            pending().await
        }
    });
    let mut connection = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    let reply = tokio::select! {
        _ended = &mut connection => return,
        reply = broken_off.recv() => reply,
    };
    let mut stream = connection.into_parts().io.into_inner();
    // These fail only if the client broke off first.
    let _ended = match reply {
        Some(Reply::Cut) => stream.write_all(CUT).await,
        // A socket that is closed without lingering sends a reset.
        _ => stream.set_zero_linger(),
    };
}

const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 2000\r\n\r\n<AssumeRole";
