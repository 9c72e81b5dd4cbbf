//! The programs `object_store`, `opendal` and `presign`, run against real object storage.

use std::process::Output;

use crate::support::example_program::example;
use crate::support::s3_servers::{REGION, Storage};
use crate::support::soon;

#[tokio::test(flavor = "multi_thread")]
async fn object_storage_examples_round_trip_an_object() {
    for storage in Storage::all().await {
        for example in ["object_store", "opendal"] {
            let exchanges = |storage: &Storage| storage.mock.as_ref().map(|mock| mock.calls().len());
            let before = exchanges(&storage);
            let output = run(example, &storage, &[]).await;
            let said = String::from_utf8(output.stdout).unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && said.contains("came back"), "{example}: {said} {errors}");
            assert_eq!(exchanges(&storage), before.map(|before| before + 1), "{example} must make one exchange");

            let output = run(example, &storage, &[("BUCKET", "no-such-bucket")]).await;
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(errors.contains("NoSuchBucket"), "{example} must name the cause: {errors}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presigned_links_open_the_object() {
    for storage in Storage::all().await {
        let key = "receipts/May 1+2.txt";
        let put = storage.s3().put_object().bucket(&storage.bucket).key(key).body(b"two apples".to_vec().into());
        soon(put.send()).await.unwrap();
        let output = run("presign", &storage, &[("KEY", key), ("COUNT", "3"), ("EXPIRES", "60")]).await;
        let links = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{errors}");
        assert!(!errors.contains("X-Amz-"), "links must not go to stderr: {errors}");
        assert_eq!(links.lines().count(), 3);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for link in links.lines() {
            let response = soon(client.get(link).send()).await.unwrap();
            assert_eq!(soon(response.bytes()).await.unwrap(), "two apples", "{link}");
        }

        let output = run("presign", &storage, &[("KEY", key), ("EXPIRES", "3700")]).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "a link must not outlive the session");
        assert!(errors.contains("3700 s"), "{errors}");
    }
}

async fn run(name: &str, storage: &Storage, extra: &[(&'static str, &'static str)]) -> Output {
    let mut command = example(name);
    command
        .env("AWS_ROLE_ARN", &storage.role_arn)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &storage.token_file)
        .env("AWS_REGION", REGION)
        .env("AWS_ENDPOINT_URL_STS", &storage.sts_endpoint)
        .env("AWS_ENDPOINT_URL_S3", &storage.endpoint)
        .env("BUCKET", &storage.bucket)
        .envs(extra.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
