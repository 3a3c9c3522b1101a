//! The daemons of all hosts at a glance: a column for each host, a row for each kind.

use std::collections::{BTreeMap, BTreeSet};

use leptos::prelude::*;
use shared::view::Summary;

use super::icon::{Glyph, Icon};
use crate::app::Page;
use crate::text;

/// Rows in this order; a kind that is not among them comes after.
const ORDER: [&str; 6] = ["engine", "swarm", "weave", "store-etcd", "store-consul", "store-zookeeper"];

#[component]
pub fn Board() -> impl IntoView {
    let page = expect_context::<Page>();
    let nodes = Memo::new(move |_| {
        page.structure.track();
        page.model.with_value(|model| model.nodes.values().cloned().collect::<Vec<Summary>>())
    });
    let found = Memo::new(move |_| {
        let found = page.found()?;
        Some(page.model.with_value(|m| {
            found.keys().filter_map(|slot| m.nodes.get(slot).map(|n| n.id.clone())).collect::<BTreeSet<_>>()
        }))
    });
    view! {
        <div class="board-wrap">
            <table class="board">
                {move || {
                    let all = nodes.get();
                    let (hosts, rows) = arranged(&all);
                    let heads = hosts.iter().map(|host| view! { <th scope="col" title=host.clone()>{text::shortened(host, 18)}</th> });
                    let body = rows.into_iter().map(|(name, cells)| {
                        let count = cells.len();
                        let cells = hosts.iter().map(|host| match cells.get(host.as_str()) {
                            Some(node) => view! { <td><Tile node=(*node).clone() found/></td> }.into_any(),
                            None => view! { <td class="none">"–"</td> }.into_any(),
                        });
                        view! {
                            <tr>
                                <th scope="row"><b>{name}</b><span>{text::plural(count, "host", "hosts")}</span></th>
                                {cells.collect_view()}
                            </tr>
                        }
                    });
                    view! { <thead><tr><th></th>{heads.collect_view()}</tr></thead><tbody>{body.collect_view()}</tbody> }
                }}
            </table>
        </div>
    }
}

type Cells<'a> = BTreeMap<&'a str, &'a Summary>;

/// Hosts by name, and for each kind of daemon who has one.
fn arranged(nodes: &[Summary]) -> (Vec<String>, Vec<(String, Cells<'_>)>) {
    let hosts: BTreeSet<&String> = nodes.iter().map(|node| &node.label_minor).collect();
    let mut rows: BTreeMap<(usize, &str), Cells> = BTreeMap::new();
    for node in nodes {
        let order = ORDER.iter().position(|kind| *kind == node.rank).unwrap_or(ORDER.len());
        rows.entry((order, &node.rank)).or_default().insert(&node.label_minor, node);
    }
    let name = |cells: &Cells| {
        let names: BTreeSet<&str> = cells.values().map(|node| node.label.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let rows = rows.into_values().map(|cells| (name(&cells), cells)).collect();
    // Who is known by an address only, such as a store apart, comes after the hosts.
    let mut hosts: Vec<String> = hosts.into_iter().cloned().collect();
    hosts.sort_by_key(|host| host.contains(':'));
    (hosts, rows)
}

fn row<'a>(node: &'a Summary, id: &str) -> &'a str {
    node.metadata.iter().find(|row| row.id == id).map_or("", |row| row.value.as_str())
}

#[component]
fn Tile(node: Summary, found: Memo<Option<BTreeSet<String>>>) -> impl IntoView {
    let page = expect_context::<Page>();
    let id = node.id.clone();
    let chosen = {
        let id = id.clone();
        move || page.route.with(|route| route.selected.as_ref() == Some(&id))
    };
    let faded = {
        let id = id.clone();
        move || found.with(|found| found.as_ref().is_some_and(|found| !found.contains(&id)))
    };
    let (version, role) = (row(&node, "daemon_version").to_owned(), row(&node, "daemon_role").to_owned());
    let role = if node.rank == "engine" && !role.is_empty() { format!("API {role}") } else { role };
    let third =
        ["daemon_ipam", "daemon_availability", "daemon_depends", "daemon_latency"].map(|id| row(&node, id).to_owned());
    let third = third.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let third = match node.rank.as_str() {
        "weave" if !third.is_empty() => format!("addresses {third}"),
        _ => third,
    };
    let lines: Vec<String> = [version, role, third].into_iter().filter(|line| !line.is_empty()).collect();
    // What is told through a daemon that does not answer is not known now.
    let silent = matches!(node.state.as_str(), "stale" | "down") || (node.state == "failed" && node.health.is_empty());
    let words = match (node.state.as_str(), lines.is_empty()) {
        ("", false) => lines,
        ("failed", _) if silent => lines.into_iter().take(1).chain(["not known now".to_owned()]).collect(),
        ("failed", _) => lines.into_iter().take(1).chain(["does not answer".to_owned()]).collect(),
        (state, _) => lines.into_iter().take(2).chain([state.to_owned()]).collect(),
    };
    let title = row(&node, "daemon_message").to_owned();
    let mark = match (node.health.as_str(), silent) {
        ("", true) => view! { <span class="unknown" role="img" aria-label="not known"></span> }.into_any(),
        ("", false) => view! { <Icon name="check"/> }.into_any(),
        (severity, _) => view! { <Glyph severity=severity.to_owned()/> }.into_any(),
    };
    view! {
        <button
            class=format!("tile {}", node.health)
            class:on=chosen
            class:faded=faded
            class:silent=silent
            title=title
            on:click=move |_| page.select(Some(id.clone()))
        >
            <span class="lines">{words.into_iter().map(|line| view! { <span>{line}</span> }).collect_view()}</span>
            {mark}
        </button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_daemon_has_its_place_under_its_host_in_the_row_of_its_kind() {
        let node = |rank: &str, label: &str, host: &str| Summary {
            rank: rank.into(),
            label: label.into(),
            label_minor: host.into(),
            ..Summary::default()
        };
        let nodes = [
            node("weave", "Weave Net", "h2"),
            node("engine", "Docker Engine", "h2"),
            node("engine", "Podman", "h1"),
            node("store-etcd", "etcd", "h3"),
        ];
        let (hosts, rows) = arranged(&nodes);
        assert_eq!(hosts, ["h1", "h2", "h3"]);
        let shape: Vec<(&str, Vec<&str>)> =
            rows.iter().map(|(name, cells)| (&**name, cells.keys().copied().collect())).collect();
        let expect = [("Docker Engine, Podman", vec!["h1", "h2"]), ("Weave Net", vec!["h2"]), ("etcd", vec!["h3"])];
        assert_eq!(shape, expect);
    }
}
