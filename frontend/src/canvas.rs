//! The graph on its canvas: draws the scene and turns the pointer's moves into camera and selection.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;
use shared::view::{StreamEdge, Summary};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d as Context, HtmlCanvasElement, PointerEvent, WheelEvent};

use crate::app::Page;
use crate::components::icon::Icon;
use crate::layout::Point;
use crate::scene::{self, Camera, Insets, RADIUS, Size};
use crate::text;
use crate::theme::Theme;

/// Edges fade towards their source up to so many; beyond, they are flat and drawn in one stroke.
const TAPERED_MAX: usize = 400;
const CAMERA_MS: f64 = 320.0;
/// A press that moves less is a click.
const CLICK_PX: f64 = 4.0;

/// What the browser calls for each frame.
type Frame = Closure<dyn FnMut(f64)>;

struct Stage {
    camera: Cell<Camera>,
    size: Cell<Size>,
    /// From where the camera moves to where, and since when.
    moving: Cell<Option<(Camera, Camera, f64)>>,
    pressed: Cell<Option<(f64, f64, bool)>>,
    frame_due: Cell<bool>,
    /// Of the last frame, milliseconds.
    frame_ms: Cell<f64>,
    draw: RefCell<Option<Frame>>,
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
        frame_due: Cell::new(false),
        frame_ms: Cell::new(0.0),
        draw: RefCell::new(None),
    });
    let found = Memo::new(move |_| page.found());
    let lit = Memo::new(move |_| page.lit());
    {
        let shared = Rc::downgrade(&stage);
        *stage.draw.borrow_mut() = Some(Closure::new(move |now: f64| {
            let (Some(stage), Some(canvas)) = (shared.upgrade(), element.get_untracked()) else { return };
            stage.frame_due.set(false);
            let started = performance_now();
            move_camera(&stage, now);
            let drawing = Drawing {
                lit: lit.get_untracked(),
                found: found.get_untracked(),
                selected: page.route.with_untracked(|route| route.selected.clone()),
                hovered: page.hovered.get_untracked(),
            };
            draw(&canvas, &stage, page, &drawing);
            stage.frame_ms.set(performance_now() - started);
            let _ = canvas.set_attribute("data-frame-ms", &format!("{:.1}", stage.frame_ms.get()));
            let _ = canvas.set_attribute("data-nodes", &page.model.with_value(|m| m.nodes.len()).to_string());
            if stage.moving.get().is_some() {
                request_frame(&stage);
            }
        }));
    }
    // Whatever the drawing depends on asks for a frame; many changes make one.
    let asked = stage.clone();
    Effect::new(move |_| {
        page.structure.track();
        page.values.track();
        page.hovered.track();
        found.track();
        lit.track();
        page.link.track();
        request_frame(&asked);
    });
    let fitted = stage.clone();
    Effect::new(move |before: Option<u64>| {
        let asked = page.fit.get();
        if element.get().is_some() {
            resize(&fitted, element);
            let now = fitted.camera.get();
            let there = fit(&fitted, page);
            // The first look does not travel.
            if before.is_none() || page.model.with_value(|m| m.structure <= 1) {
                fitted.moving.set(None);
                fitted.camera.set(there);
            } else {
                fitted.moving.set(Some((now, there, f64::NAN)));
            }
            request_frame(&fitted);
        }
        asked
    });
    {
        let stage = stage.clone();
        let listener = Closure::<dyn Fn()>::new(move || {
            resize(&stage, element);
            request_frame(&stage);
        });
        let window = web_sys::window();
        if let Some(window) = window {
            let _ = window.add_event_listener_with_callback("resize", listener.as_ref().unchecked_ref());
        }
        let held = StoredValue::new_local(Some(listener));
        on_cleanup(move || {
            held.update_value(|listener| {
                let (Some(window), Some(listener)) = (web_sys::window(), listener.take()) else { return };
                let _ = window.remove_event_listener_with_callback("resize", listener.as_ref().unchecked_ref());
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
                stage.camera.set(stage.camera.get().panned(x - from_x, y - from_y));
                stage.pressed.set(Some((x, y, true)));
                request_frame(&stage);
                return;
            }
            let under = under_pointer(&stage, page, &event);
            if under != page.hovered.get_untracked() {
                page.hovered.set(under);
            }
        }
    };
    let up = {
        let stage = stage.clone();
        move |event: PointerEvent| {
            let clicked = stage.pressed.take().is_some_and(|(_, _, dragged)| !dragged);
            if clicked {
                let under = under_pointer(&stage, page, &event);
                let id = under.and_then(|slot| page.model.with_value(|m| m.nodes.get(&slot).map(|n| n.id.clone())));
                let same = page.route.with_untracked(|route| route.selected == id);
                page.select(if same { None } else { id });
            }
        }
    };
    let zoom = {
        let stage = stage.clone();
        move |factor: f64| {
            let size = stage.size.get();
            let middle = Point { x: size.width / 2.0, y: size.height / 2.0 };
            let now = stage.camera.get();
            stage.moving.set(Some((now, now.zoomed(factor, middle, size), f64::NAN)));
            request_frame(&stage);
        }
    };
    let (zoom_in, zoom_out) = (zoom.clone(), zoom);
    view! {
        <canvas
            node_ref=element
            class="graph"
            tabindex="0"
            role="img"
            aria-label="Graph of the view; the table shows the same nodes"
            class:pointing=move || page.hovered.get().is_some()
            on:wheel=wheel
            on:pointerdown=down
            on:pointermove=moved
            on:pointerup=up
            on:pointerleave=move |_| page.hovered.set(None)
            on:dblclick=move |_| page.fit.update(|n| *n += 1)
        ></canvas>
        <div class="zoom" role="group" aria-label="Zoom">
            <button title="Zoom in" aria-label="Zoom in" on:click=move |_| zoom_in(1.4)><Icon name="plus"/></button>
            <button title="Zoom out" aria-label="Zoom out" on:click=move |_| zoom_out(1.0 / 1.4)><Icon name="minus"/></button>
            <button title="Show all (0)" aria-label="Show all" on:click=move |_| page.fit.update(|n| *n += 1)>
                <Icon name="fit"/>
            </button>
            <button title="Lay out again" aria-label="Lay out again" on:click=move |_| page.rearrange()>
                <Icon name="layout"/>
            </button>
        </div>
        <Networks/>
    }
}

/// The networks that are drawn below nodes, with their lines.
#[component]
fn Networks() -> impl IntoView {
    let page = expect_context::<Page>();
    let networks = Memo::new(move |_| {
        page.structure.track();
        page.model.with_value(|model| {
            let mut count: BTreeMap<(String, String), usize> = BTreeMap::new();
            for network in model.nodes.values().flat_map(|node| &node.networks) {
                *count.entry((network.label.clone(), network.id.clone())).or_default() += 1;
            }
            // One name on several hosts is several networks, but one line in the legend.
            let mut named: BTreeMap<String, (String, usize)> = BTreeMap::new();
            for ((label, id), count) in count {
                named.entry(label).or_insert((id, 0)).1 += count;
            }
            let mut list: Vec<(String, String, usize)> = named.into_iter().map(|(l, (id, n))| (l, id, n)).collect();
            list.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
            list.truncate(6);
            list
        })
    });
    view! {
        <Show when=move || networks.with(|list| !list.is_empty())>
            <div class="networks">
                <span class="title">"Networks"</span>
                {move || networks.get().into_iter().map(|(label, _, count)| {
                    let slot = slot_of(&label);
                    let colour = format!("--line: var(--n-{})", slot + 1);
                    view! {
                        <span class="network">
                            <span class=format!("line line-{}", slot + 1) style=colour></span>
                            {text::shortened(&label, 22)}
                            <span class="count">{count}</span>
                        </span>
                    }
                }).collect_view()}
            </div>
        </Show>
    }
}

/// A network's hue and pattern: the same wherever its name appears.
pub fn slot_of(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 7) as usize % 6
}

