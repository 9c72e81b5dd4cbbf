//! Log lines about the token file and its watch: a warning when a state begins, an INFO line when it ends.

use std::mem;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tracing::field::display;

use super::watch_error::WatchError;
use crate::error::{Error, date};
use crate::web_identity::loaded_token::{Digest, LoadedToken};

/// The states that have been logged, so that nothing is logged twice.
#[derive(Default)]
pub(super) struct Warnings {
    mode_is_logged: bool,
    watch_failure: Option<String>,
    events_are_missed: bool,
    no_token: bool,
    subpath_mount: SubPathMount,
    overdue: bool,
    expired: bool,
}

#[derive(Clone, Copy, Default)]
enum SubPathMount {
    #[default]
    No,
    /// The last read found a file without a name. A kubelet that replaces the file during a read causes this as well, but
    /// never twice with the same content.
    Suspected(Digest),
    Logged,
}

impl Warnings {
    /// After an attempt to renew the watch. `None`: watching is off.
    pub(super) fn watch(&mut self, file: &Path, watched: Option<&Result<bool, WatchError>>) {
        let file = file.display();
        let first = !mem::replace(&mut self.mode_is_logged, true);
        match watched {
            None if first => tracing::info!(%file, mode = "polling", "watching the token file"),
            None => {}
            Some(Ok(is_new)) => {
                let failed = self.watch_failure.take().is_some();
                if first {
                    tracing::info!(%file, mode = "events", "watching the token file");
                } else if failed {
                    tracing::info!(%file, "file events of the token file are back");
                } else if *is_new {
                    tracing::info!(%file, "the directory of the token file was replaced; the new directory is watched");
                }
            }
            Some(Err(error)) => {
                let reason = error.to_string();
                if self.watch_failure.as_ref() != Some(&reason) {
                    tracing::warn!(
                        %file, %reason, mode = "polling",
                        "no file events of the token file; the file is polled instead"
                    );
                    self.watch_failure = Some(reason);
                }
            }
        }
    }

    /// `missed`: a poll has found a change that no event had announced.
    pub(super) fn events(&mut self, file: &Path, missed: bool) {
        if mem::replace(&mut self.events_are_missed, missed) == missed {
            return;
        }
        let file = file.display();
        if missed {
            tracing::warn!(
                %file,
                "the token file changed without a file event (usual under gVisor, Kata and network file systems): the \
                 file is now polled more often",
            );
        } else {
            tracing::info!(%file, "file events of the token file work again");
        }
    }

    pub(super) fn read(&mut self, file: &Path, read: &Result<LoadedToken, Error>, now: SystemTime) {
        let shown = file.display();
        match read {
            Ok(token) => {
                if mem::take(&mut self.no_token) {
                    tracing::info!(file = %shown, "the token file can be read again");
                }
                self.mount(file, token);
                self.age(file, token, now);
            }
            Err(error) => {
                if !mem::replace(&mut self.no_token, true) {
                    tracing::warn!(file = %shown, %error, "no token");
                }
            }
        }
    }

    fn mount(&mut self, file: &Path, token: &LoadedToken) {
        let digest = token.digest;
        self.subpath_mount = match self.subpath_mount {
            _ if !token.is_orphan => SubPathMount::No,
            SubPathMount::Logged => SubPathMount::Logged,
            SubPathMount::Suspected(before) if before == digest => {
                tracing::warn!(
                    file = %file.display(),
                    "the token file is a subPath mount, which is never updated: the token will expire and not be replaced. \
                     Mount the volume's directory instead",
                );
                SubPathMount::Logged
            }
            _ => SubPathMount::Suspected(digest),
        };
    }

