//! Placeholder until the watcher is merged.

use std::path::PathBuf;

use aws_smithy_async::time::SharedTimeSource;

use super::token::{self, Token};
use super::{TokenClaims, TokenConfig};
use crate::error::Error;
use crate::refresh::source::Change;

pub(crate) struct TokenWatch(PathBuf);

impl TokenWatch {
    pub(crate) fn new(config: &TokenConfig, _time_source: SharedTimeSource) -> Self {
        Self(config.file.clone())
    }

    pub(crate) async fn read(&self) -> Result<Token, Error> {
        token::read(&self.0).await
    }

    pub(crate) async fn changed(&self) -> Change {
        std::future::pending().await
    }

    pub(crate) fn look_closely(&self, _on: bool) {}

    pub(crate) fn claims(&self) -> Option<TokenClaims> {
        None
    }
}
