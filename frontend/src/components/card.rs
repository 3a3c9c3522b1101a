//! Everything about the selected node.

use leptos::prelude::*;
use shared::view::{Children, Parent, Row, Table};

use super::findings;
use super::icon::{self, Icon, Warning};
use super::lists::{Inside, Side};
use super::spark::Spark;
use crate::app::Page;
use crate::disarm;
use crate::lines::slot_of;
use crate::route::{PINS_MAX, Pin};
use crate::{text, times};

/// The head of a card that was pinned: a click brings it forward.
#[component]
fn Behind(pin: Pin) -> impl IntoView {
    let page = expect_context::<Page>();
    let (forward, gone) = (pin.clone(), pin.clone());
    let icon = icon::of_kind(&pin.kind);
    let title = disarm::shown(&pin.label).into_owned();
    let bring = move |_| {
        page.go(|route| {
            if route.topology != forward.topology {
                route.show(&forward.topology);
            }
            route.selected = Some(forward.id.clone());
        });
    };
    view! {
        <div class="behind">
            <button class="forward" title=title.clone() on:click=bring>
                <Icon name=icon/>
                <b>{text::shortened(text::base_name(&title), 40)}</b>
            </button>
            <button
                class="plain"
                aria-label=format!("Let go of the card of {title}")
                on:click=move |_| page.go(|route| route.pins.retain(|one| *one != gone))
            ><Icon name="close"/></button>
        </div>
    }
}

/// How much of a narrow screen a card takes, where it comes from below.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    Peek,
    Half,
    Whole,
}

/// At the top of a card on a narrow screen: a press makes it higher, and after the highest the lowest.
#[component]
pub fn Grip(sheet: RwSignal<Sheet>) -> impl IntoView {
    let (next, word) = (
        move || match sheet.get() {
            Sheet::Peek => Sheet::Half,
            Sheet::Half => Sheet::Whole,
            Sheet::Whole => Sheet::Peek,
        },
        move || match sheet.get() {
            Sheet::Whole => "Show less of this card",
            _ => "Show more of this card",
        },
    );
    view! { <button class="grip" aria-label=word on:click=move |_| sheet.set(untrack(next))></button> }
}

