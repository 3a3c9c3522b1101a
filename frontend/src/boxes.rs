//! Open groups on the canvas: their frames, their titles, and what goes from one to another.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use shared::view::Summary;
use web_sys::CanvasRenderingContext2d as Context;

use crate::far;
use crate::folding;
use crate::layout::Point;
use crate::lines::slot_of;
use crate::paint::{self, Drawing, Shown, dash, pattern};
use crate::room::Frame;
use crate::scene::{self, Curve, RADIUS};
use crate::strand::Strand;
use crate::text;
use crate::theme::Theme;

/// Of a box's title, in units of the graph: where one is one pixel of the screen, and on the screen at least.
const TITLE: f64 = 34.0;
const TITLE_PX_MIN: f64 = 20.0;
/// Fewer lines than so many are drawn one by one also between groups.
const BUNDLED_FROM: usize = 60;

/// The strip at the top of a box that folds it.
pub fn title_of(frame: &Frame, zoom: f64) -> Frame {
    Frame { bottom: frame.top + TITLE.max(TITLE_PX_MIN / zoom), ..*frame }
}

pub fn frames(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, zoom: f64) {
    for (key, frame) in shown.boxes {
        let Some(group) = shown.folding.groups.get(key) else { continue };
        // A network is the same line wherever it is.
        let slot = shown.by.as_deref().filter(|by| *by == folding::NETWORKS).map(|_| slot_of(&group.label));
        g.begin_path();
        let (width, height) = (frame.right - frame.left, frame.bottom - frame.top);
        let _ = g.round_rect_with_f64(frame.left, frame.top, width, height, 12.0);
        g.set_global_alpha(0.5);
        g.set_fill_style_str(&theme.card);
        g.fill();
        g.set_global_alpha(1.0);
        g.set_stroke_style_str(match slot {
            _ if drawing.hovered_box.as_ref() == Some(key) => &theme.ring,
            Some(slot) => &theme.networks[slot],
            None => &theme.line,
        });
        g.set_line_width(1.0 / zoom.clamp(0.25, 1.0));
        dash(g, slot.map_or(&[][..], pattern));
        g.stroke();
        dash(g, &[]);
    }
}

/// What each open group is called and how many are in it, with the minus that folds it.
pub fn titles(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, zoom: f64) {
    g.set_text_align("left");
    g.set_text_baseline("middle");
    g.set_line_join("round");
    for (key, frame) in shown.boxes {
        let Some(group) = shown.folding.groups.get(key) else { continue };
        let is_hovered = drawing.hovered_box.as_ref() == Some(key);
        let title = title_of(frame, zoom);
        let px = 13.0f64.max(11.0 / zoom);
        let (x, y) = (title.left + px, (title.top + title.bottom) / 2.0);
        let room = frame.right - x - px * 2.0;
        let name = text::shortened(text::base_name(&group.label), ((room / (px * 0.6)) as usize).max(4));
        g.set_stroke_style_str(&theme.canvas);
        g.set_line_width(px * 0.4);
        g.set_font(&format!("600 {px:.2}px {}", theme.font));
        let _ = g.stroke_text(&name, x + px * 1.2, y);
        g.set_fill_style_str(&theme.text);
        let _ = g.fill_text(&name, x + px * 1.2, y);
        let wide = g.measure_text(&name).map_or(0.0, |measured| measured.width());
        let count = text::grouped(group.members.len());
        if wide + (count.len() as f64 + 3.0) * px * 0.6 < room {
            g.set_font(&format!("400 {:.2}px {}", px * 0.92, theme.font));
            let _ = g.stroke_text(&count, x + px * 1.8 + wide, y);
            g.set_fill_style_str(&theme.text_2);
            let _ = g.fill_text(&count, x + px * 1.8 + wide, y);
        }
        g.set_stroke_style_str(if is_hovered { &theme.text } else { &theme.text_3 });
        g.set_line_width(px * 0.12);
        g.begin_path();
        g.move_to(x, y);
        g.line_to(x + px * 0.7, y);
        g.stroke();
    }
}

