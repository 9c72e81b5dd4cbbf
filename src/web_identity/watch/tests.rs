//! Real files, real inotify.

// clippy knows tests by `cfg(test)` alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::test_util::{InPlaceFile, ProjectedVolume};
use crate::web_identity::testing::{Isolated, Log, OWN_USER_NAMESPACE, jwt};

mod each_rotation_is_seen {
    use super::*;

    macro_rules! ways {
        ($($name:ident: $way:expr, $mend:expr;)*) => {
            mod by_file_events {
                use super::*;
                $(#[tokio::test]
                async fn $name() {
                    follow(Hints::Events, $mend, $way).await;
                })*
            }

            mod by_polling_alone {
                use super::*;
                $(#[tokio::test]
                async fn $name() {
                    follow(Hints::Polling, $mend, $way).await;
                })*
            }
        };
    }

    ways! {
        p6_a_kubelets_swap: swap, Events;
        p6_a_write_in_place: in_place, Events;
        p6_a_rename_over_the_file: rename_over, Events;
        p6_a_swap_behind_a_chain_of_links: behind_links, Events;
        p6_a_link_that_is_led_elsewhere: other_target, Events;
        p6_two_links_that_are_led_elsewhere_in_turn: other_links, Events;
        p6_a_directory_removed_and_made_again: removed, AnxiousPolls;
        p6_a_directory_moved_away_and_made_again: moved_away, AnxiousPolls;
        p6_a_mount_that_comes_late: late, AnxiousPolls;
    }

    fn swap(home: &Path) -> io::Result<(PathBuf, Write)> {
        let volume = ProjectedVolume::new(home.join("volume"))?;
        Ok((volume.token_path(), Box::new(move |_, token| volume.write(token))))
    }

    fn in_place(home: &Path) -> io::Result<(PathBuf, Write)> {
        let file = InPlaceFile::new(home.join("token"));
        Ok((file.token_path().to_owned(), Box::new(move |_, token| file.write(token))))
    }

    fn rename_over(home: &Path) -> io::Result<(PathBuf, Write)> {
        let (file, new) = (home.join("token"), home.join("new"));
        let write = {
            let file = file.clone();
            move |_, token: &str| {
                fs::write(&new, token)?;
                fs::rename(&new, &file)
            }
        };
        Ok((file, Box::new(write)))
    }

    /// One link is absolute, one is relative, and each is in a directory of its own.
    fn behind_links(home: &Path) -> io::Result<(PathBuf, Write)> {
        let volume = ProjectedVolume::new(home.join("volume"))?;
        for directory in ["etc", "run"] {
            fs::create_dir(home.join(directory))?;
        }
        symlink(volume.token_path(), home.join("run/token"))?;
        symlink("../run/token", home.join("etc/token"))?;
        Ok((home.join("etc/token"), Box::new(move |_, token| volume.write(token))))
    }

    fn other_target(home: &Path) -> io::Result<(PathBuf, Write)> {
        for directory in ["etc", "run"] {
            fs::create_dir(home.join(directory))?;
        }
        symlink("../run/token", home.join("etc/token"))?;
        let file = home.join("etc/token");
        let home = home.to_owned();
        let write = move |number: usize, token: &str| {
            let directory = home.join(format!("run.{number}"));
            fs::create_dir(&directory)?;
            fs::write(directory.join("token"), token)?;
            symlink(directory.join("token"), home.join("run/new"))?;
            fs::rename(home.join("run/new"), home.join("run/token"))
        };
        Ok((file, Box::new(write)))
    }

    /// Each rotation is in the directory that the one before has led to, unless that leads on.
    fn other_links(home: &Path) -> io::Result<(PathBuf, Write)> {
        for directory in ["etc", "run"] {
            fs::create_dir(home.join(directory))?;
        }
        symlink("../run/token", home.join("etc/token"))?;
        let file = home.join("etc/token");
        let home = home.to_owned();
        let write = move |number: usize, token: &str| {
            let directory = home.join(format!("run.{}", number / 3));
            if number.is_multiple_of(3) {
                fs::create_dir(&directory)?;
                fs::write(directory.join("token"), token)?;
                symlink(directory.join("token"), home.join("run/new"))?;
                return fs::rename(home.join("run/new"), home.join("run/token"));
            }
            fs::write(directory.join("new"), token)?;
            fs::rename(directory.join("new"), directory.join("token"))
        };
        Ok((file, Box::new(write)))
    }

