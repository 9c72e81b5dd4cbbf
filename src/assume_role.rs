//! A chained role: an exchange of the base's credentials for those of another role.
//!
//! The base has an engine of its own, which keeps its credentials fresh. A failure of the base is a failure of the
//! chained role. New credentials of the base end that failure.

mod remedies;

use std::sync::atomic::{AtomicU64, Ordering};

use aws_credential_types::Credentials;
use tokio::time::timeout;

use self::remedies::{RemedyContext, remedy};
use crate::error::{Error, ErrorKind};
use crate::refresh::{Attempt, Change, Class, EngineHandle, Failure, Grant, Source};
use crate::rejection_codes::least_key_age;
use crate::sts::{Authentication, ChainSettings, Endpoints, ExchangeFailure, Session};

/// The source of a chained role: it exchanges credentials of the base at STS.
pub(crate) struct AssumeRole {
    /// Counts as a handle: the base lives at least as long as its chained roles.
    base: EngineHandle,
    session: Session,
    settings: ChainSettings,
    sts: Endpoints,
    /// Generation of the base that was used last, or reported as new.
    seen_generation: AtomicU64,
}

impl AssumeRole {
    pub(crate) fn new(base: EngineHandle, session: Session, settings: ChainSettings, sts: Endpoints) -> Self {
        Self { base, session, settings, sts, seen_generation: AtomicU64::new(0) }
    }

    async fn base_credentials(&self) -> Result<Credentials, Failure> {
        // Stored before the credentials are read. A refresh in between then counts as new.
        self.seen_generation.fetch_max(self.base.status().generation, Ordering::Relaxed);
        match timeout(self.sts.attempt_timeout(), self.base.credentials()).await {
            Ok(credentials) => credentials.map_err(|error| self.base_failed(error)),
            Err(_) => Err(self.base_failed(self.base_error())),
        }
    }

    fn base_failed(&self, cause: Error) -> Failure {
        let class = Class::of(&cause);
        let (role, base) = (&self.session.role_arn, self.base.subject());
        let message = format!("{role} could not be assumed without credentials of {base}");
        let error = Error::caused_by(cause, message, "see the error of that role below");
        Failure { class, error, retry_after: None }
    }

    fn base_error(&self) -> Error {
        self.base.obstacle().or_else(|| self.base.status().last_error).unwrap_or_else(|| {
            Error::new(ErrorKind::TimedOut, format!("{} has no credentials yet", self.base.subject()))
                .with_remedy("a chained role needs them. Their provider tries again; its status() has the last error")
        })
    }

    fn exchange_failed(&self, failure: ExchangeFailure, signed_with: &Credentials) -> Failure {
        if let Some(least_key_age) = failure.code.as_deref().and_then(|code| least_key_age(code, failure.clock_off)) {
            self.base.rejected(signed_with.access_key_id(), least_key_age);
        }
        let principal = self.base.status().principal;
        let context = RemedyContext {
            exchange: failure.remedy_context(&self.session),
            base_role_arn: self.base.subject(),
            base_session_arn: principal.as_deref().and_then(|principal| principal.assumed_role_arn.as_deref()),
            settings: &self.settings,
        };
        let remedy = remedy(failure.reason, &context);
        failure.into_failure(remedy)
    }
}

impl Source for AssumeRole {
    async fn fetch(&self, attempt: Attempt) -> Result<Grant, Failure> {
        // The chained role holds no permit while it waits, because the base may need one itself.
        self.base_credentials().await?;
        let permit = self.sts.permit(attempt).await;
        let credentials = self.base_credentials().await?;
        let authentication = Authentication::Credentials { credentials: &credentials, settings: &self.settings };
        permit
            .exchange(&self.session, &authentication)
            .await
            .map_err(|failure| self.exchange_failed(*failure, &credentials))
    }

    async fn changed(&self) -> Change {
        let mut updates = self.base.updates();
        loop {
            let newest = updates.last();
            if self.seen_generation.fetch_max(newest, Ordering::Relaxed) < newest {
                return Change::Content;
            }
            if updates.changed().await.is_err() {
                // The base was shut down, and will have no new credentials.
                std::future::pending::<()>().await;
            }
        }
    }

