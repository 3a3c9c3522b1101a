//! What a frame shows, painted on a canvas: edges, shapes, names.

mod edges;
mod mark;

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::sync::Arc;

use shared::view::Summary;
use wasm_bindgen::prelude::*;
use web_sys::CanvasRenderingContext2d as Context;

pub use self::edges::Flat;
use self::edges::Lines;
use crate::boxes;
use crate::changes::Marks;
use crate::detour::Ways;
use crate::far::{self, Crowd, FAR};
use crate::folding::Folding;
use crate::gauge::Gauge;
use crate::label::{self, NEAR};
use crate::layout::Point;
use crate::model::Model;
use crate::room::Frame;
use crate::scene::{self, Camera, Curve, RADIUS, Size};
use crate::searching::Found;
use crate::strand::{By, Edges, Strand};
use crate::theme::Theme;
use crate::trade::Trade;

/// What is emphasised.
#[derive(Clone)]
pub struct Drawing {
    pub lit: Option<BTreeSet<u32>>,
    pub found: Option<Arc<Found>>,
    pub selected: Option<u32>,
    pub hovered: Option<u32>,
    /// The box whose title is under the pointer.
    pub hovered_box: Option<String>,
    /// The line under the pointer, and the one that is selected.
    pub line: Option<(u32, u32)>,
    pub chosen_line: Option<(u32, u32)>,
    /// What the thickness of lines says.
    pub lines: By,
    /// What their colour says, if anything.
    pub tint: Option<By>,
    /// What the fill of nodes says; none for nothing.
    pub gauge: Option<Gauge>,
    /// Also from far each node is drawn by itself, as for a file.
    pub is_exact: bool,
    /// Of a network that is pinned or previewed: the slot of its line, and its ids.
    pub network: Option<(usize, BTreeSet<String>)>,
    /// Who came and who went, while that is marked.
    pub marks: Option<Arc<Marks>>,
}

impl Drawing {
    /// The line of the network that is shown, where one of its edges takes that.
    fn line_of(&self, strand: &Strand, all: &Edges) -> Option<usize> {
        let (line, ids) = self.network.as_ref()?;
        let mut networks = strand.among(all).filter_map(|edge| edge.network.as_ref());
        networks.any(|network| ids.contains(network)).then_some(*line)
    }

    /// When it came, where that is marked.
    pub fn came_at(&self, node: &Summary) -> Option<u64> {
        self.marks.as_ref()?.new.get(&node.id).copied()
    }

    pub fn is_faded(&self, slot: u32) -> bool {
        let by_focus = self.lit.as_ref().is_some_and(|lit| !lit.contains(&slot));
        let by_search = self.found.as_ref().is_some_and(|found| !found.contains_key(&slot));
        by_focus || by_search
    }
}

/// Who is drawn, and where.
pub struct Shown<'a> {
    pub model: &'a Model,
    pub folding: &'a Folding,
    pub at: &'a BTreeMap<u32, Point>,
    /// Of the groups that are open, by their keys.
    pub boxes: &'a BTreeMap<String, Frame>,
    /// Lines, by the numbers of their ends.
    pub strands: &'a BTreeMap<(u32, u32), Strand>,
    /// What nodes are put together by.
    pub by: Option<String>,
    pub ways: &'a Ways,
    /// Those that went and are marked, where they stood, and when they went.
    pub ghosts: Vec<(&'a Summary, Point, u64)>,
}

impl<'a> Shown<'a> {
    pub fn nodes(&self) -> impl Iterator<Item = (u32, &'a Summary, Point)> {
        self.folding.nodes(self.model).filter_map(|(slot, node)| Some((slot, node, *self.at.get(&slot)?)))
    }
}

/// The graph without its ground, all at once. The context is in pixels of the screen; `size` is that of what is painted on.
pub fn graph(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, size: Size) {
    let lines = below(g, theme, shown, drawing, camera, size);
    (0..lines.count()).for_each(|part| some_lines(g, theme, &lines, part, camera, size));
    (0..ABOVE_PARTS).for_each(|part| above(g, theme, shown, drawing, part, camera, size));
}

