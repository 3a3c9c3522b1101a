//! The topologies with their counts.

use leptos::prelude::*;
use shared::view::TopologyInfo;

use super::icon::{self, Icon};
use crate::app::Page;
use crate::text;

/// Groups of the rail, and which topologies stand in each; one that no group names stands under "More".
const GROUPS: [(&str, &[&str]); 3] = [
    ("Workloads", &["processes", "containers", "swarm-services"]),
    ("Networks", &["networks"]),
    ("Machines", &["hosts", "daemons"]),
];

pub fn id_of(info: &TopologyInfo) -> String {
    info.url.rsplit('/').next().unwrap_or_default().to_owned()
}

#[component]
pub fn Rail() -> impl IntoView {
    let page = expect_context::<Page>();
    let groups = move || {
        let mut list = page.topologies.get();
        // What most hosts have nothing of, such as services of a swarm, is offered where there is some.
        let chosen = page.route.with(|route| route.topology.clone());
        let is_offered = |t: &TopologyInfo| !t.hide_if_empty || t.stats.nonpseudo_node_count > 0 || id_of(t) == chosen;
        list.retain(|t| is_offered(t) || t.sub_topologies.iter().any(is_offered));
        for topology in &mut list {
            topology.sub_topologies.retain(is_offered);
        }
        let mut groups: Vec<(&str, Vec<TopologyInfo>)> = Vec::new();
        for (name, ids) in GROUPS {
            let inside = ids.iter().filter_map(|id| list.iter().find(|t| id_of(t) == **id).cloned()).collect();
            groups.push((name, inside));
        }
        let named = |t: &TopologyInfo| GROUPS.iter().any(|(_, ids)| ids.contains(&id_of(t).as_str()));
        groups.push(("More", list.iter().filter(|t| !named(t)).cloned().collect()));
        groups.retain(|(_, inside)| !inside.is_empty());
        groups
    };
    view! {
        <nav class="rail" class:open=move || page.topologies_open.get() aria-label="Topologies">
            {move || groups().into_iter().map(|(name, inside)| view! {
                <h6>{name}</h6>
                {inside.into_iter().map(|info| {
                    let children = info.sub_topologies.clone();
                    view! {
                        <Entry info child=false/>
                        {children.into_iter().map(|info| view! { <Entry info child=true/> }).collect_view()}
                    }
                }).collect_view()}
            }).collect_view()}
        </nav>
    }
}

#[component]
fn Entry(info: TopologyInfo, child: bool) -> impl IntoView {
    let page = expect_context::<Page>();
    let id = id_of(&info);
    let chosen = {
        let id = id.clone();
        move || page.route.with(|route| route.topology == id)
    };
    let current = chosen.clone();
    let icon = icon::of_topology(&id);
    let (nodes, edges) = (info.stats.node_count, info.stats.edge_count);
    let total = info.stats.nonpseudo_node_count as usize;
    let matches = {
        let id = id.clone();
        move || page.searching.counts.with(|counts| counts.get(&id).copied())
    };
    let title = {
        let matches = matches.clone();
        move || match matches() {
            Some(count) => {
                format!("{} of {} match", text::grouped(count as usize), text::plural(nodes as usize, "node", "nodes"))
            }
            None => format!("{nodes} nodes, {edges} edges"),
        }
    };
    let is_searched = matches.clone();
    let go = move |_| {
        page.topologies_open.set(false);
        page.go(|route| route.show(&id));
    };
    view! {
        <button
            class="entry"
            class:child=child
            class:on=chosen
            aria-current=move || if current() { "page" } else { "false" }
            title=title
            on:click=go
        >
            {(!child).then(|| view! { <Icon name=icon/> })}
            <span class="name">{info.name.clone()}</span>
            <span class="count" class:matching=move || is_searched().is_some_and(|count| count > 0)>
                {move || text::grouped(matches().map_or(total, |count| count as usize))}
            </span>
        </button>
    }
}