    fn subject(&self) -> &str {
        &self.session.role_arn
    }

    fn obstacle(&self) -> Option<Error> {
        let base = || self.base.current().is_none().then(|| self.base_failed(self.base_error()).error);
        self.sts.obstacle().or_else(base)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};

    use super::*;
    use crate::refresh::{Clock, ExpiredPolicy, Monotonic, Policy, Principal, ShutdownWhen};
    use crate::sts::testing::{ROLE, Server, Then, config, http, session, success};

    const CALM: Attempt = Attempt { valid: true };
    const BASE: &str = "arn:aws:iam::123456789012:role/base";

    /// Gives the keys BASE0, BASE1 and so on, or fails.
    struct Scripted {
        fails: bool,
        given: AtomicU64,
    }

    impl Source for Scripted {
        async fn fetch(&self, _: Attempt) -> Result<Grant, Failure> {
            if self.fails {
                let error = Error::new(ErrorKind::TokenUnavailable, "no token is mounted");
                return Err(Failure { class: Class::BadInput, error, retry_after: None });
            }
            let key = format!("BASE{}", self.given.fetch_add(1, Ordering::Relaxed));
            let (date, length) = (SystemTime::now(), Duration::from_secs(3600));
            Ok(Grant {
                credentials: Credentials::new(key, "secret", Some("session".to_owned()), None, "scripted"),
                expiration: date + length,
                date: Some(date),
                requested: length,
                principal: Principal::default(),
            })
        }

        async fn changed(&self) -> Change {
            std::future::pending().await
        }

        fn subject(&self) -> &str {
            BASE
        }
    }

    fn base(fails: bool) -> EngineHandle {
        let wait_timeout = Duration::from_secs(30);
        let policy = Policy { refresh_window: 0.60..=0.75, wait_timeout, expired: ExpiredPolicy::Never };
        let clock = Clock::new(Monotonic::System, SharedTimeSource::new(SystemTimeSource::new()));
        EngineHandle::new(
            Arc::new(Scripted { fails, given: AtomicU64::new(0) }),
            policy,
            clock,
            None,
            ShutdownWhen::default(),
            None,
        )
    }

    async fn until(mut holds: impl FnMut() -> bool) {
        let holds = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), holds).await.unwrap();
    }

    #[tokio::test]
    async fn base_refreshed_during_the_wait_signs() {
        let reply = http(200, "", &success().replace("AssumeRoleWithWebIdentity", "AssumeRole"));
        let server = Server::start(reply, Then::Close).await;
        let (base, config) = (base(false), config(&server.url));
        let chain = AssumeRole::new(base.clone(), session(ROLE), ChainSettings::default(), Endpoints::new(&config));
        let others = Endpoints::new(&config);
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(others.permit(CALM).await);
        }
        let refresh = async {
            until(|| chain.obstacle().is_some_and(|obstacle| obstacle.to_string().contains("8 exchanges"))).await;
            let credentials = base.refresh().await.unwrap();
            drop(permits);
            credentials.access_key_id().to_owned()
        };
        let (outcome, key) = tokio::join!(chain.fetch(CALM), refresh);
        assert!(outcome.is_ok());
        assert!(chain.obstacle().is_none());
        let asked = String::from_utf8(server.asked.lock().unwrap().pop().unwrap()).unwrap();
        assert!(key != "BASE0" && asked.contains(&format!("Credential={key}/")), "{key}: {asked}");
    }

    #[tokio::test]
    async fn failing_base_is_the_obstacle() {
        let base = base(true);
        let chain = AssumeRole::new(
            base.clone(),
            session(ROLE),
            ChainSettings::default(),
            Endpoints::new(&config("http://127.0.0.1:1")),
        );
        let said = |part: &str| {
            let obstacle = chain.obstacle().unwrap();
            assert!(obstacle.to_string().contains(ROLE) && obstacle.to_string().contains(BASE), "{obstacle}");
            obstacle.source().unwrap().to_string().contains(part)
        };
        assert!(said("has no credentials yet"));
        tokio::select! {
            _ = chain.fetch(CALM) => {}
            () = until(|| said("no token is mounted")) => {}
        }
        assert!(said("no token is mounted"));
    }
}
