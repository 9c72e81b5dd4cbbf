//! The way of a request to its answer, and the record of it.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hyper::body::Bytes;
use hyper::header::{DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Request, StatusCode};
use tokio::sync::watch;

use super::account::Account;
use super::answer::Answer;
use super::call::{Call, Calls};
use super::fault::Fault;
use super::refusal::Refusal;
use super::request::Form;
use super::session::Session;
use super::signature_check::{Caller, Signed};
use crate::test_util::http_server::{Reply, response};
use crate::test_util::{lock, now, uuid};

/// Sessions by access key.
pub(super) type Sessions = Arc<Mutex<HashMap<String, Session>>>;

/// The state that the handles and the server share.
pub(super) struct Shared {
    pub(super) endpoint_url: String,
    /// All regions share the account and the sessions.
    pub(super) account: Arc<Account>,
    pub(super) sessions: Sessions,
    pub(super) state: Mutex<State>,
    /// Number of requests that have come.
    pub(super) arrivals: watch::Sender<usize>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) next_faults: VecDeque<Fault>,
    pub(super) calls: Calls,
    pub(super) most_at_once: usize,
    /// Error code by rejected access key.
    pub(super) rejected: HashMap<String, String>,
    under_way: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) fault: Option<Fault>,
    /// For `AssumeRole` alone.
    pub(super) chain_fault: Option<Fault>,
    pub(super) latency: Duration,
    /// Seconds that the mock's clock is ahead of this machine's.
    pub(super) clock_offset: i64,
    pub(super) without_date: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) session_length: Option<Duration>,
}

impl Shared {
    pub(super) async fn handle(&self, request: Request<Bytes>) -> Reply {
        let form = Form::of(&request);
        let signed = Signed::parse(&request);
        let action = form.get("Action").unwrap_or_default();
        let is_exchange = matches!(action, "AssumeRole" | "AssumeRoleWithWebIdentity");
        let fault = if is_exchange { self.next_fault(action) } else { None };
        // Counted before the call is recorded: a test may look as soon as the call is there.
        let _under_way = is_exchange.then(|| UnderWay::new(self));
        let signed_with = signed.as_ref().ok().map(|signed| signed.access_key_id.clone());
        let call = self.record(Call::new(&form, signed_with, fault));
        if is_exchange {
            tokio::time::sleep(self.settings().latency).await;
        }
        let context = Context {
            call,
            request_id: uuid(&fastrand::u128(..).to_string()),
            at: whole_seconds(self.to_mock_time(now())),
        };
        let outcome = match fault {
            None => self.answer(&form, signed, &request, &context).await,
            Some(Fault::Hang) => pending().await,
            Some(Fault::ConnectionReset) => return Reply::Reset,
            Some(Fault::CutBody) => return Reply::Cut,
            Some(Fault::ServiceUnavailable) => Err(Refusal::new(503, "ServiceUnavailable", "Service Unavailable")),
            Some(Fault::Throttled) => Err(Refusal::new(400, "Throttling", "Rate exceeded")),
            Some(Fault::AccessDenied) => Err(Refusal::access_denied()),
            Some(Fault::ExpiredToken) => Err(Refusal::new(400, "ExpiredTokenException", "Token expired")),
            Some(Fault::Error { status, code, message }) => Err(Refusal::new(status, code, message)),
            Some(Fault::Page { status, content_type, body }) => Ok(Answer::page(status, content_type, body)),
        };
        let answer = outcome.unwrap_or_else(|refusal| Answer::refusal(refusal, &context.request_id));
        self.reply(answer, context)
    }

    async fn answer(
        &self,
        form: &Form,
        signed: Result<Signed, Refusal>,
        request: &Request<Bytes>,
        context: &Context,
    ) -> Result<Answer, Refusal> {
        let Context { at, request_id, .. } = context;
        let caller = || match signed? {
            signed if signed.service != "sts" => Err(Refusal::of_key("SignatureDoesNotMatch")),
            signed => self.session(&signed, request, *at),
        };
        let length = self.settings().session_length;
        let action = form.get("Action").unwrap_or_default();
        let grant = match (action, form.get("Version").unwrap_or("NO_VERSION_SPECIFIED")) {
            ("AssumeRoleWithWebIdentity", VERSION) => {
                self.account.assume_role_with_web_identity(form, *at, length).await?
            }
            ("AssumeRole", VERSION) => self.account.assume_role(form, &caller()?, *at, length)?,
            ("GetCallerIdentity", VERSION) => return Ok(Answer::caller_identity(&caller()?, request_id)),
            (_, version) => {
                let message = format!("Could not find operation {action} for version {version}");
                return Err(Refusal::new(400, "InvalidAction", message));
            }
        };
        let answer = Answer::grant(&grant, request_id);
        let access_key_id = grant.session.credentials.access_key_id().to_owned();
        if let Some(call) = lock(&self.state).calls.get_mut(context.call) {
            call.access_key_id = Some(access_key_id.clone());
            call.expiration = Some(grant.session.expiration);
        }
        lock(&self.sessions).insert(access_key_id, grant.session);
        Ok(answer)
    }

