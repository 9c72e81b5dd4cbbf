//! The endpoints of one provider, home and standbys, and the limit of eight exchanges at once per endpoint.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::answer_times::has_ended;
use super::client::StsClient;
use super::config::StsConfig;
use super::exchange::ExchangeFailure;
use super::failure_reason::Reason;
use super::request::{Authentication, Session};
use super::standby_order::{HOME, Outcome, StandbyOrder};
use crate::error::{Error, ErrorKind};
use crate::locks::{SharedValues, lock};
use crate::refresh::{Attempt, Grant};

/// Home and standbys of one provider. The caller makes one exchange at a time, since the next endpoint depends on the last
/// outcome.
pub(crate) struct Endpoints {
    /// Home first.
    clients: Vec<StsClient>,
    order: Mutex<StandbyOrder>,
    /// Set while an attempt waits for its permit.
    obstacle: Mutex<Option<Error>>,
}

impl Endpoints {
    /// Sends nothing.
    pub(crate) fn new(config: &StsConfig) -> Self {
        let all = std::iter::once(&config.home).chain(&config.standbys);
        Self::of(all.map(|endpoint| StsClient::new(config, endpoint)).collect())
    }

    /// The same endpoints for another provider, which shares connections only.
    pub(crate) fn for_another_provider(&self) -> Self {
        Self::of(self.clients.clone())
    }

    fn of(clients: Vec<StsClient>) -> Self {
        let order = Mutex::new(StandbyOrder::new(clients.len() - 1));
        Self { clients, order, obstacle: Mutex::default() }
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.clients[HOME].attempt_timeout
    }

    /// Waits for the permit to make one exchange with the next endpoint.
    ///
    /// The wait has no time limit. Read the token after the wait: a token from before may be old. Cancel safe.
    pub(crate) async fn permit(&self, attempt: Attempt) -> ExchangePermit<'_> {
        let mut order = lock(&self.order).clone();
        let endpoint = order.next(attempt.valid);
        let client = &self.clients[endpoint];
        *lock(&self.obstacle) = Some(waits_for_permit(&client.name));
        let permit = limit_of(&client.name).acquire_owned().await.ok();
        *lock(&self.obstacle) = None;
        let until = Instant::now() + client.attempt_timeout;
        ExchangePermit { endpoints: self, order, client, at_home: endpoint == HOME, until, _permit: permit }
    }

    /// Why the current attempt has not been sent, if it waits for its permit.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        lock(&self.obstacle).clone()
    }
}

/// Allows one exchange. The permit ends when this is dropped.
pub(crate) struct ExchangePermit<'a> {
    endpoints: &'a Endpoints,
    /// The order after this exchange.
    order: StandbyOrder,
    client: &'a StsClient,
    at_home: bool,
    until: Instant,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ExchangePermit<'_> {
    /// Makes the exchange. It ends within the attempt timeout, which began with the permit.
    pub(crate) async fn exchange(
        mut self,
        session: &Session,
        authentication: &Authentication<'_>,
    ) -> Result<Grant, Box<ExchangeFailure>> {
        let left = self.until.saturating_duration_since(Instant::now());
        let result = self.client.exchange(session, authentication, left).await;
        let is_silent = matches!(&result, Err(failure) if failure.reason == Reason::NoAnswer);
        // If a slow token left STS hardly any time, its silence is no outage.
        if !is_silent || left > self.client.attempt_timeout / 8 {
            self.order.ended(outcome(&result));
            *lock(&self.endpoints.order) = self.order;
        }
        result.map_err(|failure| if self.at_home { failure } else { at_standby(failure, session) })
    }
}

/// The permits of this process for one endpoint, first come, first served. An endpoint that hangs blocks no other.
fn limit_of(endpoint: &str) -> Arc<Semaphore> {
    static ALL: SharedValues<String, Semaphore> = SharedValues::new();
    ALL.get(endpoint.to_owned(), || Semaphore::new(MAX_AT_ONCE))
}

fn waits_for_permit(endpoint: &str) -> Error {
    let message = format!(
        "the exchange has not started: {MAX_AT_ONCE} exchanges of this process with STS at {endpoint} are running, which is \
         the limit"
    );
    Error::new(ErrorKind::TimedOut, message)
        .with_remedy("share one provider for each role. If STS does not answer, check the network")
}

const MAX_AT_ONCE: usize = 8;

fn outcome(result: &Result<Grant, Box<ExchangeFailure>>) -> Outcome {
    match result {
        // These credentials had expired on arrival. A standby has another clock.
        Ok(grant) if has_ended(grant) => Outcome::Outage,
        Ok(_) => Outcome::Answered,
        Err(failure) if failure.reason == Reason::RegionDisabled => Outcome::Disabled,
        Err(failure) if failure.reason == Reason::NoProvider => Outcome::UnknownIssuer,
        Err(failure) if failure.reason.is_outage() => Outcome::Outage,
        Err(_) => Outcome::Answered,
    }
}

