use aws_config::SdkConfig;
use aws_web_identity::{Error, WebIdentityCredentialsProvider};

/// A config for the pod's account, and a config for the account of the data lake.
pub async fn configs(
    identity: &WebIdentityCredentialsProvider,
    base: SdkConfig,
) -> Result<(SdkConfig, SdkConfig), Error> {
    let lake = identity.assume_role("arn:aws:iam::210987654321:role/lake").connect().await?;
    Ok((identity.install(base.clone()), lake.install(base)))
}
