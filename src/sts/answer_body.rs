//! Reads the body of an answer: credentials, an error in XML or JSON, or a body that is not STS's.
//!
//! The SDK's own reader takes a cut answer for a whole one, and drops the text of errors that it does not know.

use std::time::SystemTime;

use roxmltree::{Document, Error, Node, ParsingOptions};
use serde_json::Value;
use zeroize::Zeroizing;

use super::answer::{Answer, Body};
use super::answer_times;

pub(super) enum Content {
    Credentials(IssuedCredentials),
    /// An error document with a code.
    Error {
        code: String,
        message: String,
        request_id: Option<String>,
    },
    /// A part of what the server wanted to send.
    Cut(String),
    /// A compressed body, with the name of its encoding.
    Encoded(String),
    /// A success of STS without complete credentials.
    Incomplete(String),
    /// A body that is not STS's. `quote` is a part of it that cannot hold credentials. It must be scrubbed nevertheless.
    Foreign {
        what: &'static str,
        quote: Option<String>,
    },
}

/// Complete credentials with a plausible expiration.
pub(super) struct IssuedCredentials {
    pub(super) access_key_id: Zeroizing<String>,
    pub(super) secret_access_key: Zeroizing<String>,
    pub(super) session_token: Zeroizing<String>,
    pub(super) expiration: SystemTime,
    pub(super) assumed_role_arn: Option<String>,
}

pub(super) fn content(answer: &Answer) -> Content {
    let bytes = match &answer.body {
        Body::Broken(why) => return Content::Cut(why.clone()),
        Body::Encoded(encoding) => return Content::Encoded(encoding.clone()),
        Body::Whole(bytes) if bytes.starts_with(GZIP) => return Content::Encoded("gzip, not declared".to_owned()),
        Body::Whole(bytes) | Body::TooLong(bytes) => bytes,
    };
    let text = utf8(bytes);
    // Some servers send a byte-order mark or white space before the XML declaration. XML allows neither.
    let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    let success = (200..300).contains(&answer.status);
    // A success in JSON is not read, since it may hold credentials.
    let json = (!success).then(|| serde_json::from_str(text).ok()).flatten().filter(Value::is_object);
    let name = root_tag(text).split('/').next().unwrap_or_default();
    let local_name = name.rsplit(':').next().unwrap_or_default();
    let operation = local_name.strip_suffix("Response").filter(|operation| OPERATIONS.contains(operation));
    if matches!(answer.body, Body::TooLong(_)) {
        return Content::Foreign { what: "more than 64 KiB", quote: describe(answer, text, None).1 };
    }
    match operation {
        Some(_) if !success => Content::Foreign { what: "a success document with the status of an error", quote: None },
        None if !["Error", "ErrorResponse", "Response"].contains(&local_name) => {
            json.as_ref().and_then(json_error).unwrap_or_else(|| {
                let (what, quote) = describe(answer, text, json.as_ref());
                Content::Foreign { what, quote }
            })
        }
        _ => read_xml(text, name, operation),
    }
}

fn read_xml(xml: &str, root: &str, operation: Option<&str>) -> Content {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..Default::default() };
    match (Document::parse_with_options(xml, options), operation) {
        (Ok(document), Some(operation)) => {
            credentials(document.root_element(), operation).map_or_else(Content::Incomplete, Content::Credentials)
        }
        (Ok(document), None) => xml_error(document.root_element())
            .unwrap_or(Content::Foreign { what: "XML without credentials or an error code", quote: None }),
        (Err(_), Some(_)) if !xml.contains(&format!("</{root}")) => {
            Content::Incomplete("was cut before its closing tag".to_owned())
        }
        (Err(_), None) if !xml.contains(&format!("</{root}")) => Content::Cut("its closing tag is missing".to_owned()),
        (Err(error), Some(_)) => Content::Incomplete(format!("is {}", not_xml(&error))),
        (Err(error), None) => Content::Foreign { what: not_xml(&error), quote: None },
    }
}

fn credentials(root: Node<'_, '_>, operation: &str) -> Result<IssuedCredentials, String> {
    let result = child(root, &format!("{operation}Result"));
    let credentials = result.and_then(|result| child(result, "Credentials")).ok_or("has no Credentials element")?;
    let field = |name| child(credentials, name).and_then(text);
    let key = |name| field(name).filter(|text| is_key(text));
    let expiration = field("Expiration").ok_or("has no expiration")?;
    let arn = result.and_then(|result| child(child(result, "AssumedRoleUser")?, "Arn")).and_then(text);
    let arn = arn.filter(|arn| is_key(arn) && arn.starts_with("arn:") && arn.len() <= 2048);
    Ok(IssuedCredentials {
        access_key_id: key("AccessKeyId").ok_or("has no access key id")?,
        secret_access_key: key("SecretAccessKey").ok_or("has no secret access key")?,
        session_token: key("SessionToken").ok_or("has no session token")?,
        expiration: answer_times::expiration(&expiration)
            .ok_or_else(|| format!("has the expiration {}, which is not a time after 2015", shown(&expiration)))?,
        assumed_role_arn: arn.map(|arn| arn.to_string()),
    })
}

