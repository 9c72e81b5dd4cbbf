//! The engine through years of random faults, in paused time. Each step and each exchange checks the promises of `src/lib.rs`
//! that the engine keeps: P1 to P8.
//!
//! ```text
//! cargo run --release --manifest-path tests/engine/Cargo.toml --target-dir target/engine -- 100000
//! ```
//!
//! simulates 100,000 days of one provider. Each seed is a history of some days. A history that breaks a promise prints its
//! seed, and the command that runs it alone. With the seed as a second argument, each event of the history is printed.
//!
//! **Real:** all of `src/refresh` and `src/error.rs`, and the order of the endpoints, `src/sts/standby_order.rs`.
//! **Simulated:** the clocks, the token, and STS at each endpoint.
//!
//! `cargo test` in this package runs the unit tests of the real files, and no simulation. After a change of the engine this
//! takes seconds.

/// Inline, because a file that `#[path]` names looks for its children beside itself.
#[allow(dead_code, unused_imports)]
#[path = "../../../src"]
mod engine {
    pub(crate) mod error;
    pub(crate) mod refresh;
    pub(crate) mod sts {
        mod standby_order;
        // Here, because nobody else may use the order.
        #[path = "../../tests/engine/src/endpoints.rs"]
        pub(crate) mod endpoints;
    }
}
mod clocks;
mod ledger;
mod policy;
mod provider;
mod simulation;
mod spread;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, panic, process, thread};

use engine::sts::endpoints;
use engine::{error, refresh};
use simulation::Simulation;
use spread::Spread;

fn main() {
    let mut arguments = env::args().skip(1).map(|number| number.parse::<u64>().expect("days, then a seed"));
    let days = arguments.next().unwrap_or(1000);
    let only = arguments.next();
    let begun = Instant::now();
    let (next, simulated, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut spread = Spread::default();
        while !failed.load(Ordering::Relaxed) && simulated.load(Ordering::Relaxed) < days {
            let seed = only.unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
            match panic::catch_unwind(|| run(seed, only.is_some())) {
                Ok(history) => {
                    simulated.fetch_add(history.days(), Ordering::Relaxed);
                    spread.add(history);
                }
                Err(_) => {
                    failed.store(true, Ordering::Relaxed);
                    println!("seed {seed} breaks a promise, see above. To run it alone:\n{COMMAND} 1 {seed}");
                }
            }
        }
        spread
    };
    let mut spread = Spread::default();
    thread::scope(|scope| {
        let cores = if only.is_some() { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            spread.add(thread.join().expect("a thread that ends"));
        }
    });
    if failed.into_inner() {
        process::exit(1);
    }
    print!("{spread}");
    println!("{} days in {:.0?}", simulated.into_inner(), begun.elapsed());
    spread.check();
}

fn run(seed: u64, told: bool) -> Spread {
    // The engine draws its jitter from this thread's generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async { Simulation::new(seed, told).run().await })
}

/// The lock, even after a broken promise, which is a panic of a thread that may hold it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const DAY: Duration = Duration::from_secs(86_400);
const COMMAND: &str = "cargo run --release --manifest-path tests/engine/Cargo.toml --target-dir target/engine --";
