//! The STS of one contender.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_web_identity::test_util::{MockSts, OidcIssuer, TrustedRole};

use crate::scenario::Scenario;

#[derive(Clone)]
pub(crate) struct Sts {
    pub(crate) mock: MockSts,
    latency: Duration,
    lifetime: Duration,
}

/// Credentials, with the times of their exchange and expiry.
pub(crate) struct Grant {
    pub(crate) key: String,
    pub(crate) asked: SystemTime,
    pub(crate) given: SystemTime,
    pub(crate) ends: SystemTime,
}

impl Sts {
    pub(crate) async fn start(issuer: &OidcIssuer, scenario: &Scenario) -> Self {
        let mock = MockSts::builder().issuer(issuer).role(TrustedRole::new(ROLE)).start().await;
        mock.set_session_length(scenario.lifetime);
        mock.set_latency(scenario.sts_latency);
        Self { mock, latency: scenario.sts_latency, lifetime: scenario.lifetime }
    }

    pub(crate) fn grants(&self) -> Vec<Grant> {
        let granted = self.mock.calls().into_iter().filter(|call| call.status == Some(200));
        granted
            .filter_map(|call| {
                let given = call.at + self.latency;
                // STS gives the expiry in whole seconds.
                let second = given.duration_since(UNIX_EPOCH).ok()?.as_secs();
                let ends = UNIX_EPOCH + Duration::from_secs(second) + self.lifetime;
                Some(Grant { key: call.access_key_id?, asked: call.at, given, ends })
            })
            .collect()
    }

    pub(crate) fn calls(&self) -> usize {
        self.mock.calls().len()
    }
}

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/checkout";
