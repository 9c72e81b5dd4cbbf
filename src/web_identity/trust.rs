//! The trust that a role must have in a token. Pure: from claims to a policy.

use serde_json::Value;

use super::TokenClaims;

impl TokenClaims {
    /// The trust policy, in JSON, that lets this token and no other identity assume the role `role_arn`.
    ///
    /// One statement: the issuer's OIDC provider in the role's account and partition as principal, and `StringEquals` on the
    /// provider's [`sub` and `aud`](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif).
    /// `None` if the token lacks `iss`, `sub` or `aud`, or if this is not a role's ARN.
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
        let statement = trust_statement(role_arn, self)?;
        Some(format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#))
    }
}

/// The statement that lets `claims` assume `role_arn`, in the order in which people write it; none if the token does not say
/// whose it is.
pub(super) fn trust_statement(role_arn: &str, claims: &TokenClaims) -> Option<String> {
    let issuer = claims.issuer.as_deref()?;
    let subject = claims.subject.as_deref()?;
    let audience = match claims.audience.as_slice() {
        [] => return None,
        [one] => Value::from(one.as_str()),
        several => Value::from(several),
    };
    let key = bare(issuer);
    // `Value` escapes whatever a claim may hold.
    let [federated, sub_key, aud_key, subject] =
        [provider_arn(role_arn, issuer), format!("{key}:sub"), format!("{key}:aud"), subject.to_owned()]
            .map(Value::from);
    Some(format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":{federated}}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{{sub_key}:{subject},{aud_key}:{audience}}}}}}}"#
    ))
}

/// Of the IAM provider that vouches for the issuer, in the role's account.
pub(super) fn provider_arn(role_arn: &str, issuer: &str) -> String {
    let mut parts = role_arn.split(':');
    let partition = parts.nth(1).unwrap_or("aws");
    // Servers other than AWS have no accounts: the part stays empty.
    let account = parts.nth(2).unwrap_or_default();
    format!("arn:{partition}:iam::{account}:oidc-provider/{}", bare(issuer))
}

/// IAM names an issuer without its scheme.
fn bare(issuer: &str) -> &str {
    issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://")).unwrap_or(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_identity::testing::jwt;

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";

    fn claims(payload: &str) -> TokenClaims {
        TokenClaims::parse(&jwt(payload)).unwrap()
    }

    #[test]
    fn the_trust_statement_holds_issuer_subject_and_audience_and_nothing_else() {
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
            let policy = trust_statement(role, &claims(payload)).unwrap();
            assert_eq!(policy, expected);
            serde_json::from_str::<Value>(&policy).unwrap();
        }
        for payload in [r#"{"sub":"a","aud":"b"}"#, r#"{"iss":"a","aud":"b"}"#, r#"{"iss":"a","sub":"b"}"#] {
            assert_eq!(trust_statement(ROLE, &claims(payload)), None, "{payload}");
        }
    }

    #[test]
    fn a_policy_is_the_statement_in_a_document() {
        let claims = claims(
            r#"{"iss":"https://issuer.example.com","sub":"system:serviceaccount:shop:orders","aud":"sts.amazonaws.com"}"#,
        );
        let policy: Value = serde_json::from_str(&claims.trust_policy(ROLE).unwrap()).unwrap();
        let statement: Value = serde_json::from_str(&trust_statement(ROLE, &claims).unwrap()).unwrap();
        assert_eq!(policy, serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }));
    }

    #[test]
    fn there_is_no_policy_for_what_is_no_role_or_for_nobody() {
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
