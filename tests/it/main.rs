//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod autotraits;
mod bad_input;
mod ceph_rgw;
mod chained;
#[cfg(all(feature = "object_store", feature = "reqsign"))]
mod examples;
mod exchange;
mod faults;
mod federation;
mod field_bugs;
mod layering;
mod lifecycle;
mod moto;
#[cfg(feature = "object_store")]
mod object_store;
#[cfg(feature = "reqsign")]
mod opendal;
mod read_path;
mod rejection;
mod rig;
mod roles;
mod sdk_client;
mod secrets;
#[cfg_attr(
    not(all(feature = "object_store", feature = "reqsign")),
    expect(dead_code, reason = "parts are for the signers' tests")
)]
mod storage;
mod test_kit;
mod wrapped;
