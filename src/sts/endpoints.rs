//! One STS, or home and its standbys, and the turns at each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{fmt, process};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::config::{Session, StsConfig};
use super::exchange::Sts;
use super::proof::Proof;
use super::reason::Reason;
use super::refusal::Refusal;
use super::rota::{Found, HOME, Rota};
use crate::error::{Error, ErrorKind};
use crate::refresh::{Attempt, Grant};

/// The endpoints of one provider. One exchange at a time: where it goes depends on how those before it ended.
pub(crate) struct Endpoints {
    /// Home first.
    places: Vec<Sts>,
    rota: Mutex<Rota>,
    /// Set while a turn is waited for.
    obstacle: Mutex<Option<Error>>,
}

impl Endpoints {
    /// Nothing is sent.
    pub(crate) fn new(config: &StsConfig) -> Self {
        let home = Sts::new(config);
        let places: Vec<_> =
            std::iter::once(home).chain(config.standbys.iter().map(|at| Sts::at(config, at))).collect();
        let rota = Mutex::new(Rota::new(config.standbys.len()));
        Self { places, rota, obstacle: Mutex::default() }
    }

    /// The same, for another provider, which goes its own way.
    pub(crate) fn another(&self) -> Self {
        let rota = Mutex::new(Rota::new(self.places.len() - 1));
        Self { places: self.places.clone(), rota, obstacle: Mutex::default() }
    }

    /// How long an exchange may take.
    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.places[HOME].attempt_timeout()
    }

    /// Waits for a turn where an exchange is most likely to succeed.
    ///
    /// The wait has no bound: take the token after it, so that the token is not old. Cancel safe.
    pub(crate) async fn turn(&self, attempt: Attempt) -> Turn<'_> {
        let mut rota = lock(&self.rota).clone();
        let place = rota.next(attempt.usable);
        let sts = &self.places[place];
        *lock(&self.obstacle) = Some(waits_for_turn(sts.place()));
        let permit = turns(sts.place()).acquire_owned().await.ok();
        *lock(&self.obstacle) = None;
        let until = Instant::now() + sts.attempt_timeout();
        Turn { endpoints: self, rota, sts, at_home: place == HOME, until, _permit: permit }
    }

    /// The reason why the attempt under way has not been sent yet, if it waits for a turn.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        lock(&self.obstacle).clone()
    }
}

/// Leave to make one exchange. It is given back when this is dropped.
pub(crate) struct Turn<'a> {
    endpoints: &'a Endpoints,
    /// As it will be if the exchange is made.
    rota: Rota,
    sts: &'a Sts,
    at_home: bool,
    until: Instant,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turn<'_> {
    /// The exchange. It ends within the attempt timeout, counted from the beginning of the turn.
    pub(crate) async fn exchange(mut self, session: &Session, proof: &Proof<'_>) -> Result<Grant, Box<Refusal>> {
        let outcome = self.sts.exchange(session, proof, self.until).await;
        self.rota.ended(found(&outcome));
        *lock(&self.endpoints.rota) = self.rota;
        outcome.map_err(|refusal| if self.at_home { refusal } else { at_standby(refusal, session) })
    }
}

/// The turns of this process at one STS, first come, first served. An STS that hangs takes no turn from another one.
///
/// A forked child has turns of its own: nobody there would give back those of its parent.
fn turns(place: &str) -> Arc<Semaphore> {
    static ALL: Mutex<BTreeMap<(u32, String), Weak<Semaphore>>> = Mutex::new(BTreeMap::new());

    let mut all = lock(&ALL);
    let key = (process::id(), place.to_owned());
    if let Some(turns) = all.get(&key).and_then(Weak::upgrade) {
        return turns;
    }
    all.retain(|_, turns| turns.strong_count() > 0);
    let turns = Arc::new(Semaphore::new(MOST_AT_ONCE));
    all.insert(key, Arc::downgrade(&turns));
    turns
}

