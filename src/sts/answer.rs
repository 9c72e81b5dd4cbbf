//! One raw answer, and what it says: the generated client takes a cut or foreign one for whole, or drops its text.

use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format;
use aws_smithy_xml::decode::{Document, ScopedDecoder, StartEl, try_data};
use zeroize::Zeroizing;

use crate::scrub::chain;

/// An answer, read to its end or to the limit. No `Debug`: it may hold keys.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of the server that answered; none if a cache in between answered for it.
    pub(super) date: Option<SystemTime>,
    pub(super) retry_after: Option<Duration>,
    pub(super) content_type: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) end: End,
}

/// How the body ended.
pub(super) enum End {
    Whole,
    TooLong,
    Broken(String),
}

/// What an answer says.
pub(super) enum Says {
    Granted(Granted),
    /// An error document with a code.
    Refused {
        code: String,
        message: String,
        request_id: Option<String>,
    },
    /// Less than the server wanted to send.
    Broken(String),
    /// STS's success, but not a whole or plausible one.
    BadGrant(&'static str),
    /// Nothing that STS says.
    Foreign(&'static str),
}

/// Credentials, whole and plausible.
pub(super) struct Granted {
    pub(super) access_key_id: Zeroizing<String>,
    pub(super) secret_access_key: Zeroizing<String>,
    pub(super) session_token: Zeroizing<String>,
    pub(super) expiration: SystemTime,
    pub(super) assumed_role_arn: Option<String>,
}

impl Answer {
    /// Reads an answer. `now` stands in for a `Date` that is missing.
    pub(super) async fn read(response: HttpResponse, now: SystemTime) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers();
        let date = headers.get("date").and_then(http_date).filter(|_| !headers.contains_key("age"));
        let retry_after = retry_after(headers, date.unwrap_or(now));
        let content_type = headers.get("content-type").map(str::to_owned);
        let request_id = REQUEST_IDS.iter().find_map(|name| headers.get(name)).map(str::to_owned);
        let (body, end) = read_body(response.into_body()).await;
        Self { status, date, retry_after, content_type, request_id, body, end }
    }

    pub(super) fn says(&self) -> Says {
        match &self.end {
            End::Broken(why) => return Says::Broken(why.clone()),
            End::TooLong => return Says::Foreign("more than 64 KiB"),
            End::Whole => {}
        }
        let Ok(text) = std::str::from_utf8(&self.body) else { return Says::Foreign("not text") };
        if text.trim().is_empty() {
            return Says::Foreign("an empty body");
        }
        let mut document = Document::new(text);
        let Ok(mut root) = document.root_element() else { return Says::Foreign("not XML") };
        let whole = is_whole(text, root.start_el());
        let operation = OPERATIONS.iter().find(|name| root.start_el().local().strip_suffix("Response") == Some(name));
        match root.start_el().local() {
            "Error" | "ErrorResponse" if !whole => Says::Broken("cut before its closing tag".to_owned()),
            "Error" | "ErrorResponse" => refusal(&mut root).unwrap_or(Says::Foreign("an error without a code")),
            _ => match operation {
                None => Says::Foreign("XML of another kind"),
                Some(_) if !(200..300).contains(&self.status) => {
                    Says::Foreign("a success with the status of a failure")
                }
                Some(_) if !whole => Says::BadGrant("was cut before its closing tag"),
                // The reader skips such sections: half a key would be left.
                Some(_) if text.contains("<![CDATA[") => Says::BadGrant("has CDATA sections"),
                Some(operation) => grant(&mut root, operation).map_or_else(Says::BadGrant, Says::Granted),
            },
        }
    }

    /// The body, for people to see its beginning. None if it might hold keys.
    pub(super) fn quotable(&self) -> Option<Zeroizing<String>> {
        let text = Zeroizing::new(String::from_utf8_lossy(&self.body).into_owned());
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let secret = ["credential", "secretaccesskey", "secretkey", "sessiontoken"];
        let quotable = !secret.iter().any(|word| lower.contains(word));
        quotable.then_some(text)
    }
}

async fn read_body(body: SdkBody) -> (Zeroizing<Vec<u8>>, End) {
    // The whole room at once: growing would leave copies behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(LIMIT));
    let mut body = ByteStream::new(body);
    loop {
        match body.next().await {
            None => return (whole, End::Whole),
            Some(Err(error)) => return (whole, End::Broken(chain(&error))),
            Some(Ok(piece)) => {
                let room = LIMIT - whole.len();
                whole.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    return (whole, End::TooLong);
                }
            }
        }
    }
}

/// `ErrorResponse/Error`, or `Error` alone as other servers have it.
fn refusal(root: &mut ScopedDecoder<'_, '_>) -> Option<Says> {
    let mut fields = ErrorFields::default();
    if root.start_el().local() == "Error" {
        fields.read(root);
    } else {
        while let Some(mut tag) = root.next_tag() {
            match tag.start_el().local() {
                "Error" => fields.read(&mut tag),
                "RequestId" | "RequestID" => fields.request_id = text(&mut tag),
                _ => {}
            }
        }
    }
    let code = fields.code.filter(|code| !code.is_empty())?;
    let request_id = fields.request_id.map(|id| id.to_string());
    Some(Says::Refused { code: code.to_string(), message: fields.message.unwrap_or_default().to_string(), request_id })
}

