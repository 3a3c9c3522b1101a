//! What all hosts report, as it is held: for support, and for scripts that want the facts without a view.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::Report;

use super::Shared;
use super::api::Pairs;
use super::body::Censor;
use super::error::Error;

pub async fn whole(State(context): Shared, Query(pairs): Pairs) -> Result<Response, Error> {
    let censor = Censor::from_pairs(&pairs);
    let reports: Vec<(String, String, Report)> = context
        .engine
        .ask(|core| {
            let hosts = core.store.hosts.iter();
            hosts.map(|(id, host)| (id.to_string(), host.api_name.clone(), host.report.clone())).collect()
        })
        .await?;
    let text = tokio::task::spawn_blocking(move || {
        let hosts = reports.into_iter().map(|(id, name, report)| {
            let mut value = report_json(&censored(report, censor));
            if let Some(fields) = value.as_object_mut() {
                fields.insert("name".into(), json!(name));
            }
            (id, value)
        });
        json!({ "hosts": hosts.collect::<Map<_, _>>() }).to_string()
    });
    let text = text.await.map_err(|error| Error::Broken(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// Scope's probes posted here; ours keep a connection open instead.
pub async fn gone() -> Error {
    Error::Gone(format!("reports are not posted any more: probes of this version connect to {}", shared::wire::PATH))
}

fn censored(mut report: Report, censor: Censor) -> Report {
    let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    if censor.arguments {
        report.processes.values_mut().for_each(|p| p.command = first(&p.command));
        report.containers.values_mut().for_each(|c| c.command = first(&c.command));
    }
    if censor.environment {
        report.containers.values_mut().for_each(|c| c.environment.clear());
    }
    report
}

/// JSON has no keys but strings: tables become lists of `{"key", "value"}`.
fn report_json(report: &Report) -> Value {
    fn table<K: Serialize, V: Serialize>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
        entries.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
    }
    let Report {
        host,
        collectors,
        processes,
        containers,
        images,
        networks,
        overlays,
        swarm_nodes,
        services,
        tasks,
        weave,
        stores,
        elsewhere,
        namespaces,
        links,
        paths,
        listeners,
        connections,
        flows,
        names,
        metrics,
    } = report;
    json!({
        "host": host,
        "collectors": collectors,
        "processes": table(processes),
        "containers": containers,
        "images": images,
        "networks": networks,
        "overlays": overlays,
        "swarmNodes": swarm_nodes,
        "services": services,
        "tasks": tasks,
        "weave": weave,
        "stores": stores,
        "elsewhere": elsewhere,
        "namespaces": table(namespaces),
        "links": table(links),
        "paths": table(paths),
        "listeners": table(listeners),
        "connections": table(connections),
        "flows": table(flows),
        "names": names,
        "metrics": {
            "host": metrics.host,
            "containers": metrics.containers,
            "processes": table(&metrics.processes),
            "links": table(&metrics.links),
            "flows": table(&metrics.flows),
        },
    })
}
