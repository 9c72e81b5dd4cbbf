//! How loudly to tell of a failure: pure decisions over what was told before.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::source::Class;
use crate::error::ErrorKind;

/// What was told since the last success.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// Failures that are alike: same kind, same consequence. Those that take turns do not make each other news.
    alike: HashMap<(ErrorKind, Class), u32>,
    failing_since: Option<Instant>,
    marks_passed: usize,
    expiry_told: bool,
}

impl Telling {
    /// An attempt failed while so much of a lifetime remained. `None`: there never were credentials. True: somebody should
    /// know; false: it was said before.
    pub(super) fn failed(
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
        crossed || *count <= LOUD_ALIKE
    }

    /// Whether to tell that there were credentials and none is valid any more: once until the next success.
    pub(super) fn expired(&mut self) -> bool {
        !std::mem::replace(&mut self.expiry_told, true)
    }

    /// Gives for how long it had been failing.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        std::mem::take(self).failing_since.map(|since| now.saturating_duration_since(since))
    }
}

const LOUD_ALIKE: u32 = 3;
/// Shares of the lifetime that remain: less of it, more reason to look.
const MARKS: [f64; 3] = [0.50, 0.25, 0.10];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOUD: bool = true;
    const QUIET: bool = false;

    #[test]
    fn three_failures_that_are_alike_are_loud_and_the_next_ones_quiet() {
        let mut story = Story::new();
        assert_eq!(story.outages(6), [LOUD, LOUD, LOUD, QUIET, QUIET, QUIET]);
        assert_eq!(story.fail(ErrorKind::RoleDenied, Class::Config, 60), LOUD, "another sort is news");
        assert_eq!(story.fail(ErrorKind::ServiceUnavailable, Class::Config, 60), LOUD, "of another consequence, too");
        assert_eq!(story.outages(1), [QUIET], "the first sort is not");
    }

    #[test]
    fn sorts_that_take_turns_fall_silent() {
        let mut story = Story::new();
        let told = (0..20).map(|turn| {
            let kind = if turn % 2 == 0 { ErrorKind::TimedOut } else { ErrorKind::ServiceUnavailable };
            story.fail(kind, Class::Transient, 60)
        });
        assert_eq!(told.filter(|told| *told == LOUD).count(), 6);
    }

    #[test]
    fn each_mark_of_the_remaining_validity_is_loud_once() {
        let mut story = Story::new();
        story.outages(5);
        let told = [51, 50, 49, 26, 25, 24, 11, 10, 9, 0, 0].map(|percent| story.outage_at(percent));
        assert_eq!(told, [QUIET, LOUD, QUIET, QUIET, LOUD, QUIET, QUIET, LOUD, QUIET, QUIET, QUIET]);
    }

    #[test]
    fn several_marks_passed_at_once_are_told_together() {
        let mut story = Story::new();
        story.outages(5);
        assert_eq!([story.outage_at(5), story.outage_at(4)], [LOUD, QUIET]);
    }

    #[test]
    fn without_credentials_there_are_no_marks() {
        let mut story = Story::new();
        let mut fail = || story.telling.failed(ErrorKind::TimedOut, Class::Transient, None, story.now);
        assert_eq!([fail(), fail(), fail(), fail()], [LOUD, LOUD, LOUD, QUIET]);
    }

    #[test]
    fn a_success_says_how_long_it_took_and_starts_anew() {
        let mut story = Story::new();
        assert_eq!(story.telling.succeeded(story.now), None, "nothing had failed");
        story.outages(4);
        story.now += Duration::from_secs(90);
        assert_eq!(story.telling.succeeded(story.now), Some(Duration::from_secs(90)));
        assert_eq!(story.outages(4), [LOUD, LOUD, LOUD, QUIET]);
    }

    #[test]
    fn the_expiry_is_told_once_until_the_next_success() {
        let mut story = Story::new();
        assert_eq!([story.telling.expired(), story.telling.expired()], [true, false]);
        story.telling.succeeded(story.now);
        assert!(story.telling.expired());
    }

    proptest! {
        /// However long and mixed a run of failures is, it stays short in the log, and no news is kept back.
        #[test]
        fn a_run_of_failures_is_loud_a_bounded_number_of_times(
            run in prop::collection::vec((0_usize..4, 0_usize..6, 0_u32..=100), 1..200),
        ) {
            const KINDS: [ErrorKind; 4] =
                [ErrorKind::TimedOut, ErrorKind::ServiceUnavailable, ErrorKind::RoleDenied, ErrorKind::Throttled];
            let mut story = Story::new();
            let mut seen = std::collections::BTreeMap::new();
            let mut loud = 0;
            for (kind, class, percent) in run {
                let told = story.fail(KINDS[kind], Class::ALL[class], percent);
                let times = seen.entry((kind, class)).or_insert(0);
                *times += 1;
                prop_assert!(*times > 3 || told == LOUD, "number {} of its sort", times);
                loud += usize::from(told == LOUD);
            }
            prop_assert!(loud <= 3 * seen.len() + MARKS.len());
        }
    }

    struct Story {
        telling: Telling,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self { telling: Telling::default(), now: Instant::now() }
        }

        fn fail(&mut self, kind: ErrorKind, class: Class, percent: u32) -> bool {
            let lifetime = Duration::from_secs(3600);
            self.telling.failed(kind, class, Some((lifetime * percent / 100, lifetime)), self.now)
        }

        fn outage_at(&mut self, percent: u32) -> bool {
            self.fail(ErrorKind::ServiceUnavailable, Class::Transient, percent)
        }

        fn outages(&mut self, times: usize) -> Vec<bool> {
            (0..times).map(|_| self.outage_at(60)).collect()
        }
    }
}
