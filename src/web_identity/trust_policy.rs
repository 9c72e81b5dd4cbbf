//! The trust policy that lets a token assume a role, and why AWS cannot trust some issuers.

use std::net::IpAddr;

use serde_json::Value;

use super::TokenClaims;

impl TokenClaims {
    /// The trust policy in JSON that lets this token's identity, and no other, assume the role `role_arn`.
    ///
    /// The policy has one statement. Its principal is the issuer's OIDC provider in the account and partition of the role.
    /// Its condition is `StringEquals` on
    /// [`sub` and `aud`](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif).
    /// AWS compares `azp` instead of `aud` where a token has both. AWS names some issuers (`accounts.google.com`) without an
    /// ARN.
    ///
    /// `None` if the token lacks `iss`, `sub` or `aud`, or if `role_arn` is not a role's ARN. `None` also if the token is for
    /// the Kubernetes API server alone, because no role should trust such a token.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// # use aws_web_identity::{TokenClaims, test_util::{OidcIssuer, TokenSpec}};
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # let token = runtime.block_on(OidcIssuer::start()).mint(TokenSpec::service_account("shop", "checkout"));
    /// let claims = TokenClaims::parse(&token).unwrap();
    /// let policy = claims.trust_policy("arn:aws:iam::123456789012:role/checkout").unwrap();
    /// assert!(policy.contains("system:serviceaccount:shop:checkout"));
    /// # }
    /// ```
    pub fn trust_policy(&self, role_arn: &str) -> Option<String> {
        let parts: Vec<&str> = role_arn.splitn(6, ':').collect();
        let ["arn", _, "iam", "", _, role] = parts.as_slice() else { return None };
        role.strip_prefix("role/").filter(|name| !name.is_empty())?;
        let statement = trust_statement(role_arn, self, &["sts:AssumeRoleWithWebIdentity"])?;
        Some(format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#))
    }

    /// True if the Kubernetes API server is the only audience.
    pub(super) fn is_for_api_server(&self) -> bool {
        !self.audience.is_empty() && self.audiences().next().is_none()
    }

    /// The audiences without the API server's. A role must not trust that one: whoever receives a token for the API server can
    /// act as the pod there.
    fn audiences(&self) -> impl Iterator<Item = &str> {
        let of_pod = self.subject.as_deref().is_some_and(|subject| subject.starts_with("system:serviceaccount:"));
        self.audience.iter().map(String::as_str).filter(move |audience| {
            let host = audience.strip_prefix("https://").unwrap_or(audience);
            // By default the API server accepts the issuer's URL as audience.
            !(host.starts_with("kubernetes.default") || of_pod && self.issuer.as_deref() == Some(audience))
        })
    }
}

/// The statement that lets `claims` assume `role_arn`, with its keys in the usual order. `None` if a claim is missing.
pub(super) fn trust_statement(role_arn: &str, claims: &TokenClaims, actions: &[&str]) -> Option<String> {
    let issuer = claims.issuer.as_deref()?;
    let subject = claims.subject.as_deref()?;
    let audience: Vec<_> = match claims.authorized_party.as_deref().filter(|_| is_aws(role_arn)) {
        Some(client) => vec![client],
        None => claims.audiences().collect(),
    };
    let one_or_list = |list: &[&str]| if let [one] = list { Value::from(*one) } else { Value::from(list) };
    if audience.is_empty() {
        return None;
    }
    let key = bare(issuer);
    // `Value` escapes the claims, which may hold any text.
    let [federated, sub_key, aud_key, subject] =
        [provider_name(role_arn, issuer), format!("{key}:sub"), format!("{key}:aud"), subject.to_owned()]
            .map(Value::from);
    let (action, audience) = (one_or_list(actions), one_or_list(&audience));
    Some(format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":{federated}}},"Action":{action},"Condition":{{"StringEquals":{{{sub_key}:{subject},{aud_key}:{audience}}}}}}}"#
    ))
}

/// The IAM OIDC provider of the issuer: its ARN in the role's account, or the name of a built-in one.
pub(super) fn provider_name(role_arn: &str, issuer: &str) -> String {
    let bare = bare(issuer);
    if is_aws(role_arn) && BUILT_IN.contains(&bare) {
        return bare.to_owned();
    }
    let mut parts = role_arn.split(':');
    let partition = parts.nth(1).unwrap_or("aws");
    // STS servers other than AWS's have no accounts: the part stays empty.
    let account = parts.nth(2).unwrap_or_default();
    format!("arn:{partition}:iam::{account}:oidc-provider/{bare}")
}

