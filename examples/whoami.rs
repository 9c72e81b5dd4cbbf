//! Prints the role that this pod has in AWS, or the reason why it has none, and what to do.
//!
//! `cargo run --example whoami [-- --json]` reads `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION`, and
//! `AWS_ENDPOINT_URL_STS` for an STS that is not AWS's. The exit status is 0 with a role and 1 without.

#[macro_use]
mod output;

use std::env;
use std::error::Error as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_web_identity::{Error, ErrorKind, Status, WebIdentityCredentialsProvider};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let as_json = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--json" => true,
        _ => {
            complain!("usage: whoami [--json]");
            return ExitCode::FAILURE;
        }
    };
    match connect().await {
        Ok(identity) => {
            print(as_json, &identity_of(&identity.status()));
            ExitCode::SUCCESS
        }
        Err(error) if as_json => {
            print(true, &json!({ "error": failure_of(&error) }));
            ExitCode::FAILURE
        }
        Err(error) => output::failed("whoami", &error),
    }
}

/// Waits for credentials like `Builder::connect`. Unlike it, prints the reason for the wait, and does not wait for a
/// token file whose content only a person can correct.
async fn connect() -> Result<WebIdentityCredentialsProvider, Error> {
    let identity = WebIdentityCredentialsProvider::builder().wait_timeout(PATIENCE).build()?;
    let outcome = tokio::select! {
        // Any credentials last for at least zero seconds.
        outcome = identity.valid_for(Duration::ZERO) => outcome.map(drop),
        error = error_that_stays(&identity) => Err(error),
    };
    outcome.map(|()| identity)
}

/// Resolves with an error that waiting does not remove. Prints each other error once.
async fn error_that_stays(identity: &WebIdentityCredentialsProvider) -> Error {
    let (start, mut printed) = (Instant::now(), None);
    loop {
        sleep(Duration::from_millis(20)).await;
        let left = PATIENCE.saturating_sub(start.elapsed()).as_secs();
        match identity.status().last_error {
            Some(error) if error.kind() == ErrorKind::TokenUnavailable && !error.is_transient() && has_token_file() => {
                return error;
            }
            // `valid_for` returns this one at once.
            Some(error) if error.kind() == ErrorKind::InvalidConfiguration => {}
            Some(error) if printed != Some(error.kind()) => {
                printed = Some(error.kind());
                complain!("whoami: waiting up to {left} s more: {error}");
            }
            None if printed.is_none() && start.elapsed() > Duration::from_secs(1) => {
                printed = Some(ErrorKind::TimedOut);
                complain!("whoami: waiting up to {left} s more: the token or STS has not answered yet");
            }
            _ => {}
        }
    }
}

/// A missing file may still be written. An existing file is replaced only when the kubelet rotates the token.
fn has_token_file() -> bool {
    env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").is_some_and(|file| Path::new(&file).exists())
}

const PATIENCE: Duration = Duration::from_secs(30);

fn identity_of(status: &Status) -> Value {
    let token = status.token.as_ref();
    json!({
        "arn": status.assumed_role_arn,
        "account": status.account_id,
        "endpoint": status.endpoint,
        "credentials_expiry": status.expiry.map(text),
        "token": {
            "issuer": token.and_then(|claims| claims.issuer.as_deref()),
            "subject": token.and_then(|claims| claims.subject.as_deref()),
            "audience": token.map(|claims| claims.audience.as_slice()),
            "expiry": token.and_then(|claims| claims.expires_at).map(text),
        },
    })
}

fn failure_of(error: &Error) -> Value {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    json!({
        "kind": error.kind().as_str(),
        "message": error.to_string(),
        "code": error.code(),
        "request_id": error.request_id(),
        "causes": causes,
    })
}

fn print(as_json: bool, value: &Value) {
    if as_json {
        say!("{value:#}");
        return;
    }
    let show = |name: &str, value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            _ => "(not known)".to_owned(),
        };
        say!("{name:<20}{text}");
    };
    show("we are", &value["arn"]);
    show("account", &value["account"]);
    show("by", &value["endpoint"]);
    show("credentials until", &value["credentials_expiry"]);
    show("token issuer", &value["token"]["issuer"]);
    show("token subject", &value["token"]["subject"]);
    show("token audience", &value["token"]["audience"]);
    show("token until", &value["token"]["expiry"]);
}

fn text(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::DateTime).unwrap_or_else(|_| "(out of range)".to_owned())
}
