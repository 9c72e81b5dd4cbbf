//! The trade: a token for credentials.

mod claims;
mod config;
mod diagnoses;
mod directory_watcher;
mod file_events;
mod nudge;
mod obstacle;
#[cfg(test)]
mod testing;
mod token;
mod watch;
mod watch_state;

pub use claims::TokenClaims;
pub(crate) use config::{Config, StsConfig, TokenConfig};
pub(crate) use token::Token;
pub(crate) use watch::{TokenWatch, WatchHealth};
