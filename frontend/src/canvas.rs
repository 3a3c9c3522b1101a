//! The graph on its canvas: draws the scene and turns the pointer's moves into camera and selection.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d as Context, HtmlCanvasElement, PointerEvent, WheelEvent};

use crate::app::{Aim, MANY, Page, Pointed, ZOOM_STEP};
use crate::boxes;
use crate::components::icon::Icon;
use crate::components::metrics::Metrics;
use crate::components::networks::Networks;
use crate::components::tip::Tip;
use crate::connection::now_ms;
use crate::gauge::Gauge;
use crate::layout::{self, Manner, Point};
use crate::lines::slot_of;
use crate::minimap::{self, Minimap};
use crate::paint::{self, Drawing, Shown};
use crate::prepared::Prepared;
use crate::route::Route;
use crate::scene::{self, Camera, Insets, Run, Size};
use crate::searching::Found;
use crate::sheet::{Due, Painted, Stale};
use crate::svg::SvgContext;

const CAMERA_MS: f64 = 320.0;
/// A node that comes has a ring for so long, unless more than so many come together.
const ARRIVAL_MS: u64 = 1_200;
const GREETED_MAX: usize = 20;
/// A press that moves less is a click.
const CLICK_PX: f64 = 4.0;

/// What the browser calls for each frame.
type OnFrame = Closure<dyn FnMut(f64)>;

struct Stage {
    camera: Cell<Camera>,
    size: Cell<Size>,
    /// From where the camera moves to where, and since when.
    moving: Cell<Option<(Camera, Camera, f64)>>,
    pressed: Cell<Option<(f64, f64, bool)>>,
    /// The node that the pointer holds.
    grabbed: RefCell<Option<String>>,
    frame_due: Cell<bool>,
    /// Whether nodes have been drawn yet.
    drawn: Cell<bool>,
    /// How many the picture has.
    painted_nodes: Cell<usize>,
    /// And which of them are marked as found.
    marks: RefCell<Option<Arc<Found>>>,
    /// What was searched for then.
    painted_search: RefCell<String>,
    /// When something else was searched for last.
    searched_ms: Cell<f64>,
    /// Of the last frame, milliseconds.
    frame_ms: Cell<f64>,
    draw: RefCell<Option<OnFrame>>,
    prepared: RefCell<Prepared>,
    /// What the graph looked like when it was painted last.
    sheet: RefCell<Option<(HtmlCanvasElement, Painted)>>,
    /// Whether something changed that the picture shows.
    stale: Cell<Stale>,
    /// The camera of the last frame, and when it moved last.
    seen: Cell<Camera>,
    /// Whether somebody moved the camera since it last showed everything.
    held: Cell<bool>,
    moved_ms: Cell<f64>,
    /// Asks for a frame once a picture may be painted.
    later: RefCell<Option<Closure<dyn FnMut()>>>,
    later_due: Cell<bool>,
    /// When it does, by the page's clock.
    later_ms: Cell<f64>,
    /// Whether somebody came just now, which is shown for a moment.
    greets: Cell<bool>,
    /// What the browser was asked for last.
    frame: Cell<Option<i32>>,
    timer: Cell<Option<i32>>,
}

impl Stage {
    /// What is searched for is seen, by whatever picture.
    fn marked(&self, page: Page, drawing: &Drawing) {
        self.marks.borrow_mut().clone_from(&drawing.found);
        page.route.with_untracked(|route| self.painted_search.borrow_mut().clone_from(&route.search));
    }

    /// Of several reasons the one counts that waits least.
    fn is_stale(&self, stale: Stale) {
        self.stale.set(self.stale.get().max(stale));
    }
}

impl Drop for Stage {
    /// Nobody calls back what is not there any more.
    fn drop(&mut self) {
        let Some(window) = web_sys::window() else { return };
        if let Some(frame) = self.frame.take() {
            let _ = window.cancel_animation_frame(frame);
        }
        if let Some(timer) = self.timer.take() {
            window.clear_timeout_with_handle(timer);
        }
    }
}

