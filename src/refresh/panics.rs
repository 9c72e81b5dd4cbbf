//! Panics of code that is not ours: sources, HTTP clients, observers, subscribers and the user's futures.
//!
//! **H. Foreign code runs without our locks, and its panic costs one attempt or a pause.** Foreign code may call the provider
//! back. Under a lock, that call would wait for itself. So [`SharedState::locked`](super::state::SharedState::locked) calls
//! no foreign code. A panic that ended the task would end the refresh for good. So the task calls foreign code through
//! [`caught`] and [`ignored`].

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

/// Drives a future to its end or to its panic. Making the future may panic, too.
pub(super) async fn caught<T>(make: impl AsyncFnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(make());
    poll_fn(move |cx| {
        let future: Pin<&mut _> = future.as_mut();
        match catch_unwind(AssertUnwindSafe(|| Future::poll(future, cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Calls an observer or a subscriber and ignores its panic.
pub(super) fn ignored(call: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(call)));
}

/// The panic's message, if it is a literal. A formatted message may hold a secret.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(_)) => "message withheld",
        (None, None) => "no message",
    }
}
