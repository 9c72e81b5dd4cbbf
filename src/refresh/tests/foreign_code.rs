//! A time source that panics, or calls the engine back. The engine calls no foreign code more often.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::lifecycle::runtime;
use super::rig::{HOUR, Reply, Rig, seconds};
use crate::error::Error;
use crate::refresh::status::EngineStatus;
use crate::refresh::{Class, Observer};

/// With an observer, the engine reads the clock once more when its task ends.
struct Silent;

impl Observer for Silent {
    fn status(&self, _: &EngineStatus) {}

    fn exchanged(&self, _: Duration, _: Option<&Error>) {}

    fn rejected(&self) {}
}

fn rig(always: Reply) -> Rig {
    Rig::observed(always, |_| {}, Some(Arc::new(Silent)))
}

#[tokio::test(start_paused = true)]
async fn time_source_that_panics_changes_nothing() {
    let rig = rig(Reply::Grant(HOUR).after(Duration::from_millis(2200)));
    let engine = rig.engine.clone();
    let caller = tokio::spawn(async move { engine.credentials().await });
    rig.pass(seconds(1)).await;
    rig.clock.panic(true);
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "KEY1");
    rig.pass(HOUR).await;
    assert_eq!(rig.key().as_deref(), Some("KEY2"));
    assert_eq!(rig.source.most_in_flight(), 1);
    rig.engine.shutdown().await;
}

/// On a thread of its own: a call under the lock would wait for itself.
#[test]
fn time_source_may_call_the_engine() {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let paused = runtime();
        let rig = paused.block_on(async {
            let rig = rig(Reply::Grant(HOUR));
            rig.clock.call_back(&rig.engine);
            rig.engine.credentials().await.unwrap();
            rig
        });
        paused.block_on(async {
            rig.source.then(Reply::Fail(Class::Outage));
            rig.engine.refresh().await.unwrap_err();
            rig.engine.rejected("KEY1", Duration::ZERO);
            rig.clock.suspend(seconds(600));
            rig.pass(seconds(31)).await;
            rig.clock.set_by(600);
            rig.pass(HOUR).await;
            rig.engine.status();
            rig.engine.shutdown().await;
        });
        done.send(()).unwrap();
    });
    is_done.recv_timeout(seconds(60)).expect("the engine hangs, or a check panicked");
}
