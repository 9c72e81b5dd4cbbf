//! A service that answers at once. It rejects an expired key as AWS does.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::sts::Sts;

/// Serves `GetCallerIdentity` on loopback until the runtime ends. Without an STS it takes any key.
pub(crate) async fn serve(issued_by: Option<Sts>) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let keys = Arc::new(Keys { issued_by, ends: Mutex::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keys = Arc::clone(&keys);
            let service = service_fn(move |request| answer(Arc::clone(&keys), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(url)
}

async fn answer(keys: Arc<Keys>, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let header = request.headers().get("authorization").and_then(|header| header.to_str().ok());
    let (status, body) = match header.and_then(access_key_id) {
        Some(key) if keys.are_good(key) => (StatusCode::OK, IDENTITY),
        _ => (StatusCode::FORBIDDEN, EXPIRED),
    };
    // A connection is used again only if the whole request was read.
    drop(request.into_body().collect().await);
    let mut response = Response::new(body.to_owned());
    *response.status_mut() = status;
    Ok(response)
}

fn access_key_id(authorization: &str) -> Option<&str> {
    authorization.split_once("Credential=")?.1.split('/').next()
}

struct Keys {
    issued_by: Option<Sts>,
    ends: Mutex<HashMap<String, SystemTime>>,
}

impl Keys {
    fn are_good(&self, key: &str) -> bool {
        let Some(sts) = &self.issued_by else { return true };
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if !ends.contains_key(key) {
            // Ask STS once for each key.
            ends.extend(sts.grants().into_iter().map(|grant| (grant.key, grant.ends)));
        }
        ends.get(key).is_some_and(|&ends| SystemTime::now() < ends)
    }
}

const IDENTITY: &str = r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/checkout/bench</Arn><UserId>AROAEXAMPLE:bench</UserId>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"#;
const EXPIRED: &str = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>"#;
