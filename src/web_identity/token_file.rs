//! Reading of the token file: bounded in time, and patient with a file that is being replaced.

mod read_error;
mod read_timeout;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use self::read_error::ReadError;
pub(super) use self::read_timeout::with_timeout;
use super::loaded_token::LoadedToken;
use super::token_format::{self, MAX_BYTES, NotAToken};
use crate::error::Error;
use crate::refresh::Failure;

/// Reads the token file within `limit`. Tries again for up to [`PATIENCE`] if the cause may pass by itself. A kubelet replaces
/// the file under its readers, and some kubelets set its mode only after publication. `on_obstacle` receives the error for a
/// caller who gives up meanwhile.
pub(super) async fn read(path: &Path, limit: Duration, on_obstacle: impl Fn(Error)) -> Result<LoadedToken, Failure> {
    let start = Instant::now();
    let path: Arc<Path> = path.into();
    let patience = PATIENCE.min(limit / 2);
    let mut pause = FIRST_PAUSE;
    on_obstacle(ReadError::NotYetRead.explain(&path));
    loop {
        let outcome = with_timeout(&path, start, limit, {
            let path = Arc::clone(&path);
            move || try_read(&path).map_err(|error| (error.may_pass(), error.failure(&path)))
        });
        let outcome = outcome.await.map_err(|error| error.failure(&path))?;
        let left = patience.saturating_sub(start.elapsed());
        match outcome {
            Ok(token) if left.is_zero() || !token.looks_torn() => return Ok(token),
            Err((may_pass, failure)) if left.is_zero() || !may_pass => return Err(failure),
            Ok(_) => {}
            Err((_, failure)) => on_obstacle(failure.error),
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// The token, if one read finds a whole one. Blocks.
pub(super) fn read_once(path: &Path) -> Option<LoadedToken> {
    try_read(path).ok().filter(|token| !token.looks_torn())
}

fn try_read(path: &Path) -> Result<LoadedToken, ReadError> {
    // Checked before opening, because to open a FIFO or some devices blocks or has effects.
    ReadError::unless_file(&fs::metadata(path)?)?;
    let file = open(path)?;
    let metadata = file.metadata()?;
    // The path may lead elsewhere by now.
    ReadError::unless_file(&metadata)?;

    // The buffer never grows, because that would leave a copy of the token in memory that is not wiped.
    let mut buffer = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut buffer)?;
    let text = token_format::parse(&buffer)?;
    // Trailing white space may hide the rest of a longer file.
    if buffer.len() > MAX_BYTES {
        return Err(NotAToken::TOO_LONG.into());
    }
    Ok(LoadedToken::from_file(Zeroizing::new(text.to_owned()), &metadata))
}

/// Opens the file, without waiting for the writer of a FIFO that has taken its place since the check.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

/// Longest wait for a file that is missing, half written or not yet readable.
const PATIENCE: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LAST_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::process::Command;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::error::ErrorKind;
    use crate::refresh::Class;
    use crate::web_identity::testing::{Isolated, jwt};

    #[tokio::test]
    async fn white_space_around_the_token_is_dropped() {
        let home = Home::new();
        let bare = home.read_content("secret").await.unwrap();
        let wrapped = home.read_content("\n\t secret \r\n").await.unwrap();
        let other = home.read_content("sekret").await.unwrap();

        assert_eq!(wrapped.expose(), "secret");
        assert_eq!(wrapped.digest, bare.digest);
        assert_ne!(other.digest, bare.digest);
        assert!(bare.claims().is_none(), "what is not a JWT is a token nevertheless");
        assert!(bare.modified.is_some());
        assert!(!bare.is_orphan);
    }

    #[tokio::test]
    async fn a_jwt_brings_its_claims() {
        let token = Home::new().read_content(jwt(r#"{"sub":"system:serviceaccount:ns:sa"}"#)).await.unwrap();
        assert_eq!(token.claims().unwrap().subject.as_deref(), Some("system:serviceaccount:ns:sa"));
    }

    #[tokio::test]
    async fn path_to_no_file_is_refused_at_once() {
        let home = Home::new();
        let _socket = UnixListener::bind(home.path("socket")).unwrap();
        fs::create_dir(home.path("directory")).unwrap();
        make_fifo(&home.path("fifo"));

        for (path, kind) in [
            (home.path("socket"), "a socket"),
            (home.path("directory"), "a directory"),
            (home.path("fifo"), "a FIFO"),
            ("/dev/null".into(), "a device"),
        ] {
            let Failure { class, error, .. } = read(&path, Duration::from_secs(8), drop).await.unwrap_err();
            assert_eq!((class, error.kind()), (Class::Misconfigured, ErrorKind::TokenUnavailable));
            assert!(error.to_string().contains(&format!("{} is {kind}", path.display())), "{error}");
        }
    }

    #[test]
    fn fifo_in_place_of_the_file_blocks_nobody() {
        let home = Home::new();
        make_fifo(&home.path("token"));
        // As if the FIFO came after the check of the path.
        let file = open(&home.path("token")).unwrap();
        assert!(ReadError::unless_file(&file.metadata().unwrap()).is_err());
    }

    #[tokio::test]
    async fn token_length_is_limited() {
        let home = Home::new();
        assert!(home.read_content("x".repeat(MAX_BYTES)).await.is_ok());
        let more = "x".repeat(MAX_BYTES) + "\n" + "x";
        assert!(home.read_content(more).await.is_err(), "the rest is not seen");
        let error = home.read_content("x".repeat(MAX_BYTES + 1)).await.unwrap_err();
        assert!(error.to_string().contains("longer than 20000 bytes"), "{error}");

        File::create(home.path("token")).unwrap().set_len(1 << 40).unwrap();
        let error = read_path(home.path("token")).await.unwrap_err();
        assert!(error.to_string().contains("longer than 20000 bytes"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn other_content_is_named_after_patience() {
        let home = Home::new();
        for (content, problem) in [
            (&b"canary\xff\xfe"[..], "is not text, or has characters other than visible ASCII: "),
            (b"{\"canary\":1}", "begins with { or [, like JSON or a template: "),
        ] {
            fs::write(home.path("token"), content).unwrap();
            let Failure { class, error, .. } =
                read(&home.path("token"), Duration::from_secs(8), drop).await.unwrap_err();
            let text = error.to_string();
            assert_eq!((class, error.is_transient()), (Class::Misconfigured, false), "{text}");
            assert!(text.starts_with(&format!("the token file {} {problem}", home.path("token").display())), "{text}");
            assert!(text.ends_with("; a JWT begins with eyJ") && !format!("{error:?}").contains("canary"), "{text}");

            let (token, ()) = tokio::join!(read_path(home.path("token")), async {
                sleep(PATIENCE / 2).await;
                fs::write(home.path("token"), "secret").unwrap();
            });
            assert_eq!(token.unwrap().expose(), "secret", "it was half written");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_file_is_waited_for_a_while() {
        let home = Home::new();
        for (content, what) in [("", "is empty"), (" \n", "is empty"), ("abc", "is shorter than 4 bytes")] {
            let error = home.read_content(content).await.unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.is_transient());

            let (token, ()) = tokio::join!(read_path(home.path("token")), async {
                sleep(PATIENCE / 2).await;
                fs::write(home.path("token"), "secret").unwrap();
            });
            assert_eq!(token.unwrap().expose(), "secret");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn missing_file_is_waited_for_then_explained() {
        let home = Home::new();
        let (token, ()) = tokio::join!(read_path(home.path("token")), async {
            sleep(PATIENCE / 2).await;
            fs::write(home.path("token"), "secret").unwrap();
        });
        assert_eq!(token.unwrap().expose(), "secret");

        symlink("nowhere", home.path("link")).unwrap();
        for (path, remedy) in [
            ("absent", "its directory is there"),
            ("absent/token", "its directory is missing, too. Check that the projected volume is mounted at"),
            ("link", "it is a symlink whose target is missing"),
        ] {
            let error = read_path(home.path(path)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
            let text = error.to_string();
            assert!(text.contains(home.path(path).to_str().unwrap()) && text.contains("os error 2"), "{text}");
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn torn_jwt_is_waited_for_then_taken() {
        let home = Home::new();
        let whole = jwt(r#"{"sub":"me"}"#);
        let (head, _) = whole.rsplit_once('.').unwrap();
        for torn in [&head[..10], head, &whole[..=head.len()]] {
            fs::write(home.path("token"), torn).unwrap();
            let (token, ()) = tokio::join!(read_path(home.path("token")), async {
                sleep(PATIENCE / 2).await;
                fs::write(home.path("token"), &whole).unwrap();
            });
            assert_eq!(token.unwrap().expose(), whole);
            assert_eq!(home.read_content(torn).await.unwrap().expose(), torn);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn unreadable_file_is_explained_by_owner_and_mode() {
        // Root may read everything, so this is somebody else's work.
        let isolated = Isolated {
            test: concat!(module_path!(), "::unreadable_file_is_explained_by_owner_and_mode"),
            wrapper: &["env"],
            uid: Some(NOBODY),
        };
        if !isolated.is_here() {
            return;
        }
        let home = Home::new();
        fs::write(home.path("token"), "canary").unwrap();
        fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o200)).unwrap();
        let error = read_path(home.path("token")).await.unwrap_err().to_string();
        let token = home.path("token").display().to_string();
        for part in [
            "os error 13",
            &format!("{token} belongs to {NOBODY}:{NOBODY} with mode 0200, and this process runs as uid {NOBODY}"),
            "fsGroup",
        ] {
            assert!(error.contains(part), "{error}");
        }

        let (token, ()) = tokio::join!(read_path(home.path("token")), async {
            sleep(PATIENCE / 2).await;
            fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o400)).unwrap();
        });
        assert_eq!(token.unwrap().expose(), "canary", "some kubelets set the mode after publication");

        fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let error = read_path(home.path("token")).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{} belongs to {NOBODY}", home.0.path().display())), "{error}");
        fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn stale_nfs_handle_may_pass() {
        #[cfg(target_os = "linux")]
        assert!(ReadError::Io(io::Error::from_raw_os_error(116)).may_pass());
        assert!(!ReadError::Io(io::Error::from_raw_os_error(5)).may_pass());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_token_or_an_error_and_never_shown(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "[\\PC\\s]{0,50}".prop_map(String::into_bytes),
                "[ \n]{0,2}eyJ[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,4}\n?".prop_map(String::into_bytes),
                any::<String>().prop_map(|payload| jwt(&payload).into_bytes()),
                "\\{\"(exp|aud|iat|iss)\":(-?[0-9]{1,30}(\\.[0-9]+)?(e[0-9]{1,3})?|\\[\\]|\"x\"|null)\\}"
                    .prop_map(|payload| jwt(&payload).into_bytes()),
                Just(vec![b'x'; MAX_BYTES + 7]),
            ],
        ) {
            let home = Home::new();
            let mut content = b"SECRETCANARY".to_vec();
            content.extend(&bytes);
            for content in [&bytes, &content] {
                fs::write(home.path("token"), content).unwrap();
                match try_read(&home.path("token")) {
                    Ok(token) => {
                        prop_assert_eq!(token.expose().as_bytes(), content.trim_ascii());
                        let shown = format!("{token:?}");
                        prop_assert!(!shown.contains("SECRETCANARY"));
                    }
                    Err(error) => {
                        let error = error.explain(&home.path("token"));
                        let shown = format!("{error} {error:?}");
                        prop_assert!(!shown.contains("SECRETCANARY"));
                    }
                }
            }
        }
    }

    struct Home(TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        async fn read_content(&self, content: impl AsRef<[u8]>) -> Result<LoadedToken, Error> {
            fs::write(self.path("token"), content).unwrap();
            read_path(self.path("token")).await
        }
    }

    async fn read_path(path: PathBuf) -> Result<LoadedToken, Error> {
        read(&path, Duration::from_secs(8), drop).await.map_err(|failure| failure.error)
    }

    fn make_fifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    const NOBODY: u32 = 65_534;
}
