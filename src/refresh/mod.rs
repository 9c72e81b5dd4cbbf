//! The engine: fresh credentials from any source, read by anyone without waiting.
//!
//! The engine has never heard of tokens or of STS. It imports `error` and nothing else of the crate. Its invariants:
//!
//! - **A. A read with valid credentials takes no lock and starts nothing.** It compares one time and clones one copy.
//!   (`slot`, `supervisor`)
//! - **B. Only the task publishes, and only what a fetch gave.** So no failure replaces or hides valid credentials. (`task`)
//! - **C. A provider has one task, from its first use on.** `Shared::claim_task` gives it to one caller. Its end closes the
//!   provider, and nothing starts it again. A forked child has none, and claims one of its own. So there is one exchange
//!   at a time. (`task`)
//! - **D. An exchange belongs to the task.** Callers wait for its end; dropping them ends nothing. (`waiters`)
//! - **E. The task wakes callers.** For news, for their deadlines, and when it ends. A caller subscribes before it looks, so
//!   no news is lost. (`waiters`, `task`)
//! - **F. Handles own the task's life.** The last one closes it, and the task holds no handle. (`supervisor`)
//! - **G. All decisions on when are pure.** `schedule` and `demand` know neither clock nor chance.
//!
//! Lock order: the state's mutex alone. Nothing is awaited or called back under it, and no log is written.

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
mod shutdown_when;
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
pub(crate) use shutdown_when::ShutdownWhen;
pub(crate) use source::{Attempt, Change, Class, Failure, Grant, Principal, Source};
#[cfg(feature = "metrics")]
pub(crate) use standing::Standing;
pub(crate) use supervisor::{Supervisor, WeakSupervisor};
