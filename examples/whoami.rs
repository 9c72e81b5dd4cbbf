//! Who this pod is to AWS: from the environment alone, against whatever STS that names.
//!
//! `cargo run --example whoami [-- --json]`, with `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_REGION` and, for an STS
//! that is not AWS's, `AWS_ENDPOINT_URL_STS`. Exit status 0, or 1 with the reason and what to do.

use std::error::Error as _;
use std::process::ExitCode;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_web_identity::{Error, Status, WebIdentityCredentialsProvider};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let as_json = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--json" => true,
        _ => {
            eprintln!("usage: whoami [--json]");
            return ExitCode::FAILURE;
        }
    };
    let outcome = WebIdentityCredentialsProvider::builder().connect().await;
    let succeeded = outcome.is_ok();
    match outcome {
        Ok(identity) => print(as_json, &identity_of(&identity.status())),
        Err(error) if as_json => print(true, &json!({ "error": failure_of(&error) })),
        Err(error) => {
            eprintln!("whoami: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
        }
    }
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

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
        "kind": format!("{:?}", error.kind()),
        "message": error.to_string(),
        "code": error.code(),
        "request_id": error.request_id(),
        "causes": causes,
    })
}

fn print(as_json: bool, value: &Value) {
    if as_json {
        println!("{value:#}");
        return;
    }
    let show = |name: &str, value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            _ => "(not known)".to_owned(),
        };
        println!("{name:<20}{text}");
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
