use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_web_identity::WebIdentityCredentialsProvider;

/// A link to the object that works for the whole `lifetime`. `s3` comes from `identity.install(..)`.
pub async fn link(
    identity: &WebIdentityCredentialsProvider,
    s3: &Client,
    bucket: &str,
    key: &str,
    lifetime: Duration,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    // A link ends with the credentials that signed it. Returns at once if the current ones last long enough.
    identity.valid_for(lifetime).await?;
    let object = s3.get_object().bucket(bucket).key(key);
    let presigned = object.presigned(PresigningConfig::expires_in(lifetime)?).await?;
    Ok(presigned.uri().to_owned())
}
