//! No more than so many calls of STS at once from one process, however many providers it has.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// Those of the process.
pub(super) static TURNS: Turns = Turns::new(8);

/// Whoever asks first is served first.
pub(super) struct Turns {
    free: Semaphore,
    /// When each call that is under way must have ended.
    held: Mutex<Held>,
}

struct Held {
    next: u64,
    calls: Vec<(u64, Instant)>,
}

/// A call may be made until this is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    number: u64,
}

impl Turns {
    const fn new(most: usize) -> Self {
        Self { free: Semaphore::const_new(most), held: Mutex::new(Held { next: 0, calls: Vec::new() }) }
    }

    /// Waits for a turn, for a call that takes no longer than this. Cancel safe: dropping the future gives up the place
    /// in the queue.
    pub(super) async fn next(&self, longest: Duration) -> Turn<'_> {
        let mut free = std::pin::pin!(self.free.acquire());
        loop {
            let look = sleep(LOOK);
            let now = look.deadline() - LOOK;
            tokio::select! {
                biased;
                // Nobody closes the semaphore; if it were, nobody should wait for ever.
                permit = &mut free => {
                    if let Ok(permit) = permit {
                        permit.forget();
                    }
                    return self.begin(now + LOOK + longest + SLACK);
                }
                () = look => self.take_back(now + LOOK),
            }
        }
    }

    fn begin(&self, until: Instant) -> Turn<'_> {
        let mut held = self.held();
        held.next += 1;
        let number = held.next;
        held.calls.push((number, until));
        Turn { turns: self, number }
    }

    /// A call whose runtime is not driven any more has no timeout either: it is no longer counted.
    fn take_back(&self, now: Instant) {
        let mut held = self.held();
        let before = held.calls.len();
        held.calls.retain(|(_, until)| *until > now);
        self.free.add_permits(before - held.calls.len());
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut held = self.turns.held();
        if let Some(place) = held.calls.iter().position(|(number, _)| *number == self.number) {
            held.calls.swap_remove(place);
            self.turns.free.add_permits(1);
        }
    }
}

/// How often those who wait see whether a turn was lost.
const LOOK: Duration = Duration::from_secs(1);
/// Between the end of a call's time and when it counts as lost.
const SLACK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    const CALL: Duration = Duration::from_secs(8);

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
        assert_eq!(turns.free.available_permits(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_trace() {
        let turns = Turns::new(1);
        let held = turns.next(CALL).await;
        tokio::time::timeout(Duration::from_millis(10), turns.next(CALL)).await.err().expect("it is taken");
        drop(held);
        assert_eq!(turns.free.available_permits(), 1);
        drop(turns.next(CALL).await);
        assert_eq!(turns.free.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_whose_runtime_stands_still_is_not_lost_for_ever() {
        let turns = Turns::new(1);
        let lost = turns.next(CALL).await;
        let before = Instant::now();
        let next = turns.next(CALL).await;
        let waited = before.elapsed();
        assert!(waited > CALL + SLACK && waited < CALL + SLACK + 3 * LOOK, "{waited:?}");
        // Should it move again after all, nothing is given back twice.
        drop(lost);
        assert_eq!(turns.free.available_permits(), 0);
        drop(next);
        assert_eq!(turns.free.available_permits(), 1);
    }
}
