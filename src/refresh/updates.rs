//! Who wants to hear of each generation.

use std::fmt;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Tells of each new generation of credentials. One per listener; it keeps no provider alive.
///
/// ```no_run
/// # async fn example(provider: aws_web_identity::WebIdentityCredentialsProvider) {
/// let mut updates = provider.updates();
/// while let Ok(generation) = updates.changed().await {
///     println!("now at generation {generation}");
/// }
/// # }
/// ```
pub struct Updates {
    pub(super) news: watch::Receiver<u64>,
    pub(super) closed: CancellationToken,
    /// The generation that is readable now, which may not have been told yet.
    pub(super) last: u64,
}

impl Updates {
    /// Waits for a generation newer than [`last`](Self::last). Those in between may be passed over.
    ///
    /// # Errors
    /// [`Closed`] once the provider was shut down or its last handle dropped; a generation that came before is told first.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn changed(&mut self) -> Result<u64, Closed> {
        tokio::select! {
            biased;
            newer = self.news.wait_for(|&generation| generation > self.last) => {
                self.last = *newer.map_err(|_| Closed(()))?;
                Ok(self.last)
            }
            () = self.closed.cancelled() => Err(Closed(())),
        }
    }

    /// The newest generation that this listener knows; 0 before the first credentials.
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").field("last", &self.last).finish_non_exhaustive()
    }
}

/// There will be no more updates: the provider was shut down, or its last handle is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Closed(());

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the credentials provider is closed: no further generation will come")
    }
}

impl std::error::Error for Closed {}
