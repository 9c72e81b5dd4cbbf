//! What every bench needs: its arguments, and one way to print a figure.
#![allow(dead_code, reason = "each bench is a crate of its own and takes what it needs")]

pub(crate) mod chart;

use std::fmt::Display;
use std::time::Duration;

/// Whether to run just long enough to show that the bench still works: `cargo bench --bench NAME -- --short`.
pub(crate) fn short() -> bool {
    std::env::args().any(|argument| argument == "--short")
}

/// Whether to run what has this name: `cargo bench --bench NAME -- PART` runs what has PART in its name.
pub(crate) fn chosen(name: &str) -> bool {
    let mut parts = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// One figure, on a line of its own.
pub(crate) fn report(name: impl Display, value: impl Display) {
    println!("{name}: {value}");
}

/// The value below which `share` of the sorted ones lie.
pub(crate) fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
