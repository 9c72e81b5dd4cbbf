//! P11: what a read costs, counted.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::identity::{ResolveCachedIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::config_bag::ConfigBag;
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::{MockSts, OidcIssuer, ProjectedVolume, TokenSpec, TrustedRole};

const ROLE: &str = "arn:aws:iam::123456789012:role/checkout";
const READS: u64 = 1000;

fn allocations(read: impl Fn()) -> u64 {
    read();
    allocation_counter::measure(|| (0..READS).for_each(|_| read())).count_total
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(outcome) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waited") };
    outcome
}

#[tokio::test]
async fn p11_a_read_allocates_no_more_than_the_clone_of_an_identity() {
    let issuer = OidcIssuer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let volume = ProjectedVolume::new(directory.path()).unwrap();
    volume.write(issuer.mint(TokenSpec::service_account("shop", "checkout"))).unwrap();
    let role = TrustedRole::new(ROLE).subject("system:serviceaccount:shop:checkout").audience("sts.amazonaws.com");
    let sts = MockSts::builder().issuer(&issuer).role(role).session_length(Duration::from_secs(3600)).start().await;
    let provider = WebIdentityCredentialsProvider::builder()
        .configure(&sts.sdk_config())
        .role_arn(ROLE)
        .token_file(volume.token_path())
        .connect()
        .await
        .unwrap();

    assert_eq!(allocations(|| drop(provider.current().unwrap())), 0, "current()");
    let provided = || drop(at_once(provider.provide_credentials()).unwrap());
    assert_eq!(allocations(provided), 0, "provide_credentials()");

    let cache = provider.identity_cache();
    let resolver = SharedIdentityResolver::new(provider.credentials_provider());
    let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
    let bag = ConfigBag::base();
    let through_the_sdk = || {
        let identity = at_once(cache.resolve_cached_identity(resolver.clone(), &components, &bag));
        assert!(identity.unwrap().expiration().is_some());
    };
    assert!(allocations(through_the_sdk) <= READS, "through the SDK's trait");
}
