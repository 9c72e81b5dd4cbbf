//! One binary for all integration tests: it links once.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "object_store-0_14")]
mod adapter_object_store;
#[cfg(feature = "reqsign-core-3")]
mod adapter_reqsign;
mod autotraits;
mod aws_config_chain;
mod chained_role;
mod clock_skew;
#[cfg(target_os = "linux")]
mod diagnosis;
mod docs_pages;
mod engine_thread;
mod error_texts;
mod example_pod_identity;
mod example_whoami;
#[cfg(target_os = "linux")]
mod examples_on_bare_machines;
#[cfg(all(feature = "object_store-0_14", feature = "reqsign-core-3"))]
mod examples_on_object_storage;
mod exchange;
#[cfg(feature = "default-https-client")]
mod http_client;
#[cfg(target_os = "linux")]
mod hung_token_file;
#[path = "../../src/web_identity/testing/isolated.rs"]
mod isolated;
mod issuer_and_trust_changes;
mod kubernetes_manifests;
mod layering;
mod lifecycle;
mod log_lines;
mod many_roles;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(target_os = "linux")]
mod operators_walk;
mod reads_while_valid;
mod real_sts_servers;
mod rejection;
#[path = "../../src/web_identity/testing/rotations.rs"]
mod rotations;
mod sdk_client;
mod secrets;
mod standby;
mod status_and_updates;
mod sts_faults;
mod support;
mod test_kit;
mod token_rotation;
mod token_source;
mod wrapped_provider;

// For `rotations`.
use aws_web_identity::test_util::ProjectedVolume;

/// The folder of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
