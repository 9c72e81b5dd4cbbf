//! The main job in a few seconds, without AWS and without a cluster: an issuer, a projected token and an STS are embedded, the
//! SDK client and everything between are real.
//!
//! `cargo run --example quickstart --features test-util`

#[macro_use]
mod output;

use std::error::Error;
use std::time::Duration;

use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::{Fault, MockSts, OidcIssuer, ProjectedVolume, TokenSpec, TrustedRole};

const ROLE: &str = "arn:aws:iam::123456789012:role/checkout";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // What a cluster and AWS would bring.
    let issuer = OidcIssuer::start().await;
    let directory = tempfile::tempdir()?;
    let volume = ProjectedVolume::new(directory.path())?;
    let token = || issuer.mint(TokenSpec::service_account("shop", "checkout").lifetime(Duration::from_secs(600)));
    volume.write(token())?;
    let role = TrustedRole::new(ROLE).subject("system:serviceaccount:shop:checkout").audience("sts.amazonaws.com");
    // Sessions of 4 s, so that a refresh can be watched; AWS gives 15 min at least.
    let sts = MockSts::builder().issuer(&issuer).role(role).session_length(Duration::from_secs(4)).start().await;
    say!("issuer          {}", issuer.url());
    say!("token file      {}", volume.token_path().display());
    say!("STS             {}", sts.endpoint_url());

    // What a service does. In a pod `role_arn` and `token_file` come from the environment.
    let base = sts.sdk_config();
    let identity = WebIdentityCredentialsProvider::builder()
        .configure(&base)
        .role_arn(ROLE)
        .token_file(volume.token_path())
        .session_name("quickstart")
        .connect()
        .await?;
    let client = aws_sdk_sts::Client::new(&identity.install(base));

    let who = client.get_caller_identity().send().await?;
    say!("\nwe are          {}", who.arn().unwrap_or_default());
    report("connected", &identity);

    // The token is replaced: seen at once, and no reason for an exchange.
    let mut updates = identity.updates();
    volume.write(token())?;
    say!("\nthe kubelet replaced the token; the credentials are good, so nothing is asked of STS");

    for _ in 0..2 {
        let generation = updates.changed().await?;
        say!("\nrefreshed in the background: generation {generation}; nobody waited");
        report("now", &identity);
        client.get_caller_identity().send().await?;
        say!("the client's next request was signed with the new key");
    }

    // STS fails: what is valid stays in use.
    sts.set_fault(Fault::InternalFailure);
    if let Err(error) = identity.refresh().await {
        say!("\nSTS is down: {error}");
    }
    client.get_caller_identity().send().await?;
    report("requests go on", &identity);
    sts.set_fault(None);
    updates.changed().await?;
    say!("\nSTS is back: generation {}", updates.last());

    identity.shutdown().await;
    let exchanges = sts.calls().iter().filter(|call| call.action == "AssumeRoleWithWebIdentity").count();
    say!("\ndone: {exchanges} exchanges, each beside the requests");
    Ok(())
}

fn report(when: &str, identity: &WebIdentityCredentialsProvider) {
    let status = identity.status();
    let key = identity.current().map(|credentials| credentials.access_key_id().to_owned());
    say!("{when:<16}{:?}, generation {}, key {}", status.phase, status.generation, key.unwrap_or_default());
}
