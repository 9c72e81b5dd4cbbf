//! Arguments and output of the benches.
#![allow(dead_code, reason = "each bench is a crate and uses a part")]

pub(crate) mod chart;

use std::fmt::Display;
use std::time::Duration;

/// True for `cargo bench --bench NAME -- --short`: run just long enough to see that the bench works.
pub(crate) fn short() -> bool {
    std::env::args().any(|argument| argument == "--short")
}

/// True if the part with this name is to run: `cargo bench --bench NAME -- PART` runs parts whose name contains PART.
pub(crate) fn chosen(name: &str) -> bool {
    let mut parts = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// Prints a figure on one line.
pub(crate) fn report(name: impl Display, value: impl Display) {
    println!("{name}: {value}");
}

/// The quantile `share` of sorted values.
pub(crate) fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
