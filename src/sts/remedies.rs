//! Remedies: tell the reader of an error what to do. These do not depend on the operation. `web_identity` and `assume_role`
//! have remedies of their own.

use super::config::is_aws;
use super::connection_errors;
use super::failure_reason::Reason;
use super::request::Session;
use crate::error::in_words;

/// Facts that a remedy can name.
pub(crate) struct RemedyContext<'a> {
    pub(crate) session: &'a Session,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    /// The message of the error. It quotes the answer.
    pub(crate) message: &'a str,
}

/// Tells the reader of the error what to do.
pub(crate) fn remedy(reason: Reason, context: &RemedyContext<'_>) -> String {
    let RemedyContext { session, endpoint, region, .. } = *context;
    let role = &session.role_arn;
    let account = account_text(role);
    match reason {
        Reason::NoConnection(cause) => connection_errors::remedy(cause, context),
        Reason::NoAnswer => {
            let path = format!(
                "check the network path to {endpoint}: a firewall or security group that drops packets, a proxy, the VPC endpoint of \
                 STS in {region}.{} The exchange is tried again",
                fips_remedy(endpoint)
            );
            if context.message.contains("connect timeout") {
                path + ". Check DNS, too. If connecting is only slow, raise connect_timeout"
            } else {
                path + ". If STS is only slow, raise attempt_timeout"
            }
        }
        Reason::Broken | Reason::ServerFault => {
            let next_step = if is_aws(endpoint) {
                format!("look at the AWS Health Dashboard for {region}")
            } else {
                "look at the log of that server. If a proxy is set (HTTP_PROXY, HTTPS_PROXY), NO_PROXY must name the hosts of \
                 your own network"
                    .to_owned()
            };
            format!(
                "this is an outage of {endpoint}, or of a proxy in front of it. The exchange is tried again. If the outage \
                 lasts, {next_step}"
            )
        }
        Reason::Throttled => format!(
            "STS limits the calls of {account} in {region}, and the limit cannot be raised. Share one provider per process, \
             lengthen the sessions (session_length), start fewer pods at once. The exchange is tried again"
        ),
        Reason::SessionTooLong => format!(
            "{} is longer than {role} allows. Raise the role's MaxSessionDuration, or ask for less with session_length",
            session.length.map_or_else(|| "the session length".to_owned(), in_words)
        ),
        Reason::Setting => format!(
            "correct the setting that the answer names: role_arn ({role}), session_name, session_length or policy"
        ),
        Reason::Policy => {
            "correct the session policy (policy, policy_arns) as the answer says. Each ARN of policy_arns must exist"
                .to_owned()
        }
        Reason::PolicyTooLarge => {
            "shorten the session policy (policy), or name fewer policies (policy_arns). The answer says by how much"
                .to_owned()
        }
        Reason::RegionDisabled => format!(
            "activate STS in {region} for {account} (IAM, Account settings), or set AWS_REGION to an active region"
        ),
        Reason::StandbyDisabled => format!(
            "activate STS for {account} at the standby {endpoint} (IAM, Account settings), or name another standby. This \
             standby is not asked again; the next endpoint is asked instead"
        ),
        Reason::NotSent => format!(
            "check the region ({region}), AWS_ENDPOINT_URL_STS, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT: the region \
             may have no such endpoint"
        ),
        Reason::NoHttpClient => {
            "enable the feature default-https-client of aws-web-identity or of aws-config, or give Builder::configure an \
             SdkConfig with an http_client"
                .to_owned()
        }
        Reason::NotSts => format!(
            "a server that is not STS answers at {endpoint}. Check AWS_ENDPOINT_URL_STS, HTTPS_PROXY, and any proxy, portal or \
             firewall in between"
        ),
        Reason::Encoded => format!(
            "a proxy, gateway or service mesh in front of {endpoint} compresses the answers. Switch compression off there for \
             answers of STS"
        ),
        Reason::BadGrant => format!(
            "{endpoint} does not answer as STS does, or a proxy changes its answers. Check AWS_ENDPOINT_URL_STS and any proxy \
             in between"
        ),
        _ => format!(
            "correct what the answer names. If {endpoint} is not the STS that you mean, correct AWS_ENDPOINT_URL_STS"
        ),
    }
}

/// Only few regions have a FIPS endpoint.
pub(super) fn fips_remedy(endpoint: &str) -> &'static str {
    if endpoint.contains("//sts-fips.") {
        " FIPS endpoints are on, and STS has them in few regions: set AWS_USE_FIPS_ENDPOINT=false, or choose a region that has \
         one."
    } else {
        ""
    }
}

/// Permissions that the answer names, beside that of the operation itself.
pub(crate) fn missing_actions(context: &RemedyContext<'_>) -> impl Iterator<Item = &'static str> {
    ["sts:TagSession", "sts:SetSourceIdentity"].into_iter().filter(|action| context.message.contains(action))
}

/// The account of a role, in words.
pub(crate) fn account_text(role_arn: &str) -> String {
    let account = role_arn.split(':').nth(4).filter(|account| !account.is_empty());
    account.map_or_else(|| "the role's account".to_owned(), |account| format!("account {account}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::testing::{ROLE, session};

    #[test]
    fn timeout_remedy_names_the_setting_that_ended_it() {
        let session = session(ROLE);
        for (message, ends) in [
            (
                "HTTP connect timeout occurred after 2s",
                "Check DNS, too. If connecting is only slow, raise connect_timeout",
            ),
            ("no answer within 8 s", "tried again. If STS is only slow, raise attempt_timeout"),
        ] {
            let context =
                RemedyContext { session: &session, endpoint: "https://sts.x", region: "eu-central-1", message };
            let remedy = remedy(Reason::NoAnswer, &context);
            assert!(remedy.ends_with(ends), "{remedy}");
        }
    }

    #[test]
    fn outage_remedy_depends_on_the_server() {
        let session = session(ROLE);
        let remedy = |endpoint| {
            remedy(
                Reason::ServerFault,
                &RemedyContext { session: &session, endpoint, region: "eu-central-1", message: "" },
            )
        };
        assert!(remedy("https://sts.eu-west-1.amazonaws.com").contains("AWS Health Dashboard"));
        assert!(remedy("http://sts.storage.svc").contains("NO_PROXY"));
    }
}
