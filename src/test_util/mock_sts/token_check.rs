//! The check of a token: form, issuer, audience, signature and times.

use std::time::SystemTime;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::refusal::Refusal;
use crate::test_util::{http_client, seconds};

/// Claims of a token that passed the check.
pub(super) struct Verified {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: Vec<String>,
}

/// A token in its parts. Nothing of it is checked yet.
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

    pub(super) fn subject(&self) -> Option<&str> {
        self.claims["sub"].as_str()
    }

    /// Checks the token for an account with the OIDC providers `issuers`, each of which lists `audiences`.
    pub(super) async fn verify(
        &self,
        issuers: &[String],
        audiences: &[String],
        now: SystemTime,
    ) -> Result<Verified, Refusal> {
        let now = seconds(now);
        let issuer = self.claims["iss"].as_str().ok_or_else(|| missing("iss"))?;
        if !issuers.iter().any(|known| known == issuer) {
            return Err(Refusal::invalid_identity_token(format!(
                "No OpenIDConnect provider found in your account for {issuer}"
            )));
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
            return Err(Refusal::invalid_identity_token("Incorrect token audience"));
        }
        self.verify_signature(&published_keys(issuer).await.ok_or_else(Refusal::no_verification_key)?)?;
        if now >= expires_at {
            let message =
                format!("Token expired: current date/time {now} must be before the expiration date/time {expires_at}");
            return Err(Refusal::new(400, "ExpiredTokenException", message));
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
        // A key verifies signatures of its own algorithm only.
        if key["alg"] == *algorithm && self.is_signed_with(key).is_some() {
            return Ok(());
        }
        Err(Refusal::invalid_identity_token("The token's signature does not match"))
    }

    // Not with jsonwebtoken: it needs one crypto provider per process, and the features of another crate can remove it.
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

/// Fetches the issuer's discovery page and then its keys, as AWS does. The mock keeps no copy.
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
    serde_json::from_slice(&http_client::get(url).await?).ok()
}

fn missing(claim: &str) -> Refusal {
    Refusal::invalid_identity_token(format!("Missing a required claim: {claim}"))
}
