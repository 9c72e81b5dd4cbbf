//! STS servers of other projects: Ceph's object gateway verifies tokens, moto only checks the form of a request.
//!
//! Each test runs if a variable names its server: `MOTO_ENDPOINT`, or `RGW_ENDPOINT` with `RGW_ACCESS_KEY_ID` and
//! `RGW_SECRET_ACCESS_KEY` of a user who may make OIDC providers, roles and role policies. `.ci/ceph-rgw` starts a
//! gateway and prints the variables.
//!
//! The gateway reads the keys of the test's issuer. Its provider ARNs cannot hold a port, so the issuer listens on port
//! 80 of an address in 127/8. Therefore the gateway must run on this machine, and the test must be allowed to use port
//! 80.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_sdk_sts::Client;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_web_identity::test_util::{OidcIssuer, ProjectedVolume, TokenSpec};
use aws_web_identity::{Builder, ErrorKind, Phase, WebIdentityCredentialsProvider};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::s3_servers::{REGION, s3, sdk_config};
use crate::support::{ROLE, Rig, key, server, soon, spec};

/// A role in the gateway that trusts one service account of a test issuer, and a volume with that account's token.
pub(crate) struct Ceph {
    pub(crate) endpoint: String,
    issuer: Issuer,
    volume: ProjectedVolume,
    role: String,
    _directory: TempDir,
}

impl Ceph {
    /// `None`, with a note on stderr, if no gateway is configured.
    pub(crate) async fn start() -> Option<Self> {
        let endpoint = server("RGW_ENDPOINT")?;
        // Each test takes an address of its own, since tests run in parallel.
        let address = [127, fastrand::u8(64..), fastrand::u8(..), fastrand::u8(1..255)];
        let issuer = Issuer::start(address.into(), 80).await;
        let host = issuer.url.trim_start_matches("http://");
        let role = format!("checkout-{:08x}", fastrand::u32(..));
        let directory = tempfile::tempdir().unwrap();
        let volume = ProjectedVolume::new(directory.path().join("serviceaccount")).unwrap();

        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": [format!("arn:aws:iam:::oidc-provider/{host}")] },
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": { "StringEquals": { format!("{host}:sub"): "system:serviceaccount:shop:checkout" } },
        }] });
        let permission = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"],
        }] });
        iam(
            &endpoint,
            &[
                ("Action", "CreateOpenIDConnectProvider"),
                ("Url", &issuer.url),
                ("ClientIDList.member.1", "sts.amazonaws.com"),
                ("ThumbprintList.member.1", &issuer.thumbprint),
            ],
        )
        .await;
        let trust = trust.to_string();
        iam(&endpoint, &[("Action", "CreateRole"), ("RoleName", &role), ("AssumeRolePolicyDocument", &trust)]).await;
        iam(
            &endpoint,
            &[
                ("Action", "PutRolePolicy"),
                ("RoleName", &role),
                ("PolicyName", "objects"),
                ("PolicyDocument", &permission.to_string()),
            ],
        )
        .await;
        let ceph = Self { endpoint, issuer, volume, role, _directory: directory };
        ceph.rotate(spec());
        Some(ceph)
    }

    pub(crate) fn builder(&self) -> Builder {
        WebIdentityCredentialsProvider::builder()
            .configure(&sdk_config())
            .endpoint_url(&*self.endpoint)
            .role_arn(self.role_arn())
            .token_file(self.token_file())
            .session_name("checkout-0")
    }

    /// Role ARNs of the gateway have no account.
    pub(crate) fn role_arn(&self) -> String {
        format!("arn:aws:iam:::role/{}", self.role)
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.volume.token_path()
    }

    fn rotate(&self, spec: TokenSpec) {
        self.volume.write(self.issuer.mint(spec)).unwrap();
    }
}

/// An issuer that publishes its RSA key with a certificate: the gateway accepts nothing else.
struct Issuer {
    url: String,
    /// SHA-1 of the certificate, in hexadecimal digits.
    thumbprint: String,
    pair: RsaKeyPair,
    /// Makes the claims.
    kit: OidcIssuer,
    _server: JoinSet<std::io::Result<()>>,
}

impl Issuer {
    async fn start(address: Ipv4Addr, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = if port == 80 { format!("http://{}", address.ip()) } else { format!("http://{address}") };

        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let key = rcgen::KeyPair::try_from(private.as_ref()).unwrap();
        let certificate = rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
        let thumbprint = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();

        let public = pair.public_key();
        let keys = json!({ "keys": [{
            "alg": "RS256", "kid": KEY_ID, "kty": "RSA", "use": "sig",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            "x5c": [STANDARD.encode(certificate.der())],
        }] });
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") });
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(async move || discovery.to_string()))
            .route("/jwks", get(async move || keys.to_string()));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        Self { url, thumbprint, pair, kit: OidcIssuer::start().await, _server: server }
    }

    fn mint(&self, spec: TokenSpec) -> String {
        let token = self.kit.mint(spec.issuer(&*self.url));
        let claims = token.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "kid": KEY_ID }).to_string());
        let message = format!("{header}.{claims}");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

const KEY_ID: &str = "ceph";

