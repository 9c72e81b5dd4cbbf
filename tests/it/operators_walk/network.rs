//! One server that is every host of the walk, and a proxy that leads to it alone. Nothing leaves this machine.

use std::future;
use std::io;

use axum::Router;
use axum::serve::Listener;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::diagnosis::servers::{acceptor, connections, read_head};

/// The proxy's URL, and the certificate of all hosts.
pub(super) struct Network {
    pub(super) proxy: String,
    pub(super) certificate: String,
}

impl Network {
    pub(super) async fn start(hosts: &[&str], router: Router) -> Self {
        let (acceptor, certificate) = acceptor(hosts);
        let (opened, streams) = mpsc::channel(16);
        let address = connections(move |mut stream| {
            let (acceptor, opened) = (acceptor.clone(), opened.clone());
            async move {
                read_head(&mut stream).await;
                drop(stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await);
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(opened.send(stream).await);
                }
            }
        });
        let proxy = format!("http://{}", address.await);
        tokio::spawn(async move { axum::serve(Streams(streams), router).await });
        Self { proxy, certificate }
    }
}

struct Streams(mpsc::Receiver<TlsStream<TcpStream>>);

impl Listener for Streams {
    type Io = TlsStream<TcpStream>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
