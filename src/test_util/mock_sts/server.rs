//! From a request to a reply, by way of the faults; and the book that is kept of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use tokio::sync::watch;

use super::answer::Answer;
use super::call::{Call, Calls};
use super::caller::Caller;
use super::exchange::{self, Account};
use super::fault::{Effect, Fault, Spoil};
use super::form::Form;
use super::refusal::Refusal;
use super::session::Session;
use super::sigv4::Signed;
use crate::test_util::http::{self, Reply};
use crate::test_util::{lock, now, uuid};

/// What the handles and the server share.
pub(super) struct Shared {
    pub(super) endpoint_url: String,
    pub(super) account: Arc<Account>,
    /// By access key. All regions know them.
    sessions: Arc<Mutex<HashMap<String, Session>>>,
    pub(super) state: Mutex<State>,
    /// How many requests have come.
    pub(super) arrivals: watch::Sender<usize>,
}

pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) next_faults: VecDeque<Fault>,
    pub(super) calls: Calls,
    pub(super) most_at_once: usize,
    /// By access key: the code that it is refused with.
    pub(super) rejected: HashMap<String, String>,
    under_way: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) fault: Option<Fault>,
    /// Of `AssumeRole` alone.
    pub(super) chain_fault: Option<Fault>,
    pub(super) latency: Duration,
    /// In seconds.
    pub(super) clock_offset: i64,
    pub(super) send_date: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) session_length: Option<Duration>,
}

impl Shared {
    pub(super) fn new(endpoint_url: String, account: Account) -> Self {
        Self::with(endpoint_url, Arc::new(account), Arc::default(), None)
    }

    /// Of the same account, with the same sessions.
    pub(super) fn another(&self, endpoint_url: String) -> Self {
        let length = self.settings().session_length;
        Self::with(endpoint_url, Arc::clone(&self.account), Arc::clone(&self.sessions), length)
    }

    fn with(
        endpoint_url: String,
        account: Arc<Account>,
        sessions: Arc<Mutex<HashMap<String, Session>>>,
        session_length: Option<Duration>,
    ) -> Self {
        let settings = Settings {
            fault: None,
            chain_fault: None,
            latency: Duration::ZERO,
            clock_offset: 0,
            send_date: true,
            retry_after: None,
            session_length,
        };
        let state = State {
            settings,
            next_faults: VecDeque::new(),
            calls: Calls::default(),
            most_at_once: 0,
            rejected: HashMap::new(),
            under_way: 0,
        };
        Self { endpoint_url, account, sessions, state: Mutex::new(state), arrivals: watch::Sender::new(0) }
    }

    pub(super) async fn handle(&self, request: Request<Bytes>) -> Reply {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let form = Form::parse(if request.method() == Method::POST { request.body() } else { query });
        let action = form.get("Action").unwrap_or_default();
        let mut call = Call::new(action, now());
        match (action, form.get("Version").unwrap_or("NO_VERSION_SPECIFIED")) {
            ("AssumeRoleWithWebIdentity" | "AssumeRole", VERSION) => {
                exchange::describe(&form, &mut call);
                let signed = (action == "AssumeRole").then(|| Signed::parse(&request));
                if let Some(Ok(signed)) = &signed {
                    call.signed_with = Some(signed.access_key_id.clone());
                }
                call.fault = self.next_fault(signed.is_some());
                let fault = call.fault;
                // Before anybody can hear that it has come.
                let _under_way = UnderWay::new(self);
                let call = self.record(call);
                tokio::time::sleep(self.settings().latency).await;
                let turn = self.turn(call);
                let caller =
                    signed.map(|signed| signed.and_then(|signed| self.authenticate(&signed, &request, turn.at)));
                self.exchange(&form, caller, fault, turn).await
            }
            ("GetCallerIdentity", VERSION) => {
                let signed = Signed::parse(&request);
                call.access_key_id = signed.as_ref().ok().map(|signed| signed.access_key_id.clone());
                let turn = self.turn(self.record(call));
                let answer = match signed.and_then(|signed| self.authenticate(&signed, &request, turn.at)) {
                    Ok(session) => Answer::caller_identity(&session, &turn.request_id),
                    Err(refusal) => Answer::refusal(refusal, &turn.request_id),
                };
                self.reply(answer, turn)
            }
            (_, version) => {
                let turn = self.turn(self.record(call));
                let message = format!("Could not find operation {action} for version {version}");
                self.reply(Answer::refusal(Refusal::new(400, "InvalidAction", message), &turn.request_id), turn)
            }
        }
    }

