//! Servers that stand in for STS, a proxy, a metadata service or an agent.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, put};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server that gives the same answer to all requests.
pub(super) async fn answers(status: u16, content_type: &'static str, body: &'static str) -> String {
    let answer = (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, content_type)], body);
    serve(Router::new().fallback(move || async move { answer })).await
}

/// The metadata service of a node that has a role.
pub(super) async fn node() -> String {
    const CREDENTIALS: &str = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIANODE","SecretAccessKey":"secret",
        "Token":"token","LastUpdated":"2026-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z","AccountId":"123456789012"}"#;
    let path = "/latest/meta-data/iam/security-credentials";
    let token = || async { ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token") };
    let router = Router::new()
        .route("/latest/api/token", put(token))
        .route(&format!("{path}/"), get(|| async { "node" }))
        .route(&format!("{path}/node"), get(|| async { CREDENTIALS }));
    serve(router).await
}

/// The agent of EKS Pod Identity.
pub(super) async fn agent() -> String {
    const CREDENTIALS: &str = r#"{"AccessKeyId":"ASIAPODIDENTITY","SecretAccessKey":"secret","Token":"token",
        "Expiration":"2099-01-01T00:00:00Z","AccountId":"123456789012"}"#;
    serve(Router::new().route("/v1/credentials", get(|| async { CREDENTIALS }))).await
}

/// A TLS server with a self-signed certificate for this name, and that certificate.
pub(super) async fn tls(name: &'static str) -> (String, String) {
    let (acceptor, certificate) = acceptor(&[name]);
    let url = connections(move |stream| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    });
    (format!("https://{}", url.await), certificate)
}

/// A proxy that intercepts TLS with a certificate of its own.
pub(super) async fn opening_proxy() -> String {
    let (acceptor, _) = acceptor(&["sts.eu-central-1.amazonaws.com"]);
    let address = connections(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            read_head(&mut stream).await;
            drop(stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await);
            drop(acceptor.accept(stream).await);
        }
    });
    format!("http://{}", address.await)
}

/// A proxy that refuses each connection.
pub(super) async fn refusing_proxy() -> String {
    let address = connections(|mut stream| async move {
        read_head(&mut stream).await;
        drop(stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await);
    });
    format!("http://{}", address.await)
}

pub(crate) fn acceptor(names: &[&str]) -> (TlsAcceptor, String) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

/// Listens and hands each connection to the function.
pub(crate) async fn connections<F: Future<Output = ()> + Send + 'static>(
    mut handle: impl FnMut(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address.to_string()
}

pub(crate) async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
}

pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
