//! The trade: a token for credentials.

mod config;

pub(crate) use config::{Config, StsConfig, TokenConfig};
