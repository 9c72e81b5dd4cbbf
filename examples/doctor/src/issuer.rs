//! The issuer, checked as STS checks it: discovery document, keys, and the token's signature.

use std::net::IpAddr;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde_json::Value;

use crate::clock::ClockOffset;
use crate::fetch::{self, Tls, is_loopback};
use crate::report::Finding;
use crate::text::{BYTE_ORDER_MARK, WITHOUT_MARK, claim};
use crate::token::Token;

/// The findings about the issuer.
pub(crate) struct Walk {
    pub(crate) issuer: Finding,
    pub(crate) discovery: Finding,
    pub(crate) signing_key: Finding,
    pub(crate) signature: Finding,
    pub(crate) clock_offset: Option<ClockOffset>,
}

/// Goes from step to step until one fails.
pub(crate) async fn walk(token: Option<&Token>, for_aws: bool) -> Walk {
    let mut walk = Walk {
        issuer: Finding::unknown("there is no token that names an issuer"),
        discovery: Finding::unknown("there is no discovery document to read"),
        signing_key: Finding::unknown("the URL of the keys is not known"),
        signature: Finding::unknown("there is no key to verify the signature with"),
        clock_offset: None,
    };
    let Some(token) = token else { return walk };
    if let Some(finding) = unsigned(token) {
        walk.signature = finding;
    }
    let Some(issuer) = token.claims.as_ref().and_then(|claims| claims.issuer.as_deref()) else { return walk };
    let Some(document) = walk.discover(issuer, for_aws).await else { return walk };
    let (discovery, keys_url) = discovery(&document, issuer, token);
    walk.discovery = discovery;
    let Some(keys_url) = keys_url else { return walk };
    let (signing_key, key) = signing_key(&keys_url, token).await;
    walk.signing_key = signing_key;
    if let Some(key) = key {
        walk.signature = signature(token, &key);
    }
    walk
}

impl Walk {
    /// Fetches the discovery document. Records a finding about the issuer, and about the document if it is missing.
    async fn discover(&mut self, issuer: &str, for_aws: bool) -> Option<Value> {
        let allowed = allowed(issuer, "the issuer").and_then(|url| if for_aws { public(issuer, &url) } else { Ok(()) });
        if let Err(finding) = allowed {
            self.issuer = finding;
            return None;
        }
        let page = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let Ok(url) = Url::parse(&page) else { return None };
        let issuer = &claim(issuer);
        let answer = match fetch::get(&url).await {
            Ok(answer) => answer,
            Err(error) => {
                self.issuer = unreachable(issuer, &error, REACHABLE);
                return None;
            }
        };
        self.clock_offset = answer.clock_offset;
        if answer.status >= 500 {
            self.issuer =
                Finding::fail(format!("{issuer} is out of order: {url} answers {}", answer.status), REACHABLE);
            return None;
        }
        self.issuer = Finding::pass(format!("{issuer} answers"));
        if answer.status != 200 {
            self.discovery = refused(
                &url,
                answer.status,
                "publish the API server's /.well-known/openid-configuration under this very URL, readable by anyone, \
                 without a redirect",
            );
            return None;
        }
        if answer.body.starts_with(BYTE_ORDER_MARK) {
            self.discovery =
                Finding::fail(format!("{url} begins with a byte-order mark, which JSON does not allow"), WITHOUT_MARK);
            return None;
        }
        let document = serde_json::from_slice(&answer.body).ok().filter(Value::is_object);
        if document.is_none() {
            let remedy = "publish the API server's /.well-known/openid-configuration there, unchanged";
            self.discovery = Finding::fail(format!("{url} is not a JSON object"), remedy);
        }
        document
    }
}

/// Compares the document with the token. Also returns the URL of the keys, if the document has one.
fn discovery(document: &Value, issuer: &str, token: &Token) -> (Finding, Option<Url>) {
    const FLAGS: &str = "it must be what the API server's --service-account-jwks-uri says";
    let keys = document["jwks_uri"].as_str().unwrap_or_default();
    let keys_url = match keys {
        "" => Err(Finding::fail("the document has no jwks_uri", FLAGS)),
        keys => allowed(keys, "its jwks_uri"),
    };
    let named = document["issuer"].as_str().unwrap_or_default();
    if named != issuer {
        let finding = Finding::fail(
            format!("the document's issuer is {:?}, the token's is {:?}", claim(named), claim(issuer)),
            "both must be the API server's first --service-account-issuer, to the last character: publish the document of \
             this cluster, unchanged, and see that no other cluster publishes there",
        );
        return (finding, keys_url.ok());
    }
    let keys_url = match keys_url {
        Ok(url) => url,
        Err(finding) => return (finding, None),
    };
    let algorithms = document["id_token_signing_alg_values_supported"].as_array();
    let algorithm = token.algorithm.as_deref().unwrap_or("none");
    if algorithms.is_some_and(|algorithms| !algorithms.iter().any(|known| known == algorithm)) {
        let finding = Finding::fail(
            format!("the document does not list {algorithm}, with which the token is signed"),
            "publish the API server's current document: it lists the algorithms of all keys",
        );
        return (finding, Some(keys_url));
    }
    (Finding::pass(format!("issuer as in the token, keys at {keys}")), Some(keys_url))
}

