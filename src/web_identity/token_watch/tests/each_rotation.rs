//! Each way in which a token file is replaced, with file events and with polling alone.

use std::io;
use std::path::Path;

use super::rig::{Hints, Rig, token, until};
use crate::web_identity::testing::rotations::{
    Place, behind_links, in_place, late, moved_away, other_links, other_target, removed, rename_over, swap,
};

macro_rules! ways {
    ($($name:ident: $way:expr, $mend:expr;)*) => {
        mod by_file_events {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                follow(Hints::Events, $mend, $way).await;
            })*
        }

        mod by_polling_alone {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                follow(Hints::Polling, $mend, $way).await;
            })*
        }
    };
}

ways! {
    p6_a_kubelets_swap: swap, Events;
    p6_a_write_in_place: in_place, Events;
    p6_a_rename_over_the_file: rename_over, Events;
    p6_a_swap_behind_a_chain_of_links: behind_links, Events;
    p6_a_link_that_is_led_elsewhere: other_target, Events;
    p6_two_links_that_are_led_elsewhere_in_turn: other_links, Events;
    p6_a_directory_removed_and_made_again: removed, FrequentPolls;
    p6_a_directory_moved_away_and_made_again: moved_away, FrequentPolls;
    p6_a_mount_that_comes_late: late, FrequentPolls;
}

#[derive(Eq, PartialEq)]
enum Mend {
    /// There is a token from the start, and events announce each rotation.
    Events,
    /// The watch must be renewed, and the next poll renews it.
    FrequentPolls,
}
use Mend::{Events, FrequentPolls};

async fn follow(hints: Hints, mend: Mend, way: fn(&Path) -> io::Result<Place>) {
    let home = tempfile::tempdir().unwrap();
    let (file, mut write) = way(home.path()).unwrap();
    let events = hints == Hints::Events;
    if mend == Events {
        write(0, &token(0)).unwrap();
    }
    let mut rig = Rig::new(&file, hints);
    if mend == Events {
        assert_eq!(rig.read().await, token(0));
    } else {
        assert!(rig.watch.read(drop).await.is_err());
    }
    for number in 1..=ROTATIONS {
        rig.rest().await;
        if events && mend == Events {
            assert!(rig.watch.state().schedule.events_work(), "only an event can announce this rotation");
        }
        write(number, &token(number)).unwrap();
        rig.until(&token(number)).await;
    }
    until(|| rig.watch.state().schedule.events_work() == events).await;
    rig.rest().await;
    let newest = token(UNDISTURBED);
    write(UNDISTURBED, &newest).unwrap();
    rig.until(&newest).await;
}

const ROTATIONS: usize = 8;
/// Number of a rotation that needs no new watch.
const UNDISTURBED: usize = 9;
