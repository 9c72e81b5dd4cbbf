//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_provider;
mod autotraits;
mod bad_input;
#[cfg(target_os = "linux")]
mod bare_worlds;
mod ceph_rgw;
mod chained;
mod chains;
#[cfg(target_os = "linux")]
mod diagnosis;
mod engine_thread;
mod example;
#[cfg(all(feature = "object_store-0_14", feature = "reqsign-core-3"))]
mod examples;
mod exchange;
mod expired_token;
mod fault_list;
mod faults;
mod federation;
mod field_bugs;
mod held;
#[cfg(feature = "default-https-client")]
mod http_client;
#[cfg(target_os = "linux")]
mod hung_token;
#[path = "../../src/web_identity/testing/isolated.rs"]
mod isolated;
mod layering;
mod lifecycle;
mod log;
mod manifests;
#[cfg(feature = "metrics")]
mod metrics;
mod moto;
#[cfg(feature = "object_store-0_14")]
mod object_store;
#[cfg(feature = "reqsign-core-3")]
mod opendal;
mod operations;
mod pod_identity;
mod read_path;
mod readme;
mod recipes;
mod rejection;
mod rig;
mod roles;
mod rotation_matrix;
mod rotation_stress;
#[path = "../../src/web_identity/testing/rotations.rs"]
mod rotations;
mod sdk_client;
mod secrets;
mod shutdown_when;
mod standby;
mod status;
#[cfg_attr(
    not(all(feature = "object_store-0_14", feature = "reqsign-core-3")),
    expect(dead_code, reason = "parts are for the signers' tests")
)]
mod storage;
mod test_kit;
mod token_source;
mod troubleshooting;
mod whoami;
mod wrapped;

// For `rotations`.
use aws_web_identity::test_util::ProjectedVolume;

/// The folder of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
