//! The main job in a few seconds, without AWS and without a cluster: an issuer, a projected token and an STS are embedded, the
//! SDK client and everything between are real.
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
    // What a cluster and AWS would bring.
    let aws = TestAws::start().await;
    // Sessions of 4 s, so that a refresh can be watched; AWS gives 15 min at least.
    aws.sts().set_session_length(Duration::from_secs(4));
    say!("issuer          {}", aws.issuer().url());
    say!("token file      {}", aws.volume().token_path().display());
    say!("STS             {}", aws.sts().endpoint_url());

    // What a service does. In a pod it is `WebIdentityCredentialsProvider::builder()`, which asks the environment.
    let identity = aws.builder().connect().await?;
    let client = aws_sdk_sts::Client::new(&identity.install(aws.sdk_config()));

    let who = client.get_caller_identity().send().await?;
    say!("\nwe are          {}", who.arn().unwrap_or_default());
    report("connected", &identity);

    // The token is replaced: seen at once, and no reason for an exchange.
    let mut updates = identity.updates();
    aws.rotate();
    say!("\nthe kubelet replaced the token; the credentials are good, so nothing is asked of STS");

    for _ in 0..2 {
        let generation = updates.changed().await?;
        say!("\nrefreshed in the background: generation {generation}; nobody waited");
        report("now", &identity);
        client.get_caller_identity().send().await?;
        say!("the client's next request was signed with the new key");
    }

    // STS fails: what is valid stays in use.
    aws.sts().set_fault(Fault::ServiceUnavailable);
    if let Err(error) = identity.refresh().await {
        say!("\nSTS is down: {error}");
    }
    client.get_caller_identity().send().await?;
    report("requests go on", &identity);
    aws.sts().set_fault(None);
    updates.changed().await?;
    say!("\nSTS is back: generation {}", updates.last());

    identity.shutdown().await;
    let exchanges = aws.sts().calls().iter().filter(|call| call.action == "AssumeRoleWithWebIdentity").count();
    say!("\ndone: {exchanges} exchanges, each beside the requests");
    Ok(())
}

fn report(when: &str, identity: &WebIdentityCredentialsProvider) {
    let status = identity.status();
    let key = identity.current().map(|credentials| credentials.access_key_id().to_owned());
    say!("{when:<16}{:?}, generation {}, key {}", status.phase, status.generation, key.unwrap_or_default());
}
