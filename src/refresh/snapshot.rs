//! The published snapshot: each request reads it, and each exchange replaces it.
//!
//! **A. A read of valid credentials takes no lock, and busy threads rarely share a reference count.** A reader that loses
//! its core while it holds a lock would stop the engine thread and all other readers. A pointer without a lock is not enough.
//! A clone of `Credentials` or `Identity` writes to a reference count, and cores that share the count wait for each other. So
//! a snapshot holds [`STRIPES`] copies with counts of their own, and each thread clones one of them.
//!
//! `benches/read_path` counts the instructions of one read through the SDK's trait:
//!
//! | read | instructions |
//! |---|---|
//! | the SDK's default cache | 2,318 |
//! | clone of an `Identity` alone | 490 |
//! | the same behind a `RwLock` or a `watch` | 526 |
//! | the same behind an arc-swap guard | 566 |
//! | this file: the guard, the clock and the stripe | 617 |
//!
//! The middle rows do not scale, since all cores share one reference count. A read needs the clock, since the engine thread
//! may be late and a forked child has none. A copy for each thread would need no guard, but idle threads would keep the
//! secrets of dropped providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use arc_swap::{ArcSwapOption, Guard};
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::time::Instant;

use super::source::Principal;

/// The credentials in use, as an exchange gave them.
pub(super) struct CurrentCredentials {
    pub(super) generation: u64,
    pub(super) credentials: Credentials,
    pub(super) principal: Arc<Principal>,
}

/// The times of credentials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// End of the credentials.
    pub(super) deadline: Instant,
    /// End of the time in which requests get them: the deadline, or later where the policy says so.
    pub(super) readable_until: Instant,
    /// The deadline on the local wall clock, as the credentials show it.
    pub(super) expiry: SystemTime,
}

/// The credentials in use, with all that derives from them. A snapshot never changes. A new one replaces it.
pub(crate) struct Snapshot {
    current: Arc<CurrentCredentials>,
    times: Times,
    stripes: Arc<[Stripe; STRIPES]>,
}

impl Snapshot {
    #[inline]
    pub(crate) fn credentials(&self) -> Credentials {
        self.stripe().credentials.clone()
    }

    #[inline]
    pub(crate) fn identity(&self) -> Identity {
        self.stripe().identity.clone()
    }

    #[inline]
    pub(super) fn times(&self) -> Times {
        self.times
    }

    #[inline]
    fn stripe(&self) -> &Stripe {
        &self.stripes[MINE.with(|mine| *mine)]
    }
}

/// Holds the present snapshot.
#[derive(Default)]
pub(super) struct Published(ArcSwapOption<Snapshot>);

impl Published {
    #[inline]
    pub(super) fn load(&self) -> Guard<Option<Arc<Snapshot>>> {
        self.0.load()
    }

    /// Publishes these credentials with these times, unless the present snapshot has them already. Reuses the copies if they
    /// show the same expiry. No other function replaces a snapshot.
    pub(super) fn publish(&self, current: &Arc<CurrentCredentials>, times: Times) {
        let present = self.0.load_full().filter(|present| Arc::ptr_eq(&present.current, current));
        let stripes = match present {
            Some(present) if present.times == times => return,
            Some(present) if present.times.expiry == times.expiry => Arc::clone(&present.stripes),
            _ => stripes(current, times.expiry),
        };
        self.0.store(Some(Arc::new(Snapshot { current: Arc::clone(current), times, stripes })));
    }
}

/// Number of copies. A copy costs about 3 KiB. Threads take the copies in turn, so few busy threads rarely share one.
const STRIPES: usize = 16;

/// One copy, with reference counts and cache lines of its own.
#[repr(align(128))]
struct Stripe {
    identity: Identity,
    credentials: Credentials,
}

fn stripes(current: &CurrentCredentials, expiry: SystemTime) -> Arc<[Stripe; STRIPES]> {
    // Setting the expiry makes a copy that shares no reference count. A plain clone shares its inside.
    let copy = || {
        let mut copy = current.credentials.clone();
        *copy.expiry_mut() = Some(expiry);
        copy
    };
    Arc::new(std::array::from_fn(|_| {
        let mut marked = copy();
        // On the identity alone: each clone of credentials with a mark allocates.
        if let Some(feature) = &current.principal.feature {
            marked.get_property_mut_or_default::<Vec<AwsCredentialFeature>>().push(feature.clone());
        }
        Stripe { identity: marked.into(), credentials: copy() }
    }))
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The stripe that this thread reads, dealt in turn at the first read.
    static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn publish(published: &Published, generation: u64) {
        let text = generation.to_string();
        let credentials = Credentials::new(text.clone(), text.clone(), Some(text), None, "test");
        let current = Arc::new(CurrentCredentials { generation, credentials, principal: Arc::default() });
        let now = Instant::now();
        published.publish(&current, Times { deadline: now, readable_until: now, expiry: SystemTime::UNIX_EPOCH });
    }

    #[test]
    fn readers_never_see_a_mix_of_two_generations() {
        const GENERATIONS: u64 = 2000;
        let published = Published::default();
        publish(&published, 1);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < GENERATIONS {
                        let (generation, credentials) = {
                            let snapshot = published.load();
                            let snapshot = snapshot.as_ref().unwrap();
                            (snapshot.current.generation, snapshot.credentials())
                        };
                        assert!(generation >= last, "never back");
                        last = generation;
                        let text = generation.to_string();
                        assert_eq!(credentials.access_key_id(), text);
                        assert_eq!(credentials.secret_access_key(), text);
                        assert_eq!(credentials.session_token(), Some(text.as_str()));
                    }
                });
            }
            for generation in 2..=GENERATIONS {
                publish(&published, generation);
            }
        });
    }

    #[test]
    fn only_new_times_replace_the_snapshot() {
        let published = Published::default();
        publish(&published, 1);
        let first = published.load().clone().unwrap();
        let again = |times| {
            published.publish(&first.current, times);
            published.load().clone().unwrap()
        };
        assert!(Arc::ptr_eq(&again(first.times), &first));
        let later = Times { readable_until: first.times.readable_until + Duration::from_secs(1), ..first.times };
        assert!(Arc::ptr_eq(&again(later).stripes, &first.stripes), "the credentials show nothing else");
        let shown = Times { expiry: SystemTime::UNIX_EPOCH + Duration::from_secs(1), ..later };
        assert_eq!(again(shown).credentials().expiry(), Some(shown.expiry));
    }
}
