//! The token: read with patience and within bounds, kept in memory that is wiped.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::claims::TokenClaims;
use super::obstacle::Obstacle;
use crate::error::{Error, ErrorKind};

/// One content of the token file, trimmed. Wiped when dropped.
pub(crate) struct Token {
    text: Zeroizing<String>,
    digest: Digest,
    claims: Option<TokenClaims>,
    modified: Option<SystemTime>,
    links: Option<u64>,
}

impl Token {
    /// The secret, for the exchange alone.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// `None` if it is not a JWT.
    pub(crate) fn claims(&self) -> Option<&TokenClaims> {
        self.claims.as_ref()
    }

    /// When the file was written.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Nobody can replace this file any more: all its names are gone, only a mount of the file itself is left.
    pub(crate) fn is_orphan(&self) -> bool {
        self.links == Some(0)
    }

    fn new(text: Zeroizing<String>, file: &Metadata) -> Self {
        Self {
            digest: Digest::of(&text),
            claims: TokenClaims::parse(&text),
            text,
            modified: file.modified().ok(),
            links: links(file),
        }
    }

    /// The beginning of a JWT: somebody writes the file in place, and has not finished.
    fn looks_torn(&self) -> bool {
        let dots = self.text.bytes().filter(|byte| *byte == b'.').count();
        self.text.starts_with("eyJ") && (dots < 2 || self.text.ends_with('.'))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("text", &"** redacted **")
            .field("claims", &self.claims)
            .field("modified", &self.modified)
            .field("links", &self.links)
            .finish()
    }
}

/// Tells one content from another within this process. Keyed at random: it gives nothing away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Digest(u64);

impl Digest {
    fn of(text: &str) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(text))
    }
}

/// Reads the file as it is now. Patient with what passes by itself: kubelets replace files under their readers, and some
/// set the permissions only after publication.
pub(crate) async fn read(path: &Path) -> Result<Token, Error> {
    let path: Arc<Path> = path.into();
    let mut pause = FIRST_PAUSE;
    let mut left = PATIENCE;
    loop {
        let attempt = spawn_blocking({
            let path = Arc::clone(&path);
            move || attempt(&path).map_err(|obstacle| (obstacle.may_pass(), obstacle.explain(&path)))
        });
        match attempt.await {
            Ok(Ok(token)) if left.is_zero() || !token.looks_torn() => return Ok(token),
            Ok(Err((may_pass, error))) if left.is_zero() || !may_pass => return Err(error),
            Ok(_) => {}
            Err(_) => {
                let message = format!("the token file {} was not read, the runtime is shutting down", path.display());
                return Err(Error::new(ErrorKind::TokenUnavailable, message));
            }
        }
        let now = pause.min(left);
        sleep(now).await;
        left -= now;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

fn attempt(path: &Path) -> Result<Token, Obstacle> {
    // Asked before opening, for some devices take offence at that; and after it, for it may be another file by then.
    Obstacle::unless_file(&fs::metadata(path)?)?;
    let mut file = open(path)?;
    let metadata = file.metadata()?;
    Obstacle::unless_file(&metadata)?;

    let mut buffer = Zeroizing::new(vec![0; MAX_BYTES + 1]);
    let bytes = read_into(&mut file, &mut buffer)?;
    if bytes.len() > MAX_BYTES {
        return Err(Obstacle::TooLarge);
    }
    let text = str::from_utf8(bytes.trim_ascii()).map_err(|_| Obstacle::NotText)?;
    match text.len() {
        0 => Err(Obstacle::Empty),
        1..MIN_BYTES => Err(Obstacle::Short),
        _ => Ok(Token::new(Zeroizing::new(text.to_owned()), &metadata)),
    }
}

fn read_into<'a>(file: &mut File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&buffer[..length])
}

/// Does not wait for the writer of a FIFO that has taken the file's place meanwhile.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, O_NONBLOCK);
    options.open(path)
}

#[cfg(unix)]
fn links(file: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::nlink(file))
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> Option<u64> {
    None
}

/// By STS's reference.
pub(super) const MAX_BYTES: usize = 20_000;
const MIN_BYTES: usize = 4;

const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LAST_PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(500);

/// Elsewhere the number is another, or not ours to know: there a FIFO that takes the place of the file between two system
/// calls costs a blocked thread.
#[cfg(unix)]
const O_NONBLOCK: i32 = if cfg!(all(
    any(target_os = "linux", target_os = "android"),
    not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc", target_arch = "sparc64")),
)) {
    0o4000
} else if cfg!(target_vendor = "apple") {
    0x0004
} else {
    0
};
