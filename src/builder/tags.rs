//! The rules of session tags and of a source identity, as AWS documents them.

use std::collections::BTreeMap;

use super::invalid_value::{invalid_value, is_name_byte, quoted};
use crate::error::BuildError;

/// Checks the [rules for tags](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules), and the
/// bounds of [`Tag`](https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html).
pub(super) fn tags(tags: Vec<(String, String)>) -> Result<Vec<(String, String)>, BuildError> {
    const BY: &str = "AssumeRoleBuilder::tags";

    if tags.len() > 50 {
        return Err(invalid_value(
            BY,
            format_args!("{} tags", tags.len()),
            "STS takes at most 50 session tags; leave some out",
        ));
    }
    let mut seen = BTreeMap::new();
    for (key, value) in &tags {
        if key.is_empty() {
            return Err(invalid_value(BY, "a tag without a key", "a key must not be empty; name the tag"));
        }
        for (what, text, most) in [("key", key, 128), ("value", value, 256)] {
            let refuse = |remedy: &str| {
                let of = if what == "key" { String::new() } else { format!(" of the tag {}", quoted(key)) };
                Err(invalid_value(BY, format_args!("the {what} {}{of}", quoted(text)), remedy))
            };
            if text.chars().count() > most {
                return refuse("STS takes at most 128 characters in a key and 256 in a value; shorten it");
            }
            if !text.chars().all(is_tag_char) {
                return refuse(
                    "STS takes letters, digits, spaces and _ . : / = + - @ in tags; remove other characters",
                );
            }
            if text.starts_with(RESERVED) {
                return refuse(NOT_RESERVED);
            }
        }
        if let Some(before) = seen.insert(key.to_lowercase(), key) {
            return Err(invalid_value(
                BY,
                format_args!("two tags with the keys {} and {}", quoted(before), quoted(key)),
                "STS ignores the case of a key; give each key once",
            ));
        }
    }
    Ok(tags)
}

/// STS refuses any other key: "The specified transitive tag key must be included in the requested tags."
pub(super) fn transitive_tag_keys(keys: Vec<String>, tags: &[(String, String)]) -> Result<Vec<String>, BuildError> {
    match keys.iter().find(|key| !tags.iter().any(|(tag, _)| tag.to_lowercase() == key.to_lowercase())) {
        None => Ok(keys),
        Some(key) => Err(invalid_value(
            "AssumeRoleBuilder::transitive_tag_keys",
            format_args!("{}, which is not a key of AssumeRoleBuilder::tags", quoted(key)),
            "name only keys of tags; transitive tags of the session before are passed on without being named",
        )),
    }
}

/// Checks the [rules of
/// AWS](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html#id_credentials_temp_control-access_monitor-know).
pub(super) fn source_identity(identity: String) -> Result<String, BuildError> {
    let refuse = |remedy: &str| Err(invalid_value("AssumeRoleBuilder::source_identity", quoted(&identity), remedy));
    if identity.starts_with(RESERVED) {
        return refuse(NOT_RESERVED);
    }
    if !(2..=64).contains(&identity.len()) || !identity.bytes().all(is_name_byte) {
        return refuse("a source identity has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -; change it");
    }
    Ok(identity)
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, and a few more characters that Rust calls alphabetic. STS decides about these.
fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() && !c.is_control() || "_.:/=+-@".contains(c)
}

