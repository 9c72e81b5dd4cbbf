//! Makes and drops providers.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sts::Client;
use aws_web_identity::WebIdentityCredentialsProvider;
use tokio::time::{sleep, timeout};

use crate::world::{CHAINED_ROLE, World};

/// Makes one provider after the other and ends each in a random way, until dropped. `count` is their number.
pub(crate) async fn run(world: Arc<World>, count: &std::sync::atomic::AtomicU64) {
    loop {
        sleep(Duration::from_millis(fastrand::u64(50..300))).await;
        let builder = world.builder("churn").watch_token(fastrand::bool());
        let provider = builder.build().unwrap();
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match fastrand::u8(..5) {
            // Dropped unused, with fifty more. They are small.
            0 => (0..50).for_each(|_| drop(world.builder("churn").build().unwrap())),
            // Dropped during an exchange.
            1 => drop(timeout(Duration::from_millis(fastrand::u64(..40)), provider.refresh()).await),
            // Shut down during an exchange.
            2 => {
                drop(timeout(Duration::from_millis(fastrand::u64(..40)), provider.refresh()).await);
                provider.shutdown().await;
            }
            // The client is the last handle.
            3 => {
                let client = Client::new(&provider.install(world.home.sdk_config()));
                drop(provider);
                drop(timeout(Duration::from_secs(5), client.get_caller_identity().send()).await);
            }
            _ => chain(&provider).await,
        }
    }
}

/// Makes a chained role, which then holds the last handle of its base.
async fn chain(provider: &WebIdentityCredentialsProvider) {
    let chained = provider.assume_role(CHAINED_ROLE).build().unwrap();
    drop(timeout(Duration::from_secs(5), chained.refresh()).await);
}
