//! The lines of a picture: flat ones many in one stroke, in parts that can be painted one after the other, and those by
//! themselves that somebody looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;

use web_sys::CanvasRenderingContext2d as Context;

use super::{Drawing, Shown, dash, head, head_length, mixed, octagon, path, pattern};
use crate::boxes::Bundles;
use crate::detour::{FOLLOWED_MAX, Way};
use crate::far;
use crate::layout::Point;
use crate::scene::{self, Curve, RADIUS};
use crate::strand::{By, Strand};
use crate::theme::Theme;

/// More edges than so many are the fainter the more there are.
const CROWDED: f64 = 1_200.0;
/// So many flat lines are painted at once.
const PART: usize = 2_500;
/// So many steps of colour there are, beside none.
const TINTS: f64 = 6.0;

/// The lines that are shown, and how.
pub struct Lines<'a> {
    shown: &'a Shown<'a>,
    drawing: &'a Drawing,
    bundles: Bundles<'a>,
    zoom: f64,
    by: By,
    /// Fades towards its source; else it is flat.
    is_tapered: bool,
    is_crowded: bool,
    /// Of a line, in units of the graph.
    widest: f64,
    is_hull: bool,
}

/// How a line is drawn.
struct Look {
    is_lit: bool,
    is_faded: bool,
    is_chosen: bool,
    /// The slot of its network's line, where that is shown.
    network: Option<usize>,
    is_flat: bool,
}

impl<'a> Lines<'a> {
    pub fn of(shown: &'a Shown<'a>, drawing: &'a Drawing, zoom: f64) -> Self {
        let strands = shown.strands;
        let is_crowded = strands.len() as f64 > CROWDED;
        Self {
            bundles: Bundles::of(shown, strands),
            // Where nobody measures what lines carry, they say how many conversations are open.
            by: if strands.values().any(Strand::is_measured) { drawing.lines } else { By::Open },
            is_tapered: strands.len() <= FOLLOWED_MAX && RADIUS * 2.0 * zoom >= 26.0,
            // Where there are more than anybody could follow they are thin, which is also much less to paint.
            widest: if is_crowded { 1.0 / zoom } else { f64::MAX },
            is_crowded,
            is_hull: !drawing.is_exact && far::is_hull(zoom),
            shown,
            drawing,
            zoom,
        }
    }

    /// Those between open groups, put together.
    pub fn paint_bundles(&self, g: &Context, theme: &Theme) {
        self.bundles.paint(g, theme, self.drawing, self.zoom);
    }

    /// Those that are drawn many in one stroke.
    pub fn flat(&self) -> Flat {
        let mut strokes: BTreeMap<Stroke, Vec<Curve>> = BTreeMap::new();
        for (look, _, strand, way) in self.looks().filter(|(look, ..)| look.is_flat) {
            let quarters = (self.width(&look, strand) * 4.0) as u32;
            let Look { network, is_faded, .. } = look;
            let key = Stroke { network, tint: self.tint(strand), quarters, is_faded };
            strokes.entry(key).or_default().extend(way.iter());
        }
        let parts = strokes
            .into_iter()
            .flat_map(|(stroke, curves)| curves.chunks(PART).map(|part| (stroke, part.to_vec())).collect::<Vec<_>>());
        // Where there are more than anybody could follow, what they join is what is seen.
        let rest = (CROWDED / self.shown.strands.len().max(1) as f64).clamp(0.15, 1.0);
        Flat { rest, parts: parts.collect() }
    }

