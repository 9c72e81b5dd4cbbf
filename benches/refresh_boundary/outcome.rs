//! What became of one party's requests.

use std::ops::Range;
use std::sync::PoisonError;
use std::time::{Instant, SystemTime};

use crate::party::{Party, Who};
use crate::support::{quantile, report};
use crate::traffic::Request;

/// All times are seconds since the start.
pub(crate) struct Outcome {
    pub(crate) who: Who,
    pub(crate) requests: Vec<Request>,
    waits: Vec<Range<f64>>,
    /// When credentials were valid.
    valid: Vec<Range<f64>>,
    /// The exchanges that renewed them.
    pub(crate) refreshes: Vec<Range<f64>>,
    sts_calls: usize,
    lifetimes: usize,
}

impl Outcome {
    pub(crate) fn of(party: &Party, requests: Vec<Request>, start: (Instant, SystemTime)) -> Self {
        let waits = party.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = waits.iter().filter(|(began, ended)| *began >= start.0 && *ended - *began >= A_WAIT).map(
            |(began, ended)| began.duration_since(start.0).as_secs_f64()..ended.duration_since(start.0).as_secs_f64(),
        );
        let seconds = |at: SystemTime| match at.duration_since(start.1) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        };
        let grants = party.sts.grants();
        Self {
            who: party.who,
            waits: waits.collect(),
            valid: grants.iter().map(|grant| seconds(grant.given)..seconds(grant.ends)).collect(),
            refreshes: grants
                .iter()
                .map(|grant| seconds(grant.asked)..seconds(grant.given))
                .filter(|exchange| exchange.start > 0.0)
                .collect(),
            requests,
            sts_calls: party.sts.calls(),
            lifetimes: grants.len(),
        }
    }

    pub(crate) fn print(&self, scenario: &str) {
        let name = format!("{scenario} {}", self.who);
        report(format_args!("{name} requests"), self.requests.len());
        report(format_args!("{name} latency"), quantiles(self.requests.iter()));
        if self.who == Who::FixedKeys {
            return;
        }
        let failed = self.requests.iter().filter(|request| !request.succeeded);
        report(format_args!("{name} failed"), failed.clone().count());
        let span = |request: &Request| request.began..request.began + request.took;
        report(
            format_args!("{name} failed_while_credentials_were_valid"),
            failed.filter(|request| self.covers(&span(request))).count(),
        );
        report(format_args!("{name} waited_for_credentials"), self.waits.len());
        report(
            format_args!("{name} waited_while_credentials_were_valid"),
            self.waits.iter().filter(|wait| self.covers(wait)).count(),
        );
        let longest = self.waits.iter().map(|wait| wait.end - wait.start).fold(0.0, f64::max);
        report(format_args!("{name} longest_wait"), format_args!("{:.0} ms", longest * 1e3));
        report(format_args!("{name} sts_calls"), self.sts_calls);
        report(format_args!("{name} lifetimes"), self.lifetimes);
    }

    /// Latencies within a second of a refresh of `whose`.
    pub(crate) fn at_refreshes(&self, whose: &Self) -> String {
        quantiles(self.requests.iter().filter(|request| whose.refreshing(request.began)))
    }

    /// Latencies otherwise.
    pub(crate) fn away_from_refreshes(&self, whose: &Self) -> String {
        quantiles(self.requests.iter().filter(|request| !whose.refreshing(request.began)))
    }

    fn refreshing(&self, at: f64) -> bool {
        self.refreshes.iter().any(|refresh| (refresh.start - 1.0..refresh.end + 1.0).contains(&at))
    }

    /// Whether one grant was valid all the while.
    fn covers(&self, span: &Range<f64>) -> bool {
        self.valid.iter().any(|valid| valid.start <= span.start && span.end < valid.end)
    }
}

fn quantiles<'a>(requests: impl Iterator<Item = &'a Request>) -> String {
    let mut latencies: Vec<f64> = requests.map(|request| request.took * 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    let at = |share| quantile(&latencies, share).unwrap_or(f64::NAN);
    format!("p50 {:.1} p99 {:.1} p99.9 {:.1} max {:.1} ms", at(0.5), at(0.99), at(0.999), at(1.0))
}

/// A lock that another holds for a moment is none.
const A_WAIT: std::time::Duration = std::time::Duration::from_millis(1);
