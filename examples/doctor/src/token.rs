//! The token: its file and mount, its claims, its expiry. The token itself is never printed.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_smithy_types::base64;
use aws_web_identity::TokenClaims;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::report::Finding;
use crate::text::{BYTE_ORDER_MARK, WITHOUT_MARK, claim, date, span};

pub(crate) struct Token {
    pub(crate) text: Zeroizing<String>,
    pub(crate) claims: Option<TokenClaims>,
    /// `alg` and `kid` of its header.
    pub(crate) algorithm: Option<String>,
    pub(crate) key_id: Option<String>,
}

impl Token {
    fn new(text: Zeroizing<String>) -> Self {
        let header = text.split('.').next().and_then(json_part).unwrap_or_default();
        let field = |name: &str| header[name].as_str().map(str::to_owned);
        let (algorithm, key_id) = (field("alg"), field("kid"));
        Self { claims: TokenClaims::parse(&text), text, algorithm, key_id }
    }
}

/// Reads the file, and checks how it is mounted.
pub(crate) async fn read(path: Option<PathBuf>) -> (Finding, Option<Token>) {
    let Some(path) = path else { return (Finding::unknown("AWS_WEB_IDENTITY_TOKEN_FILE is not set"), None) };
    if path.to_string_lossy().contains("eyJ") {
        let detail = "AWS_WEB_IDENTITY_TOKEN_FILE is a token itself, not the path of one";
        let remedy = "give the path of the file that holds it; treat this token as leaked";
        return (Finding::fail(detail, remedy), None);
    }
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || look(&path));
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(outcome)) => outcome,
        _ => {
            let detail = format!("{shown} could not be read within {}", span(PATIENCE));
            (Finding::fail(detail, "its file system does not answer: check the node, and what is mounted there"), None)
        }
    }
}

/// Checks the token's claims.
pub(crate) fn claims(token: Option<&Token>) -> Finding {
    let Some(token) = token else { return Finding::unknown("there is no token to read") };
    let Some(claims) = &token.claims else {
        return Finding::fail("the file does not hold a JWT", format!("name the token's own file; {PROJECT}"));
    };
    let audience = claims.audience.join(", ");
    let [issuer, subject] = [&claims.issuer, &claims.subject].map(|text| claim(text.as_deref().unwrap_or_default()));
    let (audience, key) = (claim(&audience), claim(token.key_id.as_deref().unwrap_or("none")));
    let named = [("iss", issuer.as_str()), ("sub", subject.as_str()), ("aud", audience.as_str())];
    let missing: Vec<_> = named.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| *name).collect();
    let [issuer, subject, audience] = named.map(|(_, value)| if value.is_empty() { "none" } else { value });
    let detail = format!(
        "issuer {issuer}, subject {subject}, audience {audience}, algorithm {}, key {key}",
        claim(token.algorithm.as_deref().unwrap_or("none")),
    );
    if is_for_api_server(claims) {
        Finding::fail(
            format!("the token is for the API server, not for STS: {detail}"),
            format!(
                "never let AWS trust the audience {audience}; {PROJECT}, and name its path in AWS_WEB_IDENTITY_TOKEN_FILE"
            ),
        )
    } else if missing.is_empty() {
        Finding::pass(detail)
    } else {
        Finding::fail(format!("the token has no {}: {detail}", missing.join(", no ")), PROJECT)
    }
}

/// By default the API server accepts tokens with the issuer as their audience.
fn is_for_api_server(claims: &TokenClaims) -> bool {
    let of_pod = claims.subject.as_deref().is_some_and(|subject| subject.starts_with("system:serviceaccount:"));
    let is_its_own = |audience: &String| {
        audience.strip_prefix("https://").unwrap_or(audience).starts_with("kubernetes.default")
            || of_pod && claims.issuer.as_ref() == Some(audience)
    };
    !claims.audience.is_empty() && claims.audience.iter().all(is_its_own)
}

/// Checks the token's expiry. `now` is the time by STS's clock if known.
pub(crate) fn expiry(claims: Option<&TokenClaims>, now: SystemTime) -> Finding {
    let Some(claims) = claims else { return Finding::unknown("there are no claims to read") };
    let Some(expires_at) = claims.expires_at else { return Finding::unknown("the token has no exp") };
    if let Ok(ago) = now.duration_since(expires_at) {
        return Finding::fail(
            format!("the token expired {} ago, at {}", span(ago), date(expires_at)),
            "see that the token is mounted as a directory (a subPath mount never changes), that the kubelet of this node \
             is healthy, and that this pod is not terminating; a copied file must be made anew",
        );
    }
    let left = span(expires_at.duration_since(now).unwrap_or_default());
    let text = format!("expires at {}, in {left}", date(expires_at));
    if let Some(early) = claims.issued_at.and_then(|issued_at| issued_at.duration_since(now).ok())
        && early > TOLERANCE
    {
        return Finding::fail(
            format!("the token was issued {} from now: {text}", span(early)),
            "set the clocks of the control plane and of this node by NTP",
        );
    }
    match claims.rotation_due() {
        None => Finding::pass(text),
        Some(due) => match now.duration_since(due) {
            Ok(late) if late > GRACE => Finding::fail(
                format!("{text}, and should have been replaced {} ago (at 80 % of its lifetime)", span(late)),
                "kubelets do not replace tokens of a terminating pod, nor while a volume of the pod is in trouble; see the \
                 kubelet's log, and that the token is mounted as a directory; a copied file must be made anew",
            ),
            _ => {
                Finding::pass(format!("{text}; the kubelet should replace it at {} (80 % of its lifetime)", date(due)))
            }
        },
    }
}

