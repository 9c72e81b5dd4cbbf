//! Checks the engine's lifecycle under Shuttle: first use, last drop, shutdown, failed thread starts, timeouts and reads
//! race in every order that a scheduler finds.
//!
//! ```text
//! cargo run --manifest-path tests/shuttle/Cargo.toml --target-dir target/shuttle -- 1000000
//! ```
//!
//! runs that many schedules, shared out to the models below, half by Shuttle's random scheduler and half by its PCT one.
//! A second argument names one model. A failure prints its schedule; with it as third argument it runs again.
//!
//! **What is real:** all of `src/refresh` and `src/error.rs`, unchanged. They are compiled in here, and `extern crate`
//! below lets them see the stand-ins instead of `std`, `tokio`, `tokio_util`, `arc_swap` and `fastrand`.
//!
//! **What is not:** `stand_ins.rs` says what each stand-in is. Inside Tokio's channels, `CancellationToken` and arc-swap
//! nothing is explored: each of their calls is one step. Reference counts of `Arc` are no scheduling points. Memory is
//! sequentially consistent. A fork, and two versions of the crate in one process, are not modelled.

extern crate stand_ins as arc_swap;
extern crate stand_ins as fastrand;
extern crate stand_ins as std;
extern crate stand_ins as tokio;
extern crate stand_ins as tokio_util;

/// An inline module, since a file that `#[path]` names would look for its children beside itself.
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
    // All memory is sequentially consistent here, as the head of this file says.
    config.silence_warnings = true;
    config.max_steps = MaxSteps::FailAfter(100_000);
    config
}

/// How often the PCT scheduler takes the processor from whoever has it.
const PREEMPTIONS: usize = 4;
