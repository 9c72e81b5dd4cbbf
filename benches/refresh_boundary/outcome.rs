//! The results of one contender.

use std::ops::Range;
use std::sync::PoisonError;
use std::time::{Instant, SystemTime};

use crate::contender::{Contender, Who};
use crate::support::{quantile, report};
use crate::traffic::{Answer, Request};

/// All times are seconds since the start.
pub(crate) struct Outcome {
    pub(crate) who: Who,
    pub(crate) requests: Vec<Request>,
    waits: Vec<Wait>,
    /// Times in which credentials were valid.
    valid: Vec<Range<f64>>,
    /// Times of the exchanges that refreshed them.
    pub(crate) refreshes: Vec<Range<f64>>,
    pub(crate) sts_calls: usize,
    lifetimes: usize,
}

struct Wait {
    span: Range<f64>,
    got_them: bool,
}

impl Outcome {
    pub(crate) fn of(contender: &Contender, requests: Vec<Request>, start: (Instant, SystemTime)) -> Self {
        let book = contender.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = book.iter().filter(|wait| wait.began >= start.0).map(|wait| Wait {
            span: wait.began.duration_since(start.0).as_secs_f64()..wait.ended.duration_since(start.0).as_secs_f64(),
            got_them: wait.got_them,
        });
        let seconds = |at: SystemTime| match at.duration_since(start.1) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        };
        let grants = contender.sts.grants();
        Self {
            who: contender.who,
            waits: waits.collect(),
            valid: grants.iter().map(|grant| seconds(grant.given)..seconds(grant.ends)).collect(),
            refreshes: grants
                .iter()
                .map(|grant| seconds(grant.asked)..seconds(grant.given))
                .filter(|exchange| exchange.start > 0.0)
                .collect(),
            requests,
            sts_calls: contender.sts.calls(),
            lifetimes: grants.len(),
        }
    }

    pub(crate) fn print(&self, scenario: &str) {
        let name = format!("{scenario} {}", self.who);
        report(format_args!("{name} requests"), self.requests.len());
        report(format_args!("{name} latency"), quantiles(self.requests.iter()));
        let failed = self.requests.iter().filter(|request| request.answer != Answer::Good);
        report(format_args!("{name} failed"), failed.clone().count());
        if self.who == Who::FixedKeys {
            return;
        }
        let refused = failed.filter(|request| request.answer == Answer::ExpiredToken);
        report(format_args!("{name} signed_with_a_key_that_had_ended"), refused.count());
        let valid = |wait: &&Wait| self.covers(&wait.span);
        let without = self.waits.iter().filter(|wait| !wait.got_them);
        report(format_args!("{name} got_no_credentials"), without.clone().count());
        report(format_args!("{name} got_no_credentials_while_there_were_valid_ones"), without.filter(valid).count());
        let waited = self.waits.iter().filter(|wait| wait.span.end - wait.span.start >= A_WAIT);
        report(format_args!("{name} waited"), waited.clone().count());
        report(format_args!("{name} waited_while_there_were_valid_ones"), waited.clone().filter(valid).count());
        let longest = waited.map(|wait| wait.span.end - wait.span.start).fold(0.0, f64::max);
        report(format_args!("{name} longest_wait"), format_args!("{:.0} ms", longest * 1e3));
        report(format_args!("{name} sts_calls"), self.sts_calls);
        report(format_args!("{name} lifetimes"), self.lifetimes);
        report(format_args!("{name} refreshes"), self.refreshes.len());
    }

    /// The p99.9 latency divided by that of `other`.
    pub(crate) fn p999_against(&self, other: &Self) -> String {
        let p999 = |outcome: &Self| quantile(&latencies(outcome.requests.iter()), 0.999);
        match (p999(self), p999(other)) {
            (Some(own), Some(other)) => format!("{:.2}", own / other),
            _ => "no request".to_owned(),
        }
    }

    /// Number of requests that waited for credentials, or got an error instead.
    pub(crate) fn waits(&self) -> usize {
        self.waits.len()
    }

    /// Latencies within a second of a refresh of `whose`.
    pub(crate) fn at_refreshes(&self, whose: &Self) -> String {
        quantiles(self.requests.iter().filter(|request| whose.refreshing(request.began)))
    }

    /// Latencies at all other times.
    pub(crate) fn away_from_refreshes(&self, whose: &Self) -> String {
        quantiles(self.requests.iter().filter(|request| !whose.refreshing(request.began)))
    }

    fn refreshing(&self, at: f64) -> bool {
        self.refreshes.iter().any(|refresh| (refresh.start - 1.0..refresh.end + 1.0).contains(&at))
    }

    /// True if the credentials of one exchange were valid for all of `span`.
    fn covers(&self, span: &Range<f64>) -> bool {
        self.valid.iter().any(|valid| valid.start <= span.start && span.end < valid.end)
    }
}

fn quantiles<'a>(requests: impl Iterator<Item = &'a Request>) -> String {
    let latencies = latencies(requests);
    let at = |share| quantile(&latencies, share);
    match (at(0.5), at(0.99), at(0.999), at(1.0)) {
        (Some(p50), Some(p99), Some(p999), Some(max)) => {
            format!("p50 {p50:.1} p99 {p99:.1} p99.9 {p999:.1} max {max:.1} ms of {}", latencies.len())
        }
        _ => "no request".to_owned(),
    }
}

/// In milliseconds, sorted.
fn latencies<'a>(requests: impl Iterator<Item = &'a Request>) -> Vec<f64> {
    let mut latencies: Vec<f64> = requests.map(|request| request.took * 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// Shorter waits, in seconds, are waits for a lock.
const A_WAIT: f64 = 0.001;
