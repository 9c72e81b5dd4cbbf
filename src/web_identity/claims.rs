//! Placeholder until the token reader is merged.

use std::time::SystemTime;

#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct TokenClaims {
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub audience: Vec<String>,
    pub issued_at: Option<SystemTime>,
    pub expires_at: Option<SystemTime>,
}
