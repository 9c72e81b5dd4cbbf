//! Provider chains and profile files of `aws-config` (P8): a failure of web identity is an error, never the next
//! provider.
#![expect(deprecated, reason = "the new name of the profile files is in a crate that nothing else here needs")]

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::Client;
use aws_web_identity::test_util::Fault;
use aws_web_identity::{BackgroundCredentialsProvider, Error, ErrorKind};

use crate::support::fault_list;
use crate::support::{ARN, ROLE, Rig, caller_arn, eventually, key, soon, spec};

/// Credentials of the node's role. It counts requests, which must stay zero.
#[derive(Clone, Debug, Default)]
struct Node(Arc<AtomicUsize>);

impl ProvideCredentials for Node {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::Relaxed);
        future::ProvideCredentials::ready(Ok(Credentials::new("NODE", "secret", None, None, "node")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_failure_of_web_identity_stops_the_chain() {
    for (fault, kind) in [
        (Some(Fault::AccessDenied), ErrorKind::RoleDenied),
        (Some(Fault::ServiceUnavailable), ErrorKind::ServiceUnavailable),
        (Some(Fault::ExpiredToken), ErrorKind::TokenRejected),
        (Some(fault_list::GARBAGE), ErrorKind::Unexpected),
        (None, ErrorKind::TokenUnavailable),
    ] {
        let rig = Rig::start().await;
        rig.sts.set_fault(fault);
        let mut builder = rig.builder().wait_timeout(Duration::from_millis(500));
        if fault.is_none() {
            builder = builder.token_file("/no/such/token");
        }
        let node = Node::default();
        let provider = builder.build().unwrap();
        eventually(|| provider.status().last_error.is_some()).await;
        let chain = CredentialsProviderChain::first_try("WebIdentity", provider);
        let chain = chain.or_else("Node", node.clone());
        let error = soon(chain.provide_credentials()).await.unwrap_err();
        let ours: &Error = error.source().unwrap().downcast_ref().unwrap();
        assert_eq!(ours.kind(), kind, "{fault:?}: {ours}");
        assert_eq!(node.0.load(Ordering::Relaxed), 0, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_client_of_a_chain_signs_with_newest_key() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let chain = CredentialsProviderChain::first_try("WebIdentity", provider.clone()).or_else("Node", Node::default());
    let config = provider.install(rig.config()).into_builder();
    let chain = SharedCredentialsProvider::new(chain);
    let client = Client::new(&config.credentials_provider(chain).build());
    for _ in 0..3 {
        assert_eq!(caller_arn(&client).await, ARN);
        assert_eq!(rig.last_signed_with(), key(&provider));
        soon(provider.refresh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_with_token_file_is_refreshed_in_background() {
    let rig = Rig::start().await;
    let base =
        aws_config::defaults(BehaviorVersion::latest()).profile_files(profile(&rig)).profile_name("pod").load().await;
    let chain = base.credentials_provider().unwrap();
    let identity = BackgroundCredentialsProvider::builder(chain).name("profile pod");
    let identity = identity.connect().await.unwrap();
    let client = Client::new(&identity.install(rig.config()));
    for _ in 0..2 {
        assert_eq!(caller_arn(&client).await, ARN);
        assert_eq!(rig.last_signed_with(), identity.current().unwrap().access_key_id());
        soon(identity.refresh()).await.unwrap();
    }
    assert_eq!(rig.exchanges().len(), 3);
    // A token that STS rejects takes no valid credentials away.
    rig.rotate(spec().audience("nobody"));
    soon(identity.refresh()).await.unwrap_err();
    assert_eq!(caller_arn(&client).await, ARN);
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_failure_of_a_profile_stops_the_chain() {
    let rig = Rig::start().await;
    rig.rotate(spec().audience("nobody"));
    let config = ProviderConfig::without_region();
    let provider = ProfileFileCredentialsProvider::builder();
    let provider = provider.configure(&config).profile_files(profile(&rig)).profile_name("pod").build();
    let identity = BackgroundCredentialsProvider::builder(provider).wait_timeout(Duration::from_millis(500));
    let node = Node::default();
    let chain = CredentialsProviderChain::first_try("Profile", identity.build().unwrap()).or_else("Node", node.clone());
    soon(chain.provide_credentials()).await.unwrap_err();
    assert_eq!(node.0.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_clients_sign_nothing_while_web_identity_fails() {
    let rig = Rig::start().await;
    let nodes = || Credentials::new("AKIANODE", "secret", None, None, "node");
    let impatient = || rig.builder().wait_timeout(Duration::from_millis(500));
    let mut builders = vec![impatient().token_file("/nonexistent/token")];
    let faults = [
        Fault::AccessDenied,
        fault_list::VALIDATION_ERROR,
        fault_list::INTERNAL_FAILURE,
        Fault::Throttled,
        Fault::Hang,
    ];
    builders.extend(faults.iter().map(|_| impatient()));
    for (builder, fault) in builders.into_iter().zip(std::iter::once(None).chain(faults.map(Some))) {
        rig.sts.set_fault(fault);
        let provider = builder.build().unwrap();
        let chain = || CredentialsProviderChain::first_try("WebIdentity", provider.clone()).or_else("Node", nodes());
        soon(chain().provide_credentials()).await.unwrap_err();

        for config in [rig.config(), provider.install(rig.config())] {
            let chain = SharedCredentialsProvider::new(chain());
            let config = config.into_builder().credentials_provider(chain).build();
            soon(Client::new(&config).get_caller_identity().send()).await.unwrap_err();
        }
        // After its shutdown the provider still stops the chain.
        soon(provider.shutdown()).await;
        soon(chain().provide_credentials()).await.unwrap_err();
    }
    assert!(rig.sts.calls().iter().all(|call| call.action != "GetCallerIdentity"), "no request may be signed");
}

/// A typical profile that names the token file.
fn profile(rig: &Rig) -> ProfileFiles {
    let (file, endpoint) = (rig.volume.token_path().display().to_string(), rig.sts.endpoint_url());
    let text = format!(
        "[profile pod]\nrole_arn = {ROLE}\nrole_session_name = checkout-0\nweb_identity_token_file = {file}\n\
         region = eu-central-1\nservices = local\n\n[services local]\nsts =\n  endpoint_url = {endpoint}\n"
    );
    ProfileFiles::builder().with_contents(ProfileFileKind::Config, text).build()
}
