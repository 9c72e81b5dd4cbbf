//! P9: token, secret key and session token appear nowhere, whatever is printed and whatever is logged.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::test_util::{Fault, TokenSpec};
use aws_web_identity::{BackgroundCredentialsProvider, ErrorKind, WebIdentityCredentialsProvider};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::fmt::MakeWriter;

use crate::rig::{ARN, CHAINED_ROLE, ROLE, Rig, eventually, soon, spec, who};

/// One thread and one subscriber for all that runs on it: the provider's task, the SDK, and the kit, which logs nothing.
#[test]
fn p9_no_secret_is_in_any_log_debug_display_or_error() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // With a single dispatcher, tracing asks the thread that first meets a callsite, which may be another test's.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut canaries = Vec::new();
    let mut printed = String::new();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(
            async {
                let rig = Rig::start().await;
                let rotate = |spec: TokenSpec, canaries: &mut Vec<String>| {
                    let token = rig.rotate(spec);
                    canaries.push(token.rsplit_once('.').unwrap().1.to_owned());
                    canaries.push(token);
                };
                rotate(spec().lifetime(Duration::from_secs(3000)), &mut canaries);
                let builder = rig.builder();
                printed += &format!("{builder:?} {builder:#?}");
                let provider = builder.connect().await.unwrap();
                let client = Client::new(&provider.install(rig.config()));
                assert_eq!(who(&client).await, ARN);
                keep(&provider, &mut canaries);
                printed += &everything(&provider, &rig);

                rotate(spec().lifetime(Duration::from_secs(3100)), &mut canaries);
                soon(provider.refresh()).await.unwrap();
                keep(&provider, &mut canaries);
                assert_eq!(who(&client).await, ARN);
                printed += &everything(&provider, &rig);

                // A failure of each kind that answers, those that hold half a grant first of all, each to a first caller.
                for &fault in Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::OtherShape)) {
                    rig.sts.set_fault(fault);
                    let builder = rig.builder().wait_timeout(Duration::from_millis(200));
                    let failing = builder.attempt_timeout(Duration::from_millis(150)).build().unwrap();
                    let error = soon(failing.provide_credentials()).await.unwrap_err();
                    printed += &chain(&error);
                    let client = Client::new(&failing.install(rig.config()));
                    printed += &chain(&soon(client.get_caller_identity().send()).await.unwrap_err());
                    printed += &everything(&failing, &rig);
                }
                rig.sts.set_fault(None);
                printed += &of_a_chain(&provider, &rig, &mut canaries).await;
                rig.sts.reject_key(provider.current().unwrap().access_key_id(), "ExpiredToken");
                printed += &chain(&soon(client.get_caller_identity().send()).await.unwrap_err());
                rotate(spec().issued_at(std::time::SystemTime::now() - Duration::from_secs(7200)), &mut canaries);
                let error = soon(provider.refresh()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TokenRejected);
                printed += &chain(&error);
                printed += &everything(&provider, &rig);
                eventually(|| provider.status().last_error.is_some()).await;
                soon(provider.shutdown()).await;
                printed += &everything(&provider, &rig);
                // Those that a spoilt grant brought were never ours to show either.
                canaries.push("IQoJb3JpZ2luX2Vj".to_owned());
            }
            .with_current_subscriber(),
        );
    });
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for (place, text) in [("log", &logged), ("print", &printed)] {
        for canary in &canaries {
            let found = text.find(canary.as_str());
            let around = found.map(|at| text[..at].chars().rev().take(300).collect::<Vec<_>>());
            let around = around.map(|around| around.into_iter().rev().collect::<String>());
            assert!(found.is_none(), "a secret of {} characters in the {place} after: {around:?}", canary.len());
        }
        assert!(text.contains(ROLE), "the {place} says something useful");
    }
    assert!(logged.contains("TRACE") && logged.contains("aws_web_identity"), "the log was caught");
    assert!(logged.contains("credentials could not be renewed"), "and the task's, too");
}

/// What a role prints that is assumed with the provider's credentials, in success and in each failure.
async fn of_a_chain(base: &WebIdentityCredentialsProvider, rig: &Rig, canaries: &mut Vec<String>) -> String {
    let all = |chained: &BackgroundCredentialsProvider| {
        let config = chained.install(rig.config());
        let status = chained.status();
        let last = status.last_error.as_ref().map(|error| chain(error)).unwrap_or_default();
        format!("{chained:?} {chained:#?} {status:?} {last} {:?} {config:?}", chained.current())
    };
    let chained = base.assume_role(CHAINED_ROLE).connect().await.unwrap();
    keep_those(chained.current().unwrap(), canaries);
    let mut printed = all(&chained);
    for &fault in Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::OtherShape)) {
        rig.sts.set_chain_fault(fault);
        let builder = base.assume_role(CHAINED_ROLE).wait_timeout(Duration::from_millis(200));
        printed += &format!("{builder:?}");
        let failing = builder.build().unwrap();
        printed += &chain(&soon(failing.provide_credentials()).await.unwrap_err());
        printed += &all(&failing);
    }
    rig.sts.set_chain_fault(None);
    printed
}

fn keep(provider: &WebIdentityCredentialsProvider, canaries: &mut Vec<String>) {
    keep_those(provider.current().unwrap(), canaries);
}

fn keep_those(credentials: Credentials, canaries: &mut Vec<String>) {
    canaries.push(credentials.secret_access_key().to_owned());
    canaries.push(credentials.session_token().unwrap().to_owned());
}

/// All that can be printed of a provider.
fn everything(provider: &WebIdentityCredentialsProvider, rig: &Rig) -> String {
    let config = provider.install(rig.config());
    let status = provider.status();
    let last = status.last_error.as_ref().map(|error| chain(error)).unwrap_or_default();
    format!(
        "{provider:?} {provider:#?} {status:?} {last} {:?} {:?} {:?} {:?} {:?} {config:?} {:?}",
        provider.updates(),
        provider.credentials_provider(),
        provider.identity_cache(),
        provider.interceptor(),
        provider.current(),
        Client::new(&config),
    )
}

/// An error with all its causes, in both ways of printing.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    causes.map(|error| format!("{error} {error:?} {error:#?}\n")).collect()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
