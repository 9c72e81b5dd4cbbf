//! A token that nobody replaced in time (P6, P7, P12).

use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_web_identity::ErrorKind;
use aws_web_identity::test_util::TokenSpec;

use crate::rig::{Rig, eventually, key, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_token_known_to_have_expired_costs_no_call_and_its_successor_ends_the_failure() {
    let rig = Rig::start().await;
    let provider = soon(rig.connect()).await;
    let first = key(&provider);
    rig.rotate(expired());
    for _ in 0..3 {
        let error = soon(provider.refresh()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, None), "{error}");
        let text = error.to_string();
        let path = rig.volume.token_path();
        for part in [path.to_str().unwrap(), "expired at ", "last written at ", "s ago", "kubelet"] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert_eq!(key(&provider), first, "what is usable stays");
    assert_eq!(rig.exchanges().len(), 1, "STS was not asked");

    rig.rotate(spec());
    eventually(|| key(&provider) != first).await;
    assert_eq!(rig.exchanges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_a_local_clock_that_is_ahead_keeps_no_token_from_sts() {
    let rig = Rig::start().await;
    let provider = soon(rig.builder().time_source(Ahead).connect()).await.unwrap();
    rig.rotate(spec());
    let before = key(&provider);
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), before);
    assert_eq!(rig.exchanges().iter().flatten().count(), rig.exchanges().len(), "none failed");
}

/// Nothing is known of STS's clock, and ours may be wrong.
#[tokio::test(flavor = "multi_thread")]
async fn p7_the_first_token_of_a_process_is_always_for_sts_to_judge() {
    let rig = Rig::start().await;
    rig.rotate(expired());
    let provider = rig.builder().wait_timeout(Duration::from_secs(2)).build().unwrap();
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, Some("ExpiredTokenException")), "{error}");
    rig.rotate(spec());
    soon(provider.ready()).await.unwrap();
}

fn expired() -> TokenSpec {
    spec().issued_at(SystemTimeSource::new().now() - Duration::from_secs(2 * 3600))
}

#[derive(Debug)]
struct Ahead;

impl TimeSource for Ahead {
    fn now(&self) -> SystemTime {
        SystemTimeSource::new().now() + Duration::from_secs(24 * 3600)
    }
}
