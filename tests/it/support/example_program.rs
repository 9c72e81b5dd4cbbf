//! The example programs, as the last build left them.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// An example by its name, without AWS's variables of this process.
pub(crate) fn example(name: &str) -> Command {
    let mut command = Command::new(example_path(name));
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            command.env_remove(variable);
        }
    }
    command
}

/// As `cargo test` has built it; `cargo test --test it` does not.
pub(crate) fn example_path(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap();
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("the tests are in target/PROFILE/deps");
    let path = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: cargo build --all-features --examples", path.display());
    path
}
