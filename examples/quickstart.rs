//! Shows the crate at work in a few seconds, without AWS and without a cluster.
//!
//! The program embeds an OIDC issuer, a projected token and an STS. The SDK client and everything between are real.
//!
//! `cargo run --example quickstart --features test-util`

#[macro_use]
mod output;

use std::error::Error;
use std::time::Duration;

use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::{Fault, TestAws};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In production this part is the cluster and AWS.
    let aws = TestAws::start().await;
    // With sessions of 4 s you can watch a refresh. AWS gives sessions of 15 min or more.
    aws.sts().set_session_length(Duration::from_secs(4));
    say!("issuer          {}", aws.issuer().url());
    say!("token file      {}", aws.volume().token_path().display());
    say!("STS             {}", aws.sts().endpoint_url());

    // A service does this. In a pod, `WebIdentityCredentialsProvider::builder()` reads its settings from the
    // environment.
    let identity = aws.builder().connect().await?;
    let client = aws_sdk_sts::Client::new(&identity.install(aws.sdk_config()));

    let who = client.get_caller_identity().send().await?;
    say!("\nwe are          {}", who.arn().unwrap_or_default());
    report("connected", &identity);

    // The provider notices the new token at once, and needs no exchange because of it.
    let mut updates = identity.updates();
    aws.rotate();
    say!("\nthe kubelet replaced the token: the credentials are valid, so there is no exchange");

    for _ in 0..2 {
        let generation = updates.changed().await?;
        say!("\nrefreshed in the background: generation {generation}; no request waited");
        report("now", &identity);
        client.get_caller_identity().send().await?;
        say!("the client signed its next request with the new key");
    }

    // STS fails. Requests go on with the valid credentials.
    aws.sts().set_fault(Fault::ServiceUnavailable);
    if let Err(error) = identity.refresh().await {
        say!("\nSTS is down: {error}");
    }
    client.get_caller_identity().send().await?;
    report("still signing", &identity);
    aws.sts().set_fault(None);
    updates.changed().await?;
    say!("\nSTS is back: generation {}", updates.last());

    identity.shutdown().await;
    let exchanges = aws.sts().calls().iter().filter(|call| call.action == "AssumeRoleWithWebIdentity").count();
    say!("\ndone: {exchanges} exchanges, none of them inside a request");
    Ok(())
}

fn report(when: &str, identity: &WebIdentityCredentialsProvider) {
    let status = identity.status();
    let key = identity.current().map(|credentials| credentials.access_key_id().to_owned());
    say!("{when:<16}{:?}, generation {}, key {}", status.phase, status.generation, key.unwrap_or_default());
}
