//! The troubles. Each runs until the end of the bench.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::Fault;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::caller::Caller;
use crate::fault_list;
use crate::plan::Plan;
use crate::user_namespace::allow_watches;
use crate::world::World;

/// Trouble with a world's volume.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Files {
    Sound,
    /// The directory vanishes, and comes back later.
    Vanish,
    /// The same, while no inotify instance is free.
    Unwatchable,
}

/// All faults in turn. Each world begins with another one. After eight short faults comes one that is longer than a
/// session.
pub(crate) async fn faults(world: Arc<World>, worlds: usize, plan: Plan) {
    // aws-config believes the oversized page, so the caller `wrapped` would hand out its false key.
    let is_fault = |fault: &Fault| !(world.has_wrapped() && *fault == fault_list::OVERSIZED);
    let faults: Vec<_> = fault_list::ALL.iter().map(|(fault, _)| *fault).filter(is_fault).collect();
    let first = world.number * faults.len() / worlds;
    let of = |nth: usize| faults[nth % faults.len()];
    for step in 0.. {
        world.home.set_fault(of(first + step));
        sleep(plan.fault).await;
        world.home.set_fault(None);
        sleep(plan.pause).await;
        if step % 8 == 7 {
            world.home.set_fault(of(first + step / 8 * 5));
            sleep(plan.outage).await;
            world.home.set_fault(None);
            sleep(plan.session / 2).await;
        }
    }
}

/// Writes a new token each second, like the kubelet, and makes the trouble with its directory.
pub(crate) async fn files(world: Arc<World>, trouble: Files, plan: Plan) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let every = plan.trouble.as_secs();
    for second in 1_u64.. {
        ticks.tick().await;
        if trouble != Files::Sound && second % every == 0 {
            if trouble == Files::Unwatchable {
                allow_watches(false);
            }
            world.remove_volume();
            sleep(plan.fault / 2).await;
        }
        world.rotate();
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

/// AWS revokes the current session of one provider after the other.
pub(crate) async fn rejections(world: Arc<World>, callers: Vec<Arc<Caller>>, plan: Plan) {
    for caller in callers.iter().filter(|caller| caller.is_ours() && caller.has_interceptor).cycle() {
        sleep(plan.trouble).await;
        if let Some(credentials) = caller.current() {
            world.reject(credentials.access_key_id());
        }
    }
}

/// Calls `refresh`, `valid_for` and `ready` when there is no need.
pub(crate) async fn demands(callers: Vec<Arc<Caller>>) {
    for caller in callers.iter().cycle() {
        sleep(Duration::from_millis(fastrand::u64(50..500))).await;
        if let Some(provider) = &caller.provider {
            let wanted = async {
                match fastrand::u8(..3) {
                    0 => drop(provider.refresh().await),
                    1 => drop(provider.valid_for(Duration::from_secs(3)).await),
                    _ => drop(provider.ready().await),
                }
            };
            // Most calls are cancelled before they end.
            drop(tokio::time::timeout(Duration::from_millis(fastrand::u64(1..200)), wanted).await);
        }
    }
}

/// A clock that is set again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Offset in seconds.
    offset: Arc<AtomicI64>,
}

impl Clock {
    /// Sets the clock ahead or back by seconds, minutes or hours, or sets it right.
    pub(crate) fn jump(&self) {
        let offsets = [0, 7, -7, 90, -90, 3600, -3600, 86_400, -86_400];
        self.offset.store(offsets[fastrand::usize(..offsets.len())], Ordering::Relaxed);
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let offset = self.offset.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}