fn performance_now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

fn request_frame(stage: &Rc<Stage>) {
    if stage.frame_due.replace(true) {
        return;
    }
    let draw = stage.draw.borrow();
    if let (Some(window), Some(draw)) = (web_sys::window(), draw.as_ref()) {
        let _ = window.request_animation_frame(draw.as_ref().unchecked_ref());
    }
}

fn move_camera(stage: &Stage, now: f64) {
    let Some((from, to, since)) = stage.moving.get() else { return };
    let since = if since.is_nan() { now } else { since };
    let still = web_sys::window()
        .and_then(|w| w.match_media("(prefers-reduced-motion: reduce)").ok()?)
        .is_some_and(|query| query.matches());
    let share = if still { 1.0 } else { ((now - since) / CAMERA_MS).clamp(0.0, 1.0) };
    let eased = share * share * (3.0 - 2.0 * share);
    stage.camera.set(from.between(to, eased));
    stage.moving.set((share < 1.0).then_some((from, to, since)));
}

fn fit(stage: &Stage, page: Page) -> Camera {
    let size = stage.size.get();
    let card = page.route.with_untracked(|route| route.selected.is_some()) && size.width > 700.0;
    let insets = Insets { right: if card { 416.0 } else { 56.0 }, bottom: 56.0 };
    page.positions.with_value(|positions| Camera::fit(positions.values().copied(), size, insets))
}

