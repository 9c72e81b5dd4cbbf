//! A token in memory, with its claims and the facts about its file.

use std::fmt;
use std::fs::Metadata;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::claims::TokenClaims;

/// A token without the white space around it. Wiped from memory when dropped.
pub(super) struct LoadedToken {
    text: Zeroizing<String>,
    pub(super) digest: Digest,
    claims: Option<TokenClaims>,
    /// Time of the last write to the token file.
    pub(super) modified: Option<SystemTime>,
    /// True if the file has no name left, so that nobody can replace it. Only a `subPath` mount still leads to such a file.
    pub(super) is_orphan: bool,
}

impl LoadedToken {
    pub(super) fn from_file(text: Zeroizing<String>, file: &Metadata) -> Self {
        Self { modified: file.modified().ok(), is_orphan: has_no_name(file), ..Self::from_source(text) }
    }

    pub(super) fn from_source(text: Zeroizing<String>) -> Self {
        let (digest, claims) = (Digest::of(&text), TokenClaims::parse(&text));
        Self { text, digest, claims, modified: None, is_orphan: false }
    }

    /// The secret. Only the exchange may send it.
    pub(super) fn expose(&self) -> &str {
        &self.text
    }

    /// `None` if the token is not a JWT.
    pub(super) fn claims(&self) -> Option<&TokenClaims> {
        self.claims.as_ref()
    }

    /// True for the beginning of a JWT. A writer that fills the file in place has not finished then.
    pub(super) fn looks_torn(&self) -> bool {
        let dots = self.text.bytes().filter(|byte| *byte == b'.').count();
        self.text.starts_with("eyJ") && (dots < 2 || self.text.ends_with('.'))
    }
}

impl fmt::Debug for LoadedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedToken").field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// Distinguishes token contents within this process. The hash key is random, so a digest reveals nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Digest(u64);

impl Digest {
    fn of(text: &str) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(text))
    }
}

#[cfg(unix)]
fn has_no_name(file: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) == 0
}

#[cfg(not(unix))]
fn has_no_name(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_identity::testing::jwt;

    impl LoadedToken {
        pub(in crate::web_identity) fn of(text: &str) -> Self {
            Self::from_source(Zeroizing::new(text.to_owned()))
        }
    }

    #[test]
    fn debug_shows_claims_and_no_token() {
        let token = LoadedToken::of(&jwt(r#"{"sub":"me"}"#));
        let shown = format!("{token:?} {token:#?}");
        assert!(shown.contains("me"), "{shown}");
        for part in token.expose().split('.') {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
