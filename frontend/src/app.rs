//! The page's state and its parts: what comes from the app here, what is done with it in the files beside this.

mod arranging;
mod emphasis;
mod following;
mod keys;
mod reading;
mod seen;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::view::{self, Details, EdgePath, EdgePaths, Finding, StreamDelta, Summary, TableRow, TopologyInfo};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use self::seen::Seen;
use crate::appearance::Appearance;
use crate::changes::Marks;
use crate::components::{
    arrangement, board::Board, card::Card, changes, chrome, edge, findings::Findings, help::Help, map::Map,
    palette::Palette, rail, rail::Rail, resources::Resources, search, table::Table, tabs::Tabs, tools,
};
use crate::connection::{self, Connection, Link, now_ms};
use crate::folding::{self, Folding, Labels};
use crate::laying::{AT_ONCE_MAX, Laying};
use crate::layout::{self, Layout};
use crate::model::{History, Model, Taken};
use crate::route::{DEPTH_MAX, Mode, Route};
use crate::saved::{self, Saved};
use crate::scene::Camera;
use crate::searching::{Found, Searching};
use crate::theme::{self, Theme};
use crate::{canvas, disarm, gauge, label, paths, stage, storage, text};

pub fn start() {
    leptos::mount::mount_to_body(App);
    // The text that says that the page is loading.
    if let Some(note) = web_sys::window().and_then(|w| w.document()?.get_element_by_id("loading")) {
        note.remove();
    }
}

/// The way of a connection through the interfaces of its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub topology: String,
    pub source: String,
    pub target: String,
    /// None where it is of all.
    pub port: Option<String>,
    /// None until the app answered.
    pub edges: Option<Vec<EdgePath>>,
}

/// A line under the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pointed {
    /// By the numbers of its ends.
    pub line: (u32, u32),
    /// Where on the stage the pointer is, pixels.
    pub at: (f64, f64),
}

/// What the camera is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// So many times nearer.
    Zoom(f64),
    /// To what is selected and those around it.
    Selection,
    /// Selects who is next in a direction, as x and y.
    Next(f64, f64),
}

/// None where it cannot be drawn.
pub type AsSvg = Rc<dyn Fn() -> Option<String>>;