    fn removed(home: &Path) -> io::Result<(PathBuf, Write)> {
        let directory = home.join("volume");
        let write = {
            let directory = directory.clone();
            move |number: usize, token: &str| {
                if number % 4 == 2 {
                    fs::remove_dir_all(&directory)?;
                }
                ProjectedVolume::new(&directory)?.write(token)
            }
        };
        Ok((directory.join("token"), Box::new(write)))
    }

    fn moved_away(home: &Path) -> io::Result<(PathBuf, Write)> {
        let (directory, home) = (home.join("volume"), home.to_owned());
        let write = {
            let directory = directory.clone();
            move |number: usize, token: &str| {
                if number % 4 == 2 {
                    fs::rename(&directory, home.join(format!("away.{number}")))?;
                }
                ProjectedVolume::new(&directory)?.write(token)
            }
        };
        Ok((directory.join("token"), Box::new(write)))
    }

    /// Even its parent is missing at first.
    fn late(home: &Path) -> io::Result<(PathBuf, Write)> {
        let directory = home.join("var/run/volume");
        let write = {
            let directory = directory.clone();
            move |_, token: &str| ProjectedVolume::new(&directory)?.write(token)
        };
        Ok((directory.join("token"), Box::new(write)))
    }

    type Write = Box<dyn FnMut(usize, &str) -> io::Result<()>>;

    #[derive(Eq, PartialEq)]
    enum Mend {
        /// There is a token at first, and the watch holds from then on.
        Events,
        /// Where the watch itself must be made again, the next poll does it.
        AnxiousPolls,
    }
    use Mend::{AnxiousPolls, Events};

    async fn follow(hints: Hints, mend: Mend, way: fn(&Path) -> io::Result<(PathBuf, Write)>) {
        let home = tempfile::tempdir().unwrap();
        let (file, mut write) = way(home.path()).unwrap();
        let events = hints == Hints::Events;
        if mend == Events {
            write(0, &token(0)).unwrap();
        }
        let mut rig = Rig::new(&file, hints);
        if mend == Events {
            assert_eq!(rig.read().await, token(0));
        } else {
            assert!(rig.watch.read().await.is_err());
        }
        for number in 1..=ROTATIONS {
            rig.rest().await;
            if events && mend == Events {
                assert!(rig.watch.state().watching(), "nothing but an event can tell");
            }
            write(number, &token(number)).unwrap();
            rig.until(&token(number)).await;
        }
        until(|| rig.watch.state().watching() == events).await;
        rig.rest().await;
        let newest = token(UNDISTURBED);
        write(UNDISTURBED, &newest).unwrap();
        rig.until(&newest).await;
    }

    const ROTATIONS: usize = 8;
    /// One that leaves the watch whole.
    const UNDISTURBED: usize = 9;
}

#[tokio::test]
async fn p6_an_ancestor_that_is_replaced_says_nothing_and_is_found_by_the_next_poll() {
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
    assert!(rig.watch.state().watching());
}

