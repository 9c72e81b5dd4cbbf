//! The log level of a failure: WARN while it is news, DEBUG after that.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use super::source::Class;
use crate::error::ErrorKind;

/// The failures since the last success.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    /// Failures by kind and class. Alternating kinds do not reset each other's counters.
    alike: HashMap<(ErrorKind, Class), u32>,
    failing_since: Option<Instant>,
    marks_passed: usize,
    /// The log has reported the expiry.
    expiry_logged: bool,
}

impl FailureLog {
    /// Counts a failure. True: the log warns of it. `validity`: the remaining time and the lifetime of the last credentials.
    pub(super) fn warns(
        &mut self,
        kind: ErrorKind,
        class: Class,
        validity: Option<(Duration, Duration)>,
        now: Instant,
    ) -> bool {
        self.failing_since.get_or_insert(now);
        let count = self.alike.entry((kind, class)).or_insert(0_u32);
        *count = count.saturating_add(1);
        let passed = validity.map_or(0, |(remaining, lifetime)| {
            MARKS.iter().filter(|mark| remaining <= lifetime.mul_f64(**mark)).count()
        });
        let crossed = passed > self.marks_passed;
        self.marks_passed = self.marks_passed.max(passed);
        crossed || *count <= WARNINGS_ALIKE
    }

    /// Returns true at the first call after a success: the log reports that the credentials have expired.
    pub(super) fn logs_expiry(&mut self) -> bool {
        !mem::replace(&mut self.expiry_logged, true)
    }

    /// Starts anew. Returns the time since the first failure, if there was one.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        mem::take(self).failing_since.map(|since| now.saturating_duration_since(since))
    }
}

const WARNINGS_ALIKE: u32 = 3;
/// The log warns again each time the remaining share of the lifetime falls to one of these.
const MARKS: [f64; 3] = [0.50, 0.25, 0.10];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WARN: bool = true;
    const DEBUG: bool = false;

    #[test]
    fn first_three_failures_of_a_kind_warn() {
        let mut story = Story::new();
        assert_eq!(story.outages(6), [WARN, WARN, WARN, DEBUG, DEBUG, DEBUG]);
        assert_eq!(story.fail(ErrorKind::RoleDenied, Class::Misconfigured, 60), WARN, "another kind warns");
        assert_eq!(
            story.fail(ErrorKind::ServiceUnavailable, Class::Misconfigured, 60),
            WARN,
            "another class warns, too"
        );
        assert_eq!(story.outages(1), [DEBUG], "the first kind does not");
    }

    #[test]
    fn alternating_kinds_stop_warning() {
        let mut story = Story::new();
        let told = (0..20).map(|turn| {
            let kind = if turn % 2 == 0 { ErrorKind::TimedOut } else { ErrorKind::ServiceUnavailable };
            story.fail(kind, Class::Outage, 60)
        });
        assert_eq!(told.filter(|told| *told == WARN).count(), 6);
    }

    #[test]
    fn each_mark_of_the_remaining_time_warns_once() {
        let mut story = Story::new();
        story.outages(5);
        let told = [51, 50, 49, 26, 25, 24, 11, 10, 9, 0, 0].map(|percent| story.outage_at(percent));
        assert_eq!(told, [DEBUG, WARN, DEBUG, DEBUG, WARN, DEBUG, DEBUG, WARN, DEBUG, DEBUG, DEBUG]);
    }

    #[test]
    fn marks_passed_together_warn_once() {
        let mut story = Story::new();
        story.outages(5);
        assert_eq!([story.outage_at(5), story.outage_at(4)], [WARN, DEBUG]);
    }

    #[test]
    fn no_marks_before_the_first_credentials() {
        let mut story = Story::new();
        let mut fail = || story.log.warns(ErrorKind::TimedOut, Class::Outage, None, story.now);
        assert_eq!([fail(), fail(), fail(), fail()], [WARN, WARN, WARN, DEBUG]);
    }

    #[test]
    fn success_ends_the_run_of_failures() {
        let mut story = Story::new();
        assert_eq!(story.log.succeeded(story.now), None, "no failure yet");
        story.outages(4);
        story.now += Duration::from_secs(90);
        assert_eq!(story.log.succeeded(story.now), Some(Duration::from_secs(90)));
        assert_eq!(story.outages(4), [WARN, WARN, WARN, DEBUG]);
    }

    #[test]
    fn expiry_is_told_once_until_next_success() {
        let mut story = Story::new();
        assert_eq!([story.log.logs_expiry(), story.log.logs_expiry()], [true, false]);
        story.log.succeeded(story.now);
        assert!(story.log.logs_expiry());
    }

    proptest! {
        /// A run of failures warns a bounded number of times, and each new kind warns.
        #[test]
        fn run_of_failures_warns_a_bounded_number_of_times(
            run in prop::collection::vec((0_usize..4, 0_usize..6, 0_u32..=100), 1..200),
        ) {
            const KINDS: [ErrorKind; 4] =
                [ErrorKind::TimedOut, ErrorKind::ServiceUnavailable, ErrorKind::RoleDenied, ErrorKind::Throttled];
            let mut story = Story::new();
            let mut seen = std::collections::BTreeMap::new();
            let mut warnings = 0;
            for (kind, class, percent) in run {
                let told = story.fail(KINDS[kind], Class::ALL[class], percent);
                let times = seen.entry((kind, class)).or_insert(0);
                *times += 1;
                prop_assert!(*times > 3 || told == WARN, "number {} of its kind", times);
                warnings += usize::from(told == WARN);
            }
            prop_assert!(warnings <= 3 * seen.len() + MARKS.len());
        }
    }

    struct Story {
        log: FailureLog,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self { log: FailureLog::default(), now: Instant::now() }
        }

        fn fail(&mut self, kind: ErrorKind, class: Class, percent: u32) -> bool {
            let lifetime = Duration::from_secs(3600);
            self.log.warns(kind, class, Some((lifetime * percent / 100, lifetime)), self.now)
        }

        fn outage_at(&mut self, percent: u32) -> bool {
            self.fail(ErrorKind::ServiceUnavailable, Class::Outage, percent)
        }

        fn outages(&mut self, times: usize) -> Vec<bool> {
            (0..times).map(|_| self.outage_at(60)).collect()
        }
    }
}
