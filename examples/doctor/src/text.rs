//! Times, durations, errors and foreign text, made fit to print.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

pub(crate) fn date(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::DateTime).unwrap_or_else(|_| "a time out of range".to_owned())
}

pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// An error with its causes. A cause is left out if the text before contains it.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Foreign text without control characters, cut to 2000 characters.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).chars().take(2000).collect()
}

/// Replaces characters that move the cursor or change the direction of text.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_visible(c) { c } else { ' ' }).collect()
}

/// The same JSON, with such characters escaped.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_visible(c) || c == ' ' || c == '\n' {
            out.push(c);
        } else {
            // JSON can have such a character in a string only.
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

fn is_visible(c: char) -> bool {
    c.is_alphanumeric() || c.is_ascii_graphic() || c == '…'
}

/// A claim, cut to 200 characters.
pub(crate) fn claim(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => printable(&text[..end]) + "…",
        None => printable(text),
    }
}

/// Some editors write it at the beginning of a file. Neither JSON nor a token may have it.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
pub(crate) const WITHOUT_MARK: &str = "write the file as UTF-8 without a byte-order mark";
