//! Everything about the selected node.

use leptos::prelude::*;
use shared::view::{Children, Connections, Metric, Parent, Row, Summary, Table};

use super::findings;
use super::icon::{self, Icon, Warning};
use super::way::OnTheWay;
use crate::app::{Page, Way};
use crate::disarm;
use crate::lines::slot_of;
use crate::route::{PINS_MAX, Pin};
use crate::text;

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

/// Lists show so many rows until they are asked for all.
const ROWS: usize = 8;

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
            <aside class="card" class:below-one=move || behind.with(Vec::len) == 1 class:below-two=move || behind.with(Vec::len) == 2 aria-label="Details">
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
                            {move || metrics.get().into_iter().map(|metric| view! { <Spark metric/> }).collect_view()}
                        </div>
                    </section>
                </Show>
                {move || sides.get().into_iter().filter(|side| !side.connections.is_empty())
                    .map(|side| view! { <Side side/> }).collect_view()}
                {move || children.get().into_iter().map(|group| view! { <Inside group/> }).collect_view()}
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
fn Spark(metric: Metric) -> impl IntoView {
    const WIDTH: f64 = 178.0;
    const HEIGHT: f64 = 32.0;
    let samples: Vec<f64> = metric.samples.iter().flatten().map(|s| s.value).collect();
    let top = match metric.format.as_str() {
        "percent" => samples.iter().copied().fold(1.0, f64::max).max(if metric.max <= 100.0 { 20.0 } else { 0.0 }),
        _ => samples.iter().copied().fold(metric.min.max(1e-9), f64::max) * 1.15,
    };
    let at = |n: usize, value: f64| {
        let x = WIDTH - (samples.len() - 1 - n) as f64 * (WIDTH / 59.0);
        (x, HEIGHT - 1.0 - (value / top).clamp(0.0, 1.0) * (HEIGHT - 3.0))
    };
    let points: Vec<(f64, f64)> = samples.iter().enumerate().map(|(n, value)| at(n, *value)).collect();
    let line: String = points
        .iter()
        .enumerate()
        .map(|(n, (x, y))| format!("{}{x:.1} {y:.1}", if n == 0 { "M" } else { "L" }))
        .collect();
    let area = match (points.first(), points.last()) {
        (Some(first), Some(last)) => format!("{line}L{:.1} {HEIGHT}L{:.1} {HEIGHT}Z", last.0, first.0),
        _ => String::new(),
    };
    let value = text::metric(&metric.format, &metric.label, metric.value);
    let bounded = metric.format == "filesize" && metric.priority <= 2.0 && metric.max > 0.0;
    let of = bounded.then(|| format!(" of {}", text::bytes(metric.max)));
    let (least, most) = samples.iter().fold((f64::MAX, 0f64), |(a, b), v| (a.min(*v), b.max(*v)));
    let span = (!samples.is_empty()).then(|| {
        let word = |v| text::metric(&metric.format, &metric.label, v);
        format!("{} to {} in the last minute", word(least), word(most))
    });
    view! {
        <div class="spark" title=span>
            <div class="figures"><span>{metric.label.clone()}</span><b>{value}</b><i>{of}</i></div>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" aria-hidden="true">
                <path class="area" d=area/>
                <path class="curve" d=line/>
            </svg>
        </div>
    }
}

