//! The daemons of all hosts at a glance: a column for each host, a row for each kind.

use std::collections::BTreeSet;

use leptos::prelude::*;
use shared::view::Summary;

use super::icon::{self, Glyph, Icon};
use crate::app::Page;
use crate::side_by_side::arranged;
use crate::text;

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
                        let icon = icon::of_daemon(cells.values().next().map_or("", |node| node.rank.as_str()));
                        let cells = hosts.iter().map(|host| match cells.get(host.as_str()) {
                            Some(node) => view! { <td><Tile node=(*node).clone() found/></td> }.into_any(),
                            None => view! { <td class="none">"–"</td> }.into_any(),
                        });
                        view! {
                            <tr>
                                <th scope="row"><Icon name=icon/><b>{name}</b><span>{text::plural(count, "host", "hosts")}</span></th>
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
