//! An issuer, a projected volume and an STS to test against.

#[cfg(unix)]
mod projected_volume;

#[cfg(unix)]
pub use projected_volume::{InPlaceFile, ProjectedVolume};
