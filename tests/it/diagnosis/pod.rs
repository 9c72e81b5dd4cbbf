//! A scenario: the environment of a program, and the servers around it.

use std::any::Any;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use regex_lite::Regex;

use crate::support::example_program::example_path;
use crate::support::{ROLE, Rig};

pub(super) struct Scenario {
    /// Name of its file: the place and the fault.
    pub(super) name: &'static str,
    /// The fault, in a sentence or two.
    statement: &'static str,
    pub(super) pod: Pod,
    /// Phrases that `whoami` must print: the cause, then the remedy.
    pub(super) whoami: &'static [&'static str],
    /// The same for `doctor`.
    pub(super) doctor: &'static [&'static str],
}

impl Scenario {
    pub(super) fn new(statement: &'static str, pod: Pod) -> Self {
        Self { name: "", statement, pod, whoami: &[], doctor: &[] }
    }

    pub(super) fn whoami(mut self, phrases: &'static [&'static str]) -> Self {
        self.whoami = phrases;
        self
    }

    pub(super) fn doctor(mut self, phrases: &'static [&'static str]) -> Self {
        self.doctor = phrases;
        self
    }

    pub(super) fn named(mut self, name: &'static str) -> Self {
        assert!(!self.whoami.is_empty() && !self.doctor.is_empty(), "{name} has no phrases");
        self.name = name;
        self
    }

    /// The fault, and the environment in which it is.
    pub(super) fn head(&self) -> String {
        let variables = self.pod.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
        format!("{}\n\n{}", self.statement, self.pod.steady(variables.trim_end()))
    }
}

