//! What it costs to begin: from nothing to the first signed request, and what depending on this crate adds to a
//! program. Beside us stand aws-config's web-identity provider and its default chain.
//!
//! `cargo bench --bench cold_start --features test-util`. It builds four small programs from nothing, which takes
//! minutes and wants the package registry for what aws-config's default features bring; `-- --short` leaves that out.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "cold_start/first_request.rs"]
mod first_request;
mod support;
#[path = "cold_start/weight.rs"]
mod weight;

fn main() {
    if let Some(way) = first_request::Way::of_child() {
        return way.run_here();
    }
    first_request::report_all();
    weight::report_crates();
    if !support::short() {
        weight::report_builds();
    }
}
