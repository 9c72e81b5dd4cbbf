use std::sync::Arc;

use aws_web_identity::WebIdentityCredentialsProvider;
use object_store::Result;
use object_store::aws::{AmazonS3, AmazonS3Builder};

/// A bucket for any code that uses `object_store`. Make one and share it.
pub fn bucket(identity: &WebIdentityCredentialsProvider, region: &str, name: &str) -> Result<Arc<AmazonS3>> {
    let bucket = AmazonS3Builder::new()
        .with_region(region)
        .with_bucket_name(name)
        .with_credentials(identity.object_store_credentials())
        .build()?;
    Ok(Arc::new(bucket))
}
