//! An OIDC issuer: tokens, and the two pages that an API server publishes about its keys.

mod signing_key;
mod token_spec;

pub use token_spec::{Algorithm, TokenSpec};

use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use self::signing_key::SigningKey;
use self::token_spec::Signer;
use super::http_server::{Reply, Server, listen, response};
use super::lock;

/// The OIDC issuer of a cluster.
///
/// It [mints](Self::mint) service-account tokens, and serves the pages `/.well-known/openid-configuration` and
/// `/openid/v1/jwks` on loopback. Clones are handles to the same issuer. Its server ends when the last handle is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
///
/// use aws_web_identity::test_util::{OidcIssuer, TokenSpec};
///
/// let issuer = OidcIssuer::start().await;
/// let spec = TokenSpec::service_account("shop", "checkout").lifetime(Duration::from_secs(600));
/// let before = issuer.mint(spec.clone());
///
/// // Both tokens verify: the old key stays published until it is retired.
/// issuer.rotate_key();
/// let after = issuer.mint(spec);
/// # assert_ne!(before, after);
/// # }
/// ```
#[derive(Clone)]
pub struct OidcIssuer {
    shared: Arc<Shared>,
    _server: Arc<Server>,
}

struct Shared {
    url: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_down: bool,
    hold_back: bool,
    /// At most one key for each algorithm.
    signing: Vec<Arc<SigningKey>>,
    /// The newest key first.
    published: Vec<Arc<SigningKey>>,
    held_back: Vec<Arc<SigningKey>>,
}

impl OidcIssuer {
    /// Starts an issuer with a new key.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or when loopback has no free port.
    pub async fn start() -> Self {
        let (listener, address) = listen().await;
        let mut state = State::default();
        state.signing_key(Algorithm::Es256);
        let shared = Arc::new(Shared { url: format!("http://{address}"), state: Mutex::new(state) });
        let server = Server::start(listener, {
            let shared = Arc::clone(&shared);
            move |request: Request<Bytes>| {
                let response = shared.answer(request.uri().path());
                async move { Reply::Whole(response) }
            }
        });
        Self { shared, _server: Arc::new(server) }
    }

    /// The URL of the issuer, which is the `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Makes a token with the claims that an API server writes.
    pub fn mint(&self, spec: TokenSpec) -> String {
        let key = lock(&self.shared.state).signing_key(spec.algorithm);
        let header = match spec.signer {
            Signer::Nobody => json!({ "alg": "none" }),
            Signer::Issuer | Signer::Stranger => json!({ "alg": spec.algorithm.name(), "kid": key.id }),
        };
        let [header, claims] =
            [header, spec.claims(&self.shared.url)].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = match spec.signer {
            Signer::Issuer => key.sign(message.as_bytes()),
            Signer::Stranger => SigningKey::generate(spec.algorithm).sign(message.as_bytes()),
            Signer::Nobody => Vec::new(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Signs with a new key from now on.
    ///
    /// The old key stays published, so that older tokens verify, until [`retire_old_keys`](Self::retire_old_keys).
    pub fn rotate_key(&self) {
        let mut state = lock(&self.shared.state);
        let old = std::mem::take(&mut state.signing);
        for key in old {
            state.signing_key(key.algorithm());
        }
    }

    /// Publishes only the keys that sign now. Older tokens no longer verify.
    pub fn retire_old_keys(&self) {
        let mut state = lock(&self.shared.state);
        let State { signing, published, held_back, .. } = &mut *state;
        for keys in [published, held_back] {
            keys.retain(|key| signing.iter().any(|signing| signing.id == key.id));
        }
    }

    /// Keeps new keys off the published page while `on`. Turning it off publishes them.
    ///
    /// This is the state of a self-managed cluster whose copy of the keys, in a bucket, is out of date.
    pub fn hold_back_keys(&self, on: bool) {
        let mut state = lock(&self.shared.state);
        state.hold_back = on;
        if !on {
            let held_back = std::mem::take(&mut state.held_back);
            state.published.splice(..0, held_back);
        }
    }

    /// Lets both pages answer 503 while not `available`. The issuer still mints tokens.
    pub fn set_available(&self, available: bool) {
        lock(&self.shared.state).is_down = !available;
    }
}

impl fmt::Debug for OidcIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcIssuer").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

impl Shared {
    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let state = lock(&self.state);
        if state.is_down {
            return response(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "the issuer is not available");
        }
        let (content_type, page) = match path {
            "/.well-known/openid-configuration" => {
                let page = json!({
                    "id_token_signing_alg_values_supported": [Algorithm::Es256.name(), Algorithm::Rs256.name()],
                    "issuer": self.url,
                    "jwks_uri": format!("{}/openid/v1/jwks", self.url),
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                });
                ("application/json", page)
            }
            "/openid/v1/jwks" => {
                let keys: Vec<_> = state.published.iter().map(|key| key.jwk()).collect();
                ("application/jwk-set+json", json!({ "keys": keys }))
            }
            _ => return response(StatusCode::NOT_FOUND, "text/plain", "404 page not found"),
        };
        let mut answer = response(StatusCode::OK, content_type, page.to_string());
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        answer
    }
}

impl State {
    /// The key that signs with this algorithm. The first use and a rotation make a new key.
    fn signing_key(&mut self, algorithm: Algorithm) -> Arc<SigningKey> {
        if let Some(key) = self.signing.iter().find(|key| key.algorithm() == algorithm) {
            return Arc::clone(key);
        }
        let key = Arc::new(SigningKey::generate(algorithm));
        self.signing.push(Arc::clone(&key));
        if self.hold_back { &mut self.held_back } else { &mut self.published }.insert(0, Arc::clone(&key));
        key
    }
}
