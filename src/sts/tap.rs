//! What the SDK's client sends and gets, seen and taken by an interceptor.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;

/// Hears where a request goes, and takes its answer. One for each exchange.
#[derive(Clone, Default)]
pub(super) struct Tap(Arc<Mutex<Tapped>>);

#[derive(Default)]
struct Tapped {
    endpoint: Option<String>,
    answer: Option<HttpResponse>,
}

impl Tap {
    fn with<T>(&self, f: impl FnOnce(&mut Tapped) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The address of the request, once there is one.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.with(|tapped| tapped.endpoint.clone())
    }

    /// The answer, once.
    pub(super) fn answer(&self) -> Option<HttpResponse> {
        self.with(|tapped| tapped.answer.take())
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl Intercept for Tap {
    fn name(&self) -> &'static str {
        "WebIdentityTap"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.with(|tapped| tapped.endpoint = Some(address(context.request().uri())));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let shell = HttpResponse::new(response.status(), SdkBody::empty());
        let answer = mem::replace(response, shell);
        self.with(|tapped| tapped.answer = Some(answer));
        Ok(())
    }
}

/// A URL for messages: without query, fragment and password.
pub(super) fn address(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.trim_end_matches('/');
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_no_secret() {
        for (url, expected) in [
            ("https://sts.eu-central-1.amazonaws.com/", "https://sts.eu-central-1.amazonaws.com"),
            ("http://user:password@127.0.0.1:80/sts/?token=x#y", "http://127.0.0.1:80/sts"),
            ("http://127.0.0.1:80?a@b", "http://127.0.0.1:80"),
            ("odd", "odd"),
        ] {
            assert_eq!(address(url), expected);
        }
    }
}
