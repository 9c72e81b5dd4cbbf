//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod autotraits;
mod bad_input;
mod exchange;
mod faults;
mod layering;
mod lifecycle;
mod moto;
mod rejection;
mod rig;
mod sdk_client;
mod secrets;
mod test_kit;
