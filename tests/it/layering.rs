//! The rooms of `src`: imports point down, adapters do not import each other, and one file reads the clocks.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top down. Rooms on one line do not import each other.
const LAYERS: &[&[&str]] = &[
    &["builder"],
    &["adapters"],
    &["environment", "provider"],
    &["assume_role", "web_identity", "wrapped_provider"],
    &["sts"],
    &["refresh"],
    &["blocking_threads", "locks", "rejection_codes", "scrub"],
    &["error"],
];

#[test]
fn imports_point_down() {
    let mut checked = 0;
    for (file, source) in sources() {
        let room = room_of(&file);
        let Some(layer) = layer_of(&room) else { continue };
        // This test cannot follow such paths.
        for way_round in ["crate::{", "super::super::"] {
            assert!(!production(&source).contains(way_round), "{}: {way_round}", file.display());
        }
        for line in production(&source).lines() {
            for path in line.split("crate::").skip(1) {
                let other: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // A documentation link may name any room.
                let Some(below) = layer_of(&other).filter(|_| !line.trim_start().starts_with("//")) else { continue };
                assert!(
                    room == other || below > layer,
                    "{}: {room} does not stand above {other}: {}",
                    file.display(),
                    line.trim()
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 25, "too few imports found: {checked}");
}

#[test]
fn adapters_do_not_import_each_other() {
    let adapters: Vec<_> = sources().into_iter().filter(|(file, _)| room_of(file) == "adapters").collect();
    assert!(adapters.len() > 4);
    for (file, source) in adapters.iter().filter(|(file, _)| !file.ends_with("src/adapters.rs")) {
        for way in ["super::", "crate::adapters"] {
            assert!(!production(source).contains(way), "{}: {way}", file.display());
        }
    }
}

#[test]
fn every_module_has_a_layer() {
    let lib = fs::read_to_string(root().join("lib.rs")).unwrap();
    let modules =
        lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let outside: Vec<_> = modules.filter(|module| layer_of(module).is_none()).collect();
    assert_eq!(outside, ["docs", "fuzzing", "test_util"]);
}

#[test]
fn p7_only_the_clock_file_reads_time() {
    for (file, source) in sources() {
        let imports_tokio_clock = source.contains("use tokio::time::{") || source.contains("use tokio::time::Instant");
        for line in production(&source).lines() {
            let name = file.file_name().unwrap();
            assert!(!line.contains("SystemTime::now()") || name == "clock.rs", "{}: {}", file.display(), line.trim());
            // These files may read Tokio's clock, which tests can pause.
            let readers = [
                "web_identity/token_source/source_client.rs",
                "web_identity/expired_token.rs",
                "web_identity/token_file.rs",
                "web_identity/token_watch.rs",
                "sts/endpoints.rs",
            ];
            let is_reader = readers.iter().any(|reader| file.ends_with(reader));
            let may = name == "clock.rs" || (is_reader && imports_tokio_clock);
            assert!(!line.contains("Instant::now()") || may, "{}: {}", file.display(), line.trim());
        }
    }
}

#[test]
fn internal_dependencies_stay_in_their_rooms() {
    for (file, source) in sources() {
        let room = room_of(&file);
        for (name, owners) in [("arc_swap", &["refresh", "adapters"][..]), ("notify::", &["web_identity"])] {
            let names = production(&source).lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//") && line.starts_with("use ") && line.contains(name)
            });
            assert!(!names || owners.contains(&room.as_str()), "{}: only {owners:?} may import {name}", file.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(crate::ROOT).join("src")
}

/// All files of `src` except the kit, tests and recipes.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !["recipes", "test_util", "tests"].contains(&name.as_str()) {
                    directories.push(path);
                }
            } else if name.ends_with(".rs") && !["test_util.rs", "tests.rs"].contains(&name.as_str()) {
                let source = fs::read_to_string(&path).unwrap();
                found.push((path, source));
            }
        }
    }
    assert!(found.len() > 25, "too few files found");
    found
}

/// The source without the unit tests at its end.
fn production(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or(source)
}

fn room_of(file: &Path) -> String {
    let first = file.strip_prefix(root()).unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).with_extension("").to_str().unwrap().to_owned()
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}
