//! Header, view bar, status line, and what the stage says when there is nothing to draw.

use leptos::prelude::*;
use shared::view::{OptionGroup, ProbeStatus, TopologyInfo};

use super::arrangement::Arrangement;
use super::changes::Changes;
use super::findings;
use super::icon::{Icon, Logo, Warning};
use super::rail::id_of;
use super::search::Search;
use super::tools::Tools;
use crate::app::{Page, counted};
use crate::connection::{self, Link, Why};
use crate::folding;
use crate::resources::Resource;
use crate::route::Mode;
use crate::{text, times};

/// The topology that is shown, as the app describes it.
fn current(page: Page) -> Option<TopologyInfo> {
    let id = page.route.with(|route| route.topology.clone());
    page.topologies.with(|list| {
        let all = list.iter().flat_map(|t| std::iter::once(t).chain(&t.sub_topologies));
        all.clone().find(|t| id_of(t) == id).cloned()
    })
}

#[component]
pub fn Header() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <header class="head">
            <div class="brand"><Logo/><span>"Scope"</span></div>
            <button class="menu" aria-label="Topologies" on:click=move |_| page.topologies_open.update(|o| *o = !*o)>
                <Icon name="menu"/>
            </button>
            <Search/>
            <div class="space"></div>
            <findings::Button/>
            <Tools/>
        </header>
    }
}

#[component]
pub fn ViewBar() -> impl IntoView {
    let page = expect_context::<Page>();
    let is_findings = move || page.route.with(|route| route.mode == Mode::Findings);
    let is_resources = move || page.route.with(|route| route.mode == Mode::Resources);
    let title = move || match current(page) {
        _ if is_findings() => "Findings".into(),
        Some(info) if info.name.starts_with("by ") => {
            let parent = page.topologies.with(|list| {
                list.iter().find(|t| t.sub_topologies.iter().any(|s| s.url == info.url)).map(|t| t.name.clone())
            });
            format!("{} {}", parent.unwrap_or_default(), info.name)
        }
        Some(info) => info.name,
        None => String::new(),
    };
    let mode = move |mode: Mode| move || page.route.with(|route| route.mode == mode);
    // The list of topologies is asked for again and again, and is mostly the same: a choice that is open stays so.
    let options = Memo::new(move |_| {
        current(page).filter(|_| !is_findings() && !is_resources()).map(|info| info.options).unwrap_or_default()
    });
    view! {
        <div class="viewbar" class:of-findings=is_findings>
            <h1>{title}</h1>
            <div class="segments" role="group" aria-label="View">
                <Show when=move || page.route.with(|route| route.topology == "daemons")>
                    <button class:on=mode(Mode::Board) title="Board" on:click=move |_| page.go(|r| r.mode = Mode::Board)>
                        <Icon name="board"/>"Board"
                    </button>
                </Show>
                <Show when=move || page.route.with(|route| route.topology == "networks")>
                    <button class:on=mode(Mode::Map) title="Map" on:click=move |_| page.go(|r| r.mode = Mode::Map)>
                        <Icon name="network"/>"Map"
                    </button>
                </Show>
                <button class="tabbed" class:on=mode(Mode::Graph) title="Graph (g)" on:click=move |_| page.go(|r| r.mode = Mode::Graph)>
                    <Icon name="graph"/>"Graph"
                </button>
                <button class="tabbed" class:on=mode(Mode::Table) title="Table (t)" on:click=move |_| page.go(|r| r.mode = Mode::Table)>
                    <Icon name="table"/>"Table"
                </button>
                <Show when=move || page.route.with(|route| Mode::Resources.is_of(&route.topology))>
                    <button class:on=mode(Mode::Resources) title="Resources (r)" on:click=move |_| page.show_resources()>
                        <Icon name="bars"/>"Resources"
                    </button>
                </Show>
            </div>
            <Show when=mode(Mode::Graph)><Arrangement/></Show>
            <Show when=move || page.route.with(|route| matches!(route.mode, Mode::Graph | Mode::Table))><Changes/></Show>
            <Show when=mode(Mode::Map)>
                <label class="choice">
                    <select
                        aria-label="Which networks"
                        prop:value=move || page.route.with(|route| if route.all_networks { "all" } else { "shared" })
                        on:change=move |event| {
                            let all = event_target_value(&event) == "all";
                            page.go(|route| route.all_networks = all);
                        }
                    >
                        <option value="shared">"Of several hosts"</option>
                        <option value="all" selected=move || page.route.with(|route| route.all_networks)>"All networks"</option>
                    </select>
                    <Icon name="down"/>
                </label>
            </Show>
            <Show when=mode(Mode::Resources)>
                <div class="segments" role="group" aria-label="Resource">
                    {Resource::ALL.map(|one| view! {
                        <button
                            class:on=move || page.route.with(|route| route.resource == one)
                            on:click=move |_| page.go(|route| route.resource = one)
                        >{one.label()}</button>
                    })}
                </div>
            </Show>
            {move || options.get().into_iter().map(|group| view! { <Choice group/> }).collect_view()}
        </div>
    }
}

