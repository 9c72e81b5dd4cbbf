//! STS: its endpoint, the exchange, and a request signed with the new credentials.

use std::time::Duration;

use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;
use aws_web_identity::{Error, WebIdentityCredentialsProvider};
use reqwest::Url;

use crate::clock::ClockOffset;
use crate::fetch;
use crate::report::Finding;
use crate::settings::Settings;
use crate::text::{causes, date};

pub(crate) struct Reached {
    pub(crate) endpoint: Finding,
    pub(crate) clock_offset: Option<ClockOffset>,
}

/// Any answer counts as reached, even an error: the exchange is judged elsewhere.
pub(crate) async fn reach(settings: &Settings) -> Reached {
    let failed = |endpoint| Reached { endpoint, clock_offset: None };
    let url = match settings.sts_url().await {
        Ok(url) => url,
        Err(finding) => return failed(finding),
    };
    let region = settings.region.as_deref().unwrap_or_default();
    let fips =
        if settings.use_fips { ", and whether the region has a FIPS endpoint (AWS_USE_FIPS_ENDPOINT)" } else { "" };
    let remedy = format!(
        "check AWS_REGION and AWS_ENDPOINT_URL_STS{fips}, and that the pod can reach it: DNS, network policy, HTTPS_PROXY and \
         NO_PROXY, the VPC endpoint of STS in {region}"
    );
    match Url::parse(&url) {
        Ok(parsed) if parsed.username().is_empty() && parsed.password().is_none() => match fetch::get(&parsed).await {
            Ok(answer) if matches!(answer.status, 502..=504) => Reached {
                endpoint: Finding::fail(
                    format!("{url} answers HTTP {}, as a proxy or gateway does that cannot reach STS", answer.status),
                    "if a proxy is set (HTTP_PROXY, HTTPS_PROXY), NO_PROXY must name the hosts of your own network; otherwise \
                     see to the server behind this URL",
                ),
                clock_offset: answer.clock_offset,
            },
            Ok(answer) => Reached {
                endpoint: Finding::pass(format!("{url} of {region} answers")),
                clock_offset: answer.clock_offset,
            },
            Err(error) => {
                let remedy = fetch::Tls::of(&error).map_or(remedy, |tls| tls.remedy().to_owned());
                failed(Finding::fail(format!("{url} cannot be reached: {error}"), remedy))
            }
        },
        _ => failed(Finding::fail("the STS endpoint is not a URL of a host alone", remedy)),
    }
}

pub(crate) struct Session {
    pub(crate) exchange: Finding,
    pub(crate) identity: Finding,
}

/// Makes the exchange as a service does, then a request signed with its credentials.
pub(crate) async fn session(settings: &Settings, has_token: bool) -> Session {
    let failed = |exchange| Session { exchange, identity: Finding::unknown("there are no credentials to ask with") };
    if !has_token {
        return failed(Finding::unknown("there is no token to exchange"));
    }
    let builder =
        WebIdentityCredentialsProvider::builder().attempt_timeout(ATTEMPT).wait_timeout(ATTEMPT).watch_token(false);
    let Ok(provider) = builder.build() else {
        return failed(Finding::unknown("not tried: a variable or the role is wrong"));
    };
    if let Err(error) = first_credentials(&provider).await {
        let remedy = error.remedy().unwrap_or("see what the answer says");
        let detail = causes(&error).replace(&format!(": {remedy}"), "");
        return failed(Finding::fail(detail, remedy));
    }
    let status = provider.status();
    let exchange = Finding::pass(format!(
        "{} until {}",
        status.assumed_role_arn.as_deref().unwrap_or("credentials"),
        status.expiry.map(date).unwrap_or_default()
    ));
    Session { exchange, identity: identity(settings, &provider).await }
}

/// Waits for an outage to pass. A refusal ends the wait.
async fn first_credentials(provider: &WebIdentityCredentialsProvider) -> Result<(), Error> {
    let refused = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Some(error) = provider.status().last_error.filter(|error| !error.is_transient()) {
                return error;
            }
        }
    };
    let outcome = tokio::time::timeout(EXCHANGE, async {
        tokio::select! {
            ready = provider.ready() => ready,
            error = refused => Err(error),
        }
    });
    match (outcome.await, provider.status().last_error) {
        (Ok(outcome), _) => outcome,
        (Err(_), Some(error)) => Err(error),
        // An exchange is still in progress. `refresh` joins it and returns its error.
        (Err(_), None) => provider.refresh().await.map(drop),
    }
}

async fn identity(settings: &Settings, provider: &WebIdentityCredentialsProvider) -> Finding {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(settings.region.clone().map(Region::new))
        .use_fips(settings.use_fips)
        .use_dual_stack(settings.use_dual_stack)
        .sleep_impl(TokioSleep::new())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(ATTEMPT).build())
        .build();
    let mut config = aws_sdk_sts::config::Builder::from(&provider.install(config));
    config.set_endpoint_url(settings.endpoint_url.clone());
    match Client::from_conf(config.build()).get_caller_identity().send().await {
        Ok(who) => {
            let named = |value: Option<&str>| value.unwrap_or("not named").to_owned();
            Finding::pass(format!("{}, account {}", named(who.arn()), named(who.account())))
        }
        Err(error) => {
            let status = error.raw_response().map(|response| response.status().as_u16());
            let code = error.code();
            // Some servers have the exchange only, for example Ceph.
            if matches!(status, Some(404 | 405 | 501)) || code == Some("InvalidAction") {
                return Finding::unknown("this STS does not know GetCallerIdentity");
            }
            // Only status, code and message: other parts of an SDK error may contain the request.
            let answer = match (status, code) {
                (None, _) => "no answer".to_owned(),
                (Some(status), None) => format!("status {status}"),
                (Some(_), Some(code)) => format!("{code}, {}", error.message().unwrap_or_default()),
            };
            Finding::fail(
                format!("a request signed with the new credentials failed: {answer}"),
                "GetCallerIdentity needs no permission: check the clock, and what stands between this pod and STS",
            )
        }
    }
}

const ATTEMPT: Duration = Duration::from_secs(5);
/// An attempt, with a second for its end.
const EXCHANGE: Duration = Duration::from_secs(6);
