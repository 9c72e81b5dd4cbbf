//! The one task: wait, fetch, publish, back off.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, sleep_until};
use tracing::Instrument;

use super::lease::{Lease, Step};
use super::source::{Attempt, Change, Class, Failure, Grant, Source};
use crate::error::{Error, ErrorKind};

/// Runs until the provider is closed, or another task has taken over.
pub(super) async fn run<S: Source>(lease: Lease, source: Arc<S>) {
    let shared = lease.shared();
    // Kept across turns: a source may keep time in it.
    let mut changed = pin!(change_of(&*source));
    loop {
        match lease.step() {
            Step::Leave => return,
            Step::Wait(until) => tokio::select! {
                biased;
                () = shared.closed.cancelled() => return,
                change = &mut changed => {
                    lease.changed(change);
                    changed.set(change_of(&*source));
                }
                () = shared.wake.notified() => {}
                () = sleep_until(until) => {}
            },
            Step::Attempt(attempt, span) => {
                let sent = shared.clock.read();
                let mut change_meanwhile = None;
                let mut next_beat = lease.beat();
                let mut fetch = pin!(fetch_from(&*source, attempt).instrument(span.clone()));
                let outcome = loop {
                    tokio::select! {
                        biased;
                        () = shared.closed.cancelled() => return,
                        () = poll_fn(|_| if lease.superseded() { Poll::Ready(()) } else { Poll::Pending }) => return,
                        outcome = &mut fetch => break outcome,
                        change = &mut changed => {
                            change_meanwhile = stronger(change_meanwhile, change);
                            changed.set(change_of(&*source));
                        }
                        () = shared.wake.notified() => next_beat = lease.beat(),
                        () = sleep_until(next_beat) => next_beat = lease.beat(),
                    }
                };
                span.in_scope(|| lease.finished(sent, outcome));
                if let Some(change) = change_meanwhile {
                    lease.changed(change);
                }
            }
        }
    }
}

fn stronger(known: Option<Change>, change: Change) -> Option<Change> {
    if known == Some(Change::Identity) { known } else { Some(change) }
}

/// One fetch, where a panic is a failure like another.
async fn fetch_from<S: Source>(source: &S, attempt: Attempt) -> Result<Grant, Failure> {
    match caught(async || source.fetch(attempt).await).await {
        Ok(outcome) => outcome,
        Err(panic) => {
            let error = Error::new(ErrorKind::Unexpected, format!("the exchange panicked ({})", text_of(&*panic)))
                .with_hint("this is a bug of the crate or of a client that it was given; the exchange is tried again")
                .with_transient(true);
            Err(Failure { class: Class::Transient, error, retry_after: None })
        }
    }
}

/// The next change, where a panic costs no more than some time.
async fn change_of<S: Source>(source: &S) -> Change {
    loop {
        match caught(async || source.changed().await).await {
            Ok(change) => return change,
            Err(panic) => {
                tracing::error!(panic = text_of(&*panic), "watching for changes panicked; trying again");
                sleep(AFTER_PANIC).await;
            }
        }
    }
}

const AFTER_PANIC: Duration = Duration::from_secs(30);

/// Drives a future to its end, or to its panic, which may come as early as when it is made.
async fn caught<T>(make: impl AsyncFnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(make());
    poll_fn(move |cx: &mut Context<'_>| {
        let future: Pin<&mut _> = future.as_mut();
        match catch_unwind(AssertUnwindSafe(|| Future::poll(future, cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Only what a literal or `format!` gave: never a value of the source.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(_)) => "message withheld",
        (None, None) => "no message",
    }
}
