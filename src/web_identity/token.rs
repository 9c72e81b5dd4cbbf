//! Placeholder until the token reader is merged.

use std::path::Path;

use super::TokenClaims;
use crate::error::{Error, ErrorKind};

pub(crate) struct Token(String);

impl Token {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn claims(&self) -> Option<&TokenClaims> {
        None
    }
}

pub(crate) async fn read(path: &Path) -> Result<Token, Error> {
    let text = std::fs::read_to_string(path).map_err(|_| Error::new(ErrorKind::TokenUnavailable, "no token"))?;
    Ok(Token(text.trim().to_owned()))
}