/// Each open group as one cell with the number of its members; gives those that need not be drawn by themselves.
pub fn hulls(g: &Context, theme: &Theme, shown: &Shown, drawing: &Drawing, zoom: f64) -> BTreeSet<u32> {
    let mut inside = BTreeSet::new();
    g.set_text_align("center");
    g.set_text_baseline("middle");
    for (key, frame) in shown.boxes {
        let Some(group) = shown.folding.groups.get(key) else { continue };
        let top = title_of(frame, zoom).bottom;
        let centre = Point { x: (frame.left + frame.right) / 2.0, y: (top + frame.bottom) / 2.0 };
        let radius = (frame.right - frame.left).min(frame.bottom - top).max(0.0) * 0.46;
        let nodes: Vec<&Summary> = group.members.iter().filter_map(|slot| shown.model.nodes.get(slot)).collect();
        far::hull(g, theme, &nodes, drawing.gauge.as_ref(), centre, radius);
        g.set_font(&format!("600 {:.2}px {}", radius * 0.5, theme.font));
        g.set_fill_style_str(&theme.text);
        let _ = g.fill_text(&text::grouped(group.members.len()), centre.x, centre.y);
        // What is wrong, is found or is pointed at is seen from any distance.
        let is_told = |slot: &u32, node: &Summary| {
            !node.health.is_empty()
                || drawing.selected == Some(*slot)
                || drawing.found.as_ref().is_some_and(|found| found.contains_key(slot))
        };
        let plain =
            group.members.iter().filter(|slot| shown.model.nodes.get(slot).is_some_and(|node| !is_told(slot, node)));
        inside.extend(plain.copied());
    }
    inside
}

/// Beyond so many, lines between groups are thin, and the fainter the more there are.
const CROWDED: f64 = 200.0;

/// What a bundle goes to: a group, or a node that is in none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End<'a> {
    Group(&'a str),
    Node(u32),
}

/// Where there are many lines, those between two groups are one.
pub struct Bundles<'a> {
    /// The group that a node is in, by its key.
    of: HashMap<u32, &'a str>,
    /// Whether there are so many lines.
    is_needed: bool,
    curves: Vec<(Curve, Strand)>,
}

impl<'a> Bundles<'a> {
    pub fn of(shown: &'a Shown, strands: &BTreeMap<(u32, u32), Strand>) -> Self {
        let is_needed = !shown.boxes.is_empty() && strands.len() >= BUNDLED_FROM;
        let mut bundles = Self { of: HashMap::default(), is_needed, curves: Vec::new() };
        for key in shown.boxes.keys() {
            let members = shown.folding.groups.get(key).map_or(&[][..], |group| &group.members);
            bundles.of.extend(members.iter().map(|member| (*member, key.as_str())));
        }
        if !is_needed {
            return bundles;
        }
        let mut between: BTreeMap<(End, End), Strand> = BTreeMap::new();
        for ((source, target), strand) in strands.iter().filter(|((a, b), _)| bundles.takes(*a, *b)) {
            let end = |slot: &u32| bundles.of.get(slot).map_or(End::Node(*slot), |key| End::Group(key));
            between.entry((end(source), end(target))).or_default().merge(strand);
        }
        let frame = |end: End| match end {
            End::Group(key) => shown.boxes.get(key).copied(),
            End::Node(slot) => shown.at.get(&slot).map(|at| Frame::around(*at, RADIUS)),
        };
        bundles.curves = between
            .into_iter()
            .filter_map(|((source, target), strand)| {
                Some((scene::bundle_curve(&frame(source)?, &frame(target)?), strand))
            })
            .collect();
        bundles
    }

    /// Whether a line is part of one between groups.
    pub fn takes(&self, source: u32, target: u32) -> bool {
        self.is_needed && self.of.get(&source) != self.of.get(&target)
    }

    /// Whether a line is within one open group.
    pub fn is_inside_one(&self, source: u32, target: u32) -> bool {
        self.of.get(&source).is_some_and(|own| self.of.get(&target) == Some(own))
    }

    pub fn paint(&self, g: &Context, theme: &Theme, drawing: &Drawing, zoom: f64) {
        // From far they are as wide as from near.
        let scale = (0.6 / zoom).max(1.0);
        // Where all groups talk to all, the lines must not hide who is in them.
        let rest = (CROWDED / self.curves.len().max(1) as f64).clamp(0.1, 1.0);
        let is_faded = drawing.lit.is_some() || drawing.found.is_some();
        g.set_global_alpha(if is_faded { 0.15 } else { 0.5 } * rest);
        for (curve, strand) in &self.curves {
            let width = if rest < 1.0 { 1.0 / zoom } else { strand.width(drawing.lines) * scale };
            g.set_stroke_style_str(&theme.edge);
            g.set_line_width(width);
            g.begin_path();
            paint::path(g, [scene::shortened(*curve, paint::head_length(width) * 0.7)]);
            g.stroke();
            paint::head(g, *curve, &theme.edge, width);
        }
        g.set_global_alpha(1.0);
    }
}
