//! The ARN of a role: its rule, and the remedies for other text.

use std::borrow::Cow;

use super::invalid_value::{bare, invalid_value, is_name_byte, is_placeholder, is_token, quoted};
use super::region::{PARTITIONS, partition_of};
use super::standbys::is_aws;
use crate::environment::Given;
use crate::error::BuildError;
use crate::sts::EndpointConfig;

const FORM: &str = "write the whole ARN without blanks, as arn:aws:iam::123456789012:role/NAME";

/// Accepts a role that the STS at `home` can know. `region`: the region of `home`, and what gave it.
pub(super) fn parse(arn: Given<String>, home: &EndpointConfig, region: &Given<String>) -> Result<String, BuildError> {
    if let Some(remedy) = flaw(&arn.value, is_aws(home.endpoint_url.as_deref())) {
        return Err(invalid_value(arn.by, format_args!("{}, which is not a role's ARN", quoted(&arn.value)), remedy));
    }
    if home.endpoint_url.is_none() {
        check_partition(&arn, region)?;
    }
    Ok(arn.value)
}

/// STS knows only the roles of its own partition. A partition that is not in our list may be new, and is accepted.
fn check_partition(role: &Given<String>, region: &Given<String>) -> Result<(), BuildError> {
    let of_role = role.value.split(':').nth(1).unwrap_or_default();
    let of_region = partition_of(&region.value);
    let is_known = of_role == "aws" || PARTITIONS.iter().any(|(_, partition)| *partition == of_role);
    if !is_known || of_role == of_region {
        return Ok(());
    }
    Err(invalid_value(
        role.by.clone(),
        format_args!(
            "{}, a role of partition {of_role}, but {} is {}, a region of partition {of_region}",
            quoted(&role.value),
            region.by,
            quoted(&region.value)
        ),
        "STS knows only the roles of its own partition; change the role or the region",
    ))
}

/// The remedy for text that is no role. At AWS a role is `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`. Other servers
/// have names of their own.
fn flaw(arn: &str, at_aws: bool) -> Option<Cow<'static, str>> {
    if let Some((role, _)) = arn.split_once(",arn:") {
        // The login pages of SAML give both together, in either order.
        let role = [role, &arn[role.len() + 1..]].into_iter().find(|part| part.contains(":role/")).unwrap_or(role);
        let remedy = format!(
            "this is a SAML pair of role and provider; give only the role, {}, and let it trust the token's OIDC \
             issuer",
            quoted(role)
        );
        return Some(remedy.into());
    }
    if bare(arn) != arn {
        return Some(format!("remove the quotes and blanks around it: {}", quoted(bare(arn))).into());
    }
    if is_placeholder(arn) {
        return Some(
            "its placeholder was not replaced; write the whole ARN, as arn:aws:iam::123456789012:role/NAME".into(),
        );
    }
    if arn.chars().any(|c| !(c.is_alphanumeric() || c.is_ascii_graphic())) {
        return Some(FORM.into());
    }
    if at_aws {
        return flaw_at_aws(arn);
    }
    if !(20..=2048).contains(&arn.chars().count()) {
        return Some(format!("STS takes 20 to 2048 characters; at AWS {FORM}").into());
    }
    // Logs and errors name the role. A secret key has no colon in it.
    (is_token(arn) || !arn.contains(':')).then(|| FORM.into())
}

fn flaw_at_aws(arn: &str) -> Option<Cow<'static, str>> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, service, "", account, resource] = parts.as_slice() else {
        let is_name = !arn.contains(':') && is_role_name(arn);
        return Some(if is_name { format!("this is only the role's name; {FORM}").into() } else { FORM.into() });
    };
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    let is_number = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    let is_partition = !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let remedy = match (service, kind) {
        ("sts", "assumed-role") => {
            let role = name.split('/').next().unwrap_or_default();
            let role = quoted(&format!("arn:{partition}:iam::{account}:role/{role}"));
            return Some(
                format!("this is a session of the role; use the role's own ARN, {role} (and its path, if it has one)")
                    .into(),
            );
        }
        ("iam", "user" | "group" | "root") => {
            "a user, a group or an account cannot be assumed; create a role that trusts the issuer and use its ARN"
        }
        ("iam", "instance-profile" | "policy" | "oidc-provider" | "saml-provider") => {
            "this is the ARN of an instance profile, a policy or an identity provider; use the ARN of the role itself, \
             with role/ in its last part"
        }
        ("iam", "role") if !is_role_name(name) || !is_partition => FORM,
        ("iam", "role") if !is_number => {
            "an AWS account has 12 digits; write them there, or set the endpoint (AWS_ENDPOINT_URL_STS) if the server \
             is not AWS's"
        }
        ("iam", "role") if account.len() != 12 => {
            "an AWS account has 12 digits; a template may have read the account as a number and dropped a leading \
             zero: put quotes around the account there"
        }
        ("iam", "role") if arn.len() > 2048 => "STS takes at most 2048 characters",
        ("iam", "role") => return None,
        _ => FORM,
    };
    Some(remedy.into())
}

