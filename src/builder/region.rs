//! The region of STS: its rule, and the partition that it is in.

use super::invalid_value::{bare, invalid_value, is_token, quoted};
use crate::environment::Given;
use crate::error::BuildError;

/// With `at_aws` the region becomes a part of a host name, so it must look like a region of AWS. Other STS servers name
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
        "remove the control characters".to_owned()
    } else if is_token(name) {
        // Logs and errors name the region.
        EXAMPLE.to_owned()
    } else {
        return Ok(region.value);
    };
    Err(invalid_value(region.by, format_args!("{}, which is not a region", quoted(name)), remedy))
}

/// True for `AREA-DIRECTION-NUMBER`. Some partitions have one part more.
fn is_region(name: &str) -> bool {
    let Some((words, number)) = name.rsplit_once('-') else { return false };
    let is_word = |word: &str| (1..=20).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&words.split('-').count())
        && words.split('-').all(|word| is_word(word) && word != "fips")
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// The remedy for a name that is no region of AWS.
fn corrected(name: &str) -> String {
    let plain = bare(name).to_ascii_lowercase();
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    // A region may stand before the letter of a zone (`eu-central-1a`), before a local zone, and before `-fips`.
    let without_fips = plain.strip_prefix("fips-").unwrap_or(&plain);
    let mut splits = (0..=without_fips.len()).filter_map(|end| without_fips.split_at_checked(end));
    let found = splits
        .find(|(region, rest)| is_region(region) && !rest.starts_with(|c: char| c.is_ascii_digit()) && is_plain(rest));
    match found {
        Some((region, _)) if plain.contains("fips") => {
            format!("write it as {region}, and set AWS_USE_FIPS_ENDPOINT to true")
        }
        Some((region, _)) => format!("write it as {region}"),
        None => EXAMPLE.to_owned(),
    }
}

pub(super) fn partition_of(region: &str) -> &str {
    PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| *partition)
}

const EXAMPLE: &str = "write the code of the region that this program runs in, such as eu-central-1";
/// The prefixes by which the SDK's endpoint rules tell partitions. All other regions are in `aws`.
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
    use crate::builder::testing::{given, text};

    #[test]
    fn region_of_aws_has_the_form_of_aws() {
        let outcome = |name: &str, at_aws| text(parse(given(name.to_owned()), at_aws));
        for name in ["us-east-1", "eu-central-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "xx-north-12"] {
            assert_eq!(outcome(name, true), Ok(name.to_owned()));
        }
        let fips = "write it as us-east-1, and set AWS_USE_FIPS_ENDPOINT to true";
        for (name, remedy) in [
            ("EU-WEST-1", "write it as eu-west-1"),
            ("us-east-1\n", "write it as us-east-1"),
            ("\"us-east-1\"", "write it as us-east-1"),
            (" 'US-East-1'", "write it as us-east-1"),
            ("us-east-1-fips", fips),
            ("fips-us-east-1", fips),
            ("us-west-2a", "write it as us-west-2"),
            ("us-west-2-lax-1a", "write it as us-west-2"),
            ("aws-global", EXAMPLE),
            ("aws-us-gov-global", EXAMPLE),
            ("null", EXAMPLE),
            ("None", EXAMPLE),
            ("undefined", EXAMPLE),
            ("$(AWS_REGION)", EXAMPLE),
            ("${AWS_REGION}", EXAMPLE),
            ("<region>", EXAMPLE),
            ("*", EXAMPLE),
            ("default", EXAMPLE),
            ("us east 1", EXAMPLE),
            ("us-east", EXAMPLE),
            ("us-east-1,us-west-2", EXAMPLE),
            ("eu.west", EXAMPLE),
            ("-", EXAMPLE),
            ("x-", EXAMPLE),
            ("a/b", EXAMPLE),
            ("evil.example#", EXAMPLE),
        ] {
            assert_eq!(outcome(name, true), Err(format!("X is {name:?}, which is not a region: {remedy}")));
        }
        for name in ["default", "garage", "null", "us-east-1-fips"] {
            assert_eq!(outcome(name, false), Ok(name.to_owned()));
        }
        assert_eq!(outcome("", false), Err(format!("X is empty: {EXAMPLE}")));
        assert_eq!(outcome("Default zone", false), Ok("Default zone".to_owned()));
        assert!(outcome("a\nb", false).is_err());
    }
}
