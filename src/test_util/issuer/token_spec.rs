//! The content of a token, and its signer.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::test_util::{now, seconds, uuid};

/// The content of a token: see [`OidcIssuer::mint`](super::OidcIssuer::mint).
///
/// By default the token is valid: it has the audience `sts.amazonaws.com` and a lifetime of one hour, and it is issued when
/// it is minted.
#[must_use]
#[derive(Clone, Debug)]
pub struct TokenSpec {
    namespace: String,
    name: String,
    audience: Vec<String>,
    lifetime: Duration,
    warn_after: Option<Duration>,
    issued_at: Option<SystemTime>,
    not_before: Option<SystemTime>,
    subject: Option<String>,
    issuer: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) signer: Signer,
}

impl TokenSpec {
    /// Describes the token of a pod that runs as this service account.
    pub fn service_account(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            audience: Vec::new(),
            lifetime: Duration::from_secs(3600),
            warn_after: None,
            issued_at: None,
            not_before: None,
            subject: None,
            issuer: None,
            algorithm: Algorithm::Es256,
            signer: Signer::Issuer,
        }
    }

    /// Adds an audience (`aud`). May be repeated. Default: `sts.amazonaws.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(audience.into());
        self
    }

    /// Sets the time from `iat` to `exp`. Default: one hour.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the time from `iat` to `warnafter`. Default: no such claim.
    ///
    /// An API server adds this claim to a token whose lifetime it has extended.
    pub fn warn_after(mut self, after: Duration) -> Self {
        self.warn_after = Some(after);
        self
    }

    /// Sets `iat`, and `nbf` unless [`not_before`](Self::not_before) sets that. Default: the time of minting.
    pub fn issued_at(mut self, at: SystemTime) -> Self {
        self.issued_at = Some(at);
        self
    }

    /// Sets `nbf`. Default: `iat`.
    pub fn not_before(mut self, at: SystemTime) -> Self {
        self.not_before = Some(at);
        self
    }

    /// Sets `sub`. Default: `system:serviceaccount:<namespace>:<name>`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets `iss`. Default: the URL of the issuer that mints the token.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets `alg`. Default: [`Es256`](Algorithm::Es256).
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Signs with a stranger's key, under the `kid` of the issuer's key: the signature does not verify.
    pub fn forged(mut self) -> Self {
        self.signer = Signer::Stranger;
        self
    }

    /// Leaves the token unsigned: `alg` is `none`.
    pub fn unsigned(mut self) -> Self {
        self.signer = Signer::Nobody;
        self
    }

    /// The claims, with the names that an API server gives them.
    pub(super) fn claims(&self, issuer: &str) -> Value {
        let issued_at = self.issued_at.unwrap_or_else(now);
        let account = format!("{}:{}", self.namespace, self.name);
        let pod = format!("{}-0", self.name);
        let mut kubernetes = json!({
            "namespace": self.namespace,
            "node": { "name": "node-1", "uid": uuid("node-1") },
            "pod": { "name": pod, "uid": uuid(&format!("pod {account}")) },
            "serviceaccount": { "name": self.name, "uid": uuid(&account) },
        });
        if let Some(after) = self.warn_after {
            kubernetes["warnafter"] = seconds(issued_at + after).into();
        }
        json!({
            "aud": if self.audience.is_empty() { vec!["sts.amazonaws.com".to_owned()] } else { self.audience.clone() },
            "exp": seconds(issued_at + self.lifetime),
            "iat": seconds(issued_at),
            "iss": self.issuer.as_deref().unwrap_or(issuer),
            "jti": uuid(&format!("token {}", fastrand::u128(..))),
            "kubernetes.io": kubernetes,
            "nbf": seconds(self.not_before.unwrap_or(issued_at)),
            "sub": self.subject.clone().unwrap_or_else(|| format!("system:serviceaccount:{account}")),
        })
    }
}

/// The signature algorithm of a token.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// ECDSA over P-256. Making a key takes less than a millisecond.
    Es256,
    /// RSA with 2048 bits, as most clusters use. The first use makes the key, which takes a good part of a second.
    Rs256,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Signer {
    Issuer,
    Stranger,
    Nobody,
}
