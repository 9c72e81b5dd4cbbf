//! The control plane: what kubeadm configures, the API server's tokens and documents, and its keys in files.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::kubeadm_rules::{self, api_server_values};
use crate::support::manifests::documents;

pub(super) const API_SERVER: &str = "kubernetes.default.svc";
const PKI: &str = "/etc/kubernetes/pki";

pub(super) struct Cluster {
    /// The folder that stands for `/etc/kubernetes/pki`.
    pub(super) pki: PathBuf,
    issuers: Vec<String>,
    jwks_uri: String,
    audiences: Vec<String>,
    signing_key: PathBuf,
    verifying_keys: Vec<PathBuf>,
    /// The configuration in the cluster.
    pub(super) stored: String,
    /// The applied manifests.
    pub(super) applied: BTreeSet<String>,
}

impl Cluster {
    /// A cluster as kubeadm makes it without a configuration.
    pub(super) fn new(pki: PathBuf) -> Self {
        let (private, public) = (pki.join("sa.key"), pki.join("sa.pub"));
        openssl(&["genrsa", "-out", text(&private), "2048"], b"");
        openssl(&["rsa", "-in", text(&private), "-pubout", "-out", text(&public)], b"");
        let own = "https://kubernetes.default.svc.cluster.local".to_owned();
        Self {
            pki,
            jwks_uri: format!("{own}/openid/v1/jwks"),
            audiences: vec![own.clone()],
            issuers: vec![own],
            signing_key: private,
            verifying_keys: vec![public],
            stored: String::new(),
            applied: BTreeSet::new(),
        }
    }

    /// The program `kubeadm`: configures the API server, and stores the configuration.
    pub(super) fn kubeadm(&mut self, arguments: &[&str], folder: &Path) -> Result<String, String> {
        let (file, configures, stores) = match *arguments {
            ["init", "--config", file] => (file, true, true),
            ["init", "phase", "control-plane", "apiserver", "--config", file] => (file, true, false),
            ["init", "phase", "control-plane", "controller-manager", "--config", file] => (file, false, false),
            ["init", "phase", "upload-config", "kubeadm", "--config", file] => (file, false, true),
            _ => return Err(format!("kubeadm has no command {arguments:?}")),
        };
        let config = documents(folder.join(file)).remove(0);
        let faults = kubeadm_rules::faults(&config);
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        if configures {
            let values = |name| api_server_values(&config, name).into_iter().map(str::to_owned).collect::<Vec<_>>();
            let files = |name| values(name).iter().map(|file| self.key_file(file)).collect::<Result<Vec<_>, _>>();
            let (verifying, mut signing) =
                (files("service-account-key-file")?, files("service-account-signing-key-file")?);
            self.verifying_keys = verifying;
            self.signing_key = signing.remove(0);
            self.issuers = values("service-account-issuer");
            self.jwks_uri = values("service-account-jwks-uri").remove(0);
            self.audiences = values("api-audiences");
        }
        for argument in config["controllerManager"]["extraArgs"].as_array().into_iter().flatten() {
            self.key_file(argument["value"].as_str().unwrap())?;
        }
        if stores {
            self.stored = config.to_string();
        }
        Ok(String::new())
    }

    /// The API server does not start without its files.
    fn key_file(&self, file: &str) -> Result<PathBuf, String> {
        let name = Path::new(file).strip_prefix(PKI).map_err(|_| format!("{file} is not mounted"))?;
        Some(self.pki.join(name)).filter(|path| path.exists()).ok_or_else(|| format!("{file}: no such file"))
    }

    pub(super) fn document(&self, path: &str) -> Option<Value> {
        match path {
            "/openid/v1/jwks" => {
                let keys: Vec<_> = self.verifying_keys.iter().map(|file| jwk(file)).collect();
                Some(json!({ "keys": keys }))
            }
            "/.well-known/openid-configuration" => Some(json!({
                "issuer": self.issuers[0],
                "jwks_uri": self.jwks_uri,
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            })),
            _ => None,
        }
    }

    /// Without an audience the token is for the API server.
    pub(super) fn token(&self, namespace: &str, account: &str, audience: Option<&str>) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let public = openssl(&["rsa", "-in", text(&self.signing_key), "-pubout", "-outform", "DER"], b"");
        let header = json!({ "alg": "RS256", "kid": key_id(&public) });
        let claims = json!({
            "aud": [audience.unwrap_or(&self.audiences[0])],
            "exp": now + 3600,
            "iat": now,
            "iss": self.issuers[0],
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": account } },
            "nbf": now,
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
        });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = openssl(&["dgst", "-sha256", "-sign", text(&self.signing_key)], signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// True if the API server accepts this token.
    pub(super) fn accepts(&self, token: &str) -> bool {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&self.audiences);
        validation.set_issuer(&self.issuers);
        self.verifying_keys.iter().any(|file| {
            let key: Jwk = serde_json::from_value(jwk(file)).unwrap();
            jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(&key).unwrap(), &validation).is_ok()
        })
    }
}

fn jwk(public: &Path) -> Value {
    let der = openssl(&["rsa", "-pubin", "-in", text(public), "-outform", "DER"], b"");
    let modulus = openssl(&["rsa", "-pubin", "-in", text(public), "-noout", "-modulus"], b"");
    let hex = String::from_utf8(modulus).unwrap();
    let hex = hex.trim().strip_prefix("Modulus=").unwrap();
    let bytes: Vec<_> =
        (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect();
    let modulus = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({ "use": "sig", "kty": "RSA", "kid": key_id(&der), "alg": "RS256", "n": modulus, "e": "AQAB" })
}

/// The API server names a key by the digest of its public part.
fn key_id(public: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public))
}

fn openssl(arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
