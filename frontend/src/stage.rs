//! The stage that the graph is drawn on: its camera, its picture, and when that is painted anew.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d as Context, HtmlCanvasElement};

use crate::app::Page;
use crate::connection::now_ms;
use crate::layout::{self, Manner, Point};
use crate::paint::{self, Drawing, Shown};
use crate::painting::{self, Painting};
use crate::prepared::Prepared;
use crate::route::Route;
use crate::scene::{Camera, Insets, Run, Size};
use crate::searching::Found;
use crate::sheet::{Due, Painted, Stale};
use crate::svg::SvgContext;

const CAMERA_MS: f64 = 320.0;
/// On a stage that is wider than this a card is beside the graph, and takes so much of it, pixels.
const CARD_BESIDE_FROM: f64 = 700.0;
const CARD_PX: f64 = 416.0;
/// A node that comes has a ring for so long, unless more than so many come together.
const ARRIVAL_MS: u64 = 1_200;
const GREETED_MAX: usize = 20;

/// What the browser calls for each frame.
pub type OnFrame = Closure<dyn FnMut(f64)>;

pub struct Stage {
    pub camera: Cell<Camera>,
    pub size: Cell<Size>,
    /// From where the camera moves to where, and since when.
    pub moving: Cell<Option<(Camera, Camera, f64)>>,
    pub frame_due: Cell<bool>,
    /// Whether nodes have been drawn yet.
    pub drawn: Cell<bool>,
    /// The nodes that the picture has, by their numbers, and how many are shown with those that came since.
    pub painted: RefCell<BTreeSet<u32>>,
    pub painted_nodes: Cell<usize>,
    /// Which of them are marked as found.
    pub marks: RefCell<Option<Arc<Found>>>,
    /// What was searched for then.
    pub painted_search: RefCell<String>,
    /// When something else was searched for last.
    pub searched_ms: Cell<f64>,
    pub draw: RefCell<Option<OnFrame>>,
    pub prepared: RefCell<Prepared>,
    /// What the graph looked like when it was painted last.
    pub sheet: RefCell<Option<(HtmlCanvasElement, Painted)>>,
    /// The picture that is being painted, whether its next step is asked for, and what the next one is painted on.
    pub painting: RefCell<Option<Painting>>,
    pub step_due: Cell<bool>,
    pub spare: RefCell<Option<HtmlCanvasElement>>,
    /// What a picture that is being painted is looked at with.
    pub look: Option<HtmlCanvasElement>,
    /// Whether something changed that the picture shows.
    pub stale: Cell<Stale>,
    /// The camera of the last frame, and when it moved last.
    pub seen: Cell<Camera>,
    /// Whether somebody moved the camera since it last showed everything.
    pub held: Cell<bool>,
    pub moved_ms: Cell<f64>,
    /// Asks for a frame once a picture may be painted.
    pub later: RefCell<Option<Closure<dyn FnMut()>>>,
    pub later_due: Cell<bool>,
    /// When it does, by the page's clock.
    pub later_ms: Cell<f64>,
    /// Whether somebody came just now, which is shown for a moment.
    pub greets: Cell<bool>,
    /// What the browser was asked for last.
    pub frame: Cell<Option<i32>>,
    pub timer: Cell<Option<i32>>,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            camera: Cell::new(Camera::default()),
            size: Cell::new(Size { width: 1.0, height: 1.0 }),
            moving: Cell::new(None),
            frame_due: Cell::new(false),
            drawn: Cell::new(false),
            painted: RefCell::default(),
            painted_nodes: Cell::new(0),
            marks: RefCell::default(),
            painted_search: RefCell::default(),
            searched_ms: Cell::new(0.0),
            draw: RefCell::new(None),
            prepared: RefCell::default(),
            sheet: RefCell::new(None),
            painting: RefCell::new(None),
            step_due: Cell::new(false),
            spare: RefCell::new(None),
            look: new_canvas(),
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
        }
    }
}

