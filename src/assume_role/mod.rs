//! The chain: credentials of one role for those of another.
//!
//! Those of the base come from its own engine, which keeps them fresh; nothing here fetches them. A base that fails is
//! a failure of the chain, and one that got new credentials ends it.

mod hints;

use std::sync::atomic::{AtomicU64, Ordering};

use aws_credential_types::Credentials;
use tokio::time::timeout;

use self::hints::{Known, hint};
use crate::error::{Error, ErrorKind};
use crate::key_refusal::least_age;
use crate::refresh::{Attempt, Change, Class, Failure, Grant, Source, Supervisor};
use crate::sts::{Endpoints, Proof, Refusal, Session};

/// Credentials of one role, from STS, for those of a base.
pub(crate) struct AssumeRole {
    /// A handle like any other: the base lives as long as what stands on it.
    base: Supervisor,
    session: Session,
    external_id: Option<String>,
    sts: Endpoints,
    /// The generation of the base that was used last, or reported as new.
    seen: AtomicU64,
}

impl AssumeRole {
    pub(crate) fn new(base: Supervisor, session: Session, external_id: Option<String>, sts: Endpoints) -> Self {
        Self { base, session, external_id, sts, seen: AtomicU64::new(0) }
    }

    async fn sign_with(&self) -> Result<Credentials, Failure> {
        // Noted before they are taken: what comes in between is new to us.
        self.seen.fetch_max(self.base.standing().generation, Ordering::Relaxed);
        match timeout(self.sts.attempt_timeout(), self.base.credentials()).await {
            Ok(credentials) => credentials.map_err(|error| self.without_base(error)),
            Err(_) => Err(self.without_base(self.base_obstacle())),
        }
    }

    fn without_base(&self, cause: Error) -> Failure {
        let class = Class::of(&cause);
        let (role, base) = (&self.session.role_arn, self.base.subject());
        let message = format!("{role} could not be assumed without credentials of {base}");
        let error = Error::new(cause.kind(), message)
            .with_hint("mend the base first, as its own error says")
            .with_transient(cause.is_transient())
            .with_source(cause);
        Failure { class, error, retry_after: None }
    }

    fn base_obstacle(&self) -> Error {
        self.base.standing().last_error.unwrap_or_else(|| {
            Error::new(ErrorKind::TimedOut, format!("{} has no credentials yet", self.base.subject()))
                .with_hint("its own attempts go on; its status() says how they end")
        })
    }

    fn refused(&self, refusal: Refusal, signed_with: &Credentials) -> Failure {
        if let Some(least_age) = refusal.code.as_deref().and_then(least_age) {
            self.base.rejected(signed_with.access_key_id(), least_age);
        }
        let principal = self.base.principal();
        let known = Known {
            asked: refusal.asked(&self.session),
            base_role_arn: self.base.subject(),
            base_session_arn: principal.as_deref().and_then(|principal| principal.assumed_role_arn.as_deref()),
            external_id: self.external_id.as_deref(),
        };
        let hint = hint(refusal.reason, &known);
        refusal.into_failure(hint)
    }
}

impl Source for AssumeRole {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        // Waited for without a turn: the base may need one itself.
        self.sign_with().await?;
        let turn = self.sts.turn(attempt).await;
        let credentials = self.sign_with().await?;
        let proof = Proof::Credentials { credentials: &credentials, external_id: self.external_id.as_deref() };
        turn.exchange(&self.session, &proof).await.map_err(|refusal| self.refused(*refusal, &credentials))
    }

    async fn changed(&self) -> Change {
        let mut updates = self.base.updates();
        loop {
            let newest = updates.last();
            if self.seen.fetch_max(newest, Ordering::Relaxed) < newest {
                return Change::Content;
            }
            if updates.changed().await.is_err() {
                // The base was shut down: there will be no more of it.
                std::future::pending::<()>().await;
            }
        }
    }

    fn subject(&self) -> &str {
        &self.session.role_arn
    }

    fn obstacle(&self) -> Option<Error> {
        let base = || self.base.current().is_none().then(|| self.without_base(self.base_obstacle()).error);
        self.sts.obstacle().or_else(base)
    }
}
