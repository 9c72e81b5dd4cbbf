//! What an error of STS tells its reader to do, whatever was sent. Pure: from what is known to a sentence.

use super::config::Session;
use super::reason::Reason;
use crate::blocking::RAISE_LIMIT;
use crate::error::in_words;

/// Who was asked for what.
pub(crate) struct Asked<'a> {
    pub(crate) session: &'a Session,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    /// The message of the error, with the words of the answer.
    pub(crate) said: &'a str,
}

/// The next step of whoever reads the error, where the proof that was sent has nothing to do with it.
pub(crate) fn hint(reason: Reason, asked: &Asked<'_>) -> String {
    let Asked { session, endpoint, region, .. } = *asked;
    let role = &session.role_arn;
    let account = account_text(role);
    match reason {
        Reason::Unreachable => unreachable(asked),
        Reason::Certificate => format!(
            "TLS with {endpoint} fails. A proxy or firewall on the way may break it. A server that is not AWS's may lack \
             TLS 1.2 or 1.3. {OWN_CLIENT}"
        ),
        Reason::CertificateHost => format!(
            "another host answers at {endpoint}. Check the host name in AWS_ENDPOINT_URL_STS, the DNS entry, and any proxy on \
             the way. If that is your own STS, its certificate must name the host in this URL"
        ),
        Reason::CertificateAuthority => format!(
            "the CA that signed the certificate of {endpoint} is not trusted here. Find out whether a proxy opens TLS or the \
             server has a private CA. If so, write that CA (PEM) into a file together with the system's CAs, and set \
             SSL_CERT_FILE to the file. SSL_CERT_FILE replaces the system's set; SSL_CERT_DIR names a directory instead. \
             AWS_CA_BUNDLE is not read. {OWN_CLIENT}"
        ),
        Reason::CertificateTime => format!(
            "the certificate of {endpoint} has expired, or is not valid yet, by the clock of this machine. Compare this clock \
             with a time server first. If the clock is right, whoever runs {endpoint} (or a proxy that opens TLS) must renew \
             the certificate"
        ),
        Reason::NotTls if endpoint.starts_with("http://") => format!(
            "the server at {endpoint} speaks TLS, but the URL begins with http. Set AWS_ENDPOINT_URL_STS to the same URL with \
             https"
        ),
        Reason::NotTls => format!(
            "the server at {endpoint} does not speak TLS. Check the port in AWS_ENDPOINT_URL_STS; a server in your own network \
             that speaks plain HTTP needs a URL with http. If HTTPS_PROXY is set, its own URL often must begin with http"
        ),
        Reason::NoCertificates => format!(
            "{endpoint} cannot be trusted without them. Install the package ca-certificates in the \
             base image, or set SSL_CERT_FILE (a file) or SSL_CERT_DIR (a directory) to where certificates are. If one of \
             these is set already, check that its path exists and can be read. AWS_CA_BUNDLE is not read"
        ),
        Reason::NoThread => format!("{RAISE_LIMIT}. The exchange is tried again"),
        Reason::NoAnswer => format!(
            "check the way to {endpoint}: a firewall or security group that drops packets, a proxy, the VPC endpoint of STS in \
             {region}.{} The exchange is tried again; if STS is only slow, raise attempt_timeout",
            fips(endpoint)
        ),
        Reason::Broken | Reason::ServerFault if is_aws(endpoint) => format!(
            "this is an outage of {endpoint}, or of a proxy before it. The exchange is tried again. If it lasts, look at the \
             AWS Health Dashboard for {region}"
        ),
        Reason::Broken | Reason::ServerFault => format!(
            "this is an outage of {endpoint}, or of a proxy before it. The exchange is tried again. If it lasts, look at the \
             log of that server. If a proxy is set (HTTP_PROXY, HTTPS_PROXY), NO_PROXY must name the hosts of your own network"
        ),
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
            "correct the session policy (policy, policy_arns) where the answer says. Each ARN of policy_arns must exist"
                .to_owned()
        }
        Reason::PolicyTooLarge => {
            "shorten the session policy (policy), or name fewer policies (policy_arns). The answer says by how much"
                .to_owned()
        }
        Reason::RegionDisabled => format!(
            "activate STS in {region} for {account} (IAM, Account settings), or set AWS_REGION to a region that is active there"
        ),
        Reason::StandbyDisabled => format!(
            "activate STS for {account} at the standby {endpoint} (IAM, Account settings), or name another standby. This one is \
             not asked again; the next endpoint is"
        ),
        Reason::NotSent => format!(
            "check the region ({region}), AWS_ENDPOINT_URL_STS, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT: the region \
             may have no such endpoint"
        ),
        Reason::NoHttpClient => {
            "enable the feature default-https-client of aws-web-identity or of aws-config, or give \
                                 Builder::configure an SdkConfig with an http_client"
                .to_owned()
        }
        Reason::NotSts => format!(
            "something else than STS answers at {endpoint}. Check AWS_ENDPOINT_URL_STS, HTTPS_PROXY, and any proxy, portal or \
             firewall on the way"
        ),
        Reason::Encoded => format!(
            "something between here and {endpoint} compresses the answers, such as a proxy, a gateway or a service mesh: \
             switch compression off there for answers of STS"
        ),
        Reason::BadGrant => format!(
            "{endpoint} does not answer as STS does, or a proxy changes its answers. Check AWS_ENDPOINT_URL_STS and any proxy \
             on the way"
        ),
        _ => format!(
            "correct what the answer names. If {endpoint} is not the STS that you mean, correct AWS_ENDPOINT_URL_STS"
        ),
    }
}

