//! The parameters of a request, and the bounds that AWS sets them.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, Request};
use serde_json::Value;

use super::refusal::Refusal;

/// The form in the body of a POST, or in the query of a presigned URL.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        Self::parse(if request.method() == Method::POST { request.body() } else { query })
    }

    pub(super) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The values of `<name>.member.<number>.<field>`, or of `<name>.member.<number>` if the field is empty.
    pub(super) fn list(&self, name: &str, field: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |(key, value)| {
            let rest = key.strip_prefix(name)?.strip_prefix(".member.")?;
            let of = rest.split_once('.').map_or("", |(_, of)| of);
            (of == field).then_some(&**value)
        })
    }

    /// A required parameter, within the bounds of its length.
    pub(super) fn sized(&self, name: &str, least: usize, most: usize) -> Result<&str, Refusal> {
        // The model spells parameters with a small first letter.
        let parameter = name[..1].to_lowercase() + &name[1..];
        let value = self.get(name).ok_or_else(|| Refusal::constraint(None, &parameter, "not be null"))?;
        // AWS never repeats a token.
        let shown = if name == "WebIdentityToken" { "***" } else { value };
        let length = value.chars().count();
        let bound = if length < least {
            format!("greater than or equal to {least}")
        } else if length > most {
            format!("less than or equal to {most}")
        } else {
            return Ok(value);
        };
        Err(Refusal::constraint(Some(shown), &parameter, format!("have length {bound}")))
    }
}

/// The parameters that both exchanges have, once they are found valid.
pub(super) struct ExchangeRequest<'a> {
    pub(super) role_arn: &'a str,
    pub(super) session_name: &'a str,
    pub(super) duration: Option<Duration>,
    /// Share of the room for session policies that is used, in percent.
    pub(super) packed_policy_size: Option<usize>,
}

impl<'a> ExchangeRequest<'a> {
    pub(super) fn parse(form: &'a Form) -> Result<Self, Refusal> {
        let role_arn = form.sized("RoleArn", 20, 2048)?;
        if !role_arn.starts_with("arn:") {
            return Err(Refusal::validation("Request ARN is invalid"));
        }
        let session_name = form.sized("RoleSessionName", 2, 64)?;
        if !session_name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
            let constraint = r"satisfy regular expression pattern: [\w+=,.@-]*";
            return Err(Refusal::constraint(Some(session_name), "roleSessionName", constraint));
        }
        Ok(Self {
            role_arn,
            session_name,
            duration: form.get("DurationSeconds").map(parse_duration).transpose()?,
            packed_policy_size: packed_policy_size(form)?,
        })
    }
}

fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let constraint = match text.parse() {
        Ok(seconds @ 900..=43_200) => return Ok(Duration::from_secs(seconds)),
        Ok(..900) => "have value greater than or equal to 900",
        Ok(43_201..) => "have value less than or equal to 43200",
        Err(_) => "be a number",
    };
    Err(Refusal::constraint(Some(text), "durationSeconds", constraint))
}

fn packed_policy_size(form: &Form) -> Result<Option<usize>, Refusal> {
    let mut bytes = None;
    if form.get("Policy").is_some() {
        let policy = form.sized("Policy", 1, MAX_POLICY)?;
        if !serde_json::from_str(policy).is_ok_and(|policy: Value| policy.is_object()) {
            return Err(Refusal::new(400, "MalformedPolicyDocument", "This policy contains invalid Json"));
        }
        bytes = Some(policy.len());
    }
    for arn in form.list("PolicyArns", "arn") {
        if !arn.starts_with("arn:") {
            return Err(Refusal::validation(format!("ARN {arn} is not valid.")));
        }
        bytes = Some(bytes.unwrap_or_default() + arn.len());
    }
    Ok(bytes.map(|bytes| (bytes * 100 / MAX_POLICY).min(100)))
}

const MAX_POLICY: usize = 2048;