#[component]
pub fn Card() -> impl IntoView {
    let page = expect_context::<Page>();
    let selected = Memo::new(move |_| page.route.with(|route| route.selected.clone()));
    // The parts that live: each is drawn again only when it changed.
    let summary = Memo::new(move |_| page.details.with(|d| d.as_ref().map(|d| d.summary.clone())));
    let metrics = Memo::new(move |_| summary.with(|s| s.as_ref().map(|s| s.metrics.clone()).unwrap_or_default()));
    let rows = Memo::new(move |_| summary.with(|s| s.as_ref().map(|s| s.metadata.clone()).unwrap_or_default()));
    let tables = Memo::new(move |_| {
        summary.with(|s| {
            s.as_ref()
                .map(|s| s.tables.iter().filter(|t| !t.rows.is_empty()).cloned().collect::<Vec<_>>())
                .unwrap_or_default()
        })
    });
    let children =
        Memo::new(move |_| page.details.with(|d| d.as_ref().map(|d| d.children.clone()).unwrap_or_default()));
    let sides =
        Memo::new(move |_| page.details.with(|d| d.as_ref().map(|d| d.connections.clone()).unwrap_or_default()));
    let spoken = move || {
        let mut all = sides.get();
        all.retain(|side| !side.connections.is_empty());
        all
    };
    let found = Memo::new(move |_| page.details.with(|d| d.as_ref().map(|d| d.findings.clone()).unwrap_or_default()));
    let title = Memo::new(move |_| {
        summary.with(|s| s.as_ref().map(|s| (s.label.clone(), s.label_minor.clone(), s.kind.clone(), s.state.clone())))
    });
    let parents = Memo::new(move |_| {
        summary.with(|s| {
            let all = s.as_ref().map(|s| s.parents.iter().chain(&s.networks).cloned().collect::<Vec<Parent>>());
            all.unwrap_or_default()
        })
    });
    let sheet = RwSignal::new(Sheet::Half);
    let copied = RwSignal::new(false);
    let copied_title = move || if copied.get() { "Copied" } else { "Copy the id" };
    let copy = move |_| {
        if let (Some(window), Some(id)) = (web_sys::window(), selected.get_untracked()) {
            let _ = window.navigator().clipboard().write_text(&id);
            copied.set(true);
            set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
        }
    };
    let raw = move || {
        let (topology, options) = page.route.with(|route| (route.topology.clone(), route.query()));
        let id = crate::route::encode(&selected.get().unwrap_or_default());
        format!("{}api/topology/{topology}/{id}{options}", crate::connection::base())
    };
    let is_pinned = move || {
        page.route.with(|route| {
            let id = route.selected.as_deref().unwrap_or_default();
            route.pins.iter().any(|pin| pin.is_of(&route.topology, id))
        })
    };
    let pin = move |_| {
        let Some((label, _, kind, _)) = title.get_untracked() else { return };
        page.go(|route| {
            let Some(id) = route.selected.clone() else { return };
            let before = route.pins.len();
            route.pins.retain(|pin| !pin.is_of(&route.topology, &id));
            if route.pins.len() == before {
                // The oldest makes room.
                let extra = (before + 1).saturating_sub(PINS_MAX);
                route.pins.drain(..extra);
                route.pins.push(Pin { topology: route.topology.clone(), id, label, kind });
            }
        });
    };
    // Those behind the one in front.
    let behind = Memo::new(move |_| {
        page.route.with(|route| {
            let id = route.selected.as_deref().unwrap_or_default();
            route.pins.iter().filter(|pin| !pin.is_of(&route.topology, id)).cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <Show when=move || behind.with(|behind| !behind.is_empty()) && page.route.with(|route| route.edge.is_none())>
            <div class="cards-behind" class:alone=move || selected.with(Option::is_none) role="group" aria-label="Pinned cards">
                {move || behind.get().into_iter().map(|pin| view! { <Behind pin/> }).collect_view()}
            </div>
        </Show>
        <Show when=move || selected.with(Option::is_some)>
            <aside class="card" class:peeks=move || sheet.get() == Sheet::Peek class:whole=move || sheet.get() == Sheet::Whole class:below-one=move || behind.with(Vec::len) == 1 class:below-two=move || behind.with(Vec::len) == 2 aria-label="Details">
                <Grip sheet/>
                <header>
                    {move || match title.get() {
                        Some((label, minor, kind, state)) => view! {
                            <span class=format!("kind kind-{kind}")><Icon name=icon::of_kind(&kind)/></span>
                            <div class="names">
                                <h2 title=label.clone()>{text::shortened(text::base_name(&label), 40)}</h2>
                                <p>{words(&kind, &minor, &state)}</p>
                            </div>
                        }.into_any(),
                        None => view! {
                            <div class="names"><h2>{move || match page.gone.get() {
                                true => "Not there any more",
                                false => "Reading",
                            }}</h2></div>
                        }.into_any(),
                    }}
                    <button
                        class="plain"
                        class:on=is_pinned
                        aria-label="Pin this card"
                        aria-pressed=move || is_pinned().to_string()
                        title=move || if is_pinned() { "Let go of this card" } else { "Keep this card while others are looked at" }
                        on:click=pin
                    ><Icon name="pin"/></button>
                    <button class="plain" aria-label="Copy the id" title=copied_title on:click=copy>
                        {move || view! { <Icon name=if copied.get() { "check" } else { "copy" }/> }}
                    </button>
                    <a class="plain" aria-label="Raw JSON" title="As the API has it" target="_blank" rel="noopener" href=raw><Icon name="braces"/></a>
                    <button class="plain" aria-label="Close" title="Close (Esc)" on:click=move |_| page.select(None)>
                        <Icon name="close"/>
                    </button>
                </header>
                <Show when=move || page.gone.get()>
                    <p class="gone">
                        <Warning/>
                        {move || match summary.with(Option::is_some) {
                            true => "This went. The card shows its last values.",
                            false => "Nothing of this name is in this view. It may have ended, or the options hide it.",
                        }}
                    </p>
                </Show>
                <Show when=move || parents.with(|list| !list.is_empty())>
                    <div class="parents">
                        {move || parents.get().into_iter().map(|parent| view! { <ParentChip parent/> }).collect_view()}
                    </div>
                </Show>
                {move || view! { <findings::OfNode findings=found.get()/> }}
                <Show when=move || metrics.with(|list| !list.is_empty())>
                    <section class="metrics">
                        <h3>"Status"<span class="aside">"last 60 s"</span></h3>
                        <div class="sparks">
                            <For each=move || metrics.get() key=|metric| metric.id.clone() children=move |metric| {
                                let id = metric.id.clone();
                                let now = Memo::new(move |_| {
                                    let found = metrics.with(|all| all.iter().find(|one| one.id == id).cloned());
                                    found.unwrap_or_else(|| metric.clone())
                                });
                                view! { <Spark metric=now/> }
                            }/>
                        </div>
                    </section>
                </Show>
                // Each stays sorted, searched and open while what is in it changes, and is as at first for another node.
                <For
                    each=spoken
                    key=move |side| (selected.get_untracked(), side.id.clone())
                    children=move |side| {
                        let id = side.id.clone();
                        let now = Memo::new(move |_| {
                            let found = sides.with(|all| all.iter().find(|one| one.id == id).cloned());
                            found.unwrap_or_else(|| side.clone())
                        });
                        view! { <Side side=now/> }
                    }
                />
                <For
                    each=move || children.get()
                    key=move |group| (selected.get_untracked(), group.id.clone(), group.topology_id.clone())
                    children=move |group| {
                        let (id, topology) = (group.id.clone(), group.topology_id.clone());
                        let now = Memo::new(move |_| {
                            let is_it = |one: &&Children| one.id == id && one.topology_id == topology;
                            children.with(|all| all.iter().find(is_it).cloned()).unwrap_or_else(|| group.clone())
                        });
                        view! { <Inside group=now/> }
                    }
                />
                <Show when=move || rows.with(|list| !list.is_empty())>
                    <section>
                        <h3>"Info"</h3>
                        <dl class="info">
                            {move || {
                                let now = page.clock.get() as u64;
                                let clock = page.model.with_value(|m| m.clock_ms);
                                let now = now.saturating_add_signed(clock);
                                rows.get().into_iter().map(|row| view! { <InfoRow row now/> }).collect_view()
                            }}
                        </dl>
                    </section>
                </Show>
                // Each stays as it was opened and scrolled while what is in it changes.
                <For each=move || tables.get() key=|table| table.id.clone() children=move |table| {
                    let id = table.id.clone();
                    let now = Memo::new(move |_| {
                        tables.with(|all| all.iter().find(|t| t.id == id).cloned()).unwrap_or_else(|| table.clone())
                    });
                    view! { <Foldable table=now/> }
                }/>
            </aside>
        </Show>
    }
}

/// `Container on h1`, `Process on h2 (556), paused`.
fn words(kind: &str, minor: &str, state: &str) -> String {
    let mut name = kind.to_owned();
    if let Some(first) = name.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    let place = match (kind, minor) {
        (_, "") => name,
        ("container" | "process" | "task", minor) if !minor.contains("container") => format!("{name} on {minor}"),
        (_, minor) => minor.to_owned(),
    };
    if state.is_empty() { place } else { format!("{place}, {state}") }
}

#[component]
fn ParentChip(parent: Parent) -> impl IntoView {
    let page = expect_context::<Page>();
    let Parent { id, label, topology_id } = parent;
    let icon = icon::of_topology(&topology_id);
    let line = (topology_id == "networks").then(|| {
        let slot = slot_of(&label) + 1;
        view! { <span class=format!("line line-{slot}") style=format!("--line: var(--n-{slot})")></span> }
    });
    let go = move |_| {
        page.go(|route| {
            route.topology.clone_from(&topology_id);
            route.selected = Some(id.clone());
        });
    };
    let is_network = line.is_some();
    view! {
        <button class="chip" on:click=go title=label.clone()>
            {line}
            {(!is_network).then(|| view! { <Icon name=icon/> })}
            {text::shortened(&label, 26)}
        </button>
    }
}

#[component]
fn InfoRow(row: Row, now: u64) -> impl IntoView {
    let value = row.value_at(now).into_owned();
    let at = (row.data_type == "datetime").then(|| times::parse(&value)).flatten();
    let words = match row.data_type.as_str() {
        "duration" => text::duration(value.parse().unwrap_or(0)),
        "datetime" => at.map_or_else(|| value.clone(), times::local),
        _ if row.truncate > 0 => value.chars().take(row.truncate as usize).collect(),
        _ => value.clone(),
    };
    let value = at.map_or(value, times::both);
    let mono = matches!(row.id.as_str(), "docker_container_command" | "cmdline" | "docker_container_id" | "network_id");
    view! { <dt>{row.label}</dt><dd title=value class:mono=mono>{words}</dd> }
}

#[component]
fn Foldable(table: Memo<Table>) -> impl IntoView {
    let body = move || {
        table.with(|table| match table.kind.as_str() {
            "multicolumn-table" => grid(table).into_any(),
            _ => properties(table).into_any(),
        })
    };
    view! {
        <details class="properties">
            <summary>
                {move || table.with(|t| t.label.clone())}
                <span class="aside left">{move || table.with(|t| t.rows.len())}</span>
            </summary>
            <div class="grid" tabindex="0">{body}</div>
            {move || view! { <LeftOut count=table.with(|t| t.truncation_count)/> }}
        </details>
    }
}

fn properties(table: &Table) -> impl IntoView + use<> {
    let entry = |row: &shared::view::TableRow, key: &str| row.entries.get(key).cloned().unwrap_or_default();
    let rows = table.rows.iter().map(|row| {
        let (label, value) = (entry(row, "label"), entry(row, "value"));
        view! { <dt title=label.clone()>{text::shortened(label.trim(), 32)}</dt><dd title=value.clone()>{value.clone()}</dd> }
    });
    view! { <dl class="info">{rows.collect_view()}</dl> }
}

fn grid(table: &Table) -> impl IntoView + use<> {
    let class = |column: &shared::view::Column| if column.data_type == "number" { "number" } else { "" };
    let heads = table.columns.iter().map(|column| view! { <th class=class(column)>{column.label.clone()}</th> });
    let rows = table.rows.iter().map(|row| {
        let cells = table.columns.iter().map(|column| {
            let value = row.entries.get(&column.id).cloned().unwrap_or_default();
            view! { <td class=class(column)>{value}</td> }
        });
        view! { <tr>{cells.collect_view()}</tr> }
    });
    view! {
        <table class="list"><thead><tr>{heads.collect_view()}</tr></thead><tbody>{rows.collect_view()}</tbody></table>
    }
}

#[component]
fn LeftOut(count: u32) -> impl IntoView {
    (count > 0).then(|| view! { <p class="left-out">{format!("{count} more are not listed")}</p> })
}
