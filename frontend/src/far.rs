//! Nodes from far: all of a kind in one stroke, without what nobody could see of them.

use std::collections::BTreeMap;

use shared::view::Summary;
use web_sys::{CanvasRenderingContext2d as Context, Path2d};

use crate::gauge::Gauge;
use crate::layout::Point;
use crate::scene::{self, RADIUS};
use crate::theme::Theme;

/// Below this height on the screen, in pixels, a node is one of many.
pub const FAR: f64 = 20.0;
/// And below this it is a speck without an outline.
const OUTLINED: f64 = 7.0;
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
            let Ok(shapes) = Path2d::new() else { return };
            let outline = scene::polygon(kind);
            for (_, at) in nodes {
                match &outline {
                    Some(corners) => {
                        // Back to where it began by a line: to close a part of a long path takes the longer the longer it is.
                        for (n, corner) in corners.iter().chain(corners.first()).enumerate() {
                            match n {
                                0 => shapes.move_to(at.x + corner.x, at.y + corner.y),
                                _ => shapes.line_to(at.x + corner.x, at.y + corner.y),
                            }
                        }
                    }
                    None => {
                        shapes.move_to(at.x + RADIUS, at.y);
                        let _ = shapes.arc(at.x, at.y, RADIUS, 0.0, std::f64::consts::TAU);
                    }
                }
            }
            let (fill, line) = theme.kind(kind);
            g.set_global_alpha(if *is_faded { 0.2 } else { 1.0 });
            g.set_fill_style_str(if height < OUTLINED { line } else { fill });
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
            if height >= OUTLINED {
                g.set_stroke_style_str(line);
                g.set_line_width(1.5);
                g.stroke_with_path(&shapes);
            }
        }
        g.set_global_alpha(1.0);
    }
}
