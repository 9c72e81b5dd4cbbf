//! Checks the engine's lifecycle with Shuttle, a concurrency checker. First use, last drop, shutdown, failed thread starts,
//! timeouts and reads race in the orders that a scheduler chooses.
//!
//! ```text
//! cargo run --manifest-path tests/shuttle/Cargo.toml --target-dir target/shuttle -- 1000000
//! ```
//!
//! runs this many schedules in all. Each model gets an equal share: half by Shuttle's random scheduler, half by its PCT
//! scheduler. A second argument names the only model to run. A failure prints its schedule; a third argument replays one.
//!
//! **Checked:** all of `src/refresh` and `src/error.rs`, unchanged. This crate compiles them. The `extern crate` lines below
//! replace `std`, `tokio`, `tokio_util`, `arc_swap` and `fastrand` with the stand-ins of `stand_ins.rs`.
//!
//! **Not checked:** the inside of Tokio's channels, of `CancellationToken` and of arc-swap. Each of their calls is one step.
//! Reference counts of `Arc` are no scheduling points. Memory is sequentially consistent. There is no fork, and no second
//! version of the crate in the process.

extern crate stand_ins as arc_swap;
extern crate stand_ins as fastrand;
extern crate stand_ins as std;
extern crate stand_ins as tokio;
extern crate stand_ins as tokio_util;

/// Inline, because a file that `#[path]` names looks for its children beside itself.
#[allow(dead_code, unused_imports)]
#[path = "../../../src"]
mod engine {
    pub(crate) mod error;
    pub(crate) mod refresh;
}
mod models;
mod source;

use engine::{error, refresh};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::{Config, MaxSteps, Runner};
use std::env;
use std::world::{self, TimeLast};

fn main() {
    let mut arguments = env::args().skip(1);
    let schedules: usize = arguments.next().map_or(20_000, |number| number.parse().expect("a number of schedules"));
    let only = arguments.next();
    let replay = arguments.next();
    let chosen: Vec<_> =
        models::ALL.iter().filter(|model| only.as_ref().is_none_or(|only| model.name == only)).collect();
    assert!(!chosen.is_empty(), "no such model");
    world::hear_panics();
    for model in &chosen {
        let run = || world::run(model.limit, model.run);
        if let Some(schedule) = &replay {
            Runner::new(TimeLast(ReplayScheduler::new_from_encoded(schedule)), config()).run(run);
            continue;
        }
        println!("{}: {}", model.name, model.holds);
        let each = schedules.div_ceil(2 * chosen.len());
        let ran = Runner::new(TimeLast(RandomScheduler::new(each)), config()).run(run)
            + Runner::new(TimeLast(PctScheduler::new(PREEMPTIONS, each)), config()).run(run);
        println!("{}: {ran} schedules", model.name);
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 0x8_0000;
    // The head of this file says that memory is sequentially consistent.
    config.silence_warnings = true;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config
}

/// Number of preemptions that the PCT scheduler makes in a schedule.
const PREEMPTIONS: usize = 4;