#[derive(Default)]
struct ErrorFields {
    code: Option<Zeroizing<String>>,
    message: Option<Zeroizing<String>>,
    request_id: Option<Zeroizing<String>>,
}

impl ErrorFields {
    fn read(&mut self, error: &mut ScopedDecoder<'_, '_>) {
        while let Some(mut tag) = error.next_tag() {
            match tag.start_el().local() {
                "Code" => self.code = text(&mut tag),
                "Message" => self.message = text(&mut tag),
                "RequestId" | "RequestID" => self.request_id = text(&mut tag),
                _ => {}
            }
        }
    }
}

fn grant(root: &mut ScopedDecoder<'_, '_>, operation: &str) -> Result<Granted, &'static str> {
    let (mut key, mut secret, mut token, mut expiration, mut arn) = (None, None, None, None, None);
    while let Some(mut result) = root.next_tag() {
        if result.start_el().local().strip_suffix("Result") != Some(operation) {
            continue;
        }
        while let Some(mut part) = result.next_tag() {
            match part.start_el().local() {
                "Credentials" => {
                    while let Some(mut tag) = part.next_tag() {
                        match tag.start_el().local() {
                            "AccessKeyId" => key = key_text(&mut tag),
                            "SecretAccessKey" => secret = key_text(&mut tag),
                            "SessionToken" => token = key_text(&mut tag),
                            "Expiration" => expiration = text(&mut tag).as_deref().and_then(|text| plausible(text)),
                            _ => {}
                        }
                    }
                }
                "AssumedRoleUser" => {
                    while let Some(mut tag) = part.next_tag() {
                        if tag.start_el().local() == "Arn" {
                            arn = key_text(&mut tag).filter(|arn| arn.starts_with("arn:") && arn.len() <= 2048);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(Granted {
        access_key_id: key.ok_or("has no access key id")?,
        secret_access_key: secret.ok_or("has no secret access key")?,
        session_token: token.ok_or("has no session token")?,
        expiration: expiration.ok_or("has no plausible expiration")?,
        assumed_role_arn: arn.map(|arn| arn.to_string()),
    })
}

/// The text of an element, trimmed. None if it is broken, or in pieces: a part is not the whole.
fn text(tag: &mut ScopedDecoder<'_, '_>) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(try_data(tag).ok()?.into_owned());
    if !try_data(tag).ok()?.is_empty() {
        return None;
    }
    let trimmed = text.trim();
    Some(if trimmed.len() == text.len() { text } else { Zeroizing::new(trimmed.to_owned()) })
}

/// A text that can go into a header later.
fn key_text(tag: &mut ScopedDecoder<'_, '_>) -> Option<Zeroizing<String>> {
    text(tag).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// The reader does not mind a document that ends early.
fn is_whole(text: &str, root: &StartEl<'_>) -> bool {
    let open = text.trim_end().strip_suffix('>').map(str::trim_end);
    let mut end = open.and_then(|text| text.strip_suffix(root.local()));
    if !root.prefix().is_empty() {
        end = end.and_then(|text| text.strip_suffix(':')).and_then(|text| text.strip_suffix(root.prefix()));
    }
    end.is_some_and(|text| text.ends_with("</")) && Document::new(text).all(|token| token.is_ok())
}

/// Nine fractional digits and offsets included; the year 1970 is no answer.
fn plausible(text: &str) -> Option<SystemTime> {
    let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    if time.secs() < YEAR_2015 {
        return None;
    }
    SystemTime::try_from(time).ok()
}

fn http_date(text: &str) -> Option<SystemTime> {
    let time = DateTime::from_str(text, Format::HttpDate).ok()?;
    SystemTime::try_from(time).ok()
}

/// The SDK's own header counts milliseconds, the web's counts seconds or names a date.
fn retry_after(headers: &Headers, now: SystemTime) -> Option<Duration> {
    let millis = headers.get("x-amz-retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_millis);
    let wait = millis.or_else(|| {
        let text = headers.get("retry-after")?.trim();
        match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => http_date(text)?.duration_since(now).ok(),
        }
    })?;
    Some(wait.min(ONE_DAY))
}

const REQUEST_IDS: &[&str] = &["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];
/// What a success is called after: its root with `Response`, and what it holds with `Result`.
const OPERATIONS: [&str; 2] = ["AssumeRoleWithWebIdentity", "AssumeRole"];
/// Twenty times what STS sends.
const LIMIT: usize = 64 * 1024;
const YEAR_2015: i64 = 1_420_070_400;
/// Nobody waits that long; a larger number could overflow a deadline.
const ONE_DAY: Duration = Duration::from_secs(86_400);