/// Decodes a part of a JWT.
fn json_part(part: &str) -> Option<Value> {
    let mut padded = Zeroizing::new(part.trim_end_matches('=').replace('-', "+").replace('_', "/"));
    while !padded.len().is_multiple_of(4) {
        padded.push('=');
    }
    serde_json::from_slice(&Zeroizing::new(base64::decode(&*padded).ok()?)).ok()
}

fn look(path: &Path) -> (Finding, Option<Token>) {
    let mut tries = 0;
    let read = loop {
        tries += 1;
        match read_bounded(path) {
            // The file is missing for a moment while the kubelet replaces it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 4 => {
                std::thread::sleep(Duration::from_millis(50));
            }
            read => break read,
        }
    };
    let file = path.display();
    let (metadata, bytes) = match read {
        Ok(read) => read,
        Err(error) => return (Finding::fail(format!("{file} cannot be read: {error}"), way_in(path, &error)), None),
    };
    let facts = format!("{file}: {}, {}", facts(&metadata), link_kind(path));
    let text = match str::from_utf8(bytes.trim_ascii()) {
        _ if bytes.starts_with(BYTE_ORDER_MARK) => {
            return (Finding::fail(format!("{facts}; it begins with a byte-order mark"), WITHOUT_MARK), None);
        }
        _ if bytes.len() > MAX_BYTES => {
            return (Finding::fail(format!("{facts}; longer than {MAX_BYTES} bytes, STS's limit"), PROJECT), None);
        }
        Ok("") => {
            let remedy = "its writer has not finished, or has failed; a kubelet never leaves the file empty";
            return (Finding::fail(format!("{facts}; it is empty"), remedy), None);
        }
        Ok(text) => Zeroizing::new(text.to_owned()),
        Err(_) => return (Finding::fail(format!("{facts}; it is not text"), PROJECT), None),
    };
    let token = Some(Token::new(text));
    if is_orphan(&metadata) || is_mount_point(path) {
        let detail = format!("{facts}; the file is mounted by itself, as by subPath, so it is never replaced");
        return (Finding::fail(detail, "mount the volume's directory without subPath, and name the file in it"), token);
    }
    (Finding::pass(facts), token)
}

fn read_bounded(path: &Path) -> io::Result<(Metadata, Zeroizing<Vec<u8>>)> {
    // Opening a FIFO would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    // A buffer that grows would leave copies of the token behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_BYTES));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok((metadata, bytes))
}

fn way_in(path: &Path, error: &io::Error) -> String {
    let directory = path.parent().unwrap_or(path);
    match error.kind() {
        io::ErrorKind::NotFound if fs::symlink_metadata(path).is_ok() => {
            format!("it is a link whose target is missing: mount the projected volume at {}", directory.display())
        }
        io::ErrorKind::NotFound if directory.is_dir() => {
            format!("{} has no such file: the path in serviceAccountToken must end it; {PROJECT}", directory.display())
        }
        io::ErrorKind::NotFound => format!("{} is missing, too: {PROJECT}", directory.display()),
        io::ErrorKind::PermissionDenied => {
            let seen = path.ancestors().find_map(|ancestor| Some((ancestor, fs::metadata(ancestor).ok()?)));
            let barrier = seen.map(|(barrier, metadata)| format!("{}: {}; ", barrier.display(), facts(&metadata)));
            format!(
                "{}{}set the pod's securityContext.fsGroup, or run as the owner (kubelets before 1.19 wrote tokens for \
                 root alone)",
                barrier.unwrap_or_default(),
                our_uid()
            )
        }
        _ => PROJECT.to_owned(),
    }
}

#[cfg(unix)]
fn facts(metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;

    let owner = format!("owner {}:{}", metadata.uid(), metadata.gid());
    format!("mode {:04o}, {owner}, written {}", metadata.mode() & 0o7777, age(metadata))
}

#[cfg(not(unix))]
fn facts(metadata: &Metadata) -> String {
    format!("written {}", age(metadata))
}

fn age(metadata: &Metadata) -> String {
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.map_or_else(|| "at an unknown time".to_owned(), |age| format!("{} ago", span(age)))
}

/// The kubelet makes the links `token -> ..data/token` and `..data -> ..TIMESTAMP`. It replaces the second one.
fn link_kind(path: &Path) -> String {
    match fs::read_link(path) {
        Ok(target) if target.starts_with("..data") => "the kubelet's double link".to_owned(),
        Ok(target) => format!("a link to {}", target.display()),
        Err(_) => "a plain file, not a link of the kubelet".to_owned(),
    }
}

#[cfg(unix)]
fn is_orphan(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) == 0
}

#[cfg(not(unix))]
fn is_orphan(_: &Metadata) -> bool {
    false
}

fn is_mount_point(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    let unescape = |text: &str| text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| Path::new(&unescape(point)) == path)
}

fn our_uid() -> String {
    #[cfg(unix)]
    if let Ok(us) = fs::metadata("/proc/self") {
        return format!("this process runs as uid {}; ", std::os::unix::fs::MetadataExt::uid(&us));
    }
    String::new()
}

/// The limit of STS.
const MAX_BYTES: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(3);
/// The kubelet looks every 60 to 90 s, and may fail a few times.
const GRACE: Duration = Duration::from_secs(5 * 60);
const TOLERANCE: Duration = Duration::from_secs(60);
const PROJECT: &str =
    "project a serviceAccountToken with the audience of the IAM OIDC provider (usually sts.amazonaws.com) into the pod";
