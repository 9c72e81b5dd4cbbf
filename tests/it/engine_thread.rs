//! The engine thread: background work goes on whatever the callers' threads and runtimes do (P1, P3, P10).
//!
//! The kit's servers run in a runtime of their own. Tests that count or forbid threads run in a process of their own.

use std::io::Write;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_web_identity::test_util::Fault;
use aws_web_identity::token_source::{ProvideToken, Token, future};
use aws_web_identity::{ErrorKind, Phase, WebIdentityCredentialsProvider};
use tokio::runtime::Runtime;

use crate::isolated::Isolated;
use crate::support::captured_log::second_dispatcher;
use crate::support::own_process::in_own_process;
use crate::support::process_resources::engine_threads;
use crate::support::{Rig, block_on, eventually, key, soon, spec};

/// The rig, with its servers in a runtime of their own. The caller keeps that runtime.
fn rig_with_own_servers() -> (Runtime, Rig) {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rig = servers.block_on(Rig::start());
    (servers, rig)
}

#[test]
fn each_wait_works_in_a_plain_thread() {
    let (_servers, rig) = rig_with_own_servers();
    let provider = rig.builder().build().unwrap();
    assert!(provider.current().is_none(), "the first read finds nothing and starts the attempts");
    block_on(provider.ready()).unwrap();
    let mut updates = provider.updates();
    let first = key(&provider);
    block_on(provider.refresh()).unwrap();
    assert_ne!(key(&provider), first);
    assert_eq!(block_on(updates.changed()), Ok(2));
    block_on(provider.valid_for(Duration::from_secs(1800))).unwrap();
    block_on(provider.provide_credentials()).unwrap();
    block_on(provider.shutdown());
    assert!(block_on(updates.changed()).is_err());
    assert_eq!(provider.status().phase, Phase::Closed);
}

#[test]
fn engine_wakes_callers_at_their_deadline() {
    let (_servers, rig) = rig_with_own_servers();
    rig.sts.set_fault(Fault::Hang);
    let provider = rig.builder().wait_timeout(Duration::from_millis(300)).build().unwrap();
    let error = block_on(provider.refresh()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("came within ") && !error.to_string().contains("within 0 s"), "{error}");
}

#[test]
fn listener_alone_starts_the_attempts() {
    let (_servers, rig) = rig_with_own_servers();
    let provider = rig.builder().build().unwrap();
    assert_eq!(block_on(provider.updates().changed()), Ok(1));
}

#[test]
fn callers_paused_clock_changes_nothing() {
    let (_servers, rig) = rig_with_own_servers();
    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    paused.block_on(async {
        let provider = rig.connect().await;
        tokio::time::advance(Duration::from_secs(7200)).await;
        provider.provide_credentials().await.unwrap();
        provider.refresh().await.unwrap();
    });
    assert_eq!(rig.sts.calls().len(), 2);
}

