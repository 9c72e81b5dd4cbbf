//! The fuzz targets. `tests/fuzz` runs them with libFuzzer, and the tests below run them with proptest.
//!
//! Each target takes any bytes, and panics if the crate breaks a promise. Inputs are text, so that a person can read and
//! write them. Three marks in an input stand for secrets that must not come out: `$TOKEN` for the token, `$KEY` for a secret
//! key, `$SESSION` for a session token. Each input gets its own random secrets. With fixed secrets, libFuzzer would learn
//! them and write pieces into inputs that are too short to be recognized as secret.

use std::collections::HashMap;
use std::ffi::OsString;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::builder::Builder;
use crate::environment::Environment;
use crate::error::{BuildError, Error};
use crate::scrub::printable;
use crate::sts::{
    Authentication, ChainSettings, EndpointConfig, ExchangeFailure, Reason, Session, StsClient, StsConfig, remedy,
};
use crate::web_identity::token_source::{self, ProvideToken, future};
use crate::web_identity::{SourceConfig, TokenClaims, TokenConfig, TokenOrigin, failure_with_remedy};

/// Takes an answer of STS: `STATUS [signed]`, headers, an empty line, the body.
///
/// The answer must become credentials, or an error that says where, why and what to do. `signed` makes it the answer to a
/// chained role's request.
pub fn sts_answer(input: &[u8]) {
    static STS: LazyLock<StsClient> = LazyLock::new(|| {
        let home =
            EndpointConfig { region: Region::from_static("eu-central-1"), endpoint_url: Some(ENDPOINT.to_owned()) };
        let config = StsConfig {
            home,
            standbys: Vec::new(),
            use_fips: false,
            use_dual_stack: false,
            http_client: None,
            time_source: SharedTimeSource::new(Frozen),
            app_name: None,
            attempt_timeout: Duration::from_secs(8),
            connect_timeout: Duration::from_secs(2),
        };
        StsClient::new(&config, &config.home)
    });
    let secrets = Secrets::of(input);
    let input = secrets.planted_in(input);
    let head_end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&input[..head_end]);
    let body = input.get(head_end + 2..).filter(|_| head_end > 0).unwrap_or(&input);
    let (first, headers) = head.split_once('\n').unwrap_or((&head, ""));
    let (status, signed) = first.split_once(' ').unwrap_or((first, ""));

    let status = status.parse().ok().and_then(|status| http::StatusCode::from_u16(status).ok()).unwrap_or_default();
    let mut response = HttpResponse::new(status.into(), SdkBody::from(body.to_vec()));
    for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
        // A line that is no valid header cannot arrive.
        drop(response.headers_mut().try_append(name.to_ascii_lowercase(), value.to_owned()));
    }
    let credentials = Credentials::new("ASIAEXAMPLE", &*secrets.key, Some(secrets.session.clone()), None, "fuzzing");
    let now = Frozen.now();
    let authentication = if signed == "signed" {
        Authentication::Credentials { credentials: &credentials, settings: &ChainSettings::default() }
    } else {
        Authentication::Token { jwt: &secrets.token, expires_at: Some(now + HOUR), valid_from: Some(now - HOUR) }
    };
    let session = session();
    match now_or_never(STS.interpret(&session, &authentication, response)) {
        Ok(grant) => {
            let (key, secret) = (grant.credentials.access_key_id(), grant.credentials.secret_access_key());
            for text in [key, secret, grant.credentials.session_token().unwrap_or_default()] {
                assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
            }
            assert!(grant.expiration > now - 20 * 365 * 24 * HOUR, "{:?}", grant.expiration);
        }
        Err(refusal) => {
            assert!(refusal.message.contains(ENDPOINT), "the error says where: {}", refusal.message);
            let error = if signed == "signed" {
                let next_step = remedy(refusal.reason, &refusal.remedy_context(&session));
                refusal.into_failure(next_step)
            } else {
                failure_with_remedy(*refusal, &session, &file(), TokenClaims::parse(&secrets.token).as_ref())
            };
            assert!(error.retry_after.is_none_or(|wait| wait <= 24 * HOUR));
            secrets.assert_hidden_in(&assert_helps(&error.error));
        }
    }
}