fn resize(stage: &Stage, element: NodeRef<html::Canvas>) {
    let Some(canvas) = element.get_untracked() else { return };
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    canvas.set_width((width * ratio) as u32);
    canvas.set_height((height * ratio) as u32);
    stage.size.set(Size { width: width.max(1.0), height: height.max(1.0) });
}

fn under_pointer(stage: &Stage, page: Page, event: &PointerEvent) -> Option<u32> {
    let at = Point { x: f64::from(event.offset_x()), y: f64::from(event.offset_y()) };
    let camera = stage.camera.get();
    let world = camera.to_world(at, stage.size.get());
    let nodes = page.model.with_value(|model| placed(model.nodes.iter(), page));
    scene::node_at(&nodes, world, camera.zoom)
}

fn placed<'a>(nodes: impl Iterator<Item = (&'a u32, &'a Summary)>, page: Page) -> Vec<(u32, Point)> {
    page.positions.with_value(|at| nodes.filter_map(|(slot, node)| Some((*slot, *at.get(&node.id)?))).collect())
}

struct Drawing {
    lit: Option<BTreeSet<u32>>,
    found: Option<BTreeMap<u32, Option<String>>>,
    selected: Option<String>,
    hovered: Option<u32>,
}

impl Drawing {
    fn is_faded(&self, slot: u32) -> bool {
        let by_focus = self.lit.as_ref().is_some_and(|lit| !lit.contains(&slot));
        let by_search = self.found.as_ref().is_some_and(|found| !found.contains_key(&slot));
        by_focus || by_search
    }
}

fn draw(canvas: &HtmlCanvasElement, stage: &Stage, page: Page, drawing: &Drawing) {
    let Some(context) = canvas.get_context("2d").ok().flatten() else { return };
    let g: Context = context.unchecked_into();
    let (size, camera) = (stage.size.get(), stage.camera.get());
    let ratio = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
    page.theme.with_value(|theme| {
        page.model.with_value(|model| {
            let at: BTreeMap<u32, Point> = placed(model.nodes.iter(), page).into_iter().collect();
            let _ = g.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
            g.set_fill_style_str(&theme.canvas);
            g.fill_rect(0.0, 0.0, size.width, size.height);
            grid(&g, theme, camera, size);
            let _ = g.translate(size.width / 2.0, size.height / 2.0);
            let _ = g.scale(camera.zoom, camera.zoom);
            let _ = g.translate(-camera.centre.x, -camera.centre.y);
            let visible = |p: &Point| {
                let s = camera.to_screen(*p, size);
                s.x > -220.0 && s.x < size.width + 60.0 && s.y > -60.0 && s.y < size.height + 60.0
            };
            edges(&g, theme, model.edges.values(), &at, drawing, camera.zoom);
            let height = RADIUS * 2.0 * camera.zoom;
            for (slot, node) in &model.nodes {
                let Some(p) = at.get(slot).filter(|p| visible(p)) else { continue };
                let faded = drawing.is_faded(*slot);
                g.set_global_alpha(if faded { 0.2 } else { 1.0 });
                shape(&g, theme, node, *p, height);
                let picked = drawing.selected.as_ref() == Some(&node.id);
                if picked || drawing.hovered == Some(*slot) {
                    ring(&g, theme, node, *p, picked);
                }
            }
            g.set_global_alpha(1.0);
            labels(&g, theme, model.nodes.iter(), &at, drawing, camera, size);
        });
    });
}

