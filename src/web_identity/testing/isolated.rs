//! Tests that run in their own process. The integration tests include this file.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::Command;

/// A test that needs its own process, for example with limits.
pub(crate) struct Isolated<'a> {
    /// `concat!(module_path!(), "::the_test")`.
    pub(crate) test: &'a str,
    /// A command that runs the command after it, or exits with [`SKIP`] if it cannot.
    pub(crate) wrapper: &'a [&'a str],
    pub(crate) uid: Option<u32>,
}

impl Isolated<'_> {
    /// True in the test's own process, where the test must run. Otherwise starts that process and waits for it.
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

/// Prints even where the output of passing tests is hidden.
pub(crate) fn skipped(test: &str, why: impl Display) {
    drop(io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes()));
}

/// A wrapper that runs the test in its own user namespace, so that its limits hold nowhere else.
#[allow(dead_code, reason = "the unit tests use it only with the kit")]
pub(crate) const OWN_USER_NAMESPACE: &[&str] = &[
    "sh",
    "-c",
    r#"unshare -Ur true || exit 97; exec unshare -Ur sh -c 'test -w /proc/sys/user/max_inotify_instances || exit 97; exec "$0" "$@"' "$0" "$@""#,
];

const SKIP: i32 = 97;
const VARIABLE: &str = "AWS_WEB_IDENTITY_ISOLATED_TEST";