/// Takes a token, or only its payload if the input begins with `{`.
///
/// Remedies and trust policies may repeat the claims, but never the token.
pub fn token(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let is_payload = input.starts_with('{');
    let text = if is_payload { jwt(&input) } else { input.into_owned() };
    let claims = TokenClaims::parse(&text);
    if let Some(claims) = &claims {
        let (due, issued) = (claims.rotation_due(), claims.issued_at);
        assert!(due.is_none_or(|due| Some(due) >= issued), "{claims:?}");
        for role in [ROLE, "arn:aws-cn:iam::123456789012:role/path/app"] {
            let Some(policy) = claims.trust_policy(role) else { continue };
            let policy: serde_json::Value = match serde_json::from_str(&policy) {
                Ok(policy) => policy,
                Err(error) => panic!("{error}: {policy}"),
            };
            let [only] = policy["Statement"].as_array().map_or(&[][..], Vec::as_slice) else { panic!("{policy}") };
            let conditions = only["Condition"]["StringEquals"].as_object().map_or(0, serde_json::Map::len);
            assert_eq!(conditions, 2, "{policy}");
        }
    }
    let session = session();
    for origin in [file(), TokenOrigin::Source(SourceConfig::new(NoSource))] {
        let reason = REASONS[usize::try_from(seed(&text)).unwrap_or_default() % REASONS.len()];
        let message = format!("STS at {ENDPOINT} answered");
        let failure = ExchangeFailure::new(reason, message, ENDPOINT, "eu-central-1");
        let error = failure_with_remedy(failure, &session, &origin, claims.as_ref()).error;
        let said = assert_helps(&error);
        // Only the signature is looked for: a remedy may have words in common with the rest of the token.
        let (_, signature) = text.rsplit_once('.').filter(|_| is_payload).unwrap_or_default();
        assert_hides(&said, &[signature]);
    }
    match token_source::Token::new(text.as_str()) {
        Ok(token) => assert_hides(&format!("{token:?}"), &[&text]),
        Err(error) => assert_hides(&format!("{error} {error:?}"), &[&text]),
    }
}

/// Takes lines of `VARIABLE=value`, `.setting=value`, and `.chain.setting=value` for a chained role.
///
/// The lines must give a provider, or an error that says what to do.
pub fn settings(input: &[u8]) {
    let secrets = Secrets::of(input);
    let input = secrets.planted_in(input);
    let mut variables = HashMap::new();
    let mut settings = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        let Some(sign) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (String::from_utf8_lossy(&line[..sign]).into_owned(), &line[sign + 1..]);
        match name.strip_prefix('.') {
            Some(setting) => settings.push((setting.to_owned(), String::from_utf8_lossy(value).into_owned())),
            None => drop(variables.insert(name, os_string(value))),
        }
    }
    let builder = settings.iter().fold(Builder::default(), |builder, (name, value)| set(builder, name, value));
    secrets.assert_hidden_in(&format!("{builder:?} {builder:#?}"));
    let environment = Environment::from_fn(|name| variables.get(name).cloned());
    let build = match builder.resolve_in(&environment) {
        Ok(build) => build,
        Err(error) => return secrets.assert_hidden_in(&assert_build_error_helps(&error)),
    };
    // An SDK client is slow to make, so that only one input in 32 makes it.
    if !seed(&input).is_multiple_of(32) {
        return;
    }
    let provider = build();
    assert_hides(&format!("{provider:?} {:?}", provider.to_builder()), &[&secrets.token]);
    // Settings that were valid stay valid in the same environment.
    let again = provider.to_builder().resolve_in(&environment);
    assert!(again.is_ok(), "{:?}", again.err());
    if let Some((_, role)) = settings.iter().find(|(name, _)| name == "chain.role_arn") {
        let mut chained = provider.assume_role(role);
        for (name, value) in &settings {
            chained = match name.as_str() {
                "chain.session_name" => chained.session_name(value),
                "chain.session_length" => chained.session_length(duration(value)),
                "chain.external_id" => chained.external_id(value),
                "chain.tags" => chained.tags(value.split(',').filter_map(|tag| tag.split_once(':'))),
                "chain.transitive_tag_keys" => chained.transitive_tag_keys(value.split(',')),
                "chain.source_identity" => chained.source_identity(value),
                "chain.policy" => chained.policy(value),
                "chain.policy_arns" => chained.policy_arns(value.split(',')),
                "chain.refresh_window" => chained.refresh_window(window(value)),
                "chain.wait_timeout" => chained.wait_timeout(duration(value)),
                _ => chained,
            };
        }
        assert_hides(&format!("{chained:?}"), &[&secrets.token]);
        if let Err(error) = chained.build() {
            secrets.assert_hidden_in(&assert_build_error_helps(&error));
        }
    }
}