/// What is below all lines; gives those that are painted next, part by part.
pub fn below(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, size: Size) -> Flat {
    seen_by(g, camera, size, || {
        boxes::frames(g, theme, shown, drawing, camera.zoom);
        let lines = Lines::of(shown, drawing, camera.zoom);
        lines.paint_bundles(g, theme);
        lines.flat()
    })
}

pub fn some_lines(g: &Context, theme: &Theme, lines: &Flat, part: usize, camera: Camera, size: Size) {
    seen_by(g, camera, size, || lines.paint(g, theme, part));
}

type Part = fn(&Context, &Theme, &Shown, &Drawing, Camera, Size);

/// What is above the lines, one after the other.
const ABOVE: [Part; 3] = [single_lines, nodes, names];

/// How many parts that has.
pub const ABOVE_PARTS: usize = ABOVE.len();

pub fn above(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, part: usize, camera: Camera, size: Size) {
    seen_by(g, camera, size, || ABOVE[part](g, theme, shown, drawing, camera, size));
}

fn single_lines(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, _: Size) {
    Lines::of(shown, drawing, camera.zoom).paint_single(g, theme);
}

fn names(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, size: Size) {
    boxes::titles(g, theme, shown, drawing, camera.zoom);
    label::paint(g, theme, shown, drawing, camera, size);
}

/// Paints in units of the graph, as the camera sees them.
fn seen_by<T>(g: &Context, camera: Camera, size: Size, paint: impl FnOnce() -> T) -> T {
    g.save();
    let _ = g.translate(size.width / 2.0, size.height / 2.0);
    let _ = g.scale(camera.zoom, camera.zoom);
    let _ = g.translate(-camera.centre.x, -camera.centre.y);
    let painted = paint();
    g.restore();
    painted
}

fn nodes(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, size: Size) {
    let height = RADIUS * 2.0 * camera.zoom;
    let mut crowd = Crowd::default();
    // From furthest, who is in an open group is part of one cell.
    let hulls =
        (!drawing.is_exact && far::is_hull(camera.zoom)).then(|| boxes::hulls(g, theme, shown, drawing, camera.zoom));
    let is_inside = |slot: &u32| hulls.as_ref().is_some_and(|inside| inside.contains(slot));
    let in_sight = || shown.nodes().filter(|(slot, _, p)| camera.may_show(*p, size) && !is_inside(slot));
    let is_one_of_many = |slot: u32, node: &Summary| {
        !drawing.is_exact
            && height < FAR
            && far::is_plain(node)
            && drawing.came_at(node).is_none()
            && drawing.selected != Some(slot)
            && drawing.hovered != Some(slot)
    };
    for (slot, node, p) in in_sight().filter(|(slot, node, _)| is_one_of_many(*slot, node)) {
        crowd.add(node, p, drawing.is_faded(slot));
    }
    crowd.paint(g, theme, drawing.gauge.as_ref(), height);
    for (node, p, _) in shown.ghosts.iter().filter(|(_, p, _)| camera.may_show(*p, size)) {
        ghost(g, theme, node, *p);
    }
    for (slot, node, p) in in_sight() {
        if is_one_of_many(slot, node) {
            if !node.health.is_empty() {
                finding(g, theme, node, p, camera.zoom);
            }
            continue;
        }
        let seen = if drawing.is_faded(slot) { theme.faded } else { 1.0 };
        g.set_global_alpha(seen);
        shape(g, theme, node, drawing.gauge.as_ref(), (p, height, seen));
        let picked = drawing.selected == Some(slot);
        if picked || drawing.hovered == Some(slot) {
            ring(g, theme, node, p, picked);
        }
        if drawing.came_at(node).is_some() {
            new_ring(g, theme, node, p, camera.zoom);
        }
        if !node.health.is_empty() {
            finding(g, theme, node, p, camera.zoom);
        }
    }
    g.set_global_alpha(1.0);
}

