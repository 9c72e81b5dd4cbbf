use aws_web_identity::WebIdentityCredentialsProvider;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

/// The service and its probes. Make `identity` with `build()`, so that the service listens before it has credentials.
pub fn app(identity: WebIdentityCredentialsProvider, routes: Router) -> Router {
    let probes = Router::new()
        // Always alive: a restart would not bring credentials.
        .route("/livez", get(|| async { "alive" }))
        .route("/readyz", get(readyz))
        .with_state(identity);
    routes.merge(probes)
}

/// Never waits. The first probe starts the first exchange.
async fn readyz(State(identity): State<WebIdentityCredentialsProvider>) -> (StatusCode, String) {
    if identity.current().is_some() {
        return (StatusCode::OK, "ready".to_owned());
    }
    let status = identity.status();
    let why = status.last_error.map_or_else(|| format!("{:?}", status.phase), |error| error.to_string());
    (StatusCode::SERVICE_UNAVAILABLE, why)
}
