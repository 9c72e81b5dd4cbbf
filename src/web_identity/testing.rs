//! Tokens for the tests of this room.

use aws_smithy_types::base64;

/// A JWT in all but its signature.
pub(crate) fn jwt(payload: &str) -> String {
    format!("{}.{}.c2lnbmF0dXJl", base64url(r#"{"alg":"RS256"}"#), base64url(payload))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}
