//! Writes, reads and deletes an object through OpenDAL, with this pod's role. All of it costs one exchange.
//!
//! `cargo run -p storage --bin opendal` reads `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_REGION` and `BUCKET`.
//! For servers that are not AWS's, set `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL_S3`. The exit status is 0, or 1
//! with the reason.

#[macro_use]
#[path = "../../../output/mod.rs"]
mod output;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use aws_web_identity::WebIdentityCredentialsProvider;
use opendal::Operator;
use opendal::services::S3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failed("opendal", &*error),
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let bucket = env::var("BUCKET").map_err(|_| "BUCKET is not set")?;
    let region = env::var("AWS_REGION").map_err(|_| "AWS_REGION is not set")?;
    let identity = WebIdentityCredentialsProvider::builder().connect().await?;

    // With its default features OpenDAL does this by itself.
    opendal::install_default();
    let mut builder = S3::default().bucket(&bucket).region(&region).disable_config_load();
    if let Ok(endpoint) = env::var("AWS_ENDPOINT_URL_S3") {
        builder = builder.endpoint(&endpoint);
    }
    let operator = Operator::new(builder.credential_provider_chain(identity.reqsign_chain()))?;

    let key = format!("aws-web-identity/{:016x}", fastrand::u64(..));
    let text = format!("written by {}", identity.status().assumed_role_arn.unwrap_or_default());
    let outcome = round_trip(&operator, &key, &text).await;
    // OpenDAL's error does not say why there were no credentials. The provider's status does.
    if let (Err(_), Some(error)) = (&outcome, identity.status().last_error) {
        complain!("opendal: no credentials: {error}");
    }
    outcome?;
    say!("{} bytes went to {bucket}/{key} and came back", text.len());
    identity.shutdown().await;
    Ok(())
}

async fn round_trip(operator: &Operator, key: &str, text: &str) -> Result<(), Box<dyn Error>> {
    operator.write(key, text.to_owned()).await?;
    let read = operator.read(key).await?.to_vec();
    operator.delete(key).await?;
    if read != text.as_bytes() {
        return Err("the object that was read differs from the one that was written".into());
    }
    Ok(())
}