/// `ErrorResponse/Error` as AWS sends it, `ErrorResponse/Errors/Error`, `Response/Errors/Error`, or `Error` alone.
fn xml_error(root: Node<'_, '_>) -> Option<Content> {
    let error = root.descendants().find(|node| node.has_tag_name("Error"))?;
    let field = |name| Some(child(error, name).and_then(text)?.to_string());
    let code = field("Code").filter(|code| !code.is_empty())?;
    let mut ids = [error, root].into_iter().flat_map(|node| [child(node, "RequestId"), child(node, "RequestID")]);
    let request_id = ids.find_map(|id| Some(text(id?)?.to_string()));
    Some(Content::Error { code, message: field("Message").unwrap_or_default(), request_id })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The whole text of an element, trimmed. `None` if the element has children: a part of a key is no key.
///
/// The XML reader lends the body's own bytes. It joins text with references, or beside CDATA, in memory that is not wiped; no
/// known server sends a key so.
fn text(node: Node<'_, '_>) -> Option<Zeroizing<String>> {
    if node.children().any(|child| child.is_element()) {
        return None;
    }
    // A comment splits the text into pieces.
    let pieces = || node.children().filter(Node::is_text).filter_map(|piece| piece.text());
    let mut whole = Zeroizing::new(String::with_capacity(pieces().map(str::len).sum()));
    pieces().for_each(|piece| whole.push_str(piece));
    Some(Zeroizing::new(whole.trim().to_owned()))
}

/// A key must fit into a header later.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A value that is no time, unless it may be a key in the wrong place.
fn shown(value: &str) -> String {
    let mut runs = value.split(|c: char| !c.is_alphanumeric());
    let looks_like_a_time = value.len() <= 40 && runs.all(|run| run.chars().filter(|c| c.is_alphabetic()).count() <= 9);
    if looks_like_a_time { format!("{value:?}") } else { format!("a text of {} bytes", value.len()) }
}

fn not_xml(error: &Error) -> &'static str {
    match error {
        Error::DtdDetected => "XML with a DOCTYPE, which is not read",
        Error::NodesLimitReached => "XML with too many elements",
        _ => "XML that is not well-formed",
    }
}

fn json_error(json: &Value) -> Option<Content> {
    let code = ["Code", "code", "__type"].iter().find_map(|name| json_fields(json).get(name)?.as_str())?;
    let code = code.rsplit('#').next().filter(|code| !code.is_empty())?.to_owned();
    let request_id = ["RequestId", "requestId"].iter().find_map(|name| json.get(name)?.as_str());
    let message = json_message(json).unwrap_or_default().to_owned();
    Some(Content::Error { code, message, request_id: request_id.map(str::to_owned) })
}

fn json_fields(json: &Value) -> &Value {
    ["Error", "error"].iter().find_map(|name| json.get(name).filter(|error| error.is_object())).unwrap_or(json)
}

/// The message of an error in JSON, by the usual names.
fn json_message(json: &Value) -> Option<&str> {
    let names = ["Message", "message", "error_description", "errorMessage", "detail", "title", "error"];
    let message = names.iter().find_map(|name| json_fields(json).get(name)?.as_str());
    message.or_else(|| json.get("errors")?.get(0)?.as_str())
}

/// Describes a body that is not STS's, and quotes a part of it. Never quoted are markup beyond a title, XML, values in JSON
/// other than messages, and the text of a success.
fn describe(answer: &Answer, text: &str, json: Option<&Value>) -> (&'static str, Option<String>) {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    match () {
        () if (300..400).contains(&answer.status) && answer.location.is_some() => {
            ("a redirect", answer.location.clone())
        }
        () if text.is_empty() => ("an empty body", None),
        () if text.chars().any(|c| c.is_control() && !c.is_whitespace()) => ("binary data", None),
        () if text.starts_with(['{', '[']) => ("JSON", json.and_then(json_message).map(str::to_owned)),
        () if HTML.iter().any(|tag| lower.contains(tag)) => ("an HTML page", title(text, &lower)),
        () if text.starts_with('<') => ("unknown XML", Some(root_tag(text).to_owned())),
        () if (200..300).contains(&answer.status) => ("text", None),
        () => ("text", Some(text.to_owned())),
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

/// The first tag up to white space. Works on XML that is cut, which no XML reader takes.
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
    // Keeps a slash at the end. A key may end with a slash, and a key without its last letter is not recognized as a secret.
    tag.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or_default()
}

/// Bytes that are not UTF-8 become U+FFFD, which is never a part of a key.
fn utf8(bytes: &[u8]) -> Zeroizing<String> {
    // Reserves the longest text at once, since growth would leave copies of keys behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * char::REPLACEMENT_CHARACTER.len_utf8()));
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend((!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER));
    }
    text
}

/// The root element of a success is the operation with `Response`, and holds the operation with `Result`.
const OPERATIONS: [&str; 2] = ["AssumeRoleWithWebIdentity", "AssumeRole"];
/// Ten times what STS sends.
const MAX_NODES: u32 = 500;
const GZIP: &[u8] = b"\x1f\x8b";
const HTML: [&str; 3] = ["<!doctype html", "<html", "<body"];
