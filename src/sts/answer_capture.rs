//! An interceptor that captures the raw answer before the SDK reads it, and the URL of the request.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;

use super::config::printable_url;
use crate::locks::lock;

/// One for each exchange. Clones share what they capture.
#[derive(Clone, Default)]
pub(super) struct AnswerCapture {
    endpoint: Arc<OnceLock<String>>,
    answer: Arc<Mutex<Option<HttpResponse>>>,
}

impl AnswerCapture {
    /// URL of the request, for messages. `None`: nothing was sent.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.endpoint.get().cloned()
    }

    pub(super) fn take_answer(&self) -> Option<HttpResponse> {
        lock(&self.answer).take()
    }
}

impl fmt::Debug for AnswerCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The answer may hold keys.
        f.write_str("AnswerCapture")
    }
}

impl Intercept for AnswerCapture {
    fn name(&self) -> &'static str {
        "WebIdentityAnswerCapture"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.endpoint.get_or_init(|| printable_url(context.request().uri()));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let empty = HttpResponse::new(response.status(), SdkBody::empty());
        let answer = mem::replace(response, empty);
        *lock(&self.answer) = Some(answer);
        Ok(())
    }
}
