//! Commands for the example programs, as the last build left them.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// A command for an example, without the AWS variables of this process.
pub(crate) fn example(name: &str) -> Command {
    let mut command = Command::new(example_path(name));
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            command.env_remove(variable);
        }
    }
    command
}

/// The program as the last build left it. `cargo test --workspace` builds all of them before it runs a test; a run of
/// these tests alone builds none.
pub(crate) fn example_path(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap();
    let profile = tests.parent().and_then(|deps| deps.parent()).expect("the tests are in target/PROFILE/deps");
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    // The crate's own examples, and the programs of the other packages.
    let places = [profile.join("examples").join(&file), profile.join(&file)];
    let found = places.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: cargo build --workspace --all-features --bins --examples"))
}
