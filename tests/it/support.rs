//! Helpers of the tests: a captured log, counts of what the process holds, hooks into SDK clients.

pub(crate) mod captured_log;
pub(crate) mod own_process;
pub(crate) mod process_resources;
pub(crate) mod sdk_hooks;
pub(crate) mod stepped_clock;
