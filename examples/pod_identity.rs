//! One program for every pod and for a laptop.
//!
//! The program uses web identity (IRSA) if its variables are set, otherwise EKS Pod Identity, otherwise the credentials
//! that aws-config finds. In a pod, credentials are refreshed in the background.
//!
//! `cargo run --example pod_identity` prints the role. With `--watch` it also prints each refresh, until you stop it.
//! The settings come from the environment. The exit status is 0, or 1 with the reason.

#[macro_use]
mod output;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::SystemTime;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sts::Client;
use aws_web_identity::{BackgroundCredentialsProvider, WebIdentityCredentialsProvider};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failed("pod_identity", &*error),
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let identity = identity(&base).await?;
    let config = identity.as_ref().map_or(base.clone(), |identity| identity.install(base));
    let client = Client::new(&config);
    let who = client.get_caller_identity().send().await?;
    say!("we are {}", who.arn().unwrap_or_default());
    if env::args().nth(1).as_deref() != Some("--watch") {
        return Ok(());
    }

    let identity =
        identity.ok_or("--watch needs a pod: aws-config's own credentials are not refreshed in the background")?;
    let mut updates = identity.updates();
    let mut expiry = identity.status().expiry;
    loop {
        updates.changed().await?;
        let left = expiry.and_then(|expiry| expiry.duration_since(SystemTime::now()).ok()).unwrap_or_default();
        say!("refreshed while the old credentials had {} s left", left.as_secs());
        expiry = identity.status().expiry;
        client.get_caller_identity().send().await?;
        say!("the next request was signed with the new ones");
    }
}

/// The first provider that is set up. Its failure is an error; the next one is not tried. `None`: use aws-config's own.
async fn identity(base: &SdkConfig) -> Result<Option<BackgroundCredentialsProvider>, aws_web_identity::Error> {
    let not_set_up = match WebIdentityCredentialsProvider::builder().configure(base).connect().await {
        Ok(identity) => return Ok(Some(identity.into())),
        Err(error) if error.is_not_configured() || error.is_not_injected() => error,
        Err(error) => return Err(error),
    };
    if env::var_os("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some() {
        // This provider reads the token file at each call.
        let agent = EcsCredentialsProvider::builder().build();
        let agent = BackgroundCredentialsProvider::builder(agent).name("EKS Pod Identity").configure(base);
        return agent.connect().await.map(Some);
    }
    // In a pod, aws-config would find the node's role. A pod must never act as the node.
    if not_set_up.is_not_injected() { Err(not_set_up) } else { Ok(None) }
}
