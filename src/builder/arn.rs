//! ARNs, and the partitions in them.

use super::parse::{is_name_byte, quoted, refused};
use crate::environment::Given;
use crate::error::BuildError;

const FORM: &str = "write it whole and without blanks, as arn:aws:iam::123456789012:role/NAME";

/// What the rules here accept: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
pub(super) struct RoleArn(String);

impl RoleArn {
    /// With `at_aws` the role is to be one that AWS can know. Other STS servers have roles without account or of
    /// accounts that are names.
    pub(super) fn parse(arn: &Given<String>, at_aws: bool) -> Result<Self, BuildError> {
        let refuse = |remedy: &str| {
            Err(refused(arn.by, format_args!("{}, which is not an IAM role's ARN", quoted(&arn.value)), remedy))
        };
        let parts: Vec<&str> = arn.value.splitn(6, ':').collect();
        let &["arn", partition, service, "", account, resource] = parts.as_slice() else {
            return refuse(FORM);
        };
        match (service, resource.split_once('/')) {
            ("iam", Some(("role", name))) if is_role_name(name) => {}
            ("sts", Some(("assumed-role", name))) => {
                let role = name.split('/').next().unwrap_or_default();
                return refuse(&format!(
                    "this is a session of the role; use the role's own ARN, arn:{partition}:iam::{account}:role/{role} \
                     (and its path, if it has one)"
                ));
            }
            ("iam", Some(("instance-profile", _))) => {
                return refuse(
                    "this is an instance profile; use the ARN of the role in it, with role/ in its last part",
                );
            }
            ("iam", Some(("user", _))) => {
                return refuse("a user cannot be assumed; make a role that trusts the issuer and use its ARN");
            }
            _ => return refuse(FORM),
        }
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if partition.is_empty() || !is_plain(partition) || !is_plain(account) {
            return refuse(FORM);
        }
        let is_number = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
        if at_aws && is_number && account.len() != 12 {
            return refuse(
                "an AWS account has 12 digits; did a template take it for a number and drop a leading zero?",
            );
        }
        if arn.value.len() > 2048 {
            return refuse("STS takes at most 2048 characters");
        }
        Ok(Self(arn.value.clone()))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// STS knows only the roles of its own partition. A partition that we do not know may be newer than we are.
    pub(super) fn check_region(&self, by: &str, region: &Given<String>) -> Result<(), BuildError> {
        let (of_role, of_region) = (self.partition(), partition_of(&region.value));
        let is_known = of_role == "aws" || PARTITIONS.iter().any(|(_, partition)| *partition == of_role);
        if !is_known || of_role == of_region {
            return Ok(());
        }
        Err(refused(
            by,
            format_args!(
                "{}, a role of partition {of_role}, but {} is {}, a region of partition {of_region}",
                quoted(&self.0),
                region.by,
                quoted(&region.value)
            ),
            "STS knows only the roles of its own partition; change one of the two",
        ))
    }
}

/// The prefixes by which the SDK's endpoint rules tell partitions; any other region is of `aws` to them.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
];

pub(super) fn partition_of(region: &str) -> &str {
    let by_prefix =
        || PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map(|(_, partition)| *partition);
    // Pseudo regions: aws-global, aws-cn-global.
    region.strip_suffix("-global").filter(|name| name.starts_with("aws")).or_else(by_prefix).unwrap_or("aws")
}

/// With its path, if it has one.
fn is_role_name(name: &str) -> bool {
    let (path, name) = name.rsplit_once('/').unwrap_or(("", name));
    path.bytes().all(|b| b.is_ascii_graphic()) && (1..=64).contains(&name.len()) && name.bytes().all(is_name_byte)
}

pub(super) fn policy_arns(arns: Given<Vec<String>>) -> Result<Vec<String>, BuildError> {
    let Given { by, value: arns } = arns;
    if arns.len() > 10 {
        return Err(refused(by, format_args!("{} ARNs", arns.len()), "STS takes at most 10 managed policies"));
    }
    for arn in &arns {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let is_policy = matches!(parts.as_slice(), ["arn", partition, "iam", "", _, resource]
            if !partition.is_empty() && resource.strip_prefix("policy/").is_some_and(is_policy_name));
        if !is_policy || arn.len() > 2048 {
            return Err(refused(
                by,
                format_args!("{}, which is not a managed policy's ARN", quoted(arn)),
                "write it as arn:aws:iam::123456789012:policy/NAME, or arn:aws:iam::aws:policy/NAME for one of AWS's own",
            ));
        }
    }
    Ok(arns)
}

