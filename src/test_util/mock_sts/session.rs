//! The sessions of assumed roles, and making new ones.

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;

use crate::test_util::uuid;

/// What an exchange gave.
pub(super) struct Grant {
    pub(super) session: Session,
    /// For whom, if it was for a token.
    pub(super) bearer: Option<Bearer>,
    pub(super) packed_policy_size: Option<usize>,
}

pub(super) struct Bearer {
    pub(super) subject: String,
    pub(super) audience: String,
    pub(super) provider: String,
}

/// What the mock keeps of it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) credentials: Credentials,
    pub(super) expiration: SystemTime,
    /// The role itself, by which trust policies know it.
    pub(super) role_arn: String,
    pub(super) assumed_role: AssumedRole,
}

#[derive(Clone)]
pub(super) struct AssumedRole {
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) account: String,
}

impl Session {
    /// With credentials that nobody else has.
    pub(super) fn new(role_arn: &str, session_name: &str, expiration: SystemTime) -> Self {
        let access_key_id = format!("ASIA{}", random(16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
        let credentials = Credentials::new(
            access_key_id,
            random(40, BASE64),
            Some(format!("IQoJb3JpZ2luX2Vj{}==", random(480, BASE64))),
            Some(expiration),
            "MockSts",
        );
        let assumed_role = AssumedRole::new(role_arn, session_name);
        Self { credentials, expiration, role_arn: role_arn.to_owned(), assumed_role }
    }
}

impl AssumedRole {
    fn new(role_arn: &str, session_name: &str) -> Self {
        let mut parts = role_arn.splitn(6, ':').skip(1);
        let (partition, account) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
        let name = role_arn.rsplit('/').next().unwrap_or_default();
        // A role's unique id is the same in all its sessions.
        let unique = uuid(role_arn).replace('-', "").to_uppercase();
        Self {
            arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}"),
            id: format!("AROA{}:{session_name}", &unique[..17]),
            account: account.to_owned(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("access_key_id", &self.credentials.access_key_id()).finish_non_exhaustive()
    }
}

fn random(length: usize, alphabet: &[u8]) -> String {
    (0..length).map(|_| char::from(alphabet[fastrand::usize(..alphabet.len())])).collect()
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
