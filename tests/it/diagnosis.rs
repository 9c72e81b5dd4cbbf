//! Diagnosis of misconfigured pods: the whole output of `whoami` and `doctor`, one file for each scenario.
//!
//! A file in `tests/it/diagnosis` begins with a statement of the fault and the environment. The outputs of `whoami`, of
//! `doctor`, and of `aws-config`'s own chain follow. A plain run compares them and shows what differs.
//!
//! `cargo build --workspace --all-features --bins --examples && BLESS=1 cargo test --workspace --all-features --test it
//! diagnosis` writes the files anew: review what changed. Each scenario names phrases, the cause and the remedy, that
//! its output must contain even then. `SCENARIO=part-of-a-name` runs some of them.

mod misconfigured_pods;
mod pod;
pub(crate) mod servers;
mod snapshot;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::pod::Scenario;
use self::snapshot::Snapshot;
use crate::support::skipped;

#[tokio::test(flavor = "multi_thread")]
async fn each_scenario_names_cause_and_remedy() {
    let chosen = std::env::var("SCENARIO").unwrap_or_default();
    let mut running = JoinSet::new();
    for scenario in misconfigured_pods::all().await {
        if !scenario.pod.is_possible() {
            skipped(format_args!("{} cannot be set up on this machine", scenario.name));
        } else if scenario.name.contains(&chosen) {
            running.spawn(async move { examine(&scenario).await });
        }
    }
    let mut faults: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    if chosen.is_empty() {
        faults.extend(snapshot::strangers(misconfigured_pods::NAMES));
    }
    faults.sort();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns what differs from the expectation.
async fn examine(scenario: &Scenario) -> Vec<String> {
    static TURNS: Semaphore = Semaphore::const_new(6);
    // `whoami` mostly waits. The others work, so only six run at once.
    let (whoami, (doctor, peer)) = tokio::join!(scenario.pod.whoami(), async {
        let _turn = TURNS.acquire().await;
        tokio::join!(scenario.pod.doctor(), scenario.pod.aws_config())
    });
    let mut faults = Vec::new();
    for (program, output, phrases) in [("whoami", &whoami, scenario.whoami), ("doctor", &doctor, scenario.doctor)] {
        for phrase in phrases.iter().filter(|phrase| !output.contains(**phrase)) {
            faults.push(format!("{}: {program} does not say {phrase:?}, but\n{output}", scenario.name));
        }
    }
    let text = format!("{}\n\n{whoami}\n{doctor}\n{peer}", scenario.head());
    faults.extend(Snapshot { name: scenario.name, text }.differs());
    faults
}
