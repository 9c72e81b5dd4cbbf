//! The adapter for `object_store`, through its own S3 client and directly.

use std::error::Error as _;
use std::sync::Arc;

use aws_web_identity::test_util::Fault;
use aws_web_identity::{Error, ErrorKind};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredentialProvider};
use object_store::path::Path;
use object_store::{ObjectStoreExt, RetryConfig};

use crate::support::s3_servers::{REGION, Storage};
use crate::support::{Rig, at_once, key, soon, spec, static_background_provider};

#[tokio::test(flavor = "multi_thread")]
async fn object_store_round_trips_an_object() {
    for storage in Storage::all().await {
        let store = store(&storage.endpoint, &storage.bucket, storage.provider.object_store_credentials());
        let path = Path::from("receipts/1");
        soon(store.put(&path, "two apples".into())).await.unwrap();
        storage.provider.refresh().await.unwrap();
        let read = soon(store.get(&path)).await.unwrap().bytes().await.unwrap();
        assert_eq!(read, "two apples", "the object must be readable with the next key");
        soon(store.delete(&path)).await.unwrap();
        soon(store.get(&path)).await.unwrap_err();
    }
}

#[tokio::test]
async fn p1_p2_object_store_copies_credentials_once_per_generation() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let credentials = provider.object_store_credentials();
    let read = || at_once(credentials.get_credential()).unwrap();
    let first = read();
    let current = provider.current().unwrap();
    assert_eq!(first.key_id, current.access_key_id());
    assert_eq!(first.secret_key, current.secret_access_key());
    assert_eq!(first.token.as_deref(), current.session_token());
    assert!(Arc::ptr_eq(&first, &read()), "the copy must be made once per generation");
    let allocated = allocation_counter::measure(|| drop(read())).count_total;
    assert_eq!(allocated, 1, "only the boxed future of the trait may allocate");

    rig.sts.set_fault(Fault::AccessDenied);
    soon(provider.refresh()).await.unwrap_err();
    assert!(Arc::ptr_eq(&first, &read()), "P2");
    rig.sts.set_fault(None);
    soon(provider.refresh()).await.unwrap();
    assert_eq!(read().key_id, key(&provider), "the next request must use the new credentials");
    assert_ne!(read().key_id, first.key_id);
    assert_eq!(first.secret_key, current.secret_access_key(), "a running request must keep its credentials");
    assert_eq!(rig.exchanges().len(), 3);

    let printed = format!("{credentials:?}");
    assert!(printed.contains("SnapshotCredentials") && !printed.contains(&read().secret_key), "{printed}");
}

#[tokio::test]
async fn p8_failure_fails_the_request_unsigned() {
    let rig = Rig::start().await;
    rig.rotate(spec().subject("system:serviceaccount:shop:nobody").audience("elsewhere"));
    let provider = rig.builder().build().unwrap();
    // The mock records every request, also those for S3.
    let store = store(rig.sts.endpoint_url(), "receipts", provider.object_store_credentials());
    let error = soon(store.put(&Path::from("1"), "two apples".into())).await.unwrap_err();
    let ours = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(ours.kind(), ErrorKind::TokenRejected, "{error}");
    assert!(error.to_string().contains("audience"), "P12: {error}");
    assert!(rig.sts.calls().iter().all(|call| call.action == "AssumeRoleWithWebIdentity"), "{:?}", rig.sts.calls());
}

#[tokio::test]
async fn background_provider_feeds_object_store() {
    let provider = static_background_provider().await;
    let given = provider.object_store_credentials().get_credential().await.unwrap();
    assert_eq!((&*given.key_id, &*given.secret_key, given.token.as_deref()), ("THEIRS", "secret", None));
}

fn store(endpoint: &str, bucket: &str, credentials: AwsCredentialProvider) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_region(REGION)
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .with_credentials(credentials)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .build()
        .unwrap()
}