#[component]
pub fn Graph() -> impl IntoView {
    let page = expect_context::<Page>();
    let element = NodeRef::<html::Canvas>::new();
    let stage = Rc::new(Stage {
        camera: Cell::new(Camera::default()),
        size: Cell::new(Size { width: 1.0, height: 1.0 }),
        moving: Cell::new(None),
        pressed: Cell::new(None),
        grabbed: RefCell::new(None),
        frame_due: Cell::new(false),
        drawn: Cell::new(false),
        painted_nodes: Cell::new(0),
        marks: RefCell::default(),
        painted_search: RefCell::default(),
        searched_ms: Cell::new(0.0),
        frame_ms: Cell::new(0.0),
        draw: RefCell::new(None),
        prepared: RefCell::default(),
        sheet: RefCell::new(None),
        stale: Cell::new(Stale::Done),
        seen: Cell::new(Camera::default()),
        held: Cell::new(false),
        moved_ms: Cell::new(0.0),
        later: RefCell::new(None),
        later_due: Cell::new(false),
        later_ms: Cell::new(0.0),
        greets: Cell::new(false),
        frame: Cell::new(None),
        timer: Cell::new(None),
    });
    {
        let shared = Rc::downgrade(&stage);
        *stage.later.borrow_mut() = Some(Closure::new(move || {
            let Some(stage) = shared.upgrade() else { return };
            stage.later_due.set(false);
            request_frame(&stage);
        }));
    }
    let seen = RwSignal::new_local((Camera::default(), Size { width: 1.0, height: 1.0 }));
    let found = Memo::new(move |_| page.found_drawn());
    let lit = Memo::new(move |_| page.lit());
    let network = Memo::new(move |_| page.network());
    let gauge = Memo::new(move |_| {
        page.values.track();
        let label = page.shown_metric()?;
        Some(page.drawn(|model, folding| Gauge::of(&label, folding.nodes(model).map(|(_, node)| node))))
    });
    let hovered_line = Memo::new(move |_| page.hovered_line.get().map(|pointed| pointed.line));
    on_cleanup(move || {
        page.previewed.set(None);
        page.previewed_metric.set(None);
        page.hovered_box.set(None);
    });
    let drawing = move |is_exact| Drawing {
        lit: lit.get_untracked(),
        found: found.get_untracked(),
        selected: untrack(|| page.selected_slot()),
        hovered: page.hovered.get_untracked(),
        hovered_box: page.hovered_box.get_untracked(),
        line: page.hovered_line.get_untracked().map(|pointed| pointed.line),
        chosen_line: untrack(|| page.shown_line()),
        lines: page.route.with_untracked(|route| route.lines),
        tint: page.route.with_untracked(|route| route.tint),
        gauge: gauge.get_untracked(),
        is_exact,
        network: network.get_untracked().map(|(name, ids)| (slot_of(&name), ids)),
        marks: page.marks.get_untracked(),
    };
    {
        let shared = Rc::downgrade(&stage);
        page.as_svg.set_value(Some(Rc::new(move || as_svg(&*shared.upgrade()?, page, &drawing(true)))));
        on_cleanup(move || page.as_svg.set_value(None));
    }
    {
        let shared = Rc::downgrade(&stage);
        *stage.draw.borrow_mut() = Some(Closure::new(move |now: f64| {
            let (Some(stage), Some(canvas)) = (shared.upgrade(), element.get_untracked()) else { return };
            stage.frame_due.set(false);
            let started = performance_now();
            move_camera(&stage, now);
            draw(&canvas, &stage, page, &drawing(false));
            let now_seen = (stage.camera.get(), stage.size.get());
            if seen.with_untracked(|before| *before != now_seen) {
                seen.set(now_seen);
            }
            stage.frame_ms.set(performance_now() - started);
            let _ = canvas.set_attribute("data-frame-ms", &format!("{:.1}", stage.frame_ms.get()));
            let (nodes, edges) = page.model.with_value(|m| (m.nodes.len(), m.edges.len()));
            let _ = canvas.set_attribute("data-nodes", &nodes.to_string());
            let _ = canvas.set_attribute("data-edges", &edges.to_string());
            let _ = canvas.set_attribute("data-drawn", &stage.painted_nodes.get().to_string());
            let marked = stage.marks.borrow().as_ref().map_or(0, |found| found.len());
            let _ = canvas.set_attribute("data-found", &marked.to_string());
            if stage.stale.get() == Stale::No || *stage.marks.borrow() == found.get_untracked() {
                stage.painted_search.replace(page.route.with_untracked(|route| route.search.clone()));
            }
            let _ = canvas.set_attribute("data-searched", &stage.painted_search.borrow());
            // For whoever takes a picture of the page: all is where it belongs, and painted.
            let settled = stage.moving.get().is_none() && stage.stale.get() == Stale::No && !stage.later_due.get();
            let _ = canvas.set_attribute("data-settled", if settled { "true" } else { "false" });
            if nodes > 0 && !stage.drawn.replace(true) {
                mark("first-graph");
            }
            if stage.moving.get().is_some() || stage.greets.get() {
                request_frame(&stage);
            }
        }));
    }
    // Whatever the drawing depends on asks for a frame; many changes make one.
    let ask = {
        let stage = stage.clone();
        move |stale: Stale| {
            stage.is_stale(stale);
            request_frame(&stage);
        }
    };
    let asked = ask.clone();
    Effect::new(move |_| {
        page.structure.track();
        page.values.track();
        gauge.track();
        page.link.track();
        asked(Stale::Told);
    });
    let asked = ask.clone();
    Effect::new(move |_| {
        page.membership.track();
        asked(Stale::Came);
    });
    let asked = ask.clone();
    Effect::new(move |_| {
        page.hovered.track();
        page.hovered_box.track();
        hovered_line.track();
        page.previewed_metric.track();
        lit.track();
        network.track();
        asked(Stale::Pointed);
    });
    // Whatever else the address says, a search is told by what it finds.
    let done = Memo::new(move |_| {
        page.route
            .with(|route| (route.selected.clone(), route.edge.clone(), route.lines, route.tint, route.metric.clone()))
    });
    let asked = ask.clone();
    Effect::new(move |_| {
        done.track();
        page.marks.track();
        asked(Stale::Done);
    });
    // What is searched for, apart from what it finds: `cpu > 50%` finds others each second.
    let words = Memo::new(move |_| page.route.with(|route| (route.search.clone(), route.filters.clone())));
    let searched = stage.clone();
    Effect::new(move |before: Option<(String, Vec<String>)>| {
        let is_any = found.with(Option::is_some);
        let now = words.get();
        if before.as_ref() == Some(&now) {
            ask(Stale::Told);
        } else {
            searched.searched_ms.set(performance_now());
            ask(if is_any { Stale::Searched } else { Stale::Done });
        }
        now
    });
    let fitted = stage.clone();
    Effect::new(move |_| {
        page.fit.track();
        if element.get().is_some() {
            resize(&fitted, page, element);
            fitted.held.set(false);
            travel(&fitted, fit(&fitted, page));
        }
    });
    // What comes stays in sight, until somebody takes the camera into their own hands.
    let kept = stage.clone();
    Effect::new(move |_| {
        page.structure.track();
        if page.model.with_value(|model| model.nodes.is_empty()) {
            kept.drawn.set(false);
            kept.held.set(false);
            return;
        }
        let camera = kept.moving.get().map_or(kept.camera.get(), |(_, there, _)| there);
        let size = kept.size.get();
        // What is in the corners covers less than a row does.
        let insets = Insets { right: 0.0, bottom: strips(size) };
        let sees = page.layout.with_value(|layout| camera.sees(layout.positions.values().copied(), size, insets));
        if !kept.held.get() && !sees {
            travel(&kept, fit(&kept, page));
        }
    });
    {
        let stage = stage.clone();
        let listener = Closure::<dyn Fn()>::new(move || {
            resize(&stage, page, element);
            if !stage.held.get() {
                stage.moving.set(None);
                stage.camera.set(fit(&stage, page));
            }
            request_frame(&stage);
        });
        // Not of the window alone: the list of topologies folds, and a frame around the page may change.
        let observer = web_sys::ResizeObserver::new(listener.as_ref().unchecked_ref()).ok();
        let held = StoredValue::new_local(Some((observer, listener)));
        Effect::new(move |_| {
            let Some(canvas) = element.get() else { return };
            held.with_value(|held| {
                if let Some((Some(observer), _)) = held {
                    observer.observe(&canvas);
                }
            });
        });
        on_cleanup(move || {
            held.update_value(|held| {
                if let Some((Some(observer), _)) = held.take() {
                    observer.disconnect();
                }
            });
        });
    }
    let wheel = {
        let stage = stage.clone();
        move |event: WheelEvent| {
            event.prevent_default();
            let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
            let factor = (-event.delta_y() * if event.delta_mode() == 1 { 0.05 } else { 0.0015 }).exp();
            stage.moving.set(None);
            stage.held.set(true);
            stage.camera.set(stage.camera.get().zoomed(factor, at, stage.size.get()));
            request_frame(&stage);
        }
    };
    let down = {
        let stage = stage.clone();
        move |event: PointerEvent| {
            if event.button() != 0 {
                return;
            }
            stage.pressed.set(Some((f64::from(event.client_x()), f64::from(event.client_y()), false)));
            let under = under_pointer(&stage, page, &event);
            let id =
                under.and_then(|slot| page.drawn(|model, folding| folding.node(model, slot).map(|n| n.id.clone())));
            *stage.grabbed.borrow_mut() = id;
            if let Some(canvas) = element.get_untracked() {
                let _ = canvas.set_pointer_capture(event.pointer_id());
            }
        }
    };
    let moved = {
        let stage = stage.clone();
        move |event: PointerEvent| {
            let (x, y) = (f64::from(event.client_x()), f64::from(event.client_y()));
            if let Some((from_x, from_y, dragged)) = stage.pressed.get() {
                if !dragged && (x - from_x).hypot(y - from_y) < CLICK_PX {
                    return;
                }
                stage.moving.set(None);
                stage.held.set(true);
                stage.pressed.set(Some((x, y, true)));
                if let Some(id) = &*stage.grabbed.borrow() {
                    let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
                    let world = stage.camera.get().to_world(at, stage.size.get());
                    page.layout.update_value(|layout| layout.pin(id, world));
                    stage.is_stale(Stale::Pointed);
                } else {
                    stage.camera.set(stage.camera.get().panned(x - from_x, y - from_y));
                }
                page.hovered_line.set(None);
                request_frame(&stage);
                return;
            }
            let under = under_pointer(&stage, page, &event);
            let line = if under.is_some() { None } else { line_under_pointer(&stage, page, &event) };
            if under != page.hovered.get_untracked() {
                page.hovered.set(under);
            }
            let title = if under.is_some() { None } else { title_under_pointer(&stage, page, &event) };
            if title != page.hovered_box.get_untracked() {
                page.hovered_box.set(title);
            }
            if line.is_some() || page.hovered_line.with_untracked(Option::is_some) {
                let at = (f64::from(event.offset_x()), f64::from(event.offset_y()));
                page.hovered_line.set(line.map(|line| Pointed { line, at }));
            }
        }
    };
    let up = {
        let stage = stage.clone();
        move |event: PointerEvent| {
            let pressed = stage.pressed.take();
            let clicked = pressed.is_some_and(|(_, _, dragged)| !dragged);
            let grabbed = stage.grabbed.take();
            if grabbed.is_some() && pressed.is_some_and(|(_, _, dragged)| dragged) {
                page.keep_pins();
            }
            if clicked {
                let under = under_pointer(&stage, page, &event);
                let group = match under {
                    Some(slot) => page.drawn(|_, folding| folding.group_at(slot).map(str::to_owned)),
                    None => title_under_pointer(&stage, page, &event),
                };
                if let Some(key) = group {
                    page.hovered.set(None);
                    page.hovered_box.set(None);
                    return page.turn_group(&key);
                }
                // What is between groups is not one thing that could be selected.
                let id = |slot: u32| page.model.with_value(|model| model.nodes.get(&slot).map(|node| node.id.clone()));
                let line = if under.is_some() { None } else { line_under_pointer(&stage, page, &event) };
                let (node, line) = (under.and_then(id), line.and_then(|(source, target)| id(source).zip(id(target))));
                let same = page.route.with_untracked(|route| (&route.selected, &route.edge) == (&node, &line));
                page.hovered_line.set(None);
                page.go(|route| (route.selected, route.edge) = if same { (None, None) } else { (node, line) });
            }
        }
    };
    let (aimed, slid) = (stage.clone(), stage.clone());
    let zoom = {
        let stage = stage.clone();
        move |factor: f64| {
            let size = stage.size.get();
            let middle = Point { x: size.width / 2.0, y: size.height / 2.0 };
            stage.held.set(true);
            travel(&stage, stage.camera.get().zoomed(factor, middle, size));
        }
    };
    Effect::new(move |_| {
        let Some(aim) = page.aim.get() else { return };
        page.aim.set(None);
        match aim {
            Aim::Zoom(factor) => zoom(factor),
            Aim::Selection => to_selection(&aimed, page),
            Aim::Next(x, y) => select_next(&aimed, page, (x, y)),
        }
    });
    let go = {
        let stage = stage.clone();
        let go: Rc<dyn Fn(Point)> = Rc::new(move |centre| {
            stage.moving.set(None);
            stage.held.set(true);
            stage.camera.set(Camera { centre, ..stage.camera.get() });
            request_frame(&stage);
        });
        StoredValue::new_local(go)
    };
    let overview = minimap::View { seen, go };
    let slide = {
        let stage = slid;
        move |event: web_sys::Event| {
            let (camera, size) = (stage.camera.get(), stage.size.get());
            let Ok(share) = event_target_value(&event).parse::<f64>() else { return };
            let middle = Point { x: size.width / 2.0, y: size.height / 2.0 };
            stage.moving.set(None);
            stage.held.set(true);
            stage.camera.set(camera.zoomed(camera.factor_to(share), middle, size));
            request_frame(&stage);
        }
    };
    view! {
        <canvas
            node_ref=element
            class="graph"
            tabindex="0"
            role="img"
            aria-label="Graph of the view; the table shows the same nodes"
            class:pointing=move || {
                page.hovered.get().is_some() || hovered_line.get().is_some() || page.hovered_box.get().is_some()
            }
            on:wheel=wheel
            on:pointerdown=down
            on:pointermove=moved
            on:pointerup=up
            on:pointerleave=move |_| {
                page.hovered.set(None);
                page.hovered_box.set(None);
                page.hovered_line.set(None);
            }
            on:dblclick=move |_| page.fit.update(|n| *n += 1)
        ></canvas>
        <div class="zoom" role="group" aria-label="Zoom" class:folded=move || !page.minimap.get()>
            {move || page.minimap.get().then(|| view! { <Minimap view=overview/> })}
            <input
                class="zoom-slider"
                type="range"
                min="0"
                max="1"
                step="any"
                title="Zoom"
                aria-label="Zoom"
                aria-valuetext=move || seen.with(|(camera, _)| format!("{:.0} %", camera.zoom * 100.0))
                prop:value=move || seen.with(|(camera, _)| format!("{:.3}", camera.zoom_share()))
                on:input=slide
            />
            <div class="zoom-buttons">
            <button title="Zoom in (+)" aria-label="Zoom in" on:click=move |_| page.aim.set(Some(Aim::Zoom(ZOOM_STEP)))><Icon name="plus"/></button>
            <button title="Zoom out (-)" aria-label="Zoom out" on:click=move |_| page.aim.set(Some(Aim::Zoom(1.0 / ZOOM_STEP)))><Icon name="minus"/></button>
            <button title="Show all (0)" aria-label="Show all" on:click=move |_| page.fit.update(|n| *n += 1)>
                <Icon name="fit"/>
            </button>
            <button title="Lay out again" aria-label="Lay out again" on:click=move |_| page.rearrange()>
                <Icon name="layout"/>
            </button>
            </div>
        </div>
        <div class="strips">
            <Metrics/>
            <Networks/>
        </div>
        <Tip/>
    }
}

