//! Change detection: compares the content of the token file with the token that the last exchange used.

use crate::refresh::Change;
use crate::web_identity::claims::TokenClaims;
use crate::web_identity::loaded_token::{Digest, LoadedToken};

#[derive(Default)]
pub(super) struct Changes {
    seen: Option<Digest>,
    /// Claims of the newest token.
    pub(super) claims: Option<TokenClaims>,
    reference: Reference,
    /// Claims of the last reference that was a JWT. A half-written token in between does not replace them.
    identity: Option<TokenClaims>,
    unreported: Option<Change>,
    /// Number of times that a check found other content than the one before.
    pub(super) rotations: u64,
}

/// The content that new content is compared with: the last that an exchange used or that was reported.
#[derive(Default, Eq, PartialEq)]
enum Reference {
    /// Nobody has asked for a token yet, so the first token is no change.
    #[default]
    Unset,
    NoToken,
    Content(Digest),
}

impl Changes {
    /// An exchange uses this token, or found none.
    pub(super) fn used(&mut self, token: Option<&LoadedToken>) {
        match token {
            Some(token) => {
                self.compare_with(token);
                if self.seen.is_none() {
                    self.saw(token);
                }
            }
            None => (self.reference, self.unreported) = (Reference::NoToken, None),
        }
    }

    /// A check has found this token, or none. True if the content is another than the last one found.
    pub(super) fn found(&mut self, token: Option<&LoadedToken>) -> bool {
        let Some(token) = token else {
            if self.reference == Reference::Unset {
                self.reference = Reference::NoToken;
            }
            return false;
        };
        let rotated = self.seen.is_some_and(|seen| seen != token.digest);
        self.rotations += u64::from(rotated);
        self.saw(token);
        if self.reference != Reference::Content(token.digest) {
            let is_first = self.reference == Reference::Unset;
            let old = self.identity.as_ref();
            let other_identity = token.claims().zip(old).is_some_and(|(new, old)| !new.same_identity(old))
                || self.unreported == Some(Change::Identity);
            self.compare_with(token);
            let change = if other_identity { Change::Identity } else { Change::Content };
            self.unreported = (!is_first).then_some(change);
        }
        rotated
    }

    /// The change to report, once.
    pub(super) fn take(&mut self) -> Option<Change> {
        self.unreported.take()
    }

    fn saw(&mut self, token: &LoadedToken) {
        self.seen = Some(token.digest);
        self.claims = token.claims().cloned();
    }

    fn compare_with(&mut self, token: &LoadedToken) {
        self.reference = Reference::Content(token.digest);
        self.unreported = None;
        if let Some(claims) = token.claims() {
            self.identity = Some(claims.clone());
        }
    }
}
