//! The same nodes as rows.

use leptos::html;
use leptos::prelude::*;
use shared::view::Summary;
use wasm_bindgen::JsCast;

use super::icon::{self, Icon};
use crate::app::{Page, counted};
use crate::connection;
use crate::export;
use crate::lines::slot_of;
use crate::listing;
use crate::model::Model;
use crate::searching::Found;
use crate::{text, times};

/// Of a row, pixels: `--row-table`.
const ROW_PX: f64 = 32.0;
/// Rows are put into the page by so many, those in sight and as many before and after.
const STEP: usize = 24;

/// So many metrics are columns by themselves.
const METRICS: usize = 4;
/// So many networks of a row are named in it.
const NETWORKS: usize = 2;
/// Of so many rows it is looked what else is known of them.
const LOOKED_AT: usize = 200;

/// Which of `count` rows are in the page, where so much was scrolled past and so much is in sight, pixels.
fn in_page(scrolled: f64, height: f64, count: usize) -> (usize, usize) {
    let first = (scrolled / ROW_PX).max(0.0) as usize / STEP * STEP;
    let last = first + (height / ROW_PX).ceil().max(1.0) as usize + 2 * STEP;
    (first.saturating_sub(STEP).min(count), last.min(count))
}

#[derive(Clone, Debug, PartialEq)]
enum Column {
    Name,
    /// What stands below a node's name, and what that is.
    Minor(&'static str),
    Parent(&'static str, &'static str),
    /// Names of the networks that a node is on.
    Networks,
    /// A row of what else is known of it: id, label, type.
    Row(String, String, String),
    /// Metric id, label, format.
    Metric(String, String, String),
    Connections,
}

impl Column {
    fn label(&self) -> String {
        match self {
            Self::Name => "Name".into(),
            Self::Minor(what) => (*what).into(),
            Self::Parent(_, label) => (*label).into(),
            Self::Row(_, label, _) | Self::Metric(_, label, _) => label.clone(),
            Self::Networks => "Networks".into(),
            Self::Connections => "Connections".into(),
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Self::Metric(..) | Self::Connections => true,
            Self::Row(_, _, kind) => matches!(kind.as_str(), "number" | "duration"),
            Self::Name | Self::Minor(_) | Self::Parent(..) | Self::Networks => false,
        }
    }
}

#[derive(Clone, PartialEq)]
struct RowData {
    slot: u32,
    node: Summary,
    connections: u32,
}

#[component]
pub fn Table() -> impl IntoView {
    let page = expect_context::<Page>();
    let sorted = RwSignal::new(None::<(String, bool)>);
    let rows = Memo::new(move |_| {
        page.values.track();
        let found = page.found();
        page.model.with_value(|model| rows_of(model, found.as_deref()))
    });
    let offered = Memo::new(move |_| rows.with(|rows| offered(rows)));
    let chosen = move || page.route.with(|route| route.columns.clone());
    let columns = Memo::new(move |_| chosen_of(offered.get(), chosen().as_deref()));
    let choosing = RwSignal::new(false);
    let turn = move |label: String| {
        let mut shown: Vec<String> = columns.with_untracked(|all| all.iter().map(Column::label).collect());
        match shown.iter().position(|one| *one == label) {
            Some(at) => drop(shown.remove(at)),
            None => shown.push(label),
        }
        page.go(|route| route.columns = Some(shown));
    };
    // Who is about to take a row does not want another to come to stand there: by pointer, or by keyboard.
    let (pointed, walked) = (RwSignal::new(false), RwSignal::new(false));
    let is_held = Memo::new(move |_| pointed.get() || walked.get());
    let ordered = Memo::new(move |before: Option<&Vec<RowData>>| {
        let mut rows = rows.get();
        let columns = columns.get();
        let (name, descending) = sorted.get().unwrap_or_else(|| default_sort(&columns));
        let column = columns.iter().find(|c| c.label() == name).cloned().unwrap_or(Column::Name);
        rows.sort_by(|a, b| {
            let order = match column.is_number() {
                true => number(a, &column).total_cmp(&number(b, &column)),
                false => words(a, &column).to_lowercase().cmp(&words(b, &column).to_lowercase()),
            };
            let order = if descending { order.reverse() } else { order };
            order.then_with(|| a.node.label.cmp(&b.node.label)).then_with(|| a.node.id.cmp(&b.node.id))
        });
        let is_held = is_held.get();
        if let Some(before) = before.filter(|_| is_held) {
            listing::keep(&mut rows, before.iter().map(|row| row.slot), |row| row.slot);
        }
        rows
    });
    let sort_by = move |name: String, numeric: bool| {
        let now = sorted.get_untracked().unwrap_or_else(|| default_sort(&columns.get_untracked()));
        sorted.set(Some(if now.0 == name { (name, !now.1) } else { (name, numeric) }));
    };
    let foot = move || {
        let topology = page.route.with(|route| route.topology.clone());
        let (name, _) = sorted.get().unwrap_or_else(|| columns.with(|c| default_sort(c)));
        let held = if is_held.get() { ", held while you are in it" } else { "" };
        format!("{}, sorted by {name}{held}", counted(&topology, ordered.with(Vec::len)))
    };
    let minute = Memo::new(move |_| (page.clock.get() / 60_000.0) as u64);
    let scroller = NodeRef::<html::Div>::new();
    // Before it is there, as high as the window at most.
    let window_px = web_sys::window().and_then(|w| w.inner_height().ok()?.as_f64()).unwrap_or(1_000.0);
    let seen = RwSignal::new((0.0, window_px));
    let look = move || {
        if let Some(scroller) = scroller.get_untracked() {
            seen.set((f64::from(scroller.scroll_top()), f64::from(scroller.client_height())));
        }
    };
    let shown = Memo::new(move |_| {
        let (scrolled, height) = seen.get();
        in_page(scrolled, height, ordered.with(Vec::len))
    });
    let room = move || {
        let (first, last) = shown.get();
        let below = ordered.with(Vec::len).saturating_sub(last);
        format!("padding: {}px 0 {}px", first as f64 * ROW_PX, below as f64 * ROW_PX)
    };
    view! {
        <div class="table-wrap">
            <div class="table-scroll" node_ref=scroller on:scroll=move |_| look()>
                <div style=room>
                <table class="nodes" aria-rowcount=move || ordered.with(Vec::len).to_string()>
                    <thead>
                        <tr>
                            {move || columns.get().into_iter().map(|column| {
                                let (label, numeric) = (column.label(), column.is_number());
                                let name = label.clone();
                                let direction = {
                                    let label = label.clone();
                                    move || {
                                        let now = sorted.get().unwrap_or_else(|| columns.with(|c| default_sort(c)));
                                        (now.0 == label).then_some(now.1)
                                    }
                                };
                                let aria = direction.clone();
                                view! {
                                    <th
                                        class:number=numeric
                                        aria-sort=move || match aria() {
                                            Some(true) => "descending",
                                            Some(false) => "ascending",
                                            None => "none",
                                        }
                                    >
                                        <button on:click=move |_| sort_by(name.clone(), numeric)>
                                            {label}
                                            <span class="sorted">{move || match direction() {
                                                Some(true) => " ↓",
                                                Some(false) => " ↑",
                                                None => "",
                                            }}</span>
                                        </button>
                                    </th>
                                }
                            }).collect_view()}
                        </tr>
                    </thead>
                    <tbody
                        on:pointerenter=move |event| pointed.set(event.pointer_type() == "mouse")
                        on:pointerleave=move |_| pointed.set(false)
                        on:focusin=move |event| walked.set(is_by_keyboard(&event))
                        on:focusout=move |_| walked.set(false)
                    >
                        <For
                            each=move || {
                                let (first, last) = shown.get();
                                first..last.min(ordered.with(Vec::len))
                            }
                            key=|place| *place
                            let:place
                        >
                            <Row place ordered columns minute/>
                        </For>
                    </tbody>
                </table>
                </div>
            </div>
            <div class="foot">
                <span>{foot}</span>
                <span class="space"></span>
                <button
                    class="choice columns"
                    aria-haspopup="dialog"
                    aria-expanded=move || choosing.get().to_string()
                    on:click=move |_| choosing.update(|open| *open = !*open)
                ><Icon name="board"/>"Columns"</button>
            </div>
            <Show when=move || choosing.get()>
                <div class="beyond" on:click=move |_| choosing.set(false)></div>
                <section class="popover choose-columns" role="dialog" aria-label="Columns">
                    {move || offered.get().into_iter().map(|(column, _)| {
                        let label = column.label();
                        let (mine, click) = (label.clone(), label.clone());
                        let is_name = column == Column::Name;
                        view! {
                            <label>
                                <input
                                    type="checkbox"
                                    disabled=is_name
                                    prop:checked=move || columns.with(|all| all.iter().any(|one| one.label() == mine))
                                    on:change=move |_| turn(click.clone())
                                />
                                {label}
                            </label>
                        }
                    }).collect_view()}
                    <button class="more" on:click=move |_| page.go(|route| route.columns = None)>"As at first"</button>
                </section>
            </Show>
        </div>
    }
}

/// Whoever is at that place. The row stays while others come to stand there, and with it the keyboard's focus.
#[component]
fn Row(
    place: usize,
    ordered: Memo<Vec<RowData>>,
    columns: Memo<Vec<Column>>,
    /// How long something has been up is told anew then.
    minute: Memo<u64>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let row = Memo::new(move |_| ordered.with(|rows| rows.get(place).cloned()));
    let id = Memo::new(move |_| row.with(|row| row.as_ref().map(|row| row.node.id.clone())));
    let is_selected = move || id.with(|id| id.is_some() && page.route.with(|route| route.selected == *id));
    let came = Memo::new(move |_| {
        let marks = page.marks.get()?;
        id.with(|id| marks.new.get(id.as_ref()?).copied())
    });
    let select = move || page.select(id.get_untracked());
    view! {
        <tr
            class:on=is_selected
            class:new=move || came.get().is_some()
            title=move || came.get().map(|at_ms| format!("Came {}", times::both(at_ms as f64)))
            tabindex="0"
            aria-rowindex=(place + 1).to_string()
            on:click=move |_| select()
            on:keydown=move |event| if event.key() == "Enter" { select() } else { step(&event) }
        >
            {move || {
                minute.track();
                row.get().map(|row| columns.with(|columns| columns.iter().map(|c| cell(&row, c)).collect_view()))
            }}
        </tr>
    }
}

/// Whether the browser shows where the focus is, as it does for who has no pointer.
fn is_by_keyboard(event: &web_sys::FocusEvent) -> bool {
    let focused = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    focused.is_some_and(|focused| focused.matches(":focus-visible").unwrap_or(false))
}

/// To the row above or below.
fn step(event: &web_sys::KeyboardEvent) {
    let row = event.current_target().and_then(|row| row.dyn_into::<web_sys::Element>().ok());
    let other = row.and_then(|row| match event.key().as_str() {
        "ArrowDown" => row.next_element_sibling(),
        "ArrowUp" => row.previous_element_sibling(),
        _ => None,
    });
    if let Some(other) = other.and_then(|other| other.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = other.focus();
        event.prevent_default();
    }
}

/// The rows that are found, with the columns of the table; numbers as they are.
pub fn csv(page: Page) -> String {
    let found = untrack(|| page.found());
    let rows: Vec<RowData> = page.model.with_value(|model| rows_of(model, found.as_deref()));
    let chosen = page.route.with_untracked(|route| route.columns.clone());
    let columns = chosen_of(offered(&rows), chosen.as_deref());
    let head = columns.iter().map(Column::label).collect();
    let cells = |row: &RowData| {
        let cell = |column: &Column| match column {
            Column::Metric(id, ..) => {
                let metric = row.node.metrics.iter().find(|metric| metric.id == *id);
                metric.map(|metric| metric.value.to_string()).unwrap_or_default()
            }
            Column::Connections => row.connections.to_string(),
            _ => words(row, column),
        };
        columns.iter().map(cell).collect()
    };
    export::csv(std::iter::once(head).chain(rows.iter().map(cells)))
}

fn rows_of(model: &Model, found: Option<&Found>) -> Vec<RowData> {
    let mut connections: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
    for edge in model.edges.values() {
        *connections.entry(edge.source).or_default() += edge.count;
        if edge.target != edge.source {
            *connections.entry(edge.target).or_default() += edge.count;
        }
    }
    let shown = model.nodes.iter().filter(|(slot, _)| found.is_none_or(|found| found.contains_key(slot)));
    let row = |(slot, node): (&u32, &Summary)| RowData {
        slot: *slot,
        node: node.clone(),
        connections: connections.get(slot).copied().unwrap_or(0),
    };
    shown.map(row).collect()
}

/// What can be shown of these rows, and whether it is unless somebody chose otherwise.
fn offered(rows: &[RowData]) -> Vec<(Column, bool)> {
    let mut columns = vec![(Column::Name, true)];
    if rows.iter().any(|row| !row.node.label_minor.is_empty()) {
        let what = rows.iter().find(|row| !row.node.pseudo).map_or("", |row| match row.node.kind.as_str() {
            "service" => "Tasks",
            "node" => "Role",
            "network" => "Driver",
            "container" | "process" if row.node.stack => "Members",
            "image" => "Containers",
            _ => "Host",
        });
        columns.push((Column::Minor(what), true));
    }
    let has = |topology: &str| rows.iter().any(|r| r.node.parents.iter().any(|p| p.topology_id == topology));
    let parents = [
        ("containers", "Container", true),
        ("containers-by-image", "Image", true),
        ("containers-by-stack", "Stack", false),
        ("swarm-services", "Service", false),
        ("swarm-nodes", "Swarm node", false),
    ];
    for (topology, label, by_itself) in parents {
        if has(topology) {
            columns.push((Column::Parent(topology, label), by_itself));
        }
    }
    // The first that has some tells what all have.
    let measured = rows.iter().find(|row| !row.node.metrics.is_empty()).map_or(&[][..], |row| &row.node.metrics);
    for (n, metric) in measured.iter().enumerate() {
        columns.push((Column::Metric(metric.id.clone(), metric.label.clone(), metric.format.clone()), n < METRICS));
    }
    columns.push((Column::Connections, true));
    if rows.iter().any(|row| !row.node.networks.is_empty()) {
        columns.push((Column::Networks, true));
    }
    for row in rows.iter().take(LOOKED_AT).flat_map(|row| &row.node.metadata) {
        let is_known = columns.iter().any(|(column, _)| column.label() == row.label);
        if !is_known {
            let column = Column::Row(row.id.clone(), row.label.clone(), row.data_type.clone());
            columns.push((column, row.id.ends_with("uptime")));
        }
    }
    columns
}

/// The columns of that names, in their order; those that are shown by themselves where nobody chose.
fn chosen_of(offered: Vec<(Column, bool)>, chosen: Option<&[String]>) -> Vec<Column> {
    let is_shown = |(column, by_itself): &(Column, bool)| match chosen {
        Some(names) => *column == Column::Name || names.contains(&column.label()),
        None => *by_itself,
    };
    offered.into_iter().filter(is_shown).map(|(column, _)| column).collect()
}

fn default_sort(columns: &[Column]) -> (String, bool) {
    let first = columns.iter().find(|c| matches!(c, Column::Metric(..))).unwrap_or(&Column::Name);
    (first.label(), first.is_number())
}

fn words(row: &RowData, column: &Column) -> String {
    match column {
        Column::Name => row.node.label.clone(),
        Column::Minor(_) => row.node.label_minor.clone(),
        Column::Parent(topology, _) => {
            let parent = row.node.parents.iter().find(|p| p.topology_id == *topology);
            parent.map(|p| p.label.clone()).unwrap_or_default()
        }
        Column::Networks => networks(row).join(", "),
        Column::Row(id, ..) => {
            let now_ms = connection::now_ms() as u64;
            let found = row.node.metadata.iter().find(|row| row.id == *id);
            found.map(|row| row.value_at(now_ms).into_owned()).unwrap_or_default()
        }
        Column::Metric(..) | Column::Connections => String::new(),
    }
}

fn number(row: &RowData, column: &Column) -> f64 {
    match column {
        Column::Metric(id, ..) => row.node.metrics.iter().find(|m| m.id == *id).map_or(-1.0, |m| m.value),
        Column::Connections => f64::from(row.connections),
        Column::Row(..) => words(row, column).parse().unwrap_or(-1.0),
        Column::Name | Column::Minor(_) | Column::Parent(..) | Column::Networks => 0.0,
    }
}

/// Names of the networks that a node is on, each once.
fn networks(row: &RowData) -> Vec<&str> {
    let mut names: Vec<&str> = row.node.networks.iter().map(|network| network.label.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// As it is read, where it is told otherwise.
fn readable(words: String, kind: &str) -> String {
    match kind {
        "duration" => words.parse().map_or(words, text::duration),
        "datetime" => times::parse(&words).map_or(words, times::local),
        _ => words,
    }
}

fn cell(row: &RowData, column: &Column) -> AnyView {
    match column {
        Column::Name => {
            let icon = icon::of_kind(&row.node.kind);
            let state = row.node.state.clone();
            view! {
                <td class="name">
                    <Icon name=icon/>
                    <span title=row.node.label.clone()>{text::shortened(text::base_name(&row.node.label), 40)}</span>
                    {(!state.is_empty()).then(|| view! { <span class="state">{state}</span> })}
                </td>
            }
            .into_any()
        }
        Column::Row(_, _, kind) if column.is_number() => {
            view! { <td class="number">{readable(words(row, column), kind)}</td> }.into_any()
        }
        Column::Minor(_) | Column::Parent(..) | Column::Row(..) => {
            let words = match column {
                Column::Row(_, _, kind) => readable(words(row, column), kind),
                _ => words(row, column),
            };
            view! { <td class="minor" title=words.clone()>{text::shortened(&words, 25)}</td> }.into_any()
        }
        Column::Networks => {
            let names = networks(row);
            let line = |name: &&str| {
                let slot = slot_of(name) + 1;
                let style = format!("--line: var(--n-{slot})");
                view! { <span class=format!("line line-{slot}") style=style></span>{text::shortened(name, 16)} }
            };
            let more = names.len().saturating_sub(NETWORKS);
            view! {
                <td class="minor on-networks" title=names.join(", ")>
                    {names.iter().take(NETWORKS).map(line).collect_view()}
                    {(more > 0).then(|| format!("+{more}"))}
                </td>
            }
            .into_any()
        }
        Column::Metric(id, label, format) => match row.node.metrics.iter().find(|m| m.id == *id) {
            Some(metric) => {
                let share = (metric.value / metric.max.max(1e-9) * 100.0).clamp(0.0, 100.0);
                let bar = (format == "percent" || metric.priority <= 2.0).then(|| {
                    view! { <span class="bar"><span style=format!("width:{share:.0}%")></span></span> }
                });
                view! { <td class="number">{bar}<span class="value">{text::metric(format, label, metric.value)}</span></td> }
                    .into_any()
            }
            None => view! { <td class="number none">"–"</td> }.into_any(),
        },
        Column::Connections => view! { <td class="number">{row.connections}</td> }.into_any(),
    }
}
