//! A reviewed text in a file.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Snapshot {
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl Snapshot {
    /// How the text differs from its file, if it does. With `BLESS` in the environment the file is written.
    pub(super) fn differs(&self) -> Option<String> {
        let path = directory().join(format!("{}.txt", self.name));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &self.text).unwrap();
            return None;
        }
        let reviewed = fs::read_to_string(&path).unwrap_or_default();
        (reviewed != self.text)
            .then(|| format!("{} (BLESS=1 writes it):\n{}", path.display(), diff(&reviewed, &self.text)))
    }
}

/// Snapshot files without a scenario.
pub(super) fn strangers(names: &[&str]) -> Vec<String> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let of_no_scenario = texts.filter(|path| !names.contains(&path.file_stem().unwrap().to_str().unwrap()));
    of_no_scenario.map(|path| format!("{} is of no scenario", path.display())).collect()
}

/// The lines that only one of the texts has.
fn diff(old: &str, new: &str) -> String {
    let only = |sign, lines: &str, others: &str| -> String {
        let others: Vec<_> = others.lines().collect();
        lines.lines().filter(|line| !others.contains(line)).map(|line| format!("{sign} {line}\n")).collect()
    };
    only('-', old, new) + &only('+', new, old)
}

fn directory() -> PathBuf {
    Path::new(crate::ROOT).join("tests/it/diagnosis")
}
