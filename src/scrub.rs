//! Makes foreign text fit to print. Every text of a server, a file, a variable or another crate goes through here.
//!
//! Two kinds of secrets are removed:
//!
//! - Our own token is known. At most 11 letters in a row of it stay, however it was wrapped, quoted or escaped.
//! - Keys and tokens of others are recognized by their form, which is not certain. A key that looks like words stays. A piece of
//!   a key stays if it is not longer than a name.

use std::collections::HashSet;
use std::ops::Range;

/// One line of at most `limit` characters, without the token, a part of it, or anything that looks like a secret.
pub(crate) fn printable(text: &str, token: &str, limit: usize) -> String {
    // Scrubbed before it is cut: half a secret no longer looks like a secret.
    plain(&without_secrets(text, token), limit)
}

/// One line of at most `limit` characters, for foreign text without secrets.
pub(crate) fn plain(text: &str, limit: usize) -> String {
    let line = one_line(text);
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A setting's value between quotes, at most `limit` characters, without what looks like a secret. Invisible characters are
/// escaped, so that the reader sees them.
pub(crate) fn quoted(text: &str, limit: usize) -> String {
    let shown = without_secrets(text, "");
    let shown = match shown.char_indices().nth(limit) {
        Some((end, _)) => format!("{:?}... ({} bytes)", &shown[..end], text.len()),
        None => format!("{shown:?}"),
    };
    BLANK.iter().fold(shown, |shown, blank| shown.replace(*blank, &blank.escape_unicode().to_string()))
}

pub(crate) fn looks_secret(text: &str) -> bool {
    without_secrets(text, "") != text
}

/// An error with all its causes, as one text. A cause that only repeats the text before is left out.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string) {
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

fn without_secrets(text: &str, token: &str) -> String {
    let head = &text[..text.floor_char_boundary(LONGEST_TEXT)];
    // A cut text must not end within a secret.
    let text = if head.len() == text.len() { text } else { head.trim_end_matches(|c: char| !c.is_whitespace()) };
    let (decoded, places) = decoded(text);
    let mut secrets = secrets(&decoded, token);
    for secret in &mut secrets {
        *secret = places[secret.start]..places[secret.end];
    }
    if decoded != text {
        // What looks like an escape may be the beginning of a key.
        secrets.extend(self::secrets(text, token));
    }
    secrets.sort_by_key(|secret| secret.start);
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for secret in secrets {
        if secret.start > end || out.is_empty() {
            out.push_str(&text[end..secret.start]);
            out.push_str(REDACTED);
        }
        end = end.max(secret.end);
    }
    out.push_str(&text[end..]);
    out
}

/// The text with `%2F`, `\/`, `\u002f` and `&#47;` decoded, and the place of each of its bytes in `text`.
fn decoded(text: &str) -> (String, Vec<usize>) {
    let (mut decoded, mut places) = (String::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
    let mut place = 0;
    while let Some(first) = text[place..].chars().next() {
        let (c, length) = escaped(&text[place..]).unwrap_or((first, first.len_utf8()));
        decoded.push(c);
        places.resize(decoded.len(), place);
        place += length;
    }
    places.push(place);
    (decoded, places)
}

/// The ASCII character that an escape at the beginning of the text stands for, and the length of the escape.
fn escaped(text: &str) -> Option<(char, usize)> {
    let ascii = |digits: &str, radix| u8::from_str_radix(digits, radix).ok().filter(u8::is_ascii).map(char::from);
    if let Some(rest) = text.strip_prefix('%') {
        // `%252F` is escaped twice.
        let digits = rest.trim_start_matches("25");
        return Some((ascii(digits.get(..2)?, 16)?, text.len() - digits.len() + 2));
    }
    if text.starts_with(r"\u00") {
        return Some((ascii(text.get(4..6)?, 16)?, 6));
    }
    if let Some(number) = text.strip_prefix("&#") {
        let number = &number[..number.bytes().take(8).position(|byte| byte == b';')?];
        let (digits, radix) = number.strip_prefix(['x', 'X']).map_or((number, 10), |digits| (digits, 16));
        return Some((ascii(digits, radix)?, "&#;".len() + number.len()));
    }
    let escapes = [(r"\/", '/'), (r"\n", '\n'), (r"\r", '\r')];
    Some((escapes.iter().find(|(escape, _)| text.starts_with(escape))?.1, 2))
}

fn secrets(text: &str, token: &str) -> Vec<Range<usize>> {
    let mut secrets = echoes(text, token);
    secrets.extend(labelled(text));
    secrets.extend(by_form(text));
    secrets
}

/// Parts of the text that repeat the token, or a piece of it. White space, quotes and separators within are ignored.
fn echoes(text: &str, token: &str) -> Vec<Range<usize>> {
    let known = ngrams(token);
    if known.is_empty() {
        let whole = (!token.is_empty()).then(|| text.match_indices(token));
        return whole.into_iter().flatten().map(|(at, found)| at..at + found.len()).collect();
    }
    let known: HashSet<u128> = known.into_iter().map(|(_, ngram)| ngram).collect();
    ngrams(text).into_iter().filter(|(_, ngram)| known.contains(ngram)).map(|(echo, _)| echo).collect()
}

/// Each [`NGRAM`] letters and digits in a row: their place, and all of them as one number.
fn ngrams(text: &str) -> Vec<(Range<usize>, u128)> {
    let letters: Vec<_> = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()).collect();
    let ngram = |letters: &[(usize, u8)]| letters.iter().fold(0, |ngram, (_, byte)| ngram << 8 | u128::from(*byte));
    letters.windows(NGRAM).map(|row| (row[0].0..row[NGRAM - 1].0 + 1, ngram(row))).collect()
}

/// Places where a secret is usually written: after `Bearer`, `password=` or `"token":`, and before the `@` of a URL.
fn labelled(text: &str) -> Vec<Range<usize>> {
    // ASCII only, so that both texts have the same length and places.
    let lower = text.to_ascii_lowercase();
    let value = |start: usize, ends: &[char]| {
        let rest = &text[start..];
        start..start + rest.find(|c: char| c.is_whitespace() || ends.contains(&c)).unwrap_or(rest.len())
    };
    let mut found = Vec::new();
    for scheme in ["bearer ", "basic "] {
        found.extend(
            lower.match_indices(scheme).map(|(at, _)| value(at + scheme.len(), &['"', '\'', '<', ',', ';', '&', ')'])),
        );
    }
    // In a sentence, a plain word follows `bearer` or `basic`.
    let not_in_words = |byte: u8| !byte.is_ascii_lowercase() && !matches!(byte, b'.' | b':' | b'-');
    found.retain(|given| text[given.clone()].bytes().skip(1).any(not_in_words));
    for label in ["password", "passwd", "secret", "token", "accesskey", "access_key", "apikey", "api_key"] {
        found.extend(lower.match_indices(label).filter_map(|(at, _)| {
            let rest = &lower[at + label.len()..];
            let separators = ["=\"", "='", "=", "\":\"", "\": \"", "\\\":\\\"", "\\\": \\\""];
            let separator = separators.iter().find(|separator| rest.starts_with(**separator))?;
            Some(value(at + label.len() + separator.len(), &['"', '\'', '\\', '<', '&', ',', ';']))
        }));
    }
    found.retain(|given| given.len() >= 8);
    found.extend(text.match_indices("://").filter_map(|(at, _)| {
        let host = value(at + 3, &['/', '"', '\'', '<', '>', '?', '#']);
        let user = text[host.clone()].rfind('@')?;
        Some(host.start..host.start + user)
    }));
    found
}

/// Runs of the letters of tokens and keys that are longer than any name, or begin like a token.
fn by_form(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut continues_token, mut wrapped) = (false, false);
    let mut start = 0;
    while start < text.len() {
        let (path, rest) = split_at(&text[start..], |c| !in_path(c));
        let (between, _) = split_at(rest, in_path);
        let end = start + path.len();
        // A wrapped secret goes on in the next line, but a sentence may follow it as well.
        let next_line_is_one_word = !between.starts_with(|c: char| !c.is_ascii_control() && !"=<.\"'".contains(c));
        if is_base64(path) || wrapped && (next_line_is_one_word || path.len() > LONGEST_NAME) {
            found.push(start..end);
        } else {
            let mut at = start;
            for word in path.split('/') {
                found.extend(is_secret(word, continues_token).then(|| at..at + word.len()));
                at += word.len() + 1;
            }
        }
        // The next part belongs to the token even if this one is too short to be redacted.
        let in_token = continues_token || found.last().is_some_and(|last| last.end == end);
        // A dot joins the parts of a JWT, and the two parts of a Vault token.
        continues_token = between == "." && (in_token || VAULT.iter().any(|name| path.ends_with(name)));
        wrapped = in_token && between.contains('\n') && between.trim().is_empty();
        start = end + between.len();
    }
    found
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// Characters of secrets, and of paths, which look similar.
fn in_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/')
}