/// What every part of the page may read and change.
#[derive(Clone, Copy)]
pub struct Page {
    pub route: RwSignal<Route>,
    pub link: RwSignal<Link>,
    pub model: StoredValue<Model, LocalStorage>,
    /// Rises when nodes or edges change.
    pub structure: RwSignal<u64>,
    /// Changes when nodes come, go or belong elsewhere.
    pub membership: RwSignal<u64>,
    /// Rises when something is measured anew.
    pub values: RwSignal<u64>,
    /// Rises with every message: hosts are so, or so much is left out.
    pub status: RwSignal<u64>,
    pub topologies: RwSignal<Vec<TopologyInfo>>,
    pub searching: Searching,
    pub details: RwSignal<Option<Details>>,
    pub findings: RwSignal<Vec<Finding>>,
    /// Of which connection of the selected node the way is shown.
    pub way: RwSignal<Option<Way>>,
    /// The selected node is not there any more: its card shows its last values.
    pub gone: RwSignal<bool>,
    pub hovered: RwSignal<Option<u32>>,
    pub hovered_line: RwSignal<Option<Pointed>>,
    /// What the selected line carried in the seconds since it was selected.
    pub passed: RwSignal<History>,
    /// The network under the pointer in the list of networks, by name.
    pub previewed: RwSignal<Option<String>>,
    /// The metric under the pointer in the list of metrics, by its label.
    pub previewed_metric: RwSignal<Option<String>>,
    /// The metrics that the nodes of the view have, by their labels.
    pub metrics: Memo<Vec<String>>,
    pub help: RwSignal<bool>,
    pub theme: StoredValue<Theme, LocalStorage>,
    pub layout: StoredValue<Layout, LocalStorage>,
    /// The stage's width in its height.
    pub screen: StoredValue<f64>,
    /// A worker lays out the graph at the moment.
    pub laying_out: RwSignal<bool>,
    laying: StoredValue<Rc<RefCell<Laying>>, LocalStorage>,
    /// Rises whenever places are looked for.
    arranged: StoredValue<u64>,
    /// Who is drawn for whom.
    folding: StoredValue<Folding, LocalStorage>,
    /// By what nodes of the view can be put together.
    pub groupings: Memo<Vec<String>>,
    /// Labels of the nodes, which the stream leaves out: known while they are needed.
    pub labels: RwSignal<Arc<Labels>>,
    /// How many nodes the view had when it was opened, which decides how its groups begin.
    opened_with: RwSignal<usize>,
    /// While a large view is shown for the first time, in one task after the other: whether it changed since that began.
    opening: StoredValue<Option<bool>>,
    /// The nodes that are shown at all, by filters and by what is looked at alone; none for all.
    pub shown: Memo<Option<Arc<BTreeSet<u32>>>>,
    /// The group whose title is under the pointer.
    pub hovered_box: RwSignal<Option<String>>,
    /// Rises when the camera is to look anew.
    pub fit: RwSignal<u64>,
    /// Where somebody has it look in this view; none where it shows everything.
    pub camera: StoredValue<Option<Camera>>,
    /// Of which stream that is, and the views before it.
    viewed: StoredValue<Option<(String, String)>>,
    seen: StoredValue<Vec<Seen>, LocalStorage>,
    /// Once a second.
    pub clock: RwSignal<f64>,
    pub aim: RwSignal<Option<Aim>>,
    /// Writes the graph as it is drawn as SVG, while one is shown.
    pub as_svg: StoredValue<Option<AsSvg>, LocalStorage>,
    pub rail_folded: RwSignal<bool>,
    pub topologies_open: RwSignal<bool>,
    pub palette: RwSignal<bool>,
    pub arrangement: RwSignal<bool>,
    pub saved: RwSignal<Vec<Saved>>,
    /// Whether the whole graph is shown in a corner of its stage.
    pub minimap: RwSignal<bool>,
    /// Since when what is shown stands still, by this machine's clock.
    pub paused: RwSignal<Option<f64>>,
    /// How many changes of nodes and edges came since.
    pub waiting: RwSignal<usize>,
    /// Who came and who went in the last minutes, while that is marked.
    pub marks: Memo<Option<Arc<Marks>>>,
    pub changes_open: RwSignal<bool>,
    /// What is so meanwhile.
    behind: StoredValue<Option<Model>, LocalStorage>,
    connection: StoredValue<Option<Rc<RefCell<Option<Connection>>>>, LocalStorage>,
}

impl Page {
    fn new() -> Self {
        let hash = web_sys::window().and_then(|w| w.location().hash().ok()).unwrap_or_default();
        let mut route = Route::parse(&hash);
        if route.appearance == Appearance::System {
            route.appearance = theme::kept();
        }
        let route = RwSignal::new(route);
        let model = StoredValue::new_local(Model::default());
        let (structure, values) = (RwSignal::new(0), RwSignal::new(0));
        let membership = RwSignal::new(0);
        let searching = Searching::new(route, model, structure, values);
        let alone = Memo::new(move |_| {
            let (id, depth) =
                route.with(|route| Some((route.selected.clone().filter(|_| route.alone)?, route.depth)))?;
            structure.track();
            model
                .with_value(|model| Some(Arc::new(Folding::default().neighbourhood(model, model.slot_of(&id)?, depth))))
        });
        let clock = RwSignal::new(now_ms());
        let paused = RwSignal::new(None::<f64>);
        let marked = Memo::new(move |_| route.with(|route| route.changes));
        Self {
            route,
            link: RwSignal::new(Link::Connecting),
            model,
            structure,
            membership,
            values,
            status: RwSignal::new(0),
            searching,
            topologies: RwSignal::new(Vec::new()),
            details: RwSignal::new(None),
            findings: RwSignal::new(Vec::new()),
            way: RwSignal::new(None),
            gone: RwSignal::new(false),
            hovered: RwSignal::new(None),
            hovered_line: RwSignal::new(None),
            passed: RwSignal::new(History::default()),
            previewed: RwSignal::new(None),
            previewed_metric: RwSignal::new(None),
            metrics: Memo::new(move |_| {
                membership.track();
                model.with_value(|model| gauge::offered(model.nodes.values()))
            }),
            help: RwSignal::new(false),
            theme: StoredValue::new_local(Theme::default()),
            layout: StoredValue::new_local(Layout::default()),
            screen: StoredValue::new(1.8),
            laying_out: RwSignal::new(false),
            laying: StoredValue::new_local(Rc::default()),
            arranged: StoredValue::new(0),
            folding: StoredValue::new_local(Folding::default()),
            groupings: Memo::new(move |_| {
                membership.track();
                model.with_value(|model| folding::offered(model.nodes.values()))
            }),
            labels: RwSignal::new(Arc::new(Labels::new())),
            opened_with: RwSignal::new(0),
            opening: StoredValue::new(None),
            shown: Memo::new(move |_| match (searching.passing.get(), alone.get()) {
                (Some(passing), Some(near)) => Some(Arc::new(passing.intersection(&near).copied().collect())),
                (one, other) => one.or(other),
            }),
            hovered_box: RwSignal::new(None),
            fit: RwSignal::new(0),
            camera: StoredValue::new(None),
            viewed: StoredValue::new(None),
            seen: StoredValue::new_local(Vec::new()),
            clock,
            aim: RwSignal::new(None),
            as_svg: StoredValue::new_local(None),
            rail_folded: RwSignal::new(storage::get(RAIL).is_some()),
            topologies_open: RwSignal::new(false),
            palette: RwSignal::new(false),
            arrangement: RwSignal::new(false),
            saved: RwSignal::new(storage::get(SAVED).map(|text| saved::read(&text)).unwrap_or_default()),
            minimap: RwSignal::new(true),
            paused,
            waiting: RwSignal::new(0),
            marks: Memo::new(move |_| {
                let minutes = marked.get()?;
                structure.track();
                // What stands still is looked at as of then.
                let now = paused.get().unwrap_or_else(|| clock.get());
                Some(Arc::new(model.with_value(|model| model.changes.marks(minutes, now as u64))))
            }),
            changes_open: RwSignal::new(false),
            behind: StoredValue::new_local(None),
            connection: StoredValue::new_local(Some(Rc::new(RefCell::new(None)))),
        }
    }

