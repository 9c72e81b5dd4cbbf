//! The README as crates.io shows it: away from the repository.

use std::fs;
use std::path::Path;

use regex_lite::Regex;

/// Relative links and pictures are resolved through `repository` of Cargo.toml, so they must name what is in it.
#[test]
fn each_link_of_the_readme_leads_somewhere() {
    let root = Path::new(crate::ROOT);
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
    let (mut files, mut pages) = (0, 0);
    for target in link.captures_iter(&readme).map(|found| found.get(1).unwrap().as_str()) {
        if let Some(page) = target.strip_prefix(DOCS) {
            let page = page.strip_suffix('/').unwrap_or("mod");
            assert!(root.join(format!("src/docs/{page}.rs")).exists(), "{target}");
            pages += 1;
        } else if !target.starts_with("https://") {
            assert!(root.join(target).exists(), "{target}");
            files += 1;
        }
    }
    assert!(files > 5 && pages > 5, "{files} files, {pages} pages");
}

const DOCS: &str = "https://docs.rs/aws-web-identity/latest/aws_web_identity/docs/";
