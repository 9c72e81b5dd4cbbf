//! Real files, real inotify.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use aws_smithy_async::time::SystemTimeSource;
use tokio::time::{sleep, timeout};

use super::rig::{
    Hints, Home, NEVER, POLL, Rig, at_once, inotify_instances, inotify_threads, open_files, soon, token, until,
};
use crate::refresh::Change;
use crate::test_util::ProjectedVolume;
use crate::web_identity::testing::rotations::InPlaceFile;
use crate::web_identity::testing::{Isolated, Log, jwt};
use crate::web_identity::token_file;
use crate::web_identity::token_watch::directory_watcher::DirectoryWatcher;

#[test]
fn replaced_ancestor_renews_the_watch() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("var/volume");
    fs::create_dir_all(&directory).unwrap();
    let watcher = DirectoryWatcher::shared(&directory);
    let first = watcher.renew().ok().unwrap();
    assert!(Arc::ptr_eq(&first, &watcher.renew().ok().unwrap()), "nothing has changed");
    fs::rename(home.path().join("var"), home.path().join("away")).unwrap();
    fs::create_dir_all(&directory).unwrap();
    assert!(!Arc::ptr_eq(&first, &watcher.renew().ok().unwrap()), "events would come from the old directory");
}

#[tokio::test]
async fn p6_next_poll_finds_a_replaced_ancestor() {
    let home = tempfile::tempdir().unwrap();
    let (parent, volume) = (home.path().join("var"), home.path().join("var/volume"));
    ProjectedVolume::new(&volume).unwrap().write(token(0)).unwrap();
    let mut rig = Rig::with(&volume.join("token"), POLL, true, SystemTimeSource::new());
    assert_eq!(rig.read().await, token(0));
    for number in 1..4 {
        rig.rest().await;
        fs::rename(&parent, home.path().join(format!("away.{number}"))).unwrap();
        ProjectedVolume::new(&volume).unwrap().write(token(number)).unwrap();
        rig.until(&token(number)).await;
    }
    assert!(rig.watch.state().schedule.events_work());
}

