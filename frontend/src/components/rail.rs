//! The topologies with their counts.

use leptos::prelude::*;
use shared::view::TopologyInfo;

use super::findings;
use super::icon::{self, Glyph, Icon};
use crate::app::Page;
use crate::saved::Saved;
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

/// The topologies that are offered, by group.
fn offered(page: Page) -> Vec<(&'static str, Vec<TopologyInfo>)> {
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
}

/// Goes to the topology that stands at that place in the rail, counted from 1.
pub fn go_to(page: Page, place: usize) {
    let ids = untrack(|| offered(page)).into_iter().flat_map(|(_, inside)| inside).flat_map(|info| {
        let below: Vec<String> = info.sub_topologies.iter().map(id_of).collect();
        std::iter::once(id_of(&info)).chain(below)
    });
    if let Some(id) = ids.into_iter().nth(place - 1) {
        page.go(|route| route.show(&id));
    }
}

#[component]
pub fn Rail() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <nav class="rail" class:open=move || page.topologies_open.get() aria-label="Topologies">
            {move || offered(page).into_iter().map(|(name, inside)| view! {
                <h6>{name}</h6>
                {inside.into_iter().map(|info| {
                    let children = info.sub_topologies.clone();
                    view! {
                        <Entry info child=false/>
                        {children.into_iter().map(|info| view! { <Entry info child=true/> }).collect_view()}
                    }
                }).collect_view()}
            }).collect_view()}
            <Show when=move || page.saved.with(|saved| !saved.is_empty())>
                <h6>"Saved views"</h6>
                {move || page.saved.get().into_iter().map(|saved| view! { <SavedView saved/> }).collect_view()}
            </Show>
            <button
                class="plain fold"
                title=move || if page.rail_folded.get() { "Unfold the list ([)" } else { "Fold the list ([)" }
                aria-label="Fold the list of topologies"
                aria-pressed=move || page.rail_folded.get().to_string()
                on:click=move |_| page.fold_rail()
            ><Icon name="menu"/></button>
        </nav>
    }
}

#[component]
fn SavedView(saved: Saved) -> impl IntoView {
    let page = expect_context::<Page>();
    let (name, title) = (saved.name.clone(), format!("{}: {}", saved.name, saved.address));
    let gone = name.clone();
    let open = move |_| {
        page.topologies_open.set(false);
        page.open_saved(&saved);
    };
    view! {
        <div class="saved">
            <button class="entry" title=title on:click=open><Icon name="bookmark"/><span class="name">{name.clone()}</span></button>
            <button
                class="plain remove"
                title="Forget this view"
                aria-label=format!("Forget the view {name}")
                on:click=move |_| page.change_saved(|all| all.retain(|one| one.name != gone))
            ><Icon name="close"/></button>
        </div>
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
    let health = {
        let id = id.clone();
        Memo::new(move |_| findings::worst(page, |one| one.subject.topology_id == id))
    };
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
            {move || Some(health.get()).filter(|health| !health.is_empty()).map(|severity| view! { <Glyph severity/> })}
            <span class="count" class:matching=move || is_searched().is_some_and(|count| count > 0)>
                {move || text::grouped(matches().map_or(total, |count| count as usize))}
            </span>
        </button>
    }
}
