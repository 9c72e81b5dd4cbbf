//! One STS, or home and its standbys.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::config::{Session, StsConfig};
use super::exchange::Sts;
use super::proof::Proof;
use super::reason::Reason;
use super::refusal::Refusal;
use super::rota::{Found, HOME, Rota};
use crate::refresh::{Attempt, Grant};

/// The endpoints of one provider. One exchange at a time: where it goes depends on how those before it ended.
pub(crate) struct Endpoints {
    /// Home first.
    places: Vec<Sts>,
    rota: Mutex<Rota>,
}

impl Endpoints {
    /// Nothing is sent.
    pub(crate) fn new(config: &StsConfig) -> Self {
        let home = Sts::new(config);
        let places: Vec<_> =
            std::iter::once(home).chain(config.standbys.iter().map(|at| Sts::at(config, at))).collect();
        let rota = Mutex::new(Rota::new(config.standbys.len()));
        Self { places, rota }
    }

    /// The same, for another provider, which goes its own way.
    pub(crate) fn another(&self) -> Self {
        Self { places: self.places.clone(), rota: Mutex::new(Rota::new(self.places.len() - 1)) }
    }

    /// How long an exchange may take.
    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.places[HOME].attempt_timeout()
    }

    /// One exchange, where it is most likely to succeed. `spent`: what is gone of its time already.
    pub(crate) async fn exchange(
        &self,
        attempt: Attempt,
        session: &Session,
        proof: &Proof<'_>,
        spent: Duration,
    ) -> Result<Grant, Box<Refusal>> {
        let place = self.rota().next(attempt.usable);
        let outcome = self.places[place].exchange(session, proof, spent).await;
        self.rota().ended(found(&outcome));
        outcome.map_err(|refusal| if place == HOME { refusal } else { at_standby(refusal, session) })
    }

    fn rota(&self) -> MutexGuard<'_, Rota> {
        self.rota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
                "STS is not activated at a standby for the role's account: it is not asked there any more; activate it (IAM, \
                 Account settings), or name another standby"
            );
            refusal.reason = Reason::StandbyDisabled;
        }
        _ => {}
    }
    refusal
}
