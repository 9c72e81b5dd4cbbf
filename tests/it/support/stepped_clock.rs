//! A clock that moves only when the test moves it, while sockets and files work as ever.
//!
//! A test that uses it cannot fail because the machine is busy: no time passes while an exchange is on its way.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::MockSts;
use aws_web_identity::{Builder, WebIdentityCredentialsProvider};
use tokio::runtime::Handle;

#[derive(Clone, Debug)]
pub(crate) struct SteppedClock {
    /// Real times of the start.
    start: (SystemTime, Instant),
    passed: Arc<Mutex<Duration>>,
    /// Tokio's paused clock jumps ahead when all tasks wait, but not while a blocking task runs. Dropping this ends the task.
    _blocking_task: mpsc::Sender<()>,
}

impl SteppedClock {
    /// Takes over the clock of a test with `start_paused = true`.
    ///
    /// A clock that is paused later stands between two milliseconds, where even a sleep of no time waits for the next one.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self { start: (SystemTime::now(), Instant::now()), passed: Arc::default(), _blocking_task: sender }
    }

    /// Puts a provider on the current runtime and this clock.
    pub(crate) fn drive(&self, builder: Builder) -> Builder {
        builder.runtime(Handle::current()).time_source(self.clone())
    }

    /// Lets time pass for the runtime and for these servers.
    pub(crate) async fn advance(&self, by: Duration, servers: &[&MockSts]) {
        *self.passed.lock().unwrap() += by;
        for server in servers {
            self.set(server);
        }
        tokio::time::advance(by).await;
    }

    /// A mock's clock is the system's with an offset: the offset takes the real time out.
    fn set(&self, server: &MockSts) {
        let passed = self.passed.lock().unwrap().as_secs_f64();
        server.set_clock_offset((passed - self.start.1.elapsed().as_secs_f64()).floor() as i64);
    }

    /// Waits in real time until it holds: timers of this runtime stand still.
    pub(crate) async fn until(&self, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(120), "it hangs");
            tokio::task::spawn_blocking(|| thread::sleep(Duration::from_millis(2))).await.unwrap();
        }
    }

    /// Lets time pass until the future ends, but none while an exchange of the provider is under way.
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