fn set(builder: Builder, name: &str, value: &str) -> Builder {
    match name {
        "role_arn" => builder.role_arn(value),
        "token_file" => builder.token_file(value),
        "token_source" => builder.token_source(NoSource),
        "session_name" => builder.session_name(value),
        "session_length" => builder.session_length(duration(value)),
        "policy" => builder.policy(value),
        "policy_arns" => builder.policy_arns(value.split(',')),
        "region" => builder.region(Region::new(value.to_owned())),
        "endpoint_url" => builder.endpoint_url(value),
        "standby_region" => builder.standby_region(Region::new(value.to_owned())),
        "standby_endpoint_url" => builder.standby_endpoint_url(value),
        "refresh_window" => builder.refresh_window(window(value)),
        "attempt_timeout" => builder.attempt_timeout(duration(value)),
        "connect_timeout" => builder.connect_timeout(duration(value)),
        "wait_timeout" => builder.wait_timeout(duration(value)),
        "token_poll_interval" => builder.token_poll_interval(duration(value)),
        "watch_token" => builder.watch_token(value == "true"),
        "configure" => {
            let mut words = value.split(' ');
            let mut config = SdkConfig::builder();
            config.set_region(words.next().map(|region| Region::new(region.to_owned())));
            config.set_use_fips(words.next().map(|word| word == "fips"));
            config.set_use_dual_stack(words.next().map(|word| word == "dual"));
            builder.configure(&config.build())
        }
        _ => builder,
    }
}