/// For whoever measures the page.
pub fn mark(what: &str) {
    let _ = web_sys::window().and_then(|w| w.performance()).map(|performance| performance.mark(what));
}

/// The same, with how many nodes that is about, as of when what tells of them was received.
pub fn mark_nodes(what: &str, count: usize, at_ms: f64) {
    let options = js_sys::Object::new();
    let _ = js_sys::Reflect::set(&options, &"startTime".into(), &at_ms.into());
    let _ = js_sys::Reflect::set(&options, &"detail".into(), &(count as f64).into());
    let Some(performance) = web_sys::window().and_then(|w| w.performance()) else { return };
    if let Ok(mark) = js_sys::Reflect::get(&performance, &"mark".into()).and_then(|f| f.dyn_into::<js_sys::Function>())
    {
        let _ = mark.call2(&performance, &what.into(), &options);
    }
}

pub fn performance_now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

fn request_frame(stage: &Rc<Stage>) {
    if stage.frame_due.replace(true) {
        return;
    }
    let draw = stage.draw.borrow();
    if let (Some(window), Some(draw)) = (web_sys::window(), draw.as_ref()) {
        stage.frame.set(window.request_animation_frame(draw.as_ref().unchecked_ref()).ok());
    }
}

/// Moves the camera there; the first look at a view does not travel.
fn travel(stage: &Rc<Stage>, there: Camera) {
    if stage.drawn.get() {
        stage.moving.set(Some((stage.camera.get(), there, f64::NAN)));
    } else {
        stage.moving.set(None);
        stage.camera.set(there);
    }
    request_frame(stage);
}