const RESERVED: &str = "aws:";
const NOT_RESERVED: &str = "AWS reserves the prefix aws: for itself; use another";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<const N: usize>(pairs: [(&str, &str); N]) -> String {
        tags(owned(pairs)).unwrap_err().to_string()
    }

    fn owned<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn tags_keep_the_bounds_of_sts() {
        let numbered = |count: usize| (0..count).map(|number| (format!("key{number}"), String::new())).collect();
        assert_eq!(tags(numbered(50)).unwrap().len(), 50);
        assert_eq!(
            tags(numbered(51)).unwrap_err().to_string(),
            "AssumeRoleBuilder::tags is 51 tags: STS takes at most 50 session tags; leave some out"
        );
        // The limits count characters, not bytes.
        let (key, value) = ("ü".repeat(128), "ü".repeat(256));
        tags(owned([(&key, &value)])).unwrap();
        assert!(refusal([(&format!("{key}x"), "")]).contains("at most 128 characters in a key"));
        let long = format!("{value}x");
        assert!(refusal([("team", &long)]).contains("of the tag \"team\": STS takes at most 128 characters"));
        assert_eq!(
            refusal([("", "x")]),
            "AssumeRoleBuilder::tags is a tag without a key: a key must not be empty; name the tag"
        );
    }

    #[test]
    fn tags_have_the_characters_of_sts() {
        tags(owned([("cost center:_./=+-@9", "Zürich\u{a0}東京\u{2028}Ⅷ"), ("AWS", "aws")])).unwrap();
        for odd in ["a#b", "a,b", "a*", "a\tb", "a\n", "a\u{85}", "a\0", "a\u{200b}", "😀"] {
            assert_eq!(
                refusal([(odd, "")]),
                format!(
                    "AssumeRoleBuilder::tags is the key {odd:?}: STS takes letters, digits, spaces and _ . : / = + - \
                     @ in tags; remove other characters"
                )
            );
            assert!(refusal([("team", odd)]).contains("of the tag \"team\": STS takes letters"));
        }
        for (key, value) in [("aws:team", "x"), ("team", "aws:x")] {
            assert!(refusal([(key, value)]).contains(NOT_RESERVED), "{key} {value}");
        }
    }

    #[test]
    fn keys_differ_by_more_than_case() {
        assert_eq!(
            refusal([("Team", "a"), ("other", "b"), ("team", "c")]),
            "AssumeRoleBuilder::tags is two tags with the keys \"Team\" and \"team\": STS ignores the case of a key; \
             give each key once"
        );
    }

    #[test]
    fn only_tags_of_this_call_become_transitive() {
        let tags = owned([("Team", "a"), ("stage", "b")]);
        let keys = |keys: &[&str]| transitive_tag_keys(keys.iter().map(|&key| key.to_owned()).collect(), &tags);
        for good in [&[][..], &["Team"], &["team", "STAGE"]] {
            assert_eq!(keys(good).unwrap(), good);
        }
        assert_eq!(
            keys(&["Team", "owner"]).unwrap_err().to_string(),
            "AssumeRoleBuilder::transitive_tag_keys is \"owner\", which is not a key of AssumeRoleBuilder::tags: name \
             only keys of tags; transitive tags of the session before are passed on without being named"
        );
    }

    #[test]
    fn source_identity_keeps_the_rules_of_aws() {
        let longest = "x".repeat(64);
        for good in ["ab", "jane.doe@example.com", "A_b+c=d,e-1", "aws", &longest] {
            assert_eq!(source_identity(good.to_owned()).unwrap(), good);
        }
        let too_long = "x".repeat(65);
        for bad in ["", "a", "a b", "a/b", "jane:doe", "ümlaut", &too_long] {
            let error = source_identity(bad.to_owned()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!(
                    "AssumeRoleBuilder::source_identity is {bad:?}: a source identity has 2 to 64"
                )),
                "{error}"
            );
        }
        assert!(source_identity("aws:jane".to_owned()).unwrap_err().to_string().contains(NOT_RESERVED));
    }

    #[test]
    fn token_given_as_a_tag_is_not_repeated() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.canary";
        for error in [
            refusal([(token, "#")]),
            refusal([("team", &format!("{token}#"))]),
            source_identity(format!("{token}/")).unwrap_err().to_string(),
        ] {
            assert!(error.contains("a token (not shown)") && !error.contains("canary"), "{error}");
        }
    }
}