#[tokio::test]
async fn p6_somebody_elses_token_is_told_from_a_newer_one() {
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

    home.write("not a JWT");
    assert_eq!(rig.change().await, Change::Content, "nobody knows who this is");
    assert_eq!(rig.watch.claims(), None);
    home.write(&jwt(r#"{"iss":"https://i","sub":"you","aud":["sts"]}"#));
    assert_eq!(rig.change().await, Change::Identity, "we remember who we were");
}

#[tokio::test]
async fn p6_the_first_token_is_no_news_unless_one_was_asked_for_in_vain() {
    let home = Home::new();
    home.write(&token(0));
    let mut rig = home.rig(Hints::Events);
    rig.rest().await;
    assert!(rig.changes.try_recv().is_err());

    let home = Home::new();
    let mut rig = home.rig(Hints::Events);
    assert!(rig.watch.read().await.is_err());
    rig.rest().await;
    home.write(&token(0));
    rig.until(&token(0)).await;
}

#[tokio::test]
async fn p6_the_same_content_is_no_news() {
    let home = tempfile::tempdir().unwrap();
    let file = InPlaceFile::new(home.path().join("token"));
    file.write(token(0)).unwrap();
    let mut rig = Rig::new(file.token_path(), Hints::Events);
    rig.read().await;
    rig.rest().await;
    let looks = rig.looks();
    for n in 0..5 {
        file.write(token(0)).unwrap();
        fs::write(file.token_path(), format!("{} \n", token(0))).unwrap();
        symlink("nowhere", home.path().join(format!("another file {n}"))).unwrap();
        rig.rest().await;
    }
    until(|| rig.looks() > looks).await;
    rig.rest().await;
    assert_eq!(rig.watch.state().rotations(), 0);
    file.write(token(1)).unwrap();
    rig.until(&token(1)).await;
    rig.rest().await;
    assert!(rig.changes.try_recv().is_err(), "one rotation is one change");
    assert_eq!(rig.watch.state().rotations(), 1);
}

#[tokio::test]
async fn p6_nobodys_reading_wakes_us() {
    let home = Home::new();
    home.write(&token(0));
    let rig = home.rig(Hints::Events);
    rig.read().await;
    rig.rest().await;
    // What came with the first write may still be on its way.
    home.fence();
    until(|| rig.watch.nudge.count() > 0).await;
    rig.rest().await;

    let (nudges, looks) = (rig.watch.nudge.count(), rig.looks());
    for _ in 0..100 {
        token::read(&rig.watch.file).await.unwrap();
        home.write(&token(0));
        for entry in fs::read_dir(home.volume()).unwrap() {
            entry.unwrap().metadata().unwrap();
        }
    }
    home.fence();
    until(|| rig.watch.nudge.count() > nudges).await;
    rig.rest().await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.watch.nudge.count(), nudges + 1, "the fence alone was heard");
    assert_eq!(rig.looks(), looks + 1);
}

#[tokio::test]
async fn p6_whoever_drops_the_wait_loses_no_rotation() {
    for hints in [Hints::Events, Hints::Polling] {
        let home = Home::new();
        home.write(&token(0));
        let watch = home.watch(hints);
        assert_eq!(watch.read().await.unwrap().expose(), token(0));
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
        assert_eq!(watch.read().await.unwrap().expose(), token(20));
    }
}

#[tokio::test]
async fn p6_whoever_always_drops_the_wait_at_once_sees_each_rotation_nevertheless() {
    for hints in [Hints::Events, Hints::Polling] {
        let home = Home::new();
        home.write(&token(0));
        let watch = home.watch(hints);
        assert_eq!(watch.read().await.unwrap().expose(), token(0));
        for number in 1..=20 {
            home.write(&token(number));
            loop {
                let looks = watch.state().looks();
                let due = watch.state().due(watch.nudge.count(), Instant::now());
                if let Some(change) = at_once(watch.changed()) {
                    assert_eq!(change, Change::Content);
                    break;
                }
                if matches!(due, Due::Now(_)) {
                    // Now that nobody waits for it.
                    until(|| watch.state().looks() > looks).await;
                }
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(watch.read().await.unwrap().expose(), token(number));
        }
    }
}

#[tokio::test]
async fn p6_a_rotation_during_the_exchange_is_reported_after_it() {
    for hints in [Hints::Events, Hints::Polling] {
        let home = Home::new();
        home.write(&token(0));
        let watch = home.watch(hints);
        for number in 1..10 {
            let used = watch.read().await.unwrap();
            home.write(&token(number));
            assert_eq!(soon(watch.changed()).await, Change::Content);
            drop(used);
        }

        // Whoever waits already is told of what an exchange has not used.
        let old = watch.read().await.unwrap();
        home.write(&token(10));
        assert_eq!(soon(watch.changed()).await, Change::Content);
        watch.used(&old);
        assert_eq!(soon(watch.changed()).await, Change::Content);
    }
}

/// The rotation between the first read and the first watch is the one to miss.
#[tokio::test]
async fn p6_a_rotation_while_the_watch_is_being_armed_is_seen() {
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
        // The first sight is no report.
        until(|| rig.watch.claims().is_some_and(|claims| claims.subject.as_deref() == Some("2"))).await;
        writer.join().unwrap();
        rig.close().await;
    }
}

#[tokio::test]
async fn each_exhausted_limit_is_told_by_its_name_and_recovered_from() {
    let isolated = Isolated {
        test: concat!(module_path!(), "::each_exhausted_limit_is_told_by_its_name_and_recovered_from"),
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
        assert!(!rig.watch.state().watching());
        assert_eq!(log.count(&["WARN", name]), 1, "{}", log.text());
        // An attempt that fails leaves nothing behind, though notify's thread takes its time.
        until(|| inotify_instances() == 0 && inotify_threads() == 0).await;

        fs::write(limit, before.trim()).unwrap();
        until(|| rig.watch.state().watching()).await;
        until(|| log.count(&["INFO", "file events of the token file are back"]) == 1).await;
        assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
        rig.close().await;
        drop(home);
        until(|| inotify_instances() == 0 && inotify_threads() == 0).await;
    }
}

#[tokio::test]
async fn p6_the_first_look_arms_the_watch_even_if_an_exchange_was_first() {
    let home = Home::new();
    home.write(&token(0));
    let watch = home.watch(Hints::Events);
    watch.read().await.unwrap();
    let mut changed = std::pin::pin!(watch.changed());
    until(|| {
        assert!(changed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        watch.state().looks() > 0
    })
    .await;
    assert!(watch.state().watching());
}

#[tokio::test]
async fn p6_the_last_of_two_thousand_rotations_is_seen() {
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
        assert!(rig.changes.try_recv().is_err());
    }
}

#[tokio::test]
async fn p6_two_watches_of_one_directory_both_see_it_made_again_and_both_trust_it() {
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
    // Afterwards, not while they still wait for it to come back.
    until(|| log.count(&["WARN", "no token"]) == 2).await;
    home.write(&token(1));
    for rig in &mut rigs {
        rig.until(&token(1)).await;
    }
    let looks: Vec<_> = rigs.iter().map(Rig::looks).collect();
    for (rig, looks) in rigs.iter().zip(looks) {
        until(|| rig.looks() >= looks + 3).await;
        assert!(rig.watch.state().watching(), "{}", log.text());
    }
    assert_eq!(log.count(&["its watch did not say so"]), 0, "{}", log.text());
}

#[tokio::test]
async fn p6_without_an_inotify_instance_it_polls_and_says_so_once() {
    let isolated = Isolated {
        test: concat!(module_path!(), "::p6_without_an_inotify_instance_it_polls_and_says_so_once"),
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
    assert!(!rig.watch.state().watching());
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
    assert_eq!(log.count(&["WARN", "fs.inotify.max_user_instances"]), 1, "{}", log.text());

    fs::write(INSTANCES, "10").unwrap();
    until(|| rig.watch.state().watching()).await;
    until(|| log.count(&["INFO", "are back"]) == 1).await;
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
}

#[tokio::test]
async fn p6_one_directory_has_one_watcher_which_ends_with_the_last_who_cares() {
    let isolated = Isolated {
        test: concat!(module_path!(), "::p6_one_directory_has_one_watcher_which_ends_with_the_last_who_cares"),
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
    assert_eq!((inotify_instances(), inotify_threads()), (0, 0), "polling needs none");

    let mut first = home.rig(Hints::Events);
    let mut second = home.rig(Hints::Events);
    for rig in [&mut first, &mut second] {
        rig.read().await;
        rig.rest().await;
        assert!(rig.watch.state().watching());
    }
    assert_eq!((inotify_instances(), inotify_threads()), (1, 1));

    first.close().await;
    home.write(&token(1));
    second.until(&token(1)).await;
    assert_eq!((inotify_instances(), inotify_threads()), (1, 1), "one still cares");

    // Each new directory takes the place of the old one.
    for number in 2..5 {
        fs::rename(home.volume(), home.0.path().join(format!("away.{number}"))).unwrap();
        home.write(&token(number));
        second.until(&token(number)).await;
        until(|| second.watch.state().watching()).await;
        until(|| (inotify_instances(), inotify_threads()) == (1, 1)).await;
    }

    second.close().await;
    until(|| (inotify_instances(), inotify_threads()) == (0, 0)).await;
    until(|| open_files() == open).await;
}

#[tokio::test]
async fn a_subpath_mount_is_told_of_once() {
    let (log, _guard) = Log::capture();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), token(0)).unwrap();
    let file = fs::File::open(home.path().join("token")).unwrap();
    fs::remove_file(home.path().join("token")).unwrap();
    // As a mount of the file would, this leads to what has no name any more.
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));

    let rig = Rig::new(Path::new(&path), Hints::Polling);
    until(|| rig.looks() > 5).await;
    assert_eq!(log.count(&["WARN"]), 1, "{}", log.text());
    assert_eq!(log.count(&["WARN", "subPath"]), 1, "{}", log.text());
}

