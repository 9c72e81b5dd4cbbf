//! What shows STS that we may ask.

use std::time::SystemTime;

use aws_credential_types::Credentials;

use super::reason::Reason;

/// What shows STS that we may ask: it says which operation is sent.
pub(crate) enum Proof<'a> {
    /// `AssumeRoleWithWebIdentity`.
    Token {
        jwt: &'a str,
        /// The token's own `exp`, to understand a refusal.
        expires_at: Option<SystemTime>,
    },
    /// `AssumeRole`, signed with these.
    Credentials { credentials: &'a Credentials, external_id: Option<&'a str> },
}

impl Proof<'_> {
    /// What was sent and must not come back in a message.
    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Token { jwt, .. } => jwt,
            Self::Credentials { credentials, .. } => credentials.session_token().unwrap_or_default(),
        }
    }

    pub(super) fn provider_name(&self) -> &'static str {
        match self {
            Self::Token { .. } => "WebIdentity",
            Self::Credentials { .. } => "AssumeRole",
        }
    }

    /// STS has one code for whatever has expired.
    pub(super) fn concerns(&self, reason: Reason) -> Reason {
        match (self, reason) {
            (Self::Credentials { .. }, Reason::TokenExpired) => Reason::KeyRejected,
            _ => reason,
        }
    }

    /// Whether a refusal is for what had ended by the server's own clock, whatever it is called.
    pub(super) fn had_expired(&self, date: Option<SystemTime>) -> bool {
        let end = match self {
            Self::Token { expires_at, .. } => *expires_at,
            // Theirs is shown on the local clock, which says nothing of the server's.
            Self::Credentials { .. } => None,
        };
        date.zip(end).is_some_and(|(date, end)| end <= date)
    }
}
