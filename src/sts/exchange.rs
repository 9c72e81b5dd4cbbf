//! One exchange: what proves who asks for credentials, or the reason why not.
//!
//! The SDK's client makes the request: endpoint rules, FIPS, dual stack, the user's HTTP client and TLS. The answer is
//! ours to read: an interceptor takes it away before the SDK deserializes it, so that a cut body is not taken for a
//! whole one, errors in any shape keep their text, no more than 64 KiB are read, and no `SdkError` ever holds keys.

use std::fmt;
use std::mem;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::IdentityCache;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_async::time::SharedTimeSource;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Foreign, Granted, Says};
use super::client;
use super::config::{ChainSettings, Session, Site, StsConfig};
use super::no_answer;
use super::proof::Proof;
use super::reason::Reason;
use super::refusal::Refusal;
use super::tap::{Tap, address};
use crate::error::in_words;
use crate::key_error_codes::clock_off;
use crate::refresh::{Grant, Principal};
use crate::scrub::printable;

/// An STS. Clones share its client, and so its connections.
#[derive(Clone)]
pub(crate) struct Sts {
    client: Client,
    /// Its name before a request has shown its address.
    place: String,
    region: String,
    timeout: Duration,
    time: SharedTimeSource,
}

impl Sts {
    /// At home.
    pub(crate) fn new(config: &StsConfig) -> Self {
        Self::at(config, &config.home)
    }

    /// Elsewhere, but for that as at home.
    pub(crate) fn at(config: &StsConfig, site: &Site) -> Self {
        let place = site.endpoint_url.as_deref().map_or_else(|| format!("region {}", site.region), address);
        Self {
            client: client::of(config, site),
            place,
            region: site.region.to_string(),
            timeout: config.attempt_timeout,
            time: config.time_source.clone(),
        }
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.timeout
    }