    /// Those that are drawn each by itself, of which those that are lit are above the others, and what is written at them.
    pub fn paint_single(&self, g: &Context, theme: &Theme) {
        let tints = tints(theme);
        let mut ports = Ports::new();
        let mut failing: Vec<(Way, &Strand, bool)> = Vec::new();
        let single: Vec<_> = self.looks().filter(|(look, ..)| !look.is_flat).collect();
        for lit_pass in [false, true] {
            for (look, (source, target), strand, way) in single.iter().filter(|(look, ..)| look.is_lit == lit_pass) {
                let (way, width) = (*way, self.width(look, strand));
                let [.., last] = *way else { continue };
                let (start, end) = (way[0][0], last[3]);
                let fails = strand.fails();
                let colour: &str = match (look.network, self.tint(strand)) {
                    _ if fails => &theme.bad,
                    (Some(slot), _) => &theme.networks[slot],
                    (None, Some(tint)) => &tints[tint as usize],
                    (None, None) if look.is_lit => &theme.edge_lit,
                    (None, None) => &theme.edge,
                };
                g.set_global_alpha(if look.is_faded { theme.faded } else { 1.0 });
                if source == target {
                    self_loop(g, start, colour, width);
                    continue;
                }
                if fails {
                    failing.push((way, *strand, look.is_faded));
                }
                if look.is_chosen {
                    halo(g, theme, &way);
                }
                let gradient = g.create_linear_gradient(start.x, start.y, end.x, end.y);
                let _ = gradient.add_color_stop(0.0, &mixed(colour, &theme.canvas, theme.tail));
                let _ = gradient.add_color_stop(0.75, colour);
                g.set_stroke_style_canvas_gradient(&gradient);
                g.set_line_width(width);
                // A direction that is only guessed is dotted.
                dash(
                    g,
                    match look.network {
                        Some(slot) => pattern(slot),
                        None if strand.is_guess && !fails => &[2.0, 4.0],
                        None => &[],
                    },
                );
                g.begin_path();
                let before = way[..way.len() - 1].iter().copied();
                path(g, before.chain([scene::shortened(last, head_length(width) * 0.7)]));
                g.stroke();
                dash(g, &[]);
                head(g, last, colour, width);
                if !look.is_faded {
                    let (_, on) = ports.entry((*target, last[0].x <= end.x)).or_insert((end, BTreeSet::new()));
                    on.extend(strand.ports(&self.shown.model.edges));
                }
            }
        }
        for (way, strand, is_faded) in failing {
            g.set_global_alpha(if is_faded { theme.faded } else { 1.0 });
            failure(g, theme, &way, &strand.failure(), self.zoom);
        }
        g.set_global_alpha(1.0);
        if RADIUS * 2.0 * self.zoom >= 40.0 {
            name_ports(g, theme, ports);
        }
    }

    /// Of all lines that are shown: how each looks, its ends, what it is, and where it runs, which is from a node to itself
    /// where that talks to itself.
    fn looks(&self) -> impl Iterator<Item = (Look, (u32, u32), &'a Strand, Way<'a>)> {
        let Shown { strands, at, ways, .. } = *self.shown;
        strands.iter().filter_map(move |(ends, strand)| {
            let (a, b) = (at.get(&ends.0)?, at.get(&ends.1)?);
            let look = self.look(*ends, strand)?;
            let way = if ends.0 == ends.1 { Way::Plain([*a; 4]) } else { ways.way(*ends, *a, *b) };
            Some((look, *ends, strand, way))
        })
    }

    fn tint(&self, strand: &Strand) -> Option<u32> {
        self.drawing.tint.map(|by| (strand.share(by) * TINTS).round() as u32)
    }

    /// In units of the graph.
    fn width(&self, look: &Look, strand: &Strand) -> f64 {
        strand.width(self.by).min(self.widest) * if look.is_lit { 1.15 } else { 1.0 }
    }

    /// None where it is hidden.
    fn look(&self, ends: (u32, u32), strand: &Strand) -> Option<Look> {
        let (source, target) = ends;
        let drawing = self.drawing;
        let touches = |slot: u32| source == slot || target == slot;
        let is_chosen = drawing.chosen_line == Some(ends);
        let has_faded_end = drawing.is_faded(source) || drawing.is_faded(target);
        let is_lit = match drawing.hovered {
            Some(slot) => touches(slot),
            None if is_chosen || drawing.line == Some(ends) => true,
            None => drawing.lit.is_some() && drawing.selected.is_some() && !has_faded_end,
        };
        let fails = strand.fails();
        let is_hidden =
            self.bundles.takes(source, target) || (self.is_hull && self.bundles.is_inside_one(source, target));
        if !is_lit && !fails && is_hidden {
            return None;
        }
        let network = drawing.line_of(strand, &self.shown.model.edges).filter(|_| !fails);
        Some(Look {
            is_lit,
            is_faded: !is_lit && (has_faded_end || drawing.hovered.is_some()),
            is_chosen,
            network,
            is_flat: source != target
                && !self.is_tapered
                && !is_lit
                && !fails
                && (network.is_none() || self.is_crowded),
        })
    }
}

