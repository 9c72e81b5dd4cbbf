//! The engine's own files: the fleet runs by the schedule that pods run by, and by the models that the engine's tests
//! use.

#[allow(dead_code, unused_imports, reason = "its tests stay where they are")]
#[path = "../../src/refresh/backoff.rs"]
mod backoff;
#[allow(dead_code, unused_imports, reason = "of it the schedule needs `Session` alone")]
#[path = "../../src/refresh/clock.rs"]
pub(crate) mod clock;
#[allow(dead_code, unused_imports, reason = "its tests stay where they are")]
#[path = "../../src/refresh/rejections.rs"]
mod rejections;
#[allow(dead_code, unused_imports, reason = "its tests stay where they are")]
#[path = "../../src/refresh/schedule.rs"]
pub(crate) mod schedule;
#[allow(dead_code, reason = "of it the schedule needs the classes alone")]
#[path = "../../src/refresh/source.rs"]
pub(crate) mod source;

#[allow(dead_code, reason = "of it the fleet needs less than the engine's tests")]
#[path = "../../src/refresh/tests/peers.rs"]
pub(crate) mod peers;