/// What is found, over a picture that does not show it yet: as if from far, which takes little.
pub fn found(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, size: Size) {
    // Those that are found are mostly few of all.
    let found = drawing.found.iter().flat_map(|found| found.keys().copied());
    let seen = found.filter(|slot| !drawing.is_faded(*slot)).filter_map(|slot| {
        let at = shown.at.get(&slot).copied().filter(|at| camera.may_show(*at, size))?;
        Some((shown.folding.node(shown.model, slot)?, at))
    });
    seen_by(g, camera, size, || far::squares(g, theme, seen));
}

/// Those nodes and what joins them to others, over a picture that does not show them yet.
pub fn newcomers(
    g: &Context,
    theme: &Theme,
    shown: &Shown,
    drawing: &Drawing,
    new: &BTreeSet<u32>,
    camera: Camera,
    size: Size,
) {
    let height = RADIUS * 2.0 * camera.zoom;
    let place = |slot: &u32| shown.at.get(slot).copied();
    seen_by(g, camera, size, || {
        // Between open groups lines are put together, in the next picture.
        if shown.boxes.is_empty() {
            g.set_stroke_style_str(&theme.edge);
            g.set_line_width(1.0 / camera.zoom);
            g.begin_path();
            let own = shown.strands.keys().filter(|(source, target)| new.contains(source) || new.contains(target));
            for (ends, (a, b)) in own.filter_map(|ends| Some((ends, place(&ends.0).zip(place(&ends.1))?))) {
                path(g, shown.ways.way(*ends, a, b).iter().copied());
            }
            g.stroke();
        }
        let mut crowd = Crowd::default();
        for slot in new {
            let Some((node, at)) = shown.folding.node(shown.model, *slot).zip(place(slot)) else { continue };
            if height < FAR {
                crowd.add(node, at, drawing.is_faded(*slot));
            } else {
                shape(g, theme, node, drawing.gauge.as_ref(), (at, height, 1.0));
            }
        }
        crowd.paint(g, theme, drawing.gauge.as_ref(), height);
    });
}

