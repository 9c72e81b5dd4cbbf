//! Requests at a steady rate.

use std::time::{Duration, Instant};

use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// One request. Times are seconds since the start.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) began: f64,
    pub(crate) took: f64,
    pub(crate) answer: Answer,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Answer {
    Good,
    /// The service rejected an expired key.
    ExpiredToken,
    /// Every other failure: no credentials, or a timeout.
    None,
}

/// Each task sends a request every 100 ms. A request that takes longer delays the next one, which is not counted.
pub(crate) async fn run(clients: &[Client], start: Instant, runs_for: Duration, tasks: usize) -> Vec<Request> {
    let mut running = JoinSet::new();
    for client in clients.iter().cycle().take(tasks) {
        let client = client.clone();
        running.spawn(async move {
            let mut requests = Vec::new();
            sleep(PACE.mul_f64(fastrand::f64())).await;
            let mut ticks = interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while start.elapsed() < runs_for {
                ticks.tick().await;
                let began = start.elapsed().as_secs_f64();
                let answer = match client.get_caller_identity().send().await {
                    Ok(_) => Answer::Good,
                    Err(error) if error.code() == Some("ExpiredToken") => Answer::ExpiredToken,
                    Err(_) => Answer::None,
                };
                requests.push(Request { began, took: start.elapsed().as_secs_f64() - began, answer });
            }
            requests
        });
    }
    running.join_all().await.concat()
}

const PACE: Duration = Duration::from_millis(100);
