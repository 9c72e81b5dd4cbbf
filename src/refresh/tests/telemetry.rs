//! Log events, spans and the observer: each event once, and none under the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::rig::{HOUR, Reply, Rig, seconds};
use crate::error::Error;
use crate::refresh::status::EngineStatus;
use crate::refresh::{Class, EngineHandle, Observer, Phase};

const PAGE: &str = include_str!("../../docs/telemetry.rs");
const ROLE: &str = "arn:aws:iam::123456789012:role/scripted";

#[tokio::test(start_paused = true)]
async fn each_refresh_is_logged_once() {
    let (heard, _guard) = Heard::listen();
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    while rig.source.calls() < 3 {
        rig.pass(seconds(60)).await;
    }
    let told = heard.all();
    assert_eq!(told.len(), 3, "{told:?}");
    let spans = heard.spans.lock().unwrap().clone();
    for ((generation, told), span) in (1..).zip(&told).zip(&spans) {
        assert_eq!((told.level, &*told.message), (Level::INFO, "credentials refreshed"));
        assert_eq!((told.field("role"), told.field("generation")), (ROLE, &*generation.to_string()));
        assert_eq!(told.field("lifetime_seconds"), "3600");
        let next = told.field("next_attempt_seconds");
        assert!((2160.0..=2700.0).contains(&next.parse::<f64>().unwrap()));
        assert!(next.split_once('.').is_none_or(|(_, fraction)| fraction.len() <= 1), "{next}");
        assert_eq!(told.span, None, "a log line would show each field twice");
        assert_eq!((span["name"].as_str(), span["role"].as_str(), span["attempt"].as_str()), ("exchange", ROLE, "1"));
        assert_eq!(span["generation"], (generation - 1).to_string(), "the generation to be replaced");
    }
}

