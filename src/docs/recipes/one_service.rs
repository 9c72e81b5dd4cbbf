use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_web_identity::WebIdentityCredentialsProvider;

/// Only this client signs with the pod's role. Other clients of `base` keep their credentials.
pub fn s3(identity: &WebIdentityCredentialsProvider, base: &SdkConfig) -> Client {
    let mut config = Builder::from(base).identity_cache(identity.identity_cache()).interceptor(identity.interceptor());
    // `credentials_provider(..)` would wrap the provider, and the cache would not recognise it.
    config.set_credentials_provider(Some(identity.credentials_provider()));
    Client::from_conf(config.build())
}