#[component]
fn Choice(group: OptionGroup) -> impl IntoView {
    let page = expect_context::<Page>();
    let (id, default) = (group.id.clone(), group.default_value.clone());
    let chosen = {
        let (id, default) = (id.clone(), default.clone());
        move || page.route.with(|route| route.options.get(&id).cloned().unwrap_or_else(|| default.clone()))
    };
    let set = move |event| {
        let value = event_target_value(&event);
        page.go(|route| {
            if value == default {
                route.options.remove(&id);
            } else {
                route.options.insert(id.clone(), value);
            }
        });
    };
    // Of what, the title says.
    let topology = page.route.with_untracked(|route| route.topology.clone());
    let what = format!(" {}", topology.split("-by-").next().unwrap_or_default());
    view! {
        <label class="choice">
            <select prop:value=chosen.clone() aria-label=group.id.clone() on:change=set>
                {group.options.into_iter().map(|option| {
                    let value = option.value.clone();
                    let chosen = chosen.clone();
                    let word = option.label.strip_suffix(&what).unwrap_or(&option.label).to_owned();
                    view! { <option value=option.value selected=move || chosen() == value>{word}</option> }
                }).collect_view()}
            </select>
            <Icon name="down"/>
        </label>
    }
}

#[component]
pub fn StatusLine() -> impl IntoView {
    let page = expect_context::<Page>();
    let probes = move || {
        page.status.track();
        page.model.with_value(|model| model.status.probes.clone())
    };
    let hosts = move || {
        let probes = probes();
        let live = probes.iter().filter(|p| p.state == "live").count();
        match probes.len() {
            0 => String::new(),
            all if all == live => {
                format!("{} {}", text::plural(all, "host", "hosts"), if all == 1 { "reports" } else { "report" })
            }
            all => format!("{live} of {all} hosts report"),
        }
    };
    let nodes = move || {
        page.structure.track();
        page.status.track();
        let stats = page.model.with_value(|model| model.stats);
        let topology = page.route.with(|route| route.topology.clone());
        let nodes = counted(&topology, stats.node_count as usize);
        format!("{nodes}, {}", text::plural(stats.edge_count as usize, "edge", "edges"))
    };
    let hidden = move || {
        page.structure.track();
        page.status.track();
        match page.model.with_value(|model| model.stats.filtered_nodes) {
            0 => String::new(),
            count => format!("{} hidden by options", text::grouped(count as usize)),
        }
    };
    let filtered = move || {
        let passing = page.searching.passing.get()?;
        page.structure.track();
        let all = page.model.with_value(|model| model.nodes.len());
        (passing.len() < all).then(|| format!("{} hidden by filters", text::grouped(all - passing.len())))
    };
    let grouped = move || {
        page.structure.track();
        page.route.with(|route| route.folds.clone());
        let (groups, folded) = page.drawn(|_, folding| (folding.groups.len(), folding.folded()));
        let by = page.grouped_by().filter(|_| groups > 0)?;
        let all =
            if groups == 1 { format!("1 {}", folding::word(&by)) } else { format!("{groups} {}s", folding::word(&by)) };
        Some(format!("in {all}, {folded} folded"))
    };
    let alone = move || {
        let shown = page.shown.get().filter(|_| page.route.with(|route| route.alone))?;
        page.structure.track();
        let all =
            page.searching.passing.get().map_or(page.model.with_value(|m| m.nodes.len()), |passing| passing.len());
        (shown.len() < all).then(|| format!("{} hidden around what is selected", text::grouped(all - shown.len())))
    };
    // How the way that is lit goes, or that there is none.
    let way = move || {
        page.route.with(|route| route.path.clone())?;
        let Some(way) = page.path() else { return Some("no way there".to_owned()) };
        let name = |slot: &u32| {
            page.drawn(|model, folding| Some(text::base_name(&folding.node(model, *slot)?.label).to_owned()))
        };
        let names: Vec<String> = way.iter().filter_map(name).map(|name| text::shortened(&name, 18)).collect();
        Some(names.join(" – "))
    };
    let trouble = Memo::new(move |_| troubles(&probes(), page.clock.get()));
    // Not of seconds: to draw even these few letters once a second costs as much as all else on a page that stands still.
    let minute = Memo::new(move |_| (page.clock.get() / 60_000.0).floor() * 60_000.0);
    view! {
        <footer class="status">
            <span class="link" class:lost=move || !page.is_live()>
                <span class="dot"></span>
                {move || match page.link.get() {
                    Link::Live => "Connected",
                    Link::Connecting => "Connecting",
                    Link::Lost { .. } => "Reconnecting",
                }}
            </span>
            <span class="hosts-count">{hosts}</span>
            <span>{nodes}</span>
            <span class="hidden-count">{hidden}</span>
            <span class="hidden-count">{filtered}</span>
            <span class="hidden-count">{alone}</span>
            <span class="hidden-count">{way}</span>
            <Show when=move || page.route.with(|route| route.mode == Mode::Graph)>
                <span class="hidden-count">{grouped}</span>
            </Show>
            <Show when=move || page.laying_out.get()><span role="status">"Laying out"</span></Show>
            <span class="space"></span>
            <Show when=move || trouble.with(|list| !list.is_empty())>
                <span class="trouble" title=move || trouble.get().join("\n")>
                    <Warning/>
                    <span class="words">{move || trouble.with(|list| list[0].clone())}</span>
                    {move || trouble.with(|list| (list.len() > 1).then(|| format!(" and {} more", list.len() - 1)))}
                </span>
            </Show>
            <span class="now" title=move || times::both(minute.get())>
                {move || times::minute(minute.get())}
                <i>{move || times::utc_minute(minute.get())}" UTC"</i>
            </span>
        </footer>
    }
}

