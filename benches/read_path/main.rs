//! The cost of one read of the credentials, beside the SDK's caches and beside other kinds of cells. Counts
//! instructions and allocations, and measures reads per second with 1 to 8 threads, with and without a writer.
//!
//! `cargo bench --bench read_path --features test-util`; `-- --short` gives a quick look. Callgrind counts instructions
//! and allocations, which repeat on a busy machine. Rates are medians of the passes in which every thread kept its
//! core. Compare them with other rates of the same run only.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod instructions;
mod rates;
mod reads;
#[path = "../support/mod.rs"]
mod support;

use reads::Reads;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let reads = runtime.block_on(Reads::prepare());
    if instructions::is_child() {
        return instructions::count_here(&reads);
    }
    instructions::report_all(&reads);
    rates::report_all(&reads);
    runtime.block_on(reads.end());
}
