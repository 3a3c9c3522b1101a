//! HTTP: Weave Scope's JSON API, its websockets and ours, the probes' entrance, and the page.

pub mod api;
pub mod assets;
pub mod body;
pub mod error;
pub mod legacy;
pub mod report;
pub mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shared::id::InstanceId;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::config::Config;
use crate::engine::Engine;
use crate::ingest::{self, Ingest};
use crate::metrics::Counters;
use error::Error;

/// Of a probe most of what it tells fits in, and it is cleared before each reading.
const READ_BUFFER_BYTES: usize = 16 << 10;

/// What every handler may ask.
pub struct Context {
    pub engine: Engine,
    pub config: Config,
    pub app: InstanceId,
    pub counters: Arc<Counters>,
    pub ingest: Arc<Ingest>,
    /// One search at a time.
    pub searches: tokio::sync::Semaphore,
}

pub type Shared = State<Arc<Context>>;

/// Every route with what it is for; `openapi.json` describes the same ones.
pub fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/api", get(api::about))
        .route("/api/", get(api::about))
        .route("/api/topology", get(api::topologies))
        .route("/api/topology/{topology}", get(api::topology))
        .route("/api/topology/{topology}/ws", get(websocket::topology))
        .route("/api/topology/{topology}/{*node}", get(api::details))
        .route("/api/paths/{topology}", get(api::paths))
        .route("/api/search", get(api::search))
        .route("/api/report", get(report::whole).post(report::gone))
        .route("/api/probes", get(api::probes))
        .route("/api/status", get(api::status))
        .route("/api/findings", get(api::findings))
        .route("/api/network-map", get(api::network_map))
        .route("/api/openapi.json", get(api::openapi))
        .route("/metrics", get(api::metrics))
        .route("/healthz", get(api::health))
        .route(shared::wire::PATH, get(probe))
        .route("/", get(assets::index))
        .route("/ui", get(assets::index))
        .route("/ui/{*path}", get(assets::file))
        .fallback(|| async { Error::NotFound("no such route; /api/openapi.json lists them".into()) })
        .method_not_allowed_fallback(|| async { Error::Method })
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn_with_state(context.clone(), observe))
        .with_state(context)
}

/// Times every request, and keeps answers from being cached without asking.
async fn observe(State(context): Shared, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let mut response = in_json(next.run(request).await).await;
    context.counters.request(&route, response.status().as_u16(), started.elapsed());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What the framework refuses by itself it says in plain text; errors are JSON here.
async fn in_json(response: Response) -> Response {
    let is_text = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, 4 << 10).await.unwrap_or_default();
    (parts.status, axum::Json(serde_json::json!({ "error": String::from_utf8_lossy(&said) }))).into_response()
}

async fn probe(
    State(context): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Error> {
    check_origin(&headers)?;
    let ingest = context.ingest.clone();
    let upgrade = upgrade.max_message_size(shared::wire::ENCODED_BYTES_MAX).read_buffer_size(READ_BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| ingest::serve(ingest, socket, peer)).into_response())
}

/// A page of another site must not open a websocket here in its visitor's name.
pub fn check_origin(headers: &HeaderMap) -> Result<(), Error> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let forwarded = headers.get("x-forwarded-host").or_else(|| headers.get(header::HOST));
    let asked = forwarded.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let from = origin.to_str().unwrap_or_default();
    match from.split_once("://") {
        Some((_, host)) if host == asked => Ok(()),
        _ => Err(Error::Origin(from.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: Option<&str>, host: &str, allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(check_origin(&headers).is_ok(), allowed, "{origin:?} {host}");
    }

    #[test]
    fn only_the_page_itself_may_open_websockets_from_a_browser() {
        check(None, "10.0.0.1:4040", true);
        check(Some("http://10.0.0.1:4040"), "10.0.0.1:4040", true);
        check(Some("http://evil.example"), "10.0.0.1:4040", false);
        check(Some("null"), "10.0.0.1:4040", false);
        check(Some("http://10.0.0.1:4040.evil.example"), "10.0.0.1:4040", false);
    }
}
