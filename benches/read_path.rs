//! What one read of the credentials costs, ours beside the SDK's caches and beside other cells: instructions
//! (callgrind), allocations, and reads per second with 1 to 8 threads, without and with a writer.
//!
//! `cargo bench --bench read_path --features test-util`; with `-- --short` a glance. Instructions and allocations (both
//! by callgrind) repeat, also on a busy machine. Rates are medians of the passes in which no thread lost its core to
//! somebody else, and are to be read as ratios of one run.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "read_path/instructions.rs"]
mod instructions;
#[path = "read_path/rates.rs"]
mod rates;
#[path = "read_path/reads.rs"]
mod reads;
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
