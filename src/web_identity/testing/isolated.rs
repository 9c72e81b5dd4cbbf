//! Tests in a process of their own. The integration tests have this file, too.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::Command;

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
            Err(error) => skipped(test, error),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                if output.status.code() == Some(SKIP) {
                    skipped(test, said);
                } else {
                    assert!(output.status.success() && said.contains("1 passed"), "{test} in its own process: {said}");
                }
            }
        }
        false
    }
}

/// Says so also where the output of tests that pass is not shown.
pub(crate) fn skipped(test: &str, why: impl Display) {
    // Whoever hears nothing of it is no reason for a test to fail.
    drop(io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes()));
}

/// In a user namespace of its own, so that limits can be set that hold nowhere else.
#[allow(dead_code, reason = "the unit tests have a use for it only with the kit")]
pub(crate) const OWN_USER_NAMESPACE: &[&str] = &[
    "sh",
    "-c",
    r#"unshare -Ur true || exit 97; exec unshare -Ur sh -c 'test -w /proc/sys/user/max_inotify_instances || exit 97; exec "$0" "$@"' "$0" "$@""#,
];

const SKIP: i32 = 97;
const VARIABLE: &str = "AWS_WEB_IDENTITY_ISOLATED_TEST";
