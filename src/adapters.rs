//! The adapters: one file for each library that uses the credentials. Adapters do not import each other.

mod identity_cache;
mod interceptor;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "object_store-0_14")]
mod object_store;
#[cfg(feature = "reqsign-core-3")]
mod reqsign;

use std::sync::Arc;

use crate::refresh::Observer;
use crate::web_identity::WebIdentity;

/// The observer of the credentials of this role: metrics, if the feature is on. `token`: for credentials that need a
/// token.
#[cfg(feature = "metrics")]
pub(crate) fn observer(role: &str, token: Option<Arc<WebIdentity>>) -> Option<Arc<dyn Observer>> {
    Some(Arc::new(metrics::Metrics::new(role, token)))
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn observer(_role: &str, _token: Option<Arc<WebIdentity>>) -> Option<Arc<dyn Observer>> {
    None
}
