//! Reads per second with several threads, with and without a writer.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::reads::{CURRENT, LAZY, OURS, PROVIDE, Read, Reads, Write};
use crate::support::{quantile, report, short};

const THREADS: [usize; 4] = [1, 2, 4, 8];
const WRITE_EVERY: Duration = Duration::from_millis(1);

pub(crate) fn report_all(reads: &Reads) {
    let (passes, span) = if short() { (1, Duration::from_millis(5)) } else { (40, Duration::from_millis(8)) };
    let mut passes_of: BTreeMap<_, Vec<Pass>> = BTreeMap::new();
    // Each pass runs all kinds of reads, so that other load on the machine meets all of them.
    for _ in 0..passes {
        for (&name, read) in &reads.all {
            for threads in THREADS {
                let mut note = |writer, pass| passes_of.entry((writer, name, threads)).or_default().push(pass);
                note("no writer", pass(read, None, threads, span));
                if let Some(write) = reads.writers.get(name) {
                    note("a writer each ms", pass(read, Some(write), threads, span));
                }
            }
        }
    }
    let rates: BTreeMap<_, _> = passes_of.into_iter().map(|(key, passes)| (key, Rate::of(&passes, key.2))).collect();
    for ((writer, name, threads), rate) in &rates {
        let doubt = if rate.trusted { "" } else { " (disturbed)" };
        let value = format!("{:.1}{doubt}", rate.reads / 1e6);
        report(format!("million reads per second, {writer}/{name}/{threads} threads"), value);
    }
    report("credentials renewed while the writer wrote", reads.generation() - 1);
    let ratio = |(name, threads), (other, others)| {
        let (rate, other) = (&rates[&("no writer", name, threads)], &rates[&("no writer", other, others)]);
        if rate.trusted && other.trusted {
            format!("{:.2}", rate.reads / other.reads)
        } else {
            "not known (disturbed)".into()
        }
    };
    for name in [OURS, CURRENT, PROVIDE, LAZY] {
        report(format!("rate, 2 threads to 1/{name}"), ratio((name, 2), (name, 1)));
    }
    for threads in THREADS {
        report(format!("rate, ours to SDK lazy/{threads} threads"), ratio((OURS, threads), (LAZY, threads)));
    }
}

/// The median of the passes in which every thread kept its core.
struct Rate {
    reads: f64,
    trusted: bool,
}

impl Rate {
    fn of(passes: &[Pass], threads: usize) -> Self {
        let of = |passes: &mut dyn Iterator<Item = &Pass>| {
            let mut rates: Vec<_> = passes.map(|pass| pass.rate).collect();
            rates.sort_by(f64::total_cmp);
            quantile(&rates, 0.5)
        };
        // With more threads than cores no thread can keep its core.
        let crowded = threads > thread::available_parallelism().map_or(1, usize::from);
        match of(&mut passes.iter().filter(|pass| pass.undisturbed || crowded)) {
            Some(reads) => Self { reads, trusted: true },
            None => Self { reads: of(&mut passes.iter()).unwrap(), trusted: false },
        }
    }
}

struct Pass {
    /// Reads per second of all threads together, from the first begin to the last end.
    rate: f64,
    /// True if every thread kept its core.
    undisturbed: bool,
}

fn pass(read: &Read, write: Option<&Write>, threads: usize, span: Duration) -> Pass {
    const BATCH: u32 = 256;
    let runtime = Handle::current();
    let (start, done) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let reader = || {
        let _inside = runtime.enter();
        read(BATCH);
        start.wait();
        let (began, ran_before, mut reads) = (Instant::now(), running_time(), 0);
        while !done.load(Ordering::Relaxed) {
            read(BATCH);
            reads += u64::from(BATCH);
        }
        let (ran, ended) = (running_time() - ran_before, Instant::now());
        (began, ended, ran, reads)
    };
    let readers = thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(reader)).collect();
        start.wait();
        let began = Instant::now();
        while began.elapsed() < span {
            match write {
                Some(write) => {
                    write();
                    thread::sleep(WRITE_EVERY);
                }
                None => thread::sleep(span.saturating_sub(began.elapsed())),
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
    });
    let began = readers.iter().map(|reader| reader.0).min().unwrap();
    let ended = readers.iter().map(|reader| reader.1).max().unwrap();
    let together = ended - began;
    let undisturbed = readers.iter().all(|(_, _, ran, _)| *ran > together.mul_f64(0.93));
    let reads: u64 = readers.iter().map(|reader| reader.3).sum();
    Pass { rate: reads as f64 / together.as_secs_f64(), undisturbed }
}

/// Processor time of this thread so far. Zero where the system does not tell.
fn running_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_ascii_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
