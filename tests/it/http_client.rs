//! The provider's own HTTP client: several addresses, proxies, missing certificates, and TLS errors (P12).
//!
//! Through real sockets and TLS servers. Each test sets variables or files for a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_types::region::Region;
use aws_web_identity::{Builder, Error, ErrorKind, WebIdentityCredentialsProvider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::support::own_process::{DEAD_PROXIES, in_process_of};
use crate::support::{ClosedPort, ROLE, Rig, eventually, failure, soon};

/// No `SdkConfig`, so the provider makes its own HTTP client.
fn builder(rig: &Rig, endpoint: &str) -> Builder {
    WebIdentityCredentialsProvider::builder()
        .role_arn(ROLE)
        .token_file(rig.volume.token_path())
        .session_name("checkout-0")
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
}

async fn refused(rig: &Rig, endpoint: &str) -> Error {
    failure(builder(rig, endpoint).wait_timeout(Duration::from_millis(500))).await
}

/// The name of STS has two addresses. One of them drops each packet.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn dead_address_does_not_block_every_attempt() {
    let test = concat!(module_path!(), "::dead_address_does_not_block_every_attempt");
    let wrapper = &[
        "sh",
        "-c",
        r#"unshare -Urm true || exit 97
               hosts=$(mktemp) && printf '127.0.0.1 localhost\n127.0.0.2 sts.test\n127.0.0.3 sts.test\n' >$hosts
               exec unshare -Urm sh -c 'mount --bind "$0" /etc/hosts || exit 97; exec "$@"' "$hosts" "$0" "$@""#,
    ];
    if !in_process_of(test, wrapper) {
        return;
    }
    let rig = Rig::start().await;
    let (port, _packets_vanish) = silent(SocketAddr::from(([127, 0, 0, 2], 0))).await;
    let sts: SocketAddr = rig.sts.endpoint_url().strip_prefix("http://").unwrap().parse().unwrap();
    let alive = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = alive.accept().await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut TcpStream::connect(sts).await?).await });
        }
    });
    for _ in 0..6 {
        // The first address is random, so some of the six providers begin with the dead one.
        let provider = soon(builder(&rig, &format!("http://sts.test:{port}")).connect()).await.unwrap();
        let failures = provider.status().consecutive_failures;
        assert_eq!(failures, 0);
        provider.shutdown().await;
    }
}

