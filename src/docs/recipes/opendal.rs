use aws_web_identity::WebIdentityCredentialsProvider;
use opendal::services::S3;
use opendal::{Operator, Result};

/// A bucket for any code that uses OpenDAL.
pub fn bucket(identity: &WebIdentityCredentialsProvider, region: &str, name: &str) -> Result<Operator> {
    let bucket = S3::default()
        .region(region)
        .bucket(name)
        // Ignore variables and profiles: no other identity.
        .disable_config_load()
        .credential_provider_chain(identity.reqsign_chain());
    Operator::new(bucket)
}
