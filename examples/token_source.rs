//! Credentials for a GitHub Actions job. There the token is not in a file: the runner gives it over HTTP.
//!
//! Run `cargo run --example token_source` in a job with `permissions: id-token: write`. The runner then sets
//! `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`. Set `AWS_ROLE_ARN` and `AWS_REGION`, and
//! `AWS_ENDPOINT_URL_STS` for an STS that is not AWS's. The program prints the job's role. The exit status is 0, or 1
//! with the reason.
//!
//! GitHub documents the endpoint here:
//! <https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token>

#[macro_use]
mod output;

use std::env;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::token_source::{ProvideToken, Token, TokenError, future};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The OIDC endpoint of the runner.
pub(crate) struct GithubActions {
    /// The SDK's HTTP client. Any other client works, too.
    http: Connector,
    url: String,
    request_token: String,
}

impl GithubActions {
    /// Reads the runner's variables. The IAM OIDC provider must list the audience.
    pub(crate) fn from_env(audience: &str) -> Result<Self> {
        let variable = |name| {
            env::var(name).map_err(|_| format!("{name} is not set: does the job have `permissions: id-token: write`?"))
        };
        Ok(Self::new(&variable("ACTIONS_ID_TOKEN_REQUEST_URL")?, variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?, audience))
    }

    /// The URL must have a query already, as the runner's has.
    pub(crate) fn new(url: &str, request_token: String, audience: &str) -> Self {
        let http = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
        Self { http, url: format!("{url}&audience={audience}"), request_token }
    }

    async fn ask(&self) -> Result<Token> {
        let mut request = HttpRequest::empty();
        request.set_uri(self.url.as_str())?;
        request.headers_mut().try_insert("authorization", format!("Bearer {}", self.request_token))?;
        let answer = self.http.call(request).await?;
        let status = answer.status();
        let body = ByteStream::new(answer.into_body()).collect().await?.into_bytes();
        if !status.is_success() {
            return Err(format!("the runner answers with status {status}").into());
        }
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        Ok(Token::new(answer["value"].as_str().ok_or("the runner's answer has no text in `value`")?)?)
    }
}

impl ProvideToken for GithubActions {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::new(async { self.ask().await.map_err(TokenError::from) })
    }
}

impl fmt::Debug for GithubActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubActions").finish_non_exhaustive()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(arn) => {
            say!("{arn}");
            ExitCode::SUCCESS
        }
        Err(error) => output::failed("token_source", &*error),
    }
}

async fn run() -> Result<String> {
    let source = GithubActions::from_env("sts.amazonaws.com")?;
    let identity = WebIdentityCredentialsProvider::builder().token_source(source).connect().await?;
    Ok(identity.status().assumed_role_arn.unwrap_or_else(|| "STS did not name the role".to_owned()))
}
