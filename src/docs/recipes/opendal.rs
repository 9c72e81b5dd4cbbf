use aws_web_identity::WebIdentityCredentialsProvider;
use opendal::services::S3;
use opendal::{Operator, Result};

/// A bucket for all that reads and writes through OpenDAL.
pub fn bucket(identity: &WebIdentityCredentialsProvider, region: &str, name: &str) -> Result<Operator> {
    let bucket = S3::default()
        .region(region)
        .bucket(name)
        // No other identity: neither variables nor profiles.
        .disable_config_load()
        .credential_provider_chain(identity.reqsign_chain());
    Operator::new(bucket)
}
