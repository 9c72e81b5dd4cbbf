//! One raw answer, and what it says: the generated client takes a cut or foreign one for whole, or drops its text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format;
use roxmltree::{Document, Error, Node, ParsingOptions};
use serde_json::Value;
use zeroize::Zeroizing;

use super::tap::address;
use crate::scrub::chain;

/// An answer, read to its end or to the limit. No `Debug`: it may hold keys.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of the server that answered; none if a cache in between answered for it.
    pub(super) date: Option<SystemTime>,
    pub(super) retry_after: Option<Duration>,
    pub(super) content_type: Option<String>,
    /// The program that answered, by its own words.
    pub(super) server: Option<String>,
    /// The address that a redirect names.
    pub(super) location: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
    pub(super) end: End,
}

/// How the body ended.
pub(super) enum End {
    Whole,
    TooLong,
    Broken(String),
    /// Not read, because of this `Content-Encoding`. The request asks for none.
    Encoded(String),
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
    /// Compressed, by this name.
    Encoded(String),
    /// STS's success, but not a whole or plausible one.
    BadGrant(String),
    /// Nothing that STS says.
    Foreign(Foreign),
}

/// A body that is not STS's.
pub(super) struct Foreign {
    pub(super) what: &'static str,
    /// A part of the body that cannot hold credentials, to be scrubbed nevertheless.
    pub(super) quote: Option<String>,
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
        let header = |name| headers.get(name).map(str::to_owned);
        let (content_type, server) = (header("content-type"), header("server"));
        let location = headers.get("location").map(address);
        let request_id = REQUEST_IDS.iter().find_map(|name| header(name));
        let encodings = headers.get_all("content-encoding").flat_map(|value| value.split(',')).map(str::trim);
        let encoding = encodings.filter(|name| !PLAIN.iter().any(|plain| name.eq_ignore_ascii_case(plain))).last();
        let (body, end) = match encoding.map(str::to_owned) {
            Some(encoding) => (Zeroizing::default(), End::Encoded(encoding)),
            None => read_body(response.into_body()).await,
        };
        Self { status, date, retry_after, content_type, server, location, request_id, body, end }
    }

    pub(super) fn says(&self) -> Says {
        match &self.end {
            End::Broken(why) => return Says::Broken(why.clone()),
            End::Encoded(encoding) => return Says::Encoded(encoding.clone()),
            End::Whole if self.body.starts_with(GZIP) => return Says::Encoded("gzip, not declared".to_owned()),
            End::Whole | End::TooLong => {}
        }
        let text = &*self.text();
        if matches!(self.end, End::TooLong) {
            return Says::Foreign(Foreign { what: "more than 64 KiB", quote: self.foreign(text).quote });
        }
        // XML allows neither before its declaration; some servers send them.
        let xml = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
        let name = root_name(xml);
        let operation =
            OPERATIONS.into_iter().find(|operation| local(name).strip_suffix("Response") == Some(operation));
        let is_error = ["Error", "ErrorResponse", "Response"].contains(&local(name));
        if operation.is_none() && !is_error {
            return self.refused_in_json(text).unwrap_or_else(|| Says::Foreign(self.foreign(text)));
        }
        if operation.is_some() && !self.is_success() {
            return Says::Foreign(Foreign { what: "a success with the status of a failure", quote: None });
        }
        let parsed =
            Document::parse_with_options(xml, ParsingOptions { nodes_limit: MOST_NODES, ..Default::default() });
        match (parsed, operation) {
            (Ok(document), Some(operation)) => {
                grant(document.root_element(), operation).map_or_else(Says::BadGrant, Says::Granted)
            }
            (Ok(document), None) => refusal(document.root_element())
                .unwrap_or(Says::Foreign(Foreign { what: "XML without credentials or an error code", quote: None })),
            (Err(_), _) if !xml.contains(&format!("</{name}")) => match operation {
                Some(_) => Says::BadGrant("was cut before its closing tag".to_owned()),
                None => Says::Broken("cut before its closing tag".to_owned()),
            },
            (Err(error), Some(_)) => Says::BadGrant(format!("is {}", not_xml(&error))),
            (Err(error), None) => Says::Foreign(Foreign { what: not_xml(&error), quote: None }),
        }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Bytes that are not UTF-8 become U+FFFD: another charset costs letters of a message, and never half a key.
    fn text(&self) -> Zeroizing<String> {
        // The whole room at once: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(self.body.len() * char::REPLACEMENT_CHARACTER.len_utf8()));
        for chunk in self.body.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend((!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER));
        }
        text
    }

    /// An error in JSON. JSON of a success is not read: it may hold credentials.
    fn refused_in_json(&self, text: &str) -> Option<Says> {
        let json = self.json(text)?;
        let code = ["Code", "code", "__type"].iter().find_map(|name| json_error(&json).get(name)?.as_str())?;
        let code = code.rsplit('#').next().filter(|code| !code.is_empty())?.to_owned();
        let request_id = ["RequestId", "requestId"].iter().find_map(|name| json.get(name)?.as_str());
        let message = json_message(&json).unwrap_or_default().to_owned();
        Some(Says::Refused { code, message, request_id: request_id.map(str::to_owned) })
    }

    fn json(&self, text: &str) -> Option<Value> {
        serde_json::from_str(text).ok().filter(|json: &Value| json.is_object() && !self.is_success())
    }

    /// What it is, and a part of it for people to see. Never quoted: markup beyond a title, XML, values of JSON other than
    /// messages, and text of a success.
    fn foreign(&self, text: &str) -> Foreign {
        let start = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
        let json = || self.json(text).as_ref().and_then(json_message).map(str::to_owned);
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let is_html = || HTML.iter().any(|tag| lower.contains(tag));
        let (what, quote) = match () {
            () if (300..400).contains(&self.status) && self.location.is_some() => ("a redirect", self.location.clone()),
            () if start.is_empty() => ("an empty body", None),
            () if self.is_utf16() => ("text in UTF-16", None),
            () if text.chars().any(|c| c.is_control() && !c.is_whitespace()) => ("no text", None),
            () if start.starts_with(['{', '[']) => ("JSON", json()),
            () if is_html() => ("an HTML page", title(text, &lower)),
            () if start.starts_with('<') => ("XML of another kind", Some(root_tag(start).to_owned())),
            () => ("text", Some(text.to_owned()).filter(|_| !self.is_success())),
        };
        Foreign { what, quote }
    }

    fn is_utf16(&self) -> bool {
        [&b"\xff\xfe"[..], b"\xfe\xff", b"<\0", b"\0<"].iter().any(|start| self.body.starts_with(start))
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

/// `ErrorResponse/Error` as AWS has it, `ErrorResponse/Errors/Error`, `Response/Errors/Error`, or `Error` alone.
fn refusal(root: Node<'_, '_>) -> Option<Says> {
    let error = root.descendants().find(|node| node.has_tag_name("Error"))?;
    let field = |name| Some(child(error, name).and_then(text)?.to_string());
    let code = field("Code").filter(|code| !code.is_empty())?;
    let mut ids = [error, root].into_iter().flat_map(|node| [child(node, "RequestId"), child(node, "RequestID")]);
    let request_id = ids.find_map(|id| Some(text(id?)?.to_string()));
    Some(Says::Refused { code, message: field("Message").unwrap_or_default(), request_id })
}

fn grant(root: Node<'_, '_>, operation: &str) -> Result<Granted, String> {
    let result = child(root, &format!("{operation}Result"));
    let credentials = result.and_then(|result| child(result, "Credentials")).ok_or("has no Credentials element")?;
    let field = |name| child(credentials, name).and_then(text);
    let key = |name| field(name).filter(|text| is_key(text));
    let expiration = field("Expiration").ok_or("has no expiration")?;
    let arn = result.and_then(|result| child(child(result, "AssumedRoleUser")?, "Arn")).and_then(text);
    let arn = arn.filter(|arn| is_key(arn) && arn.starts_with("arn:") && arn.len() <= 2048);
    Ok(Granted {
        access_key_id: key("AccessKeyId").ok_or("has no access key id")?,
        secret_access_key: key("SecretAccessKey").ok_or("has no secret access key")?,
        session_token: key("SessionToken").ok_or("has no session token")?,
        expiration: plausible(&expiration)
            .ok_or_else(|| format!("has {} for its expiration, which is no time after 2015", shown(&expiration)))?,
        assumed_role_arn: arn.map(|arn| arn.to_string()),
    })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The whole text of an element, trimmed. None if there are elements in it: a part is not the whole.
///
/// The reader lends the body's own bytes. Only text with references, or beside CDATA, is joined in the reader's memory,
/// which is not wiped: no known server sends a key so.
fn text(node: Node<'_, '_>) -> Option<Zeroizing<String>> {
    if node.children().any(|child| child.is_element()) {
        return None;
    }
    // Comments part it.
    let pieces = || node.children().filter(Node::is_text).filter_map(|piece| piece.text());
    let mut whole = Zeroizing::new(String::with_capacity(pieces().map(str::len).sum()));
    pieces().for_each(|piece| whole.push_str(piece));
    Some(Zeroizing::new(whole.trim().to_owned()))
}

/// A text that can go into a header later.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The name of the first element, with its prefix. For text that may be cut, so that no reader takes it.
fn root_name(xml: &str) -> &str {
    root_tag(xml).split('/').next().unwrap_or_default()
}

/// The same up to the next white space: what is no XML may have a key there, which must be seen whole to be known.
fn root_tag(xml: &str) -> &str {
    let mut rest = xml;
    while let Some((inside, end)) = [("<?", "?>"), ("<!--", "-->"), ("<!", ">")]
        .iter()
        .find_map(|(start, end)| Some((rest.strip_prefix(start)?, end)))
    {
        rest = inside.split_once(end).map_or("", |(_, rest)| rest);
        // A DOCTYPE may end with brackets.
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ']' || c == '>');
    }
    let tag = rest.strip_prefix('<').unwrap_or_default();
    tag.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or_default().trim_end_matches('/')
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn not_xml(error: &Error) -> &'static str {
    match error {
        Error::DtdDetected => "XML with a DOCTYPE, which is not read",
        Error::NodesLimitReached => "XML of too many elements",
        _ => "XML that is not well-formed",
    }
}

/// The title of an HTML page, or its first heading. `lower`: the page in lower case.
fn title(page: &str, lower: &str) -> Option<String> {
    ["title", "h1"].iter().find_map(|tag| {
        let start = lower.find(&format!("<{tag}"))?;
        let start = start + lower[start..].find('>')? + 1;
        let end = start + lower[start..].find("</")?;
        Some(page[start..end].trim().to_owned()).filter(|title| !title.is_empty())
    })
}

fn json_error(json: &Value) -> &Value {
    ["Error", "error"].iter().find_map(|name| json.get(name).filter(|error| error.is_object())).unwrap_or(json)
}

/// What a server says in JSON when it fails, by the usual names.
fn json_message(json: &Value) -> Option<&str> {
    let names = ["Message", "message", "error_description", "errorMessage", "detail", "title", "error"];
    let message = names.iter().find_map(|name| json_error(json).get(name)?.as_str());
    message.or_else(|| json.get("errors")?.get(0)?.as_str())
}

/// In RFC 3339, with or without a zone, or in seconds since 1970. The year 1970 is no answer.
fn plausible(text: &str) -> Option<SystemTime> {
    if let Ok(seconds) = text.parse() {
        return (YEAR_2015..YEAR_9999).contains(&seconds).then(|| UNIX_EPOCH + Duration::from_secs_f64(seconds));
    }
    let (head, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    // Without a zone it is UTC; an offset may lack its colon.
    let spellings = [text.to_owned(), format!("{text}Z"), format!("{head}:{minutes}")];
    let time = spellings.iter().find_map(|text| DateTime::from_str(text, Format::DateTimeWithOffset).ok())?;
    if time.as_secs_f64() < YEAR_2015 {
        return None;
    }
    SystemTime::try_from(time).ok()
}

/// A value that is no time, if it cannot be a key that stands in the wrong place.
fn shown(value: &str) -> String {
    let mut runs = value.split(|c: char| !c.is_alphanumeric());
    let looks_like_a_time = value.len() <= 40 && runs.all(|run| run.chars().filter(|c| c.is_alphabetic()).count() <= 9);
    if looks_like_a_time { format!("{value:?}") } else { format!("a text of {} bytes", value.len()) }
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
/// Ten times what STS sends.
const MOST_NODES: u32 = 500;
/// Names of `Content-Encoding` under which the body is as it was. The last two are no encodings, but are sent.
const PLAIN: [&str; 4] = ["", "identity", "aws-chunked", "utf-8"];
const GZIP: &[u8] = b"\x1f\x8b";
const HTML: [&str; 3] = ["<!doctype html", "<html", "<body"];
const YEAR_2015: f64 = 1_420_070_400.0;
const YEAR_9999: f64 = 253_370_764_800.0;
/// Nobody waits that long; a larger number could overflow a deadline.
const ONE_DAY: Duration = Duration::from_secs(86_400);