    /// The signer of a request to any service.
    pub(super) fn caller(&self, request: &Request<impl AsRef<[u8]>>) -> Result<Caller, Refusal> {
        let signed = Signed::parse(request)?;
        let session = self.session(&signed, request, self.to_mock_time(now()))?;
        let Signed { access_key_id, region, service, .. } = signed;
        Ok(Caller { arn: session.arn, access_key_id, region, service })
    }

    /// The session whose key made the signature.
    fn session(
        &self,
        signed: &Signed,
        request: &Request<impl AsRef<[u8]>>,
        now: SystemTime,
    ) -> Result<Session, Refusal> {
        if let Some(code) = lock(&self.state).rejected.get(&signed.access_key_id) {
            return Err(Refusal::of_key(code.clone()));
        }
        let unknown = || Refusal::of_key("InvalidClientTokenId");
        let session = lock(&self.sessions).get(&signed.access_key_id).cloned().ok_or_else(unknown)?;
        if now >= session.expiration {
            return Err(Refusal::of_key("ExpiredToken"));
        }
        signed.verify(request, &session.credentials, now)?;
        Ok(session)
    }

    fn reply(&self, answer: Answer, context: Context) -> Reply {
        let settings = self.settings();
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        let mut set = |name, value: String| {
            // All values are printable ASCII.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        if answer.has_request_id {
            set(HeaderName::from_static("x-amzn-requestid"), context.request_id);
        }
        if !settings.without_date {
            set(DATE, DateTime::from(context.at).fmt(Format::HttpDate).unwrap_or_default());
        }
        if let Some(after) = settings.retry_after.filter(|_| answer.status >= 400) {
            set(RETRY_AFTER, after.as_secs().to_string());
        }
        if status.is_redirection() {
            set(LOCATION, format!("{}/login", self.endpoint_url));
        }
        if let Some(call) = lock(&self.state).calls.get_mut(context.call) {
            call.answered = Some(now());
            call.status = Some(answer.status);
            call.code = answer.code;
        }
        let mut response = response(status, answer.content_type, answer.body);
        response.headers_mut().extend(headers);
        Reply::Whole(response)
    }

    fn next_fault(&self, action: &str) -> Option<Fault> {
        let mut state = lock(&self.state);
        let of_chain = state.settings.chain_fault.filter(|_| action == "AssumeRole");
        of_chain.or_else(|| state.next_faults.pop_front()).or(state.settings.fault)
    }

    fn record(&self, call: Call) -> usize {
        let mut state = lock(&self.state);
        let number = state.calls.push(call);
        self.arrivals.send_replace(state.calls.count());
        number
    }

    pub(super) fn settings(&self) -> Settings {
        lock(&self.state).settings
    }

    pub(super) fn forget_before(&self, at: SystemTime) {
        lock(&self.state).calls.forget_before(at);
        let at = self.to_mock_time(at);
        lock(&self.sessions).retain(|_, session| session.expiration >= at);
    }

    fn to_mock_time(&self, at: SystemTime) -> SystemTime {
        let offset = self.settings().clock_offset;
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { at - by } else { at + by }
    }
}

/// The parts of an answer that do not depend on its content.
struct Context {
    /// The number of the call.
    call: usize,
    request_id: String,
    /// Time of the answer by the mock's clock, in whole seconds: `Date` and `Expiration` agree.
    at: SystemTime,
}

fn whole_seconds(at: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// One exchange that is under way, until its answer or until its client has gone.
struct UnderWay<'a>(&'a Shared);

impl<'a> UnderWay<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut state = lock(&shared.state);
        state.under_way += 1;
        state.most_at_once = state.most_at_once.max(state.under_way);
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).under_way -= 1;
    }
}

const VERSION: &str = "2011-06-15";