/// `word` has no slash. `continues_token`: the text before the word is a part of a token.
fn is_secret(word: &str, continues_token: bool) -> bool {
    // `eyJ` is `{"` in base64. Inside a short word, as in `apiKeyJson`, it is a coincidence.
    let jwt = word.starts_with("eyJ") || word.len() >= 16 && word.contains("eyJ");
    let issued = word.len() >= 20 && PREFIXES.iter().any(|prefix| word.contains(prefix));
    // A key may be joined to a long run of letters, which hides its changes.
    let hides_key = |part: &str| part.as_bytes().windows(LONGEST_NAME + 1).any(|part| !is_name(part));
    let is_key = || !is_name(word.as_bytes()) || word.split(['-', '_']).any(hides_key);
    word.len() > LONGEST_NAME && is_key() || word.len() >= 8 && (jwt || continues_token) || issued
}

/// A name has few changes of case and between letters and digits. More are allowed in short words with hyphens between them.
fn is_name(word: &[u8]) -> bool {
    let (cases, digits) = changes(word);
    let words = word.split(|byte| matches!(byte, b'-' | b'_')).all(|word| word.len() <= 24);
    (cases + digits) * 10 < word.len() * if words { 3 } else { 1 }
}

/// Secret keys and session tokens contain slashes, and so do paths and roles. Random letters change between cases, or to a
/// digit and back, at more than every second step. The words of paths change at every fifth.
fn is_base64(path: &str) -> bool {
    path.as_bytes().windows(LONGEST_NAME).any(|path| {
        let (cases, digits) = changes(path);
        let has_hyphen = path.iter().any(|byte| matches!(byte, b'-' | b'_'));
        !has_hyphen && path.iter().any(u8::is_ascii_digit) && cases > 3 && (cases + digits) * 10 >= path.len() * 3
    })
}

