//! Metrics: the promised names exist, agree with the status in every phase, and are those of the dashboard and the
//! alerts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_web_identity::test_util::Fault;
use aws_web_identity::{BackgroundCredentialsProvider, Phase, WebIdentityCredentialsProvider};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime::Handle;

use crate::support::{CHAINED_ROLE, OTHER_ROLE, ROLE, Rig, eventually, soon, spec};

pub(crate) const NAMES: [&str; 10] = [
    "aws_web_identity_consecutive_failures",
    "aws_web_identity_exchange_duration_seconds",
    "aws_web_identity_exchanges_total",
    "aws_web_identity_expiry_timestamp_seconds",
    "aws_web_identity_generation",
    "aws_web_identity_next_attempt_timestamp_seconds",
    "aws_web_identity_rejections_total",
    "aws_web_identity_token_expiry_timestamp_seconds",
    "aws_web_identity_token_rotations_total",
    "aws_web_identity_watch_healthy",
];

/// The metrics of a scrape, by their `# TYPE` lines, sorted.
pub(crate) fn names_in(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let names: BTreeSet<_> = names.map(str::to_owned).collect();
    names.into_iter().collect()
}

#[test]
fn metrics_agree_with_status_in_every_phase() {
    scraped(async |scrape, rig| {
        let builder = || rig.builder().wait_timeout(Duration::from_millis(300));
        rig.sts.set_fault(Fault::AccessDenied);
        let provider = builder().build().unwrap();
        assert_eq!(names_in(&scrape.text()), Vec::<String>::new(), "an unused provider must have no metrics");
        soon(provider.provide_credentials()).await.unwrap_err();
        // A denied role is tried three more times.
        let denied = r#"exchanges_total{role="ROLE",outcome="error",kind="role_denied"}"#;
        eventually(|| scrape.value(denied) == f64::from(provider.status().consecutive_failures)).await;
        assert!(scrape.value(denied) >= 1.0);
        assert_eq!(scrape.of("expiry_timestamp_seconds"), 0.0, "there were no credentials yet");
        assert_eq!(scrape.of("generation"), 0.0);
        agree(&scrape, &provider).await;

        rig.sts.set_fault(None);
        soon(provider.ready()).await.unwrap();
        agree(&scrape, &provider).await;
        assert_eq!(scrape.value(r#"exchanges_total{role="ROLE",outcome="ok",kind="none"}"#), 1.0);
        assert_eq!((scrape.of("consecutive_failures"), scrape.of("generation")), (0.0, 1.0));
        assert_eq!((scrape.of("rejections_total"), scrape.of("token_rotations_total")), (0.0, 0.0));
        assert_eq!(names_in(&scrape.text()), NAMES);
        let all = scrape.value(denied) + 1.0;
        assert_eq!(scrape.of("exchange_duration_seconds_count"), all, "failed exchanges must count as well");

        rig.rotate(spec().lifetime(Duration::from_secs(3000)));
        eventually(|| scrape.of("token_rotations_total") == 1.0).await;
        agree(&scrape, &provider).await;

        provider.invalidate(&provider.current().unwrap());
        assert_eq!(scrape.of("rejections_total"), 1.0);
        eventually(|| provider.status().generation == 2).await;
        agree(&scrape, &provider).await;

        // Another role has its own series. A provider that only polls has no `watch_healthy`.
        let other = rig.builder_for(OTHER_ROLE).watch_token(false).connect().await.unwrap();
        let others = scrape.text().lines().filter(|line| line.contains(OTHER_ROLE)).count();
        assert!(others > 8 && !scrape.text().contains(&format!("watch_healthy{{role=\"{OTHER_ROLE}\"}}")));
        drop(other);

        soon(provider.shutdown()).await;
        eventually(|| scrape.of("next_attempt_timestamp_seconds") == 0.0).await;
        assert_eq!(provider.status().phase, Phase::Closed);
        agree(&scrape, &provider).await;
    });
}

#[test]
fn chained_and_wrapped_providers_lack_token_metrics_only() {
    scraped(async |scrape, rig| {
        let base = rig.connect().await;
        let chained = soon(base.assume_role(CHAINED_ROLE).connect()).await.unwrap();
        let expiry = SystemTime::now() + Duration::from_secs(3600);
        let theirs = Credentials::new("THEIRS", "secret", None, Some(expiry), "theirs");
        let wrapped =
            soon(BackgroundCredentialsProvider::builder(theirs).name("node role").runtime(Handle::current()).connect())
                .await
                .unwrap();

        let is_of_token = |name: &&str| name.contains("_token_") || name.contains("_watch_");
        let expected: BTreeSet<_> =
            NAMES.iter().filter(|name| !is_of_token(name)).map(|name| (*name).to_owned()).collect();
        for (role, provider) in [(CHAINED_ROLE, &chained), ("node role", &wrapped)] {
            let label = format!("role=\"{role}\"");
            let of = |name: &str| scrape.value(&format!("{name}{{{label}}}"));
            eventually(|| of("generation") == 1.0).await;
            let text = scrape.text();
            let found: BTreeSet<_> = text.lines().filter(|line| line.contains(&label)).flat_map(metrics_in).collect();
            assert_eq!(found, expected, "{role}");
            assert_eq!(scrape.value(&format!(r#"exchanges_total{{{label},outcome="ok",kind="none"}}"#)), 1.0);
            let shown = provider.status().expiry.unwrap().duration_since(UNIX_EPOCH).unwrap();
            assert!((of("expiry_timestamp_seconds") - shown.as_secs_f64()).abs() < 0.5, "{role}");

            assert_eq!(of("rejections_total"), 0.0, "the counter must exist before the first rejection");
            provider.invalidate(&provider.current().unwrap());
            assert_eq!(of("rejections_total"), 1.0);
        }
        assert_eq!(scrape.of("rejections_total"), 0.0, "the base's keys were not rejected");
    });
}

#[test]
fn late_metrics_recorder_receives_all_metrics() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut rig = Rig::start().await;
        rig.runtime = Some(Handle::current());
        let provider = rig.connect().await;
        let recorder = PrometheusBuilder::new().build_recorder();
        let scrape = Scrape(recorder.handle());
        let _local = metrics::set_default_local_recorder(&recorder);
        provider.invalidate(&provider.current().unwrap());
        eventually(|| provider.status().generation == 2 && scrape.of("generation") == 2.0).await;
        assert_eq!(names_in(&scrape.text()), NAMES);
    });
}

#[test]
fn telemetry_page_lists_each_metric() {
    let page = fs::read_to_string(Path::new(crate::ROOT).join("src/docs/telemetry.rs")).unwrap();
    let rows: BTreeSet<_> =
        page.lines().filter(|line| line.starts_with("//! | `aws_web_identity_")).flat_map(metrics_in).collect();
    assert_eq!(rows.iter().map(String::as_str).collect::<Vec<_>>(), NAMES);
}

#[test]
fn dashboard_and_alerts_use_the_promised_metrics() {
    let folder = Path::new(crate::ROOT).join("examples/observability");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let rules: serde_norway::Value = serde_norway::from_str(&read("alerts.yaml")).unwrap();

    let mut used = BTreeSet::new();
    let mut queries = Vec::new();
    strings(&dashboard, "expr", &mut queries);
    assert!(queries.len() >= 10, "{queries:?}");
    for query in &queries {
        assert!(metrics_in(query).count() > 0, "{query}");
        used.extend(metrics_in(query));
    }
    assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), NAMES, "the dashboard must show each metric");

    let mut alerts = 0;
    for group in rules["groups"].as_sequence().unwrap() {
        for rule in group["rules"].as_sequence().unwrap() {
            let text = |value: &serde_norway::Value| value.as_str().unwrap_or_default().to_owned();
            let name = text(&rule["alert"]);
            assert!(!name.is_empty(), "{rule:?}");
            let metrics: Vec<_> = metrics_in(&text(&rule["expr"])).collect();
            assert!(
                !metrics.is_empty() && metrics.iter().all(|metric| NAMES.contains(&metric.as_str())),
                "{metrics:?}"
            );
            assert!(!text(&rule["annotations"]["summary"]).is_empty(), "{name}");
            let runbook = text(&rule["annotations"]["runbook"]);
            for part in ["Means:", "Look at:", "Do:"] {
                assert!(runbook.contains(part), "{name} has no {part:?}");
            }
            assert!(!text(&rule["labels"]["severity"]).is_empty(), "{name}");
            alerts += 1;
        }
    }
    assert!(alerts >= 8, "{alerts}");
}

