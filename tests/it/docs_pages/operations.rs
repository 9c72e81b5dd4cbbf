//! The page `docs::operations` lists each warning, and its manifest mounts the token that it names.

use std::fs;

use serde_norway::Value;

use super::{rust_files, squeezed, src};

#[test]
fn each_warning_is_on_the_page() {
    let page = squeezed(&page());
    let mut found = 0;
    for file in rust_files(&src(), &["test_util", "tests"]) {
        let source = fs::read_to_string(&file).unwrap();
        for text in warnings(&source) {
            // The text before the explanation.
            let text = squeezed(&text.replace("\\\n", " "));
            let head = text.split([',', ':', ';']).next().unwrap();
            assert!(page.contains(&format!("| `{head}")), "{}: {head:?} is not on the page", file.display());
            found += 1;
        }
    }
    assert!(found > 10, "too few warnings found: {found}");
}

#[test]
fn manifest_on_page_mounts_the_token_it_names() {
    let page = page();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let pod: Value = serde_norway::from_str(rest.split_once("```").unwrap().0).unwrap();
    let spec = &pod["spec"];
    let (container, volume) = (&spec["containers"][0], &spec["volumes"][0]);
    let mount = &container["volumeMounts"][0];
    assert_eq!(mount["name"], volume["name"]);
    assert!(mount.get("subPath").is_none());
    let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
    let file = format!("{}/{}", mount["mountPath"].as_str().unwrap(), token["path"].as_str().unwrap());
    let variables = container["env"].as_sequence().unwrap();
    let named = variables.iter().find(|variable| variable["name"] == "AWS_WEB_IDENTITY_TOKEN_FILE").unwrap();
    assert_eq!(named["value"].as_str(), Some(file.as_str()));
    assert_eq!(token["audience"].as_str(), Some("sts.amazonaws.com"));
}

/// The page without comment markers.
fn page() -> String {
    let page = fs::read_to_string(src().join("docs/operations.rs")).unwrap();
    page.lines()
        .map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// The messages of `warn!` and `error!`: the last literal in each.
fn warnings(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut found = Vec::new();
    for name in ["tracing::warn!(", "tracing::error!("] {
        for call in source.split(name).skip(1) {
            // Every second part is a literal. The call ends with its closing bracket.
            let mut depth = 1;
            let mut message = None;
            for (index, part) in call.split('"').enumerate() {
                if index % 2 == 1 {
                    message = Some(part);
                    continue;
                }
                for bracket in part.chars().filter(|c| "()".contains(*c)) {
                    depth += if bracket == '(' { 1 } else { -1 };
                    if depth == 0 {
                        break;
                    }
                }
                if depth == 0 {
                    break;
                }
            }
            found.push(message.expect("a warning has a message").to_owned());
        }
    }
    found
}