/// Where it went wrong stands in the words of the operating system, the resolver or the proxy.
fn unreachable(asked: &Asked<'_>) -> String {
    let Asked { endpoint, region, .. } = *asked;
    let said = asked.said.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let check = if says(&["tunnel"]) {
        format!(
            "the proxy of HTTPS_PROXY refuses the way to {endpoint}. Let the proxy allow that host, or name it in NO_PROXY."
        )
    } else if says(&["dns", "lookup", "resolve"]) {
        let variable =
            if is_aws(endpoint) { format!("AWS_REGION ({region})") } else { "AWS_ENDPOINT_URL_STS".to_owned() };
        format!("the host of {endpoint} is not found. Check {variable}, and the DNS of this pod.")
    } else if says(&["refused"]) {
        format!(
            "nothing accepts connections at {endpoint}. Check the host and the port, and HTTP_PROXY and HTTPS_PROXY if a proxy \
             is set. A firewall or network policy may also refuse connections."
        )
    } else {
        let tls = if endpoint.starts_with("http://") {
            " If the server there speaks TLS, write https in the URL."
        } else {
            ""
        };
        format!(
            "check that this pod can reach {endpoint}: DNS, network policy, security groups, HTTPS_PROXY and NO_PROXY, the VPC \
             endpoint of STS in {region}.{tls}"
        )
    };
    check + fips(endpoint) + " The exchange is tried again"
}

fn is_aws(endpoint: &str) -> bool {
    [".amazonaws.", ".api.aws"].iter().any(|name| endpoint.contains(name))
}

/// For an endpoint that exists in few regions.
fn fips(endpoint: &str) -> &'static str {
    if endpoint.contains("//sts-fips.") {
        " FIPS endpoints are on, and STS has them in few regions: set AWS_USE_FIPS_ENDPOINT=false, or choose a region that has \
         one."
    } else {
        ""
    }
}

/// Permissions beside that of the operation itself which the answer misses.
pub(crate) fn missing_actions(asked: &Asked<'_>) -> impl Iterator<Item = &'static str> {
    ["sts:TagSession", "sts:SetSourceIdentity"].into_iter().filter(|action| asked.said.contains(action))
}

const OWN_CLIENT: &str = "An HTTP client that the program gives to the builder must be given the CA itself";

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
    fn missing_connection_is_explained_by_its_text() {
        let session = session(ROLE);
        for (endpoint, said, begins) in [
            (
                "https://sts.eu-central-1.amazonaws.com",
                "dns error: no such name",
                "the host of https://sts.eu-central-1.amazonaws.com is not found. Check AWS_REGION (eu-central-1)",
            ),
            (
                "https://sts.example.com",
                "failed to lookup address",
                "the host of https://sts.example.com is not found. Check AWS_ENDPOINT_URL_STS",
            ),
            (
                "https://sts.example.com",
                "tunnel error: unsuccessful",
                "the proxy of HTTPS_PROXY refuses the way to https://sts.example.com.",
            ),
            (
                "https://sts.example.com",
                "Connection refused (os error 111)",
                "nothing accepts connections at https://sts.example.com.",
            ),
            (
                "https://sts.example.com",
                "Connection reset by peer",
                "check that this pod can reach https://sts.example.com: DNS",
            ),
        ] {
            let hint = hint(Reason::Unreachable, &Asked { session: &session, endpoint, region: "eu-central-1", said });
            assert!(hint.starts_with(begins) && hint.ends_with("The exchange is tried again"), "{said}: {hint}");
            assert!(!hint.contains("write https in the URL"), "{hint}");
        }
        let asked =
            |endpoint| Asked { session: &session, endpoint, region: "eu-central-1", said: "Connection reset by peer" };
        assert!(hint(Reason::Unreachable, &asked("http://sts.example.com")).contains("write https in the URL"));
        assert!(
            hint(Reason::ServerFault, &asked("https://sts.eu-west-1.amazonaws.com")).contains("AWS Health Dashboard")
        );
        assert!(hint(Reason::ServerFault, &asked("http://sts.storage.svc")).contains("NO_PROXY"));
    }
}
