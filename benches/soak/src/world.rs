//! A world: a volume with a token, an STS and its standby.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_web_identity::test_util::{AssumableRole, MockSts, OidcIssuer, ProjectedVolume, TokenSpec, TrustedRole};
use aws_web_identity::{Builder, WebIdentityCredentialsProvider};
use tempfile::TempDir;

use crate::plan::Plan;

pub(crate) struct World {
    pub(crate) number: usize,
    pub(crate) home: MockSts,
    pub(crate) standby: MockSts,
    /// How far the clock of its STS is ahead of this machine's, in seconds.
    pub(crate) clock_offset: i64,
    pub(crate) directory: TempDir,
    issuer: OidcIssuer,
    /// Rejected keys, and when they were first rejected.
    rejected: Mutex<HashMap<String, SystemTime>>,
}

impl World {
    pub(crate) async fn start(number: usize, plan: &Plan, issuer: &OidcIssuer, clock_offset: i64) -> Self {
        let builder = MockSts::builder().issuer(issuer).role(TrustedRole::new(ROLE));
        let home = builder.assumable_role(AssumableRole::new(CHAINED_ROLE).principal(ROLE)).start().await;
        let standby = home.another_region().await;
        for sts in [&home, &standby] {
            sts.set_latency(LATENCY);
            sts.set_session_length(plan.session);
            sts.set_clock_offset(clock_offset);
        }
        // In memory, like the kubelet's volumes.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let world =
            Self { number, home, standby, clock_offset, directory, issuer: issuer.clone(), rejected: Mutex::default() };
        world.rotate();
        world
    }

    /// Writes a new token, like the kubelet. Makes the directory again if it has vanished.
    pub(crate) fn rotate(&self) {
        // Issued early enough for an STS whose clock is behind.
        let spec =
            TokenSpec::service_account("shop", "checkout").issued_at(SystemTime::now() - Duration::from_secs(900));
        let volume = ProjectedVolume::new(self.volume()).unwrap();
        volume.write(self.issuer.mint(spec.lifetime(Duration::from_secs(3600)))).unwrap();
    }

    pub(crate) fn remove_volume(&self) {
        fs::remove_dir_all(self.volume()).unwrap();
    }

    pub(crate) fn token_path(&self) -> PathBuf {
        self.volume().join("token")
    }

    fn volume(&self) -> PathBuf {
        self.directory.path().join("serviceaccount")
    }

    /// Callers wait for 3 s only, so that they notice an outage.
    pub(crate) fn builder(&self, session_name: &str) -> Builder {
        WebIdentityCredentialsProvider::builder()
            .configure(&self.home.sdk_config())
            .role_arn(ROLE)
            .token_file(self.token_path())
            .session_name(session_name)
            .attempt_timeout(ATTEMPT)
            .wait_timeout(Duration::from_secs(3))
    }

    /// aws-config's provider trusts the clock of this machine, also when it is wrapped.
    pub(crate) fn has_wrapped(&self) -> bool {
        self.clock_offset == 0
    }

    /// Makes services reject the key from now on.
    pub(crate) fn reject(&self, key: &str) {
        self.rejections().entry(key.to_owned()).or_insert_with(SystemTime::now);
        self.home.reject_key(key, "ExpiredToken");
    }

    pub(crate) fn had_rejected(&self, key: &str, by: SystemTime) -> bool {
        self.rejections().get(key).is_some_and(|since| *since <= by)
    }

    fn rejections(&self) -> MutexGuard<'_, HashMap<String, SystemTime>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Converts a time of its STS's clock to this machine's clock.
    pub(crate) fn here(&self, at: SystemTime) -> SystemTime {
        let by = Duration::from_secs(self.clock_offset.unsigned_abs());
        if self.clock_offset < 0 { at + by } else { at - by }
    }
}

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/checkout";
pub(crate) const CHAINED_ROLE: &str = "arn:aws:iam::210987654321:role/lake";
/// Time limit of an attempt.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(3);
/// Latency of STS.
const LATENCY: Duration = Duration::from_millis(20);
