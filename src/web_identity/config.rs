//! What the trade needs to know. Valid by construction: `builder` parses, nobody checks again.

use std::path::PathBuf;
use std::time::Duration;

use crate::sts::{Session, StsConfig};

/// One role, one token file, one STS.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) session: Session,
    pub(crate) token: TokenConfig,
    pub(crate) sts: StsConfig,
}

#[derive(Clone, Debug)]
pub(crate) struct TokenConfig {
    pub(crate) file: PathBuf,
    pub(crate) poll_interval: Duration,
    /// File events beside polling.
    pub(crate) watch: bool,
}
