//! The adapter for `reqsign`, through OpenDAL's S3, through its signer, and in its chain.

use std::error::Error as _;
use std::time::Duration;

use aws_web_identity::test_util::Fault;
use aws_web_identity::{Error, ErrorKind, WebIdentityCredentialsProvider};
use opendal::Operator;
use opendal::services::S3;
use reqsign_aws_v4::{Credential, RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, ErrorKind as Kind, ProvideCredential, Signer};

use crate::support::fault_list;
use crate::support::s3_servers::{REGION, Storage};
use crate::support::{Rig, eventually, key, soon, spec, static_background_provider};

#[tokio::test(flavor = "multi_thread")]
async fn opendal_round_trips_an_object() {
    for storage in Storage::all().await {
        let operator = operator(&storage.endpoint, &storage.bucket, &storage.provider);
        soon(operator.write("receipts/1", "two apples")).await.unwrap();
        assert_eq!(soon(operator.read("receipts/1")).await.unwrap().to_vec(), b"two apples");

        let link = soon(operator.presign_read("receipts/1", Duration::from_secs(60))).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = soon(client.get(link.uri().to_string()).send()).await.unwrap();
        assert_eq!(soon(response.bytes()).await.unwrap(), "two apples");

        soon(operator.delete("receipts/1")).await.unwrap();
        soon(operator.read("receipts/1")).await.unwrap_err();
        if let Some(mock) = &storage.mock {
            assert_eq!(mock.calls().len(), 1, "one exchange must serve all requests");
        }
    }
}

#[tokio::test]
async fn p2_signer_gets_valid_credentials_near_expiry_the_newest() {
    let rig = Rig::start().await;
    // The signer wants at least two minutes, so it asks before each request.
    rig.sts.set_session_length(Duration::from_secs(100));
    let provider = rig.connect().await;
    let signer = signer(provider.clone());
    assert_eq!(signed_with(&signer).await.unwrap(), key(&provider));

    rig.sts.set_fault(Fault::AccessDenied);
    let first = key(&provider);
    soon(provider.refresh()).await.unwrap_err();
    assert_eq!(signed_with(&signer).await.unwrap(), first, "P2");
    rig.sts.set_fault(None);
    soon(provider.refresh()).await.unwrap();
    assert_eq!(signed_with(&signer).await.unwrap(), key(&provider));
    assert_ne!(key(&provider), first);

    let given = provider.provide_credential(&Context::new()).await.unwrap().unwrap();
    let current = provider.current().unwrap();
    assert_eq!(given.secret_access_key, current.secret_access_key());
    assert_eq!(given.session_token.as_deref(), current.session_token());
    let shown = given.expires_in.unwrap().as_system_time();
    let apart = current.expiry().unwrap().duration_since(shown).unwrap();
    assert!(apart < Duration::from_millis(1), "the expiry must be exact to the millisecond: {apart:?}");
}

#[tokio::test]
async fn p8_signer_error_has_ours_as_source() {
    let rig = Rig::start().await;
    let token = rig.rotate(spec());
    for (fault, kind, ours, retryable) in [
        (Fault::AccessDenied, Kind::PermissionDenied, ErrorKind::RoleDenied, false),
        (fault_list::INCORRECT_AUDIENCE, Kind::CredentialInvalid, ErrorKind::TokenRejected, false),
        (fault_list::VALIDATION_ERROR, Kind::ConfigInvalid, ErrorKind::InvalidConfiguration, false),
        (Fault::Throttled, Kind::RateLimited, ErrorKind::Throttled, true),
        (fault_list::INTERNAL_FAILURE, Kind::Unexpected, ErrorKind::ServiceUnavailable, true),
    ] {
        rig.sts.set_fault(fault);
        // Some faults are retried for as long as a caller waits.
        let provider = rig.builder().wait_timeout(Duration::from_secs(2)).build().unwrap();
        let error = signed_with(&signer(provider.clone())).await.unwrap_err();
        let source = error.source().and_then(|source| source.downcast_ref::<Error>());
        let source = source.unwrap_or_else(|| panic!("{fault:?}: {error:?}"));
        assert_eq!(
            (error.kind(), source.kind(), error.is_retryable()),
            (kind, ours, retryable),
            "{fault:?}: {error:?}"
        );
        assert!(!format!("{error:?}").contains(&token), "P9: {fault:?}");
    }
}

#[tokio::test]
async fn p8_nobody_behind_us_in_a_chain_is_asked() {
    let rig = Rig::start().await;
    rig.rotate(spec().audience("elsewhere"));
    let provider = rig.builder().build().unwrap();
    let nodes = StaticCredentialProvider::new("AKIANODESKEY", "secret");
    let error = signed_with(&signer(provider.reqsign_chain().push(nodes))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::CredentialInvalid, "{error:?}");
    assert!(
        error.to_string().starts_with("refreshed signing credential expires"),
        "the documentation quotes this text: {error}"
    );
    assert_eq!(provider.status().last_error.unwrap().kind(), ErrorKind::TokenRejected);

    // OpenDAL sends nothing: the mock would record it.
    let error =
        soon(operator(rig.sts.endpoint_url(), "receipts", &provider).write("1", "two apples")).await.unwrap_err();
    assert!(error.to_string().contains("sign"), "{error}");
    assert!(rig.sts.calls().iter().all(|call| call.action == "AssumeRoleWithWebIdentity"), "{:?}", rig.sts.calls());

    rig.rotate(spec());
    eventually(|| provider.current().is_some()).await;
    assert_eq!(signed_with(&signer(provider.reqsign_chain())).await.unwrap(), key(&provider));
}

#[tokio::test]
async fn background_provider_feeds_signers() {
    let provider = static_background_provider().await;
    assert_eq!(signed_with(&signer(provider.clone())).await.unwrap(), "THEIRS");
    assert_eq!(signed_with(&signer(provider.reqsign_chain())).await.unwrap(), "THEIRS");
}

fn signer(provider: impl ProvideCredential<Credential = Credential>) -> Signer<Credential> {
    Signer::new(Context::new(), provider, RequestSigner::new("s3", REGION))
}

/// The access key that signs a request, or the error. An unsigned request must have no header.
async fn signed_with(signer: &Signer<Credential>) -> reqsign_core::Result<String> {
    let (mut parts, ()) = http::Request::get("https://s3.example/receipts/1").body(()).unwrap().into_parts();
    let outcome = soon(signer.sign(&mut parts, None)).await;
    let header = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(outcome.is_ok(), header.is_some(), "a request must be signed or fail");
    outcome?;
    let header = header.unwrap();
    let (_, scope) = header.split_once("Credential=").unwrap();
    Ok(scope.split('/').next().unwrap().to_owned())
}

fn operator(endpoint: &str, bucket: &str, provider: &WebIdentityCredentialsProvider) -> Operator {
    opendal::install_default();
    let builder = S3::default().endpoint(endpoint).region(REGION).bucket(bucket).disable_config_load();
    Operator::new(builder.credential_provider_chain(provider.reqsign_chain())).unwrap()
}
