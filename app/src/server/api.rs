use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use shared::query::Query as Search;
use shared::view::map::NetworkMap;
use shared::view::{Details, EdgePaths, Findings, SearchAnswer, SearchCount, SearchHit, Status, TopologyInfo};

use super::body::{self, Censor};
use super::error::Error;
use super::{Context, Shared};
use crate::clock::{Now, wall_ms};
use crate::view::snapshot::Snapshot;
use crate::view::wording::rfc3339;
use crate::view::{Kind, Variant, map as view_map, search as view_search};

pub type Pairs = Query<Vec<(String, String)>>;

pub async fn about(State(context): Shared) -> Json<Value> {
    Json(json!({
        "id": context.app.to_string(),
        "version": crate::VERSION,
        "hostname": context.config.hostname,
        "plugins": [],
        "capabilities": { "historic_reports": false },
    }))
}

/// The view that a request names, with the options that it gives. Options that it does not have are ignored, as
/// Weave Scope's clients send some of their own.
fn variant(context: &Context, topology: &str, pairs: &[(String, String)]) -> Result<Variant, Error> {
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Variant::checked(kind(topology)?, pairs, &context.config.label_filters).map_err(Error::Bad)
}

pub fn kind(topology: &str) -> Result<Kind, Error> {
    Kind::from_id(topology).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.id()).collect();
        Error::NotFound(format!("no topology '{topology}'; there are {}", known.join(", ")))
    })
}

pub async fn topologies(State(context): Shared, Query(pairs): Pairs) -> Result<Json<Vec<TopologyInfo>>, Error> {
    Ok(Json(context.engine.ask(move |core| core.topologies(&pairs)).await?))
}

pub async fn topology(
    State(context): Shared,
    Path(topology): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let variant = variant(&context, &topology, &pairs)?;
    let censor = Censor::from_pairs(&pairs);
    let query = query(&pairs)?;
    let snapshot = context.engine.ask(move |core| core.snapshot(&variant)).await?;
    let snapshot = narrowed(snapshot, query, censor).await?;
    let hidden = u8::from(censor.arguments) + 2 * u8::from(censor.environment);
    let asked: Vec<String> =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| Some(v.to_str().ok()?.to_owned())).collect();
    let shown = snapshot.clone();
    // Much to sort and to hash: not on a thread that others wait for.
    let tag =
        tokio::task::spawn_blocking(move || shown.tag()).await.map_err(|error| Error::Broken(error.to_string()))?;
    // Weak: what the clock moves on is not counted.
    let tag = format!("W/\"{}-{tag:x}-{hidden}\"", context.app);
    if asked.iter().any(|v| v == "*" || v.split(", ").any(|t| t == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let body = body::view(snapshot, censor, wall_ms());
    let json = HeaderValue::from_static("application/json");
    let tag = HeaderValue::from_str(&tag).map_err(|error| Error::Broken(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, json), (header::ETAG, tag)], body).into_response())
}

/// What a request says of one thing.
fn given<'a>(pairs: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

/// The search that a request narrows a view by; the empty one finds everything.
pub fn query(pairs: &[(String, String)]) -> Result<Search, Error> {
    Search::parse(given(pairs, "query").unwrap_or_default())
        .map_err(|wrong| Error::Bad(format!("query: {wrong} (at character {})", wrong.at + 1)))
}

/// Looking through a view takes a while: not on a thread that others wait for.
pub async fn narrowed(snapshot: Arc<Snapshot>, query: Search, censor: Censor) -> Result<Arc<Snapshot>, Error> {
    if query.is_empty() {
        return Ok(snapshot);
    }
    let narrowed =
        move || Arc::new(view_search::narrowed(&snapshot, &query, |summary| censor.apply(summary), wall_ms()));
    tokio::task::spawn_blocking(narrowed).await.map_err(|error| Error::Broken(error.to_string()))
}

/// What a search finds: how many nodes in each topology, and which in the one that is asked for, with why.
pub async fn search(State(context): Shared, Query(pairs): Pairs) -> Result<Json<SearchAnswer>, Error> {
    let query = query(&pairs)?;
    if query.is_empty() {
        return Err(Error::Bad("say what to look for, as in ?query=nginx or ?query=cpu+>+50%25".into()));
    }
    let censor = Censor::from_pairs(&pairs);
    let wanted = given(&pairs, "topology").map(kind).transpose()?;
    // Whoever searches waits for whoever does already: it takes a core for as long as it lasts.
    let _turn = context.searches.acquire().await.map_err(|error| Error::Broken(error.to_string()))?;
    let with_tables = given(&pairs, "tables") == Some("true");
    let mut answer = SearchAnswer::default();
    for kind in Kind::ALL {
        let options = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variant = Variant::new(kind, options, &context.config.label_filters);
        let snapshot = context.engine.ask(move |core| core.snapshot(&variant)).await?;
        let query = query.clone();
        let is_wanted = wanted == Some(kind);
        let look = move || {
            let hits = view_search::hits(&snapshot, &query, |summary| censor.apply(summary), wall_ms());
            let found = |hit: &view_search::Hit| SearchHit {
                id: hit.summary.id.clone(),
                label: hit.summary.label.clone(),
                reasons: hit.reasons.clone(),
            };
            let nodes = if is_wanted { hits.iter().map(found).collect() } else { Vec::new() };
            let tables = match is_wanted && with_tables {
                true => view_search::tables(&snapshot, &query, |summary| censor.apply(summary)),
                false => Vec::new(),
            };
            (hits.len(), nodes, tables)
        };
        let (count, nodes, tables) =
            tokio::task::spawn_blocking(look).await.map_err(|error| Error::Broken(error.to_string()))?;
        let matches = u32::try_from(count).unwrap_or(u32::MAX);
        answer.topologies.push(SearchCount { id: kind.id().into(), matches });
        answer.nodes.extend(nodes);
        answer.tables.extend(tables);
    }
    Ok(Json(answer))
}

