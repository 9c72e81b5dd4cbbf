//! Commands for the example programs, as the last build left them.

use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;

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

/// A program that runs, with all that it has printed to either stream.
pub(crate) struct RunningExample {
    child: Child,
    said: NamedTempFile,
}

impl RunningExample {
    pub(crate) fn start(command: &mut Command) -> Self {
        let said = NamedTempFile::new().unwrap();
        // Both streams append to the file.
        let end = || File::options().append(true).open(said.path()).unwrap();
        let child = command.stdin(Stdio::null()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, said }
    }

    /// Waits until what it has said so far satisfies the condition, or until it has ended.
    pub(crate) async fn until(&mut self, said_enough: impl Fn(&str) -> bool) {
        until(|| said_enough(&self.said()) || self.child.try_wait().unwrap().is_some()).await;
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        // It may have ended.
        drop(Command::new("kill").args(["-s", name, &pid]).output().unwrap());
    }

    /// Waits for its end. Returns all that it said. A program that hangs is killed.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        until(|| self.child.try_wait().unwrap().is_some()).await;
        drop(self.child.kill());
        (self.child.wait().unwrap(), self.said())
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.said.path()).unwrap()).into_owned()
    }
}

impl Drop for RunningExample {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for 100 s at most. Some programs wait for credentials for 30 s.
async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // The caller sees what is missing.
    drop(tokio::time::timeout(Duration::from_secs(100), wait).await);
}
