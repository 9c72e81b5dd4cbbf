//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod autotraits;
mod bad_input;
mod chained;
mod doctor;
mod example;
mod exchange;
mod expired_token;
mod faults;
mod field_bugs;
#[path = "../../src/web_identity/testing/isolated.rs"]
mod isolated;
mod layering;
mod lifecycle;
mod manifests;
#[cfg(feature = "metrics")]
mod metrics;
mod moto;
mod operations;
mod read_path;
mod rejection;
mod rig;
mod rotation_matrix;
mod rotation_stress;
mod sdk_client;
mod secrets;
#[cfg(all(unix, feature = "metrics"))]
mod service;
mod status;
mod test_kit;
