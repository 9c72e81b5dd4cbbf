//! The stand-ins for `std`, `tokio`, `tokio_util`, `arc_swap` and `fastrand`.
//!
//! Each call here that another thread could notice has a scheduling point. The rest of the call is one step.
//!
//! | name | stand-in |
//! |---|---|
//! | `Mutex`, `AtomicBool`, threads | Shuttle's own |
//! | `watch`, `oneshot`, `CancellationToken`, `ArcSwapOption` | the real ones, each call one step |
//! | `Runtime` | a queue of tasks that `block_on` polls; a closed runtime drops what it is given, as Tokio does |
//! | `Instant`, `sleep` | virtual time, which moves only if no thread can run |
//! | `f64()` | Shuttle's random numbers |
//! | the rest of `std` | the real one |

#![allow(ambiguous_glob_reexports)]

pub use std::*;

pub use real_tokio::select;

pub mod runtime;
pub mod sync;
pub mod thread;
pub mod time;
pub mod world;

pub use self::sync::ArcSwapOption;
pub use real_arc_swap::Guard;

/// Takes the place of `fastrand::f64`.
pub fn f64() -> f64 {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().r#gen()
}

pub mod fs {
    //! No boot clock, since the system's boot clock and the virtual time would disagree.

    pub fn read_to_string(_path: &str) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}
