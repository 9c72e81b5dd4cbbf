//! The region of STS: its rule, and the partition that it is in.

use super::invalid_value::{bare, invalid_value, is_placeholder, is_token, quoted};
use crate::environment::Given;
use crate::error::BuildError;

/// With `at_aws` the region becomes a part of a host name, and must look like a region of AWS. Other STS servers name
/// their regions as they like.
pub(super) fn parse(region: Given<String>, at_aws: bool) -> Result<String, BuildError> {
    let name = region.value.as_str();
    if name.is_empty() {
        return Err(invalid_value(region.by, "empty", EXAMPLE));
    }
    let remedy = if at_aws {
        if is_region(name) {
            return Ok(region.value);
        }
        corrected(name)
    } else if name.contains(char::is_control) {
        "take the control characters out".to_owned()
    } else if is_token(name) {
        // Logs and errors name the region.
        EXAMPLE.to_owned()
    } else {
        return Ok(region.value);
    };
    Err(invalid_value(region.by, format_args!("{}, which is no region", quoted(name)), remedy))
}

/// `AREA-DIRECTION-NUMBER`, with one part more in some partitions.
fn is_region(name: &str) -> bool {
    let Some((words, number)) = name.rsplit_once('-') else { return false };
    let is_word = |word: &str| (1..=20).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&words.split('-').count())
        && words.split('-').all(|word| is_word(word) && word != "fips")
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// What to write instead of a name that is no region of AWS.
fn corrected(name: &str) -> String {
    let plain = bare(name).to_ascii_lowercase();
    let without_fips = plain.strip_prefix("fips-").or_else(|| plain.strip_suffix("-fips"));
    if is_region(&plain) {
        format!("write it as {plain}")
    } else if let Some(region) = without_fips.filter(|region| is_region(region)) {
        format!("write it as {region}, and set AWS_USE_FIPS_ENDPOINT to true")
    } else if let Some(region) = region_of_zone(&plain) {
        format!("it is an availability zone; write its region, {region}")
    } else if plain.ends_with("-global") {
        "it stands for no region of its own; name the one that this runs in, such as eu-central-1".to_owned()
    } else if is_placeholder(name) || ["null", "none", "nil", "undefined"].contains(&plain.as_str()) {
        "it stands for a value that was not filled in; name the region that this runs in, such as eu-central-1"
            .to_owned()
    } else {
        "write it as AWS does, such as eu-central-1".to_owned()
    }
}

/// `eu-central-1` for `eu-central-1a`, `us-west-2` for the local zone `us-west-2-lax-1a`.
fn region_of_zone(name: &str) -> Option<&str> {
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut ends = name.char_indices().map(|(end, _)| name.split_at(end));
    let (region, _) = ends.find(|(region, rest)| {
        is_region(region) && !rest.starts_with(|c: char| c.is_ascii_digit()) && is_plain(rest)
    })?;
    Some(region)
}

pub(super) fn partition_of(region: &str) -> &str {
    PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| *partition)
}

const EXAMPLE: &str = "name a region, such as eu-central-1";
/// The prefixes by which the SDK's endpoint rules tell partitions. To these rules all other regions are of `aws`.
pub(super) const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn given<T>(value: T) -> Given<T> {
        Given { by: "X".into(), value }
    }

    fn text<T>(result: Result<T, BuildError>) -> Result<T, String> {
        result.map_err(|error| error.to_string())
    }

    #[test]
    fn a_region_is_written_as_aws_does_where_aws_is_asked() {
        let outcome = |name: &str, at_aws| text(parse(given(name.to_owned()), at_aws));
        for name in ["us-east-1", "eu-central-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "xx-north-12"] {
            assert_eq!(outcome(name, true), Ok(name.to_owned()));
        }
        let (as_aws, empty) = (
            "write it as AWS does, such as eu-central-1",
            "it stands for a value that was not filled in; name the region that this runs in, such as eu-central-1",
        );
        let zone = "it is an availability zone; write its region, us-west-2";
        let fips = "write it as us-east-1, and set AWS_USE_FIPS_ENDPOINT to true";
        let global = "it stands for no region of its own; name the one that this runs in, such as eu-central-1";
        for (name, remedy) in [
            ("EU-WEST-1", "write it as eu-west-1"),
            ("us-east-1\n", "write it as us-east-1"),
            ("\"us-east-1\"", "write it as us-east-1"),
            (" 'US-East-1'", "write it as us-east-1"),
            ("us-east-1-fips", fips),
            ("fips-us-east-1", fips),
            ("us-west-2a", zone),
            ("us-west-2-lax-1a", zone),
            ("aws-global", global),
            ("aws-us-gov-global", global),
            ("null", empty),
            ("None", empty),
            ("undefined", empty),
            ("$(AWS_REGION)", empty),
            ("${AWS_REGION}", empty),
            ("<region>", empty),
            ("*", as_aws),
            ("default", as_aws),
            ("us east 1", as_aws),
            ("us-east", as_aws),
            ("us-east-1,us-west-2", as_aws),
            ("eu.west", as_aws),
            ("-", as_aws),
            ("x-", as_aws),
            ("a/b", as_aws),
            ("evil.example#", as_aws),
        ] {
            assert_eq!(outcome(name, true), Err(format!("X is {name:?}, which is no region: {remedy}")));
        }
        for name in ["default", "garage", "null", "us-east-1-fips"] {
            assert_eq!(outcome(name, false), Ok(name.to_owned()));
        }
        assert_eq!(outcome("", false), Err("X is empty: name a region, such as eu-central-1".to_owned()));
        assert_eq!(outcome("Default zone", false), Ok("Default zone".to_owned()));
        assert!(outcome("a\nb", false).is_err());
    }
}