#[tokio::test]
async fn a_token_that_expires_in_a_subpath_mount_is_said_to_be_in_one() {
    let (log, _guard) = Log::capture();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), jwt(r#"{"sub":"me","iat":1000,"exp":4600}"#)).unwrap();
    let file = fs::File::open(home.path().join("token")).unwrap();
    fs::remove_file(home.path().join("token")).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));

    let rig = Rig::new(Path::new(&path), Hints::Polling);
    until(|| rig.looks() > 5).await;
    assert_eq!(log.count(&["WARN"]), 2, "{}", log.text());
    assert_eq!(log.count(&["WARN", "the token will expire and not be replaced"]), 1, "{}", log.text());
    assert_eq!(log.count(&["WARN", "has expired in a subPath mount", "changed_at=Some(", "unchanged_for=Some("]), 1);
}

#[tokio::test]
async fn a_token_that_is_not_replaced_in_time_is_told_of_once_and_once_more_when_it_expires() {
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
        let looks = rig.looks();
        until(|| rig.looks() > looks + 3).await;
        assert_eq!(log.count(&["WARN", "should have been replaced"]), overdue, "minute {minute}: {}", log.text());
        assert_eq!(log.count(&["WARN", "has expired"]), expired, "minute {minute}: {}", log.text());
    }
    home.write(&issued(90));
    rig.until(&issued(90)).await;
    until(|| log.count(&["INFO", "the token was replaced"]) == 1).await;
    assert_eq!(log.count(&["WARN"]), 2, "{}", log.text());
}

