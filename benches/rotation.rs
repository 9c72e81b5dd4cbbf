//! How soon a new token is noticed, and what the watch costs. A token is noticed when `status()` has its claims.
//!
//! The same run measures two alternatives: a watch on the file itself, as most programs have it, and reading the file
//! for each request.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

mod support;

use std::fs;
use std::hint::black_box;
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use aws_web_identity::test_util::{MockSts, OidcIssuer, ProjectedVolume, TokenSpec, TrustedRole};
use aws_web_identity::{Builder, WebIdentityCredentialsProvider};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use notify::{RecursiveMode, Watcher};
use tempfile::TempDir;
use tokio::runtime;

use self::support::{milliseconds, quantile, report, short};

fn main() {
    let rotations = if short() { 8 } else { 150 };
    // Far enough apart. The watcher looks at a flood of events only every 64 ms.
    seen("events", rotations, 350..450, |builder| builder.token_poll_interval(Duration::from_secs(300)));
    // At a random moment between two polls, which are 1 s ± 10 % apart. That is the shortest interval of the builder.
    let polled = if short() { 3 } else { 40 };
    seen("polling_1s", polled, 0..1100, |builder| {
        builder.token_poll_interval(Duration::from_secs(1)).watch_token(false)
    });
    watch_on_the_file(if short() { 5 } else { 50 });
    a_read_per_request(if short() { 200 } else { 20_000 });
    idle_hour("events", true);
    idle_hour("polling", false);
}

/// Measures from the beginning of a rotation to the new claims in `status()`. A rotation is a dozen system calls.
fn seen(how: &str, rotations: usize, pause_ms: Range<u64>, with: fn(Builder) -> Builder) {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rig = runtime.block_on(Rig::start());
    let provider = runtime.block_on(with(rig.builder()).connect()).unwrap();
    // The first look arms the watch.
    thread::sleep(Duration::from_millis(200));
    let mut delays = Vec::new();
    let mut missed = 0;
    for number in 1..=rotations {
        let token = rig.token(number);
        let wanted = issued_at(number);
        thread::sleep(Duration::from_millis(fastrand::u64(pause_ms.clone())));
        let start = Instant::now();
        rig.volume.write(&token).unwrap();
        let deadline = start + Duration::from_secs(10);
        while claims(&provider) != Some(wanted) && Instant::now() < deadline {
            // Spinning would take a core from the runtime.
            thread::sleep(Duration::from_micros(20));
        }
        if claims(&provider) == Some(wanted) { delays.push(start.elapsed()) } else { missed += 1 }
    }
    delays.sort_unstable();
    let show = |share| quantile(&delays, share).map_or(f64::NAN, milliseconds);
    report(format!("rotation_seen_{how}_p50_ms"), format!("{:.2}", show(0.5)));
    report(format!("rotation_seen_{how}_p99_ms"), format!("{:.2}", show(0.99)));
    report(format!("rotation_missed_{how}"), format!("{missed} of {rotations}"));
    assert_eq!(missed, 0, "each token must be noticed within 10 s");
    runtime.block_on(provider.shutdown());
}

/// The first alternative: a watch on the file, which is read at each event.
fn watch_on_the_file(rotations: usize) {
    let directory = tempfile::tempdir().unwrap();
    let volume = ProjectedVolume::new(directory.path().join("volume")).unwrap();
    volume.write("token 0").unwrap();
    let (sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender).unwrap();
    watcher.watch(&volume.token_path(), RecursiveMode::NonRecursive).unwrap();
    let mut noticed = 0;
    for number in 1..=rotations {
        let token = format!("token {number}");
        // Drop events of the last rotation and of reading the file.
        thread::sleep(Duration::from_millis(20));
        while events.try_recv().is_ok() {}
        volume.write(&token).unwrap();
        let deadline = Instant::now() + Duration::from_millis(100);
        let mut sees = false;
        while !sees {
            let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) else { break };
            sees = event.is_ok_and(|event: notify::Event| !event.kind.is_access())
                && fs::read_to_string(volume.token_path()).is_ok_and(|read| read == token);
        }
        noticed += usize::from(sees);
    }
    report("rotation_seen_by_a_watch_on_the_file", format!("{noticed} of {rotations}"));
}

/// The second alternative: no watch, and the file is read for each request.
fn a_read_per_request(requests: u32) {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rig = runtime.block_on(Rig::start());
    let provider = runtime.block_on(rig.builder().connect()).unwrap();
    let file = rig.volume.token_path();
    let each = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..requests).for_each(|_| work());
        (start.elapsed() / requests).as_nanos()
    };
    let read = each(&mut || drop(black_box(fs::read_to_string(&file).unwrap())));
    let current = each(&mut || drop(black_box(provider.current().unwrap())));
    report("request_that_reads_the_token_ns", read);
    report("request_that_reads_our_slot_ns", current);
    runtime.block_on(provider.shutdown());
}