/// A kept connection whose peer has died would cost each attempt that reuses it.
#[tokio::test(flavor = "multi_thread")]
async fn each_exchange_has_a_connection_of_its_own() {
    let rig = Rig::start().await;
    let sts: SocketAddr = rig.sts.endpoint_url().strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut TcpStream::connect(sts).await?).await });
        }
    });
    let provider = soon(builder(&rig, &url).connect()).await.unwrap();
    soon(provider.refresh()).await.unwrap();
    assert_eq!((connections.load(Ordering::Relaxed), rig.exchanges().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_endpoint_never_goes_through_a_proxy() {
    let test = concat!(module_path!(), "::loopback_endpoint_never_goes_through_a_proxy");
    if !in_process_of(test, DEAD_PROXIES) {
        return;
    }
    let rig = Rig::start().await;
    let provider = soon(builder(&rig, rig.sts.endpoint_url()).connect()).await.unwrap();
    assert!(provider.current().is_some());
    // Other endpoints do go through the proxy.
    let error = refused(&rig, "http://sts.test").await;
    assert!(error.to_string().contains("onnection refused"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_certificates_are_an_error_of_https_only() {
    let test = concat!(module_path!(), "::missing_certificates_are_an_error_of_https_only");
    let wrapper = &["env", "SSL_CERT_FILE=/nowhere", "SSL_CERT_DIR=/nowhere"];
    if !in_process_of(test, wrapper) {
        return;
    }
    let rig = Rig::start().await;
    let error = refused(&rig, &ClosedPort::new().url.replace("http:", "https:")).await;
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    for part in ["this machine has no CA certificates", "SSL_CERT_FILE", "ca-certificates"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    soon(builder(&rig, rig.sts.endpoint_url()).connect()).await.unwrap();
}

/// The certificates are a FIFO without a writer, so that reading them never ends.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn hung_certificates_cost_one_thread() {
    let test = concat!(module_path!(), "::hung_certificates_cost_one_thread");
    let wrapper = &[
        "sh",
        "-c",
        r#"export SSL_CERT_FILE=$(mktemp -u); unset SSL_CERT_DIR; mkfifo "$SSL_CERT_FILE" || exit 97; exec "$0" "$@""#,
    ];
    if !in_process_of(test, wrapper) {
        return;
    }
    let rig = Rig::start().await;
    let provider = builder(&rig, &ClosedPort::new().url.replace("http:", "https:"))
        .attempt_timeout(Duration::from_millis(200))
        .watch_token(false)
        .build()
        .unwrap();
    drop(provider.updates());
    eventually(|| provider.status().consecutive_failures >= 4).await;
    assert_eq!(provider.status().last_error.unwrap().kind(), ErrorKind::TimedOut);

    // A writer lets every thread that hangs in `open` go on, so each of them has the FIFO open.
    let fifo = std::env::var("SSL_CERT_FILE").unwrap();
    let _writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let open = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter(|file| fs::read_link(file.path()).is_ok_and(|target| target == Path::new(&fifo))).count()
    };
    eventually(|| open() > 1).await;
    // Time for the threads of the further attempts, if there are any.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(open(), 2, "the writer and one reader");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_failure_names_its_cause() {
    let test = concat!(module_path!(), "::tls_failure_names_its_cause");
    let wrapper = &["sh", "-c", r#"export SSL_CERT_FILE=$(mktemp); unset SSL_CERT_DIR; exec "$0" "$@""#];
    if !in_process_of(test, wrapper) {
        return;
    }
    let rig = Rig::start().await;
    let authority = authority(NAME);
    fs::write(std::env::var("SSL_CERT_FILE").unwrap(), authority.pem()).unwrap();

    let params = |name: &str| CertificateParams::new([name.to_owned()]).unwrap();
    let good = tls(&rig, &authority, params("localhost")).await;
    let provider = soon(builder(&rig, &good).connect()).await.unwrap();
    assert_eq!(provider.status().endpoint.as_deref(), Some(good.as_str()));

    let mut expired = params("localhost");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    let mut early = params("localhost");
    early.not_before = date_time_ymd(2090, 1, 1);
    let plain = rig.sts.endpoint_url().replace("http://127.0.0.1", "https://localhost");
    for (endpoint, cause, remedy) in [
        (tls(&rig, &authority, params("elsewhere.test")).await, "elsewhere.test", "another host"),
        (tls(&rig, &self::authority("a stranger"), params("localhost")).await, "UnknownIssuer", "SSL_CERT_FILE"),
        (tls(&rig, &self::authority(NAME), params("localhost")).await, "BadSignature", "SSL_CERT_FILE"),
        (tls(&rig, &authority, expired).await, "expired", "clock"),
        (tls(&rig, &authority, early).await, "not valid yet", "clock"),
        (plain, "corrupt message", "plain HTTP"),
        (good.replace("https://", "http://"), "invalid HTTP version", "the same URL with https"),
    ] {
        let error = refused(&rig, &endpoint).await;
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
        let text = error.to_string();
        assert!(text.contains(cause) && text.contains(remedy), "{cause}: {text}");
    }
}

/// A port whose accept queue is full: the kernel drops further SYN packets.
#[cfg(target_os = "linux")]
async fn silent(at: SocketAddr) -> (u16, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(at).unwrap();
    let listener = socket.listen(1).unwrap();
    let at = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(at)).await {
        queue.push(stream);
    }
    (at.port(), (listener, queue))
}

const NAME: &str = "the authority of this test";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A TLS endpoint at `localhost` that forwards to the rig's STS.
async fn tls(rig: &Rig, authority: &Authority, params: CertificateParams) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.into()], key.into());
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let sts = rig.sts.endpoint_url().strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, sts) = (acceptor.clone(), sts.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                copy_bidirectional(&mut stream, &mut TcpStream::connect(sts).await?).await?;
                stream.shutdown().await
            });
        }
    });
    format!("https://localhost:{port}")
}