#[tokio::test]
async fn p6_other_identity_is_told_from_newer_token() {
    let home = Home::new();
    let me = |jti| format!(r#"{{"iss":"https://i","sub":"me","aud":["sts"],"jti":"{jti}"}}"#);
    home.write(&jwt(&me(0)));
    let mut rig = home.rig(Hints::Events);
    rig.read().await;
    home.write(&jwt(&me(1)));
    assert_eq!(rig.change().await, Change::Content);

    for other in [
        r#"{"iss":"https://other","sub":"me","aud":["sts"]}"#,
        r#"{"iss":"https://i","sub":"you","aud":["sts"]}"#,
        r#"{"iss":"https://i","sub":"me","aud":["else"]}"#,
    ] {
        home.write(&jwt(other));
        assert_eq!(rig.change().await, Change::Identity, "{other}");
        home.write(&jwt(&me(2)));
        assert_eq!(rig.change().await, Change::Identity);
        assert_eq!(rig.watch.claims().unwrap().subject.as_deref(), Some("me"));
    }

    home.write("not-a-JWT");
    assert_eq!(rig.change().await, Change::Content, "an opaque token shows no identity");
    assert_eq!(rig.watch.claims(), None);
    home.write(&jwt(r#"{"iss":"https://i","sub":"you","aud":["sts"]}"#));
    assert_eq!(rig.change().await, Change::Identity, "the last known identity counts");
}

#[tokio::test]
async fn p6_first_token_is_no_change() {
    let home = Home::new();
    home.write(&token(0));
    let mut rig = home.rig(Hints::Events);
    rig.rest().await;
    assert!(rig.changes.try_recv().is_err());

    let home = Home::new();
    let mut rig = home.rig(Hints::Events);
    assert!(rig.watch.read(drop).await.is_err());
    rig.rest().await;
    home.write(&token(0));
    rig.until(&token(0)).await;
}

#[tokio::test]
async fn p6_same_content_is_no_change() {
    let home = tempfile::tempdir().unwrap();
    let file = InPlaceFile::new(home.path().join("token"));
    file.write(token(0)).unwrap();
    let mut rig = Rig::new(file.token_path(), Hints::Events);
    rig.read().await;
    rig.rest().await;
    let checks = rig.checks();
    for n in 0..5 {
        file.write(token(0)).unwrap();
        fs::write(file.token_path(), format!("{} \n", token(0))).unwrap();
        symlink("nowhere", home.path().join(format!("another file {n}"))).unwrap();
        rig.rest().await;
    }
    until(|| rig.checks() > checks).await;
    rig.rest().await;
    assert_eq!(rig.watch.state().changes.rotations, 0);
    file.write(token(1)).unwrap();
    rig.until(&token(1)).await;
    rig.rest().await;
    assert!(rig.changes.try_recv().is_err(), "one rotation is one change");
    assert_eq!(rig.watch.state().changes.rotations, 1);
}

#[tokio::test]
async fn p6_reads_cause_no_check() {
    let home = Home::new();
    home.write(&token(0));
    let rig = home.rig(Hints::Events);
    rig.read().await;
    rig.rest().await;
    // Events of the first write may still be on their way.
    home.fence();
    until(|| rig.watch.events.count() > 0).await;
    rig.rest().await;

    let (events, checks) = (rig.watch.events.count(), rig.checks());
    for _ in 0..100 {
        token_file::read(&rig.watch.file, NEVER, drop).await.unwrap();
        home.write(&token(0));
        for entry in fs::read_dir(home.volume()).unwrap() {
            entry.unwrap().metadata().unwrap();
        }
    }
    home.fence();
    until(|| rig.watch.events.count() > events).await;
    rig.rest().await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.watch.events.count(), events + 1, "only the fence caused an event");
    assert_eq!(rig.checks(), checks + 1);
}

#[tokio::test]
async fn p6_dropped_wait_loses_no_rotation() {
    for hints in [Hints::Events, Hints::Polling] {
        let home = Home::new();
        home.write(&token(0));
        let watch = home.watch(hints);
        assert_eq!(watch.read(drop).await.unwrap().expose(), token(0));
        for number in 1..=20 {
            home.write(&token(number));
            let mut reports = 0;
            for _ in 0..fastrand::u32(..12) {
                let patience = Duration::from_micros(fastrand::u64(..1500));
                reports += u32::from(timeout(patience, watch.changed()).await.is_ok());
            }
            if reports == 0 {
                assert_eq!(soon(watch.changed()).await, Change::Content);
                reports += 1;
            }
            assert_eq!(reports, 1, "a rotation is reported once");
        }
        assert_eq!(watch.read(drop).await.unwrap().expose(), token(20));
    }
}

#[tokio::test]
async fn p6_wait_dropped_at_once_still_sees_each_rotation() {
    for hints in [Hints::Events, Hints::Polling] {
        let home = Home::new();
        home.write(&token(0));
        let watch = home.watch(hints);
        assert_eq!(watch.read(drop).await.unwrap().expose(), token(0));
        for number in 1..=20 {
            home.write(&token(number));
            loop {
                if let Some(change) = at_once(watch.changed()) {
                    assert_eq!(change, Change::Content);
                    break;
                }
                // The check goes on without its caller.
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(watch.read(drop).await.unwrap().expose(), token(number));
        }
    }
}

#[tokio::test]
async fn p6_rotation_during_an_exchange_is_reported_after_it() {
    for hints in [Hints::Events, Hints::Polling] {
        let home = Home::new();
        home.write(&token(0));
        let watch = home.watch(hints);
        for number in 1..10 {
            let used = watch.read(drop).await.unwrap();
            home.write(&token(number));
            assert_eq!(soon(watch.changed()).await, Change::Content);
            drop(used);
        }

        // A caller who waits already hears of a token that the exchange has not used.
        let old = watch.read(drop).await.unwrap();
        home.write(&token(10));
        assert_eq!(soon(watch.changed()).await, Change::Content);
        watch.used(Some(&old));
        assert_eq!(soon(watch.changed()).await, Change::Content);
    }
}

/// A rotation between the first read and the first watch is the one most easily missed.
#[tokio::test]
async fn p6_rotation_while_the_watch_starts_is_seen() {
    let numbered = |number| jwt(&format!(r#"{{"sub":"{number}"}}"#));
    for _ in 0..200 {
        let home = Home::new();
        home.write(&numbered(1));
        let volume = ProjectedVolume::new(home.volume()).unwrap();
        let rig = home.rig(Hints::Events);
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_micros(fastrand::u64(..800)));
            volume.write(numbered(2)).unwrap();
        });
        // The first token is no change, so the claims tell.
        until(|| rig.watch.claims().is_some_and(|claims| claims.subject.as_deref() == Some("2"))).await;
        writer.join().unwrap();
        rig.close().await;
    }
}

#[tokio::test]
async fn p6_first_check_starts_the_watch_after_an_exchange() {
    let home = Home::new();
    home.write(&token(0));
    let watch = home.watch(Hints::Events);
    watch.read(drop).await.unwrap();
    let mut changed = std::pin::pin!(watch.changed());
    until(|| {
        assert!(changed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        watch.state().schedule.checks > 0
    })
    .await;
    assert!(watch.state().schedule.events_work());
}

#[tokio::test]
async fn p6_last_of_two_thousand_rotations_is_seen() {
    for (hints, rotations) in [(Hints::Events, 2000), (Hints::Polling, 200)] {
        let home = Home::new();
        home.write(&token(0));
        let mut rig = home.rig(hints);
        rig.read().await;
        let volume = ProjectedVolume::new(home.volume()).unwrap();
        let writer = thread::spawn(move || (1..=rotations).for_each(|number| volume.write(token(number)).unwrap()));
        rig.until(&token(rotations)).await;
        writer.join().unwrap();
        rig.rest().await;
        // A check that began before the last rotation may have ended after the last read.
        if rig.changes.try_recv().is_ok() {
            rig.rest().await;
        }
        assert!(rig.changes.try_recv().is_err());
    }
}

#[tokio::test]
async fn p6_two_watches_of_a_recreated_directory_both_work() {
    let (log, _guard) = Log::capture();
    let home = Home::new();
    home.write(&token(0));
    let every = Duration::from_millis(1200);
    let mut rigs = [(); 2].map(|()| Rig::with(&home.file(), every, true, SystemTimeSource::new()));
    for rig in &mut rigs {
        rig.read().await;
        rig.rest().await;
    }
    fs::remove_dir_all(home.volume()).unwrap();
    // Both have seen that the directory is gone.
    until(|| log.count(&["WARN", "no token"]) == 2).await;
    home.write(&token(1));
    for rig in &mut rigs {
        rig.until(&token(1)).await;
    }
    let checks: Vec<_> = rigs.iter().map(Rig::checks).collect();
    for (rig, checks) in rigs.iter().zip(checks) {
        until(|| rig.checks() >= checks + 3).await;
        assert!(rig.watch.state().schedule.events_work(), "{}", log.text());
    }
    assert_eq!(log.count(&["without a file event"]), 0, "{}", log.text());
}

#[tokio::test]
async fn p6_watches_of_one_directory_share_a_watcher() {
    let isolated = Isolated {
        test: concat!(module_path!(), "::p6_watches_of_one_directory_share_a_watcher"),
        wrapper: &["env"],
        uid: None,
    };
    if !isolated.is_here() {
        return;
    }
    let home = Home::new();
    home.write(&token(0));
    let polling = home.rig(Hints::Polling);
    polling.rest().await;
    let open = open_files();
    assert_eq!((inotify_instances(), inotify_threads()), (0, 0), "polling needs no inotify");

    let mut first = home.rig(Hints::Events);
    let mut second = home.rig(Hints::Events);
    for rig in [&mut first, &mut second] {
        rig.read().await;
        rig.rest().await;
        assert!(rig.watch.state().schedule.events_work());
    }
    assert_eq!((inotify_instances(), inotify_threads()), (1, 1));

    first.close().await;
    home.write(&token(1));
    second.until(&token(1)).await;
    assert_eq!((inotify_instances(), inotify_threads()), (1, 1), "one watch is left");

    // A new directory replaces the old one each time.
    for number in 2..5 {
        fs::rename(home.volume(), home.0.path().join(format!("away.{number}"))).unwrap();
        home.write(&token(number));
        second.until(&token(number)).await;
        until(|| second.watch.state().schedule.events_work()).await;
        until(|| (inotify_instances(), inotify_threads()) == (1, 1)).await;
    }

    second.close().await;
    until(|| (inotify_instances(), inotify_threads()) == (0, 0)).await;
    until(|| open_files() == open).await;
}
