//! The adapter for `object_store`, through its own S3 client and alone.

use std::error::Error as _;
use std::sync::Arc;

use aws_web_identity::test_util::Fault;
use aws_web_identity::{Error, ErrorKind};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredentialProvider};
use object_store::path::Path;
use object_store::{ObjectStoreExt, RetryConfig};

use crate::rig::{Rig, at_once, key, soon, spec, theirs};
use crate::storage::{REGION, Storage};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_through_object_store_and_comes_back() {
    for storage in Storage::all().await {
        let store = store(&storage.endpoint, &storage.bucket, storage.provider.object_store_credentials());
        let path = Path::from("receipts/1");
        soon(store.put(&path, "two apples".into())).await.unwrap();
        storage.provider.refresh().await.unwrap();
        let read = soon(store.get(&path)).await.unwrap().bytes().await.unwrap();
        assert_eq!(read, "two apples", "with the next key");
        soon(store.delete(&path)).await.unwrap();
        soon(store.get(&path)).await.unwrap_err();
    }
}

#[tokio::test]
async fn p1_p2_object_store_reads_the_slot_and_makes_its_copy_once() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let credentials = provider.object_store_credentials();
    let read = || at_once(credentials.get_credential()).unwrap();
    let first = read();
    let current = provider.current().unwrap();
    assert_eq!(first.key_id, current.access_key_id());
    assert_eq!(first.secret_key, current.secret_access_key());
    assert_eq!(first.token.as_deref(), current.session_token());
    assert!(Arc::ptr_eq(&first, &read()), "made once");
    let allocated = allocation_counter::measure(|| drop(read())).count_total;
    assert_eq!(allocated, 1, "the future that its trait boxes, and nothing else");

    rig.sts.set_fault(Fault::AccessDenied);
    soon(provider.refresh()).await.unwrap_err();
    assert!(Arc::ptr_eq(&first, &read()), "P2");
    rig.sts.set_fault(None);
    soon(provider.refresh()).await.unwrap();
    assert_eq!(read().key_id, key(&provider), "the new ones at the next request");
    assert_ne!(read().key_id, first.key_id);
    assert_eq!(first.secret_key, current.secret_access_key(), "a request under way keeps what it has");
    assert_eq!(rig.exchanges().len(), 3);

    let printed = format!("{credentials:?}");
    assert!(printed.contains("SnapshotCredentials") && !printed.contains(&read().secret_key), "{printed}");
}

#[tokio::test]
async fn p8_a_failure_is_the_requests_error_and_nothing_goes_out_unsigned() {
    let rig = Rig::start().await;
    rig.rotate(spec().subject("system:serviceaccount:shop:nobody").audience("elsewhere"));
    let provider = rig.builder().build().unwrap();
    // The mock notes whatever comes, for S3 as well.
    let store = store(rig.sts.endpoint_url(), "receipts", provider.object_store_credentials());
    let error = soon(store.put(&Path::from("1"), "two apples".into())).await.unwrap_err();
    let ours = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(ours.kind(), ErrorKind::TokenRejected, "{error}");
    assert!(error.to_string().contains("audience"), "P12: {error}");
    assert!(rig.sts.calls().iter().all(|call| call.action == "AssumeRoleWithWebIdentity"), "{:?}", rig.sts.calls());
}

#[tokio::test]
async fn any_provider_in_the_background_feeds_object_store_as_well() {
    let provider = theirs().await;
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
