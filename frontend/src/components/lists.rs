//! The lists of a card: what is connected to a node, and what is in it. Each is sorted by its columns, searched, and short
//! until all of it is asked for.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::view::{Children, Column, ConnectionRow, Connections, Row, Summary};

use super::icon::Icon;
use super::way::OnTheWay;
use crate::app::{Page, Way};
use crate::listing::{self, Cell, Order};
use crate::text;

/// Lists show so many rows until they are asked for all.
const ROWS: usize = 8;

/// How a list is shown, as long as its card is.
#[derive(Clone, Copy)]
struct Listing {
    order: RwSignal<Order>,
    words: RwSignal<String>,
    whole: RwSignal<bool>,
}

impl Listing {
    fn new() -> Self {
        let (order, words) = (RwSignal::new(Order::default()), RwSignal::new(String::new()));
        Self { order, words, whole: RwSignal::new(false) }
    }

    /// What of it is shown, and how many are found.
    fn arrange<T>(
        self,
        mut rows: Vec<T>,
        node: impl Fn(&T) -> Summary,
        cell: impl Fn(&T, usize) -> Cell,
        now_ms: u64,
    ) -> (Vec<T>, usize) {
        if let Ok(Some(query)) = self.words.with(|words| listing::wanted(words)) {
            rows.retain(|row| query.find(&node(row), now_ms).is_some());
        }
        self.order.get().put(&mut rows, cell);
        let found = rows.len();
        if !self.whole.get() {
            rows.truncate(ROWS);
        }
        (rows, found)
    }
}

/// The title of a list with its count, and where it is searched.
#[component]
fn Title(label: String, count: Memo<usize>, found: Memo<usize>, list: Listing) -> impl IntoView {
    let wrong = Memo::new(move |_| list.words.with(|words| listing::wanted(words).err()));
    let name = format!("Search in {}", label.to_lowercase());
    let told = move || match list.words.with(|words| words.trim().is_empty()) {
        true => text::grouped(count.get()),
        false => format!("{} of {}", text::grouped(found.get()), text::grouped(count.get())),
    };
    view! {
        <div class="list-title">
            <h3>{label}<span class="aside left">{told}</span></h3>
            <Show when=move || { count.get() > 3 || list.words.with(|words| !words.is_empty()) }>
                <input
                    type="search"
                    placeholder="Search"
                    aria-label=name.clone()
                    class:wrong=move || wrong.with(Option::is_some)
                    title=move || wrong.get().unwrap_or_else(|| "Words, or as above: port:5432, cpu > 5%".into())
                    prop:value=move || list.words.get()
                    on:input=move |event| list.words.set(event_target_value(&event))
                    on:keydown=move |event: web_sys::KeyboardEvent| {
                        if event.key() == "Escape" && list.words.with_untracked(|words| !words.is_empty()) {
                            event.stop_propagation();
                            list.words.set(String::new());
                        }
                    }
                />
            </Show>
        </div>
    }
}

/// The title of a column: a press puts the list in order by it.
#[component]
fn Head(label: String, column: usize, is_number: bool, list: Listing) -> impl IntoView {
    let falls = move || list.order.with(|order| order.by.filter(|(by, _)| *by == column).map(|(_, falls)| falls));
    let sorted = move || match falls() {
        Some(true) => "descending",
        Some(false) => "ascending",
        None => "none",
    };
    view! {
        <th class:number=is_number aria-sort=sorted>
            <button on:click=move |_| list.order.update(|order| *order = order.turned(column, is_number))>
                {label}
                {move || match falls() {
                    Some(true) => " ↓",
                    Some(false) => " ↑",
                    None => "",
                }}
            </button>
        </th>
    }
}

#[component]
fn More(found: Memo<usize>, list: Listing) -> impl IntoView {
    view! {
        <Show when=move || { found.get() > ROWS }>
            <button class="more" on:click=move |_| list.whole.update(|whole| *whole = !*whole)>
                {move || match list.whole.get() {
                    true => "Show fewer".to_owned(),
                    false => format!("Show all {}", text::grouped(found.get())),
                }}
            </button>
        </Show>
        <Show when=move || { found.get() == 0 }><p class="left-out">"None of them match."</p></Show>
    }
}

fn value(rows: &[Row], id: &str) -> String {
    rows.iter().find(|row| row.id == id).map(|row| row.value.clone()).unwrap_or_default()
}

/// Where a list leads, and its lines, by what tells them apart.
type Lines<T> = (String, BTreeMap<String, T>);

