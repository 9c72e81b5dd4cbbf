//! What the tests of this room share.

use std::env;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

use aws_smithy_types::base64;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

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

/// A test that needs a process of its own, with or without limits around it.
pub(crate) struct Isolated<'a> {
    /// `concat!(module_path!(), "::the_test")`.
    pub(crate) test: &'a str,
    /// A command that runs the one which follows it, and says [`SKIP`] if it cannot.
    pub(crate) wrapper: &'a [&'a str],
    pub(crate) uid: Option<u32>,
}

impl Isolated<'_> {
    /// True in the process of its own, where the test is to be run.
    pub(crate) fn is_here(&self) -> bool {
        let (_, test) = self.test.split_once("::").unwrap();
        if env::var(VARIABLE).as_deref() == Ok(test) {
            return true;
        }
        let exe = env::current_exe().unwrap();
        let mut words = self.wrapper.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        words.push(exe.into_os_string().into_string().unwrap());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--exact", test, "--nocapture", "--test-threads=1"]).env(VARIABLE, test);
        #[cfg(unix)]
        if let Some(uid) = self.uid {
            std::os::unix::process::CommandExt::uid(std::os::unix::process::CommandExt::gid(&mut command, uid), uid);
        }
        match command.output() {
            Err(error) => eprintln!("skipped: {test}: {error}"),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                if output.status.code() == Some(SKIP) {
                    eprintln!("skipped: {test}: {said}");
                } else {
                    assert!(output.status.success() && said.contains("1 passed"), "{test} in its own process: {said}");
                }
            }
        }
        false
    }
}

/// In a user namespace of its own, so that limits can be set that hold nowhere else.
#[cfg(feature = "test-util")]
pub(crate) const OWN_USER_NAMESPACE: &[&str] = &[
    "sh",
    "-c",
    r#"unshare -Ur true || exit 97; exec unshare -Ur sh -c 'test -w /proc/sys/user/max_inotify_instances || exit 97; exec "$0" "$@"' "$0" "$@""#,
];

const SKIP: i32 = 97;
const VARIABLE: &str = "AWS_WEB_IDENTITY_ISOLATED_TEST";