    fn age(&mut self, file: &Path, token: &LoadedToken, now: SystemTime) {
        let Some(claims) = token.claims() else { return };
        if matches!(self.subpath_mount, SubPathMount::Suspected(_)) {
            // The next check decides which warning fits.
            return;
        }
        let file = file.display();
        let shown = |time: Option<SystemTime>| time.map(date).map(display);
        let (changed_at, expires_at) = (shown(token.modified), shown(claims.expires_at));
        let unchanged = token.modified.and_then(|modified| now.duration_since(modified).ok());
        let unchanged_seconds = unchanged.map(|unchanged| unchanged.as_secs());
        let expired = claims.expires_at.is_some_and(|expires_at| expires_at <= now);
        let overdue = claims.rotation_due().and_then(|due| due.checked_add(GRACE)).is_some_and(|due| due <= now);

        if expired && !self.expired && matches!(self.subpath_mount, SubPathMount::Logged) {
            tracing::warn!(
                %file, expires_at, changed_at, unchanged_seconds,
                "the token has expired in a subPath mount, which is never updated. Mount the volume's directory instead",
            );
        } else if expired && !self.expired {
            tracing::warn!(
                %file, expires_at, changed_at, unchanged_seconds,
                "the token has expired and was not replaced: check that this pod is not terminating, that the kubelet \
                 (or another writer of the file) runs, and that the clock of this machine is right",
            );
        } else if overdue && !self.overdue && !expired {
            tracing::warn!(
                %file, issued_at = shown(claims.issued_at), replace_by = shown(claims.replace_by()), changed_at,
                unchanged_seconds,
                "the token should have been replaced by now: a kubelet replaces a token at 80 % of the token's \
                 lifetime, except in a terminating pod or while a volume of the pod fails",
            );
        } else if (self.overdue || self.expired) && !overdue && !expired {
            tracing::info!(%file, "the token was replaced");
        }
        (self.expired, self.overdue) = (expired, overdue);
    }
}