/// Dots that move with the camera, so that panning is seen where there is nothing.
fn grid(g: &Context, theme: &Theme, camera: Camera, size: Size) {
    let mut step = 48.0 * camera.zoom;
    while step < 24.0 {
        step *= 2.0;
    }
    let origin = camera.to_screen(Point { x: 0.0, y: 0.0 }, size);
    g.set_fill_style_str(&theme.grid);
    g.begin_path();
    let mut y = origin.y.rem_euclid(step);
    while y < size.height {
        let mut x = origin.x.rem_euclid(step);
        while x < size.width {
            g.rect(x, y, 1.5, 1.5);
            x += step;
        }
        y += step;
    }
    g.fill();
}

fn edges<'a>(
    g: &Context,
    theme: &Theme,
    all: impl Iterator<Item = &'a StreamEdge>,
    at: &BTreeMap<u32, Point>,
    drawing: &Drawing,
    zoom: f64,
) {
    // What two nodes say to one another over several ports is one line.
    let mut merged: BTreeMap<(u32, u32), (StreamEdge, BTreeSet<u16>)> = BTreeMap::new();
    for edge in all {
        let one = merged
            .entry((edge.source, edge.target))
            .or_insert_with(|| (StreamEdge { count: 0, ..edge.clone() }, BTreeSet::new()));
        one.0.count += edge.count;
        one.1.insert(edge.port);
    }
    let tapered = merged.len() <= TAPERED_MAX && RADIUS * 2.0 * zoom >= 26.0;
    let mut ports: BTreeMap<(u32, BTreeSet<u16>), (Point, bool)> = BTreeMap::new();
    for lit_pass in [false, true] {
        let mut batched: BTreeMap<u32, Vec<[Point; 4]>> = BTreeMap::new();
        for ((source, target), (edge, on)) in &merged {
            let (Some(a), Some(b)) = (at.get(source), at.get(target)) else { continue };
            let focus = drawing.hovered;
            let touches = |slot: u32| *source == slot || *target == slot;
            let is_lit = match focus {
                Some(slot) => touches(slot),
                None => {
                    drawing.lit.is_some()
                        && drawing.selected.is_some()
                        && !drawing.is_faded(*source)
                        && !drawing.is_faded(*target)
                }
            };
            let faded = !is_lit && (drawing.is_faded(*source) || drawing.is_faded(*target) || focus.is_some());
            if is_lit != lit_pass {
                continue;
            }
            let width = scene::edge_width(edge) * if is_lit { 1.25 } else { 1.0 };
            let colour = if is_lit { &theme.edge_lit } else { &theme.edge };
            g.set_global_alpha(if faded { 0.2 } else { 1.0 });
            if source == target {
                self_loop(g, *a, colour, width);
                continue;
            }
            let curve = scene::edge_curve(*a, *b);
            if !tapered && !is_lit {
                let key = (width * 4.0) as u32 * 2 + u32::from(faded);
                batched.entry(key).or_default().push(curve);
                continue;
            }
            let gradient = g.create_linear_gradient(curve[0].x, curve[0].y, curve[3].x, curve[3].y);
            let _ = gradient.add_color_stop(0.0, &mixed(colour, &theme.canvas, 0.6));
            let _ = gradient.add_color_stop(0.75, colour);
            g.set_stroke_style_canvas_gradient(&gradient);
            g.set_line_width(width);
            // A direction that is only guessed is dotted.
            dash(g, if edge.direction == "guess" { &[2.0, 4.0] } else { &[] });
            g.begin_path();
            path(g, curve);
            g.stroke();
            dash(g, &[]);
            head(g, curve, colour, width);
            if !faded {
                ports.entry((*target, on.clone())).or_insert((curve[3], a.x <= b.x));
            }
        }
        for (key, curves) in batched {
            g.set_global_alpha(if key % 2 == 1 { 0.2 } else { 1.0 });
            g.set_stroke_style_str(&theme.edge);
            g.set_line_width(f64::from(key / 2) / 4.0);
            g.begin_path();
            for curve in curves {
                path(g, curve);
            }
            g.stroke();
        }
    }
    g.set_global_alpha(1.0);
    if RADIUS * 2.0 * zoom >= 40.0 {
        g.set_font(&format!("400 11px {}", theme.font));
        g.set_fill_style_str(&theme.text_3);
        g.set_text_baseline("alphabetic");
        for ((_, on), (p, from_left)) in ports {
            let listed: Vec<String> = on.iter().take(3).map(u16::to_string).collect();
            let more = if on.len() > 3 { " …" } else { "" };
            g.set_text_align(if from_left { "left" } else { "right" });
            let _ = g.fill_text(
                &format!("{}{more}", listed.join(" ")),
                p.x + if from_left { 8.0 } else { -8.0 },
                p.y - 7.0,
            );
        }
    }
}

