//! A user namespace with its own limit of inotify instances.

use std::env;
use std::fs;
use std::process::{Command, ExitCode};

/// Runs this program again inside such a namespace and returns its exit code. `None` inside, and on machines without
/// them.
pub(crate) fn enter() -> Option<ExitCode> {
    let is_allowed = || Command::new("unshare").args(["-Ur", "true"]).status().is_ok_and(|status| status.success());
    if env::var_os(INSIDE).is_some() || !is_allowed() {
        return None;
    }
    let exe = env::current_exe().ok()?;
    let status = Command::new("unshare").arg("-Ur").arg(exe).args(env::args_os().skip(1)).env(INSIDE, "1").status();
    Some(if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Allows or forbids new inotify instances. Returns false outside the namespace, where the limit would hurt other
/// programs.
pub(crate) fn allow_watches(allow: bool) -> bool {
    env::var_os(INSIDE).is_some() && fs::write(LIMIT, if allow { "128" } else { "0" }).is_ok()
}

const INSIDE: &str = "AWS_WEB_IDENTITY_SOAK_INSIDE";
const LIMIT: &str = "/proc/sys/user/max_inotify_instances";