fn move_camera(stage: &Stage, now: f64) {
    let Some((from, to, since)) = stage.moving.get() else { return };
    let since = if since.is_nan() { now } else { since };
    let share = if moves_little() { 1.0 } else { ((now - since) / CAMERA_MS).clamp(0.0, 1.0) };
    let eased = share * share * (3.0 - 2.0 * share);
    stage.camera.set(from.between(to, eased));
    stage.moving.set((share < 1.0).then_some((from, to, since)));
}

fn fit(stage: &Stage, page: Page) -> Camera {
    fit_to(stage, page, &page.layout.with_value(layout::Layout::extent))
}

/// To what is selected and those around it; to all where nothing is.
fn to_selection(stage: &Rc<Stage>, page: Page) {
    let lit = untrack(|| page.lit().filter(|_| page.selected_slot().is_some() || page.shown_line().is_some()));
    let Some(lit) = lit else { return page.fit.update(|n| *n += 1) };
    let points: Vec<Point> = prepared(stage, page, |known| {
        known.at.iter().filter(|(slot, _)| lit.contains(slot)).map(|(_, at)| *at).collect()
    });
    stage.held.set(true);
    travel(stage, fit_to(stage, page, &points));
}

/// Who is next in that direction from what is selected, or from the middle of what is seen.
fn select_next(stage: &Rc<Stage>, page: Page, towards: (f64, f64)) {
    let at = prepared(stage, page, |known| known.at.clone());
    let nodes: Vec<(u32, Point)> = at.iter().map(|(slot, at)| (*slot, *at)).collect();
    let from = untrack(|| page.selected_slot()).and_then(|slot| at.get(&slot).copied());
    let next = match from {
        Some(from) => scene::next_node(&nodes, from, towards),
        None => scene::node_at(&nodes, stage.camera.get().centre, 0.0),
    };
    let Some(next) = next else { return };
    let id = page.model.with_value(|model| model.nodes.get(&next).map(|node| node.id.clone()));
    if let Some(id) = id {
        page.select(Some(id));
    }
    let camera = stage.camera.get();
    if let Some(there) =
        at.get(&next).filter(|there| !camera.sees(std::iter::once(**there), stage.size.get(), Insets::default()))
    {
        stage.held.set(true);
        travel(stage, Camera { centre: *there, ..camera });
    }
}

