//! Small marks inside nodes, in a box of 16 units around the middle: what a node plainly is, and that nobody looks at it.

use web_sys::CanvasRenderingContext2d as Context;

use crate::layout::Point;
use crate::theme::Theme;
use crate::trade::Trade;

const FULL_TURN: f64 = std::f64::consts::TAU;
/// Lines of the marks that have no round parts.
const QUEUE: [&[(f64, f64)]; 3] =
    [&[(-5.0, -4.0), (5.0, -4.0)], &[(-5.0, 0.0), (5.0, 0.0)], &[(-5.0, 4.0), (1.0, 4.0)]];
const PROXY: [&[(f64, f64)]; 3] = [
    &[(-6.0, 0.0), (-1.0, 0.0), (3.0, -4.0), (6.0, -4.0)],
    &[(-1.0, 0.0), (3.0, 4.0), (6.0, 4.0)],
    &[(4.0, -6.0), (6.0, -4.0), (4.0, -2.0)],
];
const MONITOR: [&[(f64, f64)]; 1] = [&[(-6.5, 0.5), (-3.5, 0.5), (-1.5, -4.5), (1.5, 4.5), (3.5, 0.5), (6.5, 0.5)]];

pub fn trade(g: &Context, theme: &Theme, trade: Trade, p: Point) {
    begin(g, theme);
    match trade {
        Trade::Store => {
            lid(g, p, -4.0);
            lines(g, p, &[&[(-5.0, -4.0), (-5.0, 4.0)], &[(5.0, -4.0), (5.0, 4.0)]]);
            for y in [0.0, 4.0] {
                bow(g, p, (-5.0, y), y + 2.6, 5.0);
            }
        }
        Trade::Queue => lines(g, p, &QUEUE),
        Trade::Proxy => lines(g, p, &PROXY),
        Trade::Search => {
            g.move_to(p.x + 3.5, p.y - 1.0);
            let _ = g.arc(p.x - 1.0, p.y - 1.0, 4.5, 0.0, FULL_TURN);
            lines(g, p, &[&[(2.2, 2.2), (6.0, 6.0)]]);
        }
        Trade::Monitor => lines(g, p, &MONITOR),
    }
    end(g);
}

/// An eye that is crossed out.
pub fn unseen(g: &Context, theme: &Theme, p: Point) {
    begin(g, theme);
    bow(g, p, (-6.5, 0.0), -8.5, 6.5);
    bow(g, p, (-6.5, 0.0), 8.5, 6.5);
    g.move_to(p.x + 2.0, p.y);
    let _ = g.arc(p.x, p.y, 2.0, 0.0, FULL_TURN);
    lines(g, p, &[&[(-5.5, -5.5), (5.5, 5.5)]]);
    end(g);
}

fn begin(g: &Context, theme: &Theme) {
    g.set_stroke_style_str(&theme.text_2);
    g.set_line_width(1.5);
    g.set_line_cap("round");
    g.set_line_join("round");
    g.begin_path();
}

fn end(g: &Context) {
    g.stroke();
    g.set_line_cap("butt");
    g.set_line_join("miter");
}

fn lines(g: &Context, p: Point, lines: &[&[(f64, f64)]]) {
    for line in lines {
        for (n, (x, y)) in line.iter().enumerate() {
            match n {
                0 => g.move_to(p.x + x, p.y + y),
                _ => g.line_to(p.x + x, p.y + y),
            }
        }
    }
}

/// From one point to the right at its height, pulled towards another height.
fn bow(g: &Context, p: Point, (x, y): (f64, f64), towards: f64, to: f64) {
    g.move_to(p.x + x, p.y + y);
    g.bezier_curve_to(p.x + x * 0.5, p.y + towards, p.x + to * 0.5, p.y + towards, p.x + to, p.y + y);
}

fn lid(g: &Context, p: Point, y: f64) {
    bow(g, p, (-5.0, y), y - 2.6, 5.0);
    bow(g, p, (-5.0, y), y + 2.6, 5.0);
}
