//! The remedies in the errors of a chained role.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sts::{self, ChainSettings, Reason, account_text};

/// The facts that a remedy can name.
pub(super) struct RemedyContext<'a> {
    pub(super) exchange: sts::RemedyContext<'a>,
    pub(super) base_role_arn: &'a str,
    /// Identity of the base, once it has credentials.
    pub(super) base_session_arn: Option<&'a str>,
    pub(super) settings: &'a ChainSettings,
}

pub(super) fn remedy(reason: Reason, context: &RemedyContext<'_>) -> String {
    let RemedyContext { base_role_arn: base, base_session_arn, .. } = *context;
    let role = &context.exchange.session.role_arn;
    match reason {
        Reason::RoleDenied => {
            let actions = actions(context);
            let allowed = actions.join(" and ");
            let must = if base.starts_with("arn:") {
                format!("have this statement: {} - and a policy of {base}", trust_statement(context, &actions))
            } else {
                // A name of the program's own is no principal.
                format!(
                    "allow {allowed} to the role or user behind {base}, which STS names in its answer. A policy of it"
                )
            };
            format!(
                "check that {role} exists. Its trust policy must {must} must allow {allowed} on {role}. If both do, check \
                 that the statement has no further condition, and that no session policy or permissions boundary of \
                 {base}, resource control policy, service control policy or VPC endpoint policy denies it"
            )
        }
        Reason::KeyRejected => format!(
            "STS rejected the credentials of {}, which signed the request. They are refreshed, and the exchange is \
             tried again. If this lasts, check in turn: (1) the clock of this machine; (2) the sessions of {base} \
             were not revoked; (3) the region {} is enabled for {}, where {base} is; (4) AWS_ENDPOINT_URL_STS is the STS \
             that gave the base its credentials",
            base_session_arn.unwrap_or(base),
            context.exchange.region,
            account_text(base),
        ),
        Reason::SessionTooLong => format!(
            "a chained session lasts one hour at most, even if {role} allows longer sessions without a chain. A shorter \
             MaxSessionDuration of the role is a limit, too. Set a shorter session_length"
        ),
        Reason::Setting => format!(
            "correct the setting that the answer names: the role ({role}), session_name, session_length, policy, \
             external_id, tags, transitive_tag_keys or source_identity. A transitive tag of the session of {base} \
             cannot be set again"
        ),
        Reason::PolicyTooLarge => {
            "shorten the session policy (policy), or name fewer policies (policy_arns) or tags (tags). The answer \
             says by how much"
                .to_owned()
        }
        other => sts::remedy(other, &context.exchange),
    }
}