/// Where the programs run.
pub(super) struct Pod {
    variables: Vec<(&'static str, String)>,
    uid: Option<u32>,
    has_names: bool,
    /// Texts that differ from run to run, each with its placeholder.
    placeholders: Vec<(String, &'static str)>,
    _alive: Vec<Box<dyn Any + Send + Sync>>,
}

impl Pod {
    /// No variable is set.
    pub(super) fn bare() -> Self {
        Self { variables: Vec::new(), uid: None, has_names: true, placeholders: Vec::new(), _alive: Vec::new() }
    }

    /// A pod as the webhook of EKS prepares it, with the rig's STS.
    pub(super) fn of(rig: Rig) -> Self {
        let token = rig.volume.token_path();
        let mut pod = Self::bare()
            .with("AWS_ROLE_ARN", ROLE)
            .with("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
            .with("AWS_REGION", "eu-central-1")
            .with("AWS_ENDPOINT_URL_STS", rig.sts.endpoint_url())
            .with("HOSTNAME", "checkout-0")
            .called(rig.sts.endpoint_url(), "{sts}")
            .called(rig.issuer.url(), "{issuer}")
            .called(token.parent().unwrap().to_str().unwrap(), "{volume}");
        pod._alive.push(Box::new(rig));
        pod
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        match self.variables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.variables.push((name, value.into())),
        }
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self
    }

    /// Shows this text, or the authority of this URL, as the placeholder.
    pub(super) fn called(mut self, text: &str, placeholder: &'static str) -> Self {
        let text = text.split_once("://").map_or(text, |(_, authority)| authority);
        self.placeholders.push((text.to_owned(), placeholder));
        self
    }

    pub(super) fn keeping(mut self, alive: impl Any + Send + Sync) -> Self {
        self._alive.push(Box::new(alive));
        self
    }

    pub(super) fn run_as(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Without name resolution, so that no real server is asked.
    pub(super) fn without_names(mut self) -> Self {
        self.has_names = false;
        self
    }

    /// True if the scenario can be set up on this machine.
    pub(super) fn is_possible(&self) -> bool {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0);
        let nameless =
            || Command::new("sh").args(WITHOUT_NAMES).arg("true").output().is_ok_and(|it| it.status.success());
        (self.uid.is_none() || is_root) && (self.has_names || nameless())
    }

    pub(super) async fn whoami(&self) -> String {
        let output = self.run(example_path("whoami"), &[]).await;
        self.shown("whoami", &output)
    }

    pub(super) async fn doctor(&self) -> String {
        let output = self.run(example_path("doctor"), &[]).await;
        self.shown("doctor", &output)
    }

    /// The outcome of aws-config's own chain here.
    pub(super) async fn aws_config(&self) -> String {
        let (_, test) = concat!(module_path!(), "::print_outcome_of_aws_config_chain").split_once("::").unwrap();
        let arguments = ["--exact", test, "--nocapture", "--test-threads=1"];
        for tries in 1.. {
            let output = self.run(std::env::current_exe().unwrap(), &arguments).await;
            let text = String::from_utf8(output.stdout).unwrap();
            let said = text.split(MARK).nth(1).unwrap_or_else(|| panic!("{text}"));
            // It waits for the node's metadata service for one second, which is short on a busy machine.
            if tries == 10 || !said.contains("occurred after 1s") {
                return format!("$ aws-config\n{}\n", self.steady(said));
            }
        }
        unreachable!("the tenth try is the last")
    }

    async fn run(&self, program: PathBuf, arguments: &[&str]) -> Output {
        let mut command = Command::new("sh");
        if self.has_names {
            command = Command::new(&program);
        } else {
            command.args(WITHOUT_NAMES).arg(&program);
        }
        // Another user may not be able to read the build folder.
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        if let Some(uid) = self.uid {
            std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let copy = directory.path().join("program");
            // A copy that this process writes may stay open in a child that another thread forks: "text file busy".
            assert!(Command::new("cp").arg(&program).arg(&copy).status().unwrap().success(), "cp failed");
            command = Command::new(copy);
            command.uid(uid).gid(uid);
        }
        command.args(arguments).current_dir("/").env_clear().env(VARIABLE, "yes");
        if !self.variables.iter().any(|(name, _)| *name == "AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            // The metadata service of the test machine must not answer.
            command.env("AWS_EC2_METADATA_DISABLED", "true");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let running = tokio::task::spawn_blocking(move || command.output());
        tokio::time::timeout(PATIENCE, running).await.expect("the program did not end within 60 s").unwrap().unwrap()
    }

    fn shown(&self, program: &str, output: &Output) -> String {
        let streams = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        let status = output.status.code().map_or_else(|| output.status.to_string(), |code| code.to_string());
        format!("$ {program}, exit status {status}\n{}\n", self.steady(&streams.concat()).trim_end())
    }

    /// Replaces what differs from run to run.
    fn steady(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (varying, placeholder) in &self.placeholders {
            text = text.replace(varying, placeholder);
        }
        for (pattern, placeholder) in VARYING {
            text = Regex::new(pattern).unwrap().replace_all(&text, *placeholder).into_owned();
        }
        text
    }
}

/// Patterns and their placeholders, in the order of replacement.
const VARYING: &[(&str, &str)] = &[
    // A busy machine prints more of these lines. The last line of the output repeats their content.
    (r"whoami: waiting up to .*\n", ""),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "{time}"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "{uuid}"),
    (r"\d{8}T\d{6}Z", "{time}"),
    (r"\b\d{10}\b", "{seconds}"),
    (r"[A-Za-z0-9_-]{43}", "{kid}"),
    (r"ASIA[A-Z0-9]{16}", "of STS"),
    (r"\b\d+ (ms|s|min|h \d+ min) ago", "{span} ago"),
    (r"in \d+ min\b", "in {span}"),
    (r"\d+ min from now", "{span} from now"),
    // A difference of a second may be on either side.
    (r"this clock is \d s (behind|ahead of)", "this clock is {span} {side}"),
    (r"this clock is \d+ s", "this clock is {span}"),
];

/// A wrapper command without name resolution.
const WITHOUT_NAMES: &[&str] = &[
    "-c",
    r#"exec unshare -Urm sh -c '
        directory=$(mktemp -d) && echo "nameserver 127.255.255.254" >"$directory/names" &&
        echo "hosts: files dns" >"$directory/order" && mount --bind "$directory/names" /etc/resolv.conf &&
        mount --bind "$directory/order" /etc/nsswitch.conf && rm -r "$directory" && exec "$0" "$@"' "$0" "$@""#,
];

/// `whoami` waits up to 30 s for an outage to end.
const PATIENCE: Duration = Duration::from_secs(60);
const MARK: &str = "=====";
const VARIABLE: &str = "AWS_WEB_IDENTITY_DIAGNOSED_SCENARIO";

/// Run by itself, in a scenario.
#[tokio::test]
async fn print_outcome_of_aws_config_chain() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let said = match config.credentials_provider() {
        None => "no credentials provider".to_owned(),
        Some(provider) => match provider.provide_credentials().await {
            Ok(credentials) => format!("credentials {}", credentials.access_key_id()),
            Err(error) => causes(&error),
        },
    };
    println!("{MARK}{said}{MARK}");
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!("\n  because {cause}");
        source = cause.source();
    }
    text
}
