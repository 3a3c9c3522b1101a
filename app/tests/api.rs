//! The API's routes as a client meets them, errors above all: what is wrong is said in JSON, and changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use scope::config::{Config, LabelFilter, Patience};
use scope::engine::Engine;
use scope::ingest::Ingest;
use scope::metrics::Counters;
use scope::server::{self, Context};
use scope::store::Session;
use serde_json::Value;
use shared::Report;
use shared::id::{HostId, InstanceId, NetNsId};
use shared::report::{Container, ContainerState, Namespace};
use shared::wire::{Hello, Snapshot, Stamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

/// An app that one host with one container reports to.
async fn app() -> Router {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        hostname: "app".into(),
        token: String::new(),
        patience: Patience { stale_ms: 60_000, window_ms: 60_000, forget_ms: 60_000 },
        label_filters: vec![LabelFilter::parse("Red team:team=red", false).unwrap()],
    };
    let app = InstanceId(Uuid::from_u128(1));
    let counters = Arc::new(Counters::default());
    let engine = Engine::start(config.clone(), app, counters.clone(), CancellationToken::new());
    let host = HostId(Uuid::from_u128(2));
    let hello = Hello {
        host,
        instance: InstanceId(Uuid::from_u128(3)),
        hostname: "h1".into(),
        scope_version: "test".into(),
        token: String::new(),
        capabilities: Vec::new(),
        publish_interval_ms: 1000,
    };
    let mut report = Report::default();
    report.host.name = "h1".into();
    report.namespaces.insert(NetNsId(1), Namespace { inode: 1, is_host: true, ..Namespace::default() });
    let container = Container {
        name: "web".into(),
        command: "run --password secret".into(),
        labels: [("tier".to_owned(), "front".to_owned())].into(),
        state: ContainerState::Running,
        ..Container::default()
    };
    report.containers.insert("c0ffee".into(), container);
    engine.open(hello, Session(1)).await.unwrap();
    let at = Stamp { boot_ms: 1, wall_ms: 1 };
    engine.snapshot(host, Session(1), Snapshot { sequence: 1, at, report }).await.unwrap().unwrap();
    let ingest = Ingest {
        engine: engine.clone(),
        app,
        hostname: config.hostname.clone(),
        token: String::new(),
        counters: counters.clone(),
    };
    server::router(Arc::new(Context {
        engine,
        config,
        app,
        counters,
        ingest: Arc::new(ingest),
        searches: Semaphore::new(1),
    }))
}