    /// `caller`: who signed, where somebody must.
    async fn exchange(
        &self,
        form: &Form,
        caller: Option<Result<Session, Refusal>>,
        fault: Option<Fault>,
        turn: Turn,
    ) -> Reply {
        let id = &turn.request_id;
        let spoil = match fault.map(Fault::effect) {
            None => None,
            Some(Effect::Spoil(spoil)) => Some(spoil),
            Some(Effect::Refuse(refusal)) => return self.reply(Answer::refusal(refusal, id), turn),
            Some(Effect::BareError(refusal)) => return self.reply(Answer::bare_error(refusal, id), turn),
            Some(Effect::Page(status, content_type, body)) => {
                return self.reply(Answer::page(status, content_type, body), turn);
            }
            Some(Effect::Reset) => return Reply::Reset,
            Some(Effect::Hang) => std::future::pending().await,
        };
        let length = self.settings().session_length;
        let granted = match caller {
            None => self.account.exchange(form, turn.at, length).await,
            Some(caller) => caller.and_then(|caller| self.account.assume_role(form, &caller, turn.at, length)),
        };
        let mut grant = match granted {
            Ok(grant) => grant,
            Err(refusal) => return self.reply(Answer::refusal(refusal, id), turn),
        };
        if spoil == Some(Spoil::Expired) {
            grant.session.expiration = turn.at - Duration::from_secs(60);
        }
        let access_key_id = grant.session.credentials.access_key_id().to_owned();
        let answer = Answer::grant(&grant, spoil, id);
        if let Some(call) = lock(&self.state).calls.get_mut(turn.call) {
            call.access_key_id = Some(access_key_id.clone());
            call.expiration = Some(grant.session.expiration);
        }
        lock(&self.sessions).insert(access_key_id, grant.session);
        if spoil == Some(Spoil::Disconnected) { cut(&answer) } else { self.reply(answer, turn) }
    }

    /// Who signed a request to any service.
    pub(super) fn caller(&self, request: &Request<impl AsRef<[u8]>>) -> Result<Caller, Refusal> {
        let signed = Signed::parse(request)?;
        let session = self.session(&signed, request, self.by_its_clock(now()))?;
        Ok(Caller::new(signed, session))
    }

    fn authenticate(&self, signed: &Signed, request: &Request<Bytes>, now: SystemTime) -> Result<Session, Refusal> {
        let session = self.session(signed, request, now)?;
        if signed.service == "sts" { Ok(session) } else { Err(Refusal::of_key("SignatureDoesNotMatch")) }
    }

    /// Whose key it is that signed.
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

    fn reply(&self, answer: Answer, turn: Turn) -> Reply {
        let settings = self.settings();
        // The statuses are our own: all of them are valid.
        let status = StatusCode::from_u16(answer.status).unwrap_or_default();
        let mut headers = vec![];
        if let Some(name) = answer.request_id_header {
            headers.push((HeaderName::from_static(name), turn.request_id));
        }
        if settings.send_date {
            headers.push((DATE, DateTime::from(turn.at).fmt(Format::HttpDate).unwrap_or_default()));
        }
        let busy = matches!(answer.status, 429 | 503) || answer.code.as_deref() == Some("Throttling");
        let unless_set = (answer.status == 429).then_some(Duration::from_secs(1));
        if let Some(after) = settings.retry_after.or(unless_set).filter(|_| busy) {
            headers.push((RETRY_AFTER, after.as_secs().to_string()));
        }
        if status.is_redirection() {
            headers.push((LOCATION, format!("{}/login", self.endpoint_url)));
        }
        if let Some(call) = lock(&self.state).calls.get_mut(turn.call) {
            call.answered = Some(now());
            call.status = Some(answer.status);
            call.code = answer.code;
        }
        let mut response = http::response(status, answer.content_type, answer.body);
        for (name, value) in headers {
            // All of them are printable ASCII.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        Reply::Whole(response)
    }

    fn next_fault(&self, of_chain: bool) -> Option<Fault> {
        let mut state = lock(&self.state);
        if of_chain && state.settings.chain_fault.is_some() {
            return state.settings.chain_fault;
        }
        state.next_faults.pop_front().or(state.settings.fault)
    }

    fn record(&self, call: Call) -> usize {
        let mut state = lock(&self.state);
        let number = state.calls.push(call);
        self.arrivals.send_replace(state.calls.count());
        number
    }

    fn settings(&self) -> Settings {
        lock(&self.state).settings
    }

    pub(super) fn forget_before(&self, at: SystemTime) {
        lock(&self.state).calls.forget_before(at);
        let at = self.by_its_clock(at);
        lock(&self.sessions).retain(|_, session| session.expiration >= at);
    }

    fn by_its_clock(&self, at: SystemTime) -> SystemTime {
        let offset = self.settings().clock_offset;
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { at - by } else { at + by }
    }

    /// To be called when the answer is made: its time goes into the answer.
    fn turn(&self, call: usize) -> Turn {
        let at = self.by_its_clock(now());
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Turn { call, request_id: uuid(&fastrand::u128(..).to_string()), at: UNIX_EPOCH + Duration::from_secs(seconds) }
    }
}

/// What belongs to the one answer of a request.
struct Turn {
    /// Its number among the calls.
    call: usize,
    request_id: String,
    /// By the mock's clock, in whole seconds as all times of STS: so `Date` and `Expiration` agree.
    at: SystemTime,
}

/// One exchange that is under way, until it is answered or its client is gone.
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

/// A response that promises more than it holds.
fn cut(answer: &Answer) -> Reply {
    let body = &answer.body;
    let head =
        format!("HTTP/1.1 200 OK\r\n{CONTENT_TYPE}: {}\r\ncontent-length: {}\r\n\r\n", answer.content_type, body.len());
    Reply::Cut([head.as_bytes(), &body.as_bytes()[..body.len() / 2]].concat())
}

const VERSION: &str = "2011-06-15";