/// How much of the stage the metrics and networks below cover.
fn strips(size: Size) -> f64 {
    if size.width > 640.0 { 96.0 } else { 56.0 }
}

fn fit_to(stage: &Stage, page: Page, points: &[Point]) -> Camera {
    let size = stage.size.get();
    let is_open = |route: &Route| route.selected.is_some() || route.edge.is_some();
    let card = page.route.with_untracked(is_open) && size.width > 700.0;
    let beside = if card { 416.0 } else { 0.0 };
    let has_map = page.minimap.get_untracked() && size.width > if card { 1_300.0 } else { 640.0 };
    // What is in the corner is beside the graph, or below it: as it leaves more room.
    let (wide, high) = if has_map { (184.0, 164.0) } else { (56.0, 96.0) };
    let fit = |insets| Camera::fit(points.iter().copied(), size, insets);
    let right = fit(Insets { right: beside + wide, bottom: strips(size) });
    let bottom = fit(Insets { right: beside + if has_map { 0.0 } else { 56.0 }, bottom: high });
    if right.zoom >= bottom.zoom { right } else { bottom }
}

fn resize(stage: &Stage, page: Page, element: NodeRef<html::Canvas>) {
    let Some(canvas) = element.get_untracked() else { return };
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    canvas.set_width((width * ratio) as u32);
    canvas.set_height((height * ratio) as u32);
    stage.size.set(Size { width: width.max(1.0), height: height.max(1.0) });
    page.screen.set_value((width.max(1.0) / height.max(1.0)).clamp(0.4, 2.5));
}

