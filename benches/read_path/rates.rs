//! Reads per second with several threads, without and with a writer.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::reads::{CURRENT, LAZY, OURS, PROVIDE, Read, Reads, Write};
use super::support::{report, short};

const THREADS: [usize; 4] = [1, 2, 4, 8];
const WRITE_EVERY: Duration = Duration::from_millis(1);

pub(crate) fn report_all(reads: &Reads) {
    let (passes, span) = if short() { (1, Duration::from_millis(10)) } else { (7, Duration::from_millis(150)) };
    let mut best: BTreeMap<_, f64> = BTreeMap::new();
    // Pass by pass over everything: what else the machine does meets all alike.
    for _ in 0..passes {
        for (&name, read) in &reads.all {
            for threads in THREADS {
                let mut note = |writer, rate: f64| {
                    let so_far = best.entry((writer, name, threads)).or_default();
                    *so_far = so_far.max(rate);
                };
                note("no writer", rate(read, None, threads, span));
                if let Some(write) = reads.writers.get(name) {
                    note("a writer each ms", rate(read, Some(write), threads, span));
                }
            }
        }
    }
    for ((writer, name, threads), rate) in &best {
        report(format!("million reads per second, {writer}/{name}/{threads} threads"), format!("{:.1}", rate / 1e6));
    }
    report("credentials renewed while the writer wrote", reads.generation() - 1);
    let of = |name, threads| best[&("no writer", name, threads)];
    for name in [OURS, CURRENT, PROVIDE, LAZY] {
        report(format!("rate, 2 threads to 1/{name}"), format!("{:.2}", of(name, 2) / of(name, 1)));
    }
    for threads in THREADS {
        let ratio = of(OURS, threads) / of(LAZY, threads);
        report(format!("rate, ours to SDK lazy/{threads} threads"), format!("{ratio:.1}"));
    }
}

/// Reads per second of all threads together.
fn rate(read: &Read, write: Option<&Write>, threads: usize, span: Duration) -> f64 {
    const BATCH: u32 = 256;
    let runtime = Handle::current();
    let (start, done) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let total = AtomicU64::new(0);
    let elapsed = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _inside = runtime.enter();
                read(BATCH);
                let mut batches = 0;
                start.wait();
                while !done.load(Ordering::Relaxed) {
                    read(BATCH);
                    batches += u64::from(BATCH);
                }
                total.fetch_add(batches, Ordering::Relaxed);
            });
        }
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
        began.elapsed()
    });
    total.into_inner() as f64 / elapsed.as_secs_f64()
}
