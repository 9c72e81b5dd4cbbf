//! Locks that outlive a panic, and values that the whole process shares.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Locks. A panic under the lock does not count: no code here leaves a value half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values that the whole process shares, by key. A value is dropped with its last holder.
///
/// A forked child has values of its own, because the threads that use the values of the parent do not exist in the child.
pub(crate) struct SharedValues<K, V>(Mutex<BTreeMap<(u32, K), Weak<V>>>);

impl<K: Ord, V> SharedValues<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The value with this key. Calls `make` if there is none.
    pub(crate) fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut all = lock(&self.0);
        let key = (process::id(), key);
        if let Some(value) = all.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        all.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(make());
        all.insert(key, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_shared_until_its_last_drop() {
        let values = SharedValues::new();
        let first = values.get("a", || 1);
        assert!(Arc::ptr_eq(&first, &values.get("a", || 2)));
        assert_eq!(*values.get("b", || 3), 3);
        drop(first);
        assert_eq!(*values.get("a", || 4), 4);
        assert_eq!(lock(&values.0).len(), 1, "dropped values leave the map");
    }
}