/// Looks for the token's key among the published keys.
async fn signing_key(url: &Url, token: &Token) -> (Finding, Option<Value>) {
    let answer = match fetch::get(url).await {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => return (refused(url, answer.status, KEYS), None),
        Err(error) => return (unreachable(url.as_str(), &error, KEYS), None),
    };
    if answer.body.starts_with(BYTE_ORDER_MARK) {
        return (
            Finding::fail(format!("{url} begins with a byte-order mark, which JSON does not allow"), WITHOUT_MARK),
            None,
        );
    }
    let set: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(keys) = set["keys"].as_array() else {
        return (Finding::fail(format!("{url} is not a JSON Web Key Set"), KEYS), None);
    };
    let Some(key_id) = &token.key_id else {
        return (
            Finding::fail("the token's header names no key (kid)", "use the token that the kubelet projects"),
            None,
        );
    };
    match keys.iter().find(|key| key["kid"] == **key_id) {
        Some(key) => {
            let key_id = claim(key_id);
            (Finding::pass(format!("{key_id} is published ({} in all)", counted(keys.len()))), Some(key.clone()))
        }
        None => {
            let (key_id, keys) = (claim(key_id), counted(keys.len()));
            let detail = format!("{url} has {keys}, but not the token's key {key_id}");
            (Finding::fail(detail, KEYS), None)
        }
    }
}

fn signature(token: &Token, key: &Value) -> Finding {
    let name = token.algorithm.as_deref().unwrap_or("none");
    if let Some(finding) = unsigned(token) {
        return finding;
    }
    if key["alg"].as_str().is_some_and(|of_key| of_key != name) {
        return Finding::fail(format!("the token is signed with {name}, its key is for {}", key["alg"]), KEYS);
    }
    // `jsonwebtoken` does not know P-521.
    let Ok(algorithm) = name.parse::<Algorithm>() else {
        return Finding::unknown(format!("{name} cannot be verified here"));
    };
    let key =
        serde_json::from_value::<Jwk>(key.clone()).map_err(Into::into).and_then(|jwk| DecodingKey::from_jwk(&jwk));
    let verified = key.and_then(|key| {
        let (message, signature) = token.text.rsplit_once('.').unwrap_or_default();
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm)
    });
    match verified {
        Ok(true) => Finding::pass(format!("{name}, made with the published key")),
        Ok(false) => Finding::fail("the signature does not match the published key", KEYS),
        Err(error) => Finding::fail(format!("the signature cannot be verified: {error}"), KEYS),
    }
}

/// A finding if STS does not accept the token's algorithm.
fn unsigned(token: &Token) -> Option<Finding> {
    token.claims.as_ref()?;
    let name = token.algorithm.as_deref().unwrap_or("none");
    if ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"].contains(&name) {
        return None;
    }
    Some(Finding::fail(
        format!("the token's algorithm is {name}, which STS does not accept"),
        "sign service-account tokens with an RSA key or one of P-256, P-384, P-521",
    ))
}

/// Allows https, and plain http on loopback for tests.
fn allowed(url: &str, what: &str) -> Result<Url, Finding> {
    let refuse = |why: &str| {
        let remedy = "STS uses https only: correct --service-account-issuer and --service-account-jwks-uri";
        Err(Finding::fail(format!("{what} {} {why}", claim(url)), remedy))
    };
    let Ok(parsed) = Url::parse(url) else { return refuse("is not a URL") };
    match parsed.scheme() {
        "https" => {}
        "http" if is_loopback(&parsed) => {}
        _ => return refuse("is not an https URL"),
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Finding::fail(format!("{what} has a user name in its URL"), "leave it out: it must be public"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return refuse("has a query or fragment, which IAM does not allow");
    }
    Ok(parsed)
}

/// Checks by its name whether AWS can reach the issuer. A request would prove little: this pod may reach more than AWS.
fn public(issuer: &str, url: &Url) -> Result<(), Finding> {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let private = [".default", ".svc", ".local", ".localhost", ".internal", ".lan", ".test"];
    let fault = if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        "has an IP address as its host"
    } else if !host.contains('.') || host.contains(".svc.") || private.iter().any(|end| host.ends_with(end)) {
        "has a host that is not known on the internet"
    } else if url.port().is_some() {
        "has a port"
    } else {
        return Ok(());
    };
    Err(Finding::fail(
        format!("the issuer {} {fault}: AWS cannot trust it", claim(issuer)),
        "set the API server's --service-account-issuer to a public https URL without a port, publish \
         /.well-known/openid-configuration and the JWKS there, and create an IAM OIDC provider for it",
    ))
}

/// A private CA is no failure: STS may trust it.
fn unreachable(url: &str, error: &str, remedy: &'static str) -> Finding {
    match Tls::of(error) {
        Some(Tls::Authority | Tls::NoCertificates) => Finding::unknown(format!(
            "{url} cannot be checked from here, which the exchange does not need: {error}. If the issuer has a private CA, set \
             SSL_CERT_FILE to a PEM file with it (SSL_CERT_FILE replaces the system's CAs) or SSL_CERT_DIR to a directory; STS \
             must trust that CA too"
        )),
        tls => Finding::fail(format!("{url} cannot be reached: {error}"), tls.map_or(remedy, Tls::remedy)),
    }
}

/// By default an API server shows its documents to service accounts only.
fn refused(url: &Url, status: u16, remedy: &str) -> Finding {
    let remedy = if matches!(status, 401 | 403) {
        "let anyone read it. If this is the API server itself: kubectl create clusterrolebinding oidc-discovery \
         --clusterrole=system:service-account-issuer-discovery --group=system:unauthenticated"
    } else {
        remedy
    };
    Finding::fail(format!("{url} answers {status}, not 200"), remedy)
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

const REACHABLE: &str = "STS must read this URL from the internet within 5 s, and so should this pod: check that the server is \
                         up and public, its name, and this pod's egress. If only the cluster knows the name, AWS cannot trust \
                         the issuer: set the API server's --service-account-issuer to a public https URL";
const KEYS: &str = "publish the API server's current /openid/v1/jwks there, readable by anyone; when keys are rotated, publish \
                    the new one before tokens are signed with it";
