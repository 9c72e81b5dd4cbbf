//! One exchange: a token for credentials, or the reason why not.
//!
//! The SDK's client makes the request: endpoint rules, FIPS, dual stack, the user's HTTP client and TLS. The answer is
//! ours to read: an interceptor takes it away before the SDK deserializes it, so that a cut body is not taken for a
//! whole one, errors in any shape keep their text, no more than 64 KiB are read, and no `SdkError` ever holds keys.

mod answer;
mod reason;
mod scrub;

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role_with_web_identity::builders::AssumeRoleWithWebIdentityFluentBuilder;
use aws_sdk_sts::types::PolicyDescriptorType;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use self::answer::{Answer, Granted, Says, chain};
pub(crate) use self::reason::Reason;
pub(crate) use self::scrub::plain;
use self::scrub::printable;
use super::Config;
use crate::refresh::source::{Grant, Principal};

/// An STS, and what to ask it for.
#[derive(Debug)]
pub(crate) struct Sts {
    call: AssumeRoleWithWebIdentityFluentBuilder,
    role_arn: String,
    requested: Duration,
    /// What it is called before a request has shown its address.
    place: String,
    timeout: Duration,
    time: SharedTimeSource,
}

/// Why an exchange gave no credentials, in text that is fit to print.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// What failed, and where.
    pub(crate) message: String,
    /// The address that was called, or the region if it did not come to that.
    pub(crate) endpoint: String,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Sts {
    pub(crate) fn new(config: &Config) -> Self {
        let sts = &config.sts;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(sts.attempt_timeout))
            .read_timeout(sts.attempt_timeout)
            .operation_attempt_timeout(sts.attempt_timeout)
            .operation_timeout(sts.attempt_timeout)
            .build();
        // Our own of everything that an `SdkConfig` may lack or tune for other services.
        let mut settings = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(sts.region.clone())
            .use_fips(sts.use_fips)
            .use_dual_stack(sts.use_dual_stack)
            .time_source(sts.time_source.clone())
            .sleep_impl(TokioSleep::new())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache());
        settings.set_endpoint_url(sts.endpoint_url.clone());
        settings.set_http_client(sts.http_client.clone());
        settings.set_app_name(sts.app_name.clone());
        let arns = config.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build());
        let call = Client::from_conf(settings.build())
            .assume_role_with_web_identity()
            .role_arn(&config.role_arn)
            .role_session_name(&config.session_name)
            .set_duration_seconds(config.session_length.map(|length| length.as_secs().try_into().unwrap_or(i32::MAX)))
            .set_policy(config.policy.clone())
            .set_policy_arns(Some(arns.collect::<Vec<_>>()).filter(|arns| !arns.is_empty()));
        Self {
            call,
            role_arn: config.role_arn.clone(),
            requested: config.session_length.unwrap_or(DEFAULT_SESSION),
            place: sts.endpoint_url.as_deref().map_or_else(|| format!("region {}", sts.region), address),
            timeout: sts.attempt_timeout,
            time: sts.time_source.clone(),
        }
    }

    /// One exchange, bounded in time. `expires_at`: the token's own `exp`, to understand a refusal.
    pub(crate) async fn exchange(&self, jwt: &str, expires_at: Option<SystemTime>) -> Result<Grant, Refusal> {
        let tap = Tap::default();
        let exchange = async {
            let call = self.call.clone().web_identity_token(jwt);
            let sent = call.customize().interceptor(tap.clone()).send().await;
            // Whatever the SDK made of the shell that it was left with, this is the answer.
            match tap.answer() {
                Some(response) => Ok(Answer::read(response, self.time.now()).await),
                None => Err(sent.map_or_else(|error| self.unsent(&tap, jwt, &error), |_| self.late(&tap))),
            }
        };
        // The SDK's own timeouts end with the head of an answer.
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => self.judge(&answer?, &self.endpoint(&tap), jwt, expires_at),
            Err(_) => Err(self.late(&tap)),
        }
    }

    fn judge(
        &self,
        answer: &Answer,
        endpoint: &str,
        jwt: &str,
        expires_at: Option<SystemTime>,
    ) -> Result<Grant, Refusal> {
        let expired = answer.date.zip(expires_at).is_some_and(|(date, exp)| exp <= date);
        let status = answer.status;
        let says = answer.says();
        let mut request_id = answer.request_id.clone();
        let mut refused_code = None;
        let (reason, message) = match says {
            Says::Granted(granted) => return Ok(self.grant(granted, answer, endpoint)),
            Says::Refused { code, message, request_id: id } => {
                let reason = Reason::of_code(&code, &message, status, expired);
                request_id = request_id.or(id);
                let code = printable(&code, jwt, 128);
                let message = printable(&message, jwt, 512);
                let said = if message.is_empty() { String::new() } else { format!(": \"{message}\"") };
                let text = format!("STS at {endpoint} answered {code} (HTTP {status}) for {}{said}", self.role_arn);
                refused_code = Some(code);
                (reason, text)
            }
            Says::Broken(why) => {
                let reason = if status == 429 { Reason::Throttled } else { Reason::Broken };
                let why = printable(&why, jwt, 256);
                (reason, format!("the answer of STS at {endpoint} (HTTP {status}) broke off: {why}"))
            }
            Says::BadGrant(why) => (
                Reason::BadGrant,
                format!("the credentials from {endpoint} for {} are not usable: {why}", self.role_arn),
            ),
            Says::Foreign(what) => {
                let kind = answer.content_type.as_deref().unwrap_or("no content type");
                let kind = printable(kind, jwt, 80);
                let quote = answer.quotable().map(|text| printable(&text, jwt, 120)).filter(|text| !text.is_empty());
                let quote = quote.map_or_else(String::new, |text| format!(", beginning {text:?}"));
                let text = format!("{endpoint} does not answer as STS does: HTTP {status}, {kind}, {what}{quote}");
                (Reason::of_status(status, expired), text)
            }
        };
        Err(Refusal {
            reason,
            message,
            endpoint: endpoint.to_owned(),
            code: refused_code,
            request_id: request_id.filter(|id| is_request_id(id, jwt)),
            retry_after: answer.retry_after,
        })
    }

    fn grant(&self, mut granted: Granted, answer: &Answer, endpoint: &str) -> Grant {
        let account_id = granted.assumed_role_arn.as_deref().and_then(account);
        let mut credentials = Credentials::builder()
            // Moved, not copied: the SDK wipes them when they are dropped.
            .access_key_id(mem::take(&mut *granted.access_key_id))
            .secret_access_key(mem::take(&mut *granted.secret_access_key))
            .session_token(mem::take(&mut *granted.session_token))
            .expiry(granted.expiration)
            .provider_name("WebIdentity");
        credentials.set_account_id(account_id.map(Into::into));
        Grant {
            credentials: credentials.build(),
            expiration: granted.expiration,
            date: answer.date,
            requested: self.requested,
            principal: Principal {
                account_id: account_id.map(str::to_owned),
                assumed_role_arn: granted.assumed_role_arn.clone(),
                endpoint: Some(endpoint.to_owned()),
            },
        }
    }

    /// There is no answer: nothing was sent, or nothing came back.
    fn unsent<E, R>(&self, tap: &Tap, jwt: &str, error: &SdkError<E, R>) -> Refusal {
        let text = match error {
            SdkError::DispatchFailure(failure) => failure.as_connector_error().map(|error| chain(error)),
            // Of these the text is all that may be used.
            SdkError::TimeoutError(_) => return self.late(tap),
            _ => None,
        };
        let text = text.unwrap_or_else(|| error.to_string());
        let timed_out = matches!(error, SdkError::DispatchFailure(failure) if failure.is_timeout());
        let lower = text.to_ascii_lowercase();
        let reason = match () {
            () if tap.endpoint().is_none() || lower.contains("no http client") => Reason::NotSent,
            () if timed_out => Reason::NoAnswer,
            () if lower.contains("certificate") => Reason::Certificate,
            () => Reason::Unreachable,
        };
        let text = printable(&text, jwt, 512);
        let what = if reason == Reason::NotSent { "nothing could be sent to" } else { "no answer from" };
        self.refusal(reason, tap, |endpoint| format!("{what} STS at {endpoint} for {}: {text}", self.role_arn))
    }

    fn late(&self, tap: &Tap) -> Refusal {
        self.refusal(Reason::NoAnswer, tap, |endpoint| {
            format!("no answer from STS at {endpoint} for {} within {:?}", self.role_arn, self.timeout)
        })
    }

    fn refusal(&self, reason: Reason, tap: &Tap, message: impl FnOnce(&str) -> String) -> Refusal {
        let endpoint = self.endpoint(tap);
        let message = message(&endpoint);
        Refusal { reason, message, endpoint, code: None, request_id: None, retry_after: None }
    }

    fn endpoint(&self, tap: &Tap) -> String {
        tap.endpoint().unwrap_or_else(|| self.place.clone())
    }
}

