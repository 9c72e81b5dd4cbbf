//! Rotations by the thousand: none of the last is missed, nothing leaks, STS hears nothing of it (P6, P10).

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::ProjectedVolume;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::held::{Held, settled};
use crate::isolated::Isolated;
use crate::rig::{Rig, eventually, soon, spec};

/// In a process of its own, whose files and threads can be counted.
#[test]
fn p6_ten_thousand_rotations_miss_nothing_leak_nothing_and_ask_sts_for_nothing() {
    let test = concat!(module_path!(), "::p6_ten_thousand_rotations_miss_nothing_leak_nothing_and_ask_sts_for_nothing");
    if !(Isolated { test, wrapper: &["env"], uid: None }).is_here() {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Else threads that have done their work stay for 10 s.
    let runtime = runtime.worker_threads(2).thread_keep_alive(Duration::from_millis(50)).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start().await;
        // What a process opens once and keeps.
        stress(&rig, &[100]).await;
        let before = settled().await;
        stress(&rig, &[1, 10, 9_989]).await;
        eventually(|| Held::now() == before).await;
    });
}

/// A provider's whole life, with so many rotations in a row, each time as fast as a kubelet's steps can be made.
async fn stress(rig: &Rig, runs: &[usize]) {
    let calls = rig.exchanges().len();
    // In memory, as a kubelet's volumes are.
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let volume = Arc::new(ProjectedVolume::new(home.path()).unwrap());
    volume.write(rig.issuer.mint(spec())).unwrap();
    // Events alone: the next poll is minutes away.
    let builder = rig.builder().token_file(volume.token_path()).token_poll_interval(Duration::from_secs(300));
    let provider = soon(builder.connect()).await.unwrap();
    eventually(|| Held::now().inotify == 1).await;
    let mut number = 0;
    let mut during = None;
    for run in runs {
        let (first, last) = (number + 1, number + run);
        let (volume, issuer) = (Arc::clone(&volume), rig.issuer.url().to_owned());
        let writer =
            thread::spawn(move || (first..=last).for_each(|number| volume.write(token(&issuer, number)).unwrap()));
        tokio::task::spawn_blocking(|| writer.join().unwrap()).await.unwrap();
        eventually(|| seen(&provider) == Some(issued_at(last))).await;
        number = last;
        assert_eq!(Held::now().inotify, 1);
        let held = settled().await;
        assert_eq!(*during.get_or_insert(held), held, "after {number} rotations");
    }
    assert_eq!(rig.exchanges().len(), calls + 1, "the first alone");
    provider.shutdown().await;
    drop(provider);
    eventually(|| Held::now().inotify == 0).await;
}

fn seen(provider: &WebIdentityCredentialsProvider) -> Option<SystemTime> {
    provider.status().token?.issued_at
}

/// The same service account's as the first. Nobody verifies it, for no exchange is due.
fn token(issuer: &str, number: usize) -> String {
    let issued_at = START + number as u64;
    let payload = format!(
        r#"{{"iss":"{issuer}","sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"],"iat":{issued_at},"exp":4102444800}}"#
    );
    let [header, payload] = [r#"{"alg":"ES256"}"#, &payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.c2lnbmF0dXJl")
}

fn issued_at(number: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START + number as u64)
}

const START: u64 = 1_000_000_000;
