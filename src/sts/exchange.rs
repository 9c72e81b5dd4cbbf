//! One exchange: sends the request, reads the answer, and returns credentials or the reason for the failure.
//!
//! The SDK's client makes the request, with its endpoint rules and the user's HTTP client. But an interceptor takes the answer
//! away before the SDK reads it, for these reasons:
//!
//! - The SDK takes a cut body for a whole one.
//! - The SDK drops the text of errors that it does not know.
//! - The SDK reads a body of any length. Here the limit is 64 KiB.
//! - An `SdkError` may hold keys.

use std::mem;
use std::time::Duration;

use aws_credential_types::Credentials;
use tokio::time::timeout;

use super::answer::Answer;
use super::answer_body::{Content, IssuedCredentials, content};
use super::answer_capture::AnswerCapture;
use super::answer_times;
use super::client::StsClient;
use super::connection_errors::NoConnection;
use super::error_codes;
use super::failure_reason::Reason;
use super::remedies::RemedyContext;
use super::request::{Authentication, Session};
use crate::error::{Error, in_words};
use crate::refresh::{Failure, Grant, Principal};
use crate::rejection_codes::clock_off;
use crate::scrub::printable;

impl StsClient {
    /// One exchange. It ends within `limit`.
    pub(super) async fn exchange(
        &self,
        session: &Session,
        authentication: &Authentication<'_>,
        limit: Duration,
    ) -> Result<Grant, Box<ExchangeFailure>> {
        let capture = AnswerCapture::default();
        let answer = async {
            let sent = authentication.send(&self.client, session, &capture).await;
            // If there is an answer, the SDK's error is ignored: the SDK got an empty body.
            match capture.take_answer() {
                Some(response) => Ok(Answer::read(response, self.time.now()).await),
                None => Err(sent.err().unwrap_or((Reason::NoAnswer, None))),
            }
        };
        // The SDK's own timeouts do not cover the body.
        let answer = timeout(limit, answer).await.unwrap_or(Err((Reason::NoAnswer, None)));
        let endpoint = capture.endpoint().unwrap_or_else(|| self.name.clone());
        let exchange = Exchange { client: self, session, authentication, endpoint, limit };
        match answer {
            Ok(answer) => exchange.interpret(&answer),
            Err((reason, text)) => {
                let unsent = text.is_some() && capture.endpoint().is_none();
                let reason = if unsent { Reason::NotSent } else { reason };
                Err(exchange.without_answer(reason, text))
            }
        }
    }

    /// Interprets this answer as if STS had sent it.
    #[cfg(any(test, fuzzing))]
    pub(crate) async fn interpret(
        &self,
        session: &Session,
        authentication: &Authentication<'_>,
        response: aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    ) -> Result<Grant, Box<ExchangeFailure>> {
        let answer = Answer::read(response, self.time.now()).await;
        let (endpoint, limit) = (self.name.clone(), self.attempt_timeout);
        Exchange { client: self, session, authentication, endpoint, limit }.interpret(&answer)
    }
}

/// Why an exchange gave no credentials. Each text in it is fit to print.
#[derive(Debug)]
pub(crate) struct ExchangeFailure {
    pub(crate) reason: Reason,
    /// Names the failure, the endpoint, the role and the cause.
    pub(crate) message: String,
    /// URL of the request. If nothing was sent, the configured URL or region.
    pub(super) endpoint: String,
    region: String,
    pub(crate) code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    /// Difference between the local clock and the `Date` of the answer.
    pub(crate) clock_off: Option<Duration>,
}

impl ExchangeFailure {
    pub(crate) fn new(reason: Reason, message: String, endpoint: &str, region: &str) -> Self {
        let (endpoint, region) = (endpoint.to_owned(), region.to_owned());
        Self { reason, message, endpoint, region, code: None, request_id: None, retry_after: None, clock_off: None }
    }

    pub(crate) fn remedy_context<'a>(&'a self, session: &'a Session) -> RemedyContext<'a> {
        RemedyContext { session, endpoint: &self.endpoint, region: &self.region, message: &self.message }
    }

    /// `remedy` tells the reader of the error what to do.
    pub(crate) fn into_failure(self, remedy: String) -> Failure {
        let error = Error::new(self.reason.kind(), self.message)
            .with_remedy(remedy)
            .with_transient(self.reason.is_transient())
            .with_answer(self.code, self.request_id)
            .with_endpoint(self.reason.is_answer().then_some(self.endpoint));
        Failure { class: self.reason.class(), error, retry_after: self.retry_after }
    }
}

struct Exchange<'a> {
    client: &'a StsClient,
    session: &'a Session,
    authentication: &'a Authentication<'a>,
    endpoint: String,
    /// The time that STS had.
    limit: Duration,
}