/// Takes `LIMIT`, a new line, and a text with marks. The limited, printable text must show no secret.
///
/// The marks `$TOKEN`, `$KEY`, `$SESSION`, `$JWT`, `$HEX`, `$GITHUB` and `$VAULT` stand for random secrets of these kinds. A
/// character after the mark changes how the secret is written:
///
/// | character | the secret is |
/// |---|---|
/// | `%`, `@` | escaped as in a URL, once or twice |
/// | `\`, `u` | escaped as in JSON |
/// | `x` | escaped as in XML |
/// | <code>&#124;</code> | broken into lines |
/// | `~` | cut |
pub fn scrubber(input: &[u8]) {
    let mut random = fastrand::Rng::with_seed(seed(input));
    let input = String::from_utf8_lossy(input);
    let (limit, template) = input.split_once('\n').unwrap_or(("", &input));
    let limit = limit.parse::<u16>().map_or(512, usize::from);
    let token = format!(
        "eyJ{}.eyJ{}.{}",
        random_text(&mut random, URL, 30),
        random_text(&mut random, URL, 90),
        random_text(&mut random, URL, 86)
    );

    let (mut text, mut secrets) = (String::new(), vec![token.clone()]);
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let kind = KINDS.iter().find(|kind| rest.starts_with(**kind) && secrets.len() < MOST_SECRETS);
        let Some(kind) = kind else {
            text.push('$');
            continue;
        };
        rest = &rest[kind.len()..];
        let whole = if *kind == "TOKEN" { token.clone() } else { random_secret(&mut random, kind) };
        let change = rest.chars().next().filter(|change| r"%@\ux|~".contains(*change));
        rest = &rest[change.map_or(0, char::len_utf8)..];
        let (written, secret) = write_secret(&mut random, &whole, kind, change);
        // A stray `%`, `\` or `&` right before an escaped secret would be read as part of the escape.
        if change.is_some() && text.bytes().rev().take(8).any(|byte| matches!(byte, b'%' | b'\\' | b'&')) {
            text.push(' ');
        }
        text.push_str(&written);
        secrets.push(secret);
    }
    text.push_str(rest);

    let printed = printable(&text, &token, limit);
    assert_printable(&printed, limit + 1);
    assert_hides(&printed, &secrets.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Writes the secret with the change. Returns the written text and the part that must not come out.
fn write_secret(random: &mut fastrand::Rng, whole: &str, kind: &str, change: Option<char>) -> (String, String) {
    let known = kind == "TOKEN";
    let each = |write: &dyn Fn(char) -> String| whole.chars().map(write).collect::<String>();
    let special = |write: fn(u32) -> String| {
        each(&|c| if c.is_ascii_alphanumeric() { c.to_string() } else { write(u32::from(c)) })
    };
    let written = match change {
        Some('%') => special(|c| format!("%{c:02X}")),
        Some('@') => special(|c| format!("%25{c:02x}")),
        Some('\\') => whole.replace('/', r"\/"),
        Some('u') => special(|c| format!(r"\u{c:04x}")),
        Some('x') => special(|c| format!("&#x{c:X};")),
        // The last line of a secret that the scrubber does not know is too short to be recognized.
        Some('|') => {
            let width = if known { random.usize(1..80) } else { random.usize(41..80) };
            let end = if known { whole.len() } else { whole.len() - whole.len() % width };
            let breaks = ["\n", "\r\n", " ", "\u{200b}", "\", \""];
            let between = if known { breaks[random.usize(..breaks.len())] } else { "\n" };
            let lines: Vec<_> = whole.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
            return (lines.join(between), whole[..end].to_owned());
        }
        // A cut key is no longer recognizable. A cut long secret still is.
        Some('~') if known || whole.len() > 100 => {
            let keep = random.usize(if known { 1 } else { 64 }..whole.len());
            let start = if known || kind == "SESSION" { random.usize(..=whole.len() - keep) } else { 0 };
            whole[start..start + keep].to_owned()
        }
        _ => whole.to_owned(),
    };
    let secret = if change == Some('~') { written.clone() } else { whole.to_owned() };
    (written, secret)
}

/// A random secret of this kind, typical enough to be recognized.
fn random_secret(random: &mut fastrand::Rng, kind: &str) -> String {
    match kind {
        "KEY" => loop {
            let key = random_text(random, BASE64, 40);
            let class = |byte: &u8| (byte.is_ascii_uppercase(), byte.is_ascii_lowercase(), byte.is_ascii_digit());
            let pairs = || key.as_bytes().windows(2).filter(|pair| pair.iter().all(u8::is_ascii_alphanumeric));
            let steps = pairs().filter(|pair| class(&pair[0]) != class(&pair[1])).count();
            let cases = pairs().filter(|pair| pair.iter().all(u8::is_ascii_alphabetic));
            let cases = cases.filter(|pair| class(&pair[0]) != class(&pair[1])).count();
            // One random key in some hundreds looks like words, and is not recognizable.
            if steps >= 12 && cases >= 4 && key.bytes().any(|byte| byte.is_ascii_digit()) {
                return key;
            }
        },
        "SESSION" => {
            let length = random.usize(100..260);
            format!("IQoJb3JpZ2luX2Vj{}==", random_text(random, BASE64, length))
        }
        "JWT" => format!(
            "eyJ{}.eyJ{}.{}",
            random_text(random, URL, 30),
            random_text(random, URL, 200),
            random_text(random, URL, 342)
        ),
        "HEX" => random_text(random, "0123456789abcdef", 64),
        "GITHUB" => format!("ghs_{}", random_text(random, ALPHANUMERIC, 36)),
        _ => format!("hvs.{}", random_text(random, ALPHANUMERIC, 24)),
    }
}

fn random_text(random: &mut fastrand::Rng, alphabet: &str, length: usize) -> String {
    (0..length).map(|_| char::from(alphabet.as_bytes()[random.usize(..alphabet.len())])).collect()
}

/// Secrets that must not come out.
struct Secrets {
    token: String,
    key: String,
    session: String,
}

impl Secrets {
    fn of(input: &[u8]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed(input));
        let payload = format!(
            r#"{{"iss":"https://issuer.example.com","sub":"system:serviceaccount:shop:orders","aud":"sts.amazonaws.com","jti":"{}"}}"#,
            random_text(&mut random, ALPHANUMERIC, 22)
        );
        let header = &jwt(&payload);
        let (signed, _) = header.rsplit_once('.').unwrap_or_default();
        let token = format!("{signed}.{}", random_text(&mut random, URL, 86));
        Self { token, key: random_secret(&mut random, "KEY"), session: random_secret(&mut random, "SESSION") }
    }

    /// The input with the secrets in place of their marks.
    fn planted_in(&self, input: &[u8]) -> Vec<u8> {
        // One character for each byte, because the input need not be UTF-8.
        let text: String = input.iter().copied().map(char::from).collect();
        let text = text.replace("$TOKEN", &self.token).replace("$KEY", &self.key).replace("$SESSION", &self.session);
        text.chars().map(|c| c as u8).collect()
    }

    fn assert_hidden_in(&self, text: &str) {
        assert_hides(text, &[&self.token, &self.key, &self.session]);
    }
}

