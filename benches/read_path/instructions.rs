//! Instructions and allocations per read. The bench runs itself under callgrind, which counts the function `counted`
//! only.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::reads::{CURRENT, FLOOR, LAZY, OURS, PROVIDE, Read, Reads};
use crate::support::{report, short};

const CHILD: &str = "--count-instructions";
const FEW: u32 = 500;

pub(crate) fn is_child() -> bool {
    env::args().any(|argument| argument == CHILD)
}

/// Runs under callgrind: each kind of read N times, then 2N times.
pub(crate) fn count_here(reads: &Reads) {
    for read in reads.all.values() {
        // The first call sets things up, and takes the counts since the last dump.
        counted(read, 1);
        counted(read, FEW);
        counted(read, 2 * FEW);
    }
}

/// Callgrind counts this function, and writes the sum at each return.
#[inline(never)]
fn counted(read: &Read, reads: u32) {
    read(reads);
    // Prevents a tail call, after which callgrind would miss the return.
    black_box(());
}

pub(crate) fn report_all(reads: &Reads) {
    let directory = tempfile::tempdir().unwrap();
    let Some(sums) = under_callgrind(directory.path(), 3 * reads.all.len()) else {
        return report("instructions, allocations", "not measured (no valgrind)");
    };
    let per_read = |once: u64, twice: u64| (twice - once) as f64 / f64::from(FEW);
    let mut instructions = BTreeMap::new();
    for (&name, sum) in reads.all.keys().zip(sums.chunks(3)) {
        instructions.insert(name, per_read(sum[1].instructions, sum[2].instructions));
        report(format!("instructions/{name}"), format!("{:.0}", instructions[name]));
        let allocations = per_read(sum[1].allocations, sum[2].allocations);
        report(format!("allocations/{name}"), format!("{allocations:.1}"));
    }
    let of = |name| instructions[name];
    report("instructions, ours to floor", format!("{:.3}", of(OURS) / of(FLOOR)));
    report("instructions, SDK lazy to ours", format!("{:.2}", of(LAZY) / of(OURS)));
    report("instructions, SDK lazy to current()", format!("{:.2}", of(LAZY) / of(CURRENT)));
    report("instructions, SDK lazy to provide_credentials()", format!("{:.2}", of(LAZY) / of(PROVIDE)));
}

/// The counts in the order of the calls. `None` without valgrind.
fn under_callgrind(directory: &Path, calls: usize) -> Option<Vec<Sum>> {
    let out = directory.join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(concat!("--toggle-collect=", module_path!(), "::counted"))
        .arg(concat!("--dump-after=", module_path!(), "::counted"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().unwrap())
        .arg(CHILD)
        .args(short().then_some("--short"))
        .stdout(Stdio::null());
    let output = command.output().ok()?;
    assert!(output.status.success(), "callgrind failed: {}", String::from_utf8_lossy(&output.stderr));
    // One file per dump, numbered from 1.
    let read = |call| fs::read_to_string(directory.join(format!("callgrind.out.{call}"))).unwrap();
    Some((1..=calls).map(|call| Sum::of(&read(call))).collect())
}

/// Counts of one call of `counted`.
struct Sum {
    instructions: u64,
    allocations: u64,
}

impl Sum {
    fn of(dump: &str) -> Self {
        let mut sum = Self { instructions: 0, allocations: 0 };
        // A function has a number. Its name stands only at the first mention.
        let (mut names, mut called) = (HashMap::new(), "");
        for line in dump.lines() {
            if let Some(total) = line.strip_prefix("totals: ") {
                sum.instructions = total.trim().parse().unwrap();
            } else if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                let known = names.entry(number).or_insert(name);
                called = known.split('@').next().unwrap_or_default();
            } else if let Some(calls) = line.strip_prefix("calls=")
                && ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"].contains(&called)
            {
                sum.allocations += calls.split(' ').next().unwrap().parse::<u64>().unwrap();
            }
        }
        sum
    }
}