    /// Its name before a request has shown its address.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// One exchange, which ends by `until`.
    pub(crate) async fn exchange(
        &self,
        session: &Session,
        proof: &Proof<'_>,
        until: Instant,
    ) -> Result<Grant, Box<Refusal>> {
        let tap = Tap::default();
        let exchange = Exchange { sts: self, session, proof, tap: &tap };
        let asked = async {
            let sent = exchange.send().await;
            // Whatever the SDK made of the shell that it was left with, this is the answer.
            match tap.answer() {
                Some(response) => Ok(Answer::read(response, self.time.now()).await),
                None => Err(sent.err().unwrap_or_else(|| exchange.late())),
            }
        };
        // The SDK's own timeouts end with the head of an answer.
        match timeout_at(until, asked).await {
            Ok(answer) => exchange.judge(&answer?, &exchange.endpoint()),
            Err(_) => Err(exchange.late()),
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Sts {
    /// As if this answer had come.
    pub(crate) async fn judge(
        &self,
        session: &Session,
        proof: &Proof<'_>,
        response: aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    ) -> Result<Grant, Box<Refusal>> {
        let answer = Answer::read(response, self.time.now()).await;
        Exchange { sts: self, session, proof, tap: &Tap::default() }.judge(&answer, &self.place)
    }
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own is pages long.
        f.debug_struct("Sts").field("place", &self.place).finish_non_exhaustive()
    }
}

struct Exchange<'a> {
    sts: &'a Sts,
    session: &'a Session,
    proof: &'a Proof<'a>,
    tap: &'a Tap,
}

impl Exchange<'_> {
    async fn send(&self) -> Result<(), Box<Refusal>> {
        let Session { role_arn, name, length, policy, policy_arns } = self.session;
        let seconds = length.map(|length| length.as_secs().try_into().unwrap_or(i32::MAX));
        let arns = policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build());
        let arns = unless_empty(arns.collect());
        match self.proof {
            Proof::Token { jwt, .. } => {
                let call = self.sts.client.assume_role_with_web_identity().role_arn(role_arn).role_session_name(name);
                let call = call.set_duration_seconds(seconds).set_policy(policy.clone()).set_policy_arns(arns);
                let call = call.web_identity_token(*jwt).customize().interceptor(self.tap.clone());
                self.unless_sent(call.send().await)
            }
            Proof::Credentials { credentials, settings } => {
                let ChainSettings { external_id, tags, transitive_tag_keys, source_identity } = settings;
                // Nothing is lost: a tag fails for want of a key or a value alone.
                let tags = tags.iter().flat_map(|(key, value)| Tag::builder().key(key).value(value).build());
                let call = self.sts.client.assume_role().role_arn(role_arn).role_session_name(name);
                let call = call.set_duration_seconds(seconds).set_policy(policy.clone()).set_policy_arns(arns);
                let call = call.set_external_id(external_id.clone()).set_source_identity(source_identity.clone());
                let call = call.set_tags(unless_empty(tags.collect()));
                let call = call.set_transitive_tag_keys(unless_empty(transitive_tag_keys.clone()));
                let signer = aws_sdk_sts::config::Builder::new()
                    .credentials_provider((*credentials).clone())
                    .identity_cache(IdentityCache::no_cache());
                let call = call.customize().config_override(signer).interceptor(self.tap.clone());
                self.unless_sent(call.send().await)
            }
        }
    }

    fn judge(&self, answer: &Answer, endpoint: &str) -> Result<Grant, Box<Refusal>> {
        let (secret, role_arn) = (self.proof.secret(), &self.session.role_arn);
        let sent = self.proof.sent(answer.date);
        let status = answer.status;
        let says = answer.says();
        let mut request_id = answer.request_id.clone();
        let mut refused_code = None;
        let (reason, message) = match says {
            Says::Granted(granted) => return Ok(self.grant(granted, answer, endpoint)),
            Says::Refused { code, message, request_id: id } => {
                let reason = Reason::of_code(&code, &message, status, sent);
                request_id = request_id.or(id);
                let code = printable(&code, secret, 128);
                let message = printable(&message, secret, 512);
                let said = if message.is_empty() { String::new() } else { format!(": \"{message}\"") };
                let text = format!("STS at {endpoint} answered {code} (HTTP {status}) for {role_arn}{said}");
                refused_code = Some(code);
                (reason, text)
            }
            Says::Broken(why) => {
                let reason = if status == 429 { Reason::Throttled } else { Reason::Broken };
                let why = printable(&why, secret, 256);
                (reason, format!("the answer of STS at {endpoint} (HTTP {status}) broke off: {why}"))
            }
            Says::BadGrant(why) => {
                let why = printable(&why, secret, 160);
                let text = format!("the credentials from {endpoint} for {role_arn} are not usable: the answer {why}");
                (Reason::BadGrant, text)
            }
            Says::Encoded(encoding) => {
                let encoding = printable(&encoding, secret, 40);
                let reason = Reason::of_status(status, sent);
                let text = format!(
                    "the answer of {endpoint} (HTTP {status}) for {role_arn} is compressed or encoded ({encoding}), which \
                     was not asked for, and so was not read"
                );
                (if reason == Reason::NotSts { Reason::Encoded } else { reason }, text)
            }
            Says::Foreign(Foreign { what, quote }) => {
                let kind = answer.content_type.as_deref().unwrap_or("no content type");
                let kind = printable(kind, secret, 80);
                let from = answer.server.as_deref().map(|server| printable(server, secret, 40));
                let from = from.map_or_else(String::new, |server| format!(" from {server:?}"));
                let quote = quote.map(|text| printable(&text, secret, 120)).filter(|text| !text.is_empty());
                let quote = quote.map_or_else(String::new, |text| format!(": {text:?}"));
                let login = if status == 407 { ", a proxy that wants a login" } else { "" };
                let text = format!(
                    "{endpoint} does not answer as STS does: HTTP {status}{from}{login}, {kind}, {what}{quote}"
                );
                (Reason::of_status(status, sent), text)
            }
        };
        Err(Box::new(Refusal {
            reason,
            message,
            endpoint: endpoint.to_owned(),
            region: self.sts.region.clone(),
            code: refused_code,
            request_id: request_id.filter(|id| is_request_id(id, secret)),
            retry_after: answer.retry_after,
            clock_off: answer.date.map(|date| clock_off(date, self.sts.time.now())),
        }))
    }

    fn grant(&self, mut granted: Granted, answer: &Answer, endpoint: &str) -> Grant {
        let account_id = granted.assumed_role_arn.as_deref().and_then(account);
        let mut credentials = Credentials::builder()
            // Moved, not copied: the SDK wipes them when they are dropped.
            .access_key_id(mem::take(&mut *granted.access_key_id))
            .secret_access_key(mem::take(&mut *granted.secret_access_key))
            .session_token(mem::take(&mut *granted.session_token))
            .expiry(granted.expiration)
            .provider_name(self.proof.provider_name());
        credentials.set_account_id(account_id.map(Into::into));
        Grant {
            credentials: credentials.build(),
            expiration: granted.expiration,
            date: answer.date,
            requested: self.session.length.unwrap_or(DEFAULT_SESSION),
            principal: Principal {
                account_id: account_id.map(str::to_owned),
                assumed_role_arn: granted.assumed_role_arn.clone(),
                endpoint: Some(endpoint.to_owned()),
                feature: Some(self.proof.feature()),
            },
        }
    }

    /// If there is no answer: nothing was sent, or nothing came back.
    fn unless_sent<O, E, R>(&self, sent: Result<O, SdkError<E, R>>) -> Result<(), Box<Refusal>> {
        let Err(error) = sent else { return Ok(()) };
        // The connector's error, or the text alone: the rest of an `SdkError` may print keys.
        let (reason, text) = match &error {
            SdkError::TimeoutError(_) => return Err(self.late()),
            SdkError::DispatchFailure(failure) => {
                failure.as_connector_error().map_or((Reason::Unreachable, error.to_string()), no_answer::reason)
            }
            _ => (Reason::Unreachable, error.to_string()),
        };
        let reason = if self.tap.endpoint().is_none() { Reason::NotSent } else { reason };
        let text = printable(text.trim_end_matches('.'), self.proof.secret(), 512);
        let what = match reason {
            Reason::NotSent | Reason::NoHttpClient | Reason::NoCertificates | Reason::NoThread => {
                "nothing could be sent to"
            }
            _ => "no answer from",
        };
        Err(self.refusal(reason, |endpoint| format!("{what} STS at {endpoint} for {}: {text}", self.session.role_arn)))
    }

    fn late(&self) -> Box<Refusal> {
        self.refusal(Reason::NoAnswer, |endpoint| {
            let within = in_words(self.sts.timeout);
            format!("no answer from STS at {endpoint} for {} within {within}", self.session.role_arn)
        })
    }

    fn refusal(&self, reason: Reason, message: impl FnOnce(&str) -> String) -> Box<Refusal> {
        let endpoint = self.endpoint();
        let message = message(&endpoint);
        let region = self.sts.region.clone();
        Box::new(Refusal {
            reason,
            message,
            endpoint,
            region,
            code: None,
            request_id: None,
            retry_after: None,
            clock_off: None,
        })
    }

    fn endpoint(&self) -> String {
        self.tap.endpoint().unwrap_or_else(|| self.sts.place.clone())
    }
}

