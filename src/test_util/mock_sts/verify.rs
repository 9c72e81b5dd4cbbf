//! Whether a token is good: its form, its issuer, its signature, its audience, its time.

use std::time::SystemTime;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::refusal::Refusal;
use crate::test_util::{http, seconds};

/// What a good token says.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: Vec<String>,
}

/// A token in its parts, of which nothing is known to be true.
pub(super) struct Token<'a> {
    message: &'a str,
    header: Value,
    claims: Value,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let json = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self {
            message,
            header: json(header)?,
            claims: json(claims)?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// What it says of its subject.
    pub(super) fn subject(&self) -> Option<&str> {
        self.claims["sub"].as_str()
    }

    /// Goes through all that makes it good for somebody with these providers, which list these audiences.
    pub(super) async fn verify(
        &self,
        issuers: &[String],
        audiences: &[String],
        now: SystemTime,
    ) -> Result<Verified, Refusal> {
        let now = seconds(now);
        let issuer = self.claims["iss"].as_str().ok_or_else(|| missing("iss"))?;
        if !issuers.iter().any(|known| known == issuer) {
            return Err(Refusal::no_provider(issuer));
        }
        let audience = match &self.claims["aud"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => return Err(missing("aud")),
        };
        let subject = self.subject().ok_or_else(|| missing("sub"))?;
        let time = |claim| self.claims[claim].as_i64().ok_or_else(|| missing(claim));
        let (expires_at, issued_at) = (time("exp")?, time("iat")?);
        if !audience.iter().any(|one| audiences.contains(one)) {
            return Err(Refusal::incorrect_audience());
        }
        self.verify_signature(&published_keys(issuer).await.ok_or_else(Refusal::no_verification_key)?)?;
        if now >= expires_at {
            return Err(Refusal::expired_web_identity(now, expires_at));
        }
        if now < issued_at.max(self.claims["nbf"].as_i64().unwrap_or(issued_at)) {
            return Err(Refusal::invalid_identity_token("Token is not valid yet"));
        }
        Ok(Verified { issuer: issuer.to_owned(), subject: subject.to_owned(), audience })
    }

    fn verify_signature(&self, keys: &[Value]) -> Result<(), Refusal> {
        let algorithm = &self.header["alg"];
        if algorithm != "RS256" && algorithm != "ES256" {
            return Err(Refusal::invalid_identity_token("The token is not signed with a supported algorithm"));
        }
        let same_id = |key: &&Value| key["kid"].is_string() && key["kid"] == self.header["kid"];
        let key = keys.iter().find(same_id).ok_or_else(Refusal::no_verification_key)?;
        // A key is good for its own algorithm only.
        if key["alg"] == *algorithm && self.is_signed_with(key).is_some() {
            return Ok(());
        }
        Err(Refusal::invalid_identity_token("The token's signature does not match"))
    }

    // By aws-lc-rs itself: jsonwebtoken wants one provider per process, and another crate's features can take it away.
    fn is_signed_with(&self, key: &Value) -> Option<()> {
        let field = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
        let (message, signature) = (self.message.as_bytes(), &self.signature);
        match key["kty"].as_str()? {
            "RSA" => RsaPublicKeyComponents { n: field("n")?, e: field("e")? }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .ok(),
            "EC" => {
                let point = [vec![4], field("x")?, field("y")?].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).ok()
            }
            _ => None,
        }
    }
}

/// Asks the issuer, as AWS does, for where its keys are and then for them. The mock keeps no copy.
async fn published_keys(issuer: &str) -> Option<Vec<Value>> {
    let discovery: Value = get_json(&format!("{issuer}/.well-known/openid-configuration")).await?;
    if discovery["issuer"] != issuer {
        return None;
    }
    let mut keys = get_json(discovery["jwks_uri"].as_str()?).await?;
    match keys["keys"].take() {
        Value::Array(keys) => Some(keys),
        _ => None,
    }
}

async fn get_json(url: &str) -> Option<Value> {
    serde_json::from_slice(&http::get(url).await.ok()?).ok()
}

fn missing(claim: &str) -> Refusal {
    Refusal::invalid_identity_token(format!("Missing a required claim: {claim}"))
}
