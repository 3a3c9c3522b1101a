//! Names on the canvas, never too small to be read.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use shared::view::Summary;
use web_sys::CanvasRenderingContext2d as Context;

use crate::boxes;
use crate::layout::Point;
use crate::paint::{Drawing, Shown, dash, pattern};
use crate::room::{Frame, Room, Side};
use crate::scene::{Camera, RADIUS, Size};
use crate::sheet::MARGIN;
use crate::theme::Theme;
use crate::{text, times};

/// Of a name, in pixels: where one pixel of the graph is one of the screen, and on the screen at least.
const NAME_PX: f64 = 13.0;
const NAME_PX_MIN: f64 = 11.0;
const MINOR_PX: f64 = 12.0;
/// More nodes than so many are only named from near.
const NAMED_FROM_FAR_MAX: usize = 300;
/// Height of a node on the screen, in pixels, from which it has its name, whoever else is there.
const NAMED: f64 = 24.0;
/// And from which it has all that belongs to it.
pub const NEAR: f64 = 40.0;
/// Below this there is nothing to put a name to.
const SPECK: f64 = 6.0;
/// A name, and what is said below it, may be cut to so many letters where there is no room for more.
const CUTS: [(usize, usize); 4] = [(26, 22), (18, 16), (13, 12), (8, 9)];
/// Of two lines, from one to the next.
const LINE_PX: f64 = 16.0;
/// Between a node and its name; from far it grows less than letters do.
const GAP_PX: f64 = 10.0;
const GAP_SCALE_MAX: f64 = 1.6;

/// Who went is named after all who are there, unless these are faded.
const WENT: u8 = 8;

/// So many names that were measured are kept.
const WIDTHS_MAX: usize = 20_000;
const MEASURED_PX: f64 = 16.0;
/// No screen has room for more names than so many; who would come after them is not tried.
const TRIED_MAX: usize = 1_500;

thread_local! {
    /// Widths of words in parts of their size, by weight.
    static WIDTHS: RefCell<HashMap<u32, HashMap<String, f64>>> = RefCell::default();
}

/// Once another typeface is there.
pub fn forget_widths() {
    WIDTHS.with_borrow_mut(HashMap::clear);
}

/// What stands beside one node.
#[derive(PartialEq)]
struct Words {
    name: String,
    minor: Option<String>,
}

struct Pen<'a> {
    g: &'a Context,
    theme: &'a Theme,
    /// By how much letters are larger than the graph, so that they can be read.
    scale: f64,
}

impl Pen<'_> {
    fn font(&self, weight: u32, px: f64) -> String {
        format!("{weight} {:.2}px {}", px * self.scale, self.theme.font)
    }

    /// Letters grow with their size alone: each name is measured once.
    fn width(&self, weight: u32, px: f64, words: &str) -> f64 {
        let known = WIDTHS.with_borrow(|known| known.get(&weight)?.get(words).copied());
        let of_one = known.unwrap_or_else(|| {
            self.g.set_font(&format!("{weight} {MEASURED_PX}px {}", self.theme.font));
            let measured = self.g.measure_text(words).map(|measured| measured.width() / MEASURED_PX);
            let width = measured.unwrap_or(words.chars().count() as f64 * 0.55);
            WIDTHS.with_borrow_mut(|known| {
                if known.values().map(HashMap::len).sum::<usize>() >= WIDTHS_MAX {
                    known.clear();
                }
                known.entry(weight).or_default().insert(words.to_owned(), width);
            });
            width
        });
        of_one * px * self.scale
    }

    fn size(&self, Words { name, minor }: &Words) -> (f64, f64) {
        let name = self.width(600, NAME_PX, name);
        match minor {
            Some(minor) => (name.max(self.width(400, MINOR_PX, minor)), (LINE_PX * 2.0 + 2.0) * self.scale),
            None => (name, LINE_PX * self.scale),
        }
    }

    fn write(&self, words: &Words, side: Side, frame: &Frame, minor_colour: &str) {
        let (align, x) = match side {
            Side::Right => ("left", frame.left),
            Side::Left => ("right", frame.right),
            Side::Below => ("center", (frame.left + frame.right) / 2.0),
        };
        let g = self.g;
        g.set_text_align(align);
        g.set_text_baseline("alphabetic");
        g.set_stroke_style_str(&self.theme.canvas);
        g.set_line_width(4.0 * self.scale);
        let line = |words: &str, font: String, y: f64, colour: &str| {
            g.set_font(&font);
            let _ = g.stroke_text(words, x, y);
            g.set_fill_style_str(colour);
            let _ = g.fill_text(words, x, y);
        };
        let below = |px: f64| frame.top + px * self.scale;
        line(&words.name, self.font(600, NAME_PX), below(12.5), &self.theme.text);
        if let Some(minor) = &words.minor {
            line(minor, self.font(400, MINOR_PX), below(12.5 + LINE_PX), minor_colour);
        }
    }
}

