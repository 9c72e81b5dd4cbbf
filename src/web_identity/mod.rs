//! The trade: a token for credentials.

mod claims;
mod config;
mod obstacle;
#[cfg(test)]
mod testing;
mod token;

pub use claims::TokenClaims;
pub(crate) use config::{Config, StsConfig, TokenConfig};
