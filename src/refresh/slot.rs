//! The published snapshot: read by every request, written once per exchange.
//!
//! A reader must not write to a line that another core reads. A lock-free pointer alone does not achieve that, for the
//! reference counts inside a cloned `Identity` or `Credentials` are such lines. So a snapshot holds several copies, each
//! with counts of its own, and a thread always clones the same one.
//!
//! Why so, by `benches/read_path` (instructions of one read through the SDK's trait; the SDK's own default needs 2,310):
//! - 478 for cloning an identity with no cell at all, 512 behind a `RwLock` or a `watch`, 554 behind an arc-swap guard. With
//!   one thread the cell hardly matters, and none of them scales: two cores pass the one identity's counts to and fro.
//! - 595 here: the guard, the clock (41) and the stripe. A lock would save 40 of them, but a reader that loses its core
//!   while it holds one makes the engine thread wait, and a writer makes the readers wait. Without the clock a read would
//!   trust the engine thread to be on time, and a forked child has none.
//! - A copy per thread would need no guard, but would keep the secrets of dropped providers in idle threads.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::time::Instant;

use super::source::Principal;

/// Where the present snapshot is found. `load` is the way of a request: nothing is moved.
pub(crate) type Slot = ArcSwapOption<Snapshot>;

/// All that derives from one exchange, swapped by one pointer.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Until then the credentials are valid.
    pub(crate) deadline: Instant,
    /// Until then they may be served: the deadline, or later where the policy has it so.
    pub(crate) readable_until: Instant,
    pub(crate) generation: u64,
    pub(crate) lifetime: Duration,
    /// The deadline on the local wall clock, as the credentials show it.
    pub(crate) expiry: SystemTime,
    pub(crate) principal: Arc<Principal>,
    stripes: Arc<[Stripe; STRIPES]>,
}

impl Snapshot {
    pub(crate) fn new(
        credentials: Credentials,
        principal: Arc<Principal>,
        generation: u64,
        lifetime: Duration,
        deadline: Instant,
        expiry: SystemTime,
    ) -> Self {
        Self {
            deadline,
            readable_until: deadline,
            generation,
            lifetime,
            expiry,
            stripes: stripes(&credentials, expiry, &principal),
            principal,
        }
    }

    /// The same credentials, showing another expiry.
    pub(crate) fn showing(&self, deadline: Instant, expiry: SystemTime) -> Self {
        let stripes = stripes(&self.stripes[0].credentials, expiry, &self.principal);
        Self { deadline, readable_until: deadline, expiry, stripes, ..self.clone() }
    }

    #[inline]
    pub(crate) fn credentials(&self) -> Credentials {
        self.stripe().credentials.clone()
    }

    #[inline]
    pub(crate) fn identity(&self) -> Identity {
        self.stripe().identity.clone()
    }

    pub(crate) fn access_key_id(&self) -> &str {
        self.stripes[0].credentials.access_key_id()
    }

    #[inline]
    fn stripe(&self) -> &Stripe {
        self.stripes.get(MINE.get()).unwrap_or_else(|| &self.stripes[deal()])
    }
}

/// Enough that the threads of a usual machine rarely share one; a copy costs about 3 KiB. Threads take copies in turn, so
/// two that are busy share one by chance, and more often the fewer there are.
const STRIPES: usize = 16;

/// One copy, with reference counts and cache lines of its own.
#[repr(align(128))]
struct Stripe {
    identity: Identity,
    credentials: Credentials,
}

fn stripes(credentials: &Credentials, expiry: SystemTime, principal: &Principal) -> Arc<[Stripe; STRIPES]> {
    Arc::new(std::array::from_fn(|_| {
        let mut marked = copy(credentials, expiry);
        // On the identity alone: each clone of credentials with a mark allocates.
        if let Some(feature) = &principal.feature {
            marked.get_property_mut_or_default::<Vec<AwsCredentialFeature>>().push(feature.clone());
        }
        Stripe { identity: marked.into(), credentials: copy(credentials, expiry) }
    }))
}

/// A copy that shares no reference count: a plain clone shares its inside until it is written to.
fn copy(credentials: &Credentials, expiry: SystemTime) -> Credentials {
    let mut copy = credentials.clone();
    *copy.expiry_mut() = Some(expiry);
    copy
}

thread_local! {
    /// Which stripe this thread reads. Beyond the last: none yet.
    static MINE: Cell<usize> = const { Cell::new(STRIPES) };
}

/// Deals a stripe to this thread: in turn, at its first read.
#[cold]
fn deal() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let dealt = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    MINE.set(dealt);
    dealt
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn snapshot(generation: u64) -> Snapshot {
        let text = generation.to_string();
        let credentials = Credentials::new(text.clone(), text.clone(), Some(text), None, "test");
        let deadline = Instant::now() + Duration::from_secs(3600);
        Snapshot::new(
            credentials,
            Arc::default(),
            generation,
            Duration::from_secs(3600),
            deadline,
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn readers_never_see_a_mix_of_two_generations() {
        const GENERATIONS: u64 = 2000;
        let slot = Slot::empty();
        slot.store(Some(Arc::new(snapshot(1))));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < GENERATIONS {
                        let (generation, credentials) = {
                            let lent = slot.load_full().unwrap();
                            (lent.generation, lent.credentials())
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
                slot.store(Some(Arc::new(snapshot(generation))));
            }
        });
    }
}
