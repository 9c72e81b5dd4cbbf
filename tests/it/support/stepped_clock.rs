//! A clock that moves only when the test moves it. Sockets and files work as usual.
//!
//! A test on this clock cannot fail on a busy machine: no time passes while an exchange runs.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::MockSts;
use aws_web_identity::{Builder, WebIdentityCredentialsProvider};
use tokio::runtime::Handle;

#[derive(Clone, Debug)]
pub(crate) struct SteppedClock {
    /// Wall clock and monotonic clock at the start.
    start: (SystemTime, Instant),
    passed: Arc<Mutex<Duration>>,
    /// Ends a blocking task when dropped. Without such a task, Tokio's paused clock jumps ahead when all tasks wait.
    _blocking_task: mpsc::Sender<()>,
}

impl SteppedClock {
    /// Takes over the clock of a test with `start_paused = true`.
    ///
    /// A clock that is paused later stops between two milliseconds, and even `sleep(ZERO)` waits for the next one.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self { start: (SystemTime::now(), Instant::now()), passed: Arc::default(), _blocking_task: sender }
    }

    /// Runs the provider on the current runtime with this clock.
    pub(crate) fn drive(&self, builder: Builder) -> Builder {
        builder.runtime(Handle::current()).time_source(self.clone())
    }

    /// Moves the clocks of the runtime and of these servers.
    pub(crate) async fn advance(&self, by: Duration, servers: &[&MockSts]) {
        *self.passed.lock().unwrap() += by;
        for server in servers {
            self.set(server);
        }
        tokio::time::advance(by).await;
    }

    /// A mock's clock is the system clock plus an offset, so the offset subtracts the real time that passed.
    fn set(&self, server: &MockSts) {
        let passed = self.passed.lock().unwrap().as_secs_f64();
        server.set_clock_offset((passed - self.start.1.elapsed().as_secs_f64()).floor() as i64);
    }

    /// Waits in real time until the condition holds, because the timers of this runtime stand still.
    pub(crate) async fn until(&self, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            pause(began).await;
        }
    }

    /// Lets time pass until the future ends, 50 ms in each 2 ms of real time.
    pub(crate) async fn pass_until<T>(&self, future: impl Future<Output = T>, servers: &[&MockSts]) -> T {
        let began = Instant::now();
        let passing = async {
            loop {
                pause(began).await;
                self.advance(Duration::from_millis(50), servers).await;
            }
        };
        tokio::select! {
            biased;
            value = future => value,
            never = passing => never,
        }
    }

    /// Lets time pass until the future ends. No time passes while the provider's exchange runs.
    pub(crate) async fn finish<T>(
        &self,
        future: impl Future<Output = T>,
        provider: &WebIdentityCredentialsProvider,
        servers: &[&MockSts],
    ) -> T {
        let passing = async {
            loop {
                self.until(|| provider.status().next_attempt.is_none_or(|next| next > self.now())).await;
                self.advance(Duration::from_millis(50), servers).await;
            }
        };
        tokio::select! {
            biased;
            value = future => value,
            never = passing => never,
        }
    }
}

impl TimeSource for SteppedClock {
    fn now(&self) -> SystemTime {
        self.start.0 + *self.passed.lock().unwrap()
    }
}

/// Gives the other tasks 2 ms of real time. Fails a test that hangs.
async fn pause(began: Instant) {
    assert!(began.elapsed() < Duration::from_secs(120), "the test hangs");
    tokio::task::spawn_blocking(|| thread::sleep(Duration::from_millis(2))).await.unwrap();
}
