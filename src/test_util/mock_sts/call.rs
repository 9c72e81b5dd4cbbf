//! What a mock remembers of requests.

use std::collections::VecDeque;
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
    /// `Tags`, keys and values.
    pub tags: Vec<(String, String)>,
    /// `TransitiveTagKeys`.
    pub transitive_tag_keys: Vec<String>,
    /// `SourceIdentity`.
    pub source_identity: Option<String>,
    /// The access key that an exchange gave, or that signed a `GetCallerIdentity`.
    pub access_key_id: Option<String>,
    /// When the session ends that an exchange gave, by the mock's clock.
    pub expiration: Option<SystemTime>,
    /// The access key that signed an `AssumeRole`.
    pub signed_with: Option<String>,
    /// When the answer was ready to be sent, by this machine's clock. `None` as for `status`.
    pub answered: Option<SystemTime>,
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
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            access_key_id: None,
            expiration: None,
            signed_with: None,
            answered: None,
            status: None,
            code: None,
        }
    }
}

/// The requests since the start, less those that were forgotten.
#[derive(Debug, Default)]
pub(super) struct Calls {
    kept: VecDeque<Call>,
    forgotten: usize,
}

impl Calls {
    /// Gives its number.
    pub(super) fn push(&mut self, call: Call) -> usize {
        self.kept.push_back(call);
        self.count() - 1
    }

    /// Of all, forgotten or not.
    pub(super) fn count(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    /// Nothing, if it was forgotten while it was under way.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Call> {
        self.kept.get_mut(number.checked_sub(self.forgotten)?)
    }

    pub(super) fn kept(&self) -> Vec<Call> {
        self.kept.iter().cloned().collect()
    }

    pub(super) fn forget_before(&mut self, at: SystemTime) {
        while self.kept.pop_front_if(|call| call.at < at).is_some() {
            self.forgotten += 1;
        }
    }
}