/// An empty list would be sent as a parameter without a value.
fn unless_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// The account of an assumed role. Other servers leave it empty, or name a tenant.
fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_request_id(id: &str, secret: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    id.len() <= 128 && id.bytes().all(plain) && !id.is_empty() && printable(id, secret, id.len()) == id
}

/// What STS gives when it is not asked for a length.
const DEFAULT_SESSION: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_types::region::Region;
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;
    use crate::error::ErrorKind;
    use crate::refresh::Class;
    use crate::sts::answer::End;
    use crate::sts::testing::{
        DATE, JWT, Log, NOW, ROLE, SECRET, SESSION, Server, Then, config, http, session, success, xml,
    };

    async fn exchange(reply: impl Into<Vec<u8>>) -> Result<Grant, Box<Refusal>> {
        let server = Server::start(reply, Then::Close).await;
        Sts::new(&config(&server.url)).exchange(&session(ROLE), &token(Some(at(NOW - 60))), in_time()).await
    }

    async fn refusal(reply: impl Into<Vec<u8>>) -> Box<Refusal> {
        exchange(reply).await.err().expect("a refusal")
    }

    fn in_time() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn token(expires_at: Option<SystemTime>) -> Proof<'static> {
        Proof::Token { jwt: JWT, expires_at, valid_from: None }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn an_answer_of_sts_becomes_a_grant() {
        let server = Server::start(http(200, DATE, &success()), Then::Close).await;
        let grant =
            Sts::new(&config(&server.url)).exchange(&session(ROLE), &token(None), in_time()).await.ok().unwrap();
        assert_eq!(grant.credentials.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(grant.credentials.secret_access_key(), SECRET);
        assert_eq!(grant.credentials.session_token(), Some(SESSION));
        assert_eq!(grant.credentials.expiry(), Some(at(NOW + 3600)));
        assert_eq!(grant.credentials.account_id().unwrap().as_str(), "123456789012");
        assert_eq!(grant.expiration, at(NOW + 3600));
        assert_eq!(grant.date, Some(at(NOW)));
        assert_eq!(grant.requested, Duration::from_secs(3600));
        let Principal { assumed_role_arn, account_id, endpoint, feature: _ } = grant.principal;
        assert_eq!(assumed_role_arn.unwrap(), "arn:aws:sts::123456789012:assumed-role/app/pod-1");
        assert_eq!(account_id.unwrap(), "123456789012");
        assert_eq!(endpoint.unwrap(), server.url);
    }

    #[tokio::test]
    async fn p9_the_request_is_a_post_with_the_token_in_its_body_only() {
        let server = Server::start(http(200, "", &success()), Then::Close).await;
        let session = Session {
            length: Some(Duration::from_secs(900)),
            policy: Some("{}".to_owned()),
            policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()],
            ..session(ROLE)
        };
        let grant = Sts::new(&config(&server.url)).exchange(&session, &token(None), in_time()).await.ok().unwrap();
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
    async fn a_role_is_assumed_with_a_signed_request_and_its_answer_read_alike() {
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
        let proof = Proof::Credentials { credentials: &signer, settings: &settings };
        let grant = Sts::new(&config(&server.url)).exchange(&session(ROLE), &proof, in_time()).await.ok().unwrap();
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
    async fn p9_a_session_token_is_not_echoed() {
        let signer = Credentials::new("ASIABASE", SECRET, Some(SESSION.to_owned()), None, "test");
        let settings = ChainSettings::default();
        let proof = Proof::Credentials { credentials: &signer, settings: &settings };
        for (code, reason) in [
            ("ExpiredToken", Reason::KeyRejected),
            ("InvalidClientTokenId", Reason::KeyRejected),
            ("AccessDenied", Reason::RoleDenied),
            ("ValidationError", Reason::Setting),
        ] {
            let server = Server::start(xml("", 403, code, &format!("sent {SESSION}")), Then::Close).await;
            let refused =
                Sts::new(&config(&server.url)).exchange(&session(ROLE), &proof, in_time()).await.err().unwrap();
            assert_eq!(refused.reason, reason);
            assert!(refused.message.contains("sent [redacted]"), "{}", refused.message);
        }
    }

    #[tokio::test]
    async fn the_answer_of_another_server_becomes_a_grant() {
        // Ceph: no namespace, no metadata, nine digits, no account, no Date.
        let body = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>system:serviceaccount:ns:app</SubjectFromWebIdentityToken><Audience>sts.amazonaws.com</Audience><AssumedRoleUser><Arn>arn:aws:sts:::assumed-role/app/pod-1</Arn><AssumeRoleId>x:pod-1</AssumeRoleId></AssumedRoleUser><Credentials><AccessKeyId>KEY</AccessKeyId><Expiration>2030-01-01T01:00:00.123456789Z</Expiration><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{SESSION}</SessionToken></Credentials><Provider>issuer.example.com</Provider><PackedPolicySize>0</PackedPolicySize></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#
        );
        let grant = exchange(http(200, "Content-Type: application/xml\r\n", &body)).await.ok().unwrap();
        assert_eq!(grant.expiration, at(NOW + 3600) + Duration::from_nanos(123_456_789));
        assert_eq!(grant.date, None);
        assert_eq!(grant.principal.assumed_role_arn.as_deref(), Some("arn:aws:sts:::assumed-role/app/pod-1"));
        assert_eq!(grant.principal.account_id, None);
        assert!(grant.credentials.account_id().is_none());

        let offset = success().replace("2030-01-01T01:00:00Z", "2030-01-01T03:00:00+02:00");
        let grant = exchange(http(200, "", &offset)).await.ok().unwrap();
        assert_eq!(grant.expiration, at(NOW + 3600));
    }

    #[tokio::test]
    async fn p7_a_date_from_a_cache_is_no_servers_clock() {
        let grant = exchange(http(200, &format!("{DATE}Age: 1\r\n"), &success())).await.ok().unwrap();
        assert_eq!(grant.date, None);
        let grant = exchange(http(200, "Date: yesterday\r\n", &success())).await.ok().unwrap();
        assert_eq!(grant.date, None);
    }

    #[tokio::test]
    async fn a_refusal_keeps_code_message_and_request_id() {
        let refusal =
            refusal(xml("", 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")).await;
        assert_eq!(refusal.reason, Reason::RoleDenied);
        assert_eq!(refusal.code.as_deref(), Some("AccessDenied"));
        assert_eq!(refusal.request_id.as_deref(), Some("7c41e222-d77b-4402-a75c-057740452593"));
        assert_eq!(refusal.retry_after, None);
        assert_eq!(
            refusal.message.replace(&refusal.endpoint, "ENDPOINT"),
            "STS at ENDPOINT answered AccessDenied (HTTP 403) for arn:aws:iam::123456789012:role/app: \
             \"Not authorized to perform sts:AssumeRoleWithWebIdentity\""
        );
    }

    #[tokio::test]
    async fn a_refusal_of_another_server_is_read_as_well() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message></Message>\
                    <RequestId>tx0000001ce47ed146f5502-006b04c53f-1016-default</RequestId>\
                    <HostId>1016-default-default</HostId></Error>";
        let answer = refusal(http(403, "Content-Type: application/xml\r\n", body)).await;
        assert_eq!(answer.reason, Reason::RoleDenied);
        assert_eq!(answer.request_id.as_deref(), Some("tx0000001ce47ed146f5502-006b04c53f-1016-default"));
        assert_eq!(
            answer.message.replace(&answer.endpoint, "ENDPOINT"),
            "STS at ENDPOINT answered AccessDenied (HTTP 403) for arn:aws:iam::123456789012:role/app"
        );
        let answer = refusal(http(400, "x-amz-request-id: from-the-head\r\n", "<Error><Code>Odd</Code></Error>")).await;
        assert_eq!(answer.reason, Reason::UnknownCode);
        assert_eq!(answer.request_id.as_deref(), Some("from-the-head"));
    }

    #[tokio::test]
    async fn throttling_comes_as_400_and_names_its_time() {
        for (header, seconds) in [
            ("", None),
            ("Retry-After: 7\r\n", Some(7)),
            ("x-amz-retry-after: 3000\r\nRetry-After: 7\r\n", Some(3)),
            (&format!("{DATE}Retry-After: Tue, 01 Jan 2030 00:01:30 GMT\r\n"), Some(90)),
            (&format!("{DATE}Retry-After: Mon, 31 Dec 2029 00:00:00 GMT\r\n"), None),
            ("Retry-After: soon\r\n", None),
            ("Retry-After: 18446744073709551615\r\n", Some(86_400)),
        ] {
            let refusal = refusal(xml(header, 400, "Throttling", "Rate exceeded")).await;
            assert_eq!(refusal.reason, Reason::Throttled, "{header}");
            assert_eq!(refusal.retry_after, seconds.map(Duration::from_secs), "{header}");
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
            let refusal = refusal(reply).await;
            let failure = refusal.into_failure(String::new());
            assert_eq!(failure.retry_after, Some(Duration::from_secs(30)), "{}", failure.error);
        }
    }

    #[tokio::test]
    async fn a_token_from_the_servers_future_is_an_outage() {
        for (ahead, date, reason) in
            [(1, DATE, Reason::TooEarly), (0, DATE, Reason::RoleDenied), (60, "", Reason::RoleDenied)]
        {
            let server = Server::start(xml(date, 403, "AccessDenied", ""), Then::Close).await;
            let proof = Proof::Token { jwt: JWT, expires_at: None, valid_from: Some(at(NOW + ahead)) };
            let refusal =
                Sts::new(&config(&server.url)).exchange(&session(ROLE), &proof, in_time()).await.err().unwrap();
            assert_eq!(refusal.reason, reason, "{ahead} {date}");
            assert_eq!(refusal.clock_off.is_some(), !date.is_empty());
        }
    }

    #[tokio::test]
    async fn each_row_of_the_table_is_told_from_its_wire_form() {
        let html = |status| http(status, "Content-Type: text/html\r\n", "<!doctype html><p>Bad <b>gateway");
        let cut = success().split_once("</Credentials>").unwrap().0.to_owned();
        let without = |from: &str| http(200, "", &success().replace(from, ""));
        let long = http(200, "", &success().replace("<Audience>", &format!("<Audience>{}", "x".repeat(64 * 1024))));
        for (name, reply, class, kind) in [
            ("fault", xml("", 500, "InternalFailure", ""), Class::Transient, ErrorKind::ServiceUnavailable),
            ("proxy", html(502), Class::Transient, ErrorKind::ServiceUnavailable),
            ("proxy throttles", html(429), Class::Throttled, ErrorKind::Throttled),
            ("issuer", xml("", 400, "IDPCommunicationError", ""), Class::Transient, ErrorKind::ServiceUnavailable),
            ("expired", xml("", 400, "ExpiredTokenException", ""), Class::Blocked, ErrorKind::TokenRejected),
            ("claim", xml("", 403, "IDPRejectedClaim", ""), Class::Blocked, ErrorKind::TokenRejected),
            ("text", xml("", 400, "InvalidIdentityToken", "New"), Class::Unclear, ErrorKind::TokenRejected),
            ("denied", xml("", 403, "AccessDenied", ""), Class::Lagging, ErrorKind::RoleDenied),
            ("exp passed", xml(DATE, 403, "AccessDenied", ""), Class::Blocked, ErrorKind::TokenRejected),
            ("region", xml("", 403, "RegionDisabledException", ""), Class::Config, ErrorKind::InvalidConfiguration),
            ("portal", html(200), Class::Unclear, ErrorKind::Unexpected),
            ("firewall", html(403), Class::Unclear, ErrorKind::Unexpected),
            ("json", http(400, "", "{\"__type\":\"AccessDenied\"}"), Class::Lagging, ErrorKind::RoleDenied),
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
            ("garbage", "garbage\r\n\r\n".to_owned(), Class::Transient, ErrorKind::ServiceUnavailable),
            ("nothing", String::new(), Class::Transient, ErrorKind::ServiceUnavailable),
            ("half", success()[..80].to_owned(), Class::Transient, ErrorKind::ServiceUnavailable),
            (
                "half a body",
                http(200, "", &success()).split_once("<Provider>").unwrap().0.to_owned(),
                Class::Transient,
                ErrorKind::ServiceUnavailable,
            ),
            (
                "cut error",
                http(400, "", "<ErrorResponse><Error><Code>Access"),
                Class::Transient,
                ErrorKind::ServiceUnavailable,
            ),
        ] {
            let refusal = refusal(reply).await;
            assert_eq!((refusal.reason.class(), refusal.reason.kind()), (class, kind), "{name}: {refusal:?}");
        }
    }

    #[tokio::test]
    async fn p12_an_answer_that_is_not_of_sts_is_described() {
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
                "the answer of ENDPOINT (HTTP 200) for arn:aws:iam::123456789012:role/app is compressed or encoded (gzip), \
                 which was not asked for, and so was not read",
            ),
            (
                http(200, "", &success().replace(SESSION, "")),
                "the credentials from ENDPOINT for arn:aws:iam::123456789012:role/app are not usable: the answer has no session token",
            ),
        ] {
            let refusal = refusal(reply).await;
            assert_eq!(refusal.message.replace(&refusal.endpoint, "ENDPOINT"), message);
        }
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_an_outage() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refusal = Sts::new(&config(&format!("http://{closed}/?a=b")))
            .exchange(&session(ROLE), &token(None), in_time())
            .await
            .err()
            .unwrap();
        assert_eq!(refusal.reason, Reason::Unreachable);
        assert!(refusal.message.contains("onnection refused"), "{}", refusal.message);
        assert_eq!(refusal.endpoint, format!("http://{closed}"));

        let server = Server::start("", Then::Reset).await;
        let refusal =
            Sts::new(&config(&server.url)).exchange(&session(ROLE), &token(None), in_time()).await.err().unwrap();
        assert_eq!(refusal.reason, Reason::Unreachable, "{}", refusal.message);

        // No TLS at the other end.
        let server = Server::start("", Then::Reset).await;
        let url = server.url.replace("http:", "https:");
        let refusal = Sts::new(&config(&url)).exchange(&session(ROLE), &token(None), in_time()).await.err().unwrap();
        assert_eq!(refusal.reason, Reason::Unreachable, "{}", refusal.message);

        let refusal = Sts::new(&config("http://no-such-host.invalid"))
            .exchange(&session(ROLE), &token(None), in_time())
            .await
            .err()
            .unwrap();
        assert_eq!(refusal.reason, Reason::Unreachable, "{}", refusal.message);
    }

    #[tokio::test]
    async fn the_users_http_client_is_used_and_its_failure_understood() {
        let failure = |error: fn() -> ConnectorError| {
            let mut config = config("https://sts.example.com");
            config.http_client = Some(http_client_fn(move |_, _| SharedHttpConnector::new(Failing(error))));
            async move { Sts::new(&config).exchange(&session(ROLE), &token(None), in_time()).await.err().unwrap() }
        };
        let refusal = failure(|| ConnectorError::io("invalid peer certificate: UnknownIssuer".into())).await;
        assert_eq!(refusal.reason, Reason::CertificateAuthority);
        assert_eq!(
            refusal.message,
            "no answer from STS at https://sts.example.com for arn:aws:iam::123456789012:role/app: invalid peer \
             certificate: UnknownIssuer"
        );
        // The words of the SDK's orchestrator.
        let error = || ConnectorError::other("No HTTP client was available to send this request. Enable".into(), None);
        let refusal = failure(error).await;
        assert_eq!((refusal.reason, refusal.reason.kind()), (Reason::NoHttpClient, ErrorKind::InvalidConfiguration));
        assert!(refusal.message.starts_with("nothing could be sent to STS at https://sts.ex"), "{}", refusal.message);
        let refusal = failure(|| ConnectorError::timeout("HTTP connect timeout occurred after 2s".into())).await;
        assert_eq!((refusal.reason, refusal.reason.kind()), (Reason::NoAnswer, ErrorKind::TimedOut));
        let refusal = failure(|| ConnectorError::io(format!("proxy says {JWT}").into())).await;
        assert_eq!(refusal.reason, Reason::Unreachable);
        assert!(refusal.message.ends_with("proxy says [redacted]"), "{}", refusal.message);
    }

    #[derive(Debug)]
    struct Failing(fn() -> ConnectorError);

    impl HttpConnector for Failing {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::ready(Err(self.0()))
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_given_up() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<Ass";
        for reply in ["", "HTTP/1.1 200 OK\r\n", head] {
            let server = Server::start(reply, Then::Hang).await;
            let mut config = config(&server.url);
            config.attempt_timeout = Duration::from_millis(200);
            let sts = Sts::new(&config);
            // A test that would hang fails.
            let exchange = tokio::time::timeout(
                Duration::from_secs(60),
                sts.exchange(&session(ROLE), &token(None), Instant::now() + config.attempt_timeout),
            )
            .await;
            let refusal = exchange.expect("given up").err().unwrap();
            assert_eq!((refusal.reason, refusal.reason.kind()), (Reason::NoAnswer, ErrorKind::TimedOut));
            // One of the SDK's timeouts or ours: they are equal.
            let start = format!("no answer from STS at {} for {ROLE}", server.url);
            assert!(refusal.message.starts_with(&start), "{reply:?}: {}", refusal.message);
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_cannot_be_is_a_setting() {
        for url in ["nonsense", "http://[::1"] {
            let refusal = Sts::new(&config(url)).exchange(&session(ROLE), &token(None), in_time()).await.err().unwrap();
            assert_eq!(refusal.reason, Reason::NotSent, "{}", refusal.message);
        }
        let mut config = config("");
        config.home = Site { region: Region::new("not a region"), endpoint_url: None };
        let refusal = Sts::new(&config).exchange(&session(ROLE), &token(None), in_time()).await.err().unwrap();
        assert_eq!(refusal.reason, Reason::NotSent, "{}", refusal.message);
    }

    #[tokio::test]
    async fn p9_neither_logs_nor_errors_hold_a_secret() {
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
            let sts = Sts::new(&config);
            match sts.exchange(&session(ROLE), &token(None), in_time()).await {
                Ok(grant) => log.add(&format!("{:?}", grant.credentials)),
                Err(refusal) => log.add(&format!("{refusal:?} {refusal:#?} {} {sts:?}", refusal.message)),
            }
        }
        drop(guard);
        // The SDK prints the headers of an answer before we see them: these are not ours to hide there.
        let header = format!("Content-Type: {JWT}\r\nx-amzn-requestid: {JWT}\r\n");
        log.add(&format!("{:?}", refusal(http(400, &header, "")).await));
        let log = log.text();
        assert!(log.contains("transmitting request"), "the log was not captured: {} bytes", log.len());
        for secret in [JWT, SECRET, SESSION, "eyJ0b2tlbiI6ImNhbmFyeSJ9", "c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnk"] {
            let at = log.find(secret).map(|at| &log[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "{secret} was printed");
        }
    }

    /// Anything, and STS's own answers with something done to them.
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
        fn no_answer_makes_a_panic_or_half_a_grant(body in bodies(), status in 100..600u16) {
            let sts = Sts::new(&config("http://127.0.0.1:1"));
            let answer = Answer {
                status,
                date: None,
                retry_after: None,
                content_type: None,
                server: None,
                location: None,
                request_id: None,
                body: body.clone().into(),
                end: End::Whole,
            };
            let (session, proof, tap) = (session(ROLE), token(None), Tap::default());
            let exchange = Exchange { sts: &sts, session: &session, proof: &proof, tap: &tap };
            match exchange.judge(&answer, "endpoint") {
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
                Err(refusal) => {
                    prop_assert!(!refusal.message.is_empty() && refusal.message.len() < 4096);
                    prop_assert!(!refusal.message.contains(SECRET) && !refusal.message.contains(SESSION));
                }
            }
        }
    }
}