fn path(g: &Context, [a, b, c, d]: [Point; 4]) {
    g.move_to(a.x, a.y);
    g.bezier_curve_to(b.x, b.y, c.x, c.y, d.x, d.y);
}

fn dash(g: &Context, pattern: &[f64]) {
    let list: js_sys::Array = pattern.iter().map(|n| JsValue::from_f64(*n)).collect();
    let _ = g.set_line_dash(&list);
}

fn head(g: &Context, curve: [Point; 4], colour: &str, width: f64) {
    let (end, before) = (curve[3], scene::on_curve(curve, 0.94));
    let angle = (end.y - before.y).atan2(end.x - before.x);
    let length = 6.0 + width;
    g.set_fill_style_str(colour);
    g.begin_path();
    g.move_to(end.x, end.y);
    for side in [0.42, -0.42] {
        g.line_to(end.x - length * (angle + side).cos(), end.y - length * (angle + side).sin());
    }
    g.close_path();
    g.fill();
}

fn self_loop(g: &Context, p: Point, colour: &str, width: f64) {
    g.set_stroke_style_str(colour);
    g.set_line_width(width);
    g.begin_path();
    let _ = g.arc(p.x - RADIUS * 0.95, p.y - RADIUS * 0.95, RADIUS * 0.55, 0.25 * TAU, 1.02 * TAU);
    g.stroke();
}

fn outline(g: &Context, kind: &str, p: Point, grow: f64) {
    g.begin_path();
    let factor = (RADIUS + grow) / RADIUS;
    if let Some(points) = scene::polygon(kind) {
        let moved: Vec<Point> = points.iter().map(|q| Point { x: p.x + q.x * factor, y: p.y + q.y * factor }).collect();
        rounded(g, &moved, RADIUS * if kind == "process" { 0.3 } else { 0.16 });
        return;
    }
    let r = RADIUS * factor;
    match kind {
        "network" => {
            let _ = g.round_rect_with_f64(p.x - r * 1.15, p.y - r * 0.62, r * 2.3, r * 1.24, r * 0.62);
        }
        "outside" => {
            let puff = |x: f64, y: f64, radius: f64| (p.x + x * factor, p.y + y * factor, radius * factor);
            let (x, y, radius) = puff(-11.0, 5.0, 10.5);
            let _ = g.arc(x, y, radius, 0.25 * TAU, 0.72 * TAU);
            let (x, y, radius) = puff(0.0, -4.0, 14.0);
            let _ = g.arc(x, y, radius, 0.56 * TAU, 0.94 * TAU);
            let (x, y, radius) = puff(12.0, 5.0, 10.5);
            let _ = g.arc(x, y, radius, 0.78 * TAU, 0.25 * TAU);
            g.close_path();
        }
        _ => {
            let _ = g.arc(p.x, p.y, r, 0.0, TAU);
        }
    }
}

fn rounded(g: &Context, points: &[Point], radius: f64) {
    let count = points.len();
    for n in 0..count {
        let (before, corner, after) = (points[(n + count - 1) % count], points[n], points[(n + 1) % count]);
        let towards = |q: Point| {
            let length = (q.x - corner.x).hypot(q.y - corner.y).max(0.01);
            let share = (radius / length).min(0.5);
            Point { x: corner.x + (q.x - corner.x) * share, y: corner.y + (q.y - corner.y) * share }
        };
        let (start, end) = (towards(before), towards(after));
        if n == 0 {
            g.move_to(start.x, start.y);
        } else {
            g.line_to(start.x, start.y);
        }
        g.quadratic_curve_to(corner.x, corner.y, end.x, end.y);
    }
    g.close_path();
}

