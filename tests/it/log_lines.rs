//! Log lines as a person reads them: each field once, and one form for all times and numbers.

use std::collections::BTreeSet;

use aws_web_identity::BackgroundCredentialsProvider;
use aws_web_identity::test_util::Fault;
use regex_lite::Regex;
use tracing::Level;

use crate::support::captured_log::Log;
use crate::support::{Rig, eventually, soon, spec};

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_have_plain_fields_once() {
    let (log, _guard) = Log::listen_to(Level::DEBUG);
    let times = |text| log.to_string().matches(text).count();
    let rig = Rig::start().await;
    let standby = rig.sts.another_region().await;
    let builder = rig.builder().standby_endpoint_url(standby.endpoint_url());
    rig.sts.fail_next(1, Fault::ServiceUnavailable);
    let provider = soon(builder.connect()).await.unwrap();
    for sts in [&rig.sts, &standby] {
        sts.set_fault(Fault::ServiceUnavailable);
    }
    let rejected = provider.current().unwrap();
    BackgroundCredentialsProvider::from(provider.clone()).invalidate(&rejected);
    eventually(|| times("credentials could not be refreshed") > 1).await;
    for sts in [&rig.sts, &standby] {
        sts.set_fault(None);
    }
    rig.rotate(spec());
    eventually(|| times("credentials refreshed after failures") > 1).await;
    std::fs::remove_file(rig.volume.token_path()).unwrap();
    soon(provider.refresh()).await.unwrap_err();

    let log = log.to_string();
    let field = Regex::new(r#"(\w+)=("[^"]*"|\S+)"#).unwrap();
    let odd = Regex::new(r"^(Some\(|None$)|\d\.\d\d+$|^\d[\d.]*(ns|µs|ms|s)$|^\d{4}-").unwrap();
    let ours: Vec<_> = log.lines().filter(|line| line.contains(" aws_web_identity")).collect();
    assert!(ours.len() > 6, "{ours:#?}");
    for line in ours {
        let mut names = BTreeSet::new();
        for found in field.captures_iter(line) {
            assert!(names.insert(found[1].to_owned()), "{} twice: {line}", &found[1]);
            assert!(!odd.is_match(found[2].trim_matches('"')), "{}: {line}", &found[0]);
        }
    }
}