#[tokio::test(start_paused = true)]
async fn suspend_during_an_exchange_is_logged_outside_its_span() {
    let (heard, _guard) = Heard::listen();
    let rig = Rig::new(Reply::Grant(HOUR).after(seconds(2)));
    let asked = rig.engine.ready();
    let mut asked = std::pin::pin!(asked);
    assert!(tokio::time::timeout(seconds(1), &mut asked).await.is_err());
    rig.clock.suspend(seconds(60));
    asked.await.unwrap();
    let told = heard.all();
    assert!(told.iter().any(|told| told.message.starts_with("the machine was suspended")), "{told:?}");
    assert!(told.iter().all(|told| told.span.is_none()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn same_access_key_is_logged_at_debug() {
    let (heard, _guard) = Heard::listen();
    let rig = Rig::new(Reply::SameKey(HOUR));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    while rig.source.calls() < 3 {
        rig.pass(seconds(60)).await;
    }
    assert_eq!(heard.levels(), [Level::INFO, Level::DEBUG, Level::DEBUG]);
}

#[tokio::test(start_paused = true)]
async fn outage_is_logged_with_expiry_and_end() {
    let (heard, _guard) = Heard::listen();
    // The refresh starts below 50 % of the lifetime, and early enough for three attempts above 25 %.
    let rig = Rig::with(Reply::Fail(Class::Outage), |policy| policy.refresh_window = 0.60..=0.70);
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    rig.pass(2 * HOUR).await;
    let failures = rig.engine.status().consecutive_failures;
    rig.source.always(Reply::Grant(HOUR));
    rig.pass(seconds(60)).await;

    let told = heard.all();
    let warned: Vec<_> = told.iter().filter(|told| told.level == Level::WARN).collect();
    // The first three, one at 25 % and one at 10 %.
    assert_eq!(warned.len(), 5, "{warned:#?}");
    let valid = |index: usize| warned[index].field("valid_seconds").parse::<u64>().unwrap();
    assert!(valid(3) <= 900 && valid(4) <= 360, "{} {}", valid(3), valid(4));
    assert!(warned.iter().all(|told| told.message == "credentials could not be refreshed"));
    assert_eq!((warned[0].field("kind"), warned[0].field("failures")), ("service_unavailable", "1"));
    assert_eq!(heard.spans.lock().unwrap()[2]["attempt"], "2");

    let expired: Vec<_> = told.iter().filter(|told| told.level == Level::ERROR).collect();
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].message, "credentials expired before they could be refreshed");
    assert_eq!((expired[0].field("role"), expired[0].field("kind")), (ROLE, "service_unavailable"));

    let quiet = told.iter().filter(|told| told.level == Level::DEBUG).count();
    assert_eq!(u32::try_from(quiet + 5).unwrap(), failures, "all other failures are logged at DEBUG");

    let end = told.last().unwrap();
    assert_eq!((end.level, &*end.message), (Level::INFO, "credentials refreshed after failures"));
    assert_eq!(end.field("failures"), failures.to_string());
    let failing: u64 = end.field("failing_seconds").parse().unwrap();
    assert!((7200 - 2700..=7260 - 2160).contains(&failing), "{failing}");
    assert_eq!(told.iter().filter(|told| told.level == Level::INFO).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn expiry_is_logged_in_its_second() {
    for last_words in [Reply::Fail(Class::BadInput), Reply::Hang] {
        let (heard, _guard) = Heard::listen();
        let rig = Rig::new(last_words.clone());
        rig.source.then(Reply::Grant(seconds(900)));
        rig.engine.credentials().await.unwrap();
        rig.pass(seconds(899)).await;
        assert!(heard.levels().iter().all(|level| *level != Level::ERROR));
        // During an attempt the task wakes at the expiry or after 30 s.
        rig.pass(seconds(if matches!(last_words, Reply::Hang) { 31 } else { 1 })).await;
        rig.pass(Duration::from_millis(1)).await;
        assert_eq!(heard.levels().iter().filter(|level| **level == Level::ERROR).count(), 1, "{last_words:?}");
        rig.pass(HOUR).await;
        assert_eq!(heard.levels().iter().filter(|level| **level == Level::ERROR).count(), 1, "{last_words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_expires_before_the_first_credentials() {
    let (heard, _guard) = Heard::listen();
    let rig = Rig::new(Reply::Fail(Class::Misconfigured));
    rig.engine.credentials().await.unwrap_err();
    rig.pass(2 * HOUR).await;
    let levels = heard.levels();
    assert!(levels.len() > 20);
    assert_eq!(levels[..3], [Level::WARN; 3]);
    assert!(levels[3..].iter().all(|level| *level == Level::DEBUG));
}

#[tokio::test(start_paused = true)]
async fn span_records_the_outcome_of_its_exchange() {
    let (heard, _guard) = Heard::listen();
    let rig = Rig::new(Reply::Grant(HOUR));
    rig.source.then(Reply::Fail(Class::Throttled));
    rig.engine.credentials().await.unwrap();
    let spans = heard.spans.lock().unwrap().clone();
    let ended: Vec<_> =
        spans.iter().map(|span| (span["outcome"].as_str(), span.get("kind").map(String::as_str))).collect();
    assert_eq!(ended, [("error", Some("throttled")), ("ok", None)]);
    assert!(spans.iter().all(|span| span["parent"] == "none"), "the caller's span is not the parent");
}

/// A subscriber may call the engine for each event that it writes. An observer may, too.
#[tokio::test(start_paused = true)]
async fn subscriber_and_observer_may_call_the_engine() {
    let listener = Arc::new(Listener::default());
    let (heard, _guard) = Heard::listen();
    let rig = Rig::observed(Reply::Fail(Class::Outage), |_| {}, Some(Arc::clone(&listener) as Arc<dyn Observer>));
    assert!(heard.engine.set(rig.engine.clone()).is_ok() && listener.engine.set(rig.engine.clone()).is_ok());
    rig.source.then(Reply::Grant(HOUR));
    let key = rig.engine.credentials().await.unwrap();
    rig.engine.rejected(key.access_key_id(), Duration::ZERO);
    rig.clock.suspend(seconds(600));
    rig.pass(seconds(31)).await;
    rig.clock.set_by(7200);
    rig.pass(2 * HOUR).await;
    rig.engine.shutdown().await;
    let told: BTreeSet<_> = heard.all().into_iter().map(|told| told.message).collect();
    for message in
        ["was suspended", "set ahead", "rejected the credentials", "could not be refreshed", "expired before"]
    {
        assert!(told.iter().any(|told| told.contains(message)), "{message}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn observer_hears_exchanges_rejections_and_status() {
    let listener = Arc::new(Listener::default());
    let rig = Rig::observed(Reply::Grant(HOUR), |_| {}, Some(Arc::clone(&listener) as Arc<dyn Observer>));
    rig.source.then(Reply::Fail(Class::Throttled).after(seconds(2))).then(Reply::Grant(HOUR).after(seconds(1)));
    let key = rig.engine.credentials().await.unwrap();
    assert_eq!(*listener.exchanges.lock().unwrap(), [(2, Some("throttled")), (1, None)]);
    let first = listener.statuses.lock().unwrap()[0].clone();
    assert_eq!((first.phase, first.generation, first.expiry), (Phase::Empty, 0, None), "before the first attempt");
    assert!(first.next_attempt.is_some());

    rig.engine.rejected("AKIAOFSOMEBODYELSE", Duration::ZERO);
    assert_eq!(*listener.rejections.lock().unwrap(), 0);
    rig.engine.rejected(key.access_key_id(), Duration::ZERO);
    assert_eq!(*listener.rejections.lock().unwrap(), 1);
    rig.pass(seconds(5)).await;
    listener.agrees_with(&rig.engine).await;
    assert_eq!(rig.engine.status().generation, 2, "the rejected credentials were replaced");

    // A clock step moves the shown times alone.
    rig.pass(seconds(301)).await;
    rig.clock.set_by(-7200);
    rig.pass(seconds(30)).await;
    listener.agrees_with(&rig.engine).await;

    rig.source.always(Reply::Fail(Class::Misconfigured));
    for _ in 0..100 {
        rig.pass(seconds(61)).await;
        listener.agrees_with(&rig.engine).await;
    }
    rig.engine.shutdown().await;
    let last = listener.statuses.lock().unwrap().last().unwrap().clone();
    assert_eq!((last.phase, last.next_attempt), (Phase::Closed, None));
}

/// A busy service may send thousands of requests a second with a rejected key.
#[tokio::test(start_paused = true)]
async fn repeated_rejections_wake_the_task_once() {
    let listener = Arc::new(Listener::default());
    let rig = Rig::observed(Reply::Hang, |_| {}, Some(Arc::clone(&listener) as Arc<dyn Observer>));
    rig.source.then(Reply::Grant(HOUR));
    rig.engine.credentials().await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..100 {
        rig.engine.rejected("KEY1", Duration::ZERO);
        tokio::task::yield_now().await;
        heard.push(listener.statuses.lock().unwrap().len());
    }
    assert_eq!(*listener.rejections.lock().unwrap(), 100);
    assert!(heard[99] - heard[0] <= 2, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn panicking_observer_changes_nothing() {
    struct Panicking;
    impl Observer for Panicking {
        fn status(&self, _: &EngineStatus) {
            panic!("scripted panic");
        }

        fn exchanged(&self, _: Duration, _: Option<&Error>) {
            panic!("scripted panic");
        }

        fn rejected(&self) {
            panic!("scripted panic");
        }
    }
    let rig = Rig::observed(Reply::Grant(HOUR), |_| {}, Some(Arc::new(Panicking)));
    rig.source.then(Reply::Fail(Class::Outage));
    let key = rig.engine.credentials().await.unwrap();
    rig.engine.rejected(key.access_key_id(), Duration::ZERO);
    rig.pass(2 * HOUR).await;
    assert!((4..=6).contains(&rig.source.calls()), "{}", rig.source.calls());
    rig.engine.shutdown().await;
    assert!(!rig.engine.shared().task_runs());
}

#[derive(Default)]
struct Listener {
    engine: OnceLock<EngineHandle>,
    exchanges: Mutex<Vec<(u64, Option<&'static str>)>>,
    rejections: Mutex<u32>,
    statuses: Mutex<Vec<EngineStatus>>,
}

impl Listener {
    /// The status that the observer heard last is the present one, once the task has run.
    async fn agrees_with(&self, engine: &EngineHandle) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let heard = self.statuses.lock().unwrap().last().unwrap().clone();
        let holds = engine.status();
        assert_eq!(
            (heard.generation, heard.consecutive_failures, heard.expiry),
            (holds.generation, holds.consecutive_failures, holds.expiry)
        );
        assert!(apart(heard.next_attempt, holds.next_attempt) <= Duration::from_millis(2), "{heard:?} {holds:?}");
    }

    fn call_back(&self) {
        if let Some(engine) = self.engine.get() {
            assert_eq!(format!("{engine:?}"), format!("{engine:?}"));
            engine.issued("AKIA");
        }
    }
}

fn apart(one: Option<SystemTime>, other: Option<SystemTime>) -> Duration {
    let (one, other) = one.zip(other).expect("both are there");
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

impl Observer for Listener {
    fn status(&self, status: &EngineStatus) {
        self.call_back();
        self.statuses.lock().unwrap().push(status.clone());
    }

    fn exchanged(&self, took: Duration, error: Option<&Error>) {
        self.call_back();
        self.exchanges.lock().unwrap().push((took.as_secs(), error.map(|error| error.kind().as_str())));
    }

    fn rejected(&self) {
        self.call_back();
        *self.rejections.lock().unwrap() += 1;
    }
}

type Fields = BTreeMap<String, String>;

/// One event of the engine.
#[derive(Clone, Debug)]
struct Told {
    level: Level,
    message: String,
    fields: Fields,
    span: Option<Fields>,
}

impl Told {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// All events and spans of this thread with the stable target.
#[derive(Clone, Default)]
struct Heard {
    told: Arc<Mutex<Vec<Told>>>,
    spans: Arc<Mutex<Vec<Fields>>>,
    /// Messages and fields that `docs::telemetry` does not list.
    unlisted: Arc<Mutex<Vec<String>>>,
    /// Called back in each event.
    engine: Arc<OnceLock<EngineHandle>>,
}

impl Heard {
    fn listen() -> (Self, (DefaultGuard, Dispatch)) {
        let heard = Self::default();
        let subscriber = tracing_subscriber::registry().with(heard.clone());
        // With one dispatcher, tracing asks only the thread that first reaches a callsite, perhaps another test's thread.
        let second = Dispatch::new(tracing_subscriber::registry());
        (heard, (tracing::subscriber::set_default(subscriber), second))
    }

    fn all(&self) -> Vec<Told> {
        assert_eq!(*self.unlisted.lock().unwrap(), Vec::<String>::new());
        self.told.lock().unwrap().clone()
    }

    fn levels(&self) -> Vec<Level> {
        self.all().iter().map(|told| told.level).collect()
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Heard {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::from([("name".to_owned(), attributes.metadata().name().to_owned())]);
        attributes.record(&mut Reader(&mut fields));
        let span = context.span(id).unwrap();
        fields.insert("parent".to_owned(), span.parent().map_or("none", |parent| parent.name()).to_owned());
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        values.record(&mut Reader(span.extensions_mut().get_mut::<Fields>().unwrap()));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        self.spans.lock().unwrap().push(span.extensions().get::<Fields>().unwrap().clone());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != "aws_web_identity" {
            return;
        }
        if let Some(engine) = self.engine.get() {
            assert!(engine.status().generation > 0 || engine.current().is_none());
        }
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let unlisted = fields.keys().filter(|name| *name != "message" && !PAGE.contains(&format!("`{name}`")));
        self.unlisted.lock().unwrap().extend(unlisted.cloned());
        if !PAGE.contains(&format!("`{}`", fields["message"])) {
            self.unlisted.lock().unwrap().push(fields["message"].clone());
        }
        let span = context.event_span(event);
        self.told.lock().unwrap().push(Told {
            level: *event.metadata().level(),
            message: fields.remove("message").unwrap(),
            fields,
            span: span.map(|span| span.extensions().get::<Fields>().unwrap().clone()),
        });
    }
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
