//! Token rotation (P6): each way to replace a token is noticed, by file events and by polling, and ends a failure.
//!
//! The tests check `status().token`, the exchanges of STS, and the end of the failure. One test rotates ten thousand
//! times in a process of its own and counts open files and threads (P10).

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_web_identity::test_util::{Fault, ProjectedVolume, TokenSpec};
use aws_web_identity::{Builder, ErrorKind, WebIdentityCredentialsProvider};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::task::JoinSet;

use crate::isolated::OWN_USER_NAMESPACE;
use crate::rotations::{
    InPlaceFile, Place, behind_links, in_place, late, moved_away, other_links, other_target, removed, rename_over, swap,
};
use crate::support::own_process::{in_own_process, in_process_of};
use crate::support::process_resources::ProcessResources;
use crate::support::{OTHER_ROLE, Rig, eventually, expired_token, key, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn p6_each_way_to_rotate_is_seen_by_events() {
    // The poll interval is longer than `eventually` waits.
    each_way(24, |builder| builder.token_poll_interval(Duration::from_secs(300))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_each_way_to_rotate_is_seen_by_polling() {
    each_way(7, |builder| builder.token_poll_interval(Duration::from_secs(1)).watch_token(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_each_way_to_rotate_is_seen_without_inotify() {
    let test = concat!(module_path!(), "::p6_each_way_to_rotate_is_seen_without_inotify");
    if !in_process_of(test, OWN_USER_NAMESPACE) {
        return;
    }
    fs::write("/proc/sys/user/max_inotify_instances", "0").unwrap();
    each_way(7, |builder| builder.token_poll_interval(Duration::from_secs(1))).await;
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    assert_eq!(
        open.filter(|file| file.to_string_lossy().contains("inotify")).count(),
        0,
        "no inotify instance may be open"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_file_events_show_each_rotation() {
    let rig = Rig::start().await;
    let provider = rig.builder().token_poll_interval(Duration::from_secs(300)).connect().await.unwrap();
    // Polling at its shortest interval could not see twenty rotations within the 30 s of `soon`.
    soon(async {
        for minutes in 1..=20 {
            rig.rotate(spec().lifetime(Duration::from_secs(3600 + 60 * minutes)));
            let lifetime = || {
                let token = provider.status().token?;
                token.expires_at?.duration_since(token.issued_at?).ok()
            };
            eventually(|| lifetime() == Some(Duration::from_secs(3600 + 60 * minutes))).await;
        }
    })
    .await;
    assert_eq!(rig.exchanges().len(), 1, "a rotation must cause no exchange");
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_polling_shows_a_rotation_without_events() {
    let rig = Rig::start().await;
    let builder = rig.builder().watch_token(false).token_poll_interval(Duration::from_secs(1));
    let provider = builder.connect().await.unwrap();
    rig.rotate(spec().audience("sts.amazonaws.com").audience("another"));
    eventually(|| provider.status().token.is_some_and(|token| token.audience.len() == 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_new_token_ends_the_failure() {
    let rig = Rig::start().await;
    rig.rotate(expired_token());
    let provider = rig.builder().build().unwrap();
    let waiting = tokio::spawn({
        let provider = provider.clone();
        async move { provider.provide_credentials().await }
    });
    rig.sts.wait_for_calls(1).await;
    eventually(|| provider.status().last_error.is_some()).await;
    assert_eq!(provider.status().last_error.unwrap().kind(), ErrorKind::TokenRejected);
    rig.rotate(spec());
    soon(waiting).await.unwrap().unwrap();
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_late_token_file_is_used() {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = InPlaceFile::new(directory.path().join("token"));
    let provider = rig.builder().token_file(file.token_path()).build().unwrap();
    let ready = tokio::spawn({
        let provider = provider.clone();
        async move { provider.ready().await }
    });
    eventually(|| provider.status().last_error.is_some()).await;
    assert_eq!(provider.status().last_error.unwrap().kind(), ErrorKind::TokenUnavailable);
    file.write(rig.issuer.mint(spec())).unwrap();
    soon(ready).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_expired_token_costs_no_call_until_replaced() {
    let rig = Rig::start().await;
    let provider = soon(rig.connect()).await;
    let first = key(&provider);
    rig.rotate(expired_token());
    for _ in 0..3 {
        let error = soon(provider.refresh()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, None), "{error}");
        let text = error.to_string();
        let path = rig.volume.token_path();
        for part in [path.to_str().unwrap(), "expired at ", "last written at ", "s ago", "kubelet"] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert_eq!(key(&provider), first, "valid credentials must stay");
    assert_eq!(rig.exchanges().len(), 1, "an expired token must not be sent");

    rig.rotate(spec());
    eventually(|| key(&provider) != first).await;
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_reread_for_every_exchange() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    for _ in 0..2 {
        rig.rotate(spec());
        soon(provider.refresh()).await.unwrap();
    }
    let mut tokens: Vec<_> = rig.sts.calls().into_iter().filter_map(|call| call.token_sha256).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "each exchange must send the newest token");
}

/// An exchange reads the new token before a poll does.
#[tokio::test(flavor = "multi_thread")]
async fn p2_another_identity_may_have_a_shorter_session() {
    let rig = Rig::start().await;
    let provider = soon(rig.builder().watch_token(false).connect()).await.unwrap();
    let before = key(&provider);
    rig.sts.set_session_length(Duration::from_secs(900));
    rig.rotate(TokenSpec::service_account("shop", "billing"));
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_rotation_reaches_every_role() {
    let rig = Rig::start().await;
    let one = rig.connect().await;
    let other = one.to_builder().role_arn(OTHER_ROLE).connect().await.unwrap();
    rig.sts.set_fault(Fault::ExpiredToken);
    for provider in [&one, &other] {
        soon(provider.refresh()).await.unwrap_err();
    }
    rig.sts.set_fault(None);
    rig.rotate(spec());
    eventually(|| [&one, &other].iter().all(|provider| provider.status().generation == 2)).await;
}

/// Runs in a process of its own, whose files and threads can be counted.
#[test]
fn p6_ten_thousand_rotations_leak_nothing() {
    let test = concat!(module_path!(), "::p6_ten_thousand_rotations_leak_nothing");
    if !in_own_process(test) {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // By default Tokio's blocking threads stay for 10 s.
    let runtime = runtime.worker_threads(2).thread_keep_alive(Duration::from_millis(50)).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start().await;
        // The first use opens what the process keeps.
        rotate_in_runs(&rig, &[100]).await;
        let before = ProcessResources::settled().await;
        rotate_in_runs(&rig, &[1, 10, 9_989]).await;
        eventually(|| ProcessResources::now() == before).await;
    });
}

/// Runs all ways at once, since each mostly waits.
async fn each_way(rotations: usize, with: fn(Builder) -> Builder) {
    let mut runs = JoinSet::new();
    let ways: [(&str, Way, bool); 9] = [
        ("kubelet swap", swap, false),
        ("in-place write", in_place, false),
        ("rename over", rename_over, false),
        ("symlink chain", behind_links, false),
        ("new link target", other_target, false),
        ("new targets of two links in turn", other_links, false),
        ("directory removed", removed, false),
        ("directory moved away", moved_away, false),
        ("late mount", late, true),
    ];
    for (name, way, is_late) in ways {
        runs.spawn(async move {
            let run = tokio::spawn(follow(way, is_late, rotations, with));
            run.await.err().map(|panicked| format!("{name}: {panicked}"))
        });
    }
    let failed: Vec<_> = runs.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// `is_late`: the file does not exist at first.
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
        // The first look must have failed.
        eventually(|| provider.status().consecutive_failures > 0).await;
        rotate(0);
    }
    soon(ready).await.unwrap().unwrap();

    for number in 1..=rotations {
        if number % 5 == 4 {
            // The next rotation may come before this one is noticed.
            rotate(number);
            continue;
        }
        rotate(number);
        wait_until_seen(&provider, issued_at(start, number)).await;
    }
    assert_eq!(rig.exchanges().len(), 1, "a rotation must cause no exchange");

    // A new token ends a failure that the old one caused.
    rig.sts.set_fault(Fault::ExpiredToken);
    soon(provider.refresh()).await.unwrap_err();
    rig.sts.set_fault(None);
    rotate(rotations + 1);
    eventually(|| provider.status().generation == 2).await;
    assert_eq!(rig.exchanges().iter().flatten().count(), 2);
    wait_until_seen(&provider, issued_at(start, rotations + 1)).await;
    provider.shutdown().await;
}

async fn wait_until_seen(provider: &WebIdentityCredentialsProvider, issued_at: SystemTime) {
    eventually(|| provider.status().token.and_then(|token| token.issued_at) == Some(issued_at)).await;
}

/// In whole seconds, as in a token.
fn issued_at(start: SystemTime, number: usize) -> SystemTime {
    let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(start + number as u64)
}

type Way = fn(&Path) -> io::Result<Place>;

/// A provider's whole life with runs of rotations, each as fast as a kubelet's steps can be made.
async fn rotate_in_runs(rig: &Rig, runs: &[usize]) {
    let calls = rig.exchanges().len();
    // A kubelet's volumes are in memory.
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let volume = Arc::new(ProjectedVolume::new(home.path()).unwrap());
    volume.write(rig.issuer.mint(spec())).unwrap();
    // Only file events count: the next poll is minutes away.
    let builder = rig.builder().token_file(volume.token_path()).token_poll_interval(Duration::from_secs(300));
    let provider = soon(builder.connect()).await.unwrap();
    eventually(|| ProcessResources::now().inotify == 1).await;
    let mut number = 0;
    let mut during = None;
    for run in runs {
        let (first, last) = (number + 1, number + run);
        let (volume, issuer) = (Arc::clone(&volume), rig.issuer.url().to_owned());
        let writer =
            thread::spawn(move || (first..=last).for_each(|number| volume.write(token(&issuer, number)).unwrap()));
        tokio::task::spawn_blocking(|| writer.join().unwrap()).await.unwrap();
        wait_until_seen(&provider, issued_at(UNIX_EPOCH + Duration::from_secs(START), last)).await;
        number = last;
        assert_eq!(ProcessResources::now().inotify, 1);
        let held = ProcessResources::settled().await;
        assert_eq!(*during.get_or_insert(held), held, "resources grew after {number} rotations");
    }
    assert_eq!(rig.exchanges().len(), calls + 1, "rotations must cause no exchange");
    provider.shutdown().await;
    drop(provider);
    eventually(|| ProcessResources::now().inotify == 0).await;
}

/// An unsigned token of the same service account. No exchange is due, so nobody verifies it.
fn token(issuer: &str, number: usize) -> String {
    let issued_at = START + number as u64;
    let payload = format!(
        r#"{{"iss":"{issuer}","sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"],"iat":{issued_at},"exp":4102444800}}"#
    );
    let [header, payload] = [r#"{"alg":"ES256"}"#, &payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.c2lnbmF0dXJl")
}

const START: u64 = 1_000_000_000;
