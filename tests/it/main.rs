//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod autotraits;
mod bad_input;
mod chained;
mod chains;
mod exchange;
mod faults;
mod field_bugs;
mod layering;
mod lifecycle;
mod moto;
mod read_path;
mod rejection;
mod rig;
mod roles;
mod sdk_client;
mod secrets;
mod standby;
mod test_kit;
mod token_source;
mod wrapped;