    /// Goes somewhere, so that the browser's back button leads here.
    pub fn go(&self, change: impl FnOnce(&mut Route)) {
        self.change(change, false);
    }

    /// Changes the address without a step for the back button, as typing does.
    pub fn adjust(&self, change: impl FnOnce(&mut Route)) {
        self.change(change, true);
    }

    fn change(&self, change: impl FnOnce(&mut Route), replace: bool) {
        let before = self.route.get_untracked();
        let mut route = before.clone();
        change(&mut route);
        // A node or a line is selected, and a line is one of a view.
        // A way is from what is selected.
        if route.selected != before.selected && route.path == before.path {
            route.path = None;
        }
        if route.edge == before.edge && (route.selected.is_some() || route.topology != before.topology) {
            route.edge = None;
        }
        if route != before {
            push(&route.hash(), replace);
            self.route.set(route);
        }
    }

    pub fn select(&self, id: Option<String>) {
        self.go(|route| (route.selected, route.edge) = (id, None));
    }

    /// Selects a line by the ids of its ends.
    pub fn select_edge(&self, ends: Option<(String, String)>) {
        self.go(|route| (route.selected, route.edge) = (None, ends));
    }

    /// What filters and search find, by slot with the reason; none while nothing is searched for.
    pub fn found(&self) -> Option<Arc<Found>> {
        self.searching.found.get()
    }

    pub fn retry(&self) {
        self.connection.with_value(|held| {
            if let Some(held) = held
                && let Some(connection) = &*held.borrow()
            {
                connection.retry_now();
            }
        });
    }

    /// Changes the list of saved views, which the browser keeps; where it does not, they last as long as the page.
    pub fn change_saved(&self, change: impl FnOnce(&mut Vec<Saved>)) {
        self.saved.update(change);
        self.saved.with_untracked(|all| storage::set(SAVED, Some(&saved::write(all))));
    }

    /// Shows a saved view, in the colours in which the page is shown now.
    pub fn open_saved(&self, saved: &Saved) {
        let route = Route::parse(&saved.address);
        self.go(|now| *now = Route { appearance: now.appearance, ..route });
    }

    pub fn save_view(&self, name: &str) {
        let address = self.route.with_untracked(Route::hash);
        self.change_saved(|all| saved::add(all, name, &address));
    }

