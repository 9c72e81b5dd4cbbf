//! A file system that hangs: each `open(2)` of the token blocks, as on a network file system without its server.
//!
//! fanotify holds the file, so the provider meets a real blocked system call.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_web_identity::{ErrorKind, Phase};

use crate::support::own_process::in_own_process;
use crate::support::process_resources::ProcessResources;
use crate::support::{OTHER_ROLE, Rig, eventually, key, skipped, soon};

#[tokio::test(flavor = "multi_thread")]
async fn hung_token_file_stops_nobody_else() {
    // Threads are counted, so the test runs in a process of its own.
    let test = concat!(module_path!(), "::hung_token_file_stops_nobody_else");
    if !in_own_process(test) {
        return;
    }
    let (rig, healthy) = (Rig::start().await, Rig::start().await);
    let builder = || rig.builder().attempt_timeout(Duration::from_millis(300)).wait_timeout(Duration::from_secs(2));
    let provider = soon(builder().connect()).await.unwrap();
    let first = key(&provider);
    let Some(hang) = Hang::of(&rig.volume.token_path()) else {
        return skipped("no file can be made to hang here (needs root, fanotify and python3)");
    };

    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert!(error.is_transient());
    let token = rig.volume.token_path();
    for part in [token.to_str().unwrap(), "file system did not answer within 300 ms", "network"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!((key(&provider), provider.status().phase), (first.clone(), Phase::Stale));
    let threads = ProcessResources::settled().await.threads;
    let other_role = builder().role_arn(OTHER_ROLE).build().unwrap();
    for _ in 0..3 {
        soon(provider.refresh()).await.unwrap_err();
        soon(other_role.refresh()).await.unwrap_err();
    }
    assert!(
        ProcessResources::settled().await.threads <= threads,
        "all readers of a hung file must share one blocked thread"
    );

    // Other providers work, and shutdown returns.
    let other = soon(healthy.connect()).await;
    assert_ne!(key(&other), first);
    soon(other_role.shutdown()).await;

    drop(hang);
    eventually(|| key(&provider) != first).await;
    let Some(_hang) = Hang::of(&rig.volume.token_path()) else { panic!("the file can no longer be held") };
    soon(provider.refresh()).await.unwrap_err();
    soon(provider.shutdown()).await;
}

/// Blocks each `open(2)` of a file until dropped.
struct Hang(Child);

impl Hang {
    /// `None` if the system does not allow it.
    fn of(file: &Path) -> Option<Self> {
        let child = Command::new("python3").args(["-c", HOLD_OPEN]).arg(file).stdout(Stdio::piped()).spawn();
        let mut hang = Self(child.ok()?);
        let mut line = String::new();
        BufReader::new(hang.0.stdout.take()?).read_line(&mut line).ok()?;
        (line == "held\n").then_some(hang)
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A fanotify listener that must permit each open of the file, and never does.
const HOLD_OPEN: &str = r#"
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
FAN_CLASS_CONTENT, FAN_CLOEXEC, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD = 4, 1, 1, 0x10000, -100
group = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY)
mark = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
libc.fanotify_mark.argtypes = mark
if group < 0 or libc.fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, sys.argv[1].encode()) < 0:
    sys.exit(1)
print("held", flush=True)
time.sleep(120)
"#;
