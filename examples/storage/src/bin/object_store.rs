//! Writes, reads and deletes an object through `object_store`, with this pod's role. All of it costs one exchange.
//!
//! `cargo run -p storage --bin object_store` reads `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_REGION` and
//! `BUCKET`. For servers that are not AWS's, set `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL_S3`. The exit status is
//! 0, or 1 with the reason.

#[macro_use]
#[path = "../../../output/mod.rs"]
mod output;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use aws_web_identity::WebIdentityCredentialsProvider;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failed("object_store", &*error),
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let bucket = env::var("BUCKET").map_err(|_| "BUCKET is not set")?;
    let region = env::var("AWS_REGION").map_err(|_| "AWS_REGION is not set")?;
    let identity = WebIdentityCredentialsProvider::builder().connect().await?;

    let mut builder = AmazonS3Builder::new()
        .with_region(region)
        .with_bucket_name(&bucket)
        .with_credentials(identity.object_store_credentials());
    if let Ok(endpoint) = env::var("AWS_ENDPOINT_URL_S3") {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    let store = builder.build()?;

    let key = Path::from(format!("aws-web-identity/{:016x}", fastrand::u64(..)));
    let text = format!("written by {}", identity.status().assumed_role_arn.unwrap_or_default());
    store.put(&key, PutPayload::from(text.clone())).await?;
    let read = store.get(&key).await?.bytes().await?;
    store.delete(&key).await?;
    if read != text {
        return Err("the object that was read differs from the one that was written".into());
    }
    say!("{} bytes went to {bucket}/{key} and came back", read.len());
    identity.shutdown().await;
    Ok(())
}