/// Names in the order of who matters most: right of their nodes, cut where there is no room for more, else left or below.
/// One that finds no place even so is left out; the table has them all.
pub fn paint(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, camera: Camera, size: Size) {
    let height = RADIUS * 2.0 * camera.zoom;
    let seen: Vec<(u32, &Summary, Point)> = shown.nodes().filter(|(.., p)| camera.may_show(*p, size)).collect();
    let ghosts = shown.ghosts.iter().filter(|(_, p, _)| camera.may_show(*p, size));
    let all_named = height >= NAMED || (height >= SPECK && seen.len() <= NAMED_FROM_FAR_MAX);
    let mut order: Vec<(u8, u32, &Summary, Point)> = Vec::new();
    for (slot, node, p) in seen.iter().copied() {
        let rank = match () {
            () if drawing.selected == Some(slot) => 0,
            () if drawing.found.as_ref().is_some_and(|found| found.contains_key(&slot)) => 2,
            () if drawing.is_faded(slot) => 9,
            () if !node.health.is_empty() => 3,
            () => 5,
        };
        // Far away in a crowd, only those that somebody points at or searches have names, and groups.
        let is_sought = rank < 3 || drawing.hovered == Some(slot);
        if all_named || is_sought || (height >= 12.0 && node.stack) {
            order.push((rank, slot, node, p));
        }
    }
    let mut went = BTreeMap::new();
    if all_named {
        // They have no numbers any more; these nobody else has.
        for (slot, (node, p, at_ms)) in (0..=u32::MAX).rev().zip(ghosts) {
            went.insert(slot, *at_ms);
            order.push((WENT, slot, node, *p));
        }
    }
    if order.is_empty() {
        return;
    }
    order.sort_by_key(|(rank, slot, ..)| (*rank, *slot));
    let mut room = Room::default();
    shown.boxes.values().for_each(|frame| room.take(boxes::title_of(frame, camera.zoom)));
    seen.iter().for_each(|(.., p)| room.take(Frame::around(*p, RADIUS)));
    let pen = Pen { g, theme, scale: (NAME_PX_MIN / (NAME_PX * camera.zoom)).max(1.0) };
    // The picture is larger than what is seen of it.
    let edge = MARGIN / (1.0 + 2.0 * MARGIN);
    let corner = |share: f64| camera.to_world(Point { x: size.width * share, y: size.height * share }, size);
    let (low, high) = (corner(edge), corner(1.0 - edge));
    let stage = Frame { left: low.x, top: low.y, right: high.x, bottom: high.y };
    g.set_line_join("round");
    for (rank, slot, node, p) in order.into_iter().take(TRIED_MAX) {
        let reason = drawing.found.as_ref().and_then(|found| found.get(&slot).cloned().flatten());
        let is_pointed_at = rank == 0 || drawing.hovered == Some(slot);
        let minor_colour = if reason.is_some() { &theme.accent } else { &theme.text_2 };
        let changed = match went.get(&slot) {
            Some(at_ms) => Some(format!("went {}", times::clock(*at_ms as f64))),
            None => drawing.came_at(node).map(|at_ms| format!("came {}", times::clock(at_ms as f64))),
        };
        let is_marked = changed.is_some();
        let minor = match &reason {
            Some(reason) => text::shortened(reason, 30),
            None => changed.unwrap_or_else(|| node.label_minor.clone()),
        };
        // Every container has an eth0: whose it is, is half of its name.
        let has_minor = !minor.is_empty()
            && (height >= NEAR || node.kind == "interface" || reason.is_some() || is_pointed_at || is_marked);
        let name = text::base_name(&node.label);
        let mut wished: Vec<Words> = Vec::new();
        for (letters, of_minor) in CUTS {
            let minor = has_minor.then(|| text::shortened(&minor, of_minor));
            let words = Words { name: text::shortened(name, letters), minor };
            if wished.last() != Some(&words) {
                wished.push(words);
            }
        }
        let shape = RADIUS * if node.kind == "network" { 1.15 } else { 1.0 } + if node.stack { 5.0 } else { 0.0 };
        let reach = shape + GAP_PX * pen.scale.min(GAP_SCALE_MAX);
        let sizes: Vec<(f64, f64)> = wished.iter().map(|words| pen.size(words)).collect();
        let around = shown.boxes.values().find(|frame| frame.has(p));
        let found = room.place(p, reach, &sizes, (&stage, around));
        let (n, side, frame) = match found {
            Some(found) => found,
            None if is_pointed_at => {
                let frame = Frame::beside(p, reach, Side::Right, sizes[0]);
                room.take(frame);
                (0, Side::Right, frame)
            }
            None => continue,
        };
        g.set_global_alpha(match rank {
            WENT => 0.5,
            _ if drawing.is_faded(slot) => theme.faded,
            _ => 1.0,
        });
        pen.write(&wished[n], side, &frame, minor_colour);
        if height >= NEAR && side == Side::Right && rank != WENT {
            bars(g, theme, node, frame.left, frame.bottom + 3.0);
        }
    }
    g.set_global_alpha(1.0);
}

/// A short line for each network that the node is on.
fn bars(g: &Context, theme: &Theme, node: &Summary, x: f64, y: f64) {
    for (n, network) in node.networks.iter().take(6).enumerate() {
        let slot = crate::lines::slot_of(&network.label);
        let left = x + n as f64 * 17.0;
        g.set_stroke_style_str(&theme.networks[slot]);
        g.set_line_width(3.0);
        dash(g, pattern(slot));
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
}