fn waits_for_turn(place: &str) -> Error {
    let message = format!("{MOST_AT_ONCE} exchanges of this process with STS at {place} are under way, others wait");
    Error::new(ErrorKind::TimedOut, message)
        .with_hint("share one provider for each role. If STS does not answer, check the network")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MOST_AT_ONCE: usize = 8;

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("places", &self.places).finish_non_exhaustive()
    }
}

fn found(outcome: &Result<Grant, Box<Refusal>>) -> Found {
    match outcome {
        // Nobody can use it; a clock that is so wrong is that server's own.
        Ok(grant) if grant.date.is_some_and(|date| grant.expiration <= date) => Found::Outage,
        Ok(_) => Found::Sts,
        Err(refusal) if refusal.reason == Reason::RegionDisabled => Found::Disabled,
        Err(refusal) if refusal.reason == Reason::NoProvider => Found::Unknown,
        Err(refusal) if refusal.reason.is_outage() => Found::Outage,
        Err(_) => Found::Sts,
    }
}

/// What only a human can mend at home is, at a standby, a reason to ask the next one.
fn at_standby(mut refusal: Box<Refusal>, session: &Session) -> Box<Refusal> {
    match refusal.reason {
        Reason::NoProvider => refusal.reason = Reason::NoProviderAtStandby,
        Reason::RegionDisabled => {
            // Once for each standby: it is not asked again.
            tracing::warn!(
                role = session.role_arn,
                endpoint = refusal.endpoint,
                "STS is not activated at a standby for the role's account: this standby is not asked any more. Activate STS \
                 there (IAM, Account settings), or name another standby"
            );
            refusal.reason = Reason::StandbyDisabled;
        }
        _ => {}
    }
    refusal
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
    use crate::sts::testing::{JWT, ROLE, config, session, success};

    const CALM: Attempt = Attempt { usable: true };
    const PROOF: Proof<'static> = Proof::Token { jwt: JWT, expires_at: None, valid_from: None };

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_eight_at_once() {
        let endpoints = Arc::new(Endpoints::new(&config("https://turns.example.com")));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut exchanges = JoinSet::new();
        for number in 0..50 {
            let (endpoints, now, most, order) = (endpoints.clone(), now.clone(), most.clone(), order.clone());
            exchanges.spawn(async move {
                let turn = endpoints.turn(CALM).await;
                order.lock().unwrap().push(number);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(500)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                drop(turn);
            });
            tokio::task::yield_now().await;
        }
        exchanges.join_all().await;
        assert_eq!(most.load(Ordering::SeqCst), 8);
        assert!(order.lock().unwrap().is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_turn_on() {
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
            for _ in 0..MOST_AT_ONCE {
                others.push(endpoints.turn(CALM).await);
            }
            let exchange = async {
                let turn = endpoints.turn(CALM).await;
                sleep(Duration::from_secs(spent)).await;
                turn.exchange(&session(ROLE), &PROOF).await
            };
            let (outcome, ()) = tokio::join!(exchange, async {
                sleep(Duration::from_secs(60)).await;
                drop(others);
            });
            let reason = outcome.map_err(|refusal| refusal.reason).err();
            assert_eq!(reason, (!in_time).then_some(Reason::NoAnswer), "{spent}");
        }
    }

    #[tokio::test]
    async fn unused_turn_moves_nothing() {
        let mut config = config("http://127.0.0.1:1");
        config.standbys = vec![config.home.clone(); 2];
        let endpoints = Endpoints::new(&config);
        for _ in 0..2 {
            endpoints.turn(CALM).await.exchange(&session(ROLE), &PROOF).await.err().unwrap();
        }
        let next = |turn: Turn<'_>| format!("{:?}", turn.rota);
        let first = next(endpoints.turn(CALM).await);
        assert_eq!(first, next(endpoints.turn(CALM).await), "the standby that was not asked is still next");
        assert!(first.contains("at: 1"), "{first}");
    }
}
