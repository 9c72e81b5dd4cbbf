//! The path of the token file.

use std::path::PathBuf;

use super::invalid_value::{bare, invalid_value, is_placeholder, is_token, quoted};
use crate::environment::Given;
use crate::error::BuildError;

/// Checks only the text of the path. The file need not exist, and the path may be relative.
pub(super) fn parse(path: Given<PathBuf>) -> Result<PathBuf, BuildError> {
    let text = path.value.to_string_lossy();
    let (problem, remedy) = if text.is_empty() {
        ("empty", "give the path of the projected token, as mounted in this container")
    } else if is_token(&text) {
        ("a token itself", "give the path of the file that holds it; treat this token as leaked")
    } else if bare(&text) != text {
        (NO_PATH, "remove the quotes and blanks around it")
    } else if text.contains("://") || text.starts_with("file:") {
        // Not quoted: a URL may hold a password.
        let remedy = "write only the path, without file://; for a token from elsewhere implement ProvideToken and \
                      call Builder::token_source";
        ("a URL", remedy)
    } else if text == "~" || text.starts_with("~/") {
        (NO_PATH, "no shell replaces ~ here; write the whole path, beginning with /")
    } else if is_placeholder(&text) {
        let remedy = "its variable was not replaced; Kubernetes replaces only $(NAME), and only if the container's env \
                      sets NAME before; write the whole path";
        (NO_PATH, remedy)
    } else if text.contains(char::is_control) {
        (NO_PATH, "remove the control characters")
    } else if text.ends_with('/') {
        (NO_PATH, "this is a directory; name the file in it, which is called token in most pods")
    } else {
        drop(text);
        return Ok(path.value);
    };
    let value = if problem == NO_PATH { quoted(&text) } else { String::new() };
    Err(invalid_value(path.by, format_args!("{value}{problem}"), remedy))
}

const NO_PATH: &str = ", which is not the path of a file";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::testing::{given, text};

    #[test]
    fn text_that_is_no_path_gets_a_remedy() {
        for (path, remedy) in [
            ("\"/run/token\"", "remove the quotes and blanks around it"),
            ("/run/token\n", "remove the quotes and blanks around it"),
            (" token", "remove the quotes and blanks around it"),
            ("~/token", "no shell replaces ~ here; write the whole path, beginning with /"),
            ("$(DIR)/token", "its variable was not replaced; "),
            ("/run/${NAME}/token", "its variable was not replaced; "),
            ("$DIR/token", "its variable was not replaced; "),
            ("{{ .Values.file }}", "its variable was not replaced; "),
            ("/run/\0token", "remove the control characters"),
            ("/run/secrets/", "this is a directory; name the file in it"),
        ] {
            let error = text(parse(given(path.into()))).unwrap_err();
            assert!(error.starts_with(&format!("X is {path:?}, which is not the path of a file: {remedy}")), "{error}");
        }
        for url in ["file:///run/token", "file:/run/token", "https://me:canary@vault.example/token"] {
            let error = text(parse(given(url.into()))).unwrap_err();
            assert!(error.starts_with("X is a URL: write only the path, without file://"), "{error}");
        }
        for path in ["token", "./token", "/run/a b/token~", "/run/..data/token", "C:\\token"] {
            assert_eq!(text(parse(given(path.into()))), Ok(path.into()));
        }
    }

    #[test]
    fn p9_token_given_as_a_path_is_not_repeated() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.canary";

        assert_eq!(
            text(parse(given(PathBuf::from(token)))),
            Err("X is a token itself: give the path of the file that holds it; treat this token as leaked".to_owned())
        );
        assert!(text(parse(given(PathBuf::new()))).unwrap_err().starts_with("X is empty: give the path"));
    }
}