/// The name may begin with a path.
fn is_role_name(name: &str) -> bool {
    let (path, name) = name.rsplit_once('/').unwrap_or(("", name));
    path.bytes().all(|b| b.is_ascii_graphic()) && (1..=64).contains(&name.len()) && name.bytes().all(is_name_byte)
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;

    use super::*;

    const BY: &str = "AWS_ROLE_ARN";

    fn role(arn: &str, at_aws: bool) -> Result<String, String> {
        let partition = arn.split(':').nth(1).unwrap_or_default();
        let region = PARTITIONS.iter().find(|(_, name)| *name == partition).map_or("eu-", |(prefix, _)| prefix);
        let region = Region::new(format!("{region}central-1"));
        in_region(arn, at_aws, region)
    }

    fn in_region(arn: &str, at_aws: bool, region: Region) -> Result<String, String> {
        let by_variable = Given { by: "AWS_REGION".into(), value: region.to_string() };
        let home = EndpointConfig { region, endpoint_url: (!at_aws).then(|| "https://ceph.example".to_owned()) };
        parse(Given { by: BY.into(), value: arn.to_owned() }, &home, &by_variable).map_err(|error| error.to_string())
    }

    #[test]
    fn role_of_another_server_is_any_name() {
        let longest = format!("urn:{}", "x".repeat(2044));
        for arn in [
            "arn:aws:iam:::role/app",
            "arn:aws:iam::RGW00000000000000001:role/app",
            "arn:aws:iam::77:role/app",
            "arn:aws:iam::role/ClientRole",
            "arn:minio:iam:::role/nOybJqMNzNmroqEKq5D0EUsRZw0",
            "urn:ecs:iam::s3:role/x",
            "urn:sgws:identity::12345:group/x",
            "arn:aws:iam::123456789012:role/a,b",
            &longest,
        ] {
            assert_eq!(role(arn, false), Ok(arn.to_owned()));
        }
        for arn in ["arn:aws:iam:::role/app", "urn:ecs:iam::s3:role/x", "arn:aws:iam::role/ClientRole"] {
            assert!(role(arn, true).is_err(), "AWS has none of these: {arn}");
        }
        for secret in ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjIn0.canary:canary", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY1"]
        {
            assert!(role(secret, false).err().unwrap().ends_with(FORM));
        }
        let too_long = format!("{longest}x");
        for arn in ["app", "arn:x:iam::a:role/a", &too_long] {
            assert!(
                role(arn, false)
                    .err()
                    .unwrap()
                    .contains(": STS takes 20 to 2048 characters; at AWS write the whole ARN")
            );
        }
    }

    #[test]
    fn no_server_takes_malformed_roles() {
        let whole = "arn:aws:iam::123456789012:role/app";
        let saml = "arn:aws:iam::123456789012:saml-provider/idp";
        for (arn, remedy) in [
            (
                format!("{whole},{saml}"),
                "this is a SAML pair of role and provider; give only the role, \"arn:aws:iam::123456789012:role/app\"",
            ),
            (
                format!("{saml},{whole}"),
                "this is a SAML pair of role and provider; give only the role, \"arn:aws:iam::123456789012:role/app\"",
            ),
            (format!("\"{whole}\""), "remove the quotes and blanks around it: \"arn:aws:iam::123456789012:role/app\""),
            (format!("'{whole}'"), "remove the quotes and blanks around it: "),
            (format!("{whole}\n"), "remove the quotes and blanks around it: "),
            (format!(" {whole}"), "remove the quotes and blanks around it: "),
            (whole.replace("123456789012", "<ACCOUNT_ID>"), "its placeholder was not replaced; write"),
            (whole.replace("123456789012", "${ACCOUNT}"), "its placeholder was not replaced; write"),
            (whole.replace("123456789012", "$(ACCOUNT)"), "its placeholder was not replaced; write"),
            (whole.replace("app", "{{ .Values.role }}"), "its placeholder was not replaced; write"),
            (whole.replace("app", "a b"), FORM),
            (whole.replace("app", "a\u{202e}b"), FORM),
        ] {
            for at_aws in [true, false] {
                let error = role(&arn, at_aws).err().unwrap();
                assert!(error.contains(&format!("which is not a role's ARN: {remedy}")), "{error}");
            }
        }
    }

    #[test]
    fn p12_text_that_is_no_role_gets_a_remedy() {
        let zero = "an AWS account has 12 digits; a template may have read the account as a number and dropped a \
                    leading zero: put quotes around the account there";
        let account = "an AWS account has 12 digits; write them there, or set the endpoint (AWS_ENDPOINT_URL_STS) if \
                       the server is not AWS's";
        let nobody =
            "a user, a group or an account cannot be assumed; create a role that trusts the issuer and use its ARN";
        let belongs = "this is the ARN of an instance profile, a policy or an identity provider; use the ARN of the role \
                       itself, with role/ in its last part";
        let alone = format!("this is only the role's name; {FORM}");
        let long_name = format!("arn:aws:iam::123456789012:role/{}", "x".repeat(65));
        for (arn, remedy) in [
            ("", FORM),
            ("app", &alone),
            ("role/app", &alone),
            ("123456789012:role/app", FORM),
            ("arn:aws:iam::123456789012:role/", FORM),
            ("arn:aws:iam::123456789012:role", FORM),
            ("arn:aws:iam:eu-west-1:123456789012:role/app", FORM),
            ("arn::iam::123456789012:role/app", FORM),
            ("arn:aws:s3:::bucket/role/app", FORM),
            (&long_name, FORM),
            ("arn:aws:iam::12345678901:role/app", zero),
            ("arn:aws:iam::1234-5678-9012:role/app", account),
            ("arn:aws:iam::ACCOUNT_ID:role/app", account),
            ("arn:aws:iam:::role/app", account),
            (
                "arn:aws:sts::123456789012:assumed-role/app/pod-1",
                "this is a session of the role; use the role's own ARN, \"arn:aws:iam::123456789012:role/app\" (and \
                 its path, if it has one)",
            ),
            ("arn:aws:iam::123456789012:instance-profile/app", belongs),
            ("arn:aws:iam::123456789012:user/app", nobody),
            ("arn:aws:iam::123456789012:group/app", nobody),
            ("arn:aws:iam::123456789012:root", nobody),
            ("arn:aws:iam::123456789012:policy/app", belongs),
            ("arn:aws:iam::123456789012:oidc-provider/oidc.example/id", belongs),
        ] {
            let expected = format!("AWS_ROLE_ARN is {arn:?}, which is not a role's ARN: {remedy}");
            assert_eq!(role(arn, true).err(), Some(expected));
        }
        for arn in [
            "arn:aws:iam::123456789012:role/app",
            "arn:aws:iam::123456789012:role/team/web/app_1+=,.@-",
            "arn:aws-cn:iam::123456789012:role/app",
            "arn:aws-us-gov:iam::123456789012:role/app",
        ] {
            assert_eq!(role(arn, true), Ok(arn.to_owned()));
        }
        let long_path = format!("arn:aws:iam::123456789012:role/{}/app", "x".repeat(2048));
        assert!(
            role(&long_path, true)
                .err()
                .unwrap()
                .ends_with("... (2083 bytes), which is not a role's ARN: STS takes at most 2048 characters")
        );
    }

    #[test]
    fn role_must_be_in_the_regions_partition() {
        let check = |partition: &str, region: &str| {
            let arn = format!("arn:{partition}:iam::123456789012:role/app");
            in_region(&arn, true, Region::new(region.to_owned())).map(drop)
        };
        for (partition, region) in [
            ("aws", "eu-central-1"),
            ("aws-cn", "cn-north-1"),
            ("aws-eusc", "eusc-de-east-1"),
            ("aws-iso", "us-iso-east-1"),
            ("aws-iso-b", "us-isob-east-1"),
            ("aws-us-gov", "us-gov-west-1"),
            ("aws-newer-than-this", "xx-north-1"),
            ("aws", "xx-north-1"),
        ] {
            assert_eq!(check(partition, region), Ok(()), "{partition} {region}");
        }
        assert_eq!(
            check("aws-cn", "us-east-1").unwrap_err(),
            "AWS_ROLE_ARN is \"arn:aws-cn:iam::123456789012:role/app\", a role of partition aws-cn, but AWS_REGION is \
             \"us-east-1\", a region of partition aws: STS knows only the roles of its own partition; change the role \
             or the region"
        );
        assert!(check("aws", "us-gov-west-1").is_err());
    }
}
