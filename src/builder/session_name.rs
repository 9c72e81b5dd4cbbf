//! The session name: its rule, and its default.

use std::sync::OnceLock;

use super::invalid_value::{invalid_value, is_name_byte, quoted};
use crate::environment::{Environment, Given};
use crate::error::BuildError;
use crate::scrub;

/// The order: the builder, the variable, the name of the pod, a random name.
pub(super) fn given_or_default(given: Option<String>, env: &Environment) -> Result<String, BuildError> {
    /// All providers of a process share one random name, so that CloudTrail shows one name.
    static RANDOM: OnceLock<String> = OnceLock::new();

    let given = match given {
        Some(name) => Some(Given::to("Builder", "session_name", name)),
        None => env.session_name()?,
    };
    if let Some(name) = given {
        return parse(name);
    }
    let random = || RANDOM.get_or_init(|| format!("{}-{:016x}", env!("CARGO_PKG_NAME"), fastrand::u64(..)));
    Ok(env.pod_name().and_then(|pod| of_pod(&pod)).unwrap_or_else(|| random().clone()))
}

pub(super) fn parse(name: Given<String>) -> Result<String, BuildError> {
    if (2..=64).contains(&name.value.len()) && name.value.bytes().all(is_name_byte) {
        return Ok(name.value);
    }
    Err(invalid_value(
        name.by,
        quoted(&name.value),
        "a session name has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -; change it, or leave it out to take the \
         pod's name",
    ))
}

/// The pods of one deployment differ at the end of their names, so the end of a long name is kept. `None` if the name
/// looks like a token or key.
fn of_pod(pod: &str) -> Option<String> {
    if scrub::looks_secret(pod) {
        return None;
    }
    let plain: String = pod.chars().map(|c| if c.is_ascii() && is_name_byte(c as u8) { c } else { '-' }).collect();
    let name = plain[plain.len().saturating_sub(64)..].trim_matches(['-', '.']);
    (name.len() >= 2).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::testing::{given, text};

    #[test]
    fn a_session_name_is_what_sts_takes() {
        let sixty_four = "x".repeat(64);
        for name in ["ab", "my-app-7d9f", "A_b+c=d,e.f@g-1", &sixty_four] {
            assert_eq!(text(parse(given(name.to_owned()))), Ok(name.to_owned()));
        }
        let sixty_five = "x".repeat(65);
        for name in ["", "a", "a b", "a/b", "a:b", "ümlaut", "a\n", &sixty_five] {
            assert_eq!(
                text(parse(given(name.to_owned()))),
                Err(format!(
                    "X is {name:?}: a session name has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -; change it, or \
                     leave it out to take the pod's name"
                ))
            );
        }
    }

    #[test]
    fn session_name_keeps_the_end_of_the_pods_name() {
        let long = format!("{}7d9f8b6c5d-x2k4q", "checkout-".repeat(9));
        let kept = &long[long.len() - 64..];
        for (pod, expected) in [
            ("web-0", Some("web-0")),
            ("web_0 (old)", Some("web_0--old")),
            ("größe.example", Some("gr--e.example")),
            (long.as_str(), Some(kept)),
            ("x", None),
            ("", None),
            ("///", None),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ===", None),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
        ] {
            assert_eq!(of_pod(pod).as_deref(), expected, "{pod}");
        }
    }

    #[test]
    fn p9_token_given_as_a_name_is_not_repeated() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.canary";
        assert!(!text(parse(given(token.to_owned() + "/"))).unwrap_err().contains("canary"));
    }
}