impl Exchange<'_> {
    fn interpret(self, answer: &Answer) -> Result<Grant, Box<ExchangeFailure>> {
        let (endpoint, role_arn, status) = (&self.endpoint, &self.session.role_arn, answer.status);
        let show = |text: &str, limit| printable(text, self.authentication.secret(), limit);
        let sent = answer_times::sent_with(self.authentication, answer.date);
        let mut request_id = answer.request_id.clone();
        let mut error_code = None;
        let (reason, message) = match content(answer) {
            Content::Credentials(issued) => return Ok(self.grant(issued, answer)),
            Content::Error { code, message, request_id: id } => {
                let reason = error_codes::reason(&code, &message, status, sent);
                request_id = request_id.or(id);
                let code = error_code.insert(show(&code, 128));
                let message = show(&message, 512);
                let quote = if message.is_empty() { String::new() } else { format!(": \"{message}\"") };
                (reason, format!("STS at {endpoint} answered {code} (HTTP {status}) for {role_arn}{quote}"))
            }
            Content::Cut(why) => {
                let reason = if status == 429 { Reason::Throttled } else { Reason::Broken };
                let why = show(&why, 256);
                (reason, format!("the answer of STS at {endpoint} (HTTP {status}) was cut off: {why}"))
            }
            Content::Incomplete(why) => {
                let why = show(&why, 160);
                let text = format!("the credentials from {endpoint} for {role_arn} cannot be used: the answer {why}");
                (Reason::BadGrant, text)
            }
            Content::Encoded(encoding) => {
                let encoding = show(&encoding, 40);
                let reason = error_codes::status_reason(status, sent);
                let text = format!(
                    "the answer of {endpoint} (HTTP {status}) for {role_arn} was not read: it is compressed or encoded \
                     ({encoding}), which the request does not allow"
                );
                (if reason == Reason::NotSts { Reason::Encoded } else { reason }, text)
            }
            Content::Foreign { what, quote } => {
                let kind = show(answer.content_type.as_deref().unwrap_or("no content type"), 80);
                let from = answer.server.as_deref().map(|server| format!(" from {:?}", show(server, 40)));
                let from = from.unwrap_or_default();
                let quote = quote.map(|text| show(&text, 120)).filter(|text| !text.is_empty());
                let quote = quote.map(|text| format!(": {text:?}")).unwrap_or_default();
                let login = if status == 407 { ", a proxy that requires a login" } else { "" };
                let text = format!(
                    "{endpoint} does not answer as STS does: HTTP {status}{from}{login}, {kind}, {what}{quote}"
                );
                (error_codes::status_reason(status, sent), text)
            }
        };
        Err(Box::new(ExchangeFailure {
            code: error_code,
            request_id: request_id.filter(|id| is_request_id(id) && show(id, id.len()) == *id),
            retry_after: answer.retry_after,
            clock_off: answer.date.map(|date| clock_off(date, self.client.time.now())),
            ..self.failure(reason, message)
        }))
    }

    fn grant(self, mut issued: IssuedCredentials, answer: &Answer) -> Grant {
        let (provider_name, feature) = self.authentication.provenance();
        let account_id = issued.assumed_role_arn.as_deref().and_then(account);
        let mut credentials = Credentials::builder()
            // Moved, not copied: the SDK wipes them when it drops them.
            .access_key_id(mem::take(&mut *issued.access_key_id))
            .secret_access_key(mem::take(&mut *issued.secret_access_key))
            .session_token(mem::take(&mut *issued.session_token))
            .expiry(issued.expiration)
            .provider_name(provider_name);
        credentials.set_account_id(account_id.map(Into::into));
        Grant {
            credentials: credentials.build(),
            expiration: issued.expiration,
            date: answer.date,
            requested: self.session.length.unwrap_or(DEFAULT_LENGTH),
            principal: Principal {
                account_id: account_id.map(str::to_owned),
                assumed_role_arn: issued.assumed_role_arn,
                on_behalf_of: None,
                endpoint: Some(self.endpoint),
                feature: Some(feature),
            },
        }
    }

    fn without_answer(self, reason: Reason, text: Option<String>) -> Box<ExchangeFailure> {
        let (endpoint, role_arn) = (&self.endpoint, &self.session.role_arn);
        let what = match reason {
            Reason::NotSent | Reason::NoHttpClient => "nothing could be sent to",
            Reason::NoConnection(NoConnection::NoCertificates | NoConnection::NoThread) => "nothing could be sent to",
            _ => "no answer from",
        };
        let message = match text {
            Some(text) => {
                let why = printable(text.trim_end_matches('.'), self.authentication.secret(), 512);
                format!("{what} STS at {endpoint} for {role_arn}: {why}")
            }
            None => {
                let (limit, whole) = (self.limit, self.client.attempt_timeout);
                let mut message = format!("{what} STS at {endpoint} for {role_arn} within {}", in_words(limit));
                if limit + Duration::from_secs(1) < whole {
                    message += &format!("; the rest of {} passed before the request", in_words(whole));
                }
                message
            }
        };
        Box::new(self.failure(reason, message))
    }

    fn failure(&self, reason: Reason, message: String) -> ExchangeFailure {
        ExchangeFailure::new(reason, message, &self.endpoint, &self.client.region)
    }
}