    /// Has the browser keep where nodes of this topology were put by hand.
    pub fn keep_pins(&self) {
        let key = self.route.with_untracked(|route| format!("{PINS}{}", route.topology));
        let pins: std::collections::BTreeMap<String, (f64, f64)> = self.layout.with_value(|layout| {
            layout.pinned().iter().map(|(id, at)| (id.clone(), (at.x.round(), at.y.round()))).collect()
        });
        let text = serde_json::to_string(&pins).unwrap_or_default();
        storage::set(&key, (!pins.is_empty()).then_some(&*text));
        self.structure.update(|n| *n += 1);
    }

    /// Lets all nodes stand where they belong.
    pub fn unpin_nodes(&self) {
        self.layout.update_value(|layout| layout.pin_all(layout::Positions::new()));
        self.keep_pins();
        self.rearrange();
    }

    pub fn is_live(&self) -> bool {
        self.link.with(|link| *link == Link::Live)
    }

    /// Which stream is shown.
    pub fn view(&self) -> (String, String) {
        self.route.with_untracked(|route| (route.topology.clone(), route.query()))
    }
}

/// And that the list of topologies is folded.
const RAIL: &str = "scope-rail-folded";
/// A view of more nodes than so many opens with those put together that are of one host, unless somebody chose otherwise.
const GROUPED_FROM: usize = 5_000;
/// Groups of a view of more nodes than so many are folded at first.
const FOLDED_FROM: usize = 300;
/// Whoever measures the page is told when so many nodes came together.
pub const MANY: usize = 40;
/// What a step of the camera makes larger.
pub const ZOOM_STEP: f64 = 1.4;
/// Under what the browser keeps saved views.
const SAVED: &str = "scope-views";
/// And, with the topology behind it, where nodes were put by hand.
const PINS: &str = "scope-pins-";

fn push(hash: &str, replace: bool) {
    let Some(history) = web_sys::window().and_then(|w| w.history().ok()) else { return };
    let _ = match replace {
        true => history.replace_state_with_url(&JsValue::NULL, "", Some(hash)),
        false => history.push_state_with_url(&JsValue::NULL, "", Some(hash)),
    };
}

/// Calls `run` at each event of the window, for as long as the page lives.
fn on_window<E: JsCast + 'static>(event: &str, run: impl Fn(E) + 'static) {
    let listener = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| run(event.unchecked_into()));
    if let Some(window) = web_sys::window() {
        let _ = window.add_event_listener_with_callback(event, listener.as_ref().unchecked_ref());
    }
    listener.forget();
}

