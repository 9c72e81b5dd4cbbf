//! The examples, run as programs.

use std::env;
use std::process::Command;

/// An example by its name, as `cargo test` has built it, without AWS's variables of this process.
pub(crate) fn example(name: &str) -> Command {
    let tests = env::current_exe().unwrap();
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("the tests are in target/PROFILE/deps");
    let path = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is built by `cargo test`, or by `cargo build --all-features --examples`",
        path.display()
    );
    let mut command = Command::new(path);
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            command.env_remove(variable);
        }
    }
    command
}
