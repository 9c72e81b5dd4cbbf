//! The engine: keeps the credentials of one source fresh, so that a request reads them without waiting.
//!
//! The engine knows neither tokens nor STS. It imports only `error` from this crate. [`docs`](crate::docs#design) shows where
//! the engine stands in the crate. Read the files in this order: [`source`], [`task`], [`state`], [`schedule`], [`callers`],
//! then the rest.
//!
//! The engine keeps these invariants. The file that keeps an invariant explains it:
//!
//! - **A. A read of valid credentials takes no lock, and busy threads rarely share a reference count.** [`snapshot`]
//! - **B. The snapshot follows the state.** One function publishes, before the state's lock is released. [`state`]
//! - **C. A provider has one task, and its end closes the provider.** [`task`]
//! - **D. A caller never owns an exchange.** A caller who gives up cancels nothing. [`callers`]
//! - **E. The task wakes all callers**, for news and for their deadlines. [`callers`]
//! - **F. The last handle ends the task.** The task holds no handle. [`handle`]
//! - **G. Decisions are pure functions** of state, time and a random number. [`schedule`]
//! - **H. Foreign code runs without our locks, and its panic costs one attempt or a pause.** [`panics`]
//! - **I. The engine thread ends with the last task, and never gets a task after that.** [`engine_thread`]

mod backoff;
mod callers;
mod clock;
mod engine_thread;
mod handle;
mod log_level;
mod panics;
mod policy;
mod rejections;
mod schedule;
mod shutdown;
mod snapshot;
mod source;
mod state;
mod status;
mod task;
mod telemetry;
#[cfg(test)]
mod tests;

pub use policy::ExpiredPolicy;
pub use status::{Closed, Phase, Updates};

pub(crate) use clock::{Clock, Monotonic};
pub(crate) use handle::{EngineHandle, WeakEngineHandle};
pub(crate) use policy::Policy;
pub(crate) use shutdown::ShutdownWhen;
pub(crate) use source::{Attempt, Change, Class, Failure, Grant, Principal, Source};
#[cfg(feature = "metrics")]
pub(crate) use status::EngineStatus;
pub(crate) use telemetry::Observer;
