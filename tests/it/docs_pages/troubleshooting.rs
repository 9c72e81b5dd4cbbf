//! The page `docs::troubleshooting` lists each message of the crate.
//!
//! A message is a string literal of at least three words in `src`. Comments, tests, the kit, and texts that no user
//! reads (events below `warn`, panics, descriptions of metrics) do not count. The page must quote the beginning of each
//! message in backticks, with `…` for each placeholder. Texts of other servers that the crate looks for count as
//! messages.

use std::collections::BTreeSet;
use std::fs;

use regex_lite::Regex;

use super::{rust_files, squeezed, src};

#[test]
fn each_message_is_on_the_page() {
    let page = quoted(&fs::read_to_string(src().join("docs/troubleshooting.rs")).unwrap_or_default());
    let (mut found, mut missing) = (0, BTreeSet::new());
    for file in rust_files(&src(), &["docs", "fuzzing", "test_util", "testing", "tests"]) {
        for message in messages(&fs::read_to_string(&file).unwrap()) {
            let Some(head) = head(&message) else { continue };
            found += 1;
            if !page.contains(&head) {
                missing.insert(format!("{}: `{head}`, of {message:?}", file.strip_prefix(src()).unwrap().display()));
            }
        }
    }
    let missing: Vec<_> = missing.into_iter().collect();
    assert!(missing.is_empty(), "{} of {found} are not on the page:\n{}", missing.len(), missing.join("\n"));
    assert!(found > 100, "too few messages found: {found}");
}

#[test]
fn messages_are_told_from_other_texts() {
    let source = r##"
        //! A comment with several words.
        #[doc = "an attribute of several words"]
        fn refuse() -> String {
            tracing::info!("an event of no interest");
            tracing::warn!(%error, "the first message: more of it");
            let (short, quote, lifetime) = ("two words", '"', 'a');
            format!("{name} is the second message, \
                     over two lines")
        }
        #[cfg(test)]
        mod tests { const TEXT: &str = "a text of the tests"; }
        const RAW: &str = r#"the third "message" of all"#;
    "##;
    let heads: Vec<_> = messages(source).iter().filter_map(|message| head(message)).collect();
    assert_eq!(heads, ["the first message", "is the second message", "the third \"message\" of all"]);
}

/// The string literals of a source that a user may read, in order.
fn messages(source: &str) -> Vec<String> {
    let token = Regex::new(TOKEN).unwrap();
    let tokens: Vec<_> =
        token.find_iter(source).map(|token| token.as_str()).filter(|it| !it.starts_with("//")).collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        at = match tokens[at] {
            "#" => {
                let start = if next == "!" { at + 2 } else { at + 1 };
                let end = group_end(&tokens, start);
                if is_for_tests(&tokens[start..end].concat()) { item_end(&tokens, end) } else { end }
            }
            name if is_unread(name) && next == "!" => group_end(&tokens, at + 2),
            name if is_unread(name) && next == "(" => group_end(&tokens, at + 1),
            literal => {
                found.extend(text(literal));
                at + 1
            }
        };
    }
    found
}

/// Index behind the bracket that closes the one at `start`.
fn group_end(tokens: &[&str], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Index behind an item, which ends with its first braces or with a semicolon.
fn item_end(tokens: &[&str], start: usize) -> usize {
    let mut at = start;
    while at < tokens.len() {
        match tokens[at] {
            ";" => return at + 1,
            "{" => return group_end(tokens, at),
            "(" | "[" => at = group_end(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Comments, strings, characters, lifetimes, words, and single punctuation marks.
const TOKEN: &str = concat!(
    r##"//[^\n]*|br?"(?:[^"\\]|\\(?s:.))*"|r"[^"]*"|r#"(?s:.)*?"#|"(?:[^"\\]|\\(?s:.))*""##,
    r"|'(?:[^'\\]|\\[^']+)'|'\w+|\w+|\S",
);

fn is_for_tests(attribute: &str) -> bool {
    let is_condition = attribute.starts_with("[cfg(") && !attribute.contains("not(test)");
    is_condition && Regex::new(r"\btest\b").unwrap().is_match(&attribute.replace("test-util", ""))
}

/// True for a macro or method whose text no user reads.
fn is_unread(name: &str) -> bool {
    ["info", "debug", "trace", "panic", "unreachable", "expect"].contains(&name)
        || name.contains("assert")
        || name.starts_with("describe_")
}

/// The value of a string literal.
fn text(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        return Some(raw.trim_matches('#').trim_matches('"').to_owned());
    }
    let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?.chars().peekable();
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.next() } else { None }) {
            (_, None) => text.push(c),
            (_, Some('\n')) => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            (_, Some('n')) => text.push('\n'),
            (_, Some(escaped)) => text.push(escaped),
        }
    }
    Some(text)
}

/// The beginning of a message: at least three fixed words up to a punctuation mark, with `…` for each placeholder.
fn head(message: &str) -> Option<String> {
    let placeholder = Regex::new(r"\{[^{}]*\}").unwrap();
    let message = squeezed(&placeholder.replace_all(message, "…")).to_lowercase().replace('`', "");
    let message = message.trim_start_matches(['…', ',', ':', ';', '.', ' ']);
    let words = |text: &str| text.split(' ').filter(|word| word.chars().any(char::is_alphabetic)).count();
    let ends = message.char_indices().filter(|&(at, mark)| {
        ",:;(".contains(mark) || mark == '.' && message[at + 1..].chars().next().is_none_or(|next| next == ' ')
    });
    let mut heads = ends.map(|(at, _)| &message[..at]).chain([message]);
    heads.find(|head| words(head) >= 3).map(squeezed)
}

/// The texts within backticks, one per line.
fn quoted(page: &str) -> String {
    let text: String = page.lines().map(|line| line.trim_start_matches("//!").to_owned() + " ").collect();
    text.split('`').skip(1).step_by(2).map(|part| squeezed(part).to_lowercase() + "\n").collect()
}