/// Collects all strings under this key.
fn strings(value: &serde_json::Value, key: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, key, found)),
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    serde_json::Value::String(text) if name == key => found.push(text.clone()),
                    field => strings(field, key, found),
                }
            }
        }
        _ => {}
    }
}

/// The metrics that a query names. Parts of a histogram count as the histogram.
fn metrics_in(query: &str) -> impl Iterator<Item = String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<_> = words.filter(|word| word.starts_with("aws_web_identity")).map(str::to_owned).collect();
    names.into_iter().map(|name| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        histogram.map_or(name.clone(), str::to_owned)
    })
}

/// Waits until the metrics agree with the status.
async fn agree(scrape: &Scrape, provider: &WebIdentityCredentialsProvider) {
    let seconds =
        |time: Option<SystemTime>| time.map_or(0.0, |time| time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
    eventually(|| {
        let status = provider.status();
        let near = |name: &str, time: Option<SystemTime>| (scrape.of(name) - seconds(time)).abs() < 0.5;
        scrape.of("consecutive_failures") == f64::from(status.consecutive_failures)
            && scrape.of("generation") == status.generation as f64
            && near("expiry_timestamp_seconds", status.expiry)
            && near("next_attempt_timestamp_seconds", status.next_attempt)
            && near("token_expiry_timestamp_seconds", status.token.and_then(|token| token.expires_at))
    })
    .await;
}

/// The output of a Prometheus scrape.
struct Scrape(metrics_exporter_prometheus::PrometheusHandle);

impl Scrape {
    fn text(&self) -> String {
        self.0.render()
    }

    /// The series with the rig's role as its only label. NaN if it is missing.
    fn of(&self, name: &str) -> f64 {
        self.value(&format!("{name}{{role=\"ROLE\"}}"))
    }

    fn value(&self, series: &str) -> f64 {
        let series = format!("aws_web_identity_{} ", series.replace("ROLE", ROLE));
        let text = self.text();
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or(f64::NAN)
    }
}

/// Runs a test on one thread, because the recorder belongs to that thread.
fn scraped(test: impl AsyncFnOnce(Scrape, Rig)) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let scrape = Scrape(recorder.handle());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let mut rig = Rig::start().await;
            rig.runtime = Some(Handle::current());
            test(scrape, rig).await;
        });
    });
}
