//! Other people's text, made fit to print.

/// One line of at most `limit` characters, without the token, a part of it, or anything that looks like a secret.
pub(crate) fn printable(text: &str, token: &str, limit: usize) -> String {
    let mut text = text.to_owned();
    // The whole before its parts; a part may be echoed alone, and a short one says nothing.
    let parts = token.split(['.', '/']).filter(|part| part.len() >= 16);
    for secret in [token].into_iter().filter(|token| !token.is_empty()).chain(parts) {
        if text.contains(secret) {
            text = text.replace(secret, REDACTED);
        }
    }
    // Before it is cut to length: half a secret is one, too, and no longer looks like it.
    plain(&without_secrets(&text), limit)
}

/// One line of at most `limit` characters: for text of others that is no secret.
pub(crate) fn plain(text: &str, limit: usize) -> String {
    cut(&one_line(text), limit)
}

/// An error with all its causes, as one text. Texts that only repeat the one before are left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

/// Runs of the letters that tokens and keys are made of, if they are longer than any name, or begin as a JWT does.
fn without_secrets(text: &str) -> String {
    // Paths are such runs, too, and are judged by their names.
    replace_runs(
        text,
        |c| in_secrets(c) || c == '/',
        |path| {
            if is_base64(path) { REDACTED.to_owned() } else { replace_runs(path, in_secrets, without_secret) }
        },
    )
}

fn without_secret(word: &str) -> String {
    // `{"` in base64; within a word, as in `token-eyJ…`, it takes more to be no coincidence.
    let jwt = word.starts_with("eyJ") || word.len() >= 16 && word.contains("eyJ");
    if jwt || word.len() > LONGEST_NAME || is_secret_key(word) { REDACTED.to_owned() } else { word.to_owned() }
}

fn replace_runs(text: &str, of: impl Fn(char) -> bool, with: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, tail) = rest.split_at(rest.find(|c| !of(c)).unwrap_or(rest.len()));
        out.push_str(&with(run));
        let other = tail.find(&of).unwrap_or(tail.len());
        out.push_str(&tail[..other]);
        rest = &tail[other..];
    }
    out
}

/// Secret keys and session tokens have slashes in them. So have paths and roles, but those are made of words: random letters
/// change between cases, or to a digit and back, at more than every other step, words at every fifth.
fn is_base64(path: &str) -> bool {
    let steps = |differ: fn(u8, u8) -> bool| path.as_bytes().windows(2).filter(|pair| differ(pair[0], pair[1])).count();
    let cases = steps(|a, b| {
        a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && a.is_ascii_lowercase() != b.is_ascii_lowercase()
    });
    let digits = steps(|a, b| {
        a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() && a.is_ascii_digit() != b.is_ascii_digit()
    });
    path.len() >= LONGEST_NAME
        && !path.contains(['-', '_'])
        && digits > 0
        && cases > 0
        && (cases + digits) * 10 >= path.len() * 3
}

/// As long as AWS's secret keys, of their letters, and of more kinds of them than a thumbprint or a name has.
fn is_secret_key(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    word.len() == LONGEST_NAME
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && !word.contains(['-', '_'])
}

fn in_secrets(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+')
}

fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_alphanumeric() || c.is_ascii_graphic() { c } else { ' ' };
    let text: String = text.chars().map(visible).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

const REDACTED: &str = "[redacted]";

/// A thumbprint has 40.
const LONGEST_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIn0.c2lnbmF0dXJlLWNhbmFyeQ";

    #[test]
    fn a_token_is_not_echoed_in_whole_or_in_part() {
        for (text, expected) in [
            (format!("bad token {JWT}!"), "bad token [redacted]!"),
            ("only the c2lnbmF0dXJlLWNhbmFyeQ of it".to_owned(), "only the [redacted] of it"),
            (format!("cut {}", &JWT[..30]), "cut [redacted].[redacted]"),
            ("another's eyJhbGciOiJub25lIn0".to_owned(), "another's [redacted]"),
        ] {
            assert_eq!(printable(&text, JWT, 200), expected);
        }
        assert_eq!(printable("opaque-token was refused", "opaque-token", 200), "[redacted] was refused");
    }

    #[test]
    fn what_is_too_long_for_a_name_is_not_printed() {
        assert_eq!(printable(&format!("key {}", "Ab1+".repeat(11)), "", 200), "key [redacted]");
        assert_eq!(printable(&format!("key {}", "Ab1+".repeat(10)), "", 200), "key [redacted]");
        for name in ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280", "Role-For-The-Checkout-Service-In-Shop-01"] {
            assert_eq!((name.len(), printable(name, "", 200).as_str()), (40, name));
        }
        let names = "arn:aws:iam::123456789012:role/app https://oidc.example.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
        assert_eq!(printable(names, JWT, 200), names);
    }

    #[test]
    fn p9_a_key_with_slashes_in_it_is_not_printed_and_a_path_is() {
        for key in ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "/J4lrXUtnFEMIsK7MDENG+bPxRfiCYEX4MPLEK3Y"] {
            for (said, printed) in [
                (format!("\"{key}\","), "\"[redacted]\","),
                (format!("secretaccesskey={key}&x=y"), "secretaccesskey=[redacted]&x=y"),
            ] {
                assert_eq!((key.len(), printable(&said, "", 200).as_str()), (40, printed));
            }
        }
        let session = "FwoGZXIvYXdzEBYaDH/1kQ8y/Vb2Zq/3nT7xW0p/uR5sL9cD4/gH6jK1mN8b/XzE2aS==";
        assert_eq!(
            printable(&format!("<SessionToken>{session}</SessionToken>"), "", 200),
            "<SessionToken>[redacted]==</SessionToken>"
        );
        for path in [
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "/home/runner/work/Checkout/CheckoutService/target2/token",
            "https://oidc.eks.eu.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE/",
            "arn:aws:iam::123456789012:role/Platform/Payments/CheckoutServiceRole2",
            "arn:aws:iam::123456789012:role/Platform/Payments/Team4CheckoutServiceRole",
            "arn:aws:sts::123456789012:assumed-role/Checkout4Shop2Role1/checkout-5d8f7c9b6d-x2v4q",
            "/var/lib/kubelet/pods/9e99a48a-9960-b149-26bb-7f3b02e22da2/volumes/Token1",
        ] {
            assert_eq!(printable(path, "", 200), path);
        }
    }

    /// Of random ones the rare that looks like words may be missed, not half of them.
    #[test]
    fn p9_hardly_a_random_key_is_printed() {
        let mut random = fastrand::Rng::with_seed(1);
        let base64: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
        let printed = (0..10_000).filter(|_| {
            let key: String = (0..40).map(|_| base64[random.usize(..base64.len())]).collect();
            printable(&format!("key={key};"), "", 200).contains(&key)
        });
        let printed = printed.count();
        assert!(printed < 100, "{printed} of 10000");
    }

    #[test]
    fn the_result_is_one_bounded_line() {
        assert_eq!(printable(" a\r\n\tb\u{1b}[31m\u{202e}c\0 ", "", 200), "a b [31m c");
        assert_eq!(printable("äöü", "", 2), "äö…");
        // The token ends beyond the limit.
        assert_eq!(printable(&format!("{} {JWT}", "x".repeat(20)), JWT, 25), "xxxxxxxxxxxxxxxxxxxx [red…");
    }
}
