//! The way out: one file for each thing that credentials are plugged into. They do not know each other.

mod identity_cache;
#[cfg(feature = "object_store")]
mod object_store;
mod rejection;
#[cfg(feature = "reqsign")]
mod reqsign;
