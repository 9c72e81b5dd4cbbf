//! One program for any pod and for the laptop: web identity (IRSA) if the variables are injected, else EKS Pod Identity, else
//! the credentials that aws-config finds. Those of a pod are refreshed in the background.
//!
//! `cargo run --example pod_identity` says who we are, and by what. With `--watch` it tells of each refresh, until it is
//! stopped. The settings come from the environment, as in a pod. Exit status 0, or 1 with the reason.

#[macro_use]
mod output;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::{BackgroundCredentialsProvider, Updates, WebIdentityCredentialsProvider};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failed("pod_identity", &*error),
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let Identity { config, updates, by } = identity(base).await?;
    let client = Client::new(&config);
    let who = client.get_caller_identity().send().await?;
    say!("we are {}, by {by}", who.arn().unwrap_or_default());
    if env::args().nth(1).as_deref() != Some("--watch") {
        return Ok(());
    }

    let mut updates = updates.ok_or("these credentials are not refreshed in the background")?;
    let mut expiry = expiry(&config).await?;
    loop {
        updates.changed().await?;
        let left = expiry.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        say!("refreshed while the old credentials had {} s left", left.as_secs());
        expiry = self::expiry(&config).await?;
        client.get_caller_identity().send().await?;
        say!("the next request was signed with the new ones");
    }
}

/// Where the credentials of a program come from.
struct Identity {
    /// For the clients of all services. It keeps the background work alive.
    config: SdkConfig,
    /// None for credentials that are left to the SDK.
    updates: Option<Updates>,
    by: &'static str,
}

/// The first that is set up; its failure is an error, and never the next one's turn.
async fn identity(base: SdkConfig) -> Result<Identity, aws_web_identity::Error> {
    let error = match WebIdentityCredentialsProvider::builder().configure(&base).connect().await {
        Ok(identity) => {
            let (updates, by) = (Some(identity.updates()), "web identity");
            return Ok(Identity { config: identity.install(base), updates, by });
        }
        Err(error) if error.is_not_configured() || error.is_not_injected() => error,
        Err(error) => return Err(error),
    };
    if env::var_os("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some() {
        // Reads the token file anew at each call.
        let agent = EcsCredentialsProvider::builder().build();
        let agent = BackgroundCredentialsProvider::builder(agent).name("EKS Pod Identity").configure(&base);
        let identity = agent.connect().await?;
        let (updates, by) = (Some(identity.updates()), "EKS Pod Identity");
        return Ok(Identity { config: identity.install(base), updates, by });
    }
    // A pod without an identity of its own must not become the node.
    if error.is_not_injected() { Err(error) } else { Ok(Identity { config: base, updates: None, by: "this machine" }) }
}

async fn expiry(config: &SdkConfig) -> Result<SystemTime, Box<dyn Error>> {
    let provider = config.credentials_provider().ok_or("no credentials provider")?;
    Ok(provider.provide_credentials().await?.expiry().ok_or("credentials that do not end")?)
}
