//! Instructions per read: this bench run once more under callgrind, which counts nothing but `counted`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::reads::{CURRENT, FLOOR, LAZY, OURS, PROVIDE, Read, Reads};
use super::support::{report, short};

const CHILD: &str = "--count-instructions";
const FEW: u32 = 500;

pub(crate) fn is_child() -> bool {
    env::args().any(|argument| argument == CHILD)
}

/// Under callgrind: each way N times, then 2N times.
pub(crate) fn count_here(reads: &Reads) {
    for read in reads.all.values() {
        // The first read of a thread has things to set up.
        read(1);
        counted(read, FEW);
        counted(read, 2 * FEW);
    }
}

/// Callgrind counts what happens in here, and writes the sum down each time it is left.
#[inline(never)]
fn counted(read: &Read, reads: u32) {
    read(reads);
}

pub(crate) fn report_all(reads: &Reads) {
    let directory = tempfile::tempdir().unwrap();
    let Some(sums) = under_callgrind(directory.path(), 2 * reads.all.len()) else {
        return report("instructions", "not measured (no valgrind)");
    };
    let per_read = |pair: &[u64]| (pair[1] - pair[0]) as f64 / f64::from(FEW);
    let counts: Vec<_> = reads.all.keys().copied().zip(sums.chunks(2).map(per_read)).collect();
    for (name, count) in &counts {
        report(format!("instructions/{name}"), format!("{count:.0}"));
    }
    let of = |wanted| counts.iter().find(|(name, _)| *name == wanted).unwrap().1;
    report("instructions, ours to floor", format!("{:.3}", of(OURS) / of(FLOOR)));
    report("instructions, SDK lazy to ours", format!("{:.2}", of(LAZY) / of(OURS)));
    report("instructions, SDK lazy to current()", format!("{:.2}", of(LAZY) / of(CURRENT)));
    report("instructions, SDK lazy to provide_credentials()", format!("{:.2}", of(LAZY) / of(PROVIDE)));
}

/// The sums in the order of the calls. `None` without valgrind.
fn under_callgrind(directory: &Path, calls: usize) -> Option<Vec<u64>> {
    let out = directory.join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--toggle-collect=*instructions::counted*", "--dump-after=*instructions::counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().unwrap())
        .arg(CHILD)
        .args(short().then_some("--short"))
        .stdout(Stdio::null());
    let output = command.output().ok()?;
    assert!(output.status.success(), "callgrind failed: {}", String::from_utf8_lossy(&output.stderr));
    // One file per dump, numbered from 1.
    let sum = |call| {
        let text = fs::read_to_string(directory.join(format!("callgrind.out.{call}"))).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
        line.trim().parse().unwrap()
    };
    Some((1..=calls).map(sum).collect())
}