#[test]
fn p6_a_watch_that_missed_a_rotation_is_not_relied_on_until_it_sees_one() {
    let second = Duration::from_secs(1);
    let mut now = Instant::now();
    let mut nudges = 0;
    let mut number = 0;
    let mut look = |state: &mut WatchState, cause, rotated: bool, nudged: bool| {
        now += 2 * second;
        number += usize::from(rotated);
        nudges += u64::from(nudged);
        let look = state.look(cause, nudges);
        state.looked(look, false, Some(&Token::of(&token(number))), now);
        let Due::At(next) = state.due(nudges, now) else { panic!("there is nothing to look for") };
        next - now
    };
    let mut state = WatchState::new(30 * second, true);
    state.armed(true);
    let far = 27 * second..=33 * second;

    assert!(far.contains(&look(&mut state, Cause::Clock, true, false)));
    assert!(far.contains(&look(&mut state, Cause::Clock, false, false)), "the first content is no rotation");
    look(&mut state, Cause::Clock, true, false);
    look(&mut state, Cause::Clock, false, true);
    assert!(state.watching(), "the event came, if late");
    look(&mut state, Cause::Clock, true, false);
    assert!(look(&mut state, Cause::Clock, false, false) <= 5 * second, "no event came");
    assert!(!state.watching());
    assert!(look(&mut state, Cause::Nudge, false, true) <= 5 * second, "an event of something else proves nothing");
    assert!(far.contains(&look(&mut state, Cause::Nudge, true, true)));
    assert!(state.watching());
}