/// Measures the cost of hours in which nothing happens. Tokio's clock is paused and jumps from timer to timer, while
/// all work of the provider is real. Reports what the provider adds: wake-ups of the runtime and of other threads, and
/// processor time of all threads. Each minute the kubelet compares its files, which causes file events.
fn idle_hour(how: &str, events: bool) {
    // The longest session must outlast this time: an exchange would need a real clock for its sockets.
    let hours = if short() { 1 } else { 7 };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start().await;
        let kubelet = Kubelet::start(Arc::clone(&rig.volume), rig.first.clone());
        let without = Cost::of(hours, &kubelet).await;

        // The provider must run in the runtime whose time is paused.
        let builder = rig.builder().runtime(runtime::Handle::current());
        let builder = builder.session_length(Duration::from_secs(12 * 3600)).refresh_window(0.85..=0.90);
        let builder = builder.time_source(Following::start()).watch_token(events);
        let provider = builder.connect().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let with = Cost::of(hours, &kubelet).await;
        assert_eq!(provider.status().generation, 1, "nothing was due");
        assert_eq!(provider.status().consecutive_failures, 0);
        provider.shutdown().await;

        let per_hour = |with: f64, without: f64| (with - without).max(0.0) / f64::from(hours);
        let (wake_ups, cpu) = (per_hour(with.wake_ups, without.wake_ups), per_hour(with.cpu, without.cpu));
        report(format!("idle_hour_{how}_wake_ups"), format!("{wake_ups:.0}"));
        report(format!("idle_hour_{how}_cpu_ms"), format!("{:.2}", 1e3 * cpu));
    });
}

struct Cost {
    wake_ups: f64,
    /// In seconds.
    cpu: f64,
}

impl Cost {
    async fn of(hours: u32, kubelet: &Kubelet) -> Self {
        let before = Self::until_now();
        tokio::time::pause();
        for _ in 0..hours * 60 {
            kubelet.compare();
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        tokio::time::resume();
        let after = Self::until_now();
        Self { wake_ups: after.wake_ups - before.wake_ups, cpu: after.cpu - before.cpu }
    }

    fn until_now() -> Self {
        let mut cost = Self { wake_ups: runtime::Handle::current().metrics().worker_park_count(0) as f64, cpu: 0.0 };
        for task in fs::read_dir("/proc/self/task").unwrap() {
            let task = task.unwrap();
            // The thread may have ended.
            let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            if read("comm").trim() == KUBELET {
                continue;
            }
            let nanoseconds = read("schedstat").split(' ').next().and_then(|first| first.parse::<f64>().ok());
            cost.cpu += nanoseconds.unwrap_or(0.0) / 1e9;
            // For the runtime's thread the parks are counted above. A jump of the paused clock parks without a switch.
            if task.file_name().to_str() != Some(&std::process::id().to_string()) {
                let status = read("status");
                let switches = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                cost.wake_ups += switches.and_then(|count| count.trim().parse::<f64>().ok()).unwrap_or(0.0);
            }
        }
        cost
    }
}

/// Plays the kubelet in a thread whose time is not counted.
struct Kubelet {
    ask: mpsc::Sender<()>,
    done: mpsc::Receiver<()>,
}

impl Kubelet {
    fn start(volume: Arc<ProjectedVolume>, token: String) -> Self {
        let (ask, asked) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let work = move || {
            while asked.recv().is_ok() {
                volume.write(&token).unwrap();
                tell.send(()).unwrap();
            }
        };
        drop(thread::Builder::new().name(KUBELET.to_owned()).spawn(work).unwrap());
        Self { ask, done }
    }

    fn compare(&self) {
        self.ask.send(()).unwrap();
        self.done.recv().unwrap();
    }
}

const KUBELET: &str = "kubelet";
const ROLE: &str = "arn:aws:iam::123456789012:role/checkout";
const START: u64 = 1_000_000_000;

struct Rig {
    issuer: OidcIssuer,
    volume: Arc<ProjectedVolume>,
    /// The first token in the volume, which STS accepts.
    first: String,
    sts: MockSts,
    _directory: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let issuer = OidcIssuer::start().await;
        let role = TrustedRole::new(ROLE).max_session(Duration::from_secs(12 * 3600));
        let sts = MockSts::builder().issuer(&issuer).role(role).start().await;
        // In memory, like the kubelet's volumes.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let volume = Arc::new(ProjectedVolume::new(directory.path().join("volume")).unwrap());
        let first = issuer.mint(TokenSpec::service_account("shop", "checkout"));
        volume.write(&first).unwrap();
        Self { issuer, volume, first, sts, _directory: directory }
    }

    fn builder(&self) -> Builder {
        WebIdentityCredentialsProvider::builder()
            .configure(&self.sts.sdk_config())
            .role_arn(ROLE)
            .token_file(self.volume.token_path())
            .session_name("checkout-0")
    }

    /// A token of the same service account. Its signature is invalid, which nobody notices without an exchange.
    fn token(&self, number: usize) -> String {
        let (issuer, issued_at) = (self.issuer.url(), START + number as u64);
        let payload = format!(
            r#"{{"iss":"{issuer}","sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"],"iat":{issued_at},"exp":4102444800}}"#
        );
        let [header, payload, signature] =
            [r#"{"alg":"RS256"}"#, &payload, &"signature".repeat(28)].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.{signature}")
    }
}

fn claims(provider: &WebIdentityCredentialsProvider) -> Option<SystemTime> {
    provider.status().token?.issued_at
}

fn issued_at(number: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START + number as u64)
}

/// A wall clock that follows Tokio's clock. Otherwise each jump would look like a clock that was set.
#[derive(Debug)]
struct Following {
    wall: SystemTime,
    at: tokio::time::Instant,
}

impl Following {
    fn start() -> Self {
        Self { wall: SystemTime::now(), at: tokio::time::Instant::now() }
    }
}

impl TimeSource for Following {
    fn now(&self) -> SystemTime {
        self.wall + self.at.elapsed()
    }
}
