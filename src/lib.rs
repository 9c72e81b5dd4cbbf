//! AWS credentials from a Kubernetes service-account token.

mod builder;
mod environment;
mod error;
mod provider;
mod refresh;
#[cfg(feature = "test-util")]
pub mod test_util;
mod web_identity;

pub use builder::Builder;
pub use error::{BuildError, Error, ErrorKind};
pub use provider::WebIdentityCredentialsProvider;
pub use refresh::ExpiredPolicy;
