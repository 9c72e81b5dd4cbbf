//! Which of several STS an exchange goes to. Pure: no client, no clock.

/// Home, and the standbys in their order.
#[derive(Clone, Debug)]
pub(super) struct Rota {
    /// One for each place, home first: no longer asked, for the life of the process.
    gone: Vec<bool>,
    /// Where the last exchange went.
    at: usize,
    /// Exchanges in a row that found nobody at home, or at a standby.
    outages: u32,
}

/// What an exchange says of the place that it went to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// STS, whatever it said.
    Sts,
    /// None: it cannot be reached, or fails.
    Outage,
    /// An STS that does not know the token's issuer, which may be for its region alone. At home that is an answer.
    Unknown,
    /// An STS that is switched off for this account.
    Disabled,
}

impl Rota {
    pub(super) fn new(standbys: usize) -> Self {
        Self { gone: vec![false; standbys + 1], at: HOME, outages: 0 }
    }

    /// Where the next exchange goes. `usable`: nobody can be waiting for it.
    pub(super) fn next(&mut self, usable: bool) -> usize {
        let patience = if usable { PATIENCE } else { PATIENCE_WITHOUT };
        self.at = match (self.outages, self.at) {
            (0, _) => HOME,
            (outages, HOME) if outages < patience => HOME,
            (_, at) => self.after(at),
        };
        self.at
    }

    /// How the exchange ended that went to the last place given.
    pub(super) fn ended(&mut self, found: Found) {
        match found {
            // An answer is not a reason to ask elsewhere: it would be the same there.
            Found::Sts => self.outages = 0,
            Found::Unknown | Found::Disabled if self.at == HOME => self.outages = 0,
            Found::Outage | Found::Unknown | Found::Disabled => self.outages = self.outages.saturating_add(1),
        }
        self.gone[self.at] |= found == Found::Disabled && self.at != HOME;
    }

    fn after(&self, at: usize) -> usize {
        let places = self.gone.len();
        (1..=places).map(|step| (at + step) % places).find(|&place| !self.gone[place]).unwrap_or(HOME)
    }
}

pub(super) const HOME: usize = 0;
/// One failure may be a dropped packet.
const PATIENCE: u32 = 2;
const PATIENCE_WITHOUT: u32 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Found::{Disabled, Outage, Sts, Unknown};
    use super::*;

    /// The places that exchanges go to which end like this, and the place after them.
    fn way(standbys: usize, usable: bool, ends: &[Found]) -> Vec<usize> {
        let mut rota = Rota::new(standbys);
        let mut places = Vec::new();
        for &found in ends {
            places.push(rota.next(usable));
            rota.ended(found);
        }
        places.push(rota.next(usable));
        places
    }

    #[test]
    fn an_outage_leads_to_each_standby_in_turn_then_home_and_around_again() {
        assert_eq!(way(2, true, &[Outage; 8]), [0, 0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(way(2, false, &[Outage; 8]), [0, 1, 2, 0, 1, 2, 0, 1, 2], "at once where nothing is usable");
        assert_eq!(way(1, true, &[Outage; 5]), [0, 0, 1, 0, 1, 0]);
        assert_eq!(way(0, false, &[Outage; 3]), [0; 4], "there is no other place");
    }

    #[test]
    fn an_expiry_amid_an_outage_loses_no_patience_and_skips_no_standby() {
        let mut rota = Rota::new(2);
        let mut go = |usable| {
            let place = rota.next(usable);
            rota.ended(Outage);
            place
        };
        assert_eq!([go(true), go(false), go(false), go(false), go(false)], [0, 1, 2, 0, 1]);
    }

    #[test]
    fn whatever_sts_says_the_next_exchange_is_at_home() {
        assert_eq!(way(2, false, &[Outage, Sts]), [0, 1, 0]);
        assert_eq!(way(2, true, &[Outage, Outage, Sts, Outage]), [0, 0, 1, 0, 0]);
        assert_eq!(way(2, true, &[Outage, Sts, Outage, Sts]), [0; 5], "failures in a row, not in all");
    }

    #[test]
    fn a_standby_that_is_switched_off_is_not_asked_again() {
        assert_eq!(way(2, false, &[Outage, Disabled, Outage, Outage, Outage]), [0, 1, 2, 0, 2, 0]);
        assert_eq!(way(1, false, &[Outage, Disabled, Outage]), [0, 1, 0, 0]);
        assert_eq!(way(1, false, &[Disabled, Outage]), [0, 0, 1], "home is never out, and there it is an answer");
    }

    #[test]
    fn a_standby_without_our_issuer_is_passed_over() {
        assert_eq!(way(2, false, &[Outage, Unknown, Outage, Outage]), [0, 1, 2, 0, 1], "and asked again in its turn");
        assert_eq!(way(2, true, &[Unknown, Outage, Unknown]), [0; 4], "at home it is an answer");
    }

    #[test]
    fn an_exchange_that_was_lost_does_not_count() {
        let mut rota = Rota::new(2);
        assert_eq!([rota.next(true), rota.next(true)], [0, 0]);
    }

    proptest! {
        #[test]
        fn any_outage_asks_each_place_that_is_left_within_one_round(
            standbys in 0..6_usize,
            history in prop::collection::vec((any::<bool>(), prop::sample::select(vec![Sts, Outage, Unknown, Disabled])), 0..60),
        ) {
            let mut rota = Rota::new(standbys);
            for (usable, found) in history {
                let place = rota.next(usable);
                prop_assert!(!rota.gone[place] && place <= standbys);
                rota.ended(found);
            }
            let left = rota.gone.iter().filter(|gone| !**gone).count();
            let mut asked: Vec<usize> = (0..=left + 1).map(|_| { let place = rota.next(true); rota.ended(Outage); place }).collect();
            asked.sort_unstable();
            asked.dedup();
            prop_assert_eq!(asked.len(), left);
        }
    }
}
