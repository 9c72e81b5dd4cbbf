//! A service as a cluster runs it. It listens before it has credentials, and answers probes and Prometheus. It ends with
//! status 0 within 3 s of SIGTERM or SIGINT, or with status 1 and the reason if it cannot run.
//!
//! `cargo run -p service` reads `AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION`, and
//! `AWS_ENDPOINT_URL_STS` for an STS that is not AWS's. `LISTEN_ADDR` is `0.0.0.0:8080` unless set.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 |
//! | `/readyz` | 200 with valid credentials, otherwise 503 with the reason |
//! | `/metrics` | the metrics as Prometheus text |

#[macro_use]
#[path = "../../output/mod.rs"]
mod output;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use aws_web_identity::{ErrorKind, WebIdentityCredentialsProvider};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        // Otherwise the subscriber panics when standard error is closed.
        .log_internal_errors(false)
        .init();
    let outcome = Runtime::new().map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(run());
        // Dropping the runtime would wait for its threads that look up a name or read a file.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the service cannot run");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone)]
struct App {
    identity: WebIdentityCredentialsProvider,
    metrics: PrometheusHandle,
}

async fn run() -> Result<(), Box<dyn Error>> {
    let stop = stop_signal()?;
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), BUCKETS)?
        .install_recorder()?;
    let identity = WebIdentityCredentialsProvider::builder().build()?;
    // A real service makes its clients here, with
    // `identity.install(aws_config::load_defaults(BehaviorVersion::latest()).await)`.

    // `build` starts nothing. The first wait starts the refreshes.
    tokio::spawn(tell_readiness(identity.clone()));

    let address = env::var("LISTEN_ADDR").unwrap_or_else(|_| "0.0.0.0:8080".to_owned());
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
    say!("listening on {}", listener.local_addr()?);
    let app = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(App { identity: identity.clone(), metrics });
    let stopping = CancellationToken::new();
    let server = axum::serve(listener, app).with_graceful_shutdown(stopping.clone().cancelled_owned());
    let mut server = tokio::spawn(async move { server.await });

    tokio::select! {
        ended = &mut server => return Ok(ended??),
        () = stop => tracing::info!("stopping"),
    }
    stopping.cancel();
    // Requests in progress can still sign. A request that never ends is cut off.
    let drained = async { tokio::join!(server, identity.shutdown()) };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some requests were cut off");
    }
    Ok(())
}

/// Logs when the first credentials come. Logs each error that only a person can correct.
async fn tell_readiness(identity: WebIdentityCredentialsProvider) {
    let mut updates = identity.updates();
    while let Err(error) = identity.ready().await {
        if error.kind() == ErrorKind::Closed {
            return;
        }
        tracing::error!(%error, "not ready until this is corrected");
        if updates.changed().await.is_err() {
            return;
        }
    }
    tracing::info!("ready");
}

async fn readyz(State(app): State<App>) -> impl IntoResponse {
    if app.identity.current().is_some() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let status = app.identity.status();
    let why = status.last_error.map_or_else(String::new, |error| format!(": {error}"));
    (StatusCode::SERVICE_UNAVAILABLE, format!("no valid credentials ({:?}){why}\n", status.phase))
}

async fn scrape(State(app): State<App>) -> impl IntoResponse {
    // The exporter does this by itself only if it has its own listener.
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render())
}

/// Resolves at SIGTERM or SIGINT (Ctrl-C). Signals count from this call on. Before it they kill the process.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

const DURATION: &str = "aws_web_identity_exchange_duration_seconds";
/// An exchange ends after 8 s at most.
const BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0];
/// Less than the grace period of a pod, after which the kubelet kills the process.
const DRAIN: Duration = Duration::from_secs(3);