/// Where in the graph the pointer is.
fn pointed_at(stage: &Stage, event: &PointerEvent) -> Point {
    let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
    stage.camera.get().to_world(at, stage.size.get())
}

fn under_pointer(stage: &Stage, page: Page, event: &PointerEvent) -> Option<u32> {
    let nodes: Vec<(u32, Point)> =
        prepared(stage, page, |known| known.at.iter().map(|(slot, at)| (*slot, *at)).collect());
    scene::node_at(&nodes, pointed_at(stage, event), stage.camera.get().zoom)
}

/// The key of the group whose title is there.
fn title_under_pointer(stage: &Stage, page: Page, event: &PointerEvent) -> Option<String> {
    let (at, zoom) = (pointed_at(stage, event), stage.camera.get().zoom);
    prepared(stage, page, |known| {
        known.boxes.iter().find(|(_, frame)| boxes::title_of(frame, zoom).has(at)).map(|(key, _)| key.clone())
    })
}

/// Half of what a hand can hit, in pixels of the screen.
const REACH_PX: f64 = 5.0;

fn line_under_pointer(stage: &Stage, page: Page, event: &PointerEvent) -> Option<(u32, u32)> {
    prepared(stage, page, |Prepared { at, strands, .. }| {
        let lines = strands.keys().filter_map(|ends| Some((*ends, *at.get(&ends.0)?, *at.get(&ends.1)?)));
        scene::line_at(lines, run(page), pointed_at(stage, event), REACH_PX / stage.camera.get().zoom)
    })
}

