//! The requests that a mock remembers.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

use super::Fault;
use super::request::Form;
use super::token_check::Token;
use crate::test_util::{hex, now};

/// A request that a [`MockSts`](super::MockSts) received, and its answer. It holds no secret.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Call {
    /// `AssumeRoleWithWebIdentity`, `AssumeRole` or `GetCallerIdentity`.
    pub action: String,
    /// Arrival, by this machine's clock.
    pub at: SystemTime,
    /// The fault that the request met.
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
    /// The `sub` claim of the token, which may be false.
    pub subject: Option<String>,
    /// SHA-256 of the token, in hexadecimal digits.
    pub token_sha256: Option<String>,
    /// `ExternalId`.
    pub external_id: Option<String>,
    /// `Tags`, each with key and value.
    pub tags: Vec<(String, String)>,
    /// `TransitiveTagKeys`.
    pub transitive_tag_keys: Vec<String>,
    /// `SourceIdentity`.
    pub source_identity: Option<String>,
    /// The access key that signed the request. `None` for `AssumeRoleWithWebIdentity`, which is not signed.
    pub signed_with: Option<String>,
    /// The access key that the exchange gave.
    pub access_key_id: Option<String>,
    /// End of the session that the exchange gave, by the mock's clock.
    pub expiration: Option<SystemTime>,
    /// Time of the answer, by this machine's clock. `None` as long as `status` is `None`.
    pub answered: Option<SystemTime>,
    /// The HTTP status of the answer. `None` before the answer, and if the connection was broken off instead.
    pub status: Option<u16>,
    /// The error code of the answer. `None` if the answer is no error of STS.
    pub code: Option<String>,
}

impl Call {
    pub(super) fn new(form: &Form, signed_with: Option<String>, fault: Option<Fault>) -> Self {
        let owned = |name| form.get(name).map(str::to_owned);
        let list = |name, field| form.list(name, field).map(str::to_owned);
        let token = form.get("WebIdentityToken");
        Self {
            action: owned("Action").unwrap_or_default(),
            at: now(),
            fault,
            role_arn: owned("RoleArn"),
            session_name: owned("RoleSessionName"),
            duration: form.get("DurationSeconds").and_then(|text| text.parse().ok()).map(Duration::from_secs),
            policy: owned("Policy"),
            policy_arns: list("PolicyArns", "arn").collect(),
            subject: token.and_then(Token::parse).and_then(|token| token.subject().map(str::to_owned)),
            token_sha256: token.map(|token| hex(digest(&SHA256, token.as_bytes()).as_ref())),
            external_id: owned("ExternalId"),
            tags: list("Tags", "Key").zip(list("Tags", "Value")).collect(),
            transitive_tag_keys: list("TransitiveTagKeys", "").collect(),
            source_identity: owned("SourceIdentity"),
            signed_with,
            access_key_id: None,
            expiration: None,
            answered: None,
            status: None,
            code: None,
        }
    }
}

/// All requests since the start, except those that were forgotten.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) kept: VecDeque<Call>,
    forgotten: usize,
}

impl Calls {
    /// Returns the number of the call.
    pub(super) fn push(&mut self, call: Call) -> usize {
        self.kept.push_back(call);
        self.count() - 1
    }

    /// Number of all calls, with those that were forgotten.
    pub(super) fn count(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    /// `None` if the call was forgotten before its answer.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Call> {
        self.kept.get_mut(number.checked_sub(self.forgotten)?)
    }

    pub(super) fn forget_before(&mut self, at: SystemTime) {
        while self.kept.pop_front_if(|call| call.at < at).is_some() {
            self.forgotten += 1;
        }
    }
}
