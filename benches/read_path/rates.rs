//! Reads per second with several threads, without and with a writer.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::reads::{CURRENT, LAZY, OURS, PROVIDE, Read, Reads, Write};
use super::support::{report, short};

const THREADS: [usize; 4] = [1, 2, 4, 8];
const WRITE_EVERY: Duration = Duration::from_millis(1);

pub(crate) fn report_all(reads: &Reads) {
    let (passes, span) = if short() { (1, Duration::from_millis(5)) } else { (80, Duration::from_millis(5)) };
    let mut best: BTreeMap<_, f64> = BTreeMap::new();
    // Short passes over everything, many times: what else the machine does meets all alike, and spares some.
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

/// Reads per second of all threads together, from the first to begin until the last to end.
fn rate(read: &Read, write: Option<&Write>, threads: usize, span: Duration) -> f64 {
    const BATCH: u32 = 256;
    let runtime = Handle::current();
    let (start, done) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let reader = || {
        let _inside = runtime.enter();
        read(BATCH);
        start.wait();
        let (began, mut reads) = (Instant::now(), 0);
        while !done.load(Ordering::Relaxed) {
            read(BATCH);
            reads += u64::from(BATCH);
        }
        (began, Instant::now(), reads)
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
    let began = readers.iter().map(|(began, ..)| *began).min().unwrap();
    let ended = readers.iter().map(|(_, ended, _)| *ended).max().unwrap();
    readers.iter().map(|(.., reads)| *reads).sum::<u64>() as f64 / (ended - began).as_secs_f64()
}