async fn ask(app: &Router, method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn json(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

async fn get(app: &Router, path: &str) -> (StatusCode, Value) {
    json(ask(app, Method::GET, path, &[]).await).await
}

async fn is_refused(method: Method, path: &str, status: StatusCode, says: &str) {
    let app = app().await;
    let before = get(&app, "/api/report").await;
    let (found, answer) = json(ask(&app, method, path, &[]).await).await;
    assert_eq!(found, status, "{path}: {answer}");
    let error = answer["error"].as_str().unwrap_or_else(|| panic!("{path}: {answer}"));
    assert!(error.contains(says), "{path}: {error}");
    assert_eq!(get(&app, "/api/report").await, before, "what was known is known");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_would_be_right() {
    use StatusCode as S;
    is_refused(Method::GET, "/api/topology/pods", S::NOT_FOUND, "containers-by-image").await;
    is_refused(Method::GET, "/api/topology/containers/nobody", S::NOT_FOUND, "'nobody'").await;
    is_refused(Method::GET, "/api/topology/containers?stopped=bth", S::BAD_REQUEST, "running, both, not 'bth'").await;
    is_refused(Method::GET, "/api/topology/containers/x?system=y", S::BAD_REQUEST, "containerLabelFilter0").await;
    is_refused(Method::GET, "/api/nothing", S::NOT_FOUND, "/api/openapi.json").await;
    is_refused(Method::GET, "/api/topology/containers/%ff%fe", S::BAD_REQUEST, "").await;
    is_refused(Method::GET, "/api/topology/containers/ws", S::BAD_REQUEST, "upgrade").await;
    is_refused(Method::GET, "/api/topology/containers/ws?t=soon", S::BAD_REQUEST, "").await;
    let open = "/api/topology/containers?query=a+(b";
    is_refused(Method::GET, open, S::BAD_REQUEST, "this `(` is not closed (at character 3)").await;
    is_refused(Method::GET, "/api/search?query=cpu+%3E", S::BAD_REQUEST, "needs a value, such as `cpu > 50%`").await;
    is_refused(Method::GET, "/api/search", S::BAD_REQUEST, "?query=nginx").await;
    is_refused(Method::GET, "/api/search?query=a&topology=pods", S::NOT_FOUND, "containers-by-image").await;
    is_refused(Method::POST, "/api/report", S::GONE, shared::wire::PATH).await;
    is_refused(Method::DELETE, "/api/topology/containers", S::METHOD_NOT_ALLOWED, "method").await;
}

#[tokio::test]
async fn options_that_a_view_does_not_have_are_ignored() {
    let app = app().await;
    for query in ["", "?nonsense=1&t=5s", "?stopped=both&system=all", "?system=containerLabelFilter0"] {
        let (status, _) = get(&app, &format!("/api/topology/containers{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}");
    }
}

#[tokio::test]
async fn a_view_that_did_not_change_is_not_sent_again() {
    let app = app().await;
    let path = "/api/topology/containers";
    let first = ask(&app, Method::GET, path, &[]).await;
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let same = ask(&app, Method::GET, path, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    let other = ask(&app, Method::GET, path, &[(header::IF_NONE_MATCH, "W/\"other\"")]).await;
    assert_eq!(other.status(), StatusCode::OK);
    let censored = format!("{path}?hideCommandLineArguments=true");
    let hidden = ask(&app, Method::GET, &censored, &[(header::IF_NONE_MATCH, &tag)]).await;
    let (status, shown) = json(hidden).await;
    assert_eq!(status, StatusCode::OK, "what is hidden is another answer");
    assert!(!shown.to_string().contains("secret"), "{shown}");
}

#[tokio::test]
async fn answers_are_packed_for_those_who_ask() {
    let app = app().await;
    for (accepts, given) in [("gzip", Some("gzip")), ("zstd", Some("zstd")), ("identity", None)] {
        let answer = ask(&app, Method::GET, "/api/topology/containers", &[(header::ACCEPT_ENCODING, accepts)]).await;
        let encoding = answer.headers().get(header::CONTENT_ENCODING).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(encoding.as_deref(), given);
    }
}

/// Routes are described where they are served: the list in `openapi.json` is that of the router.
#[tokio::test]
async fn every_route_of_the_api_is_described_and_every_described_one_is_there() {
    let app = app().await;
    let (_, described) = get(&app, "/api/openapi.json").await;
    let named = &described["paths"]["/api/topology/{topology}"]["get"]["parameters"][0]["schema"]["enum"];
    let all: Vec<&str> = scope::view::Kind::ALL.iter().map(|kind| kind.id()).collect();
    assert_eq!(named, &serde_json::json!(all));
    let described = described["paths"].as_object().unwrap();
    for (path, methods) in described {
        let path = path.replace("{topology}", "containers").replace("{node}", "c0ffee;%3Ccontainer%3E");
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let status = ask(&app, method.clone(), &path, &[]).await.status();
            assert!(
                ![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status),
                "{method} {path}: {status}"
            );
        }
    }
    let served: BTreeSet<String> = include_str!("../src/server.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next())
        .filter(|path| !matches!(*path, "/" | "/api/" | "/ui" | "/ui/{*path}"))
        .map(|path| path.replace("{*node}", "{node}"))
        .chain([shared::wire::PATH.to_owned()])
        .collect();
    assert_eq!(served, described.keys().cloned().collect());
}

#[tokio::test]
async fn a_search_finds_the_same_in_a_view_and_among_all() {
    let app = app().await;
    for (query, is_found) in [("web", true), ("tier:front", true), ("-tier:front", false), ("state:up", true)] {
        let (status, shown) = get(&app, &format!("/api/topology/containers?query={query}")).await;
        assert_eq!(
            (status, shown["nodes"].as_object().unwrap().len()),
            (StatusCode::OK, usize::from(is_found)),
            "{query}"
        );
        let (_, answer) = get(&app, &format!("/api/search?query={query}&topology=containers")).await;
        let count = answer["topologies"].as_array().unwrap().iter().find(|one| one["id"] == "containers").cloned();
        assert_eq!(count.unwrap()["matches"], u64::from(is_found), "{query}");
        assert_eq!(answer["nodes"].as_array().unwrap().len(), usize::from(is_found), "{query}: {answer}");
    }
    let (_, answer) = get(&app, "/api/search?query=front&topology=containers&tables=true").await;
    assert_eq!(answer["nodes"][0]["reasons"], serde_json::json!([{ "label": "tier", "value": "front" }]));
    assert_eq!(answer["tables"][0]["tables"][0]["rows"].as_array().unwrap().len(), 1);
    // What a reader asks not to be told is not found either.
    let hidden = "hideCommandLineArguments=true";
    let (_, shown) = get(&app, "/api/topology/containers?query=secret").await;
    assert_eq!(shown["nodes"].as_object().unwrap().len(), 1);
    let (_, shown) = get(&app, &format!("/api/topology/containers?query=secret&{hidden}")).await;
    assert_eq!(shown["nodes"].as_object().unwrap().len(), 0);
}
