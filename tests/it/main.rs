//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod autotraits;
mod bad_input;
mod example;
mod exchange;
mod faults;
mod field_bugs;
mod layering;
mod lifecycle;
#[cfg(feature = "metrics")]
mod metrics;
mod moto;
mod read_path;
mod rejection;
mod rig;
mod sdk_client;
mod secrets;
#[cfg(all(unix, feature = "metrics"))]
mod service;
mod status;
mod test_kit;