/// Hears where a request goes, and takes its answer.
#[derive(Clone, Default)]
struct Tap(Arc<Mutex<Tapped>>);

#[derive(Default)]
struct Tapped {
    endpoint: Option<String>,
    answer: Option<HttpResponse>,
}

impl Tap {
    fn with<T>(&self, f: impl FnOnce(&mut Tapped) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn endpoint(&self) -> Option<String> {
        self.with(|tapped| tapped.endpoint.clone())
    }

    fn answer(&self) -> Option<HttpResponse> {
        self.with(|tapped| tapped.answer.take())
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl Intercept for Tap {
    fn name(&self) -> &'static str {
        "WebIdentityTap"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        self.with(|tapped| tapped.endpoint = Some(address(request.uri())));
        // At TRACE the SDK prints a request with its body, the token, unless it is a stream.
        let body = request.take_body();
        *request.body_mut() = SdkBody::from_body_1_x(body);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let shell = HttpResponse::new(response.status(), SdkBody::empty());
        let answer = mem::replace(response, shell);
        self.with(|tapped| tapped.answer = Some(answer));
        Ok(())
    }
}

/// A URL for messages: without query, fragment and password.
fn address(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.trim_end_matches('/');
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

/// The account of an assumed role. Other servers leave it empty, or name a tenant.
fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_request_id(id: &str, jwt: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    let echo =
        || id.len() >= 16 && jwt.contains(id) || jwt.split('.').any(|part| part.len() >= 16 && id.contains(part));
    !id.is_empty() && id.len() <= 128 && id.bytes().all(plain) && !id.contains("eyJ") && !echo()
}

/// Behind a firewall that drops packets, soon enough for another try within a caller's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// What STS gives when it is not asked for a length.
const DEFAULT_SESSION: Duration = Duration::from_secs(3600);