fn run(page: Page) -> Run {
    match page.route.with_untracked(|route| route.manner) {
        Manner::Layers => Run::Upright,
        Manner::Force => Run::Straight,
    }
}

fn draw(canvas: &HtmlCanvasElement, stage: &Rc<Stage>, page: Page, drawing: &Drawing) {
    let Some(g) = context(canvas) else { return };
    let (size, camera) = (stage.size.get(), stage.camera.get());
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    let now = performance_now();
    if stage.seen.replace(camera) != camera {
        stage.moved_ms.set(now);
    }
    // Who comes is looked for also where the camera goes there by itself.
    let goes_there = stage.moving.get().is_some() && stage.stale.get() >= Stale::Came;
    let still = if goes_there { f64::MAX } else { now - stage.moved_ms.get() };
    let searched = now - stage.searched_ms.get();
    let due = stage
        .sheet
        .borrow()
        .as_ref()
        .map_or(Due::Now, |(_, painted)| painted.due(camera, size, stage.stale.get(), still, searched, now));
    match due {
        Due::Now => paint_sheet(stage, page, drawing, ratio),
        Due::InMs(wait) => ask_later(stage, wait),
        Due::Never => {}
    }
    page.theme.with_value(|theme| {
        let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
        g.set_fill_style_str(&theme.canvas);
        g.fill_rect(0.0, 0.0, size.width, size.height);
    });
    // What is found is marked before there is a picture of it.
    let is_ahead = stage.stale.get() == Stale::Searched && drawing.found.is_some();
    if let Some((sheet, painted)) = &*stage.sheet.borrow() {
        let (x, y, width, height) = painted.place(camera);
        g.set_global_alpha(if is_ahead { 0.2 } else { 1.0 });
        let _ = g.draw_image_with_html_canvas_element_and_dw_and_dh(sheet, x, y, width, height);
        g.set_global_alpha(1.0);
    }
    if is_ahead {
        page.theme.with_value(|theme| {
            with_shown(stage, page, drawing, |shown| paint::found(&g, theme, shown, drawing, camera, size));
        });
        stage.marked(page, drawing);
    }
    stage.greets.set(greet(&g, page, camera, size, ratio));
    if due == Due::Now
        && let Some((_, painted)) = &mut *stage.sheet.borrow_mut()
    {
        // What is painted may be worked out only once it is looked at, as just now.
        painted.took_ms = performance_now() - now;
    }
}