/// Checks that the error says what to do, on one printable line. Returns all that it shows.
fn assert_helps(error: &Error) -> String {
    let remedy = error.remedy().unwrap_or_default();
    assert!(remedy.len() > 20, "the error says what to do: {error}");
    let text = format!("{error} {error:?} {:?}", error.endpoint());
    assert_printable(&text, 16 * 1024);
    text
}

/// Checks that the error says what to do, on one printable line. Returns all that it and its causes show.
fn assert_build_error_helps(error: &BuildError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: String = causes.map(|cause| format!(" {cause} {cause:?}")).collect();
    let text = format!("{error} {error:?}{causes}");
    assert_printable(&text, 8 * 1024);
    assert!(error.remedy().len() > 10, "the error says what to do: {error}");
    text
}

/// Checks that the text is not too long, and that a terminal shows each of its characters.
fn assert_printable(text: &str, limit: usize) {
    assert!(text.chars().count() <= limit, "{} characters: {text}", text.chars().count());
    let odd = |c: &char| {
        c.is_control()
            || matches!(
                c,
                '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' |
                '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' |
                '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
            )
    };
    assert_eq!(text.chars().find(odd), None, "{text:?}");
    let marks = text.chars().map(|c| !c.is_ascii() && c.escape_debug().len() > 1).collect::<Vec<_>>();
    assert!(!marks.windows(3).any(|marks| marks == [true; 3]), "{text:?}");
}

/// Checks that the text has no run of [`PART`] letters and digits of a secret. Other characters in between do not count.
fn assert_hides(text: &str, secrets: &[&str]) {
    let parts = |text: &str| {
        let mut part = 0_u128;
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| {
            part = part << 8 | u128::from(byte);
            part
        });
        letters.skip(PART - 1).collect::<Vec<_>>()
    };
    let mut secrets: Vec<_> = secrets.iter().flat_map(|secret| parts(secret)).collect();
    secrets.sort_unstable();
    let found = parts(text).into_iter().find(|part| secrets.binary_search(part).is_ok());
    assert!(found.is_none(), "{} in {text:?}", String::from_utf8_lossy(&found.unwrap_or_default().to_be_bytes()));
}

/// The result of a future that never waits.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn seed(input: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    hasher.finish()
}

