//! The settings in the environment, and their checks.

use std::path::PathBuf;

use aws_sdk_sts::config::Region;
use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::SdkConfig;
use aws_web_identity::{BuildError, WebIdentityCredentialsProvider};

use crate::report::Finding;

pub(crate) struct Settings {
    pub(crate) role_arn: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) region: Option<String>,
    /// Endpoint of an STS that is not AWS's.
    pub(crate) endpoint_url: Option<String>,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
}

impl Settings {
    pub(crate) fn from_environment() -> Self {
        let endpoint_url = || text("AWS_ENDPOINT_URL_STS").or_else(|| text("AWS_ENDPOINT_URL"));
        Self {
            role_arn: text("AWS_ROLE_ARN"),
            token_file: std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").filter(|path| !path.is_empty()).map(Into::into),
            region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
            endpoint_url: (!flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")).then(endpoint_url).flatten(),
            use_fips: flag("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: flag("AWS_USE_DUALSTACK_ENDPOINT"),
        }
    }

    /// True if the exchange goes to AWS, which then must trust the issuer.
    pub(crate) fn asks_aws(&self) -> bool {
        self.endpoint_url.as_deref().is_none_or(|url| url.contains(".amazonaws."))
    }

    pub(crate) fn variables(&self) -> Finding {
        let wanted = [
            ("AWS_ROLE_ARN", "the role's ARN", self.role_arn.is_some()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "the path of the projected token", self.token_file.is_some()),
            ("AWS_REGION", "the region of STS", self.region.is_some()),
        ];
        let missing: Vec<_> = wanted.iter().filter(|(.., is_set)| !is_set).collect();
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|(name, ..)| *name).collect();
            let steps: Vec<_> = missing.iter().map(|(name, what, _)| format!("{name} to {what}")).collect();
            if self.role_arn.is_none() && self.token_file.is_none() && pod_identity() {
                return Finding::fail(
                    format!(
                        "not set: {}; this pod has EKS Pod Identity (AWS_CONTAINER_CREDENTIALS_FULL_URI)",
                        names.join(", ")
                    ),
                    "EKS Pod Identity gives credentials without a web identity token: keep them fresh with \
                     BackgroundCredentialsProvider, as the example pod_identity does. For web identity instead, delete \
                     the pod identity association, annotate the service account with eks.amazonaws.com/role-arn and \
                     recreate the pod",
                );
            }
            let webhook = if self.role_arn.is_none() && self.token_file.is_none() {
                "; where the EKS webhook does that, annotate the service account with eks.amazonaws.com/role-arn and \
                 recreate the pod"
            } else {
                ""
            };
            return Finding::fail(
                format!("not set: {}", names.join(", ")),
                format!("set {}{webhook}", steps.join(", ")),
            );
        }
        match WebIdentityCredentialsProvider::builder().build() {
            Ok(_) => Finding::pass(self.description()),
            // No value is shown, since a misplaced one may be a secret.
            Err(error) if is_of_role(&error) => {
                Finding::unknown("all are set; role says what is wrong with AWS_ROLE_ARN")
            }
            Err(error) => refused(&error),
        }
    }

    pub(crate) fn role(&self) -> Finding {
        let Some(arn) = &self.role_arn else { return Finding::unknown("AWS_ROLE_ARN is not set") };
        let mut parts = arn.splitn(6, ':').skip(1);
        let partition = parts.next().unwrap_or_default();
        let build = |region: &str| {
            let region = Region::new(region.to_owned());
            let config = SdkConfig::builder().region(region).use_fips(false).use_dual_stack(false).build();
            let mut builder = WebIdentityCredentialsProvider::builder().configure(&config);
            if self.endpoint_url.is_some() {
                builder = builder.endpoint_url("https://localhost");
            }
            builder.token_file("token").session_name("doctor").build()
        };
        // All other settings are valid here. If the region is not, one of the role's partition replaces it.
        let outcome = match self.region.as_deref().map(build) {
            Some(outcome) if outcome.as_ref().err().is_none_or(is_of_role) => outcome,
            _ => build(match partition {
                "aws-cn" => "cn-north-1",
                "aws-us-gov" => "us-gov-west-1",
                _ => "eu-central-1",
            }),
        };
        match outcome {
            Err(error) if is_of_role(&error) => refused(&error),
            Err(_) => Finding::unknown("not checked: first correct variables"),
            Ok(_) => {
                let account = match parts.nth(2).unwrap_or_default() {
                    "" => "no account".to_owned(),
                    account => format!("account {account}"),
                };
                Finding::pass(format!("{arn}: {account}, partition {partition}"))
            }
        }
    }

    /// URL of STS, by the SDK's rules.
    pub(crate) async fn sts_url(&self) -> Result<String, Finding> {
        let Some(region) = &self.region else {
            return Err(Finding::fail("there is no region", "set AWS_REGION to the region of STS"));
        };
        // It becomes part of a host name, and may be a misplaced secret.
        if region.len() > 32 || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Finding::unknown("not asked: AWS_REGION holds no region"));
        }
        let params = Params::builder()
            .region(region)
            .set_endpoint(self.endpoint_url.clone())
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .use_global_endpoint(false)
            .build();
        let resolved = match params {
            Ok(params) => DefaultResolver::new().resolve_endpoint(&params).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        resolved.map(|endpoint| endpoint.url().to_owned()).map_err(|reason| {
            Finding::fail(
                format!("there is no STS endpoint for region {region}: {reason}"),
                "correct AWS_REGION, AWS_ENDPOINT_URL_STS, AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT: the region may \
                 have no such endpoint",
            )
        })
    }

    fn description(&self) -> String {
        let path = self.token_file.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let mut facts = format!(
            "AWS_ROLE_ARN {}, AWS_WEB_IDENTITY_TOKEN_FILE {path}, region {}",
            self.role_arn.as_deref().unwrap_or_default(),
            self.region.as_deref().unwrap_or_default()
        );
        if let Some(url) = &self.endpoint_url {
            facts.push_str(&format!(", STS at {url}"));
        }
        if pod_identity() {
            facts.push_str("; EKS Pod Identity is set up as well, and other programs in this pod may prefer it");
        }
        facts
    }
}

fn is_of_role(error: &BuildError) -> bool {
    error.to_string().starts_with("AWS_ROLE_ARN ")
}

fn refused(error: &BuildError) -> Finding {
    let (text, remedy) = (error.to_string(), error.remedy());
    Finding::fail(text.strip_suffix(remedy).unwrap_or(&text).trim_end_matches(": "), remedy)
}

/// An empty variable counts as absent, as in the crate.
fn text(name: &str) -> Option<String> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

fn pod_identity() -> bool {
    text("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some()
}

fn flag(name: &str) -> bool {
    text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
