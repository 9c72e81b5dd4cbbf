//! The cost of a start: time and memory until the first signed request, and what this crate adds to a program as a
//! dependency. Compares with aws-config's web-identity provider and with its default chain. At the end it prints the
//! cost of the example `service` at rest.
//!
//! `cargo bench --bench cold_start --features test-util` builds four small programs from nothing, and the service. That
//! takes minutes, and needs the package registry for aws-config's default features. `-- --short` leaves it out.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod first_request;
mod idle_service;
#[path = "../support/mod.rs"]
mod support;
mod weight;

fn main() {
    if let Some(way) = first_request::Way::of_child() {
        return way.run_here();
    }
    first_request::report_all();
    weight::report_crates();
    if !support::short() {
        weight::report_builds();
        idle_service::report_all();
    }
}
