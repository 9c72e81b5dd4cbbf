//! Signed requests at a steady rate, and what was known at each failure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::judge::{Observation, Seen};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// Longest request that found valid credentials. `longest_with_nothing_usable` is the longest of the others.
    pub(crate) longest: Duration,
    pub(crate) longest_with_nothing_usable: Duration,
}

/// A failed request. Access keys stand for credentials.
pub(crate) struct Failure {
    pub(crate) began: SystemTime,
    pub(crate) ended: SystemTime,
    /// Key that `current()` returned before the request. `after` is the key after it.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// `None` if the request was not signed.
    pub(crate) signed: Option<Signature>,
    pub(crate) code: Option<String>,
    pub(crate) error: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) key: String,
    pub(crate) at: SystemTime,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.longest = self.longest.max(other.longest);
        self.longest_with_nothing_usable = self.longest_with_nothing_usable.max(other.longest_with_nothing_usable);
    }
}

/// Runs one of a caller's clients until `stop`. Sends each failure to the judge.
pub(crate) async fn run(
    caller: Arc<Caller>,
    (world, number): (usize, usize),
    judge: mpsc::UnboundedSender<Seen>,
    stop: CancellationToken,
) -> Tally {
    // The judge lives longer than this task, so `send` does not fail.
    let tell = |observation| drop(judge.send((world, number, observation)));
    let signed = Signed::default();
    let client = client(&caller, signed.clone());
    let mut tally = Tally::default();
    sleep(PACE.mul_f64(fastrand::f64())).await;
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return tally,
            _ = ticks.tick() => {}
        }
        let key = || {
            let at = SystemTime::now();
            let key = caller.current().map(|credentials| credentials.access_key_id().to_owned());
            if key.is_none() && caller.is_ours() {
                tell(Observation::Nothing(at));
            }
            key
        };
        let (start, began, before) = (Instant::now(), SystemTime::now(), key());
        signed.clear();
        let answer = tokio::select! {
            biased;
            answer = client.get_caller_identity().send() => answer,
            // A request that hangs now would hang for long.
            () = stop.cancelled() => return tally,
        };
        let (code, error) = match answer {
            Ok(_) => (None, None),
            Err(error) => (error.code().map(str::to_owned), Some(DisplayErrorContext(&error).to_string())),
        };
        tally.requests += 1;
        let had_some = before.is_some() || !caller.is_ours();
        let longest = if had_some { &mut tally.longest } else { &mut tally.longest_with_nothing_usable };
        *longest = start.elapsed().max(*longest);
        if let Some(error) = error {
            let (ended, after, signed) = (SystemTime::now(), key(), signed.get());
            tell(Observation::Failed(Failure { began, ended, before, after, signed, code, error }));
        }
        // `provide_credentials()` is the other way to credentials, without a client.
        let (began, before) = (SystemTime::now(), key());
        if before.is_some()
            && let Some(provider) = &caller.provider
            && let Err(error) = provider.provide_credentials().await
        {
            let (ended, after, error) = (SystemTime::now(), key(), DisplayErrorContext(&error).to_string());
            tell(Observation::Failed(Failure { began, ended, before, after, signed: None, code: None, error }));
        }
    }
}

/// A client that sends each request once, and waits as long as a busy machine may need.
fn client(caller: &Caller, signed: Signed) -> Client {
    let patience = Duration::from_secs(60);
    let timeouts = TimeoutConfig::builder().connect_timeout(patience).operation_timeout(patience).build();
    let mut config = aws_sdk_sts::config::Builder::from(&caller.config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .interceptor(signed);
    if caller.has_interceptor
        && let Some(provider) = &caller.provider
    {
        config = config.interceptor(provider.interceptor());
    }
    Client::from_conf(config.build())
}

/// Notes the signature of a client's last request.
#[derive(Clone, Debug, Default)]
struct Signed(Arc<Mutex<Option<Signature>>>);

impl Signed {
    fn get(&self) -> Option<Signature> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[dyn_dispatch_hint]
impl Intercept for Signed {
    fn name(&self) -> &'static str {
        "Signed"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let header = context.request().headers().get("authorization").ok_or("not signed")?;
        let key = header.split_once("Credential=").and_then(|(_, credential)| credential.split('/').next());
        let signature = key.map(|key| Signature { key: key.to_owned(), at: SystemTime::now() });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = signature;
        Ok(())
    }
}

/// Time between two requests of a client.
const PACE: Duration = Duration::from_millis(200);
