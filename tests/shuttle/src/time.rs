//! Virtual time. Like Tokio's paused time, it moves to the next timer when no thread can run.

use std::ops::{Add, Sub};
use std::pin::Pin;
use std::task::{Context, Poll};
pub use std::time::{Duration, SystemTime};

use crate::world;

/// Time since long before the model began, so that earlier times can be expressed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(pub(crate) Duration);

impl Instant {
    pub const BEGINNING: Self = world::BEGINNING;

    pub fn now() -> Self {
        world::now()
    }

    pub fn from_std(instant: Self) -> Self {
        instant
    }

    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    pub fn checked_sub(&self, by: Duration) -> Option<Self> {
        self.0.checked_sub(by).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0 + by)
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0 - by)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

pub fn sleep(by: Duration) -> Sleep {
    sleep_until(Instant::now() + by)
}

pub fn sleep_until(until: Instant) -> Sleep {
    Sleep { until, timer: None }
}

pub struct Sleep {
    until: Instant,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.until {
            return Poll::Ready(());
        }
        self.timer = Some(world::set_timer(self.until, self.timer, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            world::clear_timer(self.until, timer);
        }
    }
}
