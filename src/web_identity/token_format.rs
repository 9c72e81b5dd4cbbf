//! The format of a token. Content that is certainly not a token is refused and named: quotes, JSON, a byte-order mark.
//!
//! A token need not be a JWT: Login with Amazon and Facebook issue opaque tokens, and an STS other than AWS's may accept
//! others.

use std::fmt;

use aws_smithy_types::base64;

/// Why bytes are not a token. Holds none of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotAToken {
    /// Follows the name of the file or source.
    problem: &'static str,
    remedy: &'static str,
    /// The writer may not have finished.
    pub(super) unfinished: bool,
}

impl NotAToken {
    pub(super) const TOO_LONG: Self =
        Self::new("is longer than 20000 bytes, the limit of STS", "name the file that holds only the token");

    const fn new(problem: &'static str, remedy: &'static str) -> Self {
        Self { problem, remedy, unfinished: false }
    }

    const fn unfinished(problem: &'static str) -> Self {
        Self { problem, remedy: "its writer has not finished, or has failed", unfinished: true }
    }

    pub(super) fn remedy(&self) -> String {
        if self.unfinished { self.remedy.to_owned() } else { format!("{}; a JWT begins with eyJ", self.remedy) }
    }
}

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem)
    }
}

/// The token in `bytes`, without the white space around it.
pub(super) fn parse(bytes: &[u8]) -> Result<&str, NotAToken> {
    let bytes = bytes.trim_ascii();
    let begins = |with: &str| bytes.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    if let Some((_, kind)) = BEGINNINGS.iter().find(|(with, _)| begins(with)) {
        return Err(*kind);
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(UTF_16);
    }
    if bytes.starts_with(b"ZXlK") && is_jwt_in_base64(bytes) {
        return Err(BASE64);
    }
    if has_name(bytes) {
        return Err(NAMED);
    }
    match bytes.len() {
        0 => return Err(NotAToken::unfinished("is empty")),
        1..MIN_BYTES => return Err(NotAToken::unfinished("is shorter than 4 bytes")),
        MIN_BYTES..=MAX_BYTES => {}
        _ => return Err(NotAToken::TOO_LONG),
    }
    if bytes.contains(&0) {
        return Err(NUL);
    }
    if bytes.iter().any(u8::is_ascii_whitespace) {
        return Err(SEVERAL);
    }
    let Some(text) = str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())) else {
        return Err(NOT_ASCII);
    };
    let parts = text.split('.').count();
    match parts {
        _ if !text.starts_with("eyJ") => Ok(text),
        3 if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=+/".contains(&byte)) => Err(SOILED),
        5 if is_encrypted(text) => Err(ENCRYPTED),
        5.. => Err(SEVERAL),
        _ => Ok(text),
    }
}

/// Recognises `token=…`, `AWS_TOKEN=eyJ…` and `apiVersion: v1`. An opaque token may also hold `=` and `:`.
fn has_name(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"_-".contains(byte)));
    let Some((name, [mark, value @ ..])) = end.map(|end| bytes.split_at(end)) else { return false };
    let is_blank = value.first().is_some_and(u8::is_ascii_whitespace);
    let value = value.trim_ascii_start();
    let says_token = || {
        let name = name.to_ascii_lowercase();
        name.ends_with(b"token") || name.ends_with(b"jwt")
    };
    !name.is_empty()
        && match mark {
            b'=' => value.starts_with(b"eyJ") || says_token() && value.first().is_some_and(|byte| *byte != b'='),
            b':' => is_blank || value.starts_with(b"eyJ"),
            _ => false,
        }
}

/// Recognises a JWT that was encoded in base64 once more, on one line or several.
fn is_jwt_in_base64(bytes: &[u8]) -> bool {
    let text: String = bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| char::from(*byte)).collect();
    let decoded = base64::decode(text).map(zeroize::Zeroizing::new);
    decoded.is_ok_and(|text| text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() >= 2)
}

/// The header of an encrypted token names the algorithm that encrypted it.
fn is_encrypted(token: &str) -> bool {
    let header = token.split('.').next().and_then(super::claims::decode);
    header.is_some_and(|header| header.get("enc").is_some())
}

/// Limits of `WebIdentityToken` in the reference of STS.
pub(super) const MAX_BYTES: usize = 20_000;
const MIN_BYTES: usize = 4;

const JSON: NotAToken = NotAToken::new(
    "begins with { or [, like JSON or a template",
    "write only the token, which is status.token in a TokenRequest or ExecCredential",
);
const QUOTED: NotAToken = NotAToken::new("begins with a quotation mark", "write the token without quotes");
const HEADER: NotAToken = NotAToken::new("begins like an HTTP header", "write only the token, without Bearer");
const VARIABLE: NotAToken =
    NotAToken::new("begins with a variable that nothing has replaced", "write the token itself");
const NAMED: NotAToken =
    NotAToken::new("begins with a name, like a variable, a header or YAML", "write only the value, which is the token");
const URL: NotAToken = NotAToken::new(
    "begins with a URL",
    "write the token itself; to fetch it from a URL, implement ProvideToken for Builder::token_source",
);
const BASE64: NotAToken =
    NotAToken::new("is a token in base64", "decode it once (a Secret that is mounted as a file is decoded already)");
const UTF_16: NotAToken = NotAToken::new("begins with a byte-order mark of UTF-16", "write it as plain ASCII");
const NUL: NotAToken =
    NotAToken::new("has NUL bytes in it, like an environment or UTF-16", "write only the token, as plain ASCII");
const SEVERAL: NotAToken =
    NotAToken::new("has several lines, words or tokens", "write one token without line breaks or blanks");
const NOT_ASCII: NotAToken =
    NotAToken::new("is not text, or has characters other than visible ASCII", "write one token and nothing else");
