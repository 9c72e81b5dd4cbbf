//! The SDK interceptor: it finds the error codes by which a service rejects credentials, and reports them.

mod cbor;

use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, SharedInterceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::Format;
use roxmltree::Document;

use crate::provider::BackgroundCredentialsProvider;
use crate::refresh::EngineHandle;
use crate::rejection_codes::{clock_off, least_key_age};

impl BackgroundCredentialsProvider {
    /// Returns an interceptor for the config of one service. If the service rejects the credentials of a request, the
    /// interceptor calls [`invalidate`](Self::invalidate). It is optional. It reads the error code in each protocol of
    /// AWS: JSON, XML, CBOR, and the headers `x-amzn-errortype` and `x-amzn-query-error`.
    ///
    /// | code | acts |
    /// |---|---|
    /// | `ExpiredToken`, `ExpiredTokenException`, `InvalidToken` | at once |
    /// | `InvalidClientTokenId`, `UnrecognizedClientException`, `InvalidAccessKeyId` | for credentials older than 30 s; younger ones may not be known everywhere yet |
    /// | `RequestExpired` | if the answer's `Date` and the client's clock are at most 5 minutes apart; otherwise the clock is the cause |
    /// | all others, such as `AccessDenied` and `AuthFailure` | never |
    ///
    /// An `SdkConfig` has no place for interceptors, so each service needs one line:
    ///
    /// ```no_run
    /// # fn example(provider: aws_web_identity::WebIdentityCredentialsProvider, config: aws_config::SdkConfig) {
    /// let config = provider.install(config);
    /// let config = aws_sdk_sts::config::Builder::from(&config).interceptor(provider.interceptor()).build();
    /// let client = aws_sdk_sts::Client::from_conf(config);
    /// # }
    /// ```
    #[must_use]
    pub fn interceptor(&self) -> SharedInterceptor {
        SharedInterceptor::new(RejectionInterceptor(self.handle().clone()))
    }
}

#[derive(Debug)]
struct RejectionInterceptor(EngineHandle);

#[dyn_dispatch_hint]
impl Intercept for RejectionInterceptor {
    fn name(&self) -> &'static str {
        "WebIdentityRejection"
    }

    /// Stores the access key id, because later hooks cannot see the request.
    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        config_bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(key) = context.request().headers().get("authorization").and_then(signing_key) {
            config_bag.interceptor_state().store_put(SignedWith(key.to_owned()));
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        runtime_components: &RuntimeComponents,
        config_bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.output_or_error().is_err()
            && let Some(SignedWith(key)) = config_bag.load::<SignedWith>()
            && let clock_off = clock_distance(context.response(), runtime_components)
            && let Some(least_key_age) =
                error_codes(context.response()).find_map(|code| least_key_age(&code, clock_off))
        {
            self.0.rejected(key, least_key_age);
        }
        Ok(())
    }
}

/// The distance between the clock that signed and the clock of the service.
fn clock_distance(response: &Response, components: &RuntimeComponents) -> Option<Duration> {
    let date = DateTime::from_str(response.headers().get("date")?, Format::HttpDate).ok()?;
    Some(clock_off(SystemTime::try_from(date).ok()?, components.time_source()?.now()))
}

/// The access key id that signed the request. It is no secret.
#[derive(Debug)]
struct SignedWith(String);

impl Storable for SignedWith {
    type Storer = StoreReplace<Self>;
}

/// `AWS4-HMAC-SHA256 Credential=KEY/date/region/service/aws4_request, SignedHeaders=…`
fn signing_key(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next().filter(|key| !key.is_empty())
}

/// The error codes of the answer, in any protocol. A service that once spoke the query protocol sends two: the code of
/// its new protocol, and the old one in `x-amzn-query-error`.
fn error_codes(response: &Response) -> impl Iterator<Item = String> {
    let in_header = |name| response.headers().get(name).map(|code| plain_code(code).to_owned());
    let codes = [in_header("x-amzn-errortype"), in_header("x-amzn-query-error"), code_in_body(response)];
    codes.into_iter().flatten()
}

/// The code in a body of CBOR, XML or JSON. The first byte tells the formats apart.
fn code_in_body(response: &Response) -> Option<String> {
    let body = response.body().bytes()?;
    if let Some(code) = cbor::error_type(body) {
        return Some(plain_code(code).to_owned());
    }
    let xml = std::str::from_utf8(body).ok().map(str::trim_start).filter(|text| text.starts_with('<'));
    if let Some(xml) = xml {
        let document = Document::parse(xml).ok()?;
        // Its depth differs below `Error`, `ErrorResponse` and the `Response` of EC2.
        let code = document.descendants().find(|node| node.has_tag_name("Code"))?;
        return Some(code.text()?.trim().to_owned());
    }
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = ["__type", "code", "Code"].iter().find_map(|name| json.get(name)?.as_str())?;
    Some(plain_code(code).to_owned())
}

/// The code of `prefix#Code:uri` or `Code;Sender`.
fn plain_code(code: &str) -> &str {
    let code = code.split([':', ';']).next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code).trim()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn code(headers: &[(&'static str, &'static str)], body: impl Into<SdkBody>) -> Option<String> {
        let mut response = Response::new(403.try_into().unwrap(), body.into());
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        error_codes(&response).next()
    }

    #[test]
    fn the_code_is_found_in_each_protocol() {
        let sent = [
            (code(&[("x-amzn-errortype", "ExpiredTokenException:http://internal/")], "{}"), "rest-json"),
            (code(&[], r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"x"}"#), "json"),
            (code(&[], r#"{"__type":"ExpiredTokenException","message":"<a>"}"#), "json with a bracket in its text"),
            (code(&[], "<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>"), "query"),
            (code(&[], "<Error><Code>ExpiredTokenException</Code><Message/></Error>"), "rest-xml"),
            (
                code(&[], "<Response><Errors><Error><Code>ExpiredTokenException</Code></Error></Errors></Response>"),
                "ec2",
            ),
            (code(&[], &b"\xa1\x66__type\x75ExpiredTokenException"[..]), "rpc-v2-cbor"),
            (code(&[("x-amzn-query-error", "ExpiredTokenException;Sender")], "{}"), "query-compatible"),
        ];
        for (found, protocol) in sent {
            assert_eq!(found.as_deref(), Some("ExpiredTokenException"), "{protocol}");
        }
        assert_eq!(code(&[], "<html>no</html>"), None);
        assert_eq!(code(&[], ""), None);
    }

    #[test]
    fn the_key_is_read_from_the_signature() {
        let header =
            "AWS4-HMAC-SHA256 Credential=ASIAX/20261124/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(signing_key(header), Some("ASIAX"));
        assert_eq!(signing_key("Bearer abc"), None);
    }
}
