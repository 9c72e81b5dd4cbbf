//! The diagnosis of misconfigured worlds: the whole output of `whoami` and `doctor`, one file for each world.
//!
//! A file in `tests/it/diagnosis` begins with a statement of its world and the environment. Then come the outputs of
//! `whoami`, of `doctor`, and of aws-config's own chain in the same world. A plain run compares and shows what differs.
//!
//! `cargo build --workspace --all-features --bins --examples && BLESS=1 cargo test --workspace --all-features --test it diagnosis` writes the files anew;
//! review what changed. Each world names phrases, the cause and the remedy, that no blessing can lose.
//! `WORLD=part-of-a-name` runs some of the worlds.

mod misconfigured_pods;
mod pod;
mod servers;
mod snapshot;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::pod::World;
use self::snapshot::Snapshot;
use crate::rig::skipped;

#[tokio::test(flavor = "multi_thread")]
async fn each_world_names_its_cause_and_remedy() {
    let chosen = std::env::var("WORLD").unwrap_or_default();
    let mut running = JoinSet::new();
    for world in misconfigured_pods::all().await {
        if !world.pod.is_possible() {
            skipped(format_args!("{} cannot be set up on this machine", world.name));
        } else if world.name.contains(&chosen) {
            running.spawn(async move { examine(&world).await });
        }
    }
    let mut faults: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    if chosen.is_empty() {
        faults.extend(snapshot::strangers(misconfigured_pods::NAMES));
    }
    faults.sort();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The faults that were found.
async fn examine(world: &World) -> Vec<String> {
    static TURNS: Semaphore = Semaphore::const_new(6);
    // The first waits more than it works. The others would hardly be in time if all worked at once.
    let (whoami, (doctor, peer)) = tokio::join!(world.pod.whoami(), async {
        let _turn = TURNS.acquire().await;
        tokio::join!(world.pod.doctor(), world.pod.aws_config())
    });
    let mut faults = Vec::new();
    for (program, output, phrases) in [("whoami", &whoami, world.whoami), ("doctor", &doctor, world.doctor)] {
        for phrase in phrases.iter().filter(|phrase| !output.contains(**phrase)) {
            faults.push(format!("{}: {program} does not say {phrase:?}, but\n{output}", world.name));
        }
    }
    let text = format!("{}\n\n{whoami}\n{doctor}\n{peer}", world.head());
    faults.extend(Snapshot { name: world.name, text }.differs());
    faults
}
