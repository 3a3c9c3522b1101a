//! The app's API as a client sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

pub const EVERYTHING: &str = "system=all&stopped=both&pseudo=show&unconnected=show";

/// GET of a JSON answer.
pub fn get(url: &str) -> Result<Value, String> {
    let mut body = body(url)?;
    body.with_config().limit(1 << 30).read_json().map_err(|error| format!("{url}: {error}"))
}

/// GET of an answer in plain text.
pub fn text(url: &str) -> Result<String, String> {
    body(url)?.read_to_string().map_err(|error| format!("{url}: {error}"))
}

fn body(url: &str) -> Result<ureq::Body, String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).proxy(None).build().into();
    Ok(agent.get(url).call().map_err(|error| format!("{url}: {error}"))?.into_body())
}

/// One view with all its options open.
pub fn view(base: &str, topology: &str) -> Result<Value, String> {
    get(&format!("{base}/api/topology/{topology}?{EVERYTHING}"))
}

pub fn labels(view: &Value) -> BTreeSet<String> {
    let nodes = view["nodes"].as_object().into_iter().flatten();
    nodes.filter_map(|(_, node)| Some(node["label"].as_str()?.to_owned())).collect()
}

pub fn node<'a>(view: &'a Value, label: &str) -> Option<&'a Value> {
    view["nodes"].as_object()?.values().find(|node| node["label"] == label)
}

/// `client -> server:port` for each edge of a view, by labels.
pub fn edges(view: &Value) -> BTreeSet<String> {
    let label = |id: &Value| view["nodes"][id.as_str().unwrap_or_default()]["label"].as_str().unwrap_or("?").to_owned();
    let all = view["edges"].as_array().into_iter().flatten();
    all.map(|e| format!("{} -> {}:{}", label(&e["source"]), label(&e["target"]), e["port"])).collect()
}

/// Edges among containers: what else runs on the hosts is no test's.
pub fn container_edges(base: &str) -> Result<BTreeSet<String>, String> {
    let shown = view(base, "containers")?;
    Ok(edges(&shown).into_iter().filter(|edge| !edge.contains("Uncontained")).collect())
}

/// Waits until there are exactly these edges among containers.
///
/// # Panics
/// Where there are others, or some are missing, for too long.
pub fn until_edges(base: &str, expect: &[&str]) {
    let expect: BTreeSet<String> = expect.iter().map(|e| (*e).to_owned()).collect();
    eventually("exactly these edges", PATIENCE, || {
        let found = container_edges(base)?;
        if found == expect { Ok(()) } else { Err(format!("{found:?}, wanted {expect:?}")) }
    });
}

/// Waits until a collector of these hosts sees all that it should.
///
/// # Panics
/// Where one does not for too long.
pub fn until_well(base: &str, name: &str, hosts: &[&str]) {
    eventually(&format!("{name} is well"), PATIENCE, || {
        let found: Vec<Value> = hosts.iter().map(|host| collector(base, host, name)).collect::<Result<_, _>>()?;
        if found.iter().all(|one| one["state"] == "ok") { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// The value of a node's metadata row.
pub fn row(node: &Value, id: &str) -> String {
    let rows = node["metadata"].as_array().into_iter().flatten();
    rows.filter(|row| row["id"] == id).filter_map(|row| row["value"].as_str()).next().unwrap_or_default().to_owned()
}

/// An id of the API as a part of a URL.
pub fn escaped(id: &str) -> String {
    id.replace(';', "%3B").replace('<', "%3C").replace('>', "%3E")
}

/// A collector of a host as the app's status has it.
///
/// # Errors
/// Where the app does not answer, or knows of no such host or collector.
pub fn collector(base: &str, host: &str, name: &str) -> Result<Value, String> {
    let status = get(&format!("{base}/api/status"))?;
    let find = |list: &Value, key: &str, name: &str| list.as_array()?.iter().find(|entry| entry[key] == name).cloned();
    let probe = find(&status["probes"], "hostname", host).ok_or_else(|| format!("no {host} in {status}"))?;
    find(&probe["collectors"], "name", name).ok_or_else(|| format!("no {name} in {probe}"))
}
