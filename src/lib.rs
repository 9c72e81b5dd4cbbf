//! AWS credentials from a Kubernetes service-account token.

mod error;
mod refresh;
#[cfg(feature = "test-util")]
pub mod test_util;
mod web_identity;

pub use error::{BuildError, Error, ErrorKind};
pub use web_identity::TokenClaims;