/// The account of an assumed role. Other servers leave the field empty, or name a tenant there.
fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_request_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(plain)
}

/// STS's default for `DurationSeconds`.
const DEFAULT_LENGTH: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_types::region::Region;
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;
    use crate::error::ErrorKind;
    use crate::refresh::Class;
    use crate::sts::config::EndpointConfig;
    use crate::sts::request::ChainSettings;
    use crate::sts::testing::{
        DATE, JWT, Log, NOW, ROLE, SECRET, SESSION, Server, Then, config, http, session, success, xml,
    };

    async fn exchange(reply: impl Into<Vec<u8>>) -> Result<Grant, Box<ExchangeFailure>> {
        let server = Server::start(reply, Then::Close).await;
        StsClient::of(&config(&server.url)).exchange(&session(ROLE), &token(Some(at(NOW - 60))), LIMIT).await
    }

    async fn failure(reply: impl Into<Vec<u8>>) -> Box<ExchangeFailure> {
        exchange(reply).await.err().expect("a failure")
    }

    const LIMIT: Duration = Duration::from_secs(60);

    fn token(expires_at: Option<SystemTime>) -> Authentication<'static> {
        Authentication::Token { jwt: JWT, expires_at, valid_from: None }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn aws_answer_becomes_a_grant() {
        let server = Server::start(http(200, DATE, &success()), Then::Close).await;
        let grant =
            StsClient::of(&config(&server.url)).exchange(&session(ROLE), &token(None), LIMIT).await.ok().unwrap();
        assert_eq!(grant.credentials.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(grant.credentials.secret_access_key(), SECRET);
        assert_eq!(grant.credentials.session_token(), Some(SESSION));
        assert_eq!(grant.credentials.expiry(), Some(at(NOW + 3600)));
        assert_eq!(grant.credentials.account_id().unwrap().as_str(), "123456789012");
        assert_eq!(grant.expiration, at(NOW + 3600));
        assert_eq!(grant.date, Some(at(NOW)));
        assert_eq!(grant.requested, Duration::from_secs(3600));
        let Principal { assumed_role_arn, account_id, endpoint, .. } = grant.principal;
        assert_eq!(assumed_role_arn.unwrap(), "arn:aws:sts::123456789012:assumed-role/app/pod-1");
        assert_eq!(account_id.unwrap(), "123456789012");
        assert_eq!(endpoint.unwrap(), server.url);
    }

    #[tokio::test]
    async fn p9_token_is_sent_in_the_body_only() {
        let server = Server::start(http(200, "", &success()), Then::Close).await;
        let session = Session {
            length: Some(Duration::from_secs(900)),
            policy: Some("{}".to_owned()),
            policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()],
            ..session(ROLE)
        };
        let grant = StsClient::of(&config(&server.url)).exchange(&session, &token(None), LIMIT).await.ok().unwrap();
        assert_eq!(grant.requested, Duration::from_secs(900));
        let asked = server.asked.lock().unwrap();
        let [request] = asked.as_slice() else { panic!("{} requests", asked.len()) };
        let request = str::from_utf8(request).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        assert!(!head.contains(JWT), "{head}");
        assert_eq!(
            body,
            format!(
                "Action=AssumeRoleWithWebIdentity&Version=2011-06-15\
                 &RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fapp&RoleSessionName=pod-1&WebIdentityToken={JWT}\
                 &PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess&Policy=%7B%7D\
                 &DurationSeconds=900"
            )
        );
    }

    #[tokio::test]
    async fn assume_role_is_signed_and_its_answer_read() {
        let body = success().replace("AssumeRoleWithWebIdentity", "AssumeRole");
        let server = Server::start(http(200, DATE, &body), Then::Close).await;
        let signer =
            Credentials::new("ASIABASE", "BASESECRETCANARY", Some("BASESESSIONCANARY".to_owned()), None, "test");
        let settings = ChainSettings {
            external_id: Some("orders".to_owned()),
            tags: [("Team", "data lake"), ("stage", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            transitive_tag_keys: vec!["Team".to_owned()],
            source_identity: Some("jane".to_owned()),
        };
        let authentication = Authentication::Credentials { credentials: &signer, settings: &settings };
        let grant =
            StsClient::of(&config(&server.url)).exchange(&session(ROLE), &authentication, LIMIT).await.ok().unwrap();
        assert_eq!((grant.credentials.access_key_id(), grant.date), ("ASIAEXAMPLE", Some(at(NOW))));
        let request = String::from_utf8(server.asked.lock().unwrap().pop().unwrap()).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("authorization: aws4-hmac-sha256 credential=asiabase/"), "{head}");
        let sent = "&Tags.member.1.Key=Team&Tags.member.1.Value=data%20lake&Tags.member.2.Key=stage&Tags.member.2.Value=\
                    &TransitiveTagKeys.member.1=Team&ExternalId=orders&SourceIdentity=jane";
        assert!(body.starts_with("Action=AssumeRole&") && body.ends_with(sent), "{body}");
        assert!(!request.contains("BASESECRETCANARY"));
    }

    #[tokio::test]
    async fn p9_session_token_is_not_echoed() {
        let signer = Credentials::new("ASIABASE", SECRET, Some(SESSION.to_owned()), None, "test");
        let settings = ChainSettings::default();
        let authentication = Authentication::Credentials { credentials: &signer, settings: &settings };
        for (code, reason) in [
            ("ExpiredToken", Reason::KeyRejected),
            ("InvalidClientTokenId", Reason::KeyRejected),
            ("AccessDenied", Reason::RoleDenied),
            ("ValidationError", Reason::Setting),
        ] {
            let server = Server::start(xml("", 403, code, &format!("sent {SESSION}")), Then::Close).await;
            let failure = StsClient::of(&config(&server.url))
                .exchange(&session(ROLE), &authentication, LIMIT)
                .await
                .err()
                .unwrap();
            assert_eq!(failure.reason, reason);
            assert!(failure.message.contains("sent [redacted]"), "{}", failure.message);
        }
    }

    #[tokio::test]
    async fn ceph_answer_becomes_a_grant() {
        // Ceph sends no namespace, no metadata, nine decimals, no account, and no Date.
        let body = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>system:serviceaccount:ns:app</SubjectFromWebIdentityToken><Audience>sts.amazonaws.com</Audience><AssumedRoleUser><Arn>arn:aws:sts:::assumed-role/app/pod-1</Arn><AssumeRoleId>x:pod-1</AssumeRoleId></AssumedRoleUser><Credentials><AccessKeyId>KEY</AccessKeyId><Expiration>2030-01-01T01:00:00.123456789Z</Expiration><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{SESSION}</SessionToken></Credentials><Provider>issuer.example.com</Provider><PackedPolicySize>0</PackedPolicySize></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#
        );
        let grant = exchange(http(200, "Content-Type: application/xml\r\n", &body)).await.ok().unwrap();
        assert_eq!(grant.expiration, at(NOW + 3600) + Duration::from_nanos(123_456_789));
        assert_eq!(grant.date, None);
        assert_eq!(grant.principal.assumed_role_arn.as_deref(), Some("arn:aws:sts:::assumed-role/app/pod-1"));
        assert_eq!(grant.principal.account_id, None);
        assert!(grant.credentials.account_id().is_none());

        let of_nobody = format!("arn:{}", "x".repeat(2045));
        for arn in ["urn:of:somebody", "arn:aws:sts:: with a space", &of_nobody] {
            let body = body.replace("arn:aws:sts:::assumed-role/app/pod-1", arn);
            let grant = exchange(http(200, "", &body)).await.ok().unwrap();
            assert_eq!(grant.principal.assumed_role_arn, None, "{arn:.40}");
        }

        let offset = success().replace("2030-01-01T01:00:00Z", "2030-01-01T03:00:00+02:00");
        let grant = exchange(http(200, "", &offset)).await.ok().unwrap();
        assert_eq!(grant.expiration, at(NOW + 3600));
    }

    #[tokio::test]
    async fn p7_date_from_a_cache_is_ignored() {
        let grant = exchange(http(200, &format!("{DATE}Age: 1\r\n"), &success())).await.ok().unwrap();
        assert_eq!(grant.date, None);
        let grant = exchange(http(200, "Date: yesterday\r\n", &success())).await.ok().unwrap();
        assert_eq!(grant.date, None);
    }

    #[tokio::test]
    async fn failure_keeps_code_message_and_request_id() {
        let failure =
            failure(xml("", 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")).await;
        assert_eq!(failure.reason, Reason::RoleDenied);
        assert_eq!(failure.code.as_deref(), Some("AccessDenied"));
        assert_eq!(failure.request_id.as_deref(), Some("7c41e222-d77b-4402-a75c-057740452593"));
        assert_eq!(failure.retry_after, None);
        assert_eq!(
            failure.message.replace(&failure.endpoint, "ENDPOINT"),
            "STS at ENDPOINT answered AccessDenied (HTTP 403) for arn:aws:iam::123456789012:role/app: \
             \"Not authorized to perform sts:AssumeRoleWithWebIdentity\""
        );
    }

    #[tokio::test]
    async fn ceph_error_is_read() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message></Message>\
                    <RequestId>tx0000001ce47ed146f5502-006b04c53f-1016-default</RequestId>\
                    <HostId>1016-default-default</HostId></Error>";
        let answer = failure(http(403, "Content-Type: application/xml\r\n", body)).await;
        assert_eq!(answer.reason, Reason::RoleDenied);
        assert_eq!(answer.request_id.as_deref(), Some("tx0000001ce47ed146f5502-006b04c53f-1016-default"));
        assert_eq!(
            answer.message.replace(&answer.endpoint, "ENDPOINT"),
            "STS at ENDPOINT answered AccessDenied (HTTP 403) for arn:aws:iam::123456789012:role/app"
        );
        let answer = failure(http(400, "x-amz-request-id: from-the-head\r\n", "<Error><Code>Odd</Code></Error>")).await;
        assert_eq!(answer.reason, Reason::UnknownCode);
        assert_eq!(answer.request_id.as_deref(), Some("from-the-head"));
    }

    #[tokio::test]
    async fn throttling_comes_as_400_with_retry_after() {
        for (header, seconds) in [
            ("", None),
            ("Retry-After: 7\r\n", Some(7)),
            ("x-amz-retry-after: 3000\r\nRetry-After: 7\r\n", Some(3)),
            (&format!("{DATE}Retry-After: Tue, 01 Jan 2030 00:01:30 GMT\r\n"), Some(90)),
            (&format!("{DATE}Retry-After: Mon, 31 Dec 2029 00:00:00 GMT\r\n"), None),
            ("Retry-After: soon\r\n", None),
            ("Retry-After: 18446744073709551615\r\n", Some(86_400)),
        ] {
            let failure = failure(xml(header, 400, "Throttling", "Rate exceeded")).await;
            assert_eq!(failure.reason, Reason::Throttled, "{header}");
            assert_eq!(failure.retry_after, seconds.map(Duration::from_secs), "{header}");
        }
    }

    #[tokio::test]
    async fn retry_after_is_read_from_any_answer() {
        let header = "Retry-After: 30\r\n";
        for reply in [
            xml(header, 503, "ServiceUnavailable", ""),
            xml(header, 500, "InternalFailure", ""),
            xml(header, 403, "AccessDenied", ""),
            xml(header, 400, "ValidationError", ""),
            xml(header, 400, "ExpiredTokenException", ""),
            xml(header, 400, "IDPCommunicationError", ""),
            http(502, header, "<html>"),
            http(200, header, "<html>"),
            http(200, header, &success().replace(SECRET, "")),
            http(200, header, &success()).split_once("<Provider>").unwrap().0.to_owned(),
        ] {
            let failure = failure(reply).await;
            let engine_failure = failure.into_failure(String::new());
            assert_eq!(engine_failure.retry_after, Some(Duration::from_secs(30)), "{}", engine_failure.error);
        }
    }

    #[tokio::test]
    async fn early_token_is_an_outage() {
        for (ahead, date, reason) in
            [(1, DATE, Reason::TooEarly), (0, DATE, Reason::RoleDenied), (60, "", Reason::RoleDenied)]
        {
            let server = Server::start(xml(date, 403, "AccessDenied", ""), Then::Close).await;
            let authentication =
                Authentication::Token { jwt: JWT, expires_at: None, valid_from: Some(at(NOW + ahead)) };
            let failure = StsClient::of(&config(&server.url))
                .exchange(&session(ROLE), &authentication, LIMIT)
                .await
                .err()
                .unwrap();
            assert_eq!(failure.reason, reason, "{ahead} {date}");
            assert_eq!(failure.clock_off.is_some(), !date.is_empty());
        }
    }

    #[tokio::test]
    async fn each_answer_has_its_class_and_kind() {
        let html = |status| http(status, "Content-Type: text/html\r\n", "<!doctype html><p>Bad <b>gateway");
        let cut = success().split_once("</Credentials>").unwrap().0.to_owned();
        let without = |from: &str| http(200, "", &success().replace(from, ""));
        let long = http(200, "", &success().replace("<Audience>", &format!("<Audience>{}", "x".repeat(64 * 1024))));
        for (name, reply, class, kind) in [
            ("fault", xml("", 500, "InternalFailure", ""), Class::Outage, ErrorKind::ServiceUnavailable),
            ("proxy", html(502), Class::Outage, ErrorKind::ServiceUnavailable),
            ("proxy throttles", html(429), Class::Throttled, ErrorKind::Throttled),
            ("issuer", xml("", 400, "IDPCommunicationError", ""), Class::Outage, ErrorKind::ServiceUnavailable),
            ("expired", xml("", 400, "ExpiredTokenException", ""), Class::BadInput, ErrorKind::TokenRejected),
            ("claim", xml("", 403, "IDPRejectedClaim", ""), Class::BadInput, ErrorKind::TokenRejected),
            ("text", xml("", 400, "InvalidIdentityToken", "New"), Class::Unclear, ErrorKind::TokenRejected),
            ("denied", xml("", 403, "AccessDenied", ""), Class::NotYetKnown, ErrorKind::RoleDenied),
            ("exp passed", xml(DATE, 403, "AccessDenied", ""), Class::BadInput, ErrorKind::TokenRejected),
            (
                "region",
                xml("", 403, "RegionDisabledException", ""),
                Class::Misconfigured,
                ErrorKind::InvalidConfiguration,
            ),
            ("portal", html(200), Class::Unclear, ErrorKind::Unexpected),
            ("firewall", html(403), Class::Unclear, ErrorKind::Unexpected),
            ("json", http(400, "", "{\"__type\":\"AccessDenied\"}"), Class::NotYetKnown, ErrorKind::RoleDenied),
            ("redirect", http(302, "Location: http://127.0.0.1:1/\r\n", ""), Class::Unclear, ErrorKind::Unexpected),
            ("empty", http(200, "", ""), Class::Unclear, ErrorKind::Unexpected),
            ("other xml", http(200, "", "<ListAllMyBucketsResult/>"), Class::Unclear, ErrorKind::Unexpected),
            ("cut", http(200, "", &cut), Class::Unclear, ErrorKind::Unexpected),
            ("no key", without("ASIAEXAMPLE"), Class::Unclear, ErrorKind::Unexpected),
            ("no secret", without(SECRET), Class::Unclear, ErrorKind::Unexpected),
            ("no session token", without(SESSION), Class::Unclear, ErrorKind::Unexpected),
            ("no expiration", without("2030-01-01T01:00:00Z"), Class::Unclear, ErrorKind::Unexpected),
            ("1970", http(200, "", &success().replace("2030", "1970")), Class::Unclear, ErrorKind::Unexpected),
            ("too long", long, Class::Unclear, ErrorKind::Unexpected),
            ("garbage", "garbage\r\n\r\n".to_owned(), Class::Outage, ErrorKind::ServiceUnavailable),
            ("nothing", String::new(), Class::Outage, ErrorKind::ServiceUnavailable),
            ("half", success()[..80].to_owned(), Class::Outage, ErrorKind::ServiceUnavailable),
            (
                "half a body",
                http(200, "", &success()).split_once("<Provider>").unwrap().0.to_owned(),
                Class::Outage,
                ErrorKind::ServiceUnavailable,
            ),
            (
                "cut error",
                http(400, "", "<ErrorResponse><Error><Code>Access"),
                Class::Outage,
                ErrorKind::ServiceUnavailable,
            ),
        ] {
            let failure = failure(reply).await;
            assert_eq!((failure.reason.class(), failure.reason.kind()), (class, kind), "{name}: {failure:?}");
        }
    }

    #[tokio::test]
    async fn p12_foreign_answer_is_described() {
        for (reply, message) in [
            (
                http(200, "Content-Type: text/html\r\nServer: portal\r\n", "<html>\r\n<title>Sign in</title>"),
                "ENDPOINT does not answer as STS does: HTTP 200 from \"portal\", text/html, an HTML page: \"Sign in\"",
            ),
            (
                http(307, "Location: https://elsewhere.example.com/\r\n", ""),
                "ENDPOINT does not answer as STS does: HTTP 307, no content type, a redirect: \
                 \"https://elsewhere.example.com\"",
            ),
            (
                http(400, "Content-Type: application/json\r\n", &format!("{{\"message\": \"you sent {JWT}\"}}")),
                "ENDPOINT does not answer as STS does: HTTP 400, application/json, JSON: \"you sent [redacted]\"",
            ),
            (
                http(400, "Content-Type: text/plain\r\n", &"a ".repeat(32 * 1024 + 1)),
                "ENDPOINT does not answer as STS does: HTTP 400, text/plain, more than 64 KiB: \"a a a a a a a a a a \
                 a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a …\"",
            ),
            (
                http(200, "Content-Encoding: gzip\r\n", "x"),
                "the answer of ENDPOINT (HTTP 200) for arn:aws:iam::123456789012:role/app was not read: it is compressed or \
                 encoded (gzip), which the request does not allow",
            ),
            (
                http(200, "", &success().replace(SESSION, "")),
                "the credentials from ENDPOINT for arn:aws:iam::123456789012:role/app cannot be used: the answer has no session token",
            ),
        ] {
            let failure = failure(reply).await;
            assert_eq!(failure.message.replace(&failure.endpoint, "ENDPOINT"), message);
        }
    }

    #[tokio::test]
    async fn failed_connection_is_an_outage() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let failure = StsClient::of(&config(&format!("http://{closed}/?a=b")))
            .exchange(&session(ROLE), &token(None), LIMIT)
            .await
            .err()
            .unwrap();
        assert_eq!(failure.reason, Reason::NoConnection(NoConnection::Unreachable));
        assert!(failure.message.contains("onnection refused"), "{}", failure.message);
        assert_eq!(failure.endpoint, format!("http://{closed}"));

        let server = Server::start("", Then::Reset).await;
        let failure =
            StsClient::of(&config(&server.url)).exchange(&session(ROLE), &token(None), LIMIT).await.err().unwrap();
        assert_eq!(failure.reason, Reason::NoConnection(NoConnection::Unreachable), "{}", failure.message);

        // The server does not speak TLS.
        let server = Server::start("", Then::Reset).await;
        let url = server.url.replace("http:", "https:");
        let failure = StsClient::of(&config(&url)).exchange(&session(ROLE), &token(None), LIMIT).await.err().unwrap();
        assert_eq!(failure.reason, Reason::NoConnection(NoConnection::Unreachable), "{}", failure.message);

        let failure = StsClient::of(&config("http://no-such-host.invalid"))
            .exchange(&session(ROLE), &token(None), LIMIT)
            .await
            .err()
            .unwrap();
        assert_eq!(failure.reason, Reason::NoConnection(NoConnection::Unreachable), "{}", failure.message);
    }

    #[tokio::test]
    async fn error_of_users_http_client_is_understood() {
        let with_error = |error: fn() -> ConnectorError| {
            let mut config = config("https://sts.example.com");
            config.http_client = Some(http_client_fn(move |_, _| SharedHttpConnector::new(Failing(error))));
            async move { StsClient::of(&config).exchange(&session(ROLE), &token(None), LIMIT).await.err().unwrap() }
        };
        let failure = with_error(|| ConnectorError::io("invalid peer certificate: UnknownIssuer".into())).await;
        assert_eq!(failure.reason, Reason::NoConnection(NoConnection::CertificateAuthority));
        assert_eq!(
            failure.message,
            "no answer from STS at https://sts.example.com for arn:aws:iam::123456789012:role/app: invalid peer \
             certificate: UnknownIssuer"
        );
        // The text of the SDK's orchestrator.
        let error = || ConnectorError::other("No HTTP client was available to send this request. Enable".into(), None);
        let failure = with_error(error).await;
        assert_eq!((failure.reason, failure.reason.kind()), (Reason::NoHttpClient, ErrorKind::InvalidConfiguration));
        assert!(failure.message.starts_with("nothing could be sent to STS at https://sts.ex"), "{}", failure.message);
        let failure = with_error(|| ConnectorError::timeout("HTTP connect timeout occurred after 2s".into())).await;
        assert_eq!((failure.reason, failure.reason.kind()), (Reason::NoAnswer, ErrorKind::TimedOut));
        let failure = with_error(|| ConnectorError::io(format!("proxy says {JWT}").into())).await;
        assert_eq!(failure.reason, Reason::NoConnection(NoConnection::Unreachable));
        assert!(failure.message.ends_with("proxy says [redacted]"), "{}", failure.message);
    }

    #[derive(Debug)]
    struct Failing(fn() -> ConnectorError);

    impl HttpConnector for Failing {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::ready(Err(self.0()))
        }
    }

    #[tokio::test]
    async fn hanging_server_times_out() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<Ass";
        for reply in ["", "HTTP/1.1 200 OK\r\n", head] {
            let server = Server::start(reply, Then::Hang).await;
            let mut config = config(&server.url);
            config.attempt_timeout = Duration::from_millis(200);
            let sts = StsClient::of(&config);
            // The test must fail, not hang.
            let exchange =
                timeout(Duration::from_secs(60), sts.exchange(&session(ROLE), &token(None), config.attempt_timeout))
                    .await;
            let failure = exchange.expect("given up").err().unwrap();
            assert_eq!((failure.reason, failure.reason.kind()), (Reason::NoAnswer, ErrorKind::TimedOut));
            // The SDK's timeout and ours are equal, so either may come first.
            let start = format!("no answer from STS at {} for {ROLE}", server.url);
            assert!(failure.message.starts_with(&start), "{reply:?}: {}", failure.message);
        }
    }

    #[tokio::test]
    async fn impossible_endpoint_is_a_setting() {
        for url in ["nonsense", "http://[::1"] {
            let failure =
                StsClient::of(&config(url)).exchange(&session(ROLE), &token(None), LIMIT).await.err().unwrap();
            assert_eq!(failure.reason, Reason::NotSent, "{}", failure.message);
        }
        let mut config = config("");
        config.home = EndpointConfig { region: Region::new("not a region"), endpoint_url: None };
        let failure = StsClient::of(&config).exchange(&session(ROLE), &token(None), LIMIT).await.err().unwrap();
        assert_eq!(failure.reason, Reason::NotSent, "{}", failure.message);
    }

    #[tokio::test]
    async fn p9_logs_and_errors_hold_no_secret() {
        let (log, guard) = Log::capture();
        let echo =
            format!("<Error><Code>{JWT}</Code><Message>sent {JWT}</Message><RequestId>{JWT}</RequestId></Error>");
        let cut = http(200, "", success().split_once("</Credentials>").unwrap().0);
        let broken = http(200, "", &success()).split_once("<Provider>").unwrap().0.to_owned();
        let foreign = format!("<Other><A>{SECRET}</A><SessionToken>{SESSION}</SessionToken></Other>");
        for (reply, then) in [
            (http(200, "", &success()), Then::Close),
            (http(400, "", &echo), Then::Close),
            (http(400, "", JWT), Then::Close),
            (cut, Then::Close),
            (broken, Then::Close),
            (http(200, "", &foreign), Then::Close),
            (http(403, "", &success()), Then::Close),
            (JWT.to_owned(), Then::Close),
            (String::new(), Then::Reset),
            (String::new(), Then::Hang),
        ] {
            let server = Server::start(reply, then).await;
            let mut config = config(&server.url);
            if matches!(then, Then::Hang) {
                config.attempt_timeout = Duration::from_millis(200);
            }
            let sts = StsClient::of(&config);
            match sts.exchange(&session(ROLE), &token(None), LIMIT).await {
                Ok(grant) => log.add(&format!("{:?}", grant.credentials)),
                Err(failure) => log.add(&format!("{failure:?} {failure:#?} {}", failure.message)),
            }
        }
        drop(guard);
        // Headers are tested without the log: the SDK logs them before this crate sees them.
        let header = format!("Content-Type: {JWT}\r\nx-amzn-requestid: {JWT}\r\n");
        log.add(&format!("{:?}", failure(http(400, &header, "")).await));
        let log = log.text();
        assert!(log.contains("transmitting request"), "the log was not captured: {} bytes", log.len());
        for secret in [JWT, SECRET, SESSION, "eyJ0b2tlbiI6ImNhbmFyeSJ9", "c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnk"] {
            let at = log.find(secret).map(|at| &log[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "{secret} was printed");
        }
    }

    /// Random bytes, STS's own answers with changed or missing bytes, and sequences of tags.
    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let error = || xml("", 400, "AccessDenied", "No").split_once("\r\n\r\n").unwrap().1.to_owned();
        let whole = prop_oneof![Just(success()), Just(error())].prop_map(String::into_bytes);
        let spliced = (whole, any::<prop::sample::Index>(), 0..40usize, prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(mut body, at, gone, new)| {
                let at = at.index(body.len());
                let end = body.len().min(at + gone);
                drop(body.splice(at..end, new));
                body
            });
        let cut = any::<prop::sample::Index>().prop_map(|at| {
            let body = success().into_bytes();
            body[..at.index(body.len())].to_vec()
        });
        let tags = prop::collection::vec(
            prop::sample::select(vec![
                "<AssumeRoleWithWebIdentityResponse>",
                "</AssumeRoleWithWebIdentityResponse>",
                "<AssumeRoleWithWebIdentityResult>",
                "<Credentials>",
                "</Credentials>",
                "<AccessKeyId>",
                "<SecretAccessKey>",
                "</SecretAccessKey>",
                "<SessionToken/>",
                "<Expiration>2030-01-01T00:00:00Z</Expiration>",
                "<ErrorResponse>",
                "</ErrorResponse>",
                "<Error>",
                "</Error>",
                "<Code>Throttling</Code>",
                "<Code a='",
                "<!--",
                "-->",
                "<![CDATA[",
                "]]>",
                "&amp;",
                "&#0;",
                "<?xml version='1.0'?>",
                "<!DOCTYPE a [",
                "text",
            ]),
            0..12,
        );
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            spliced,
            cut,
            tags.prop_map(|tags| tags.concat().into_bytes())
        ]
    }

    proptest! {
        #[test]
        fn any_answer_gives_whole_grant_or_failure(body in bodies(), status in 100..600u16) {
            let sts = StsClient::of(&config("http://127.0.0.1:1"));
            let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.clone()));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            match runtime.block_on(sts.interpret(&session(ROLE), &token(None), response)) {
                Ok(grant) => {
                    prop_assert!((200..300).contains(&status));
                    prop_assert!(String::from_utf8_lossy(&body).contains("</AssumeRoleWithWebIdentityResponse"));
                    let keys = grant.credentials;
                    prop_assert!(!keys.access_key_id().is_empty());
                    prop_assert!(!keys.secret_access_key().is_empty());
                    prop_assert!(!keys.session_token().unwrap_or_default().is_empty());
                    prop_assert!(grant.expiration > at(1_420_000_000));
                    prop_assert!(grant.principal.account_id.is_none_or(|id| id.len() == 12));
                }
                Err(failure) => {
                    prop_assert!(!failure.message.is_empty() && failure.message.len() < 4096);
                    prop_assert!(!failure.message.contains(SECRET) && !failure.message.contains(SESSION));
                }
            }
        }
    }
}