#[tokio::test]
async fn issuer_publishes_key_with_certificate() {
    let issuer = Issuer::start(Ipv4Addr::LOCALHOST, 0).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = client.get(format!("{}/jwks", issuer.url)).send().await.unwrap().text().await.unwrap();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&page).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["sts.amazonaws.com"]);
    validation.set_issuer(&[&issuer.url]);
    jsonwebtoken::decode::<serde_json::Value>(issuer.mint(spec()), &key, &validation).unwrap();
    let certificate = STANDARD.decode(&keys.keys[0].common.x509_chain.as_ref().unwrap()[0]).unwrap();
    let modulus = issuer.pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    assert!(certificate.windows(modulus.len()).any(|part| part == modulus), "the certificate must hold the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn ceph_accepts_token_and_its_own_credentials() {
    let Some(ceph) = Ceph::start().await else { return };
    let provider = soon(ceph.builder().connect()).await.unwrap();
    let status = provider.status();
    let arn = format!("arn:aws:sts:::assumed-role/{}/checkout-0", ceph.role);
    assert_eq!(status.assumed_role_arn.as_deref(), Some(&*arn));
    assert_eq!(status.account_id, None, "an ARN of the gateway has no account");

    let client = s3(&provider, &ceph.endpoint);
    let bucket = format!("receipts-{:08x}", fastrand::u32(..));
    soon(client.create_bucket().bucket(&bucket).send()).await.unwrap();
    let put = client.put_object().bucket(&bucket).key("1").body(b"two apples".to_vec().into());
    soon(put.send()).await.unwrap();
    let get = || async {
        let object = soon(client.get_object().bucket(&bucket).key("1").send()).await.unwrap();
        object.body.collect().await.unwrap().into_bytes()
    };
    assert_eq!(get().await, "two apples");

    let first = key(&provider);
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), first);
    assert_eq!(get().await, "two apples", "the object must be readable with the new key");
}

#[tokio::test(flavor = "multi_thread")]
async fn p12_ceph_errors_name_wrong_subject_or_expired_token() {
    let Some(ceph) = Ceph::start().await else { return };
    let provider = soon(ceph.builder().connect()).await.unwrap();
    let client = s3(&provider, &ceph.endpoint);
    let first = key(&provider);

    ceph.rotate(TokenSpec::service_account("shop", "billing"));
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::RoleDenied, Some("AccessDenied")), "{error}");
    let said = error.to_string();
    for part in ["system:serviceaccount:shop:billing", ceph.issuer.url.trim_start_matches("http://"), &ceph.role] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((provider.status().phase, key(&provider)), (Phase::Stale, first.clone()), "P2");
    soon(client.list_buckets().send()).await.unwrap();

    // The gateway answers AccessDenied to an expired token, too. The token's claims tell the two cases apart.
    let expired_for = |seconds: u64| {
        let issued = SystemTime::now() - Duration::from_secs(3600 + seconds);
        spec().issued_at(issued).lifetime(Duration::from_secs(3600))
    };
    ceph.rotate(expired_for(20));
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, Some("AccessDenied")), "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    // The first exchange showed the gateway's clock, so this token is not sent at all.
    ceph.rotate(expired_for(3600));
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, None), "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    soon(client.list_buckets().send()).await.unwrap();

    ceph.rotate(spec());
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), first);
    soon(client.list_buckets().send()).await.unwrap();
}

/// Moto checks the shape of a request and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn moto_credentials_sign_requests() {
    let Some(endpoint) = server("MOTO_ENDPOINT") else { return };
    let rig = Rig::start().await;
    let config = rig.config().into_builder().endpoint_url(&*endpoint).build();
    let builder = WebIdentityCredentialsProvider::builder().configure(&config).endpoint_url(&*endpoint);
    let builder = builder.role_arn(ROLE).token_file(rig.volume.token_path()).session_name("checkout-0");
    let provider = soon(builder.connect()).await.unwrap();
    let arn = provider.status().assumed_role_arn.expect("an ARN");
    assert!(arn.contains(":assumed-role/") && arn.ends_with("/checkout-0"), "{arn}");
    assert_eq!(provider.status().endpoint.as_deref(), Some(&*endpoint));

    // The config names the mock as the endpoint of STS. This client must use moto.
    let config = aws_sdk_sts::config::Builder::from(&provider.install(config)).endpoint_url(endpoint).build();
    let client = Client::from_conf(config);
    soon(client.get_caller_identity().send()).await.unwrap();
    let first = key(&provider);
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), first);
    soon(client.get_caller_identity().send()).await.unwrap();
    assert!(rig.sts.calls().is_empty(), "the mock must not be called");
}

/// One call of the gateway's IAM.
async fn iam(endpoint: &str, parameters: &[(&str, &str)]) {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} belongs to RGW_ENDPOINT"));
    let (id, secret) = (variable("RGW_ACCESS_KEY_ID"), variable("RGW_SECRET_ACCESS_KEY"));
    let identity = Credentials::new(id, secret, None, None, "admin").into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("iam")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let url = format!("{endpoint}/");
    let content_type = ("content-type", "application/x-www-form-urlencoded");
    let signable =
        SignableRequest::new("POST", &*url, [content_type].into_iter(), SignableBody::Bytes(body.as_bytes()));
    let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(url).header(content_type.0, content_type.1).body(body);
    for (name, value) in instructions.headers() {
        request = request.header(name, value);
    }
    let response = soon(request.send()).await.unwrap();
    let status = response.status();
    let answer = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {answer}");
}
