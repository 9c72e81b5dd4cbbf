//! The situations of AWS's coming cross-SDK refresh behaviour, and what a caller gets in each. If this crate differs, the
//! row says why. "At once" means that no time passes for the caller.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::rig::{HOUR, Reply, Rig, seconds};
use crate::error::ErrorKind;
use crate::refresh::Class;

#[derive(Clone, Copy, Debug)]
enum When {
    /// Before the first credentials.
    Never,
    /// 700 s of an hour remain: AWS's advisory window.
    Advisory,
    /// 30 s remain: AWS's mandatory window, in which its callers wait.
    Mandatory,
    /// One second after the expiry.
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Gets {
    /// The old credentials, at once.
    Old,
    /// New credentials, at once: they were refreshed in the background.
    New,
    /// The first credentials, as soon as they come.
    First,
    /// An error at once.
    Error(ErrorKind),
    /// An error 30 s after the run of attempts began.
    LateError(ErrorKind),
}

fn rows() -> Vec<(When, Reply, Gets, &'static str)> {
    use ErrorKind::{RoleDenied, ServiceUnavailable, Throttled, TimedOut, Unexpected};
    use Gets::{Error, First, LateError, New, Old};
    use When::{Advisory, Expired, Mandatory, Never};
    let grant = || Reply::Grant(HOUR);
    let fails = Reply::Fail;
    vec![
        (Never, grant(), First, "the same, and 50 callers cost one call where AWS's cost 50"),
        (Never, fails(Class::Outage), LateError(ServiceUnavailable), "callers wait for the end of an outage"),
        (Never, fails(Class::Throttled), LateError(Throttled), "as above"),
        (Never, fails(Class::Misconfigured), Error(RoleDenied), "the same"),
        (Never, Reply::Expired, LateError(Unexpected), "AWS trusts the local clock and fails if it is wrong"),
        (Never, Reply::Hang, LateError(TimedOut), "AWS's load ends with the request's own timeout"),
        (Advisory, grant(), New, "AWS lets one request wait for the exchange; here none waits"),
        (Advisory, fails(Class::Outage), Old, "the same, but tried again in seconds, not in 300 s to 600 s"),
        (Advisory, fails(Class::Throttled), Old, "the same"),
        (Advisory, fails(Class::Misconfigured), Old, "AWS raises, and so withholds valid credentials: P2"),
        (Advisory, Reply::Expired, Old, "the same"),
        (Advisory, Reply::Hang, Old, "AWS lets one request hang: P1"),
        (Mandatory, grant(), New, "AWS lets all requests wait"),
        (Mandatory, fails(Class::Outage), Old, "AWS lets all requests wait first: P1"),
        (Mandatory, fails(Class::Throttled), Old, "as above"),
        (Mandatory, fails(Class::Misconfigured), Old, "AWS raises: P2"),
        (Mandatory, Reply::Expired, Old, "the same"),
        (Mandatory, Reply::Hang, Old, "AWS lets all requests hang: P1"),
        (Expired, grant(), New, "the same"),
        (
            Expired,
            fails(Class::Outage),
            LateError(ServiceUnavailable),
            "AWS serves credentials that services reject; see ExpiredPolicy",
        ),
        (Expired, fails(Class::Throttled), LateError(Throttled), "as above"),
        (Expired, fails(Class::Misconfigured), Error(RoleDenied), "the same"),
        (Expired, Reply::Expired, LateError(Unexpected), "AWS serves what it has"),
        (Expired, Reply::Hang, LateError(TimedOut), "as above"),
    ]
}

#[tokio::test(start_paused = true)]
async fn callers_get_what_each_situation_allows() {
    for (when, reply, expected, why) in rows() {
        let rig = Rig::new(reply.clone());
        let passes = match when {
            When::Never => None,
            When::Advisory => Some(seconds(2900)),
            When::Mandatory => Some(seconds(3570)),
            When::Expired => Some(seconds(3601)),
        };
        if let Some(passes) = passes {
            rig.source.then(Reply::Grant(HOUR));
            rig.engine.credentials().await.unwrap();
            sleep(passes).await;
        }
        let asked = Instant::now();
        let outcome = rig.engine.credentials().await;
        let waited = asked.elapsed();
        let gets = match outcome {
            Ok(credentials) if passes.is_none() => {
                assert_eq!(credentials.access_key_id(), "KEY1");
                Gets::First
            }
            Ok(credentials) if credentials.access_key_id() == "KEY1" => Gets::Old,
            Ok(_) => Gets::New,
            Err(error) if waited < seconds(20) => Gets::Error(error.kind()),
            Err(error) => Gets::LateError(error.kind()),
        };
        assert_eq!(gets, expected, "{when:?}, {reply:?} ({why})");
        match gets {
            Gets::Old | Gets::New => assert_eq!(waited, Duration::ZERO, "{when:?}, {reply:?}"),
            Gets::LateError(_) => assert!(waited <= seconds(31), "{when:?}, {reply:?}: {waited:?}"),
            _ => assert!(waited <= seconds(1), "{when:?}, {reply:?}: {waited:?}"),
        }
    }
}