/// The actions that the request needs. A denial by STS names one of them.
fn actions(context: &RemedyContext<'_>) -> Vec<&'static str> {
    let ChainSettings { tags, source_identity, .. } = context.settings;
    let of_tags = (!tags.is_empty()).then_some("sts:TagSession");
    let of_identity = source_identity.as_ref().map(|_| "sts:SetSourceIdentity");
    let all =
        ["sts:AssumeRole"].into_iter().chain(of_tags).chain(of_identity).chain(sts::missing_actions(&context.exchange));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The statement that lets the base assume the role. Its keys are in the usual order.
fn trust_statement(context: &RemedyContext<'_>, actions: &[&str]) -> String {
    let principal = Value::from(context.base_role_arn);
    let action = if let [one] = actions { Value::from(*one) } else { Value::from(actions) };
    let condition = context.settings.external_id.as_ref().map_or_else(String::new, |id| {
        let condition = json!({ "StringEquals": { "sts:ExternalId": id } });
        format!(r#","Condition":{condition}"#)
    });
    format!(r#"{{"Effect":"Allow","Principal":{{"AWS":{principal}}},"Action":{action}{condition}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::testing::session;

    const BASE: &str = "arn:aws:iam::123456789012:role/teams/checkout";

    #[test]
    fn denial_names_no_principal_that_iam_refuses() {
        let session = session("arn:aws:iam::210987654321:role/data");
        let exchange =
            sts::RemedyContext { session: &session, endpoint: "https://x", region: "eu-central-1", message: "" };
        let settings = ChainSettings::default();
        let context =
            RemedyContext { exchange, base_role_arn: "EKS Pod Identity", base_session_arn: None, settings: &settings };
        let remedy = remedy(Reason::RoleDenied, &context);
        assert!(
            remedy.contains(
                "Its trust policy must allow sts:AssumeRole to the role or user behind EKS Pod Identity, which STS names in \
                 its answer. A policy of it must allow sts:AssumeRole on arn:aws:iam::210987654321:role/data."
            ) && !remedy.contains("Principal"),
            "{remedy}"
        );
    }

    fn of(reason: Reason) -> String {
        said(reason, &ChainSettings::default(), "STS answered AccessDenied")
    }

    fn said(reason: Reason, settings: &ChainSettings, said: &str) -> String {
        let session = session("arn:aws:iam::210987654321:role/data");
        let exchange = sts::RemedyContext {
            session: &session,
            endpoint: "https://sts.example.com",
            region: "eu-central-1",
            message: said,
        };
        remedy(reason, &RemedyContext { exchange, base_role_arn: BASE, base_session_arn: None, settings })
    }

    #[test]
    fn p12_denial_names_base_and_missing_statement() {
        let remedy = of(Reason::RoleDenied);
        let statement = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/teams/checkout"},"Action":"sts:AssumeRole"}"#;
        assert!(
            remedy.contains(&format!(
                "check that arn:aws:iam::210987654321:role/data exists. Its trust policy must \
                                        have this statement: {statement} - and a policy of {BASE} must allow \
                                        sts:AssumeRole on arn:aws:iam::210987654321:role/data."
            )),
            "{remedy}"
        );

        let settings = ChainSettings { external_id: Some(r#"a"b"#.to_owned()), ..ChainSettings::default() };
        let remedy = said(Reason::RoleDenied, &settings, "");
        let statement = remedy.split_once("statement: ").unwrap().1.split_once(" - ").unwrap().0;
        let statement: Value = serde_json::from_str(statement).unwrap();
        assert_eq!(statement["Condition"], json!({ "StringEquals": { "sts:ExternalId": "a\"b" } }));
    }

    #[test]
    fn denied_session_tags_are_named() {
        let text =
            "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: sts:TagSession on resource: data";
        let remedy = said(Reason::RoleDenied, &ChainSettings::default(), text);
        assert!(remedy.contains(r#""Action":["sts:AssumeRole","sts:TagSession"]}"#), "{remedy}");
        assert!(remedy.contains("must allow sts:AssumeRole and sts:TagSession on arn:"), "{remedy}");
    }

    #[test]
    fn denial_names_each_action_that_was_sent() {
        let with = |tags: &[(&str, &str)], identity: Option<&str>| {
            let tags = tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            let source_identity = identity.map(str::to_owned);
            let settings = ChainSettings { tags, source_identity, ..ChainSettings::default() };
            said(Reason::RoleDenied, &settings, "not authorized to perform: sts:AssumeRole on resource: data")
        };
        let tagged = with(&[("team", "lake")], None);
        assert!(tagged.contains(r#""Action":["sts:AssumeRole","sts:TagSession"]}"#), "{tagged}");
        let identified = with(&[], Some("jane"));
        assert!(identified.contains(r#""Action":["sts:AssumeRole","sts:SetSourceIdentity"]}"#), "{identified}");
        let both = with(&[("team", "lake")], Some("jane"));
        assert!(both.contains(r#""Action":["sts:AssumeRole","sts:SetSourceIdentity","sts:TagSession"]}"#), "{both}");
        assert!(with(&[], None).contains(r#""Action":"sts:AssumeRole"}"#));
    }

    #[test]
    fn chained_denial_names_every_kind_of_policy() {
        let remedy = of(Reason::RoleDenied);
        for part in ["session policy", "permissions boundary", "resource control", "service control", "VPC endpoint"] {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
    }

    #[test]
    fn rejected_base_key_names_its_region() {
        let remedy = of(Reason::KeyRejected);
        for part in ["clock", "revoked", "eu-central-1 is enabled for account 123456789012", "AWS_ENDPOINT_URL_STS"] {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
    }

    #[test]
    fn p12_remedies_name_the_settings_of_the_chain() {
        assert!(of(Reason::SessionTooLong).contains("one hour at most"));
        assert!(of(Reason::KeyRejected).contains(BASE));
        assert!(of(Reason::Setting).contains("transitive_tag_keys or source_identity"));
        assert!(of(Reason::PolicyTooLarge).contains("or tags (tags)"));
        assert!(of(Reason::Throttled).contains("account 210987654321"));
    }
}
