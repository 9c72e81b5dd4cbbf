//! What a mock remembers of a request.

use std::time::{Duration, SystemTime};

use super::Fault;

/// A request that a [`MockSts`](super::MockSts) got. It holds no secret.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Call {
    /// `AssumeRoleWithWebIdentity`, `AssumeRole` or `GetCallerIdentity`.
    pub action: String,
    /// When it came, by this machine's clock.
    pub at: SystemTime,
    /// The fault that it met.
    pub fault: Option<Fault>,
    /// `RoleArn`.
    pub role_arn: Option<String>,
    /// `RoleSessionName`.
    pub session_name: Option<String>,
    /// `DurationSeconds`.
    pub duration: Option<Duration>,
    /// `Policy`.
    pub policy: Option<String>,
    /// `PolicyArns`.
    pub policy_arns: Vec<String>,
    /// What the token says of its subject, whether that is true or not.
    pub subject: Option<String>,
    /// A hash of the token, to tell which one was sent.
    pub token_sha256: Option<String>,
    /// `ExternalId`.
    pub external_id: Option<String>,
    /// The access key that an exchange gave, or that signed a `GetCallerIdentity`.
    pub access_key_id: Option<String>,
    /// The access key that signed an `AssumeRole`.
    pub signed_with: Option<String>,
    /// The HTTP status of the answer. `None` while there is none, and when the connection was broken off instead.
    pub status: Option<u16>,
    /// The error code of the answer. `None` when it was not an error of STS.
    pub code: Option<String>,
}

impl Call {
    pub(super) fn new(action: &str, at: SystemTime) -> Self {
        Self {
            action: action.to_owned(),
            at,
            fault: None,
            role_arn: None,
            session_name: None,
            duration: None,
            policy: None,
            policy_arns: Vec::new(),
            subject: None,
            token_sha256: None,
            external_id: None,
            access_key_id: None,
            signed_with: None,
            status: None,
            code: None,
        }
    }
}
