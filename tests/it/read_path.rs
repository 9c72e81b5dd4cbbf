//! P11: what a read costs, counted.

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::identity::{ResolveCachedIdentity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::config_bag::ConfigBag;

use crate::rig::{Rig, at_once};

const READS: u64 = 1000;

fn allocations(read: impl Fn()) -> u64 {
    read();
    allocation_counter::measure(|| (0..READS).for_each(|_| read())).count_total
}

#[tokio::test]
async fn p11_a_read_allocates_no_more_than_the_clone_of_an_identity() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;

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
