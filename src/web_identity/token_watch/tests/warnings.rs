//! Log lines about files and limits.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use tokio::time::Instant;

use super::rig::{Clock, Hints, Home, INSTANCES, POLL, Rig, inotify_instances, inotify_threads, token, until};
use crate::web_identity::config::TokenConfig;
use crate::web_identity::testing::{Isolated, Log, OWN_USER_NAMESPACE, jwt};
use crate::web_identity::token_file::with_timeout;
use crate::web_identity::token_watch::TokenWatch;

#[tokio::test]
async fn exhausted_inotify_limit_is_named_and_recovered_from() {
    let isolated = Isolated {
        test: concat!(module_path!(), "::exhausted_inotify_limit_is_named_and_recovered_from"),
        wrapper: OWN_USER_NAMESPACE,
        uid: None,
    };
    if !isolated.is_here() {
        return;
    }
    for (limit, name) in [(INSTANCES, "max_user_instances"), ("/proc/sys/user/max_inotify_watches", "max_user_watches")]
    {
        let (log, _guard) = Log::capture();
        let before = fs::read_to_string(limit).unwrap();
        fs::write(limit, "0").unwrap();

        let home = Home::new();
        home.write(&token(0));
        let mut rig = Rig::with(&home.file(), POLL, true, SystemTimeSource::new());
        rig.read().await;
        for number in 1..5 {
            home.write(&token(number));
            rig.until(&token(number)).await;
        }
        assert!(!rig.watch.state().schedule.events_work());
        assert_eq!(log.count(&["WARN", name]), 1, "{}", log.text());
        // A failed attempt leaves nothing behind once notify's thread has ended.
        until(|| inotify_instances() == 0 && inotify_threads() == 0).await;

        fs::write(limit, before.trim()).unwrap();
        until(|| rig.watch.state().schedule.events_work()).await;
        until(|| log.count(&["INFO", "file events of the token file are back"]) == 1).await;
        assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
        rig.close().await;
        drop(home);
        until(|| inotify_instances() == 0 && inotify_threads() == 0).await;
    }
}

#[tokio::test]
async fn p6_without_inotify_instance_it_polls_and_warns_once() {
    let isolated = Isolated {
        test: concat!(module_path!(), "::p6_without_inotify_instance_it_polls_and_warns_once"),
        wrapper: OWN_USER_NAMESPACE,
        uid: None,
    };
    if !isolated.is_here() {
        return;
    }
    fs::write(INSTANCES, "0").unwrap();
    let (log, _guard) = Log::capture();
    let home = Home::new();
    home.write(&token(0));
    let mut rig = Rig::with(&home.file(), POLL, true, SystemTimeSource::new());
    rig.read().await;
    for number in 1..10 {
        rig.rest().await;
        home.write(&token(number));
        rig.until(&token(number)).await;
    }
    assert!(!rig.watch.state().schedule.events_work());
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
    assert_eq!(log.count(&["WARN", "fs.inotify.max_user_instances"]), 1, "{}", log.text());

    fs::write(INSTANCES, "10").unwrap();
    until(|| rig.watch.state().schedule.events_work()).await;
    until(|| log.count(&["INFO", "are back"]) == 1).await;
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
}

#[tokio::test]
async fn subpath_mount_is_logged_once() {
    let (log, _guard) = Log::capture();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), token(0)).unwrap();
    let file = fs::File::open(home.path().join("token")).unwrap();
    fs::remove_file(home.path().join("token")).unwrap();
    // Like a subPath mount, this path leads to a file without a name.
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));

    let rig = Rig::new(Path::new(&path), Hints::Polling);
    until(|| rig.checks() > 5).await;
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
    assert_eq!(log.count(&["WARN", "subPath"]), 1, "{}", log.text());
}

#[tokio::test]
async fn expiry_in_a_subpath_mount_names_the_mount() {
    let (log, _guard) = Log::capture();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), jwt(r#"{"sub":"me","iat":1000,"exp":4600}"#)).unwrap();
    let file = fs::File::open(home.path().join("token")).unwrap();
    fs::remove_file(home.path().join("token")).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));

    let rig = Rig::new(Path::new(&path), Hints::Polling);
    until(|| rig.checks() > 5).await;
    assert_eq!(log.count(&["WARN"]), 2, "{}", log.text());
    assert_eq!(log.count(&["WARN", "the token will expire and not be replaced"]), 1, "{}", log.text());
    assert_eq!(log.count(&["WARN", "has expired in a subPath mount", "changed_at=2", "unchanged_seconds="]), 1);
}

#[tokio::test]
async fn overdue_and_expired_tokens_are_logged_once_each() {
    let (log, _guard) = Log::capture();
    let at = |minutes: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + 60 * minutes);
    let issued = |minutes: u64| {
        let issued_at = 1_800_000_000 + 60 * minutes;
        jwt(&format!(r#"{{"sub":"me","iat":{issued_at},"exp":{}}}"#, issued_at + 3600))
    };
    let clock = Clock(Arc::new(Mutex::new(at(1))));
    let home = Home::new();
    home.write(&issued(0));
    let mut rig = Rig::with(&home.file(), POLL, false, clock.clone());
    rig.read().await;

    for (minute, overdue, expired) in [(1, 0, 0), (52, 0, 0), (54, 1, 0), (58, 1, 0), (61, 1, 1), (90, 1, 1)] {
        *clock.0.lock().unwrap() = at(minute);
        let checks = rig.checks();
        until(|| rig.checks() > checks + 3).await;
        assert_eq!(log.count(&["WARN", "should have been replaced"]), overdue, "minute {minute}: {}", log.text());
        assert_eq!(log.count(&["WARN", "has expired"]), expired, "minute {minute}: {}", log.text());
    }
    home.write(&issued(90));
    rig.until(&issued(90)).await;
    until(|| log.count(&["INFO", "the token was replaced"]) == 1).await;
    assert_eq!(log.count(&["WARN"]), 2, "{}", log.text());
}

#[tokio::test]
async fn hung_file_is_logged_and_read_again() {
    let (log, _guard) = Log::capture();
    let home = Home::new();
    home.write(&token(0));
    let (release, hangs) = mpsc::channel::<()>();
    let hangs = Arc::new(Mutex::new(hangs));
    let (begun, file) = (Arc::new(Mutex::new(false)), home.file());
    let hung = tokio::spawn({
        let begun = Arc::clone(&begun);
        let hang = move || {
            *begun.lock().unwrap() = true;
            assert!(hangs.lock().unwrap().recv().is_err());
        };
        async move { with_timeout(&file, Instant::now(), Duration::from_secs(60), hang).await.is_ok() }
    });
    until(|| *begun.lock().unwrap()).await;

    let config = TokenConfig { file: home.file(), poll_interval: POLL, watch: false };
    let watch = TokenWatch::new(&config, POLL, SharedTimeSource::new(SystemTimeSource::new()));
    let told = async {
        until(|| log.count(&["WARN", "no token", "file system did not answer within 50 ms"]) == 1).await;
        drop(release);
        until(|| log.count(&["INFO", "the token file can be read again"]) == 1).await;
    };
    tokio::select! {
        () = told => {}
        () = async { loop { watch.changed().await; } } => {}
    }
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
    assert!(hung.await.unwrap());
}
