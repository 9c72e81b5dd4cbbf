//! An STS that nobody here wrote: moto, which looks at the shape of a request and at nothing else.

use aws_sdk_sts::Client;
use aws_web_identity::WebIdentityCredentialsProvider;

use crate::rig::{ARN, ROLE, Rig, key, server, soon};

#[tokio::test(flavor = "multi_thread")]
async fn moto_gives_credentials_that_sign() {
    let Some(endpoint) = server("MOTO_ENDPOINT") else { return };
    let rig = Rig::start().await;
    let config = rig.config().into_builder().endpoint_url(&*endpoint).build();
    let builder = WebIdentityCredentialsProvider::builder().configure(&config).endpoint_url(&*endpoint);
    let builder = builder.role_arn(ROLE).token_file(rig.volume.token_path()).session_name("checkout-0");
    let provider = soon(builder.connect()).await.unwrap();
    let arn = provider.status().assumed_role_arn.expect("an ARN");
    assert!(arn.contains(":assumed-role/") && arn.ends_with("/checkout-0"), "{arn}, like {ARN}");
    assert_eq!(provider.status().endpoint.as_deref(), Some(&*endpoint));

    // Its service config knows the endpoint of the mock for STS; here the client shall go to moto, too.
    let config = aws_sdk_sts::config::Builder::from(&provider.install(config)).endpoint_url(endpoint).build();
    let client = Client::from_conf(config);
    soon(client.get_caller_identity().send()).await.unwrap();
    let first = key(&provider);
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), first);
    soon(client.get_caller_identity().send()).await.unwrap();
    assert!(rig.sts.calls().is_empty(), "the mock was not asked");
}
