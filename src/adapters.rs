//! The way out: one file for each thing that credentials are plugged into. They do not know each other.

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

/// Who hears of the credentials of this role, by the features that are on. `token`: what they are traded for, if anything.
#[cfg(feature = "metrics")]
pub(crate) fn observer(role: &str, token: Option<Arc<WebIdentity>>) -> Option<Arc<dyn Observer>> {
    Some(Arc::new(metrics::Metrics::new(role, token)))
}

/// As above, where nobody does.
#[cfg(not(feature = "metrics"))]
pub(crate) fn observer(_role: &str, _token: Option<Arc<WebIdentity>>) -> Option<Arc<dyn Observer>> {
    None
}
