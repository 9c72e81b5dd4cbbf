//! Metrics for the `metrics` facade. Their names and labels are stable, and `docs::telemetry` lists them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::error::Error;
use crate::refresh::{EngineStatus, Observer};
use crate::web_identity::WebIdentity;

/// Metrics of one provider. Each event looks the recorder up, so that it may be installed at any time.
pub(super) struct Metrics {
    role: SharedString,
    /// `None`: these credentials need no token.
    token: Option<Arc<WebIdentity>>,
    /// Number of rotations that were recorded.
    rotations: AtomicU64,
    described: AtomicBool,
}

impl Metrics {
    pub(super) fn new(role: &str, token: Option<Arc<WebIdentity>>) -> Self {
        let role = SharedString::from_shared(role.into());
        Self { role, token, rotations: AtomicU64::new(0), described: AtomicBool::new(false) }
    }

    fn set(&self, name: &'static str, value: f64) {
        gauge!(name, "role" => self.role.clone()).set(value);
    }

    fn add(&self, name: &'static str, count: u64) {
        counter!(name, "role" => self.role.clone()).increment(count);
    }
}

impl Observer for Metrics {
    fn status(&self, status: &EngineStatus) {
        if !self.described.swap(true, Ordering::Relaxed) {
            describe();
        }
        self.set(EXPIRY, timestamp(status.expiry));
        self.set(NEXT_ATTEMPT, timestamp(status.next_attempt));
        self.set(FAILURES, status.consecutive_failures.into());
        self.set(GENERATION, status.generation as f64);
        // The counter exists before the first rejection, at zero.
        self.add(REJECTIONS, 0);
        if let Some(token) = &self.token {
            if let Some(rotations) = token.rotations() {
                let recorded = self.rotations.fetch_max(rotations, Ordering::Relaxed);
                self.add(ROTATIONS, rotations.saturating_sub(recorded));
            }
            self.set(TOKEN_EXPIRY, timestamp(token.claims().and_then(|claims| claims.expires_at)));
            if let Some(healthy) = token.watch_healthy() {
                self.set(WATCH_HEALTHY, f64::from(u8::from(healthy)));
            }
        }
    }

    fn exchanged(&self, took: Duration, error: Option<&Error>) {
        let (outcome, kind) = error.map_or(("ok", "none"), |error| ("error", error.kind().as_str()));
        counter!(EXCHANGES, "role" => self.role.clone(), "outcome" => outcome, "kind" => kind).increment(1);
        histogram!(DURATION, "role" => self.role.clone()).record(took);
    }

    fn rejected(&self) {
        self.add(REJECTIONS, 1);
    }
}

const EXCHANGES: &str = "aws_web_identity_exchanges_total";
const DURATION: &str = "aws_web_identity_exchange_duration_seconds";
const EXPIRY: &str = "aws_web_identity_expiry_timestamp_seconds";
const NEXT_ATTEMPT: &str = "aws_web_identity_next_attempt_timestamp_seconds";
const FAILURES: &str = "aws_web_identity_consecutive_failures";
const GENERATION: &str = "aws_web_identity_generation";
const REJECTIONS: &str = "aws_web_identity_rejections_total";
const ROTATIONS: &str = "aws_web_identity_token_rotations_total";
const TOKEN_EXPIRY: &str = "aws_web_identity_token_expiry_timestamp_seconds";
const WATCH_HEALTHY: &str = "aws_web_identity_watch_healthy";

fn describe() {
    describe_counter!(EXCHANGES, Unit::Count, "Exchanges, by outcome and kind of error");
    describe_histogram!(DURATION, Unit::Seconds, "Duration of an exchange");
    describe_gauge!(EXPIRY, Unit::Seconds, "Expiry of the credentials; 0 before the first");
    describe_gauge!(NEXT_ATTEMPT, Unit::Seconds, "Time of the next attempt; 0 if the provider is closed");
    describe_gauge!(FAILURES, Unit::Count, "Failed exchanges since the last success");
    describe_gauge!(GENERATION, Unit::Count, "Number of the current credentials");
    describe_counter!(REJECTIONS, Unit::Count, "Requests whose credentials a service rejected");
    describe_counter!(ROTATIONS, Unit::Count, "New tokens found in the token file");
    describe_gauge!(TOKEN_EXPIRY, Unit::Seconds, "Expiry of the newest token; 0 if unknown");
    describe_gauge!(WATCH_HEALTHY, Unit::Count, "1 if file events of the token file arrive; 0 if it is only polled");
}

/// Seconds since 1970. 0 stands for no time.
fn timestamp(time: Option<SystemTime>) -> f64 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |since| since.as_secs_f64())
}
