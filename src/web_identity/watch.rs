//! Placeholder until the watcher is merged.

use super::token::Token;
use super::{TokenClaims, TokenConfig};
use crate::refresh::source::Change;

pub(crate) struct TokenWatch;

impl TokenWatch {
    pub(crate) fn new(_config: &TokenConfig) -> Self {
        Self
    }

    pub(crate) async fn changed(&self) -> Change {
        std::future::pending().await
    }

    pub(crate) fn used(&self, _token: &Token) {}

    pub(crate) fn look_closely(&self, _on: bool) {}

    pub(crate) fn claims(&self) -> Option<TokenClaims> {
        None
    }
}
