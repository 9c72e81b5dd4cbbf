//! Helpers of this module's tests.

mod isolated;
#[cfg(all(unix, feature = "test-util"))]
pub(crate) mod rotations;

use aws_smithy_types::base64;

pub(crate) use crate::sts::testing::Log;

pub(crate) use self::isolated::Isolated;
#[cfg(feature = "test-util")]
pub(crate) use self::isolated::OWN_USER_NAMESPACE;
#[cfg(all(unix, feature = "test-util"))]
use crate::test_util::ProjectedVolume;

/// A JWT with a false signature.
pub(crate) fn jwt(payload: &str) -> String {
    format!("{}.{}.c2lnbmF0dXJl", base64url(r#"{"alg":"RS256"}"#), base64url(payload))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}