/// Why AWS cannot have an OIDC provider for this issuer. `None` for other STS servers, which may.
pub(super) fn issuer_faults(role_arn: &str, issuer: &str) -> Option<String> {
    if !is_aws(role_arn) || BUILT_IN.contains(&bare(issuer)) {
        return None;
    }
    let authority = bare(issuer).split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        // A test, whose STS runs on the same machine.
        return None;
    }
    let mut faults = Vec::new();
    if !issuer.starts_with("https://") {
        faults.push("it does not begin with https://");
    }
    if address.is_some() {
        faults.push("its host is an IP address");
    } else if !host.contains('.') || host.contains(".svc.") || PRIVATE.iter().any(|end| host.ends_with(end)) {
        faults.push("its host is not known on the internet");
    }
    if port.is_some() {
        faults.push("it has a port");
    }
    (!faults.is_empty()).then(|| faults.join(", "))
}

/// Other STS servers leave the account empty, or name a tenant.
fn is_aws(role_arn: &str) -> bool {
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

/// The issuer without its scheme, as IAM writes it.
fn bare(issuer: &str) -> &str {
    issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://")).unwrap_or(issuer)
}

/// Issuers that need no OIDC provider in the account.
const BUILT_IN: [&str; 2] = ["accounts.google.com", "cognito-identity.amazonaws.com"];
/// Ends of host names that no public name server knows.
const PRIVATE: [&str; 7] = [".default", ".svc", ".local", ".localhost", ".internal", ".lan", ".test"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_identity::testing::jwt;

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";
    const ACTION: &[&str] = &["sts:AssumeRoleWithWebIdentity"];

    fn claims(payload: &str) -> TokenClaims {
        TokenClaims::parse(&jwt(payload)).unwrap()
    }

    #[test]
    fn trust_statement_holds_issuer_subject_and_audience_only() {
        for (role, payload, expected) in [
            (
                ROLE,
                r#"{"iss":"https://issuer.example.com/cluster","sub":"system:serviceaccount:shop:orders","aud":"sts.amazonaws.com"}"#,
                r#"{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/issuer.example.com/cluster"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"issuer.example.com/cluster:sub":"system:serviceaccount:shop:orders","issuer.example.com/cluster:aud":"sts.amazonaws.com"}}}"#,
            ),
            (
                "arn:aws-cn:iam::210987654321:role/path/app",
                r#"{"iss":"http://127.0.0.1:8080","sub":"a \"b\"\n*","aud":["one","two"]}"#,
                r#"{"Effect":"Allow","Principal":{"Federated":"arn:aws-cn:iam::210987654321:oidc-provider/127.0.0.1:8080"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"127.0.0.1:8080:sub":"a \"b\"\n*","127.0.0.1:8080:aud":["one","two"]}}}"#,
            ),
            (
                "arn:minio:iam:::role/app",
                r#"{"iss":"issuer.example.com","sub":"app","aud":"minio"}"#,
                r#"{"Effect":"Allow","Principal":{"Federated":"arn:minio:iam:::oidc-provider/issuer.example.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"issuer.example.com:sub":"app","issuer.example.com:aud":"minio"}}}"#,
            ),
        ] {
            let policy = trust_statement(role, &claims(payload), ACTION).unwrap();
            assert_eq!(policy, expected);
            serde_json::from_str::<Value>(&policy).unwrap();
        }
        for payload in [r#"{"sub":"a","aud":"b"}"#, r#"{"iss":"a","aud":"b"}"#, r#"{"iss":"a","sub":"b"}"#] {
            assert_eq!(trust_statement(ROLE, &claims(payload), ACTION), None, "{payload}");
        }
    }

    #[test]
    fn built_in_issuer_is_named_without_arn() {
        let token = claims(r#"{"iss":"https://accounts.google.com","sub":"1","aud":"me","azp":"2"}"#);
        assert_eq!(
            trust_statement(ROLE, &token, ACTION).unwrap(),
            r#"{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"accounts.google.com:sub":"1","accounts.google.com:aud":"2"}}}"#
        );
        assert_eq!(
            trust_statement("arn:minio:iam:::role/app", &token, &["a", "b"]).unwrap(),
            r#"{"Effect":"Allow","Principal":{"Federated":"arn:minio:iam:::oidc-provider/accounts.google.com"},"Action":["a","b"],"Condition":{"StringEquals":{"accounts.google.com:sub":"1","accounts.google.com:aud":"me"}}}"#
        );
    }

    #[test]
    fn api_servers_audience_is_never_trusted() {
        let pod = "system:serviceaccount:shop:orders";
        for (issuer, subject, audience, policy) in [
            ("https://a.example", pod, r#""https://kubernetes.default.svc""#, None),
            ("https://a.example", pod, r#""https://kubernetes.default.svc.cluster.local""#, None),
            ("https://a.example", pod, r#"["https://a.example","kubernetes.default"]"#, None),
            (
                "https://a.example",
                pod,
                r#"["https://kubernetes.default.svc","sts.amazonaws.com"]"#,
                Some("sts.amazonaws.com"),
            ),
            ("https://a.example", "ci", r#""https://a.example""#, Some("https://a.example")),
        ] {
            let claims = claims(&format!(r#"{{"iss":"{issuer}","sub":"{subject}","aud":{audience}}}"#));
            let given = claims.trust_policy(ROLE).map(|policy| serde_json::from_str::<Value>(&policy).unwrap());
            let trusted =
                given.map(|given| given["Statement"][0]["Condition"]["StringEquals"]["a.example:aud"].clone());
            assert_eq!(trusted, policy.map(Value::from), "{audience}");
            assert_eq!(claims.is_for_api_server(), policy.is_none(), "{audience}");
        }
        assert!(!claims("{}").is_for_api_server());
    }

    #[test]
    fn issuer_out_of_reach_of_aws_is_explained() {
        let private = "its host is not known on the internet";
        for (issuer, faults) in [
            ("https://oidc.example.com/cluster", None),
            ("https://accounts.google.com", None),
            ("accounts.google.com", None),
            ("https://kubernetes.default.svc", Some(private)),
            ("https://kubernetes.default.svc.cluster.local", Some(private)),
            ("https://kubernetes.default.svc.shop.example.com", Some(private)),
            ("https://shop.local/", Some(private)),
            ("http://127.0.0.1:6443", None),
            ("https://localhost:6443/", None),
            ("https://oidc.example.com:6443", Some("it has a port")),
            ("https://10.0.0.1:6443/a:b", Some("its host is an IP address, it has a port")),
            ("https://[fd00::1]/", Some("its host is an IP address")),
            ("https://[fd00::1]:6443/", Some("its host is an IP address, it has a port")),
            ("http://oidc.example.com", Some("it does not begin with https://")),
            ("oidc.example.com", Some("it does not begin with https://")),
            (
                "kubernetes/serviceaccount",
                Some("it does not begin with https://, its host is not known on the internet"),
            ),
        ] {
            assert_eq!(issuer_faults(ROLE, issuer).as_deref(), faults, "{issuer}");
        }
        assert_eq!(
            issuer_faults("arn:aws:iam:::role/app", "https://kubernetes.default.svc"),
            None,
            "Ceph may reach it"
        );
    }

    #[test]
    fn a_policy_is_the_statement_in_a_document() {
        let claims = claims(
            r#"{"iss":"https://issuer.example.com","sub":"system:serviceaccount:shop:orders","aud":"sts.amazonaws.com"}"#,
        );
        let policy: Value = serde_json::from_str(&claims.trust_policy(ROLE).unwrap()).unwrap();
        let statement: Value = serde_json::from_str(&trust_statement(ROLE, &claims, ACTION).unwrap()).unwrap();
        assert_eq!(policy, serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }));
    }

    #[test]
    fn policy_needs_a_role_and_an_audience() {
        let whole = claims(r#"{"iss":"https://a","sub":"b","aud":"c"}"#);
        for role in [
            "",
            "app",
            "arn:aws:iam::123456789012:user/app",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::1:assumed-role/a/b",
        ] {
            assert_eq!(whole.trust_policy(role), None, "{role}");
        }
        assert!(whole.trust_policy("arn:aws:iam:::role/app").is_some());
        assert_eq!(claims(r#"{"iss":"https://a","sub":"b"}"#).trust_policy(ROLE), None);
    }
}