/// What is missing from the picture, worst first.
fn troubles(probes: &[ProbeStatus], now_ms: f64) -> Vec<String> {
    let mut list = Vec::new();
    for probe in probes.iter().filter(|p| p.state != "live") {
        let silent = text::duration(((now_ms - probe.last_seen_ms as f64) / 1000.0).max(0.0) as u64);
        list.push(format!("{} has not reported for {silent}", probe.hostname));
    }
    for probe in probes.iter().filter(|p| p.state == "live") {
        if probe.clock_offset_ms.abs() > 5_000 {
            let off = text::duration(probe.clock_offset_ms.unsigned_abs() / 1000);
            list.push(format!("{}: its clock is off by {off}", probe.hostname));
        }
        for collector in &probe.collectors {
            if matches!(collector.state.as_str(), "degraded" | "failed") {
                list.push(format!("{}: {}", probe.hostname, collector.message));
            }
        }
    }
    list
}

/// Old data never looks live: says since when, and what happens next.
#[component]
pub fn Banner() -> impl IntoView {
    let page = expect_context::<Page>();
    let words = move || match page.link.get() {
        Link::Lost { since_ms, retry_at_ms, why } => {
            let now = page.clock.get().max(since_ms);
            let ago = text::duration(((now - since_ms) / 1000.0) as u64);
            let wait = ((retry_at_ms - now) / 1000.0).ceil().max(0.0);
            Some((
                format!("Connection lost. You see what was so {ago} ago."),
                match why {
                    Why::Closed => format!("{} does not answer. Trying again in {wait:.0} s.", connection::host()),
                    Why::Silent => {
                        format!("{} says nothing any more. Trying again in {wait:.0} s.", connection::host())
                    }
                    Why::Garbled => format!(
                        "What {} says is not understood; if it was replaced by another version, reload the page. Trying again in {wait:.0} s.",
                        connection::host()
                    ),
                },
            ))
        }
        Link::Connecting | Link::Live => None,
    };
    view! {
        {move || words().map(|(what, why)| view! {
            <div class="banner" role="status">
                <Warning/>
                <div><b>{what}</b><span>{why}</span></div>
                <button on:click=move |_| page.retry()>"Try now"</button>
            </div>
        })}
    }
}