fn shape(g: &Context, theme: &Theme, node: &Summary, p: Point, height: f64) {
    let (fill, line) = theme.kind(&node.kind);
    let stopped = node.state == "stopped";
    let lost = matches!(node.state.as_str(), "stale" | "down");
    if lost {
        g.set_global_alpha(0.6);
    }
    g.set_line_width(if stopped { 1.0 } else { 1.5 });
    g.set_stroke_style_str(line);
    if node.stack && height >= 26.0 {
        for step in [2.0, 1.0] {
            outline(g, &node.kind, Point { x: p.x + 3.5 * step, y: p.y - 3.5 * step }, 0.0);
            g.set_fill_style_str(&theme.canvas);
            g.fill();
            g.stroke();
        }
    }
    outline(g, &node.kind, p, 0.0);
    g.set_fill_style_str(if stopped { &theme.canvas } else { fill });
    g.fill();
    cpu_fill(g, theme, node, p, height);
    outline(g, &node.kind, p, 0.0);
    dash(g, if lost { &[5.0, 4.0] } else { &[] });
    g.stroke();
    dash(g, &[]);
    if node.state == "paused" && height >= 20.0 {
        g.set_fill_style_str(line);
        g.fill_rect(p.x - 6.0, p.y - 7.0, 4.0, 14.0);
        g.fill_rect(p.x + 2.0, p.y - 7.0, 4.0, 14.0);
    } else if node.count > 0 && height >= 26.0 {
        g.set_font(&format!("600 12px {}", theme.font));
        g.set_text_align("center");
        g.set_text_baseline("middle");
        g.set_fill_style_str(&theme.text);
        let _ = g.fill_text(&node.count.to_string(), p.x, p.y + 0.5);
    }
}

/// CPU as the height of the fill, where it is worth a look, with its value.
fn cpu_fill(g: &Context, theme: &Theme, node: &Summary, p: Point, height: f64) {
    let Some(metric) = node.metrics.first().filter(|m| m.format == "percent" && node.state.is_empty()) else { return };
    let share = (metric.value / metric.max.max(1.0)).clamp(0.0, 1.0);
    if share < 0.005 {
        return;
    }
    g.save();
    g.clip();
    g.set_fill_style_str(&theme.metric);
    let top = p.y + RADIUS - share * RADIUS * 2.0;
    g.fill_rect(p.x - RADIUS - 4.0, top, RADIUS * 2.0 + 8.0, p.y + RADIUS - top + 4.0);
    g.set_fill_style_str(&theme.metric_line);
    g.fill_rect(p.x - RADIUS - 4.0, top, RADIUS * 2.0 + 8.0, 1.0);
    g.restore();
    if height >= 36.0 && metric.value >= 0.95 && node.count == 0 {
        g.set_font(&format!("500 11px {}", theme.font));
        g.set_text_align("center");
        g.set_text_baseline("middle");
        g.set_fill_style_str(&theme.text);
        let _ = g.fill_text(&format!("{:.0}%", metric.value), p.x, p.y + 0.5);
    }
}

fn ring(g: &Context, theme: &Theme, node: &Summary, p: Point, picked: bool) {
    outline(g, &node.kind, p, if picked { 4.0 } else { 2.5 });
    g.set_stroke_style_str(&theme.ring);
    g.set_line_width(if picked { 2.0 } else { 1.0 });
    g.stroke();
}

