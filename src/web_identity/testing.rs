//! What the tests of this room share.

mod isolated;

use std::io;
use std::sync::{Arc, Mutex};

use aws_smithy_types::base64;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) use self::isolated::Isolated;
#[cfg(feature = "test-util")]
pub(crate) use self::isolated::OWN_USER_NAMESPACE;

/// A JWT in all but its signature.
pub(crate) fn jwt(payload: &str) -> String {
    format!("{}.{}.c2lnbmF0dXJl", base64url(r#"{"alg":"RS256"}"#), base64url(payload))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// Everything that this thread logs, down to TRACE.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// For as long as it lives.
pub(crate) struct Captured(#[expect(dead_code)] DefaultGuard, #[expect(dead_code)] Dispatch);

impl Log {
    pub(crate) fn capture() -> (Self, Captured) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        // With a single dispatcher, tracing asks the thread that first meets a callsite, which may be another test's.
        let second = Dispatch::new(tracing_subscriber::registry());
        (log, Captured(tracing::subscriber::set_default(subscriber), second))
    }

    pub(crate) fn add(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// How many lines there are with all of these in them.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        self.text().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