impl Stage {
    /// What is searched for is seen, by whatever picture.
    pub fn marked(&self, page: Page, drawing: &Drawing) {
        self.marks.borrow_mut().clone_from(&drawing.found);
        page.route.with_untracked(|route| self.painted_search.borrow_mut().clone_from(&route.search));
    }

    pub fn middle(&self) -> Point {
        let size = self.size.get();
        Point { x: size.width / 2.0, y: size.height / 2.0 }
    }

    /// Of several reasons the one counts that waits least.
    pub fn outdate(&self, stale: Stale) {
        self.stale.set(self.stale.get().max(stale));
        if let Some(painting) = &mut *self.painting.borrow_mut() {
            painting.outdate(stale);
        }
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

pub fn request_frame(stage: &Rc<Stage>) {
    if stage.frame_due.replace(true) {
        return;
    }
    let draw = stage.draw.borrow();
    if let (Some(window), Some(draw)) = (web_sys::window(), draw.as_ref()) {
        stage.frame.set(window.request_animation_frame(draw.as_ref().unchecked_ref()).ok());
    }
}

/// Moves the camera there; the first look at a view does not travel.
pub fn travel(stage: &Rc<Stage>, there: Camera) {
    if stage.drawn.get() {
        stage.moving.set(Some((stage.camera.get(), there, f64::NAN)));
    } else {
        stage.moving.set(None);
        stage.camera.set(there);
    }
    request_frame(stage);
}

pub fn move_camera(stage: &Stage, now: f64) {
    let Some((from, to, since)) = stage.moving.get() else { return };
    let since = if since.is_nan() { now } else { since };
    let share = if moves_little() { 1.0 } else { ((now - since) / CAMERA_MS).clamp(0.0, 1.0) };
    let eased = share * share * (3.0 - 2.0 * share);
    stage.camera.set(from.between(to, eased));
    stage.moving.set((share < 1.0).then_some((from, to, since)));
}

pub fn fit(stage: &Stage, page: Page) -> Camera {
    fit_to(stage, page, &page.layout.with_value(layout::Layout::extent))
}

/// How much of the stage the metrics and networks below cover.
pub fn strips(size: Size) -> f64 {
    if size.width > 640.0 { 96.0 } else { 56.0 }
}

/// How much of the stage is below a card that is open, and below the strips.
pub fn covered(size: Size) -> Insets {
    match size.width > CARD_BESIDE_FROM {
        true => Insets { right: CARD_PX, bottom: strips(size) },
        // There it comes from below.
        false => Insets { right: 0.0, bottom: size.height * 0.55 },
    }
}

pub fn fit_to(stage: &Stage, page: Page, points: &[Point]) -> Camera {
    let size = stage.size.get();
    let is_open = |route: &Route| route.selected.is_some() || route.edge.is_some();
    let card = page.route.with_untracked(is_open) && size.width > CARD_BESIDE_FROM;
    let beside = if card { CARD_PX } else { 0.0 };
    let has_map = page.minimap.get_untracked() && size.width > if card { 1_300.0 } else { 640.0 };
    // What is in the corner is beside the graph, or below it: as it leaves more room.
    let (wide, high) = if has_map { (184.0, 164.0) } else { (56.0, 96.0) };
    let fit = |insets| Camera::fit(points.iter().copied(), size, insets);
    let right = fit(Insets { right: beside + wide, bottom: strips(size) });
    let bottom = fit(Insets { right: beside + if has_map { 0.0 } else { 56.0 }, bottom: high });
    if right.zoom >= bottom.zoom { right } else { bottom }
}

pub fn resize(stage: &Stage, page: Page, element: NodeRef<html::Canvas>) {
    let Some(canvas) = element.get_untracked() else { return };
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    canvas.set_width((width * ratio) as u32);
    canvas.set_height((height * ratio) as u32);
    stage.size.set(Size { width: width.max(1.0), height: height.max(1.0) });
    page.screen.set_value((width.max(1.0) / height.max(1.0)).clamp(0.4, 2.5));
}

pub fn run(page: Page) -> Run {
    match page.route.with_untracked(|route| route.manner) {
        Manner::Layers => Run::Upright,
        Manner::Force => Run::Straight,
    }
}

pub fn draw(canvas: &HtmlCanvasElement, stage: &Rc<Stage>, page: Page, drawing: &Drawing) {
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
    let is_painted = due == Due::Now && painting::paint(stage, page, drawing, ratio);
    if let Due::InMs(wait) = due {
        ask_later(stage, wait);
    }
    page.theme.with_value(|theme| {
        let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
        g.set_fill_style_str(&theme.canvas);
        g.fill_rect(0.0, 0.0, size.width, size.height);
    });
    // What is found is marked before there is a picture of it, and who came is shown.
    let is_ahead = stage.stale.get() == Stale::Searched && drawing.found.is_some();
    if let Some((sheet, painted)) = &*stage.sheet.borrow() {
        let (x, y, width, height) = painted.place(camera);
        g.set_global_alpha(if is_ahead { page.theme.with_value(|theme| theme.faded) } else { 1.0 });
        let _ = g.draw_image_with_html_canvas_element_and_dw_and_dh(sheet, x, y, width, height);
        g.set_global_alpha(1.0);
    }
    if is_ahead {
        placed(stage, page, |_| ());
        page.theme.with_value(|theme| {
            with_shown(stage, page, drawing, |shown| paint::found(&g, theme, shown, drawing, camera, size));
        });
        stage.marked(page, drawing);
    }
    if stage.stale.get() >= Stale::Came && stage.sheet.borrow().is_some() && painting::is_large(page) {
        painting::show_newcomers(&g, stage, page, drawing);
    }
    stage.greets.set(greet(&g, page, camera, size, ratio));
    if is_painted && let Some((_, painted)) = &mut *stage.sheet.borrow_mut() {
        // What is painted may be worked out only once it is looked at, as just now.
        painted.took_ms = performance_now() - now;
    }
}

/// With what is prepared, as it is now.
pub fn prepared<T>(stage: &Stage, page: Page, with: impl FnOnce(&Prepared) -> T) -> T {
    prepare(stage, page);
    with(&stage.prepared.borrow())
}

/// The same where places are all that is needed, as at each move of the pointer.
pub fn placed<T>(stage: &Stage, page: Page, with: impl FnOnce(&Prepared) -> T) -> T {
    page.drawn(|model, folding| stage.prepared.borrow_mut().refresh_places(page, model, folding));
    with(&stage.prepared.borrow())
}

/// Works out places and lines as they are now.
pub fn prepare(stage: &Stage, page: Page) {
    let mut prepared = stage.prepared.borrow_mut();
    page.drawn(|model, folding| prepared.refresh(page, model, folding));
}

/// With what is shown, at places and along lines as they were prepared last.
pub fn with_shown<T>(stage: &Stage, page: Page, drawing: &Drawing, paint: impl FnOnce(&Shown) -> T) -> T {
    let Prepared { at, boxes, strands, ways, .. } = &*stage.prepared.borrow();
    page.drawn(|model, folding| {
        let gone = drawing.marks.iter().flat_map(|marks| &marks.gone);
        let ghosts = page.layout.with_value(|layout| {
            gone.filter_map(|gone| Some((&gone.node, layout.left(&gone.node.id)?, gone.at_ms))).collect()
        });
        let by = untrack(|| page.grouped_by());
        paint(&Shown { model, folding, at, boxes, strands, ways, by, ghosts })
    })
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
pub fn as_svg(stage: &Stage, page: Page, drawing: &Drawing) -> Option<String> {
    let (size, camera) = (stage.size.get(), stage.camera.get());
    let held = JsValue::from(SvgContext::new(context(&new_canvas()?)?));
    // It has all that is used of it, by name.
    let g: &Context = held.unchecked_ref();
    prepare(stage, page);
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

pub fn new_canvas() -> Option<HtmlCanvasElement> {
    web_sys::window()?.document()?.create_element("canvas").ok()?.dyn_into().ok()
}

pub fn context(canvas: &HtmlCanvasElement) -> Option<Context> {
    canvas.get_context("2d").ok().flatten().map(|context| context.unchecked_into())
}