/// The caller's runtime is blocked nearly all the time.
#[test]
fn blocked_runtime_costs_one_exchange() {
    let (_servers, rig) = rig_with_own_servers();
    rig.sts.set_latency(Duration::from_millis(600));
    let blocked = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    blocked.block_on(async {
        tokio::spawn(async {
            loop {
                thread::sleep(Duration::from_millis(2200));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        rig.connect().await;
    });
    blocked.shutdown_background();
    assert_eq!(rig.sts.calls().len(), 1);
}

/// Synchronous wrappers make a runtime for each call.
#[test]
fn runtime_per_call_costs_one_exchange_per_refresh() {
    let (_servers, rig) = rig_with_own_servers();
    rig.sts.set_latency(Duration::from_millis(200));
    let provider = rig.builder().build().unwrap();
    for _ in 0..50 {
        let call = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        call.block_on(provider.provide_credentials()).unwrap();
    }
    assert_eq!(rig.sts.calls().len(), 1);
    let call = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The caller's runtime ends before the exchange does.
    drop(call.block_on(async { tokio::time::timeout(Duration::from_millis(50), provider.refresh()).await }));
    drop(call);
    block_on(async { while provider.updates().last() < 2 && provider.updates().changed().await.is_ok() {} });
    assert_eq!(rig.sts.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejection_outside_a_runtime_replaces_credentials() {
    let rig = Rig::start().await;
    let provider = rig.connect().await;
    let first = key(&provider);
    thread::scope(|scope| {
        scope.spawn(|| provider.invalidate(&provider.current().unwrap()));
    });
    eventually(|| key(&provider) != first).await;
}

#[test]
fn lost_user_runtime_is_an_error() {
    let (_servers, mut rig) = rig_with_own_servers();
    let runtime = Runtime::new().unwrap();
    rig.runtime = Some(runtime.handle().clone());
    let provider = rig.builder().build().unwrap();
    block_on(provider.ready()).unwrap();
    drop(runtime);
    assert!(provider.current().is_some(), "valid credentials must stay readable");
    let error = block_on(provider.refresh()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("`runtime`"), "{error}");
    block_on(provider.shutdown());
}

#[test]
fn runtime_without_io_or_timers_is_an_error() {
    let (_servers, mut rig) = rig_with_own_servers();
    let bare = |builder: &mut tokio::runtime::Builder| builder.worker_threads(1).build().unwrap();
    let without_io = bare(tokio::runtime::Builder::new_multi_thread().enable_time());
    rig.runtime = Some(without_io.handle().clone());
    let provider = rig.builder().wait_timeout(Duration::from_millis(300)).build().unwrap();
    let error = block_on(provider.provide_credentials()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("the exchange panicked"), "{error:?}");

    let without_timers = bare(tokio::runtime::Builder::new_multi_thread().enable_io());
    rig.runtime = Some(without_timers.handle().clone());
    let provider = rig.builder().build().unwrap();
    let error = block_on(provider.ready()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("enable_all"), "{error}");
}

/// A token source that holds the last handle, and drops it in the middle of an exchange.
#[derive(Debug)]
struct HoldsProvider {
    token: String,
    provider: Arc<Mutex<Option<WebIdentityCredentialsProvider>>>,
    asked: Arc<AtomicUsize>,
}

impl ProvideToken for HoldsProvider {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::new(async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            drop(self.provider.lock().unwrap().take());
            // The drop ends the attempt here.
            tokio::task::yield_now().await;
            Token::new(self.token.clone())
        })
    }
}

/// A token source that calls its own provider at its first use.
#[derive(Debug)]
struct CallsBack {
    token: String,
    provider: Arc<OnceLock<WebIdentityCredentialsProvider>>,
    ends_it: bool,
    asked: AtomicUsize,
}

impl ProvideToken for CallsBack {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        future::ProvideToken::new(async {
            let provider = self.provider.get().unwrap();
            if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
                assert!(provider.current().is_none());
                assert_eq!(provider.status().phase, Phase::Empty);
                if self.ends_it {
                    provider.shutdown().await;
                } else {
                    drop(provider.refresh().await);
                }
            }
            Token::new(self.token.clone())
        })
    }
}

#[test]
fn token_source_may_call_its_own_provider() {
    let (_servers, rig) = rig_with_own_servers();
    for ends_it in [false, true] {
        let held = Arc::new(OnceLock::new());
        let (token, provider) = (rig.issuer.mint(spec()), Arc::clone(&held));
        let source = CallsBack { token, provider, ends_it, asked: AtomicUsize::new(0) };
        let builder = WebIdentityCredentialsProvider::builder().configure(&rig.config()).role_arn(crate::support::ROLE);
        let builder = builder.attempt_timeout(Duration::from_millis(500)).token_source(source);
        let provider = held.get_or_init(|| builder.build().unwrap());
        let outcome = block_on(provider.ready()).map_err(|error| error.kind());
        assert_eq!(outcome, if ends_it { Err(ErrorKind::Closed) } else { Ok(()) });
        block_on(provider.shutdown());
    }
}

/// Runs in a process of its own, whose threads can be counted.
#[test]
fn last_provider_ends_the_thread() {
    let test = concat!(module_path!(), "::last_provider_ends_the_thread");
    if !in_own_process(test) {
        return;
    }
    let (_servers, rig) = rig_with_own_servers();
    let ends = || wait_until(|| engine_threads() == 0);
    assert_eq!(engine_threads(), 0);
    let providers: Vec<_> = (0..5).map(|_| rig.builder().build().unwrap()).collect();
    assert_eq!(engine_threads(), 0, "building must start no thread");
    providers.iter().for_each(|provider| block_on(provider.ready()).unwrap());
    assert_eq!(engine_threads(), 1, "all providers must share one thread");
    drop(providers);
    ends();

    // A shutdown ends the thread, too.
    let provider = rig.builder().build().unwrap();
    block_on(provider.ready()).unwrap();
    block_on(provider.shutdown());
    ends();
    assert!(provider.current().is_some());

    // The provider is dropped while its exchange runs.
    rig.sts.set_fault(Fault::Hang);
    let provider = rig.builder().build().unwrap();
    let calls = rig.sts.calls().len();
    assert!(provider.current().is_none());
    block_on(rig.sts.wait_for_calls(calls + 1));
    drop(provider);
    ends();

    // The engine thread itself drops the last handle.
    rig.sts.set_fault(None);
    let (held, asked) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    let source =
        HoldsProvider { token: rig.issuer.mint(spec()), provider: Arc::clone(&held), asked: Arc::clone(&asked) };
    let builder = WebIdentityCredentialsProvider::builder().configure(&rig.config()).role_arn(crate::support::ROLE);
    let provider = builder.token_source(source).build().unwrap();
    let mut updates = provider.updates();
    *held.lock().unwrap() = Some(provider);
    assert!(block_on(updates.changed()).is_err());
    ends();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the condition did not hold within 30 s");
}

#[test]
fn process_exits_in_the_middle_of_an_exchange() {
    let test = concat!(module_path!(), "::process_exits_in_the_middle_of_an_exchange");
    if !in_own_process(test) {
        return;
    }
    let (servers, rig) = rig_with_own_servers();
    rig.sts.set_fault(Fault::Hang);
    let provider = rig.builder().build().unwrap();
    assert!(provider.current().is_none());
    block_on(rig.sts.wait_for_calls(1));
    std::mem::forget((servers, rig, provider));
}

#[test]
fn process_without_threads_says_so_and_recovers() {
    let test = concat!(module_path!(), "::process_without_threads_says_so_and_recovers");
    if !(Isolated { test, wrapper: &["env"], uid: Some(65_534) }).is_here() {
        return;
    }
    let (_servers, rig) = rig_with_own_servers();
    // The limit also forbids new processes, so the process that lifts it is started first and waits.
    let limit = format!("prlimit --pid={} --nproc", process::id());
    let shell = |script: String| Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let mut lifts = shell(format!("read line; {limit}=4096:"));
    let limited = shell(format!("{limit}=0:")).wait().unwrap().success();
    if !limited || thread::Builder::new().spawn(|| {}).is_ok() {
        drop(lifts.kill());
        drop(lifts.wait());
        return crate::isolated::skipped(test, "threads cannot be forbidden here");
    }
    let provider = rig.builder().build().unwrap();
    for _ in 0..3 {
        let error = block_on(provider.provide_credentials()).unwrap_err();
        let error = std::error::Error::source(&error).unwrap().to_string();
        let start = format!("no thread can be started to refresh the credentials of {} (", crate::support::ROLE);
        assert!(error.starts_with(&start) && error.contains("pids.max"), "{error}");
        assert!(error.contains("RLIMIT_NPROC"), "{error}");
    }
    let status = provider.status();
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::ServiceUnavailable);
    assert_eq!((status.phase, status.next_attempt), (Phase::Empty, None));
    lifts.stdin.take().unwrap().write_all(b"now\n").unwrap();
    assert!(lifts.wait().unwrap().success());
    block_on(provider.ready()).unwrap();
    assert_eq!(rig.sts.calls().len(), 1);
}

