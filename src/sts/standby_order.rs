//! The order in which endpoints are asked: home first, and the standbys in an outage. Pure: no client, no clock.

/// Endpoints are numbers: home is 0, the standbys follow in their order.
#[derive(Clone, Debug)]
pub(super) struct StandbyOrder {
    /// Endpoints that are not asked again in this process. Never home.
    excluded: Vec<bool>,
    /// The endpoint of the last exchange.
    at: usize,
    /// Number of outages in a row.
    outages: u32,
}

/// The outcome of an exchange, as far as it concerns the endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// STS answered, with credentials or an error. Another endpoint would answer the same.
    Answered,
    /// The endpoint cannot be reached, or fails.
    Outage,
    /// STS does not know the token's issuer. At a standby this counts as an outage, since another region may know the issuer.
    UnknownIssuer,
    /// STS is not activated for the account. A standby is not asked again after this.
    Disabled,
}

impl StandbyOrder {
    pub(super) fn new(standbys: usize) -> Self {
        Self { excluded: vec![false; standbys + 1], at: HOME, outages: 0 }
    }

    /// The endpoint of the next exchange. With valid credentials nobody waits, so home gets a second try.
    pub(super) fn next(&mut self, valid: bool) -> usize {
        let tries_at_home = if valid { TRIES_AT_HOME } else { TRIES_AT_HOME_WITHOUT_CREDENTIALS };
        if self.outages == 0 || (self.at == HOME && self.outages < tries_at_home) {
            self.at = HOME;
        } else {
            let all = self.excluded.len();
            let mut following = (1..=all).map(|step| (self.at + step) % all);
            self.at = following.find(|&endpoint| !self.excluded[endpoint]).unwrap_or(HOME);
        }
        self.at
    }

    /// Counts the outcome of the exchange with the endpoint that `next` returned.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        let at_standby = self.at != HOME;
        let is_outage = match outcome {
            Outcome::Answered => false,
            Outcome::Outage => true,
            Outcome::UnknownIssuer | Outcome::Disabled => at_standby,
        };
        self.outages = if is_outage { self.outages.saturating_add(1) } else { 0 };
        self.excluded[self.at] |= at_standby && outcome == Outcome::Disabled;
    }
}

pub(super) const HOME: usize = 0;
/// One failure may be a dropped packet.
const TRIES_AT_HOME: u32 = 2;
const TRIES_AT_HOME_WITHOUT_CREDENTIALS: u32 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Outcome::{Answered, Disabled, Outage, UnknownIssuer};
    use super::*;

    /// The endpoints of exchanges that end with these outcomes, and the endpoint after them.
    fn endpoints(standbys: usize, valid: bool, outcomes: &[Outcome]) -> Vec<usize> {
        let mut order = StandbyOrder::new(standbys);
        let mut asked = Vec::new();
        for &outcome in outcomes {
            asked.push(order.next(valid));
            order.ended(outcome);
        }
        asked.push(order.next(valid));
        asked
    }

    #[test]
    fn outage_asks_each_endpoint_in_turn() {
        assert_eq!(endpoints(2, true, &[Outage; 8]), [0, 0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(
            endpoints(2, false, &[Outage; 8]),
            [0, 1, 2, 0, 1, 2, 0, 1, 2],
            "without valid credentials home gets one try"
        );
        assert_eq!(endpoints(1, true, &[Outage; 5]), [0, 0, 1, 0, 1, 0]);
        assert_eq!(endpoints(0, false, &[Outage; 3]), [0; 4], "there is no standby");
    }

    #[test]
    fn expiry_in_an_outage_skips_no_standby() {
        let mut order = StandbyOrder::new(2);
        let mut fail = |valid| {
            let endpoint = order.next(valid);
            order.ended(Outage);
            endpoint
        };
        assert_eq!([fail(true), fail(false), fail(false), fail(false), fail(false)], [0, 1, 2, 0, 1]);
    }

    #[test]
    fn answer_leads_back_home() {
        assert_eq!(endpoints(2, false, &[Outage, Answered]), [0, 1, 0]);
        assert_eq!(endpoints(2, true, &[Outage, Outage, Answered, Outage]), [0, 0, 1, 0, 0]);
        assert_eq!(endpoints(2, true, &[Outage, Answered, Outage, Answered]), [0; 5], "an answer resets the count");
    }

    #[test]
    fn disabled_standby_is_not_asked_again() {
        assert_eq!(endpoints(2, false, &[Outage, Disabled, Outage, Outage, Outage]), [0, 1, 2, 0, 2, 0]);
        assert_eq!(endpoints(1, false, &[Outage, Disabled, Outage]), [0, 1, 0, 0]);
        assert_eq!(endpoints(1, false, &[Disabled, Outage]), [0, 0, 1], "home is never excluded");
    }

    #[test]
    fn standby_without_our_issuer_is_skipped_once() {
        assert_eq!(
            endpoints(2, false, &[Outage, UnknownIssuer, Outage, Outage]),
            [0, 1, 2, 0, 1],
            "it is asked again in the next round"
        );
        assert_eq!(endpoints(2, true, &[UnknownIssuer, Outage, UnknownIssuer]), [0; 4], "at home this is an answer");
    }

    #[test]
    fn lost_exchange_does_not_count() {
        let mut order = StandbyOrder::new(2);
        assert_eq!([order.next(true), order.next(true)], [0, 0]);
    }

    proptest! {
        #[test]
        fn outage_asks_each_endpoint_within_one_round(
            standbys in 0..6_usize,
            history in prop::collection::vec((any::<bool>(), prop::sample::select(vec![Answered, Outage, UnknownIssuer, Disabled])), 0..60),
        ) {
            let mut order = StandbyOrder::new(standbys);
            for (valid, outcome) in history {
                let endpoint = order.next(valid);
                prop_assert!(!order.excluded[endpoint] && endpoint <= standbys);
                order.ended(outcome);
            }
            let left = order.excluded.iter().filter(|excluded| !**excluded).count();
            let mut asked: Vec<usize> = (0..=left + 1).map(|_| { let endpoint = order.next(true); order.ended(Outage); endpoint }).collect();
            asked.sort_unstable();
            asked.dedup();
            prop_assert_eq!(asked.len(), left);
        }
    }
}
