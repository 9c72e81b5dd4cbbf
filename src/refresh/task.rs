//! The task of a provider: it waits, makes an attempt, publishes the outcome, and waits again.
//!
//! **C. A provider has one task, and its end closes the provider.** `SharedState::claim_task` lets one caller start the task.
//! The drop of [`Task`] closes the provider. So there is one exchange at a time. With two tasks there would be two
//! exchanges, and an older answer could replace a newer one. A forked child has no task and claims its own.
//!
//! A panic in a source, a subscriber or an observer does not end the task (invariant H in [`panics`](super::panics)).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{Instrument, Span};

use super::clock::{ClockReading, Session};
use super::engine_thread::no_thread;
use super::panics::{caught, ignored, text_of};
use super::shutdown::ShutdownWhen;
use super::source::{Attempt, Change, Class, Failure, Grant, Source};
use super::state::SharedState;
use super::telemetry;
use crate::error::{Error, ErrorKind};

/// The right to be a provider's task. Its drop closes the provider.
///
/// It is a part of the task's future before a runtime gets that future. So the provider is also closed if the runtime drops
/// the future unfinished, or never polls it.
pub(super) struct Task(Arc<SharedState>);

type Outcome = Result<Grant, Failure>;
type Exchange<'a> = Pin<Box<dyn Future<Output = (ClockReading, Span, Outcome)> + Send + 'a>>;

impl Task {
    pub(super) fn new(shared: Arc<SharedState>) -> Self {
        Self(shared)
    }

