//! A server that sends canned answers of STS over a real socket.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_types::region::Region;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::client::StsClient;
use super::{EndpointConfig, Session, StsConfig};

pub(crate) const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJ0b2tlbiI6ImNhbmFyeSJ9.c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnk";
pub(crate) const SECRET: &str = "SECRETCANARYSECRETCANARYSECRETCANARY1234";
pub(crate) const SESSION: &str = "SESSIONCANARY//SESSIONCANARY==";
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/app";
/// The time of `DATE`.
pub(crate) const NOW: u64 = 1_893_456_000;
pub(crate) const DATE: &str = "Date: Tue, 01 Jan 2030 00:00:00 GMT\r\n";

/// Answers one connection after the other with the same bytes, and keeps the requests.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// End of a connection after the answer.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Close,
    Hang,
    /// The server does not read the request, so the close is a reset.
    Reset,
}

impl Server {
    pub(crate) async fn start(reply: impl Into<Vec<u8>>, then: Then) -> Self {
        let (reply, asked) = (reply.into(), Arc::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                if matches!(then, Then::Reset) {
                    // Unread bytes make the close a reset.
                    stream.readable().await.unwrap();
                    continue;
                }
                let request = read_request(&mut stream).await.unwrap();
                asked.lock().unwrap().push(request);
                // The client hangs up early on a long body.
                drop(stream.write_all(&reply).await);
                if matches!(then, Then::Hang) {
                    std::future::pending::<()>().await;
                }
                drop(stream.shutdown().await);
            }
        });
        server
    }
}

async fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                return Ok(request);
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

pub(crate) fn session(role_arn: &str) -> Session {
    Session {
        role_arn: role_arn.to_owned(),
        name: "pod-1".to_owned(),
        length: None,
        policy: None,
        policy_arns: Vec::new(),
    }
}

pub(crate) fn config(url: &str) -> StsConfig {
    StsConfig {
        home: EndpointConfig { region: Region::new("eu-central-1"), endpoint_url: Some(url.to_owned()) },
        standbys: Vec::new(),
        use_fips: false,
        use_dual_stack: false,
        http_client: None,
        time_source: SharedTimeSource::new(SystemTimeSource::new()),
        app_name: None,
        attempt_timeout: Duration::from_secs(8),
        connect_timeout: Duration::from_secs(2),
    }
}

impl StsClient {
    pub(crate) fn of(config: &StsConfig) -> Self {
        Self::new(config, &config.home)
    }
}

pub(crate) fn http(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

pub(crate) fn xml(headers: &str, status: u16, code: &str, message: &str) -> String {
    let body = format!(
        r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
  <RequestId>7c41e222-d77b-4402-a75c-057740452593</RequestId>
</ErrorResponse>
"#
    );
    http(status, &format!("Content-Type: text/xml\r\n{headers}"), &body)
}

pub(crate) fn success() -> String {
    format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
<Audience>sts.amazonaws.com</Audience>
<AssumedRoleUser>
  <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:pod-1</AssumedRoleId>
  <Arn>arn:aws:sts::123456789012:assumed-role/app/pod-1</Arn>
</AssumedRoleUser>
<Provider>arn:aws:iam::123456789012:oidc-provider/issuer.example.com</Provider>
<Credentials>
  <SessionToken>{SESSION}</SessionToken>
  <SecretAccessKey>{SECRET}</SecretAccessKey>
  <Expiration>2030-01-01T01:00:00Z</Expiration>
  <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
</Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
"#
    )
}

/// All that this thread logs, down to TRACE.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// The log is captured until this is dropped.
pub(crate) struct Captured(#[expect(dead_code)] DefaultGuard, #[expect(dead_code)] Dispatch);

impl Log {
    pub(crate) fn capture() -> (Self, Captured) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        // With a single dispatcher, tracing decides for all threads when the first thread meets a callsite. That thread may
        // belong to another test.
        let second = Dispatch::new(tracing_subscriber::registry());
        (log, Captured(tracing::subscriber::set_default(subscriber), second))
    }

    pub(crate) fn add(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Number of lines that contain each of `parts`.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        self.text().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
