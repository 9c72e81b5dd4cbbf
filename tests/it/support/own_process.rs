//! Tests that run in a process of their own.

use crate::isolated::Isolated;

/// True in the process of its own, where the test is to be run. `test`: `concat!(module_path!(), "::the_test")`.
pub(crate) fn in_own_process(test: &str) -> bool {
    in_process_of(test, &["env"])
}

/// The same, with a command that runs the one which follows it. Exit status 97 skips the test.
pub(crate) fn in_process_of(test: &str, wrapper: &[&str]) -> bool {
    Isolated { test, wrapper, uid: None }.is_here()
}

/// A command that names proxies at a port where nobody listens.
pub(crate) const DEAD_PROXIES: &[&str] = &[
    "env",
    "-u",
    "NO_PROXY",
    "-u",
    "no_proxy",
    "HTTP_PROXY=http://127.0.0.1:9",
    "http_proxy=http://127.0.0.1:9",
    "HTTPS_PROXY=http://127.0.0.1:9",
    "https_proxy=http://127.0.0.1:9",
    "ALL_PROXY=http://127.0.0.1:9",
    "all_proxy=http://127.0.0.1:9",
];