#[component]
pub fn Side(side: Memo<Connections>) -> impl IntoView {
    let page = expect_context::<Page>();
    let list = Listing::new();
    let (label, is_incoming) = side.with_untracked(|side| (side.label.clone(), side.id == "incoming-connections"));
    let key = |row: &ConnectionRow| format!("{} {}", row.id, value(&row.metadata, "remote"));
    let lines: Memo<Lines<ConnectionRow>> = Memo::new(move |_| {
        side.with(|side| {
            (side.topology_id.clone(), side.connections.iter().map(|row| (key(row), row.clone())).collect())
        })
    });
    let own = page.route.with_untracked(|route| route.selected.clone()).unwrap_or_default();
    let told = Memo::new(move |_| {
        page.structure.track();
        page.values.track();
        page.model.with_value(|model| {
            let (failures, traffic) = (model.failures_of(&own, is_incoming), model.traffic_of(&own, is_incoming));
            (failures, traffic, model.unanswered_of(&own, is_incoming))
        })
    });
    let far = |row: &ConnectionRow| (row.node_id.clone(), value(&row.metadata, "port").parse().unwrap_or(0));
    let shown = Memo::new(move |_| {
        let rows = side.with(|side| side.connections.clone());
        let number = |row: &ConnectionRow, id| value(&row.metadata, id).parse().map_or(Cell::Nothing, Cell::Number);
        let cell = |row: &ConnectionRow, column| match column {
            0 => Cell::Text(row.label.clone()),
            1 => number(row, "port"),
            2 => number(row, "count"),
            _ => told.with(|(_, traffic, _)| traffic.get(&far(row)).map_or(Cell::Nothing, |rate| Cell::Number(*rate))),
        };
        let (rows, found) = list.arrange(rows, listing::as_node, cell, 0);
        (rows.iter().map(key).collect::<Vec<String>>(), found)
    });
    let count = Memo::new(move |_| side.with(|side| side.connections.len()));
    let found = Memo::new(move |_| shown.with(|(_, found)| *found));
    let row = move |key: String| {
        // The line as it was last, so that nobody asks for what goes at this moment.
        let first = lines.with_untracked(|(topology, all)| Some((topology.clone(), all.get(&key)?.clone())));
        let Some((topology, first)) = first else { return ().into_any() };
        let metadata = Memo::new(move |_| {
            lines.with(|(_, all)| all.get(&key).map(|row| row.metadata.clone())).unwrap_or_default()
        });
        let port = value(&first.metadata, "port");
        let remote = value(&first.metadata, "remote");
        let (there, id) = (topology.clone(), first.node_id.clone());
        let go = move || {
            page.go(|route| {
                route.topology.clone_from(&there);
                route.selected = Some(id.clone());
            });
        };
        let own = page.route.with_untracked(|route| route.selected.clone()).unwrap_or_default();
        let (source, target) = if is_incoming { (first.node_id.clone(), own) } else { (own, first.node_id.clone()) };
        // What is outside has no interfaces that anybody sees, and interfaces are on the way themselves.
        let has_way = remote.is_empty() && topology != "interfaces" && port.parse::<u16>().is_ok();
        let way = Way { topology, source, target, port: Some(port.clone()), edges: None };
        let asked = way.clone();
        let show = move |event: web_sys::MouseEvent| {
            event.stop_propagation();
            page.show_way(asked.clone());
        };
        let ends = (way.source.clone(), way.target.clone());
        let open = move |event: web_sys::MouseEvent| {
            event.stop_propagation();
            page.select_edge(Some(ends.clone()));
        };
        let is_shown = Memo::new(move |_| {
            page.way.with(|shown| shown.as_ref().is_some_and(|shown| Way { edges: None, ..shown.clone() } == way))
        });
        let far = far(&first);
        let same = far.clone();
        let failed = move || {
            told.with(|(failures, _, unanswered)| {
                let failed = failures.get(&far).map(text::failures);
                let unanswered = unanswered.get(&far).map(|count| text::unanswered(*count));
                let all: Vec<String> = unanswered.into_iter().chain(failed).collect();
                (!all.is_empty()).then(|| all.join("; "))
            })
        };
        let failed = move || failed().map(|words| view! { <tr class="failed"><td colspan="5">{words}</td></tr> });
        let traffic = move || {
            let rate = told.with(|(_, traffic, _)| traffic.get(&same).copied());
            rate.map_or_else(|| "–".to_owned(), |rate| text::edge_metric("bytes_per_s", rate))
        };
        // Of an address outside there is no line of its own.
        let carried = remote.is_empty().then(|| {
            view! { <button class="rate" title="All that goes over it" on:click=open>{traffic}</button> }
        });
        let label = text::shortened(text::base_name(&first.label), 22);
        // Whoever talks to the world outside may do so with many addresses.
        let minor = if remote.is_empty() { text::shortened(&first.label_minor, 14) } else { remote };
        view! {
            <tr on:click=move |_| go()>
                <td><button class="far" title=first.label.clone()>{label}</button>" "<span class="minor">{minor}</span></td>
                <td class="number">{port}</td>
                <td class="number">{move || metadata.with(|rows| value(rows, "count"))}</td>
                <td class="number">{carried}</td>
                <td class="way">{has_way.then(|| view! {
                    <button
                        title="Its way through the interfaces of both ends"
                        aria-label="Way through the interfaces"
                        aria-pressed=move || if is_shown.get() { "true" } else { "false" }
                        on:click=show
                    ><Icon name="interface"/></button>
                })}</td>
            </tr>
            {failed}
            {move || is_shown.get().then(|| view! { <tr class="on-the-way"><td colspan="5"><OnTheWay/></td></tr> })}
        }
        .into_any()
    };
    view! {
        <section>
            <Title label count found list/>
            <table class="list">
                <thead><tr>
                    <Head label=if is_incoming { "From" } else { "To" }.to_owned() column=0 is_number=false list/>
                    <Head label="Port".to_owned() column=1 is_number=true list/>
                    <Head label="Count".to_owned() column=2 is_number=true list/>
                    <Head label="Traffic".to_owned() column=3 is_number=true list/>
                    <td></td>
                </tr></thead>
                <tbody><For each=move || shown.with(|(keys, _)| keys.clone()) key=String::clone children=row/></tbody>
            </table>
            <More found list/>
        </section>
    }
}

