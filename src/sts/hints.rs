//! What an error of STS tells its reader to do, whatever was sent. Pure: from what is known to a sentence.

use super::config::Session;
use super::reason::Reason;

/// Who was asked for what.
pub(crate) struct Asked<'a> {
    pub(crate) session: &'a Session,
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
}

/// The next step of whoever reads the error, where the proof that was sent has nothing to do with it.
pub(crate) fn hint(reason: Reason, asked: &Asked<'_>) -> String {
    let Asked { session, endpoint, region } = *asked;
    let role = &session.role_arn;
    let account = account_text(role);
    match reason {
        Reason::Unreachable => format!(
            "check that the pod may reach {endpoint}: DNS, network policy, HTTPS_PROXY and NO_PROXY, the VPC endpoint of \
             STS in {region}; it is tried again until then"
        ),
        Reason::Certificate => format!(
            "the certificate of {endpoint} is not trusted here: check the container's CA certificates, its clock, and a \
             proxy that opens TLS, whose CA must be given to the HTTP client"
        ),
        Reason::NoAnswer => format!(
            "check the way to {endpoint} (a firewall that drops packets, a proxy, a VPC endpoint of STS in {region}); an \
             STS that is merely slow is tried again"
        ),
        Reason::Broken | Reason::ServerFault => format!(
            "this is an outage of {endpoint} or of a proxy before it, and is tried again; if it lasts, look at the AWS \
             Health Dashboard for {region}"
        ),
        Reason::Throttled => format!(
            "STS limits the calls of {account} in {region}, and the limit cannot be raised: share one provider per process, \
             lengthen the sessions (session_length), start fewer pods at once"
        ),
        Reason::SessionTooLong => format!(
            "{} is longer than {role} allows: raise the role's MaxSessionDuration, or ask for less with session_length",
            session.length.map_or_else(|| "the session length".to_owned(), |length| format!("{} s", length.as_secs()))
        ),
        Reason::Setting => {
            format!("mend role_arn ({role}), session_name, session_length or policy, whichever the answer names")
        }
        Reason::Policy => "mend the session policy (policy, policy_arns) as the answer says".to_owned(),
        Reason::PolicyTooLarge => {
            "shorten the session policy, or name fewer policies (policy, policy_arns); the answer says by how much"
                .to_owned()
        }
        Reason::RegionDisabled => format!(
            "activate STS in {region} for {account} (IAM, Account settings), or use another region (AWS_REGION)"
        ),
        Reason::StandbyDisabled => format!(
            "activate STS for {account} at the standby {endpoint} (IAM, Account settings), or name another; it is not asked \
             there again, and tried elsewhere"
        ),
        Reason::NotSent => format!(
            "check the region ({region}), AWS_ENDPOINT_URL_STS, and the FIPS and dual-stack settings; without the feature \
             default-https-client an HTTP client must be given by configure"
        ),
        Reason::NotSts => format!(
            "something else answers at {endpoint}: check AWS_ENDPOINT_URL_STS, HTTPS_PROXY, and any proxy, portal or \
             firewall in between"
        ),
        Reason::Encoded => format!(
            "something between here and {endpoint} compresses the answers, such as a proxy, a gateway or a service mesh: \
             switch compression off there for answers of STS"
        ),
        Reason::BadGrant => format!(
            "{endpoint} does not keep to STS's protocol, or something in between changes its answers: check \
             AWS_ENDPOINT_URL_STS and any proxy"
        ),
        _ => format!(
            "the answer's own words say what to mend; if {endpoint} is not meant to be STS, correct AWS_ENDPOINT_URL_STS"
        ),
    }
}

/// The account of a role, in words.
pub(crate) fn account_text(role_arn: &str) -> String {
    let account = role_arn.split(':').nth(4).filter(|account| !account.is_empty());
    account.map_or_else(|| "the role's account".to_owned(), |account| format!("account {account}"))
}
