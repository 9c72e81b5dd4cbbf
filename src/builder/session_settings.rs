//! The rules of a session: its length and its policies.

use std::time::Duration;

use super::SessionSettings;
use super::invalid_value::{invalid_value, quoted};
use crate::environment::Given;
use crate::error::BuildError;
use crate::sts::Session;

/// The rules in which a web identity and a chained role differ.
pub(super) struct SessionRules {
    pub(super) builder: &'static str,
    pub(super) longest_seconds: u64,
    pub(super) about_length: &'static str,
}

impl SessionSettings {
    /// `role_arn` and `name` are already checked.
    pub(super) fn resolve(self, rules: &SessionRules, role_arn: String, name: String) -> Result<Session, BuildError> {
        let builder = rules.builder;
        Ok(Session {
            role_arn,
            name,
            length: self.length.map(|length| rules.length(length)).transpose()?,
            policy: self.policy.map(|json| policy(Given::to(builder, "policy", json))).transpose()?,
            policy_arns: policy_arns(Given::to(builder, "policy_arns", self.policy_arns))?,
        })
    }
}

impl SessionRules {
    fn length(&self, length: Duration) -> Result<Duration, BuildError> {
        if length.subsec_nanos() == 0 && (900..=self.longest_seconds).contains(&length.as_secs()) {
            return Ok(length);
        }
        Err(invalid_value(format!("{}::session_length", self.builder), format_args!("{length:?}"), self.about_length))
    }
}

fn policy(policy: Given<String>) -> Result<String, BuildError> {
    let Given { by, value: json } = policy;
    let remedy = "give a session policy as JSON, {\"Version\":\"2012-10-17\",\"Statement\":[...]}";
    if json.trim().is_empty() {
        return Err(invalid_value(by, "empty", "give a session policy as JSON, or do not set one"));
    }
    let is_object = match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(value) => value.is_object(),
        Err(error) => return Err(invalid_value(by, "not JSON", remedy).with_source(error)),
    };
    if !is_object {
        return Err(invalid_value(by, "not a JSON object", remedy));
    }
    let length = json.chars().count();
    if length > 2048 {
        let remedy = "STS takes at most 2048; remove white space, or use a managed policy with policy_arns";
        return Err(invalid_value(by, format_args!("{length} characters long"), remedy));
    }
    if let Some(odd) = json.chars().find(|c| !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')) {
        let problem = format_args!("JSON with the character {}", quoted(&odd.to_string()));
        return Err(invalid_value(by, problem, "write it as a \\u escape; STS accepts only Latin-1"));
    }
    Ok(json)
}

fn policy_arns(arns: Given<Vec<String>>) -> Result<Vec<String>, BuildError> {
    let Given { by, value: arns } = arns;
    if arns.len() > 10 {
        return Err(invalid_value(
            by,
            format_args!("{} ARNs", arns.len()),
            "STS takes at most 10 managed policies; merge some, or give their statements to policy",
        ));
    }
    let is_valid = |arn: &&String| {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", partition, "iam", "", _, resource] = parts.as_slice() else { return false };
        let name = resource.strip_prefix("policy/").unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
        is_name && !partition.is_empty() && arn.len() <= 2048
    };
    match arns.iter().find(|arn| !is_valid(arn)) {
        None => Ok(arns),
        Some(arn) => Err(invalid_value(
            by,
            format_args!("{}, which is not a managed policy's ARN", quoted(arn)),
            "write it as arn:aws:iam::123456789012:policy/NAME, or arn:aws:iam::aws:policy/NAME for one of AWS's own",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::resolve::SESSION_RULES;
    use crate::builder::testing::{given, text};

    #[test]
    fn a_session_lasts_fifteen_minutes_to_twelve_hours() {
        for seconds in [900, 3600, 43_200] {
            assert!(SESSION_RULES.length(Duration::from_secs(seconds)).is_ok());
        }
        for length in [Duration::ZERO, Duration::from_secs(899), Duration::from_secs(43_201), Duration::MAX] {
            assert!(SESSION_RULES.length(length).is_err(), "{length:?}");
        }
        assert_eq!(
            text(SESSION_RULES.length(Duration::from_millis(900_500))),
            Err(
                "Builder::session_length is 900.5s: STS takes whole seconds from 900 (15 min) to 43200 (12 h), and no \
                 more than the role's MaxSessionDuration"
                    .to_owned()
            )
        );
    }

    #[test]
    fn policy_is_a_json_object_with_a_limit() {
        let of_length = |length: usize| format!("{{\"Id\":\"{}\"}}", "x".repeat(length - 9));
        for json in ["{}".to_owned(), " {\"Version\":\"2012-10-17\"}\n".to_owned(), of_length(2048)] {
            assert_eq!(text(policy(given(json.clone()))), Ok(json));
        }
        for (json, problem) in [
            (String::new(), "empty: "),
            (" \n".to_owned(), "empty: "),
            ("{".to_owned(), "not JSON: "),
            ("{} {}".to_owned(), "not JSON: "),
            ("[".repeat(100_000), "not JSON: "),
            ("[]".to_owned(), "not a JSON object: "),
            ("\"{}\"".to_owned(), "not a JSON object: "),
            (of_length(2049), "2049 characters long: "),
            ("{\"Id\":\"\u{20ac}\"}".to_owned(), "JSON with the character \"\u{20ac}\": "),
        ] {
            let error = text(policy(given(json))).unwrap_err();
            assert!(error.starts_with(&format!("X is {problem}")), "{error}");
        }
    }

    #[test]
    fn at_most_ten_policies_by_their_arns() {
        let arns = |arns: &[&str]| {
            let value = arns.iter().map(|arn| (*arn).to_owned()).collect();
            policy_arns(Given::to("Builder", "policy_arns", value)).map_err(|error| error.to_string())
        };
        let read_only = "arn:aws:iam::aws:policy/ReadOnlyAccess";

        assert!(arns(&[]).is_ok());
        assert!(arns(&[read_only, "arn:aws-cn:iam::123456789012:policy/team/own"]).is_ok());
        assert!(arns(&[read_only; 10]).is_ok());
        assert_eq!(
            arns(&[read_only; 11]).unwrap_err(),
            "Builder::policy_arns is 11 ARNs: STS takes at most 10 managed policies; merge some, or give their statements to \
             policy"
        );
        assert_eq!(
            arns(&[read_only, "ReadOnlyAccess"]).unwrap_err(),
            "Builder::policy_arns is \"ReadOnlyAccess\", which is not a managed policy's ARN: write it as \
             arn:aws:iam::123456789012:policy/NAME, or arn:aws:iam::aws:policy/NAME for one of AWS's own"
        );
        for arn in ["", "arn:aws:iam::aws:policy/", "arn:aws:iam::aws:role/x", "arn:aws:iam::aws:policy/a b"] {
            assert!(arns(&[arn]).is_err(), "{arn}");
        }
    }
}
