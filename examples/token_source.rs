//! Credentials for a GitHub Actions job: the token is not in a file, the runner gives it over HTTP.
//!
//! `cargo run --example token_source` in a job with `permissions: id-token: write`, which sets
//! `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`; and with `AWS_ROLE_ARN`, `AWS_REGION` and, for an STS
//! that is not AWS's, `AWS_ENDPOINT_URL_STS`. Prints who the job is to AWS. Exit status 0, or 1 with the reason.
//!
//! What GitHub's endpoint expects and answers:
//! <https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token>

#[macro_use]
mod output;

use std::env;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::token_source::{ProvideToken, Token, TokenError, future};
use reqwest::Url;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The OIDC endpoint of the runner that a job runs on.
pub(crate) struct GithubActions {
    http: reqwest::Client,
    url: Url,
    request_token: String,
}

impl GithubActions {
    /// As the runner says it in its variables. The audience is whom the tokens are for.
    pub(crate) fn from_env(audience: &str) -> Result<Self> {
        let variable = |name| {
            env::var(name).map_err(|_| format!("{name} is not set: does the job have `permissions: id-token: write`?"))
        };
        Self::new(&variable("ACTIONS_ID_TOKEN_REQUEST_URL")?, variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?, audience)
    }

    pub(crate) fn new(url: &str, request_token: String, audience: &str) -> Result<Self> {
        let mut url = Url::parse(url)?;
        url.query_pairs_mut().append_pair("audience", audience);
        Ok(Self { http: reqwest::Client::new(), url, request_token })
    }

    async fn ask(&self) -> Result<Token> {
        let answer = self.http.get(self.url.clone()).bearer_auth(&self.request_token).send().await;
        // The URL in its errors is of no use to a reader, and long.
        let answer = answer.and_then(reqwest::Response::error_for_status).map_err(reqwest::Error::without_url)?;
        let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        Ok(Token::new(answer["value"].as_str().ok_or("the answer has no text in `value`")?)?)
    }
}

impl ProvideToken for GithubActions {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::new(async { self.ask().await.map_err(TokenError::from) })
    }
}

impl fmt::Debug for GithubActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubActions").field("host", &self.url.host_str()).finish_non_exhaustive()
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
    Ok(identity.status().assumed_role_arn.unwrap_or_else(|| "(STS did not say who)".to_owned()))
}
