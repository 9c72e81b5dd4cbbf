//! Clients on runtimes that are blocked or end soon, clients without a runtime, and clients in forked children.
//!
//! They need no record of STS. Each looks at `current()` first. Credentials that are valid for longer than the request
//! takes must be returned at once, and must serve the request.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::error::DisplayErrorContext;
use aws_web_identity::WebIdentityCredentialsProvider;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::forked;
use crate::support::report;
use crate::world::World;

pub(crate) struct HardClients {
    end: Arc<End>,
    clients: Vec<(&'static str, JoinHandle<Tally>)>,
}

/// When the soak has ended, if it has.
#[derive(Default)]
pub(crate) struct End(OnceLock<Instant>);

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// Reads that had to wait although credentials were valid.
    pub(crate) waits: u64,
    /// Requests that failed although credentials were valid, and children that ended badly.
    pub(crate) failures: u64,
}

impl HardClients {
    /// `life` is the time that a forked child works.
    pub(crate) fn start(world: &Arc<World>, life: Duration) -> Self {
        let end = Arc::new(End::default());
        let shared = world.builder("hard").build().unwrap();
        let mut clients = Vec::new();
        for (kind, run) in [
            ("starved runtime", starved as fn(&World, _, &End) -> Tally),
            ("short runtimes", short_lived),
            ("no runtime", plain_thread),
        ] {
            let (world, provider, end) = (Arc::clone(world), shared.clone(), Arc::clone(&end));
            clients.push((kind, thread::spawn(move || run(&world, provider, &end))));
        }
        let (world, its_end) = (Arc::clone(world), Arc::clone(&end));
        clients.push(("forked children", thread::spawn(move || forked::run_families(&world, life, &its_end))));
        Self { end, clients }
    }

    /// Ends all clients, and prints their figures. True if nothing failed.
    pub(crate) fn finish(self) -> bool {
        self.end.0.get_or_init(Instant::now);
        let mut well = true;
        for (kind, client) in self.clients {
            let Ok(Tally { requests, waits, failures }) = client.join() else {
                report("must not be", format_args!("the client of {kind} panicked"));
                well = false;
                continue;
            };
            report(format_args!("{kind} requests"), requests);
            report(format_args!("{kind} waits_while_valid"), waits);
            report(format_args!("{kind} failed_while_valid"), failures);
            // A client that never ran proves nothing.
            well &= requests > 0 && waits == 0 && failures == 0;
        }
        well
    }
}

impl End {
    /// True if the client may end. A client that proved nothing yet has another minute: a short run on a busy machine
    /// can end before its first request.
    pub(crate) fn has_come(&self, tally: &Tally) -> bool {
        self.0.get().is_some_and(|end| tally.requests > 0 || end.elapsed() > Duration::from_secs(60))
    }
}

impl Tally {
    /// Reads the credentials as a signer does.
    pub(crate) fn read(&mut self, provider: &WebIdentityCredentialsProvider) {
        let ends = ends(provider);
        let mut reading = pin!(provider.provide_credentials());
        let first = reading.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        // The thread may have stood still between the two reads.
        let valid = ends.is_some_and(|ends| SystemTime::now() <= ends);
        self.requests += u64::from(valid);
        match first {
            Poll::Ready(Err(error)) if valid => self.failed(&DisplayErrorContext(&error)),
            Poll::Ready(_) => {}
            Poll::Pending => {
                self.waits += u64::from(valid);
                drop(block_on(reading));
            }
        }
    }

    /// Sends a request on this runtime.
    pub(crate) fn send(&mut self, runtime: &Runtime, client: &Client, provider: &WebIdentityCredentialsProvider) {
        let ends = ends(provider);
        let answer = runtime.block_on(async { client.get_caller_identity().send().await });
        // STS may be a second ahead: it gives whole seconds.
        let valid = ends.is_some_and(|ends| SystemTime::now() + Duration::from_secs(1) < ends);
        self.requests += u64::from(valid);
        if let Err(error) = answer
            && valid
        {
            self.failed(&DisplayErrorContext(&error));
        }
    }

    fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.failures += 1;
        report("must not be", format_args!("{error:.300}"));
    }
}

fn ends(provider: &WebIdentityCredentialsProvider) -> Option<SystemTime> {
    provider.current()?.expiry()
}

/// A client that sends each request once.
pub(crate) fn client(provider: &WebIdentityCredentialsProvider, base: SdkConfig) -> Client {
    let config = aws_sdk_sts::config::Builder::from(&provider.install(base)).retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The only worker of the runtime is blocked nearly all the time. The provider was made there.
fn starved(world: &World, _: WebIdentityCredentialsProvider, end: &End) -> Tally {
    let (runtime, mut tally) = (runtime(), Tally::default());
    let provider = runtime.block_on(async { world.builder("starved").build().unwrap() });
    let client = client(&provider, world.home.sdk_config());
    while !end.has_come(&tally) {
        runtime.block_on(async { thread::sleep(Duration::from_millis(fastrand::u64(500..3000))) });
        tally.read(&provider);
        tally.send(&runtime, &client, &provider);
    }
    tally
}

/// Each runtime serves a few requests, and ends during the last one. The next runtime goes on with the provider that was
/// made there, or with the one that other threads use.
fn short_lived(world: &World, shared: WebIdentityCredentialsProvider, end: &End) -> Tally {
    let (mut provider, mut tally) = (shared.clone(), Tally::default());
    while !end.has_come(&tally) {
        let runtime = runtime();
        let client = client(&provider, world.home.sdk_config());
        for _ in 0..3 {
            tally.read(&provider);
            tally.send(&runtime, &client, &provider);
            thread::sleep(Duration::from_millis(100));
        }
        let next = runtime.block_on(async {
            drop(timeout(Duration::from_millis(2), client.get_caller_identity().send()).await);
            let made_here = world.builder("short").build().unwrap();
            drop(timeout(Duration::from_millis(fastrand::u64(..40)), made_here.ready()).await);
            made_here
        });
        drop(runtime);
        provider = if fastrand::bool() { next } else { shared.clone() };
    }
    tally
}

/// A thread that has never heard of Tokio.
fn plain_thread(world: &World, shared: WebIdentityCredentialsProvider, end: &End) -> Tally {
    let mut tally = Tally::default();
    while !end.has_come(&tally) {
        let own = world.builder("threads").build().unwrap();
        drop(block_on(own.ready()));
        for provider in [&shared, &own].into_iter().cycle().take(10) {
            tally.read(provider);
            thread::sleep(Duration::from_millis(20));
        }
    }
    tally
}

/// Runs a future without a runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (waker, mut future) = (Waker::from(Arc::new(Unpark(thread::current()))), pin!(future));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
