//! Time and allocations until the first signed request. Each measurement runs in its own process, with settings from
//! the environment, a real token, and an STS on loopback.

use std::collections::BTreeMap;
use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_sdk_sts::Client;
use aws_web_identity::WebIdentityCredentialsProvider;
use aws_web_identity::test_util::TestAws;

use crate::support::{milliseconds, quantile, report, short};

const CHILD: &str = "--first-request";

/// The way in which a program gets its credentials.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Way {
    Ours,
    Chain,
    WebIdentity,
}

impl Way {
    const ALL: [Self; 3] = [Self::Ours, Self::Chain, Self::WebIdentity];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Chain => "aws-config's default chain",
            Self::WebIdentity => "aws-config's web-identity provider",
        }
    }

    pub(crate) fn of_child() -> Option<Self> {
        let name = env::args().skip_while(|argument| argument != CHILD).nth(1)?;
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// Runs in the child process: makes the first request and prints its cost.
    pub(crate) fn run_here(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut time = Duration::ZERO;
        // Counts this thread, which does everything except reading files.
        let allocated = allocation_counter::measure(|| time = runtime.block_on(self.first_request()));
        println!("{} {} {}", time.as_nanos(), allocated.count_total, allocated.bytes_total);
    }

    /// Returns the time until the answer.
    async fn first_request(self) -> Duration {
        let began = Instant::now();
        let client = match self {
            Self::Ours => {
                let base = aws_config::load_defaults(BehaviorVersion::latest()).await;
                let identity = WebIdentityCredentialsProvider::builder().configure(&base).connect().await.unwrap();
                Client::new(&identity.install(base))
            }
            Self::Chain => Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await),
            Self::WebIdentity => {
                let config = ProviderConfig::with_default_region().await;
                let provider = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
                let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(provider);
                Client::new(&loader.load().await)
            }
        };
        let answer = client.get_caller_identity().send().await;
        let time = began.elapsed();
        let answer = answer.unwrap();
        assert!(answer.arn().unwrap().contains("assumed-role/checkout"), "{answer:?}");
        time
    }
}

#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    allocations: u64,
    bytes: u64,
}

pub(crate) fn report_all() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let aws = runtime.block_on(TestAws::start());

    let runs = if short() { 3 } else { 60 };
    let mut costs: BTreeMap<Way, Vec<Cost>> = BTreeMap::new();
    // The ways take turns, so that other load on the machine meets all of them.
    for _ in 0..runs {
        for way in Way::ALL {
            let mut child = Command::new(env::current_exe().unwrap());
            child.args([CHILD, way.name()]);
            for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
                child.env_remove(name);
            }
            child.env("AWS_ROLE_ARN", TestAws::ROLE).env("AWS_WEB_IDENTITY_TOKEN_FILE", aws.volume().token_path());
            child.env("AWS_REGION", "eu-central-1").env("AWS_ENDPOINT_URL_STS", aws.sts().endpoint_url());
            costs.entry(way).or_default().push(parse(child));
        }
    }
    let median = |way, of: fn(&Cost) -> u128| {
        let mut all: Vec<_> = costs[&way].iter().map(of).collect();
        all.sort_unstable();
        quantile(&all, 0.5).unwrap()
    };
    let time = |way| Duration::from_nanos(median(way, |cost| cost.time.as_nanos()) as u64);
    for way in Way::ALL {
        let name = way.name();
        report(format!("first signed request, ms/{name}"), format!("{:.1}", milliseconds(time(way))));
        report(format!("first signed request, allocations/{name}"), median(way, |cost| cost.allocations.into()));
        report(format!("first signed request, KiB allocated/{name}"), median(way, |cost| cost.bytes.into()) / 1024);
    }
    for peer in [Way::Chain, Way::WebIdentity] {
        let ratio = time(Way::Ours).as_secs_f64() / time(peer).as_secs_f64();
        report(format!("first signed request, time of ours to {}", peer.name()), format!("{ratio:.2}"));
    }
}

fn parse(mut child: Command) -> Cost {
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "a child failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [nanoseconds, allocations, bytes] = numbers[..] else { panic!("a child said: {text}") };
    Cost { time: Duration::from_nanos(nanoseconds), allocations, bytes }
}