/// At a standby, these faults are a reason to ask the next endpoint. At home only a human can mend them.
fn at_standby(mut failure: Box<ExchangeFailure>, session: &Session) -> Box<ExchangeFailure> {
    match failure.reason {
        Reason::NoProvider => failure.reason = Reason::NoProviderAtStandby,
        Reason::RegionDisabled => {
            // Once for each standby, since it is not asked again.
            tracing::warn!(
                role = session.role_arn,
                endpoint = failure.endpoint,
                "STS is not activated at a standby for the role's account: this standby is not asked again"
            );
            failure.reason = Reason::StandbyDisabled;
        }
        _ => {}
    }
    failure
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;
    use crate::sts::testing::{JWT, ROLE, config, session, success, xml};

    const CALM: Attempt = Attempt { valid: true };
    const TOKEN: Authentication<'static> = Authentication::Token { jwt: JWT, expires_at: None, valid_from: None };

    #[tokio::test(start_paused = true)]
    async fn eight_exchanges_run_at_once_in_order() {
        let endpoints = Arc::new(Endpoints::new(&config("https://permits.example.com")));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut exchanges = JoinSet::new();
        for number in 0..50 {
            let (endpoints, now, most, order) = (endpoints.clone(), now.clone(), most.clone(), order.clone());
            exchanges.spawn(async move {
                let permit = endpoints.permit(CALM).await;
                order.lock().unwrap().push(number);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(500)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            });
            tokio::task::yield_now().await;
        }
        exchanges.join_all().await;
        assert_eq!(most.load(Ordering::SeqCst), 8);
        assert!(order.lock().unwrap().is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_of_home_stands_and_refusal_of_standby_does_not() {
        /// One host answers with this code. The other one is out of order.
        #[derive(Debug)]
        struct Answers(&'static str, &'static str);
        impl HttpConnector for Answers {
            fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
                let (status, code) = if request.uri().contains(self.0) { (400, self.1) } else { (503, "Unavailable") };
                let message = match code {
                    "AccessDenied" => "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                    _ => "No OpenIDConnect provider found in your account for https://issuer.example.com",
                };
                let answer = xml("", status, code, message);
                let (_, body) = answer.split_once("\r\n\r\n").unwrap();
                let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
                HttpConnectorFuture::ready(Ok(answer))
            }
        }
        let at_home = |reason| vec![(true, reason); 4];
        for (host, code, expected) in [
            ("home.", "InvalidIdentityToken", at_home(Reason::NoProvider)),
            ("home.", "AccessDenied", at_home(Reason::RoleDenied)),
            (
                "standby",
                "InvalidIdentityToken",
                vec![
                    (true, Reason::ServerFault),
                    (false, Reason::NoProviderAtStandby),
                    (false, Reason::NoProviderAtStandby),
                    (true, Reason::ServerFault),
                ],
            ),
        ] {
            let mut config = config("https://home.example.com");
            let standbys = ["https://standby.example.com", "https://standby2.example.com"];
            config.standbys = standbys.map(|url| self::config(url).home).to_vec();
            config.http_client = Some(http_client_fn(move |_, _| SharedHttpConnector::new(Answers(host, code))));
            let endpoints = Endpoints::new(&config);
            let mut seen = Vec::new();
            for _ in 0..4 {
                let permit = endpoints.permit(Attempt { valid: false }).await;
                let at_home = permit.client.name.contains("home");
                seen.push((at_home, permit.exchange(&session(ROLE), &TOKEN).await.err().unwrap().reason));
            }
            assert_eq!(seen, expected, "{host} {code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempt_timeout_begins_with_the_permit() {
        #[derive(Debug)]
        struct Slow;
        impl HttpConnector for Slow {
            fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
                HttpConnectorFuture::new(async {
                    sleep(Duration::from_secs(5)).await;
                    Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(success())))
                })
            }
        }
        let mut config = config("https://slow.example.com");
        config.http_client = Some(http_client_fn(|_, _| SharedHttpConnector::new(Slow)));
        let endpoints = Endpoints::new(&config);
        for (spent, in_time) in [(0, true), (2, true), (4, false), (60, false)] {
            let mut others = Vec::new();
            for _ in 0..MAX_AT_ONCE {
                others.push(endpoints.permit(CALM).await);
            }
            let exchange = async {
                let permit = endpoints.permit(CALM).await;
                sleep(Duration::from_secs(spent)).await;
                permit.exchange(&session(ROLE), &TOKEN).await
            };
            let (outcome, ()) = tokio::join!(exchange, async {
                sleep(Duration::from_secs(60)).await;
                drop(others);
            });
            let reason = outcome.map_err(|failure| failure.reason).err();
            assert_eq!(reason, (!in_time).then_some(Reason::NoAnswer), "{spent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_after_a_late_token_leads_to_no_standby() {
        #[derive(Debug)]
        struct Silent;
        impl HttpConnector for Silent {
            fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
                HttpConnectorFuture::new(std::future::pending())
            }
        }
        let mut config = config("https://home.example.com");
        config.standbys = vec![self::config("https://standby.example.com").home];
        config.http_client = Some(http_client_fn(|_, _| SharedHttpConnector::new(Silent)));
        let endpoints = Endpoints::new(&config);
        for (spent, at_home, seen) in [
            (7000, true, "within 1 s; the rest of 8 s passed before the request"),
            (3000, true, "within 5 s; the rest of 8 s passed before the request"),
            (0, false, "within 8 s"),
        ] {
            let permit = endpoints.permit(Attempt { valid: false }).await;
            assert_eq!(permit.at_home, at_home, "{spent}");
            sleep(Duration::from_millis(spent)).await;
            let failure = permit.exchange(&session(ROLE), &TOKEN).await.err().unwrap();
            assert!(failure.message.ends_with(seen), "{}", failure.message);
        }
    }

    #[tokio::test]
    async fn unused_permit_moves_nothing() {
        let mut config = config("http://127.0.0.1:1");
        config.standbys = vec![config.home.clone(); 2];
        let endpoints = Endpoints::new(&config);
        for _ in 0..2 {
            endpoints.permit(CALM).await.exchange(&session(ROLE), &TOKEN).await.err().unwrap();
        }
        let next = |permit: ExchangePermit<'_>| format!("{:?}", permit.order);
        let first = next(endpoints.permit(CALM).await);
        assert_eq!(first, next(endpoints.permit(CALM).await), "the standby that was not asked is still next");
        assert!(first.contains("at: 1"), "{first}");
    }
}