#[component]
fn App() -> impl IntoView {
    let page = Page::new();
    provide_context(page);
    let show_theme = move || {
        theme::show(page.route.with_untracked(|route| route.appearance));
        page.theme.set_value(Theme::read());
        page.values.update(|n| *n += 1);
    };
    theme::follow_system(show_theme);
    theme::follow_fonts(move || {
        label::forget_widths();
        page.values.update(|n| *n += 1);
    });
    let appearance = Memo::new(move |_| page.route.with(|route| route.appearance));
    Effect::new(move |_| {
        // Tracking it would not do: what nobody reads does not look whether it changed.
        appearance.get();
        show_theme();
    });
    let view = Memo::new(move |_| page.route.with(|route| (route.topology.clone(), route.query())));
    Effect::new(move |_| {
        let (topology, query) = view.get();
        page.follow(&topology, &query);
        page.read_topologies();
        page.read_labels();
    });
    Effect::new(move |_| {
        if page.arrangement.get() {
            page.read_labels();
        }
    });
    page.searching.follow();
    let shown = page.shown;
    Effect::new(move |before: Option<_>| {
        let shown = shown.get();
        if before.is_some_and(|before| before != shown) {
            page.lay_out_again(false);
            page.structure.update(|n| *n += 1);
            page.show_all();
        }
        shown
    });
    let arranged =
        Memo::new(move |_| page.route.with(|route| (route.group.clone(), route.folds.clone(), route.manner)));
    Effect::new(move |before: Option<_>| {
        let arranged = arranged.get();
        if before.is_some_and(|before| before != arranged) {
            page.rearrange();
        }
        arranged
    });
    let selected = Memo::new(move |_| page.route.with(|route| (route.topology.clone(), route.selected.clone())));
    Effect::new(move |_| {
        selected.get();
        page.details.set(None);
        page.way.set(None);
        page.gone.set(false);
        page.read_details();
    });
    // Whatever else the address says, the stage stays.
    let mode = Memo::new(move |_| page.route.with(|route| route.mode));
    let line = Memo::new(move |_| page.route.with(|route| (route.topology.clone(), route.edge.clone())));
    Effect::new(move |_| {
        let (topology, ends) = line.get();
        page.passed.set(History::default());
        if let Some((source, target)) = ends {
            page.way.set(Some(Way { topology, source, target, port: None, edges: None }));
            page.read_way();
        } else if page.way.with_untracked(|way| way.as_ref().is_some_and(|way| way.port.is_none())) {
            page.way.set(None);
        }
    });
    set_interval(
        move || {
            page.clock.set(now_ms());
            if page.is_live_untracked() && page.paused.with_untracked(Option::is_none) {
                page.read_details();
                page.read_way();
                page.keep_passed();
                // What failed lately is so for a while only.
                if page.model.with_value(|model| model.failing.is_any(now_ms() as u64)) {
                    page.values.update(|n| *n += 1);
                }
            }
        },
        std::time::Duration::from_millis(1000),
    );
    set_interval(
        move || {
            if page.is_live_untracked() {
                page.read_topologies();
                page.read_labels();
                page.searching.ask();
            }
        },
        std::time::Duration::from_millis(3000),
    );
    // The stream says when they differ; the app may be another one than before.
    let revision = Memo::new(move |_| {
        page.status.track();
        page.model.with_value(|model| (model.status.app.id.clone(), model.status.findings))
    });
    Effect::new(move |_| {
        revision.get();
        page.read_findings();
    });
    for event in ["popstate", "hashchange"] {
        on_window(event, move |_: web_sys::Event| {
            let hash = web_sys::window().and_then(|w| w.location().hash().ok()).unwrap_or_default();
            page.route.set(Route::parse(&hash));
        });
    }
    on_window("keydown", move |event: web_sys::KeyboardEvent| keys::key(page, &event));
    Effect::new(move |_| {
        let name = page.details.with(|details| details.as_ref().map(|d| d.summary.label.clone()));
        let title = name.map_or("Scope".to_owned(), |name| format!("{name} – Scope"));
        if let Some(document) = web_sys::window().and_then(|w| w.document()) {
            document.set_title(&title);
        }
    });
    view! {
        <div class="page" class:folded-rail=move || page.rail_folded.get() class:kiosk=move || page.route.with(|route| route.kiosk) class:offline=move || !page.is_live() && matches!(page.link.get(), Link::Lost { .. })>
            <chrome::Header/>
            <Rail/>
            <main>
                <chrome::ViewBar/>
                <div class="stage">
                    {move || match mode.get() {
                        Mode::Graph => canvas::Graph().into_any(),
                        Mode::Table => Table().into_any(),
                        Mode::Board => Board().into_any(),
                        Mode::Map => Map().into_any(),
                        Mode::Resources => Resources().into_any(),
                        Mode::Findings => Findings().into_any(),
                    }}
                    <Show when=move || page.route.with(|route| route.mode != Mode::Findings)><chrome::Empty/></Show>
                    <chrome::Banner/>
                    <tools::Paused/>
                    <tools::WallClock/>
                    <arrangement::Panel/>
                    <changes::Panel/>
                    <Card/>
                    <edge::EdgeCard/>
                </div>
            </main>
            <chrome::StatusLine/>
            <Tabs/>
            <Help/>
            <Palette/>
        </div>
    }
}

/// `35 containers`, in the words of the topology.
pub fn counted(topology: &str, count: usize) -> String {
    let (one, many) = match topology {
        "processes" => ("process", "processes"),
        "processes-by-name" => ("process name", "process names"),
        "containers" => ("container", "containers"),
        "containers-by-hostname" => ("DNS name", "DNS names"),
        "containers-by-image" => ("image", "images"),
        "containers-by-stack" => ("stack", "stacks"),
        "hosts" => ("host", "hosts"),
        "networks" => ("network", "networks"),
        "interfaces" => ("interface", "interfaces"),
        "swarm-services" => ("service", "services"),
        "swarm-tasks" => ("task", "tasks"),
        "swarm-nodes" => ("Swarm node", "Swarm nodes"),
        "weave" => ("Weave peer", "Weave peers"),
        "daemons" => ("daemon", "daemons"),
        _ => ("node", "nodes"),
    };
    text::plural(count, one, many)
}
