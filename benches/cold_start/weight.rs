//! The cost of a dependency: number of crates, time of a clean build, size of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use crate::support::report;

/// A program that calls `GetCallerIdentity`, with one set of dependencies.
struct Program {
    name: &'static str,
    dependencies: &'static str,
    main: &'static str,
}

const STS: &str = r#"
aws-sdk-sts = { version = "1.124.0", default-features = false, features = ["default-https-client", "rt-tokio"] }
tokio = { version = "1.50.0", features = ["macros", "rt-multi-thread"] }
"#;

const AWS_CONFIG: Program = Program {
    name: "aws-config",
    dependencies: r#"aws-config = "1.8.0""#,
    main: "let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;",
};

const AWS_CONFIG_LEAN: Program = Program {
    name: "aws-config without default features",
    dependencies: r#"aws-config = { version = "1.8.0", default-features = false, features = ["default-https-client", "rt-tokio"] }"#,
    main: AWS_CONFIG.main,
};

const OURS: Program = Program {
    name: "ours",
    dependencies: r#"aws-web-identity = { path = "HERE" }
aws-types = "1.7.0""#,
    main: r#"let base = aws_types::SdkConfig::builder().region(aws_types::region::Region::new("eu-central-1"))
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest()).build();
    let identity = aws_web_identity::WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
    let config = identity.install(base);"#,
};

const OURS_BESIDE_AWS_CONFIG: Program = Program {
    name: "ours beside aws-config without default features",
    dependencies: r#"aws-web-identity = { path = "HERE" }
aws-config = { version = "1.8.0", default-features = false, features = ["default-https-client", "rt-tokio"] }"#,
    main: "let base = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let identity = aws_web_identity::WebIdentityCredentialsProvider::builder().configure(&base).connect().await?;
    let config = identity.install(base);",
};

const PROGRAMS: [Program; 4] = [AWS_CONFIG, AWS_CONFIG_LEAN, OURS, OURS_BESIDE_AWS_CONFIG];

pub(crate) fn report_crates() {
    let mut trees = Vec::new();
    for program in &PROGRAMS {
        let directory = program.written();
        let tree = crates(directory.path());
        match &tree {
            Ok(tree) => report(format!("crates in the tree/{}", program.name), tree.len()),
            Err(error) => report(format!("crates in the tree/{}", program.name), format!("not known ({error})")),
        }
        trees.push(tree);
    }
    if let [_, Ok(without), _, Ok(with)] = &trees[..] {
        let new: Vec<_> = with.difference(without).filter(|name| *name != env!("CARGO_PKG_NAME")).collect();
        report("crates new to a user of aws-config and aws-sdk-sts", new.len());
        for name in new {
            report("new crate", name);
        }
    }
}

pub(crate) fn report_builds() {
    for program in &PROGRAMS {
        let directory = program.written();
        // Download sources before the clock starts.
        succeeded(cargo(directory.path(), &["fetch"])).unwrap();
        let began = Instant::now();
        succeeded(cargo(directory.path(), &["build", "--release"])).unwrap();
        report(format!("clean release build, s/{}", program.name), began.elapsed().as_secs());
        let size = fs::metadata(directory.path().join("target/release/program")).unwrap().len();
        report(format!("stripped binary, KiB/{}", program.name), size / 1024);
    }
}

impl Program {
    /// Writes the program as a package in a new directory, with the versions of our lock file.
    fn written(&self) -> tempfile::TempDir {
        let here = env!("CARGO_MANIFEST_DIR");
        let directory = tempfile::tempdir().unwrap();
        let manifest = format!(
            "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[profile.release]\nstrip = true\n\
             [workspace]\n[dependencies]\n{}{STS}",
            self.dependencies.replace("HERE", here)
        );
        let main = format!(
            "#[tokio::main]\nasync fn main() -> Result<(), Box<dyn std::error::Error>> {{\n    {}\n    let client = \
             aws_sdk_sts::Client::new(&config);\n    println!(\"{{:?}}\", client.get_caller_identity().send().await?);\n    \
             Ok(())\n}}\n",
            self.main
        );
        fs::create_dir(directory.path().join("src")).unwrap();
        fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
        fs::write(directory.path().join("src/main.rs"), main).unwrap();
        // A published crate has no lock file.
        if let Ok(lock) = fs::read(Path::new(here).join("Cargo.lock")) {
            fs::write(directory.path().join("Cargo.lock"), lock).unwrap();
        }
        directory
    }
}

/// The names of all crates that the program depends on.
fn crates(directory: &Path) -> Result<BTreeSet<String>, String> {
    let tree = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let offline = [&tree[..], &["--offline"]].concat();
    let output = succeeded(cargo(directory, &offline)).or_else(|_| succeeded(cargo(directory, &tree)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty());
    Ok(names.filter(|name| *name != "program").map(str::to_owned).collect())
}

fn cargo(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(directory).env("CARGO_TARGET_DIR", directory.join("target")).args(arguments);
    command.output().unwrap()
}

fn succeeded(output: Output) -> Result<Output, String> {
    if output.status.success() {
        return Ok(output);
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("cargo failed").to_owned())
}
