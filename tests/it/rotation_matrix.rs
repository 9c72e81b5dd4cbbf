//! Each way in which a token is replaced, by each means of noticing (P6).
//!
//! What is asserted is what a user can see: `status().token`, the calls that STS had, and that a new token ends a failure.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_web_identity::test_util::{Fault, InPlaceFile, ProjectedVolume};
use aws_web_identity::{Builder, WebIdentityCredentialsProvider};
use tokio::task::JoinSet;

use crate::isolated::{Isolated, OWN_USER_NAMESPACE};
use crate::rig::{Rig, eventually, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn p6_each_rotation_is_seen_by_file_events() {
    // Not one poll comes within the patience of `eventually`.
    each_way(24, |builder| builder.token_poll_interval(Duration::from_secs(300))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_each_rotation_is_seen_by_polling_alone() {
    each_way(7, |builder| builder.token_poll_interval(Duration::from_secs(1)).watch_token(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_each_rotation_is_seen_without_an_inotify_instance() {
    let test = concat!(module_path!(), "::p6_each_rotation_is_seen_without_an_inotify_instance");
    if !(Isolated { test, wrapper: OWN_USER_NAMESPACE, uid: None }).is_here() {
        return;
    }
    fs::write("/proc/sys/user/max_inotify_instances", "0").unwrap();
    each_way(7, |builder| builder.token_poll_interval(Duration::from_secs(1))).await;
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    assert_eq!(open.filter(|file| file.to_string_lossy().contains("inotify")).count(), 0, "there was none to be had");
}

/// All at once: most of the time is waiting.
async fn each_way(rotations: usize, with: fn(Builder) -> Builder) {
    let mut cells = JoinSet::new();
    let ways: [(&str, Way); 7] = [
        ("kubelet swap", swap),
        ("in-place write", in_place),
        ("rename over", rename_over),
        ("symlink chain", behind_links),
        ("link led elsewhere", other_target),
        ("directory recreated", recreated),
        ("late mount", late),
    ];
    for (name, way) in ways {
        cells.spawn(async move {
            let cell = tokio::spawn(follow(way, rotations, with));
            cell.await.err().map(|panicked| format!("{name}: {panicked}"))
        });
    }
    let failed: Vec<_> = cells.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}

async fn follow(way: Way, rotations: usize, with: fn(Builder) -> Builder) {
    let rig = Rig::start().await;
    let home = tempfile::tempdir().unwrap();
    let Place { file, late, mut write } = way(home.path()).unwrap();
    let start = SystemTimeSource::new().now() - Duration::from_secs(1000);
    let mut rotate =
        |number: usize| write(number, &rig.issuer.mint(spec().issued_at(issued_at(start, number)))).unwrap();

    if !late {
        rotate(0);
    }
    let provider = with(rig.builder().token_file(&file)).build().unwrap();
    let ready = tokio::spawn({
        let provider = provider.clone();
        async move { provider.ready().await }
    });
    if late {
        // Until it has looked in vain.
        eventually(|| provider.status().consecutive_failures > 0).await;
        rotate(0);
    }
    soon(ready).await.unwrap().unwrap();

    for number in 1..=rotations {
        if number % 5 == 4 {
            // Its successor may overtake it.
            rotate(number);
            continue;
        }
        rotate(number);
        sees(&provider, issued_at(start, number)).await;
    }
    assert_eq!(rig.exchanges().len(), 1, "a rotation asks for no exchange while all is well");

    // Whatever failed for want of a better token goes on with the next.
    rig.sts.set_fault(Fault::ExpiredToken);
    soon(provider.refresh()).await.unwrap_err();
    rig.sts.set_fault(None);
    rotate(rotations + 1);
    eventually(|| provider.status().generation == 2).await;
    assert_eq!(rig.exchanges().iter().flatten().count(), 2);
    sees(&provider, issued_at(start, rotations + 1)).await;
    provider.shutdown().await;
}

async fn sees(provider: &WebIdentityCredentialsProvider, issued_at: SystemTime) {
    eventually(|| provider.status().token.and_then(|token| token.issued_at) == Some(issued_at)).await;
}

/// In whole seconds, as a token tells it.
fn issued_at(start: SystemTime, number: usize) -> SystemTime {
    let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(start + number as u64)
}

/// A token file, and whoever replaces it.
struct Place {
    file: PathBuf,
    /// Nothing is there at first, not even the directory's parent.
    late: bool,
    write: Write,
}

type Way = fn(&Path) -> io::Result<Place>;
type Write = Box<dyn FnMut(usize, &str) -> io::Result<()> + Send>;

impl Place {
    fn of(file: impl Into<PathBuf>, write: impl FnMut(usize, &str) -> io::Result<()> + Send + 'static) -> Self {
        Self { file: file.into(), late: false, write: Box::new(write) }
    }
}

fn swap(home: &Path) -> io::Result<Place> {
    let volume = ProjectedVolume::new(home.join("volume"))?;
    Ok(Place::of(volume.token_path(), move |_, token| volume.write(token)))
}

fn in_place(home: &Path) -> io::Result<Place> {
    let file = InPlaceFile::new(home.join("token"));
    Ok(Place::of(file.token_path().to_owned(), move |_, token| file.write(token)))
}

fn rename_over(home: &Path) -> io::Result<Place> {
    let (file, new) = (home.join("token"), home.join("new"));
    Ok(Place::of(file.clone(), move |_, token| {
        fs::write(&new, token)?;
        fs::rename(&new, &file)
    }))
}

/// One link is absolute, one is relative, and each is in a directory of its own.
fn behind_links(home: &Path) -> io::Result<Place> {
    let volume = ProjectedVolume::new(home.join("volume"))?;
    for directory in ["etc", "run"] {
        fs::create_dir(home.join(directory))?;
    }
    symlink(volume.token_path(), home.join("run/token"))?;
    symlink("../run/token", home.join("etc/token"))?;
    Ok(Place::of(home.join("etc/token"), move |_, token| volume.write(token)))
}

/// By turns the link is led to a new directory, and the file in that is replaced.
fn other_target(home: &Path) -> io::Result<Place> {
    for directory in ["etc", "run"] {
        fs::create_dir(home.join(directory))?;
    }
    symlink("../run/token", home.join("etc/token"))?;
    let (file, home) = (home.join("etc/token"), home.to_owned());
    Ok(Place::of(file, move |number, token| {
        let directory = home.join(format!("target.{}", number / 2));
        if number % 2 == 1 {
            fs::write(directory.join("new"), token)?;
            return fs::rename(directory.join("new"), directory.join("token"));
        }
        fs::create_dir(&directory)?;
        fs::write(directory.join("token"), token)?;
        symlink(directory.join("token"), home.join("run/new"))?;
        fs::rename(home.join("run/new"), home.join("run/token"))
    }))
}

fn recreated(home: &Path) -> io::Result<Place> {
    let directory = home.join("volume");
    Ok(Place::of(directory.join("token"), move |number, token| {
        match number % 6 {
            2 => fs::remove_dir_all(&directory)?,
            5 => fs::rename(&directory, directory.with_extension(number.to_string()))?,
            _ => {}
        }
        ProjectedVolume::new(&directory)?.write(token)
    }))
}

fn late(home: &Path) -> io::Result<Place> {
    let directory = home.join("var/run/volume");
    let write = {
        let directory = directory.clone();
        move |_, token: &str| ProjectedVolume::new(&directory)?.write(token)
    };
    Ok(Place { late: true, ..Place::of(directory.join("token"), write) })
}