/// Delay of a healthy kubelet: it looks every 60 to 90 s, and may fail a few times.
const GRACE: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::web_identity::testing::{Log, jwt};

    #[test]
    fn rotation_is_overdue_five_minutes_after_80_percent() {
        let (log, _guard) = Log::capture();
        let mut warnings = Warnings::default();
        let mut at = |seconds, payload: &str| {
            warnings.read(file(), &Ok(LoadedToken::of(&jwt(payload))), UNIX_EPOCH + Duration::from_secs(seconds));
            (log.count(&["WARN", "should have been replaced"]), log.count(&["WARN", "has expired"]))
        };
        let day = r#"{"iat":1000,"exp":87400}"#;
        assert_eq!(at(1000 + 69_120 + 299, day), (0, 0));
        assert_eq!(at(1000 + 69_120 + 300, day), (1, 0));
        assert_eq!(at(80_000, day), (1, 0), "once");
        assert_eq!(at(87_400, day), (1, 1));
        assert_eq!(at(90_000, day), (1, 1), "once");
        assert_eq!(log.count(&["expires_at=1970-01-02T00:16:40Z"]), 1, "{}", log.text());
        assert_eq!(at(90_000, r#"{"iat":90000,"exp":176400}"#), (1, 1));
        assert_eq!(log.count(&["INFO", "was replaced"]), 1, "{}", log.text());
        assert_eq!(at(176_400, r#"{"iat":90000,"exp":176400}"#), (1, 2), "a new state is told anew");
    }

    #[test]
    fn late_replacement_is_logged() {
        let (log, _guard) = Log::capture();
        let mut warnings = Warnings::default();
        for (seconds, payload, replaced) in [
            (80_000, r#"{"iat":1000,"exp":87400}"#, 0),
            (81_000, r#"{"iat":81000,"exp":167400}"#, 1),
            (82_000, r#"{"iat":82000,"exp":168400}"#, 1),
        ] {
            warnings.read(file(), &Ok(LoadedToken::of(&jwt(payload))), UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(log.count(&["INFO", "was replaced"]), replaced, "{}", log.text());
        }
    }

    #[test]
    fn unlinked_file_is_a_subpath_mount_if_it_stays() {
        let (log, _guard) = Log::capture();
        let mut warnings = Warnings::default();
        let read = |text: &str| {
            let mut token = LoadedToken::of(text);
            token.is_orphan = true;
            token
        };
        // A check may open a file just before the kubelet removes it.
        for (text, warned) in [("one", 0), ("other", 0), ("other", 1), ("other", 1)] {
            warnings.read(file(), &Ok(read(text)), UNIX_EPOCH);
            assert_eq!(log.count(&["WARN", "is a subPath mount"]), warned, "{text}: {}", log.text());
        }
    }

    #[test]
    fn an_extended_token_is_overdue_by_its_warnafter() {
        let (log, _guard) = Log::capture();
        let extended = r#"{"iat":1000,"exp":31537000,"kubernetes.io":{"warnafter":4607}}"#;
        let mut warnings = Warnings::default();
        for seconds in [1000 + 2885 + 299, 1000 + 2886 + 300] {
            assert_eq!(log.count(&["should have been replaced"]), 0, "{}", log.text());
            warnings.read(file(), &Ok(LoadedToken::of(&jwt(extended))), UNIX_EPOCH + Duration::from_secs(seconds));
        }
        assert_eq!(log.count(&["should have been replaced"]), 1, "{}", log.text());
    }

    #[test]
    fn odd_times_in_claims_cause_no_warning() {
        let (log, _guard) = Log::capture();
        let mut warnings = Warnings::default();
        for payload in
            ["{}", r#"{"exp":1}"#, r#"{"iat":9,"exp":1}"#, r#"{"iat":0,"exp":9000000000000000000}"#, r#"{"iat":9e18}"#]
        {
            warnings.read(file(), &Ok(LoadedToken::of(&jwt(payload))), UNIX_EPOCH);
            warnings.read(file(), &Ok(LoadedToken::of("opaque")), UNIX_EPOCH);
        }
        assert_eq!(log.count(&["WARN"]), 0, "{}", log.text());
    }

    #[test]
    fn each_change_of_the_watch_is_logged_once() {
        let (log, _guard) = Log::capture();
        let mut warnings = Warnings::default();
        let missing = || Err(WatchError::Directory(io::ErrorKind::NotFound.into()));
        let steps: [(Result<bool, WatchError>, usize, usize); 10] = [
            (missing(), 1, 0),
            (missing(), 1, 0),
            (Err(WatchError::Instances), 2, 0),
            (Err(WatchError::Instances), 2, 0),
            (Ok(true), 2, 1),
            (Ok(false), 2, 1),
            (Ok(true), 2, 2),
            (Ok(false), 2, 2),
            (missing(), 3, 2),
            (Ok(true), 3, 3),
        ];
        for (step, (outcome, warns, infos)) in steps.into_iter().enumerate() {
            warnings.watch(file(), Some(&outcome));
            assert_eq!((log.count(&["WARN"]), log.count(&["INFO"])), (warns, infos), "{step}: {}", log.text());
        }
    }

    #[test]
    fn missed_events_and_recovery_are_logged_once_each() {
        let (log, _guard) = Log::capture();
        let mut warnings = Warnings::default();
        for missed in [false, false, true, true, false, false] {
            warnings.events(file(), missed);
        }
        assert_eq!((log.count(&["WARN", "gVisor"]), log.count(&["INFO", "work again"])), (1, 1), "{}", log.text());
    }

    #[test]
    fn watch_mode_is_logged_once() {
        let (log, _guard) = Log::capture();
        for armed in [None, Some(Ok(true))] {
            let mut warnings = Warnings::default();
            warnings.watch(file(), armed.as_ref());
            warnings.watch(file(), None);
        }
        assert_eq!((log.count(&["INFO", "polling"]), log.count(&["INFO", "events"])), (1, 1), "{}", log.text());
    }

    fn file() -> &'static Path {
        Path::new("/volume/token")
    }
}