/// Dots that move with the camera, so that panning is seen where there is nothing.
pub fn grid(g: &Context, theme: &Theme, camera: Camera, size: Size) {
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

/// One that begins where the one before ends goes on from there.
pub fn path(g: &Context, curves: impl IntoIterator<Item = Curve>) {
    let mut end = None;
    for [a, b, c, d] in curves {
        if end != Some(a) {
            g.move_to(a.x, a.y);
        }
        g.bezier_curve_to(b.x, b.y, c.x, c.y, d.x, d.y);
        end = Some(d);
    }
}

/// Dots are dashes of next to no length, which are seen only by their round ends.
pub fn is_dotted(pattern: &[f64]) -> bool {
    pattern.first().is_some_and(|dash| *dash < 1.0)
}

pub fn dash(g: &Context, pattern: &[f64]) {
    g.set_line_cap(if is_dotted(pattern) { "round" } else { "butt" });
    let list: js_sys::Array = pattern.iter().map(|n| JsValue::from_f64(*n)).collect();
    let _ = g.set_line_dash(&list);
}

pub fn head_length(width: f64) -> f64 {
    6.0 + width * 1.7
}

pub fn head(g: &Context, curve: Curve, colour: &str, width: f64) {
    let (end, before) = (curve[3], scene::on_curve(curve, 0.94));
    let angle = (end.y - before.y).atan2(end.x - before.x);
    let length = head_length(width);
    g.set_fill_style_str(colour);
    g.begin_path();
    g.move_to(end.x, end.y);
    for side in [0.42, -0.42] {
        g.line_to(end.x - length * (angle + side).cos(), end.y - length * (angle + side).sin());
    }
    g.close_path();
    g.fill();
}

/// An octagon with a cross, never smaller than 12 pixels; gives its radius.
fn octagon(g: &Context, theme: &Theme, at: Point, zoom: f64) -> f64 {
    let r = 7.5f64.max(6.0 / zoom.max(0.01)).min(RADIUS * 2.0);
    let corners: Vec<Point> = (0..8)
        .map(|n| TAU * (f64::from(n) + 0.5) / 8.0)
        .map(|a| Point { x: at.x + a.cos() * r, y: at.y + a.sin() * r })
        .collect();
    badge(g, &corners, r, &theme.canvas, &theme.bad);
    g.set_stroke_style_str(&theme.on_bad);
    g.set_line_width(r * 0.24);
    g.set_line_cap("round");
    g.begin_path();
    let d = r * 0.33;
    for (from, to) in [((-d, -d), (d, d)), ((d, -d), (-d, d))] {
        g.move_to(at.x + from.0, at.y + from.1);
        g.line_to(at.x + to.0, at.y + to.1);
    }
    g.stroke();
    g.set_line_cap("butt");
    r
}

/// With a moat of the canvas' colour, so that it is told from whatever is below.
fn badge(g: &Context, corners: &[Point], r: f64, canvas: &str, fill: &str) {
    g.begin_path();
    rounded(g, corners, r * 0.2);
    g.set_line_join("round");
    g.set_stroke_style_str(canvas);
    g.set_line_width(r * 0.55);
    g.stroke();
    g.set_fill_style_str(fill);
    g.fill();
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

fn shape(g: &Context, theme: &Theme, node: &Summary, gauge: Option<&Gauge>, (p, height, seen): (Point, f64, f64)) {
    let (fill, line) = theme.kind(&node.kind);
    let stopped = node.state == "stopped";
    let lost = matches!(node.state.as_str(), "stale" | "down");
    let unprobed = node.state == "unprobed";
    if lost {
        g.set_global_alpha(0.6 * seen);
    }
    g.set_line_width(if stopped { 1.0 } else { theme.stroke });
    // What runs short or is out of reach, whoever says so.
    let line = match node.state.as_str() {
        "degraded" | "unhealthy" | "disconnected" | "unreachable" => &theme.warn,
        "failed" | "rejected" => &theme.bad,
        _ => line,
    };
    g.set_stroke_style_str(line);
    if node.stack && height >= 26.0 {
        for step in [2.0, 1.0] {
            outline(g, &node.kind, Point { x: p.x + scene::PLATE * step, y: p.y - scene::PLATE * step }, 0.0);
            g.set_fill_style_str(&theme.canvas);
            g.fill();
            g.stroke();
        }
    }
    outline(g, &node.kind, p, 0.0);
    g.set_fill_style_str(if stopped || unprobed { &theme.canvas } else { fill });
    g.fill();
    let says_metric = gauge.is_some_and(|gauge| metric_fill(g, theme, node, gauge, p, height));
    outline(g, &node.kind, p, 0.0);
    dash(g, if lost || unprobed { &[5.0, 4.0] } else { &[] });
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
    } else if unprobed && height >= 26.0 {
        mark::unseen(g, theme, p);
    } else if !says_metric && height >= NEAR {
        Trade::of(node).into_iter().for_each(|trade| mark::trade(g, theme, trade, p));
    }
}

/// A metric as the height of the fill, where it is worth a look, with its value where there is room: gives whether there is.
fn metric_fill(g: &Context, theme: &Theme, node: &Summary, gauge: &Gauge, p: Point, height: f64) -> bool {
    let Some((share, words)) = gauge.reading(node).filter(|(share, _)| *share >= 0.005 && node.state.is_empty()) else {
        return false;
    };
    g.save();
    g.clip();
    g.set_fill_style_str(&theme.metric);
    let top = p.y + RADIUS - share * RADIUS * 2.0;
    g.fill_rect(p.x - RADIUS - 4.0, top, RADIUS * 2.0 + 8.0, p.y + RADIUS - top + 4.0);
    g.set_fill_style_str(&theme.metric_line);
    g.fill_rect(p.x - RADIUS - 4.0, top, RADIUS * 2.0 + 8.0, 1.0);
    g.restore();
    let has_room = height >= 36.0 && node.count == 0 && words != "0%";
    if has_room {
        g.set_font(&format!("500 {}px {}", if words.len() > 5 { 9 } else { 11 }, theme.font));
        g.set_text_align("center");
        g.set_text_baseline("middle");
        g.set_fill_style_str(&theme.text);
        let _ = g.fill_text(&words, p.x, p.y + 0.5);
    }
    has_room
}

/// Something is wrong with it: an octagon with a cross or a triangle with a bang, never smaller than 12 pixels.
fn finding(g: &Context, theme: &Theme, node: &Summary, p: Point, zoom: f64) {
    let at = Point { x: p.x + RADIUS * 0.72, y: p.y - RADIUS * 0.72 };
    if node.health == "failing" {
        octagon(g, theme, at, zoom);
        return;
    }
    let Point { x, y } = at;
    let r = 7.5f64.max(6.0 / zoom.max(0.01)).min(RADIUS * 2.0);
    let corners =
        [(0.0, -1.05), (1.05, 0.8), (-1.05, 0.8)].map(|(dx, dy)| Point { x: x + dx * r, y: y + dy * r }).to_vec();
    badge(g, &corners, r, &theme.canvas, &theme.warn);
    g.set_stroke_style_str(&theme.on_warn);
    g.set_line_width(r * 0.24);
    g.set_line_cap("round");
    g.begin_path();
    g.move_to(x, y - r * 0.35);
    g.line_to(x, y + r * 0.15);
    g.move_to(x, y + r * 0.5);
    g.line_to(x, y + r * 0.52);
    g.stroke();
    g.set_line_cap("butt");
}

fn ring(g: &Context, theme: &Theme, node: &Summary, p: Point, picked: bool) {
    outline(g, &node.kind, p, if picked { 4.0 } else { 2.5 });
    g.set_stroke_style_str(&theme.ring);
    g.set_line_width(if picked { theme.ring_stroke } else { 1.0 });
    g.stroke();
}

/// Around a node that came lately; never thinner than a pixel.
fn new_ring(g: &Context, theme: &Theme, node: &Summary, p: Point, zoom: f64) {
    outline(g, &node.kind, p, 5.0);
    g.set_stroke_style_str(&theme.ring);
    g.set_line_width((1.0 / zoom).max(1.5));
    dash(g, &[2.0, 3.0]);
    g.stroke();
    dash(g, &[]);
}

/// A ring that goes out as `left` falls from 1 to 0.
pub fn arrival(g: &Context, theme: &Theme, node: &Summary, p: Point, left: f64) {
    g.set_global_alpha(left);
    outline(g, &node.kind, p, 5.0 + 6.0 * (1.0 - left));
    g.set_stroke_style_str(&theme.ring);
    g.set_line_width(1.5);
    g.stroke();
    g.set_global_alpha(1.0);
}

/// Where a node was that went.
fn ghost(g: &Context, theme: &Theme, node: &Summary, p: Point) {
    g.set_global_alpha(0.4);
    outline(g, &node.kind, p, 0.0);
    g.set_stroke_style_str(theme.kind(&node.kind).1);
    g.set_line_width(1.5);
    dash(g, &[4.0, 4.0]);
    g.stroke();
    dash(g, &[]);
    g.set_global_alpha(1.0);
}

/// Of a network's line, by its slot; the line that is double is drawn twice where there is room.
pub fn pattern(slot: usize) -> &'static [f64] {
    match slot {
        1 => &[5.0, 2.0],
        2 => &[0.1, 4.0],
        4 => &[6.0, 2.0, 1.0, 2.0],
        5 => &[2.5, 2.0],
        _ => &[],
    }
}

/// A colour `share` of the way from one to the other; both as `#rrggbb`.
pub fn mixed(from: &str, to: &str, share: f64) -> String {
    let part = |colour: &str, n: usize| {
        colour.get(1 + n * 2..3 + n * 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).map(f64::from)
    };
    let mix = |n: usize| {
        let (a, b) = (part(from, n).unwrap_or(128.0), part(to, n).unwrap_or(128.0));
        (a + (b - a) * share).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}
