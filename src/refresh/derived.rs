//! What somebody made of the credentials, kept for as long as it fits: nothing is made anew at each read, and no lock taken.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub(crate) struct Derived<T>(ArcSwapOption<T>);

impl<T> Derived<T> {
    pub(crate) fn new() -> Self {
        Self(ArcSwapOption::empty())
    }

    /// What is kept, if it fits; else what is made now. Of two that make one at the same time each gets its own.
    pub(crate) fn get(&self, fits: impl FnOnce(&T) -> bool, make: impl FnOnce() -> T) -> Arc<T> {
        let kept = self.0.load();
        if let Some(kept) = kept.as_ref().filter(|kept| fits(kept)) {
            return Arc::clone(kept);
        }
        let made = Arc::new(make());
        self.0.store(Some(Arc::clone(&made)));
        made
    }
}