#[component]
fn Side(side: Connections) -> impl IntoView {
    let page = expect_context::<Page>();
    let all = RwSignal::new(false);
    let count = side.connections.len();
    let topology = side.topology_id.clone();
    let is_incoming = side.id == "incoming-connections";
    let heading = if is_incoming { "From" } else { "To" };
    let value = |rows: &[Row], id: &str| rows.iter().find(|r| r.id == id).map(|r| r.value.clone()).unwrap_or_default();
    let rows = StoredValue::new(side.connections);
    let own = page.route.with_untracked(|route| route.selected.clone()).unwrap_or_default();
    let told = Memo::new(move |_| {
        page.structure.track();
        page.values.track();
        page.model.with_value(|model| (model.failures_of(&own, is_incoming), model.traffic_of(&own, is_incoming)))
    });
    let shown =
        move || {
            let topology = topology.clone();
            let most = if all.get() { usize::MAX } else { ROWS };
            rows.get_value().into_iter().take(most).map(move |row| {
            let (there, id) = (topology.clone(), row.node_id.clone());
            let go = move |_| {
                page.go(|route| {
                    route.topology.clone_from(&there);
                    route.selected = Some(id.clone());
                });
            };
            let remote = value(&row.metadata, "remote");
            let port = value(&row.metadata, "port");
            let own = page.route.with_untracked(|route| route.selected.clone()).unwrap_or_default();
            let (source, target) =
                if is_incoming { (row.node_id.clone(), own) } else { (own, row.node_id.clone()) };
            let way = Way { topology: topology.clone(), source, target, port: Some(port.clone()), edges: None };
            // What is outside has no interfaces that anybody sees, and interfaces are on the way themselves.
            let has_way = remote.is_empty() && topology != "interfaces" && port.parse::<u16>().is_ok();
            let asked = way.clone();
            let show = move |event: web_sys::MouseEvent| {
                event.stop_propagation();
                page.show_way(asked.clone());
            };
            let is_shown = {
                let way = way.clone();
                move || page.way.with(|shown| shown.as_ref().is_some_and(|s| Way { edges: None, ..s.clone() } == way))
            };
            let pressed = is_shown.clone();
            let far = (row.node_id.clone(), port.parse().unwrap_or(0));
            let same = far.clone();
            let failed = move || told.with(|(failures, _)| failures.get(&far).map(text::failures));
            let failed = move || failed().map(|words| view! { <tr class="failed"><td colspan="5">{words}</td></tr> });
            let traffic = move || {
                let rate = told.with(|(_, traffic)| traffic.get(&same).copied());
                rate.map_or_else(|| "–".to_owned(), |rate| text::edge_metric("bytes_per_s", rate))
            };
            let ends = (way.source.clone(), way.target.clone());
            let open = move |event: web_sys::MouseEvent| {
                event.stop_propagation();
                page.select_edge(Some(ends.clone()));
            };
            // Of an address outside there is no line of its own.
            let carried = remote.is_empty().then(|| view! {
                <button class="rate" title="All that goes over it" on:click=open>{traffic}</button>
            });
            let label = text::shortened(text::base_name(&row.label), 22);
            // Whoever talks to the world outside may do so with many addresses.
            let minor = if remote.is_empty() { text::shortened(&row.label_minor, 14) } else { remote };
            view! {
                <tr on:click=go tabindex="0">
                    <td><span class="far">{label}</span>" "<span class="minor">{minor}</span></td>
                    <td class="number">{port}</td>
                    <td class="number">{value(&row.metadata, "count")}</td>
                    <td class="number">{carried}</td>
                    <td class="way">{has_way.then(|| view! {
                        <button
                            title="Its way through the interfaces of both ends"
                            aria-label="Way through the interfaces"
                            aria-pressed=move || if pressed() { "true" } else { "false" }
                            on:click=show
                        ><Icon name="interface"/></button>
                    })}</td>
                </tr>
                {failed}
                {move || is_shown().then(|| view! { <tr class="on-the-way"><td colspan="5"><OnTheWay/></td></tr> })}
            }
        }).collect_view()
        };
    view! {
        <section>
            <h3>{side.label.clone()}<span class="aside left">{count}</span></h3>
            <table class="list">
                <thead><tr><th>{heading}</th><th class="number">"Port"</th><th class="number">"Count"</th><th class="number">"Traffic"</th><th></th></tr></thead>
                <tbody>{shown}</tbody>
            </table>
            <More count all/>
        </section>
    }
}

#[component]
fn Inside(group: Children) -> impl IntoView {
    let page = expect_context::<Page>();
    let all = RwSignal::new(false);
    let Children { label, topology_id, nodes, columns, .. } = group;
    let count = nodes.len();
    let mut nodes = nodes;
    let first_metric = |node: &Summary| node.metrics.first().map_or(0.0, |m| m.value);
    nodes.sort_by(|a, b| first_metric(b).total_cmp(&first_metric(a)).then_with(|| a.label.cmp(&b.label)));
    let heads = columns.iter().map(|c| view! { <th class="number">{c.label.clone()}</th> }).collect_view();
    let nodes = StoredValue::new(nodes);
    let shown = move || {
        let most = if all.get() { usize::MAX } else { ROWS };
        nodes
            .get_value()
            .into_iter()
            .take(most)
            .map(|node| {
                let (topology, id) = (topology_id.clone(), node.id.clone());
                let go = move |_| {
                    page.go(|route| {
                        // Whoever looks into a node wants to see what is in it, whatever the options hide.
                        if topology == "processes" {
                            route.options.insert("unconnected".into(), "show".into());
                        }
                        route.topology.clone_from(&topology);
                        route.selected = Some(id.clone());
                    });
                };
                let cells = columns
                    .iter()
                    .map(|column| {
                        let metric = node.metrics.iter().find(|m| m.id == column.id);
                        let row = node.metadata.iter().find(|r| r.id == column.id);
                        let words = match (metric, row) {
                            (Some(m), _) => text::metric(&m.format, &m.label, m.value),
                            (None, Some(row)) => row.value.clone(),
                            (None, None) => "–".into(),
                        };
                        view! { <td class="number">{words}</td> }
                    })
                    .collect_view();
                view! {
                    <tr on:click=go tabindex="0">
                        <td title=node.label.clone()>
                            <span class="far">{text::shortened(text::base_name(&node.label), 28)}</span>
                        </td>
                        {cells}
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <section>
            <h3>{label}<span class="aside left">{count}</span></h3>
            <table class="list">
                <thead><tr><th>"Name"</th>{heads}</tr></thead>
                <tbody>{shown}</tbody>
            </table>
            <More count all/>
        </section>
    }
}

#[component]
fn More(count: usize, all: RwSignal<bool>) -> impl IntoView {
    (count > ROWS).then(|| {
        view! {
            <button class="more" on:click=move |_| all.update(|a| *a = !*a)>
                {move || if all.get() { "Show fewer".to_owned() } else { format!("Show all {count}") }}
            </button>
        }
    })
}

#[component]
fn InfoRow(row: Row, now: u64) -> impl IntoView {
    let value = row.value_at(now);
    let words = match row.data_type.as_str() {
        "duration" => text::duration(value.parse().unwrap_or(0)),
        "datetime" => value.split('.').next().unwrap_or_default().replace('T', " ") + " UTC",
        _ if row.truncate > 0 => value.chars().take(row.truncate as usize).collect(),
        _ => value.clone(),
    };
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