/// Lines that are drawn many in one stroke, apart from what they were taken from.
pub struct Flat {
    /// How much is seen of those that are not faded: 0 to 1.
    rest: f64,
    parts: Vec<(Stroke, Vec<Curve>)>,
}

impl Flat {
    /// So many can be painted one after the other.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    pub fn paint(&self, g: &Context, theme: &Theme, part: usize) {
        let Some((Stroke { network, tint, quarters, is_faded }, curves)) = self.parts.get(part) else { return };
        // What somebody asked to see is seen.
        let seen = if network.is_some() { self.rest.max(0.6) } else { self.rest };
        g.set_global_alpha(if *is_faded { theme.faded } else { seen });
        let tints = tints(theme);
        g.set_stroke_style_str(match (network, tint) {
            (Some(slot), _) => &theme.networks[*slot],
            (None, Some(tint)) => &tints[*tint as usize],
            (None, None) => &theme.edge,
        });
        dash(g, network.map_or(&[], pattern));
        g.set_line_width(f64::from(*quarters) / 4.0);
        g.begin_path();
        path(g, curves.iter().copied());
        g.stroke();
        dash(g, &[]);
        g.set_global_alpha(1.0);
    }
}

/// How flat lines are drawn that are drawn in one stroke; those that carry most come last, above the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stroke {
    /// The slot of its network's line, where that is shown.
    network: Option<usize>,
    tint: Option<u32>,
    /// Of a pixel.
    quarters: u32,
    is_faded: bool,
}

/// From hardly seen to the metric's own colour.
fn tints(theme: &Theme) -> Vec<String> {
    let least = mixed(&theme.edge, &theme.canvas, 0.55);
    (0..=TINTS as u32).map(|step| mixed(&least, &theme.metric_line, f64::from(step) / TINTS)).collect()
}

/// On which ports lines end, by their target and whether they come from its left, and where that is.
type Ports = BTreeMap<(u32, bool), (Point, BTreeSet<u16>)>;

/// On the side that they do not come from.
fn name_ports(g: &Context, theme: &Theme, ports: Ports) {
    g.set_font(&format!("400 11px {}", theme.font));
    g.set_fill_style_str(&theme.text_3);
    g.set_text_baseline("alphabetic");
    for ((_, from_left), (p, on)) in ports {
        let listed: Vec<String> = on.iter().take(3).map(u16::to_string).collect();
        let more = if on.len() > 3 { " …" } else { "" };
        g.set_text_align(if from_left { "left" } else { "right" });
        let x = p.x + if from_left { 8.0 } else { -8.0 };
        let _ = g.fill_text(&format!("{}{more}", listed.join(" ")), x, p.y - 7.0);
    }
}

/// Around a line that is selected.
fn halo(g: &Context, theme: &Theme, way: &[Curve]) {
    g.save();
    g.set_global_alpha(0.16);
    g.set_stroke_style_str(&theme.edge_lit);
    g.set_line_width(11.0);
    g.set_line_cap("round");
    g.begin_path();
    path(g, way.iter().copied());
    g.stroke();
    g.restore();
}

/// On a line that fails: the octagon of what is wrong, with how much.
fn failure(g: &Context, theme: &Theme, way: &[Curve], words: &str, zoom: f64) {
    let at = scene::along(way, 0.46);
    let r = octagon(g, theme, at, zoom);
    if RADIUS * 2.0 * zoom < 26.0 {
        return;
    }
    // Never too small to be read.
    let scale = (1.0 / zoom).max(1.0);
    g.set_font(&format!("600 {}px {}", 11.0 * scale, theme.font));
    g.set_text_align("left");
    g.set_text_baseline("middle");
    g.set_line_join("round");
    g.set_stroke_style_str(&theme.canvas);
    g.set_line_width(4.0 * scale);
    let _ = g.stroke_text(words, at.x + r + 5.0, at.y - r);
    g.set_fill_style_str(&theme.bad_text);
    let _ = g.fill_text(words, at.x + r + 5.0, at.y - r);
}

fn self_loop(g: &Context, p: Point, colour: &str, width: f64) {
    g.set_stroke_style_str(colour);
    g.set_line_width(width);
    g.begin_path();
    let _ = g.arc(p.x - RADIUS * 0.95, p.y - RADIUS * 0.95, RADIUS * 0.55, 0.25 * TAU, 1.02 * TAU);
    g.stroke();
}
