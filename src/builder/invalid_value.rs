//! The errors about a value, and how they quote a value that may be a secret.

use std::borrow::Cow;
use std::fmt::{self, Display};

use crate::error::BuildError;
use crate::scrub;

/// All errors about a value have one form: the setting, its value, the problem, the remedy.
pub(super) fn invalid_value(
    by: impl Into<Cow<'static, str>>,
    problem: impl Display,
    remedy: impl Display,
) -> BuildError {
    let by = by.into();
    BuildError::invalid(format!("{by} is {problem}"), remedy.to_string()).with_setting(by)
}

/// The value for an error: cut to length, and without a misplaced token or key.
pub(super) fn quoted(value: &str) -> String {
    if is_token(value) {
        return "a token (not shown)".to_owned();
    }
    scrub::quoted(value, 160)
}

/// `Debug` of a value that is not checked yet: as in an error.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.0))
    }
}

/// True if the text contains a JWT: a JSON object in base64, in three parts, or in five if encrypted. Quotes, `Bearer`
/// and other text around the token do not hide it.
pub(super) fn is_token(text: &str) -> bool {
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '=');
    text.match_indices("eyJ").any(|(at, _)| {
        let (before, token) = text.split_at(at);
        let end = token.find(|c| !in_token(c)).unwrap_or(token.len());
        !before.ends_with(|c: char| c.is_ascii_alphanumeric()) && token[..end].split('.').count() >= 3
    })
}

/// True for a variable or a template expression that was not replaced.
pub(super) fn is_placeholder(text: &str) -> bool {
    let tagged = text.split_once('<').is_some_and(|(_, rest)| rest.contains('>'));
    tagged || text.starts_with('$') || ["$(", "${", "{{"].iter().any(|mark| text.contains(mark))
}

/// The text without the quotes and white space that a file or a template leaves around a value.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c))
}

/// The characters that IAM and STS allow in names: `[\w+=,.@-]`, ASCII only.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}
