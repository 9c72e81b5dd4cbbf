//! What an error of STS tells its reader to do, whatever was sent. Pure: from what is known to a sentence.

use super::config::Session;
use super::reason::Reason;
use crate::blocking::RAISE_LIMIT;

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
            "this machine has no CA certificates, so {endpoint} cannot be trusted. Install the package ca-certificates in the \
             base image, or set SSL_CERT_FILE (a file) or SSL_CERT_DIR (a directory) to where certificates are. If one of \
             these is set already, check that its path exists and can be read. AWS_CA_BUNDLE is not read"
        ),
        Reason::NoThread => format!("{RAISE_LIMIT}; it is tried again"),
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
        Reason::BadGrant => format!(
            "{endpoint} does not keep to STS's protocol, or something in between changes its answers: check \
             AWS_ENDPOINT_URL_STS and any proxy"
        ),
        _ => format!(
            "the answer's own words say what to mend; if {endpoint} is not meant to be STS, correct AWS_ENDPOINT_URL_STS"
        ),
    }
}

const OWN_CLIENT: &str = "An HTTP client that the program gives to the builder must be given the CA itself";

/// The account of a role, in words.
pub(crate) fn account_text(role_arn: &str) -> String {
    let account = role_arn.split(':').nth(4).filter(|account| !account.is_empty());
    account.map_or_else(|| "the role's account".to_owned(), |account| format!("account {account}"))
}