/// Paints what the camera sees, and some more around it.
fn paint_sheet(stage: &Stage, page: Page, drawing: &Drawing, ratio: f64) {
    let started = performance_now();
    let (size, camera) = (stage.size.get(), stage.camera.get());
    let old = stage.sheet.borrow_mut().take().map(|(canvas, _)| canvas);
    let Some(canvas) = old.or_else(new_canvas) else { return };
    let whole = Painted::sheet_size(size);
    let (width, height) = ((whole.width * ratio) as u32, (whole.height * ratio) as u32);
    if (canvas.width(), canvas.height()) != (width, height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    let Some(g) = context(&canvas) else { return };
    let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    g.clear_rect(0.0, 0.0, whole.width, whole.height);
    page.theme.with_value(|theme| {
        with_shown(stage, page, drawing, |shown| {
            let before = stage.painted_nodes.replace(shown.at.len());
            if shown.at.len() >= before + MANY {
                mark("nodes-drawn");
            }
            stage.marked(page, drawing);
            paint::grid(&g, theme, camera, whole);
            paint::graph(&g, theme, shown, drawing, camera, whole);
        });
    });
    stage.stale.set(Stale::No);
    let at_ms = performance_now();
    let painted = Painted { camera, size, at_ms, took_ms: at_ms - started };
    *stage.sheet.borrow_mut() = Some((canvas, painted));
}

/// With what is prepared, as it is now.
fn prepared<T>(stage: &Stage, page: Page, with: impl FnOnce(&Prepared) -> T) -> T {
    let mut prepared = stage.prepared.borrow_mut();
    page.drawn(|model, folding| prepared.refresh(page, model, folding));
    with(&prepared)
}

fn with_shown(stage: &Stage, page: Page, drawing: &Drawing, paint: impl FnOnce(&Shown)) {
    prepared(stage, page, |Prepared { at, boxes, strands, .. }| {
        page.drawn(|model, folding| {
            let gone = drawing.marks.iter().flat_map(|marks| &marks.gone);
            let ghosts = page.layout.with_value(|layout| {
                gone.filter_map(|gone| Some((&gone.node, layout.left(&gone.node.id)?, gone.at_ms))).collect()
            });
            let by = untrack(|| page.grouped_by());
            paint(&Shown { model, folding, at, boxes, strands, by, run: run(page), ghosts });
        });
    });
}

/// Around each node that came just now a ring, which goes out. Gives whether there are any.
fn greet(g: &Context, page: Page, camera: Camera, size: Size, ratio: f64) -> bool {
    let now = now_ms() as u64;
    page.model.with_value(|model| {
        let mut new = model.changes.newcomers(ARRIVAL_MS, now).take(GREETED_MAX + 1).peekable();
        if new.peek().is_none() || moves_little() {
            return false;
        }
        let new: BTreeMap<&str, u64> = new.collect();
        if new.len() > GREETED_MAX {
            return false;
        }
        let scale = camera.zoom * ratio;
        let (x, y) =
            (size.width / 2.0 - camera.centre.x * camera.zoom, size.height / 2.0 - camera.centre.y * camera.zoom);
        let _ = g.set_transform(scale, 0.0, 0.0, scale, x * ratio, y * ratio);
        page.theme.with_value(|theme| {
            for node in model.nodes.values() {
                let Some(at_ms) = new.get(node.id.as_str()) else { continue };
                let place = page.layout.with_value(|layout| layout.positions.get(&node.id).copied());
                if let Some(place) = place {
                    let left = 1.0 - now.saturating_sub(*at_ms) as f64 / ARRIVAL_MS as f64;
                    paint::arrival(g, theme, node, place, left.clamp(0.0, 1.0));
                }
            }
        });
        let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
        true
    })
}

fn moves_little() -> bool {
    let query = web_sys::window().and_then(|w| w.match_media("(prefers-reduced-motion: reduce)").ok()?);
    query.is_some_and(|query| query.matches())
}

/// What the camera sees, drawn into a file.
fn as_svg(stage: &Stage, page: Page, drawing: &Drawing) -> Option<String> {
    let (size, camera) = (stage.size.get(), stage.camera.get());
    let held = JsValue::from(SvgContext::new(context(&new_canvas()?)?));
    // It has all that is used of it, by name.
    let g: &Context = held.unchecked_ref();
    let ground = page.theme.with_value(|theme| {
        with_shown(stage, page, drawing, |shown| paint::graph(g, theme, shown, drawing, camera, size));
        theme.canvas.clone()
    });
    let file = js_sys::Reflect::get(&held, &"file".into()).ok()?.dyn_into::<js_sys::Function>().ok()?;
    file.call3(&held, &size.width.into(), &size.height.into(), &ground.into()).ok()?.as_string()
}

fn ask_later(stage: &Stage, wait_ms: f64) {
    let at_ms = performance_now() + wait_ms;
    // Who waits less goes before.
    if stage.later_due.replace(true) && stage.later_ms.get() <= at_ms + 1.0 {
        return;
    }
    stage.later_ms.set(at_ms);
    let later = stage.later.borrow();
    if let (Some(window), Some(later)) = (web_sys::window(), later.as_ref()) {
        if let Some(timer) = stage.timer.take() {
            window.clear_timeout_with_handle(timer);
        }
        let callback = later.as_ref().unchecked_ref();
        let timer = window.set_timeout_with_callback_and_timeout_and_arguments_0(callback, wait_ms.ceil() as i32);
        stage.timer.set(timer.ok());
    }
}

fn new_canvas() -> Option<HtmlCanvasElement> {
    web_sys::window()?.document()?.create_element("canvas").ok()?.dyn_into().ok()
}

fn context(canvas: &HtmlCanvasElement) -> Option<Context> {
    canvas.get_context("2d").ok().flatten().map(|context| context.unchecked_into())
}
