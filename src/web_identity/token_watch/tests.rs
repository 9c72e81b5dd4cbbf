//! The watch on real files, and its decisions without any.

// clippy knows tests by `cfg(test)` alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod decisions;
#[cfg(all(unix, feature = "test-util"))]
mod each_rotation;
#[cfg(all(unix, feature = "test-util"))]
mod real_files;
#[cfg(all(unix, feature = "test-util"))]
mod rig;
#[cfg(all(unix, feature = "test-util"))]
mod warnings;