fn is_policy_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: &str = "AWS_ROLE_ARN";

    fn role(arn: &str, at_aws: bool) -> Result<RoleArn, String> {
        RoleArn::parse(&Given { by: BY, value: arn.to_owned() }, at_aws).map_err(|error| error.to_string())
    }

    #[test]
    fn a_role_of_any_server_is_a_role() {
        for arn in [
            "arn:aws:iam::123456789012:role/app",
            "arn:aws:iam::123456789012:role/team/web/app_1+=,.@-",
            "arn:aws-cn:iam::123456789012:role/app",
            "arn:aws-us-gov:iam::123456789012:role/app",
            "arn:aws:iam:::role/app",
            "arn:aws:iam::RGW00000000000000001:role/app",
            "arn:minio:iam:::role/a",
        ] {
            assert_eq!(role(arn, true).map(RoleArn::into_string), Ok(arn.to_owned()));
        }
        assert!(role("arn:aws:iam::77:role/app", false).is_ok(), "an account of another server may be a number");
    }

    #[test]
    fn p12_what_is_no_role_is_refused_with_the_way_out() {
        let form = "write it whole and without blanks, as arn:aws:iam::123456789012:role/NAME";
        let long_name = format!("arn:aws:iam::123456789012:role/{}", "x".repeat(65));
        for (arn, remedy) in [
            ("", form),
            ("app", form),
            ("arn:aws:iam::123456789012:role/", form),
            ("arn:aws:iam::123456789012:role", form),
            ("arn:aws:iam::123456789012:role/app\n", form),
            (" arn:aws:iam::123456789012:role/app", form),
            ("arn:aws:iam::123456789012:role/a b/app", form),
            ("arn:aws:iam:eu-west-1:123456789012:role/app", form),
            ("arn::iam::123456789012:role/app", form),
            ("arn:aws:s3:::bucket/role/app", form),
            ("arn:aws:iam::123456789012:group/app", form),
            ("arn:aws:iam::<account>:role/app", form),
            (&long_name, form),
            (
                "arn:aws:iam::12345678901:role/app",
                "an AWS account has 12 digits; did a template take it for a number and drop a leading zero?",
            ),
            (
                "arn:aws:sts::123456789012:assumed-role/app/pod-1",
                "this is a session of the role; use the role's own ARN, arn:aws:iam::123456789012:role/app (and its \
                 path, if it has one)",
            ),
            (
                "arn:aws:iam::123456789012:instance-profile/app",
                "this is an instance profile; use the ARN of the role in it, with role/ in its last part",
            ),
            (
                "arn:aws:iam::123456789012:user/app",
                "a user cannot be assumed; make a role that trusts the issuer and use its ARN",
            ),
        ] {
            let expected = format!("AWS_ROLE_ARN is {arn:?}, which is not an IAM role's ARN: {remedy}");
            assert_eq!(role(arn, true).err(), Some(expected));
        }
        let long_path = format!("arn:aws:iam::123456789012:role/{}/app", "x".repeat(2048));
        assert!(role(&long_path, true).err().unwrap().ends_with(
            "... (2083 bytes), which is not an IAM role's ARN: STS takes \
            at most 2048 characters"
        ));
    }

    #[test]
    fn a_role_is_asked_for_in_its_own_partition() {
        let check = |partition: &str, region: &str| {
            let region = Given { by: "AWS_REGION", value: region.to_owned() };
            let role = role(&format!("arn:{partition}:iam::123456789012:role/app"), true).unwrap();
            role.check_region(BY, &region).map_err(|error| error.to_string())
        };
        for (partition, region) in [
            ("aws", "eu-central-1"),
            ("aws", "aws-global"),
            ("aws-cn", "cn-north-1"),
            ("aws-cn", "aws-cn-global"),
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
             \"us-east-1\", a region of partition aws: STS knows only the roles of its own partition; change one of \
             the two"
        );
        assert!(check("aws", "us-gov-west-1").is_err());
    }

    #[test]
    fn policies_are_named_by_their_arns_and_there_are_ten_at_most() {
        let arns = |arns: &[&str]| {
            let value = arns.iter().map(|arn| (*arn).to_owned()).collect();
            policy_arns(Given { by: "Builder::policy_arns", value }).map_err(|error| error.to_string())
        };
        let read_only = "arn:aws:iam::aws:policy/ReadOnlyAccess";

        assert!(arns(&[]).is_ok());
        assert!(arns(&[read_only, "arn:aws-cn:iam::123456789012:policy/team/own"]).is_ok());
        assert!(arns(&[read_only; 10]).is_ok());
        assert_eq!(
            arns(&[read_only; 11]).unwrap_err(),
            "Builder::policy_arns is 11 ARNs: STS takes at most 10 managed policies"
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
