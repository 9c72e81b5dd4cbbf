//! Bugs that good projects had, each a sentence. Those of the engine stand beside it, in paused time.

use aws_credential_types::provider::ProvideCredentials;
use aws_web_identity::ErrorKind;

use crate::fault_list;
use crate::rig::{Rig, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn token_is_reread_for_every_exchange() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for _ in 0..2 {
        rig.rotate(spec());
        soon(provider.refresh()).await.unwrap();
    }
    let mut tokens: Vec<_> = rig.sts.calls().into_iter().filter_map(|call| call.token_sha256).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "each exchange had the token of its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_key_error_is_retried() {
    let rig = Rig::start().await;
    rig.sts.fail_next(2, fault_list::VERIFICATION_KEY_UNREACHABLE);
    soon(rig.builder().connect()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_provide_credentials_is_cached() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for _ in 0..1000 {
        provider.provide_credentials().await.unwrap();
        provider.credentials_provider().provide_credentials().await.unwrap();
    }
    assert_eq!(rig.exchanges().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_expiry_is_an_error() {
    let rig = Rig::start().await;
    rig.sts.set_fault(fault_list::MISSING_EXPIRATION);
    let error = soon(rig.builder().connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.to_string().contains("no expiration"), "{error}");
}
