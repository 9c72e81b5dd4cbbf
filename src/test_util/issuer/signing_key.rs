//! A key pair of the issuer. It signs tokens, and its public half is published as a JWK.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Algorithm;

pub(super) struct SigningKey {
    pair: Pair,
    /// The `kid`, made as the API server makes it: a hash of the public key.
    pub(super) id: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

#[expect(clippy::expect_used, reason = "making and using a fresh key fails only when the machine has no randomness")]
impl SigningKey {
    pub(super) fn generate(algorithm: Algorithm) -> Self {
        Self::try_generate(algorithm).expect("a key can be made")
    }

    fn try_generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        let (pair, public): (_, PublicKeyX509Der<'_>) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                let public = pair.public_key().as_der()?;
                (Pair::Es256(pair), public)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
                let public = pair.public_key().as_der()?;
                (Pair::Rs256(pair), public)
            }
        };
        let id = URL_SAFE_NO_PAD.encode(digest(&SHA256, public.as_ref()));
        Ok(Self { pair, id })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).expect("a fresh key signs").as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a fresh key signs");
                signature
            }
        }
    }

    /// The public half, with the fields that an API server publishes.
    pub(super) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Es256(pair) => {
                // An uncompressed point: 0x04, then x and y in 32 bytes each.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({
                    "alg": "ES256", "crv": "P-256", "kid": self.id, "kty": "EC", "use": "sig",
                    "x": URL_SAFE_NO_PAD.encode(x),
                    "y": URL_SAFE_NO_PAD.encode(y),
                })
            }
            Pair::Rs256(pair) => json!({
                "alg": "RS256", "kid": self.id, "kty": "RSA", "use": "sig",
                "n": URL_SAFE_NO_PAD.encode(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": URL_SAFE_NO_PAD.encode(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
        }
    }
}