#[test]
fn forked_child_starts_a_thread_of_its_own() {
    let test = concat!(module_path!(), "::forked_child_starts_a_thread_of_its_own");
    if !in_own_process(test) {
        return;
    }
    let (_servers, rig) = rig_with_own_servers();
    let provider = rig.builder().attempt_timeout(Duration::from_secs(2)).build().unwrap();
    block_on(provider.ready()).unwrap();
    let first = key(&provider);
    // A lock that is held at the fork stays locked in the child, so the engine thread must be idle.
    thread::sleep(Duration::from_secs(1));
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            let inherited = key(&provider) == first;
            let other = rig.builder().build().unwrap();
            // The child inherits a dead connection, which may cost one attempt.
            let refreshed = (0..2).any(|_| block_on(provider.refresh()).is_ok()) && key(&provider) != first;
            let works = block_on(other.ready()).is_ok();
            drop(other);
            block_on(provider.shutdown());
            process::exit(i32::from(!(inherited && refreshed && works)));
        }
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).unwrap();
            assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0, "the child ended with {status}");
        }
    }
    // The parent's thread goes on.
    assert_eq!(key(&provider), first);
    block_on(provider.refresh()).unwrap();
    assert_ne!(key(&provider), first);
}

#[test]
fn subscriber_of_the_builder_hears_the_thread() {
    use tracing_subscriber::layer::SubscriberExt;
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Heard {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().target().to_owned());
        }
    }
    let (_servers, rig) = rig_with_own_servers();
    let heard = Heard::default();
    let _second = second_dispatcher();
    let subscriber = tracing_subscriber::registry().with(heard.clone());
    let provider = tracing::subscriber::with_default(subscriber, || rig.builder().build().unwrap());
    block_on(provider.ready()).unwrap();
    block_on(provider.shutdown());
    assert!(heard.0.lock().unwrap().iter().any(|target| target == "aws_web_identity"));
}

