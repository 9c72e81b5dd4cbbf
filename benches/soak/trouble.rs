//! What goes wrong, one thing after another until the end.

use std::sync::Arc;
use std::time::Duration;

use aws_web_identity::test_util::Fault;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::Clock;
use crate::lane::Lane;
use crate::namespace::allow_watches;
use crate::party::{Party, Provider};
use crate::plan::Plan;

/// Which kind of trouble a lane's volume has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Files {
    Sound,
    /// The directory vanishes, and comes again a while later.
    Vanish,
    /// The same, while there is no inotify instance to be had.
    Unwatchable,
}

/// All faults in turn, each lane at another one. After eight that sessions outlive there is one that outlives them.
pub(crate) async fn faults(lane: Arc<Lane>, lanes: usize, plan: Plan) {
    let first = lane.number * FAULTS.len() / lanes;
    let of = |nth: usize| FAULTS[nth % FAULTS.len()];
    for step in 0.. {
        lane.home.set_fault(of(first + step));
        sleep(plan.fault).await;
        lane.home.set_fault(None);
        sleep(plan.pause).await;
        if step % 8 == 7 {
            lane.home.set_fault(of(first + step / 8 * 5));
            sleep(plan.outage).await;
            lane.home.set_fault(None);
            sleep(plan.session / 2).await;
        }
    }
}

/// The kubelet: a new token each second; and what happens to its directory.
pub(crate) async fn files(lane: Arc<Lane>, trouble: Files, plan: Plan) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let every = plan.trouble.as_secs();
    for second in 1_u64.. {
        ticks.tick().await;
        if trouble != Files::Sound && second % every == 0 {
            if trouble == Files::Unwatchable {
                allow_watches(false);
            }
            lane.remove_volume();
            sleep(plan.fault / 2).await;
        }
        lane.rotate();
        if trouble == Files::Unwatchable && second % every == every / 2 {
            allow_watches(true);
        }
    }
}

pub(crate) async fn clocks(clock: Clock, plan: Plan) {
    loop {
        sleep(plan.trouble.mul_f64(fastrand::f64())).await;
        clock.jump();
    }
}

/// AWS revokes the current session of the lane's providers, of one after the other.
pub(crate) async fn rejections(lane: Arc<Lane>, parties: Vec<Arc<Party>>, plan: Plan) {
    for party in parties.iter().filter(|party| party.is_ours() && party.hears).cycle() {
        sleep(plan.trouble).await;
        if let Some(credentials) = party.provider.current() {
            lane.reject(credentials.access_key_id());
        }
    }
}

/// Callers who do what nobody needs to do.
pub(crate) async fn demands(parties: Vec<Arc<Party>>) {
    for party in parties.iter().cycle() {
        sleep(Duration::from_millis(fastrand::u64(50..500))).await;
        if let Provider::Ours(provider) = &party.provider {
            let wanted = async {
                match fastrand::u8(..3) {
                    0 => drop(provider.refresh().await),
                    1 => drop(provider.valid_for(Duration::from_secs(3)).await),
                    _ => drop(provider.ready().await),
                }
            };
            // Most give up before there is an answer.
            drop(tokio::time::timeout(Duration::from_millis(fastrand::u64(1..200)), wanted).await);
        }
    }
}

const FAULTS: [Fault; 12] = [
    Fault::ServiceUnavailable,
    Fault::Throttled,
    Fault::AccessDenied,
    Fault::ExpiredToken,
    Fault::ConnectionReset,
    Fault::CutBody,
    Fault::Hang,
    Fault::Error { status: 500, code: "InternalFailure", message: "We encountered an internal error." },
    Fault::Error { status: 429, code: "TooManyRequestsException", message: "Too Many Requests" },
    Fault::Error {
        status: 400,
        code: "InvalidIdentityToken",
        message: "Couldn't retrieve verification key from your identity provider",
    },
    Fault::Page { status: 502, content_type: "text/html", body: "<h1>502 Bad Gateway</h1>" },
    Fault::Page { status: 200, content_type: "text/html", body: "<h1>Welcome to our network.</h1>" },
];
