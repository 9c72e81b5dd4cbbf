//! The task's loop: wait, fetch, publish, wait again.
//!
//! Nothing that a source, a subscriber or an observer does ends the loop. A panic of theirs costs one attempt or one pause.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};
use tracing::Instrument;

use super::engine_thread::no_thread;
use super::shutdown_when::ShutdownWhen;
use super::source::{Attempt, Change, Class, Failure, Grant, Source};
use super::task::Task;
use crate::error::{Error, ErrorKind};

/// Runs until the provider is closed, or until the user's future closes it.
pub(super) async fn run<S: Source>(task: Task, source: Arc<S>, shutdown_when: ShutdownWhen) {
    let closed = task.shared().closed.clone();
    let mut wake = task.shared().wake.subscribe();
    let endless = async {
        loop {
            if let Err(panic) = caught(async || turn(&task, &*source, &mut wake).await).await {
                task.attempt_lost();
                // The subscriber may be what panics.
                drop(catch_unwind(AssertUnwindSafe(|| {
                    tracing::error!(panic = text_of(&*panic), "the background work panicked; it goes on after a pause");
                })));
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

/// Turns of the loop, without end.
async fn turn<S: Source>(task: &Task, source: &S, wake: &mut watch::Receiver<()>) {
    // Kept across attempts: a source may keep time in it.
    let mut changed = pin!(change_of(source));
    let mut change_meanwhile = None;
    let mut under_way: Option<UnderWay> = None;
    loop {
        let (attempt, until) = task.step();
        if let Some((attempt, span)) = attempt {
            let sent = task.shared().clock.read();
            let fetch = Box::pin(fetch_from(source, attempt).instrument(span.clone()));
            under_way = Some(UnderWay { sent, span, fetch });
        }
        tokio::select! {
            biased;
            outcome = poll_fn(|cx| under_way.as_mut().map_or(Poll::Pending, |it| it.fetch.as_mut().poll(cx))) => {
                if let Some(UnderWay { sent, span, .. }) = under_way.take() {
                    span.in_scope(|| task.finished(sent, outcome));
                }
            }
            change = &mut changed => {
                change_meanwhile = stronger(change_meanwhile, change);
                changed.set(change_of(source));
            }
            _ = wake.changed() => {}
            () = sleep_until(until) => {}
        }
        // A change during an attempt says something about the next one.
        if under_way.is_none()
            && let Some(change) = change_meanwhile.take()
        {
            task.changed(change);
        }
    }
}

/// An attempt that has not ended.
struct UnderWay<'a> {
    sent: super::clock::Reading,
    span: tracing::Span,
    fetch: Pin<Box<dyn Future<Output = Result<Grant, Failure>> + Send + 'a>>,
}

fn stronger(known: Option<Change>, change: Change) -> Option<Change> {
    if known == Some(Change::Identity) { known } else { Some(change) }
}

/// One fetch, where a panic is a failure like another.
async fn fetch_from<S: Source>(source: &S, attempt: Attempt) -> Result<Grant, Failure> {
    let panic = match caught(async || source.fetch(attempt).await).await {
        Ok(outcome) => return outcome,
        Err(panic) => panic,
    };
    let error = match panic.downcast_ref::<String>().and_then(|text| text.strip_prefix(TOKIO_WITHOUT_THREAD)) {
        // Name resolution and file access of Tokio take threads, and panic where there is none.
        Some(cause) => no_thread(&cause),
        None => Error::new(ErrorKind::Unexpected, format!("the exchange panicked ({})", text_of(&*panic)))
            .with_hint(
                "report this bug, with the panic's backtrace: of this crate, or of the HTTP client, token source or provider \
                 that it was given. The exchange is tried again",
            )
            .with_transient(true),
    };
    Err(Failure { class: Class::Transient, error, retry_after: None })
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

/// How Tokio's `spawn_blocking` begins when the system has no thread.
const TOKIO_WITHOUT_THREAD: &str = "OS can't spawn worker thread: ";
const AFTER_PANIC: Duration = Duration::from_secs(30);

/// Drives a future to its end, or to its panic, which may come as early as when it is made.
pub(super) async fn caught<T>(make: impl AsyncFnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
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
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(_)) => "message withheld",
        (None, None) => "no message",
    }
}