const SOILED: NotAToken = NotAToken::new(
    "begins like a JWT and has characters that no JWT has",
    "look for a quotation mark, comma or percent sign at its end",
);
const ENCRYPTED: NotAToken = NotAToken::new(
    "is an encrypted token (JWE, five parts)",
    "STS reads only signed tokens (three parts). Let the issuer sign the token and not encrypt it",
);

const BEGINNINGS: [(&str, NotAToken); 16] = [
    ("\u{feff}", NotAToken::new("begins with a byte-order mark", "write it as UTF-8 without that mark")),
    ("{", JSON),
    ("[", JSON),
    ("\"", QUOTED),
    ("'", QUOTED),
    ("`", QUOTED),
    ("<", NotAToken::new("begins with <, like HTML, XML or a placeholder", "check its writer, which wrote no token")),
    (
        "-----BEGIN",
        NotAToken::new("begins like a key or certificate in PEM", "write the token, not the key that signs it"),
    ),
    ("---\n", NAMED),
    ("Bearer ", HEADER),
    ("Authorization:", HEADER),
    ("$(", VARIABLE),
    ("${", VARIABLE),
    ("https://", URL),
    ("http://", URL),
    ("file:", URL),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_identity::testing::jwt;

    const CANARY: &str = r#"{"sub":"canary"}"#;

    #[test]
    fn certainly_wrong_content_is_named() {
        let token = jwt(CANARY);
        let encrypted = format!("{}.a.b.c.d", base64url(r#"{"alg":"dir","enc":"A256GCM"}"#));
        let encoded = base64::encode(&token);
        let utf16 = |order: fn(u16) -> [u8; 2]| token.encode_utf16().flat_map(order).collect::<Vec<_>>();
        for (kind, texts) in [
            ("begins with a byte-order mark", vec![format!("\u{feff}{token}")]),
            ("begins with a quotation mark", vec![format!("\"{token}\""), format!("'{token}'"), format!("`{token}`")]),
            (
                "begins like an HTTP header",
                vec![format!("Bearer {token}"), format!("bearer {token}"), format!("Authorization: Bearer {token}")],
            ),
            (
                "begins with a name",
                vec![
                    format!("token={token}"),
                    format!("ID_TOKEN=opaque"),
                    format!("X={token}"),
                    format!("token: {token}"),
                    "apiVersion: v1\nkind: Config\n".to_owned(),
                    "---\napiVersion: v1\n".to_owned(),
                ],
            ),
            (
                "begins with { or [",
                vec![
                    format!("{{\"status\":{{\"token\":\"{token}\"}}}}"),
                    "[default]\n".to_owned(),
                    "{{ token }}".to_owned(),
                ],
            ),
            (
                "is a token in base64",
                vec![encoded.clone(), encoded.replace("ey", "e\ny").replace("\n", ""), {
                    let (head, tail) = encoded.split_at(40);
                    format!("{head}\n{tail}\n")
                }],
            ),
            ("begins like a key or certificate", vec!["-----BEGIN CERTIFICATE-----\ncanary\n".to_owned()]),
            (
                "has several lines, words or tokens",
                vec![
                    format!("{token}\n{token}"),
                    format!("{token} canary"),
                    format!("{token}{token}"),
                    "an opaque".into(),
                ],
            ),
            ("has NUL bytes in it", vec![format!("A=canary\0B={token}\0"), format!("{token}\0")]),
            ("begins with <", vec!["<!DOCTYPE html>canary".to_owned(), "<token>".to_owned()]),
            ("begins with a variable", vec!["$(TOKEN)".to_owned(), "${TOKEN}".to_owned()]),
            ("begins with a URL", vec!["https://canary.example/token".to_owned(), "file:///canary".to_owned()]),
            ("is an encrypted token", vec![encrypted]),
            ("is not text, or has", vec!["canaryü".to_owned(), "canary\u{7}".to_owned()]),
            ("begins like a JWT and has", vec![format!("{token}\""), format!("{token}%"), format!("{token},")]),
            ("is longer than 20000 bytes", vec!["x".repeat(MAX_BYTES + 1)]),
            ("is empty", vec![String::new(), " \r\n".to_owned()]),
            ("is shorter than 4 bytes", vec!["abc".to_owned()]),
        ] {
            for text in texts {
                let error = parse(text.as_bytes()).expect_err(&text);
                let shown = format!("{error}: {}", error.remedy());
                assert!(shown.starts_with(kind), "{shown} for {text}");
                assert!(!shown.contains("canary") && shown.contains("eyJ") != error.unfinished, "{shown}");
            }
        }
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let marked = [order(0xfeff).to_vec(), utf16(order)].concat();
            assert_eq!(parse(&marked), Err(UTF_16));
            assert_eq!(parse(&utf16(order)), Err(NUL));
        }
    }

    #[test]
    fn what_may_be_a_token_passes() {
        let (whole, longest) = (jwt(CANARY), "x".repeat(MAX_BYTES));
        let (head, _) = whole.rsplit_once('.').unwrap();
        for token in [
            &whole,
            head,
            &format!("{head}."),
            &longest,
            "Atza|IQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR",
            "EAACEdEose0cBAKZC==",
            "ya29.a0AfH6SMBx",
            "s.opaque:with=marks/and+more",
            "https",
            "eyJvcGFxdWUiOiJ4In0=",
            "ZXlKhIsNoBase64OfAToken",
            "token==",
        ] {
            assert_eq!(parse(format!("\n {token}\t").as_bytes()), Ok(token));
        }
    }

    fn base64url(text: &str) -> String {
        base64::encode(text).trim_end_matches('=').replace('+', "-").replace('/', "_")
    }
}
