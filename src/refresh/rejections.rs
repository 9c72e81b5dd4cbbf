//! The delay between a service's rejection and the refresh that it causes.
//!
//! The first rejection causes a refresh within 5 s. If services reject the new credentials, too, the refreshes come 30 s, 60 s,
//! 120 s … after the one before. So a service that accepts no key at all causes no storm of exchanges.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::doubled;

/// The rejections so far.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    /// Generations rejected in a row.
    in_a_row: u32,
    /// The generation that was rejected last.
    generation: Option<u64>,
    heard: Option<Instant>,
    /// Time of the last attempt that a rejection caused. It may still be ahead.
    attempted: Option<Instant>,
}

impl Rejections {
    /// A service rejected the credentials of this generation.
    pub(super) fn record(&mut self, generation: u64, now: Instant) {
        if self.heard.is_some_and(|heard| now.duration_since(heard) > FORGOTTEN) {
            *self = Self { generation: self.generation, ..Self::default() };
        }
        self.heard = Some(now);
        if !self.is_last(generation) {
            self.generation = Some(generation);
            // Another cause may have brought this generation, before the attempt that was planned.
            self.attempted = self.attempted.map(|planned| planned.min(now));
            self.in_a_row = self.in_a_row.saturating_add(1);
        }
    }

    /// The earliest attempt that the last rejection may cause.
    pub(super) fn earliest(&self, now: Instant, random: f64) -> Instant {
        let spacing = doubled(STEP, self.in_a_row.saturating_sub(2), CAP);
        self.attempted.map_or(now, |attempted| now.max(attempted + spacing)) + SPREAD.mul_f64(random)
    }

    pub(super) fn attempted_at(&mut self, at: Instant) {
        self.attempted = Some(at);
    }

    /// The machine was suspended for `by`, and the monotonic clock stood still.
    pub(super) fn suspended(&mut self, by: Duration) {
        for at in [&mut self.heard, &mut self.attempted].into_iter().flatten() {
            *at = at.checked_sub(by).unwrap_or(*at);
        }
    }

    /// True if the last rejection was of this generation.
    pub(super) fn is_last(&self, generation: u64) -> bool {
        self.generation == Some(generation)
    }
}

/// A revoked session reaches a whole fleet in the same second.
const SPREAD: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_secs(30);
const CAP: Duration = Duration::from_secs(15 * 60);
/// After this time without a rejection, the count begins anew.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_in_a_row_back_off() {
        let start = Instant::now();
        let mut rejections = Rejections::default();
        let mut now = start;
        let mut waits = Vec::new();
        for generation in 1..=9 {
            rejections.record(generation, now);
            rejections.record(generation, now);
            let at = rejections.earliest(now, 0.0);
            rejections.attempted_at(at);
            waits.push((at - now).as_secs());
            assert!(rejections.is_last(generation) && !rejections.is_last(generation + 1));
            // Each request is rejected until the next generation comes.
            while now < at {
                now = at.min(now + Duration::from_secs(300));
                rejections.record(generation, now);
            }
        }
        assert_eq!(waits, [0, 30, 60, 120, 240, 480, 900, 900, 900]);
    }

    #[test]
    fn ten_quiet_minutes_start_over() {
        for (quiet, expected) in [(600, 120), (601, 30)] {
            let start = Instant::now();
            let mut rejections = Rejections::default();
            for generation in 1..=2 {
                rejections.record(generation, start);
            }
            let now = start + Duration::from_secs(quiet);
            rejections.record(3, now);
            rejections.attempted_at(now);
            rejections.record(4, now);
            assert_eq!((rejections.earliest(now, 0.0) - now).as_secs(), expected, "{quiet} s");
        }
    }

    #[test]
    fn planned_attempt_that_never_came_delays_nothing() {
        let start = Instant::now();
        let mut rejections = Rejections::default();
        for generation in 1..=9 {
            rejections.record(generation, start);
        }
        rejections.attempted_at(start + CAP);
        let waits = |rejections: &Rejections, now| rejections.earliest(now, 0.0) - now;
        // A caller's refresh brings the next generation at once, and a service rejects that as well.
        rejections.record(10, start);
        assert_eq!(waits(&rejections, start), CAP);
        rejections.attempted_at(start + CAP);
        let later = start + FORGOTTEN + Duration::from_secs(1);
        rejections.record(10, later);
        assert_eq!(waits(&rejections, later), Duration::ZERO, "the row has ended");
    }
}