/// How often neighbours differ in case, and how often one is a digit and the other a letter.
fn changes(letters: &[u8]) -> (usize, usize) {
    let pairs = || letters.array_windows().filter(|[a, b]| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric());
    let cases = pairs().filter(|[a, b]| {
        a.is_ascii_lowercase() && b.is_ascii_uppercase() || a.is_ascii_uppercase() && b.is_ascii_lowercase()
    });
    (cases.count(), pairs().filter(|[a, b]| a.is_ascii_digit() != b.is_ascii_digit()).count())
}

/// Replaces characters that are invisible, change the direction of text, or pile marks on one letter.
fn one_line(text: &str) -> String {
    let mut marks = 0;
    let visible = |c: char| {
        // `Debug` escapes characters without a shape of their own: controls, formats, and marks on the letter before.
        let shaped = c.is_ascii_graphic() || c.is_alphanumeric() && c.escape_debug().len() == 1;
        marks = if shaped { 0 } else { marks + 1 };
        if (shaped || c.is_alphanumeric() && marks <= MOST_MARKS) && !BLANK.contains(&c) { c } else { ' ' }
    };
    let text: String = text.chars().map(visible).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const REDACTED: &str = "[redacted]";

/// Limit of the text that is searched, many times what is printed.
const LONGEST_TEXT: usize = 16 * 1024;

/// A thumbprint has 40 characters, and so has a secret key of AWS.
const LONGEST_NAME: usize = 40;

/// Twelve equal letters in a row are no coincidence. A `u128` holds up to 16.
const NGRAM: usize = 12;

/// Prefixes of GitHub's and GitLab's tokens, which are as short as names.
const PREFIXES: [&str; 7] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"];

/// Prefixes of Vault's tokens, before a dot.
const VAULT: [&str; 3] = ["hvs", "hvb", "hvr"];

/// Marks on a letter of Thai or Hindi.
const MOST_MARKS: usize = 2;

/// Invisible characters that Unicode counts as letters.
const BLANK: [char; 6] = ['\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}', '\u{3164}', '\u{ffa0}'];

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIn0.c2lnbmF0dXJlLWNhbmFyeQ";

    #[test]
    fn no_part_of_the_token_is_echoed() {
        let lines = |width: usize| JWT.as_bytes().chunks(width).map(String::from_utf8_lossy).collect::<Vec<_>>();
        for (text, expected) in [
            (format!("bad token {JWT}!"), "bad token [redacted]!"),
            (format!("{JWT} and {JWT}"), "[redacted] and [redacted]"),
            (format!("{0}{1}{0}{1}", &JWT[..20], &JWT[30..50]), "[redacted]"),
            ("only the c2lnbmF0dXJlLWNhbmFyeQ of it".to_owned(), "only the [redacted] of it"),
            ("only the bmF0dXJlLWNhbm of it".to_owned(), "only the [redacted] of it"),
            (format!("cut {}", &JWT[..30]), "cut [redacted]"),
            (format!("escaped {}.", JWT.replace('.', "%2E")), "escaped [redacted]."),
            (format!("wrapped {}.", lines(10).join("\r\n")), "wrapped [redacted]."),
            (format!("spread {}.", lines(1).join("\u{200b}")), "spread [redacted]."),
            (format!("quoted {:?}", lines(7)), "quoted [\"[redacted]\"]"),
            ("another's eyJhbGciOiJub25lIn0".to_owned(), "another's [redacted]"),
        ] {
            assert_eq!(printable(&text, JWT, 200), expected);
        }
        assert_eq!(printable("opaque-token was refused", "opaque-token", 200), "[redacted] was refused");
        assert_eq!(printable("x1y2 was refused", "x1y2", 200), "[redacted] was refused");
    }

    #[test]
    fn p9_escapes_do_not_hide_a_secret() {
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for escape in ["%2F", "%252f", r"\/", r"\u002f", "&#47;", "&#x2F;"] {
            assert_eq!(printable(&format!("key={};", key.replace('/', escape)), "", 200), "key=[redacted];");
        }
        assert_eq!(printable("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMP&#x2F;EKEY€", "", 200), "[redacted]");
        // The percent sign before a key is no part of the key.
        assert_eq!(printable("%ab1+Ab1+Ab1+Ab1+Ab1+Ab1+Ab1+Ab1+Ab1+Ab1+", "", 200), "%[redacted]");
        let wrapped =
            format!("-----BEGIN KEY-----\n{}\n{}\nAb1+Ab1+Ab==\n-----END", "Ab1+".repeat(16), "cD2/".repeat(16));
        assert_eq!(printable(&wrapped, "", 200), "-----BEGIN KEY----- [redacted] [redacted] [redacted]== -----END");
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3\nMiOiJodHRwczovL2V4YW1wbGUu\nY29tIn0.c2ln\nbmF0dXJlLWNhbmFyeQ\nend";
        assert_eq!(printable(jwt, "", 200), "[redacted].eyJpc3 [redacted] [redacted].c2ln [redacted] [redacted]");
    }

    #[test]
    fn quoted_value_shows_all_but_secrets() {
        for (value, shown) in [
            ("eu-central-1 ", r#""eu-central-1 ""#),
            ("eu\u{202e}\u{200b}\u{fe0f}\u{301}\n", r#""eu\u{202e}\u{200b}\u{fe0f}\u{301}\n""#),
            ("a\u{3164}b", r#""a\u{3164}b""#),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", r#""[redacted]""#),
        ] {
            assert_eq!(quoted(value, 20), shown);
        }
        assert_eq!(quoted("äöü", 2), r#""äö"... (6 bytes)"#);
    }

    #[test]
    fn p9_labelled_secret_is_not_printed() {
        for (text, printed) in [
            ("Authorization: Bearer s3cr3t-0f-mine", "Authorization: Bearer [redacted]"),
            ("authorization: basic dXNlcjpwYXNz\r\nhost: a", "authorization: basic [redacted] host: a"),
            ("GET https://user:pass@vault.example/v1", "GET https://[redacted]@vault.example/v1"),
            ("proxy http://user@10.0.0.1:3128 refused", "proxy http://[redacted]@10.0.0.1:3128 refused"),
            ("body client_secret=swordfish&grant_type=x", "body client_secret=[redacted]&grant_type=x"),
            (r#"{"password": "swordfish", "user": "me"}"#, r#"{"password": "[redacted]", "user": "me"}"#),
            (r#"{\"session_token\":\"swordfish\"}"#, r#"{\"session_token\":\"[redacted]\"}"#),
            ("permission denied for hvs.CAESIJ1234567890abcdef", "permission denied for hvs.[redacted]"),
            ("bad ghs_16C7e42F292c6912E7710c838347Ae178B4a", "bad [redacted]"),
            ("bad glpat-16C7e42F292c6912E771", "bad [redacted]"),
        ] {
            assert_eq!(printable(text, "", 200), printed);
        }
        for text in [
            "bearer authentication is basic information; a token: it is missing",
            "the token=x of AKIAIOSFODNN7EXAMPLE at https://example.com/@scope/package",
            "a token begins with eyJ, a password is not asked for",
            "ASIAIOSFODNN7EXAMPLE is not authorized to perform sts:AssumeRoleWithWebIdentity",
            "RequestID: 7c41e222-d77b-4402-a75c-057740452593, sha1 9e99a48a9960b14926bb7f3b02e22da2b0ab7280",
        ] {
            assert_eq!(printable(text, "", 200), text);
        }
    }

    #[test]
    fn invisible_character_becomes_a_space() {
        let unseen = ('\0'..=char::MAX).filter(|c| {
            c.is_control() || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
                || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{3164}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
        });
        for c in unseen {
            assert_eq!(plain(&format!("a{c}b"), 200), "a b", "{c:?}");
        }
        assert_eq!(plain("é, ü, ß, 日本, Ж, ไม่มีสิทธิ์", 200), "é, ü, ß, 日本, Ж, ไม มีสิทธิ");
        // One letter with many marks on it.
        assert_eq!(plain(&format!("ก{}", "\u{e31}".repeat(99)), 200), "ก\u{e31}\u{e31}");
    }

    #[test]
    fn word_longer_than_a_name_is_not_printed() {
        assert_eq!(printable(&format!("key {}", "Ab1+".repeat(11)), "", 200), "key [redacted]");
        assert_eq!(printable(&format!("key {}", "Ab1+".repeat(10)), "", 200), "key [redacted]");
        for name in ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280", "Role-For-The-Checkout-Service-In-Shop-01"] {
            assert_eq!((name.len(), printable(name, "", 200).as_str()), (40, name));
        }
        let names = "arn:aws:iam::123456789012:role/app https://oidc.example.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
        assert_eq!(printable(names, JWT, 200), names);
    }

    #[test]
    fn long_name_is_printed_and_long_secret_not() {
        for name in [
            "arn:aws:iam::123456789012:role/eksctl-shop-production-addon-iamserviceaccount-defau-Role1-1A2B3C4D5E6F7",
            "orders-service-of-the-shop-in-production-7d9f8c6b5-x2v4q",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS_AND_EVEN_MORE",
            &"x".repeat(65),
        ] {
            assert_eq!(printable(name, "", 200), name);
        }
        for secret in [
            "d4f0bc5a29de06b510f9aa428f1eedba926012b591fef7a518e776a7c9bd1824",
            "vKq2Zr-9xLwT0cYb_1sDfGh7JkQ3wEr5TyUiOp4AsDfGhXzC",
            &format!("{}d4f0bc5a29de06b510f9aa428f1eedba926012b591fef7a518e776a7c9bd1824", "x".repeat(300)),
        ] {
            assert_eq!(printable(secret, "", 200), "[redacted]");
        }
    }

    #[test]
    fn p9_key_with_slashes_is_told_from_path() {
        for key in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "/J4lrXUtnFEMIsK7MDENG+bPxRfiCYEX4MPLEK3Y",
            "4+vfvFjrLaEuXCVNGcp/debyGWEaEVTkNWwBjTgd",
        ] {
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

    /// A rare random key looks like words and is missed.
    #[test]
    fn p9_random_key_is_rarely_printed() {
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
        assert_eq!(printable(&format!("a {}", "x".repeat(LONGEST_TEXT)), "", 25), "a");
        // The token ends after the limit.
        assert_eq!(printable(&format!("{} {JWT}", "x".repeat(20)), JWT, 25), "xxxxxxxxxxxxxxxxxxxx [red…");
    }
}