/// The value in a column of what is in a node, as it is sorted and as it reads.
fn in_column(node: &Summary, column: &Column) -> (Cell, String) {
    let metric = node.metrics.iter().find(|metric| metric.id == column.id);
    let row = node.metadata.iter().find(|row| row.id == column.id);
    match (metric, row) {
        (Some(metric), _) => (Cell::Number(metric.value), text::metric(&metric.format, &metric.label, metric.value)),
        (None, Some(row)) => {
            let cell = row.value.parse().map_or_else(|_| Cell::Text(row.value.clone()), Cell::Number);
            (cell, row.value.clone())
        }
        (None, None) => (Cell::Nothing, "–".into()),
    }
}

#[component]
pub fn Inside(group: Memo<Children>) -> impl IntoView {
    let page = expect_context::<Page>();
    let list = Listing::new();
    let Children { label, columns, .. } = group.get_untracked();
    let lines: Memo<Lines<Summary>> = Memo::new(move |_| {
        group.with(|group| {
            (group.topology_id.clone(), group.nodes.iter().map(|node| (node.id.clone(), node.clone())).collect())
        })
    });
    let heads = columns.iter().enumerate().map(|(n, column)| {
        view! { <Head label=column.label.clone() column=n + 1 is_number=true list/> }
    });
    let heads = heads.collect_view();
    let columns = StoredValue::new(columns);
    let shown = Memo::new(move |_| {
        let mut nodes = group.with(|group| group.nodes.clone());
        // Who uses most first, until somebody wants another order.
        let first = |node: &Summary| node.metrics.first().map_or(0.0, |metric| metric.value);
        nodes.sort_by(|a, b| first(b).total_cmp(&first(a)).then_with(|| a.label.cmp(&b.label)));
        let cell = |node: &Summary, column: usize| match column {
            0 => Cell::Text(node.label.clone()),
            n => columns.with_value(|columns| columns.get(n - 1).map_or(Cell::Nothing, |one| in_column(node, one).0)),
        };
        let now_ms = page.model.with_value(|model| model.now_ms(page.clock.get_untracked()));
        let (nodes, found) = list.arrange(nodes, Summary::clone, cell, now_ms);
        (nodes.into_iter().map(|node| node.id).collect::<Vec<String>>(), found)
    });
    let count = Memo::new(move |_| group.with(|group| group.nodes.len()));
    let found = Memo::new(move |_| shown.with(|(_, found)| *found));
    let row = move |id: String| {
        let first = lines.with_untracked(|(topology, all)| Some((topology.clone(), all.get(&id)?.label.clone())));
        let Some((topology, label)) = first else { return ().into_any() };
        let same = id.clone();
        let cells = move || {
            lines.with(|(_, all)| {
                let words = |node: &Summary| {
                    columns.with_value(|columns| columns.iter().map(|one| in_column(node, one).1).collect::<Vec<_>>())
                };
                all.get(&same).map(words).unwrap_or_default()
            })
        };
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
        view! {
            <tr on:click=go>
                <td><button class="far" title=label.clone()>{text::shortened(text::base_name(&label), 28)}</button></td>
                {move || cells().into_iter().map(|words| view! { <td class="number">{words}</td> }).collect_view()}
            </tr>
        }
        .into_any()
    };
    view! {
        <section>
            <Title label count found list/>
            <table class="list">
                <thead><tr><Head label="Name".to_owned() column=0 is_number=false list/>{heads}</tr></thead>
                <tbody><For each=move || shown.with(|(keys, _)| keys.clone()) key=String::clone children=row/></tbody>
            </table>
            <More found list/>
        </section>
    }
}