#[component]
pub fn Empty() -> impl IntoView {
    let page = expect_context::<Page>();
    let state = Memo::new(move |_| {
        page.structure.track();
        page.status.track();
        let (nodes, stats, probes) = page.model.with_value(|m| (m.nodes.len(), m.stats, m.status.probes.len()));
        let search = page.route.with(|route| crate::search::together(&route.filters, &route.search));
        let found = page.found().map(|found| found.len());
        match (page.link.get(), nodes, found) {
            (Link::Live, 0, _) if probes == 0 => Some(Nothing::NoHost),
            (Link::Live, 0, _) if stats.filtered_nodes > 0 => Some(Nothing::Hidden(stats.filtered_nodes)),
            (Link::Live, 0, _) => Some(Nothing::None),
            (Link::Live, all, Some(0)) => Some(Nothing::NotFound(search, all)),
            (Link::Connecting, 0, _) => Some(Nothing::Waiting),
            _ => None,
        }
    });
    view! {
        {move || state.get().map(|state| {
            let topology = page.route.with_untracked(|route| route.topology.clone());
            match state {
                Nothing::NoHost => view! {
                    <div class="empty first">
                        <h2>"No host reports yet."</h2>
                        <p>
                            "Scope is running. Start it on the hosts you want to see; each appears here within a second of \
                             its first report."
                        </p>
                        <Command label="On this host" command="scope launch".to_owned()/>
                        <Command label="On every other host" command=format!("scope launch {}", connection::host())/>
                    </div>
                }.into_any(),
                Nothing::Hidden(count) => view! {
                    <div class="empty">
                        <h2>{format!("All {} are hidden.", counted(&topology, count as usize))}</h2>
                        <p>"The options above leave none of them."</p>
                        <button on:click=move |_| page.go(show_everything)>"Show all"</button>
                    </div>
                }.into_any(),
                Nothing::None => view! {
                    <div class="empty">
                        <h2>{format!("No {}.", counted(&topology, 2).trim_start_matches("2 "))}</h2>
                        <p>"The hosts that report have none. What comes appears here by itself."</p>
                    </div>
                }.into_any(),
                Nothing::NotFound(search, all) => view! {
                    <div class="empty small">
                        <h2>"Nothing matches "<code>{search}</code></h2>
                        <p>{format!("{} in this view.", counted(&topology, all))}</p>
                        <button on:click=move |_| page.go(|route| {
                            route.search.clear();
                            route.filters.clear();
                        })>"Clear search and filters"</button>
                    </div>
                }.into_any(),
                Nothing::Waiting => view! { <div class="empty"><p>"Connecting to the app"</p></div> }.into_any(),
            }
        })}
    }
}

#[derive(Clone, PartialEq)]
enum Nothing {
    NoHost,
    Hidden(u32),
    None,
    NotFound(String, usize),
    Waiting,
}

fn show_everything(route: &mut crate::route::Route) {
    for (option, value) in [("system", "all"), ("stopped", "both"), ("pseudo", "show"), ("unconnected", "show")] {
        let of_processes = route.topology.starts_with("processes");
        if (option == "unconnected") == of_processes {
            route.options.insert(option.into(), value.into());
        }
    }
}

#[component]
fn Command(label: &'static str, command: String) -> impl IntoView {
    let text = command.clone();
    let copy = move |_| {
        if let Some(window) = web_sys::window() {
            let _ = window.navigator().clipboard().write_text(&text);
        }
    };
    view! {
        <div class="command">
            <span>{label}</span>
            <code>{command}</code>
            <button class="plain" aria-label="Copy" title="Copy" on:click=copy><Icon name="copy"/></button>
        </div>
    }
}
