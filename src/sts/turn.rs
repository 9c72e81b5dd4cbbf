//! No more than so many calls of one STS at once from one process, however many providers it has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The turns at one STS. Whoever asks first is served first, but for those who do not move: a runtime that is not driven
/// must cost nobody else a turn, be it that a call stands still in it or one who waits.
pub(super) struct Turns {
    most: usize,
    line: Mutex<Line>,
    /// A turn has become free, or one who waited is gone.
    moved: Notify,
}

#[derive(Default)]
struct Line {
    next: u64,
    /// When each call that is under way must have ended.
    calls: Vec<(u64, Instant)>,
    /// When each of those who wait was last seen, the first first.
    waiting: Vec<(u64, Instant)>,
}

/// A place in the line and, once [`next`](Turns::next) has given it, in a call: until this is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    number: u64,
}

impl Turns {
    /// Those of all in this process that ask there. A place that hangs takes no turn from another.
    pub(super) fn at(place: &str) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<String, Weak<Turns>>> = Mutex::new(BTreeMap::new());

        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = known.get(place).and_then(Weak::upgrade) {
            return turns;
        }
        known.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Self::new(MOST));
        known.insert(place.to_owned(), Arc::downgrade(&turns));
        turns
    }

    fn new(most: usize) -> Self {
        Self { most, line: Mutex::default(), moved: Notify::new() }
    }

    /// Waits for a turn, for a call that takes no longer than this. Cancel safe: dropping the future gives up the place
    /// in the line.
    pub(super) async fn next(&self, longest: Duration) -> Turn<'_> {
        let turn = self.join(Instant::now());
        loop {
            // Made before the look: it hears of all that comes after that.
            let moved = self.moved.notified();
            if self.begins(turn.number, Instant::now(), longest) {
                return turn;
            }
            tokio::select! {
                () = moved => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn join(&self, now: Instant) -> Turn<'_> {
        let mut line = self.line();
        line.next += 1;
        let number = line.next;
        line.waiting.push((number, now));
        Turn { turns: self, number }
    }

    /// Whether it is this one's turn, which then begins.
    fn begins(&self, number: u64, now: Instant, longest: Duration) -> bool {
        let mut line = self.line();
        // A call whose runtime is not driven any more has no timeout either: it is no longer counted.
        line.calls.retain(|(_, until)| *until > now);
        let free = self.most - line.calls.len().min(self.most);
        let Some(place) = line.waiting.iter().position(|(waiting, _)| *waiting == number) else { return false };
        line.waiting[place].1 = now;
        let ahead = line.waiting[..place].iter().filter(|(_, seen)| *seen + UNSEEN > now).count();
        if ahead >= free {
            return false;
        }
        line.waiting.remove(place);
        line.calls.push((number, now + longest + SLACK));
        true
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.turns.line();
        line.calls.retain(|(number, _)| *number != self.number);
        line.waiting.retain(|(number, _)| *number != self.number);
        drop(line);
        self.turns.moved.notify_waiters();
    }
}

const MOST: usize = 8;
/// How often those who wait see for themselves.
const LOOK: Duration = Duration::from_secs(1);
/// Who has not looked for so long does not move, and is passed.
const UNSEEN: Duration = Duration::from_secs(3);
/// Between the end of a call's time and when it counts as lost.
const SLACK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const CALL: Duration = Duration::from_secs(8);

    impl Turns {
        fn busy(&self) -> usize {
            self.line().calls.len()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_at_once_and_in_their_order() {
        let turns = Arc::new(Turns::new(3));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut calls = JoinSet::new();
        for number in 0..20 {
            let (turns, now, most, order) = (turns.clone(), now.clone(), most.clone(), order.clone());
            calls.spawn(async move {
                let turn = turns.next(CALL).await;
                order.lock().unwrap().push(number);
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                sleep(Duration::from_millis(500)).await;
                now.fetch_sub(1, Ordering::Relaxed);
                drop(turn);
            });
            tokio::task::yield_now().await;
        }
        calls.join_all().await;
        assert_eq!(most.load(Ordering::Relaxed), 3);
        assert!(order.lock().unwrap().is_sorted());
        assert_eq!(turns.busy(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_trace() {
        let turns = Turns::new(1);
        let held = turns.next(CALL).await;
        timeout(Duration::from_millis(10), turns.next(CALL)).await.err().expect("it is taken");
        drop(held);
        assert!(turns.busy() == 0 && turns.line().waiting.is_empty());
        let before = Instant::now();
        drop(turns.next(CALL).await);
        assert_eq!((turns.busy(), before.elapsed()), (0, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_whose_runtime_stands_still_is_not_lost_for_ever() {
        let turns = Turns::new(1);
        let lost = turns.next(CALL).await;
        let before = Instant::now();
        let next = turns.next(CALL).await;
        let waited = before.elapsed();
        assert!(waited >= CALL + SLACK && waited < CALL + SLACK + 3 * LOOK, "{waited:?}");
        // Should it move again after all, nothing is given back twice.
        drop(lost);
        assert_eq!(turns.busy(), 1);
        drop(next);
        assert_eq!(turns.busy(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_in_a_runtime_that_stands_still_is_passed() {
        let turns = Turns::new(1);
        let held = turns.next(CALL).await;
        let mut still = pin!(turns.next(CALL));
        timeout(Duration::from_millis(1), still.as_mut()).await.err().expect("it waits");
        drop(held);
        // It is never polled again, nor dropped.
        let before = Instant::now();
        drop(turns.next(CALL).await);
        assert!(before.elapsed() < UNSEEN + 2 * LOOK, "{:?}", before.elapsed());
        // Should it move again after all, its turn comes.
        drop(still.await);
        assert_eq!(turns.busy(), 0);
    }

    #[test]
    fn turns_are_those_of_a_place() {
        let (one, same, other) = (Turns::at("http://one"), Turns::at("http://one"), Turns::at("http://other"));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    }
}
