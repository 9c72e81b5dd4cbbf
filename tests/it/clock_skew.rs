//! Clocks that differ (P7): STS hours ahead or behind, an answer without `Date`, and tokens that only look expired.

use std::time::{Duration, SystemTime};

use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_web_identity::{ErrorKind, Phase};

use crate::support::{Rig, eventually, expired_token, key, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn p7_token_is_sent_though_local_clock_is_ahead() {
    let rig = Rig::start().await;
    let provider = soon(rig.builder().time_source(Ahead).connect()).await.unwrap();
    rig.rotate(spec());
    let before = key(&provider);
    soon(provider.refresh()).await.unwrap();
    assert_ne!(key(&provider), before);
    assert_eq!(rig.exchanges().iter().flatten().count(), rig.exchanges().len(), "no exchange may fail");
}

/// Before the first answer STS's clock is unknown, and the local clock may be wrong.
#[tokio::test(flavor = "multi_thread")]
async fn p7_first_token_is_sent_though_it_looks_expired() {
    let rig = Rig::start().await;
    rig.rotate(expired_token());
    let provider = rig.builder().wait_timeout(Duration::from_millis(500)).build().unwrap();
    eventually(|| provider.status().last_error.is_some()).await;
    let error = soon(provider.refresh()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRejected, Some("ExpiredTokenException")), "{error}");
    rig.rotate(spec());
    soon(provider.ready()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_skewed_sts_gives_whole_lifetimes_with_one_exchange() {
    let rig = Rig::start().await;
    for offset in [7200_i64, -7200] {
        let before = rig.exchanges().len();
        rig.sts.set_clock_offset(offset);
        let by = Duration::from_secs(7200);
        let now = SystemTime::now();
        rig.rotate(spec().issued_at(if offset > 0 { now + by } else { now - by }));
        let provider = rig.connect().await;
        let status = provider.status();
        let minutes = |at: Option<SystemTime>| at.unwrap().duration_since(now).unwrap().as_secs() / 60;
        assert!((55..65).contains(&minutes(status.expiry)), "{offset}: {status:?}");
        assert!((30..50).contains(&minutes(status.next_attempt)), "{offset}: {status:?}");
        assert!(provider.current().is_some(), "{offset}");
        assert_eq!(status.phase, Phase::Fresh, "{offset}");
        assert_eq!(rig.exchanges().len(), before + 1, "{offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_missing_date_header_falls_back_to_local_clock() {
    let rig = Rig::start().await;
    rig.sts.set_send_date(false);
    let now = SystemTime::now();
    let provider = rig.connect().await;
    let minutes = provider.status().expiry.unwrap().duration_since(now).unwrap().as_secs() / 60;
    assert!((55..65).contains(&minutes), "{minutes}");
}

#[derive(Debug)]
struct Ahead;

impl TimeSource for Ahead {
    fn now(&self) -> SystemTime {
        SystemTimeSource::new().now() + Duration::from_secs(24 * 3600)
    }
}
