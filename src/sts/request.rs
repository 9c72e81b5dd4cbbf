//! The request of one exchange: `AssumeRoleWithWebIdentity` with a token, or `AssumeRole` with a signature.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::IdentityCache;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};

use super::answer_capture::AnswerCapture;
use super::connection_errors::{self, NoConnection};
use super::failure_reason::Reason;

/// The session of a role that a request asks for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Session {
    pub(crate) role_arn: String,
    pub(crate) name: String,
    /// Unset: STS's default, 3600 s.
    pub(crate) length: Option<Duration>,
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<String>,
}

/// Settings that only `AssumeRole` takes.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct ChainSettings {
    pub(crate) external_id: Option<String>,
    /// Keys and values.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tag_keys: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

/// The proof in the request. It decides the operation.
pub(crate) enum Authentication<'a> {
    /// `AssumeRoleWithWebIdentity`.
    Token {
        jwt: &'a str,
        /// `exp` of the token.
        expires_at: Option<SystemTime>,
        /// The later of the token's `iat` and `nbf`.
        valid_from: Option<SystemTime>,
    },
    /// `AssumeRole`, signed with these credentials.
    Credentials { credentials: &'a Credentials, settings: &'a ChainSettings },
}

impl Authentication<'_> {
    /// The secret in the request. It must not come back in a message.
    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Token { jwt, .. } => jwt,
            Self::Credentials { credentials, .. } => credentials.session_token().unwrap_or_default(),
        }
    }

    /// The name of the provider, and the SDK's mark, in credentials from this operation.
    pub(super) fn provenance(&self) -> (&'static str, AwsCredentialFeature) {
        match self {
            Self::Token { .. } => ("WebIdentity", AwsCredentialFeature::CredentialsStsAssumeRoleWebId),
            Self::Credentials { .. } => ("AssumeRole", AwsCredentialFeature::CredentialsStsAssumeRole),
        }
    }

    /// Sends the request. `capture` takes the answer.
    pub(super) async fn send(
        &self,
        client: &Client,
        session: &Session,
        capture: &AnswerCapture,
    ) -> Result<(), SendError> {
        let Session { role_arn, name, length, policy, policy_arns } = session;
        let seconds = length.map(|length| length.as_secs().try_into().unwrap_or(i32::MAX));
        let arns = policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build());
        let arns = unless_empty(arns.collect());
        match self {
            Self::Token { jwt, .. } => {
                let call = client.assume_role_with_web_identity().role_arn(role_arn).role_session_name(name);
                let call = call.set_duration_seconds(seconds).set_policy(policy.clone()).set_policy_arns(arns);
                let call = call.web_identity_token(*jwt).customize().interceptor(capture.clone());
                without_answer(call.send().await)
            }
            Self::Credentials { credentials, settings } => {
                let ChainSettings { external_id, tags, transitive_tag_keys, source_identity } = settings;
                // `build` fails only without a key or a value.
                let tags = tags.iter().flat_map(|(key, value)| Tag::builder().key(key).value(value).build());
                let call = client.assume_role().role_arn(role_arn).role_session_name(name);
                let call = call.set_duration_seconds(seconds).set_policy(policy.clone()).set_policy_arns(arns);
                let call = call.set_external_id(external_id.clone()).set_source_identity(source_identity.clone());
                let call = call.set_tags(unless_empty(tags.collect()));
                let call = call.set_transitive_tag_keys(unless_empty(transitive_tag_keys.clone()));
                let signer = aws_sdk_sts::config::Builder::new()
                    .credentials_provider((*credentials).clone())
                    .identity_cache(IdentityCache::no_cache());
                let call = call.customize().config_override(signer).interceptor(capture.clone());
                without_answer(call.send().await)
            }
        }
    }
}

/// Why no answer came: the reason and a text. Without a text the time was over.
pub(super) type SendError = (Reason, Option<String>);

fn without_answer<O, E, R>(sent: Result<O, SdkError<E, R>>) -> Result<(), SendError> {
    let Err(error) = sent else { return Ok(()) };
    // Only the connector's error is shown in full. The rest of an `SdkError` may print keys.
    let (reason, text) = match &error {
        SdkError::TimeoutError(_) => return Err((Reason::NoAnswer, None)),
        SdkError::DispatchFailure(failure) => failure.as_connector_error().map(connection_errors::reason),
        _ => None,
    }
    .unwrap_or_else(|| (Reason::NoConnection(NoConnection::Unreachable), error.to_string()));
    Err((reason, Some(text)))
}

/// An empty list would be sent as a parameter without a value.
fn unless_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