/// The caller's client and the exchange share an HTTP client, the endpoint and the timeouts.
#[test]
fn exchange_never_waits_for_a_callers_connection() {
    let (_servers, rig) = rig_with_own_servers();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).read_timeout(Duration::from_secs(8));
    let theirs = aws_config::defaults(BehaviorVersion::latest()).region("eu-central-1").no_credentials();
    let theirs = theirs.http_client(aws_smithy_http_client::Builder::new().build_http());
    let theirs = block_on(theirs.timeout_config(timeouts.build()).endpoint_url(rig.sts.endpoint_url()).load());
    let mut config = rig.config().into_builder();
    config.set_http_client(theirs.http_client());
    let config = config.build();
    let caller = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The caller leaves a connection in the pool that no runtime drives any more.
    let client = aws_sdk_sts::Client::new(&theirs);
    let exchange = client.assume_role_with_web_identity().role_arn("arn:aws:iam::1:role/r").role_session_name("s");
    caller.block_on(async {
        exchange.web_identity_token("token").send().await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(50)).await;
    });
    // An exchange on that connection would last for its whole `attempt_timeout`.
    let provider = rig.builder().configure(&config).wait_timeout(Duration::from_secs(5)).build().unwrap();
    block_on(provider.refresh()).unwrap();
    let exchanges = rig.exchanges();
    assert!(matches!(&exchanges[..], [None, Some(_)]), "{exchanges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_callers_cancel_no_exchange() {
    let rig = Rig::start().await;
    rig.sts.set_latency(Duration::from_millis(300));
    let provider = rig.builder().build().unwrap();
    for _ in 0..5 {
        drop(tokio::time::timeout(Duration::from_millis(20), provider.provide_credentials()).await);
    }
    soon(provider.ready()).await.unwrap();
    assert_eq!(rig.sts.calls().len(), 1);
}