    /// Runs until the provider is closed, or until the user's future closes it.
    pub(super) async fn run<S: Source>(self, source: Arc<S>, shutdown_when: ShutdownWhen) {
        let closed = self.0.closed.clone();
        let mut wake = self.0.wake.subscribe();
        let endless = async {
            loop {
                if let Err(panic) = caught(async || self.refresh(&*source, &mut wake).await).await {
                    self.0.locked(|state| state.attempt_ended());
                    ignored(|| {
                        tracing::error!(
                            panic = text_of(&*panic),
                            "the background work panicked; it continues after 30 s"
                        );
                    });
                    sleep(AFTER_PANIC).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = closed.cancelled() => {}
            () = shutdown_when.resolved() => closed.cancel(),
            () = endless => {}
        }
    }

    /// Keeps the credentials fresh, without end.
    async fn refresh<S: Source>(&self, source: &S, wake: &mut watch::Receiver<()>) {
        // This future stays the same across attempts, because a source may measure time in it.
        let mut changed = pin!(change_of(source));
        let mut change_meanwhile = None;
        let mut exchange: Option<Exchange<'_>> = None;
        loop {
            let (attempt, until) = self.step();
            if let Some((attempt, span)) = attempt {
                let sent = self.0.clock.read();
                exchange = Some(Box::pin(async move {
                    let outcome = fetch_from(source, attempt).instrument(span.clone()).await;
                    (sent, span, outcome)
                }));
            }
            tokio::select! {
                biased;
                (sent, span, outcome) = poll_fn(|cx| exchange.as_mut().map_or(Poll::Pending, |it| it.as_mut().poll(cx))) => {
                    exchange = None;
                    span.in_scope(|| self.finished(sent, outcome));
                }
                change = &mut changed => {
                    // A change of the identity counts, whatever else changed.
                    change_meanwhile = change_meanwhile.filter(|known| *known == Change::Identity).or(Some(change));
                    changed.set(change_of(source));
                }
                _ = wake.changed() => {}
                () = sleep_until(until) => {}
            }
            // A change during an attempt counts for the next attempt, so it waits for the end of this one.
            if exchange.is_none()
                && let Some(change) = change_meanwhile.take()
            {
                let now = self.0.clock.now();
                self.0.locked(|state| state.source_changed(change, now));
            }
        }
    }

    /// Compares the clocks, and sends the news and events that are due. Returns the attempt to make now, and the time
    /// of the next step.
    fn step(&self) -> (Option<(Attempt, Span)>, Instant) {
        let shared = &*self.0;
        let reading = shared.clock.read();
        let (drift, step, status) = shared.locked(|state| {
            let drift = state.check_clocks(&reading);
            let step = state.step(reading.mono);
            (drift, step, state.status(&reading))
        });
        if step.news {
            shared.news.send_replace(status.generation);
        }
        telemetry::drifted(&shared.subject, drift);
        if step.expired {
            telemetry::expired(&shared.subject, &status);
        }
        shared.observe(|observer| observer.status(&status));
        let attempt = step.attempt.map(|attempt| (attempt, telemetry::exchange_span(&shared.subject, &status)));
        (attempt, step.until)
    }

    /// The attempt that was sent at `sent` ended.
    fn finished(&self, sent: ClockReading, outcome: Outcome) {
        let shared = &*self.0;
        let reading = shared.clock.read();
        let outcome = outcome.and_then(|grant| Ok((session_of(&shared.subject, &grant, &sent, &reading)?, grant)));
        let (drift, ended, status) = shared.locked(|state| {
            let drift = state.check_clocks(&reading);
            state.attempt_ended();
            let ended = outcome
                .map(|(session, grant)| state.succeeded(grant, session, &reading))
                .map_err(|failure| state.failed(failure, reading.mono));
            (drift, ended, state.status(&reading))
        });
        shared.news.send_replace(status.generation);
        telemetry::drifted(&shared.subject, drift);
        match ended {
            Ok(success) => telemetry::succeeded(&shared.subject, &success, &status, reading.wall),
            Err(warn) => telemetry::failed(&shared.subject, warn, &status, reading.wall),
        }
        let took = reading.mono.saturating_duration_since(sent.mono);
        shared.observe(|observer| observer.exchanged(took, status.last_error.as_ref()));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let shared = &*self.0;
        if !shared.closed.is_cancelled() {
            // Nobody closed the provider: the task's runtime is gone, and no further attempt will be made.
            shared.lost.store(true, Ordering::Release);
            shared.closed.cancel();
        }
        let reading = shared.clock.read();
        let status = shared.locked(|state| {
            state.task_ended();
            state.status(&reading)
        });
        shared.observe(|observer| observer.status(&status));
        shared.news.send_replace(status.generation);
    }
}

/// One exchange. A panic counts as a failure.
async fn fetch_from<S: Source>(source: &S, attempt: Attempt) -> Outcome {
    let panic = match caught(async || source.fetch(attempt).await).await {
        Ok(outcome) => return outcome,
        Err(panic) => panic,
    };
    let error = match panic.downcast_ref::<String>().and_then(|text| text.strip_prefix(TOKIO_WITHOUT_THREAD)) {
        // Tokio resolves names and reads files on threads. It panics if it can start none.
        Some(cause) => no_thread(source.subject(), &cause),
        None => Error::new(ErrorKind::Unexpected, format!("the exchange panicked ({})", text_of(&*panic)))
            .with_remedy(
                "report this bug with the panic's backtrace: to this crate, or to the authors of your HTTP client, token source \
                 or provider. The exchange is tried again",
            )
            .with_transient(true),
    };
    Err(Failure { class: Class::Outage, error, retry_after: None })
}

/// The next change of the source. A panic costs a pause.
async fn change_of<S: Source>(source: &S) -> Change {
    loop {
        match caught(async || source.changed().await).await {
            Ok(change) => return change,
            Err(panic) => {
                tracing::error!(
                    panic = text_of(&*panic),
                    "watching for changes panicked; watching continues after 30 s"
                );
                sleep(AFTER_PANIC).await;
            }
        }
    }
}

/// The time in which the credentials are valid.
fn session_of(subject: &str, grant: &Grant, sent: &ClockReading, reading: &ClockReading) -> Result<Session, Failure> {
    reading
        .session(sent, grant.expiration, grant.date, grant.requested)
        .filter(|session| session.since + session.lifetime > reading.mono)
        .ok_or_else(|| {
            let endpoint = grant.principal.endpoint.as_deref();
            let from = endpoint.map_or_else(String::new, |endpoint| format!(" from {endpoint}"));
            let what = format!("the credentials that came{from} for {subject} had expired on arrival");
            let error = Error::new(ErrorKind::Unexpected, what)
                .with_remedy(
                    "check the clocks of this machine and of the server against a time server. The exchange is tried again",
                )
                .with_transient(true)
                .with_endpoint(endpoint.map(str::to_owned));
            Failure { class: Class::Outage, error, retry_after: None }
        })
}

/// First words of the panic of Tokio's `spawn_blocking` if the system has no thread.
const TOKIO_WITHOUT_THREAD: &str = "OS can't spawn worker thread: ";
const AFTER_PANIC: Duration = Duration::from_secs(30);
