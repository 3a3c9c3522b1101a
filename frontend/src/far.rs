//! Nodes from far: all of a kind in one stroke, without what nobody could see of them. From further, each is a cell whose
//! heat is its metric; from furthest an open group is one.

use std::collections::BTreeMap;

use shared::view::Summary;
use web_sys::{CanvasRenderingContext2d as Context, Path2d};

use crate::gauge::Gauge;
use crate::layout::Point;
use crate::paint::mixed;
use crate::scene::{self, RADIUS};
use crate::theme::Theme;

/// Below this height on the screen, in pixels, a node is one of many.
pub const FAR: f64 = 20.0;
/// And below this it is a cell.
const CELL: f64 = 10.0;
/// Of a cell, in units of the graph: neighbours do not touch.
const CELL_RADIUS: f64 = 35.0;
/// Cells that are narrower than this on the screen, in pixels, are no longer told apart.
const CELL_PX_MIN: f64 = 4.0;
/// So many steps of heat there are, beside none.
const HEATS: f64 = 6.0;
/// Half of what a fill is wide, so that it stays within any shape.
const FILL: f64 = RADIUS * 0.74;

/// Whether a node looks like all others of its kind.
pub fn is_plain(node: &Summary) -> bool {
    node.state.is_empty() && !node.stack
}

/// Nodes by whether they are faded and what they are.
#[derive(Default)]
pub struct Crowd<'a>(BTreeMap<(bool, &'a str), Vec<(&'a Summary, Point)>>);

impl<'a> Crowd<'a> {
    pub fn add(&mut self, node: &'a Summary, at: Point, is_faded: bool) {
        self.0.entry((is_faded, node.kind.as_str())).or_default().push((node, at));
    }

    pub fn paint(&self, g: &Context, theme: &Theme, gauge: Option<&Gauge>, height: f64) {
        for ((is_faded, kind), nodes) in &self.0 {
            g.set_global_alpha(if *is_faded { theme.faded } else { 1.0 });
            match height < CELL {
                true => cells(g, theme, kind, nodes, gauge),
                false => shapes(g, theme, kind, nodes, gauge),
            }
        }
        g.set_global_alpha(1.0);
    }
}

/// Nodes as squares of their kinds' colours: what can be done for thousands of them between two letters that are typed.
pub fn squares<'a>(g: &Context, theme: &Theme, nodes: impl Iterator<Item = (&'a Summary, Point)>) {
    let mut by_kind: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    nodes.for_each(|(node, at)| by_kind.entry(node.kind.as_str()).or_default().push(at));
    for (kind, nodes) in by_kind {
        g.set_fill_style_str(theme.kind(kind).1);
        g.begin_path();
        nodes.into_iter().for_each(|at| g.rect(at.x - FILL, at.y - FILL, FILL * 2.0, FILL * 2.0));
        g.fill();
    }
}

/// Where an open group is so small that it is one cell, which is as hot as its members are in the mean.
pub fn is_hull(zoom: f64) -> bool {
    CELL_RADIUS * 2.0 * zoom < CELL_PX_MIN
}

/// A path of its own: the context's own, of thousands, makes a task of more than 50 ms.
fn shapes(g: &Context, theme: &Theme, kind: &str, nodes: &[(&Summary, Point)], gauge: Option<&Gauge>) {
    let Ok(shapes) = Path2d::new() else { return };
    let outline = scene::polygon(kind);
    for (_, at) in nodes {
        match &outline {
            Some(corners) => polygon(&shapes, corners, *at, 1.0),
            None => {
                shapes.move_to(at.x + RADIUS, at.y);
                let _ = shapes.arc(at.x, at.y, RADIUS, 0.0, std::f64::consts::TAU);
            }
        }
    }
    let (fill, line) = theme.kind(kind);
    g.set_fill_style_str(fill);
    g.fill_with_path_2d(&shapes);
    if let Some(gauge) = gauge {
        g.set_fill_style_str(&theme.metric);
        g.begin_path();
        for (node, at) in nodes {
            let share = gauge.share(node).filter(|share| *share >= 0.005);
            if let Some(share) = share {
                let full = FILL * 2.0 * share;
                g.rect(at.x - FILL, at.y + FILL - full, FILL * 2.0, full);
            }
        }
        g.fill();
    }
    g.set_stroke_style_str(line);
    g.set_line_width(theme.stroke);
    g.stroke_with_path(&shapes);
}

/// Cells of one kind, those of one heat in one stroke.
fn cells(g: &Context, theme: &Theme, kind: &str, nodes: &[(&Summary, Point)], gauge: Option<&Gauge>) {
    let mut by_heat: BTreeMap<u32, Vec<Point>> = BTreeMap::new();
    for (node, at) in nodes {
        by_heat.entry(heat(gauge.and_then(|gauge| gauge.share(node)))).or_default().push(*at);
    }
    let corners = scene::polygon("container").unwrap_or_default();
    for (heat, nodes) in by_heat {
        let Ok(cells) = Path2d::new() else { return };
        nodes.into_iter().for_each(|at| polygon(&cells, &corners, at, CELL_RADIUS / RADIUS));
        g.set_fill_style_str(&colour(theme, kind, heat));
        g.fill_with_path_2d(&cells);
    }
}

/// All of a group as one cell in the middle of its frame.
pub fn hull(g: &Context, theme: &Theme, members: &[&Summary], gauge: Option<&Gauge>, centre: Point, radius: f64) {
    let shares: Vec<f64> = members.iter().filter_map(|node| gauge?.share(node)).collect();
    let mean = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
    let (Ok(cell), Some(first)) = (Path2d::new(), members.first()) else { return };
    polygon(&cell, &scene::polygon("container").unwrap_or_default(), centre, radius / RADIUS);
    g.set_fill_style_str(&colour(theme, &first.kind, heat(mean)));
    g.fill_with_path_2d(&cell);
}

/// 0 where nothing is known.
fn heat(share: Option<f64>) -> u32 {
    share.map_or(0, |share| 1 + (share.clamp(0.0, 1.0) * (HEATS - 1.0)).round() as u32)
}

fn colour(theme: &Theme, kind: &str, heat: u32) -> String {
    let (fill, line) = theme.kind(kind);
    match heat {
        // Cells have no outline: they are told from the ground by themselves.
        0 | 1 => mixed(fill, line, 0.35),
        heat => mixed(&mixed(fill, line, 0.35), &theme.metric_line, f64::from(heat - 1) / (HEATS - 1.0)),
    }
}

fn polygon(path: &Path2d, corners: &[Point], at: Point, factor: f64) {
    // Back to where it began by a line: to close a part of a long path takes the longer the longer it is.
    for (n, corner) in corners.iter().chain(corners.first()).enumerate() {
        let (x, y) = (at.x + corner.x * factor, at.y + corner.y * factor);
        match n {
            0 => path.move_to(x, y),
            _ => path.line_to(x, y),
        }
    }
}
