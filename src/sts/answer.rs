//! One raw answer: status, headers and body, read to the end or to the limit.

use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use zeroize::Zeroizing;

use super::answer_times;
use super::config::printable_url;
use crate::scrub::chain;

/// No `Debug`: the answer may hold keys.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server's clock.
    pub(super) date: Option<SystemTime>,
    pub(super) retry_after: Option<Duration>,
    pub(super) content_type: Option<String>,
    pub(super) server: Option<String>,
    /// Target of a redirect.
    pub(super) location: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) body: Body,
}

pub(super) enum Body {
    Whole(Zeroizing<Vec<u8>>),
    TooLong(Zeroizing<Vec<u8>>),
    /// The connection failed, for this reason.
    Broken(String),
    /// Not read, because of this `Content-Encoding`. The request allows none.
    Encoded(String),
}

impl Answer {
    /// `now` stands in for a `Date` that is missing.
    pub(super) async fn read(response: HttpResponse, now: SystemTime) -> Self {
        let headers = response.headers();
        let date = answer_times::date(headers);
        let header = |name| headers.get(name).map(str::to_owned);
        let encodings = headers.get_all("content-encoding").flat_map(|value| value.split(',')).map(str::trim);
        let encoding = encodings.filter(|name| !PLAIN.iter().any(|plain| name.eq_ignore_ascii_case(plain))).last();
        Self {
            status: response.status().as_u16(),
            date,
            retry_after: answer_times::retry_after(headers, date.unwrap_or(now)),
            content_type: header("content-type"),
            server: header("server"),
            location: headers.get("location").map(printable_url),
            request_id: REQUEST_IDS.iter().find_map(|name| header(name)),
            body: match encoding.map(str::to_owned) {
                Some(encoding) => Body::Encoded(encoding),
                None => read_body(response.into_body()).await,
            },
        }
    }
}

async fn read_body(body: SdkBody) -> Body {
    // Reserves the limit at once, since growth would leave copies of keys behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(LIMIT));
    let mut body = ByteStream::new(body);
    loop {
        match body.next().await {
            None => return Body::Whole(whole),
            Some(Err(error)) => return Body::Broken(chain(&error)),
            Some(Ok(piece)) => {
                let room = LIMIT - whole.len();
                whole.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    return Body::TooLong(whole);
                }
            }
        }
    }
}

const REQUEST_IDS: &[&str] = &["x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id"];
/// Twenty times what STS sends.
const LIMIT: usize = 64 * 1024;
/// Values of `Content-Encoding` that leave the body as it is. The last two are no encodings, but some servers send them.
const PLAIN: [&str; 4] = ["", "identity", "aws-chunked", "utf-8"];
