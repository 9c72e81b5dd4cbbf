//! Shuttle's locks. The channels, tokens and the lock-free pointer are real, and each call is one step.

pub use shuttle::sync::{Mutex, MutexGuard};
pub use std::sync::*;

use crate::world::point;

pub mod atomic {
    /// The engine uses the other atomics only to deal stripes to threads.
    pub use shuttle::sync::atomic::AtomicBool;
    pub use std::sync::atomic::*;
}

pub mod watch {
    use real_tokio::sync::watch as real;
    use real_tokio::sync::watch::error::RecvError;

    use super::point;

    pub struct Sender<T>(real::Sender<T>);

    impl<T> Sender<T> {
        pub fn new(first: T) -> Self {
            Self(real::Sender::new(first))
        }

        pub fn subscribe(&self) -> Receiver<T> {
            point();
            Receiver(self.0.subscribe())
        }

        pub fn send_replace(&self, value: T) -> T {
            point();
            self.0.send_replace(value)
        }

        pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
            point();
            self.0.send_if_modified(modify)
        }
    }

    pub struct Receiver<T>(real::Receiver<T>);

    impl<T> Receiver<T> {
        pub async fn changed(&mut self) -> Result<(), RecvError> {
            point();
            self.0.changed().await
        }

        pub async fn wait_for(&mut self, is: impl FnMut(&T) -> bool) -> Result<real::Ref<'_, T>, RecvError> {
            point();
            self.0.wait_for(is).await
        }
    }
}

pub mod oneshot {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use real_tokio::sync::oneshot as real;

    use super::point;

    pub struct Sender<T>(Option<real::Sender<T>>);

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            point();
            drop(self.0.take());
        }
    }

    pub struct Receiver<T>(real::Receiver<T>);

    impl<T> Future for Receiver<T> {
        type Output = Result<T, real::error::RecvError>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            point();
            Pin::new(&mut self.0).poll(cx)
        }
    }

    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = real::channel();
        (Sender(Some(sender)), Receiver(receiver))
    }
}

#[derive(Clone, Default)]
pub struct CancellationToken(real_tokio_util::sync::CancellationToken);

impl CancellationToken {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_cancelled(&self) -> bool {
        point();
        self.0.is_cancelled()
    }

    pub fn cancel(&self) {
        point();
        self.0.cancel();
    }

    pub async fn cancelled(&self) {
        point();
        self.0.cancelled().await;
    }
}

pub struct ArcSwapOption<T>(real_arc_swap::ArcSwapOption<T>);

impl<T> Default for ArcSwapOption<T> {
    fn default() -> Self {
        Self(real_arc_swap::ArcSwapOption::empty())
    }
}

impl<T> ArcSwapOption<T> {
    pub fn load(&self) -> real_arc_swap::Guard<Option<Arc<T>>> {
        point();
        self.0.load()
    }

    pub fn load_full(&self) -> Option<Arc<T>> {
        point();
        self.0.load_full()
    }

    pub fn store(&self, value: Option<Arc<T>>) {
        point();
        self.0.store(value);
    }
}