/// Names to the right of their nodes, in the order of who matters most, none over another.
fn labels<'a>(
    g: &Context,
    theme: &Theme,
    nodes: impl Iterator<Item = (&'a u32, &'a Summary)>,
    at: &BTreeMap<u32, Point>,
    drawing: &Drawing,
    camera: Camera,
    size: Size,
) {
    let height = RADIUS * 2.0 * camera.zoom;
    let mut order: Vec<(u8, u32, &Summary, Point)> = Vec::new();
    for (slot, node) in nodes {
        let Some(p) = at.get(slot) else { continue };
        let picked = drawing.selected.as_ref() == Some(&node.id);
        let rank = match () {
            () if picked => 0,
            () if drawing.hovered == Some(*slot) => 1,
            () if drawing.found.as_ref().is_some_and(|found| found.contains_key(slot)) => 2,
            () if drawing.is_faded(*slot) => 9,
            () => 5,
        };
        // Far away, only those that somebody points at have names, and groups.
        if height >= 24.0 || rank < 3 || (height >= 12.0 && node.stack) {
            order.push((rank, *slot, node, *p));
        }
    }
    order.sort_by_key(|(rank, slot, ..)| (*rank, *slot));
    let mut taken: Vec<(f64, f64, f64, f64)> = Vec::new();
    let shown = height >= 40.0;
    g.set_line_join("round");
    for (rank, slot, node, p) in order {
        let screen = camera.to_screen(p, size);
        if screen.x < -200.0 || screen.x > size.width || screen.y < -40.0 || screen.y > size.height + 40.0 {
            continue;
        }
        let name = text::shortened(text::base_name(&node.label), 18);
        let reason = drawing.found.as_ref().and_then(|found| found.get(&slot).cloned().flatten());
        let (minor, minor_colour) = match &reason {
            Some(reason) => (text::shortened(reason, 30), &theme.accent),
            None => (text::shortened(&node.label_minor, 22), &theme.text_2),
        };
        let x =
            p.x + RADIUS * if node.kind == "network" { 1.15 } else { 1.0 } + 10.0 + if node.stack { 5.0 } else { 0.0 };
        // Half an em a letter is near enough to keep names apart.
        let width =
            (name.chars().count() as f64 * 7.2).max(if shown { minor.chars().count() as f64 * 6.4 } else { 0.0 });
        let frame = (x, p.y - 16.0, x + width, p.y + 18.0);
        let clash = taken.iter().any(|t| frame.0 < t.2 && t.0 < frame.2 && frame.1 < t.3 && t.1 < frame.3);
        if clash && rank > 1 {
            continue;
        }
        taken.push(frame);
        g.set_global_alpha(if rank == 9 { 0.25 } else { 1.0 });
        g.set_text_align("left");
        g.set_text_baseline("alphabetic");
        g.set_stroke_style_str(&theme.canvas);
        g.set_line_width(4.0);
        let line = |words: &str, weight: u32, px: u32, y: f64, colour: &str| {
            g.set_font(&format!("{weight} {px}px {}", theme.font));
            let _ = g.stroke_text(words, x, y);
            g.set_fill_style_str(colour);
            let _ = g.fill_text(words, x, y);
        };
        let two_lines = shown || reason.is_some() || rank < 2;
        let middle = if two_lines { p.y - 2.0 } else { p.y + 4.5 };
        line(&name, 600, 13, middle, &theme.text);
        if two_lines {
            line(&minor, 400, 12, p.y + 14.0, minor_colour);
        }
        if shown {
            bars(g, theme, node, x, p.y + 20.0);
        }
    }
    g.set_global_alpha(1.0);
}

/// A short line for each network that the node is on.
fn bars(g: &Context, theme: &Theme, node: &Summary, x: f64, y: f64) {
    for (n, network) in node.networks.iter().take(6).enumerate() {
        let slot = slot_of(&network.label);
        let left = x + n as f64 * 17.0;
        g.set_stroke_style_str(&theme.networks[slot]);
        g.set_line_width(3.0);
        g.set_line_cap(if slot == 2 { "round" } else { "butt" });
        let pattern: &[f64] = match slot {
            1 => &[5.0, 2.0],
            2 => &[0.1, 4.0],
            4 => &[6.0, 2.0, 1.0, 2.0],
            5 => &[2.5, 2.0],
            _ => &[],
        };
        dash(g, pattern);
        g.begin_path();
        if slot == 3 {
            g.set_line_width(1.4);
            for dy in [-1.2, 1.6] {
                g.move_to(left, y + dy);
                g.line_to(left + 13.0, y + dy);
            }
        } else {
            g.move_to(left, y);
            g.line_to(left + 13.0, y);
        }
        g.stroke();
    }
    dash(g, &[]);
    g.set_line_cap("butt");
}

/// A colour `share` of the way from one to the other; both as `#rrggbb`.
fn mixed(from: &str, to: &str, share: f64) -> String {
    let part = |colour: &str, n: usize| {
        colour.get(1 + n * 2..3 + n * 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).map(f64::from)
    };
    let mix = |n: usize| {
        let (a, b) = (part(from, n).unwrap_or(128.0), part(to, n).unwrap_or(128.0));
        (a + (b - a) * share).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}