/// A watch that somebody waits on, as the refresher does.
struct Rig {
    watch: Arc<TokenWatch>,
    changes: UnboundedReceiver<Change>,
    waiter: JoinHandle<()>,
}

impl Rig {
    fn new(file: &Path, hints: Hints) -> Self {
        match hints {
            Hints::Events => Self::with(file, NEVER, true, SystemTimeSource::new()),
            Hints::Polling => Self::with(file, POLL, false, SystemTimeSource::new()),
        }
    }

    fn with(file: &Path, poll_interval: Duration, watch: bool, time_source: impl TimeSource + 'static) -> Self {
        let config = TokenConfig { file: file.to_owned(), poll_interval, watch };
        let watch = Arc::new(TokenWatch::new(&config, SharedTimeSource::new(time_source)));
        let (sender, changes) = unbounded_channel();
        let waiter = tokio::spawn({
            let watch = Arc::clone(&watch);
            async move { while sender.send(watch.changed().await).is_ok() {} }
        });
        Self { watch, changes, waiter }
    }

    async fn read(&self) -> String {
        self.watch.read().await.unwrap().expose().to_owned()
    }

    async fn change(&mut self) -> Change {
        soon(self.changes.recv()).await.unwrap()
    }

    /// Changes come, the last of them with this token.
    async fn until(&mut self, token: &str) {
        loop {
            self.change().await;
            // A newer one may be on its way.
            if self.watch.read().await.is_ok_and(|read| read.expose() == token) {
                break;
            }
        }
    }

    /// Until nothing is left to do but to wait.
    async fn rest(&self) {
        until(|| {
            let due = self.watch.state().due(self.watch.nudge.count(), Instant::now());
            self.looks() > 0 && matches!(due, Due::At(_))
        })
        .await;
    }

    fn looks(&self) -> u64 {
        self.watch.state().looks()
    }

    async fn close(mut self) {
        self.waiter.abort();
        assert!((&mut self.waiter).await.unwrap_err().is_cancelled());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.waiter.abort();
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Hints {
    /// No poll comes while the test runs, but where the watch itself is gone.
    Events,
    Polling,
}

/// A directory with a projected volume in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn volume(&self) -> PathBuf {
        self.0.path().join("volume")
    }

    fn file(&self) -> PathBuf {
        self.volume().join("token")
    }

    fn write(&self, token: &str) {
        ProjectedVolume::new(self.volume()).unwrap().write(token).unwrap();
    }

    /// Exactly one event, after all that came before.
    fn fence(&self) {
        symlink("nowhere", self.volume().join(format!("fence.{}", fastrand::u64(..)))).unwrap();
    }

    fn rig(&self, hints: Hints) -> Rig {
        Rig::new(&self.file(), hints)
    }

    fn watch(&self, hints: Hints) -> TokenWatch {
        let (poll_interval, watch) = match hints {
            Hints::Events => (NEVER, true),
            Hints::Polling => (POLL, false),
        };
        let config = TokenConfig { file: self.file(), poll_interval, watch };
        TokenWatch::new(&config, SharedTimeSource::new(SystemTimeSource::new()))
    }
}

#[derive(Clone, Debug)]
struct Clock(Arc<Mutex<SystemTime>>);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// Long enough to be torn when it is written in pieces.
fn token(number: usize) -> String {
    jwt(&format!(r#"{{"iss":"https://issuer","sub":"me","aud":["sts.amazonaws.com"],"jti":"{number}"}}"#))
}

/// Polled once, and dropped.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn until(mut happens: impl FnMut() -> bool) {
    soon(async {
        while !happens() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it hangs")
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn inotify_instances() -> usize {
    let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    files.filter(|file| file.to_string_lossy().contains("inotify")).count()
}

fn inotify_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("notify-rs")).count()
}

const INSTANCES: &str = "/proc/sys/user/max_inotify_instances";
const POLL: Duration = Duration::from_millis(50);
const NEVER: Duration = Duration::from_secs(3600);
