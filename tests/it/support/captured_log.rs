//! The log of one thread, captured as text.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures what this thread logs at INFO and above until the guard is dropped.
    pub(crate) fn listen() -> (Self, (DefaultGuard, Dispatch)) {
        Self::listen_to(Level::INFO)
    }

    pub(crate) fn listen_to(level: Level) -> (Self, (DefaultGuard, Dispatch)) {
        let log = Self::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(log.clone()).finish();
        (log, (tracing::subscriber::set_default(subscriber), second_dispatcher()))
    }
}

/// With only one dispatcher, `tracing` asks the thread that first reaches a callsite, which may belong to another test.
pub(crate) fn second_dispatcher() -> Dispatch {
    Dispatch::new(tracing_subscriber::registry())
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0.lock().unwrap()))
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
