//! A service as a cluster runs it: it listens before it has credentials, tells probes and Prometheus how things stand, and
//! ends within seconds of SIGTERM.
//!
//! `cargo run -p service`, with the variables of web identity, `AWS_REGION` and, if need be,
//! `AWS_ENDPOINT_URL_STS`. `LISTEN_ADDR` is `0.0.0.0:8080` unless set. `GET /livez` is 200 while it serves, `/readyz` while there
//! are usable credentials, else 503; `/metrics` is Prometheus text.

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
        // It would tell of a closed standard error there, and panic.
        .log_internal_errors(false)
        .init();
    let outcome = Runtime::new().map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(run());
        // To drop it would be to wait for threads that resolve a name or read a file.
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
    // SDK clients would be made here: `Client::new(&identity.install(aws_config::load_defaults(BehaviorVersion::latest()).await))`.

    // `build` starts nothing. This does, and waits so that nobody else must.
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
    // Requests that are still served can go on signing. One that does not end must not keep us.
    let drained = async { tokio::join!(server, identity.shutdown()) };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("requests were cut off");
    }
    Ok(())
}

/// Ends with the first credentials. What somebody must mend is told once for each time that it ends the waiting.
async fn tell_readiness(identity: WebIdentityCredentialsProvider) {
    let mut updates = identity.updates();
    while let Err(error) = identity.ready().await {
        if error.kind() == ErrorKind::Closed {
            return;
        }
        tracing::error!(%error, "not ready until somebody mends this");
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
    // Without a listener of its own the exporter has no task that does this.
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render())
}

/// Resolves at SIGTERM or Ctrl-C. Listens from now on.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        let interrupted = async { drop(tokio::signal::ctrl_c().await) };
        #[cfg(unix)]
        tokio::select! {
            _ = terminated.recv() => {}
            () = interrupted => {}
        }
        #[cfg(not(unix))]
        interrupted.await;
    })
}

const DURATION: &str = "aws_web_identity_exchange_duration_seconds";
/// An exchange ends after 8 s at the latest.
const BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0];
/// Well within the 5 s that end with a kill.
const DRAIN: Duration = Duration::from_secs(3);
