//! The settings of an exchange. The builder has checked them, and nobody checks them again.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::token_source::ProvideToken;
use crate::sts::{Session, StsConfig};

/// One role, one origin of tokens, one STS with its standbys.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) session: Session,
    pub(crate) token: TokenOrigin,
    pub(crate) sts: StsConfig,
}

#[derive(Clone, Debug)]
pub(crate) enum TokenOrigin {
    File(TokenConfig),
    Source(SourceConfig),
}

#[derive(Clone, Debug)]
pub(crate) struct TokenConfig {
    pub(crate) file: PathBuf,
    pub(crate) poll_interval: Duration,
    /// True if file events are wanted besides polling.
    pub(crate) watch: bool,
}

#[derive(Clone)]
pub(crate) struct SourceConfig {
    pub(crate) source: Arc<dyn ProvideToken>,
    /// Its type, for messages.
    pub(crate) name: &'static str,
}

/// Origins with equal ids give the same tokens. The id of a source is its address, which is unique while it lives.
#[derive(Eq, Hash, PartialEq)]
pub(crate) enum TokenId {
    File(PathBuf),
    Source(usize),
}

impl TokenOrigin {
    pub(crate) fn id(&self) -> TokenId {
        match self {
            Self::File(config) => TokenId::File(config.file.clone()),
            Self::Source(config) => TokenId::Source(config.source.address()),
        }
    }
}

impl SourceConfig {
    pub(crate) fn new<S: ProvideToken>(source: S) -> Self {
        Self { source: Arc::new(source), name: std::any::type_name::<S>() }
    }
}

impl fmt::Debug for SourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The `Debug` of the source is foreign code, and might print a secret.
        f.debug_tuple("SourceConfig").field(&self.name).finish()
    }
}

/// Completes a text that begins with "the token".
impl fmt::Display for TokenOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(TokenConfig { file, .. }) => write!(f, "in {}", file.display()),
            Self::Source(SourceConfig { name, .. }) => write!(f, "from the source {name}"),
        }
    }
}
