//! What shows STS that we may ask.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;

use super::config::ChainSettings;
use super::reason::Sent;

/// What shows STS that we may ask: it says which operation is sent.
pub(crate) enum Proof<'a> {
    /// `AssumeRoleWithWebIdentity`.
    Token {
        jwt: &'a str,
        /// The token's own `exp`, to understand a refusal.
        expires_at: Option<SystemTime>,
        /// The later of the token's `iat` and `nbf`, likewise.
        valid_from: Option<SystemTime>,
    },
    /// `AssumeRole`, signed with these.
    Credentials { credentials: &'a Credentials, settings: &'a ChainSettings },
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

    /// The SDK's mark of credentials that were obtained so.
    pub(super) fn feature(&self) -> AwsCredentialFeature {
        match self {
            Self::Token { .. } => AwsCredentialFeature::CredentialsStsAssumeRoleWebId,
            Self::Credentials { .. } => AwsCredentialFeature::CredentialsStsAssumeRole,
        }
    }

    /// What a refusal may be for. `date`: the server's own clock when it answered.
    pub(super) fn sent(&self, date: Option<SystemTime>) -> Sent {
        match (self, date) {
            // The end of credentials is shown on the local clock, which says nothing about the server's.
            (Self::Credentials { .. }, _) => Sent::Signature,
            (Self::Token { expires_at: Some(end), .. }, Some(date)) if *end <= date => Sent::ExpiredToken,
            (Self::Token { valid_from: Some(start), .. }, Some(date)) if date + DATE_STEP <= *start => Sent::EarlyToken,
            (Self::Token { .. }, _) => Sent::Token,
        }
    }
}

/// A `Date` of 10 s stands for a clock before 11 s.
const DATE_STEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_token_is_judged_by_the_servers_clock() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        for (valid_from, expires_at, date, expected) in [
            (Some(10_000), Some(20_000), Some(10_000), Sent::Token),
            (Some(10_000), Some(20_000), Some(19_000), Sent::Token),
            (Some(10_000), Some(20_000), Some(20_000), Sent::ExpiredToken),
            (Some(10_900), None, Some(10_000), Sent::Token),
            (Some(11_000), None, Some(10_000), Sent::EarlyToken),
            (Some(11_000), Some(20_000), None, Sent::Token),
            (None, None, Some(10_000), Sent::Token),
        ] {
            let proof = Proof::Token { jwt: "", expires_at: expires_at.map(at), valid_from: valid_from.map(at) };
            assert_eq!(proof.sent(date.map(at)), expected, "{valid_from:?} {expires_at:?} {date:?}");
        }
        let credentials = Credentials::for_tests();
        let proof = Proof::Credentials { credentials: &credentials, settings: &ChainSettings::default() };
        assert_eq!(proof.sent(Some(at(10_000))), Sent::Signature);
    }
}