#[derive(Serialize)]
pub struct Answer {
    node: Details,
}

pub async fn details(
    State(context): Shared,
    Path((topology, node)): Path<(String, String)>,
    Query(pairs): Pairs,
) -> Result<Json<Answer>, Error> {
    let variant = variant(&context, &topology, &pairs)?;
    let censor = Censor::from_pairs(&pairs);
    let id = node.clone();
    let found: Option<Details> = context.engine.ask(move |core| core.details(&variant, &id)).await?;
    let mut details = found.ok_or_else(|| Error::NotFound(format!("no node '{node}' in {topology}")))?;
    censor.apply(&mut details.summary);
    for child in details.children.iter_mut().flat_map(|group| &mut group.nodes) {
        censor.apply(child);
    }
    Ok(Json(Answer { node: details }))
}

/// The edges between two nodes of a view, each with its way through the interfaces of its ends.
pub async fn paths(
    State(context): Shared,
    Path(topology): Path<String>,
    Query(pairs): Pairs,
) -> Result<Json<EdgePaths>, Error> {
    let variant = variant(&context, &topology, &pairs)?;
    let given = |name| given(&pairs, name).map(str::to_owned);
    let (Some(source), Some(target)) = (given("source"), given("target")) else {
        return Err(Error::Bad("name both ends, as in ?source=ID&target=ID".into()));
    };
    let port = match given("port").map(|text| text.parse::<u16>().map_err(|_| text)) {
        None => None,
        Some(Ok(port)) => Some(port),
        Some(Err(text)) => return Err(Error::Bad(format!("port is a number up to 65535, not '{text}'"))),
    };
    let missing = Error::NotFound(format!("no nodes '{source}' and '{target}' in {topology}"));
    let found = context.engine.ask(move |core| core.paths(&variant, (&source, &target, port))).await?;
    Ok(Json(EdgePaths { edges: found.ok_or(missing)? }))
}

pub async fn probes(State(context): Shared, Query(pairs): Pairs) -> Result<Json<Value>, Error> {
    let status = context.engine.ask(|core| core.status()).await?;
    if pairs.iter().any(|(name, _)| name == "sparse") {
        return Ok(Json(json!(!status.probes.is_empty())));
    }
    let probes = status.probes.iter().map(|probe| {
        json!({
            "id": probe.id,
            "hostname": probe.hostname,
            "version": probe.version,
            "lastSeen": rfc3339(probe.last_seen_ms),
            "state": probe.state,
        })
    });
    Ok(Json(probes.collect()))
}

pub async fn status(State(context): Shared) -> Result<Json<Status>, Error> {
    Ok(Json(context.engine.ask(|core| core.status()).await?))
}

/// What is wrong, first what is worst. `?state=open` leaves out what was cleared.
pub async fn findings(State(context): Shared, Query(pairs): Pairs) -> Result<Json<Findings>, Error> {
    let state = pairs.into_iter().find(|(name, _)| name == "state").map(|(_, value)| value);
    if let Some(other) = state.as_deref().filter(|state| !matches!(*state, "open" | "cleared")) {
        return Err(Error::Bad(format!("state is one of open, cleared, not '{other}'")));
    }
    let mut findings = context.engine.ask(|core| core.diagnosis.findings(Now::read())).await?;
    findings.retain(|finding| state.as_ref().is_none_or(|state| finding.state == *state));
    Ok(Json(Findings { findings }))
}

/// Hosts as columns, networks as lines through them.
pub async fn network_map(State(context): Shared) -> Result<Json<NetworkMap>, Error> {
    Ok(Json(context.engine.ask(|core| view_map::map(&core.store, &core.topology, Now::read().steady_ms)).await?))
}

pub async fn metrics(State(context): Shared) -> Result<Response, Error> {
    let gauges = context.engine.ask(|core| core.gauges()).await?;
    let text = gauges.encode().map_err(|error| Error::Broken(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

pub async fn health(State(context): Shared) -> Result<&'static str, Error> {
    // Alive means that the owner of the state answers.
    context.engine.ask(|_| ()).await?;
    Ok("ok\n")
}

pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}
