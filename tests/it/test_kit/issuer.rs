//! The OIDC issuer: tokens, keys, and the documents that publish them.

use std::time::{Duration, SystemTime};

use aws_web_identity::test_util::{Algorithm, OidcIssuer};
use serde_json::{Value, json};

use super::{Kit, SUBJECT, get, spec};

#[tokio::test]
async fn tokens_verify_with_mock_and_another_library() {
    let kit = Kit::start().await;
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let token = kit.issuer.mint(spec().algorithm(algorithm));
        kit.exchange(&token).send().await.unwrap();

        let header = jsonwebtoken::decode_header(&token).unwrap();
        let (_, keys) = get(kit.issuer.url(), "/openid/v1/jwks").await;
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&keys).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&["sts.amazonaws.com"]);
        validation.set_issuer(&[kit.issuer.url()]);
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], SUBJECT);
    }
}

#[tokio::test]
async fn token_has_exactly_a_kubelets_claims() {
    let issuer = OidcIssuer::start().await;
    let issued_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let token = issuer.mint(
        spec()
            .audience("one")
            .audience("two")
            .issued_at(issued_at)
            .lifetime(Duration::from_secs(600))
            .warn_after(Duration::from_secs(300)),
    );
    let mut claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).unwrap().claims;
    for name in ["node", "pod", "serviceaccount"] {
        let uid = claims["kubernetes.io"][name]["uid"].take();
        assert_eq!(uid.as_str().unwrap().len(), 36);
    }
    assert_eq!(claims["jti"].take().as_str().unwrap().len(), 36);
    let expected = json!({
        "aud": ["one", "two"], "exp": 1_700_000_600, "iat": 1_700_000_000, "iss": issuer.url(), "jti": null,
        "kubernetes.io": {
            "namespace": "shop",
            "node": { "name": "node-1", "uid": null },
            "pod": { "name": "checkout-0", "uid": null },
            "serviceaccount": { "name": "checkout", "uid": null },
            "warnafter": 1_700_000_300,
        },
        "nbf": 1_700_000_000, "sub": SUBJECT,
    });
    assert_eq!(claims, expected);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ, None);
}

#[tokio::test]
async fn issuer_documents_match_an_api_servers() {
    let issuer = OidcIssuer::start().await;
    issuer.mint(spec().algorithm(Algorithm::Rs256));
    let (head, discovery) = get(issuer.url(), "/.well-known/openid-configuration").await;
    assert!(head.contains("content-type: application/json") && head.contains("max-age=3600"), "{head}");
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(discovery["issuer"], issuer.url());
    assert_eq!(discovery["jwks_uri"], format!("{}/openid/v1/jwks", issuer.url()));

    let (head, keys) = get(issuer.url(), "/openid/v1/jwks").await;
    assert!(head.contains("content-type: application/jwk-set+json") && head.contains("max-age=3600"), "{head}");
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let names: Vec<Vec<_>> =
        keys["keys"].as_array().unwrap().iter().map(|key| key.as_object().unwrap().keys().collect()).collect();
    assert_eq!(names, [vec!["alg", "e", "kid", "kty", "n", "use"], vec!["alg", "crv", "kid", "kty", "use", "x", "y"]]);

    issuer.set_available(false);
    let (head, _) = get(issuer.url(), "/openid/v1/jwks").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
}

#[tokio::test]
async fn old_key_works_until_it_is_retired() {
    let kit = Kit::start().await;
    let old = kit.issuer.mint(spec());
    kit.issuer.rotate_key();
    let new = kit.issuer.mint(spec());
    kit.exchange(&old).send().await.unwrap();
    kit.exchange(&new).send().await.unwrap();

    kit.issuer.retire_old_keys();
    kit.exchange(&new).send().await.unwrap();
    assert!(kit.no_key(&old).await);
}

#[tokio::test]
async fn held_back_key_works_once_published() {
    let kit = Kit::start().await;
    kit.issuer.hold_back_keys(true);
    kit.issuer.rotate_key();
    let token = kit.issuer.mint(spec());
    assert!(kit.no_key(&token).await);
    kit.issuer.hold_back_keys(false);
    kit.exchange(&token).send().await.unwrap();
}

#[tokio::test]
async fn failing_or_missing_issuer_gives_no_key() {
    let Kit { issuer, sts } = Kit::start().await;
    let kit = Kit { issuer: issuer.clone(), sts };
    let token = issuer.mint(spec());
    issuer.set_available(false);
    assert!(kit.no_key(&token).await);
    issuer.set_available(true);
    kit.exchange(&token).send().await.unwrap();

    let Kit { issuer: other, sts } = kit;
    drop((issuer, other));
    let kit = Kit { issuer: OidcIssuer::start().await, sts };
    assert!(kit.no_key(&token).await);
}
