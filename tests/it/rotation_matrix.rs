//! Each way in which a token is replaced, by each means of noticing (P6).
//!
//! What is asserted is what a user can see: `status().token`, the calls that STS had, and that a new token ends a failure.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_web_identity::test_util::Fault;
use aws_web_identity::{Builder, WebIdentityCredentialsProvider};
use tokio::task::JoinSet;

use crate::isolated::{Isolated, OWN_USER_NAMESPACE};
use crate::rig::{Rig, eventually, soon, spec};
use crate::rotations::{
    Place, behind_links, in_place, late, moved_away, other_links, other_target, removed, rename_over, swap,
};

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
    let ways: [(&str, Way, bool); 9] = [
        ("kubelet swap", swap, false),
        ("in-place write", in_place, false),
        ("rename over", rename_over, false),
        ("symlink chain", behind_links, false),
        ("link led elsewhere", other_target, false),
        ("links led elsewhere by turns", other_links, false),
        ("directory removed", removed, false),
        ("directory moved away", moved_away, false),
        ("late mount", late, true),
    ];
    for (name, way, is_late) in ways {
        cells.spawn(async move {
            let cell = tokio::spawn(follow(way, is_late, rotations, with));
            cell.await.err().map(|panicked| format!("{name}: {panicked}"))
        });
    }
    let failed: Vec<_> = cells.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// `is_late`: nothing is there at first.
async fn follow(way: Way, is_late: bool, rotations: usize, with: fn(Builder) -> Builder) {
    let rig = Rig::start().await;
    let home = tempfile::tempdir().unwrap();
    let (file, mut write) = way(home.path()).unwrap();
    let start = SystemTimeSource::new().now() - Duration::from_secs(1000);
    let mut rotate =
        |number: usize| write(number, &rig.issuer.mint(spec().issued_at(issued_at(start, number)))).unwrap();

    if !is_late {
        rotate(0);
    }
    let provider = with(rig.builder().token_file(&file)).build().unwrap();
    let ready = tokio::spawn({
        let provider = provider.clone();
        async move { provider.ready().await }
    });
    if is_late {
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

type Way = fn(&Path) -> io::Result<Place>;
