//! The engine: fresh credentials from any source, read by anyone without waiting.
//!
//! It has never heard of tokens or of STS. It may import `error` and nothing else of the crate. What it promises:
//!
//! 1. A read with valid credentials returns at once, takes no lock and makes no call. (`slot`, `supervisor`)
//! 2. Only the task publishes, and only what a fetch gave: no failure replaces or hides valid credentials. (`lease`)
//! 3. Who the task is, is one number, the lease. A task whose number is old publishes nothing and leaves. So there is one
//!    flight at a time, whatever becomes of tasks and runtimes. (`lease`, `refresher`)
//! 4. A flight belongs to the task. Callers wait for its end; dropping them ends nothing. (`waiters`)
//! 5. Handles own the task's life: the last one closes it. The task holds no handle. (`supervisor`)
//! 6. All decisions on when are made by `schedule`, which knows neither clock nor chance.
//!
//! Lock order: the state's mutex alone; nothing is awaited or called back under it, and no log written.

mod backoff;
mod clock;
mod demand;
mod engine_thread;
mod events;
mod observer;
mod policy;
mod refresher;
mod rejections;
mod schedule;
mod slot;
mod source;
mod standing;
mod state;
mod supervisor;
mod task;
mod telling;
#[cfg(test)]
mod tests;
mod updates;
mod waiters;

pub use policy::ExpiredPolicy;
pub use standing::Phase;
pub use updates::{Closed, Updates};

pub(crate) use clock::{Clock, Monotonic};
pub(crate) use observer::Observer;
pub(crate) use policy::Policy;
pub(crate) use source::{Attempt, Change, Class, Failure, Grant, Principal, Source};
#[cfg(feature = "metrics")]
pub(crate) use standing::Standing;
pub(crate) use supervisor::{Supervisor, WeakSupervisor};