fn jwt(payload: &str) -> String {
    let part = |text: &str| base64::encode(text).trim_end_matches('=').replace('+', "-").replace('/', "_");
    format!("{}.{}.{}", part(r#"{"alg":"ES256","kid":"k1"}"#), part(payload), part("a signature of the fuzz target"))
}

fn duration(text: &str) -> Duration {
    text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(Duration::MAX)
}

fn window(text: &str) -> std::ops::RangeInclusive<f64> {
    let (start, end) = text.split_once("..").unwrap_or((text, text));
    start.parse().unwrap_or(f64::NAN)..=end.parse().unwrap_or(f64::NAN)
}

#[cfg(unix)]
pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn session() -> Session {
    Session { role_arn: ROLE.to_owned(), name: "pod-1".to_owned(), length: None, policy: None, policy_arns: Vec::new() }
}

fn file() -> TokenOrigin {
    TokenOrigin::File(TokenConfig { file: "/run/token".into(), poll_interval: Duration::from_secs(30), watch: false })
}

#[derive(Debug)]
struct NoSource;

impl ProvideToken for NoSource {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::ready(Err(token_source::TokenError::new("there is none")))
    }
}

/// 2030-01-01.
#[derive(Debug)]
struct Frozen;

impl TimeSource for Frozen {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000)
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/app";
const ENDPOINT: &str = "https://sts.example.com";
const HOUR: Duration = Duration::from_secs(3600);
const KINDS: [&str; 7] = ["TOKEN", "KEY", "SESSION", "JWT", "HEX", "GITHUB", "VAULT"];
const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// More secrets in one input only take time.
const MOST_SECRETS: usize = 8;
/// Length of a part of a secret that must not come out, in bytes: the size of a `u128`.
const PART: usize = 16;
/// Reasons whose remedies name the token or its claims.
const REASONS: [Reason; 13] = [
    Reason::IssuerUnreachable,
    Reason::TokenExpired,
    Reason::TooEarly,
    Reason::ClaimRejected,
    Reason::NoProvider,
    Reason::NoProviderAtStandby,
    Reason::Audience,
    Reason::Signature,
    Reason::Thumbprint,
    Reason::Malformed,
    Reason::TokenUnclear,
    Reason::UnknownCode,
    Reason::RoleDenied,
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 4] =
        [("sts_answer", sts_answer), ("token", token), ("settings", settings), ("scrubber", scrubber)];

    /// The kept inputs with their file names. A packed crate has none.
    fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        if !directory.exists() {
            return Vec::new();
        }
        let files = fs::read_dir(directory.join("corpus").join(target)).unwrap().map(|file| file.unwrap().path());
        let inputs: Vec<_> = files.map(|file| (file.display().to_string(), fs::read(file).unwrap())).collect();
        assert!(inputs.len() > 5, "the corpus is not empty");
        inputs
    }

    #[test]
    fn kept_inputs_break_no_promise() {
        for (name, run) in TARGETS {
            for (file, input) in corpus(name) {
                let outcome = std::panic::catch_unwind(|| run(&input));
                assert!(outcome.is_ok(), "{file}");
            }
        }
    }

    /// Joins pieces of kept inputs and changes bytes, as libFuzzer does, but without a look at the coverage.
    #[test]
    fn changed_inputs_break_no_promise() {
        for (name, run) in TARGETS {
            let inputs: Vec<_> = corpus(name).into_iter().map(|(_, input)| input).collect();
            let inputs = if inputs.is_empty() { vec![Vec::new()] } else { inputs };
            let one = prop::sample::select(inputs);
            let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
            let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
            proptest!(config, |(head in one.clone(), tail in one, cut: prop::sample::Index, changes in changes)| {
                let mut input = head[..cut.index(head.len() + 1)].to_vec();
                input.extend_from_slice(&tail[cut.index(tail.len() + 1)..]);
                for (at, byte) in changes {
                    let at = at.index(input.len() + 1);
                    input.splice(at..(at + 1).min(input.len()), [byte]);
                }
                run(&input);
            });
        }
    }

    #[test]
    fn checks_find_secrets_and_unprintable_text() {
        const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for text in [KEY, "sent wJalrXUtnFEMI/K7MDEN", "sent wJalrXUtnFEMI\\/K7MD\nENG"] {
            assert!(std::panic::catch_unwind(|| assert_hides(text, &[KEY])).is_err(), "{text}");
        }
        for text in ["a\u{202e}b", "a\n", "aaaaa", "\u{e31}\u{e31}\u{e31}"] {
            assert!(std::panic::catch_unwind(|| assert_printable(text, 4)).is_err(), "{text:?}");
        }
    }
}
