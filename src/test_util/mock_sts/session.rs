//! The sessions of assumed roles.

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;

use crate::test_util::uuid;

#[derive(Clone)]
pub(super) struct Session {
    pub(super) credentials: Credentials,
    pub(super) expiration: SystemTime,
    /// ARN of the role itself: trust policies name the role so.
    pub(super) role_arn: String,
    /// ARN of the session: `arn:aws:sts::<account>:assumed-role/<role>/<session name>`.
    pub(super) arn: String,
    /// `UserId`: the role's unique id and the session name.
    pub(super) id: String,
    pub(super) account: String,
}

impl Session {
    /// A session with fresh random credentials.
    pub(super) fn new(role_arn: &str, session_name: &str, expiration: SystemTime) -> Self {
        let mut parts = role_arn.splitn(6, ':').skip(1);
        let (partition, account) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
        let name = role_arn.rsplit('/').next().unwrap_or_default();
        // All sessions of a role share the role's unique id.
        let unique = uuid(role_arn).replace('-', "").to_uppercase();
        let credentials = Credentials::new(
            format!("ASIA{}", random(16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
            random(40, BASE64),
            Some(format!("IQoJb3JpZ2luX2Vj{}==", random(480, BASE64))),
            Some(expiration),
            "MockSts",
        );
        Self {
            credentials,
            expiration,
            role_arn: role_arn.to_owned(),
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
