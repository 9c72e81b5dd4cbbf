//! The documentation agrees with the code: README links and the pages `operations`, `troubleshooting` and `recipes`.

mod operations;
mod recipes;
mod troubleshooting;

use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

/// Relative links and pictures are resolved through `repository` of Cargo.toml, so they must name what is in it.
#[test]
fn readme_links_lead_somewhere() {
    let root = Path::new(crate::ROOT);
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
    let (mut files, mut pages) = (0, 0);
    for target in link.captures_iter(&readme).map(|found| found.get(1).unwrap().as_str()) {
        if let Some(page) = target.strip_prefix(DOCS) {
            let file = format!("docs/{}.rs", page.trim_end_matches('/'));
            let is_there = |file: &str| src().join(file).exists();
            assert!(
                if page.is_empty() { is_there("docs.rs") || is_there("docs/mod.rs") } else { is_there(&file) },
                "{target}"
            );
            pages += 1;
        } else if !target.starts_with("https://") {
            assert!(root.join(target).exists(), "{target}");
            files += 1;
        }
    }
    assert!(files > 5 && pages > 5, "{files} files, {pages} pages");
}

#[test]
fn paths_in_the_contributors_pages_exist() {
    let path = Regex::new(r"`((?:src|examples|benches|tests|\.ci|\.cargo)/[a-z0-9_./-]+)").unwrap();
    let mut paths = 0;
    for page in ["CONTRIBUTING.md", "SECURITY.md"] {
        let text = fs::read_to_string(Path::new(crate::ROOT).join(".github").join(page)).unwrap();
        for path in path.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()) {
            assert!(Path::new(crate::ROOT).join(path).exists(), "{page}: {path}");
            paths += 1;
        }
    }
    assert!(paths > 40, "{paths}");
}

const DOCS: &str = "https://docs.rs/aws-web-identity/latest/aws_web_identity/docs/";

fn src() -> PathBuf {
    Path::new(crate::ROOT).join("src")
}

/// The Rust files below a folder, without those whose name, with or without `.rs`, is in `except`.
fn rust_files(folder: &Path, except: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| !except.contains(&path.file_stem().unwrap().to_str().unwrap()))
        .flat_map(|path| if path.is_dir() { rust_files(&path, except) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

/// One space between words.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
