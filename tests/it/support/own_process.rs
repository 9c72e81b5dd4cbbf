//! Tests that run in a process of their own.

use crate::isolated::Isolated;

/// Runs a test again in a process of its own. True in that process. `test` is `concat!(module_path!(), "::the_test")`.
pub(crate) fn in_own_process(test: &str) -> bool {
    in_process_of(test, &["env"])
}

/// The same, with a wrapper command around the process. Exit status 97 of the wrapper skips the test.
pub(crate) fn in_process_of(test: &str, wrapper: &[&str]) -> bool {
    Isolated { test, wrapper, uid: None }.is_here()
}

/// A wrapper command that sets proxies where nobody listens.
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
