//! What is where on the screen: the camera, and what is under the pointer.

use std::ops::Deref;

use crate::layout::Point;
use crate::room::Frame;

pub const RADIUS: f64 = 22.0;
/// From one plate behind who stands for several to the next, of two: to the right and up.
pub const PLATE: f64 = 3.5;
/// Between the head of a line and what it points at.
pub const HEAD_GAP: f64 = 3.0;

/// Control points.
pub type Curve = [Point; 4];

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub width: f64,
    pub height: f64,
}

/// Screen = (world − centre) × zoom + middle of the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    pub centre: Point,
    pub zoom: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Self { centre: Point { x: 0.0, y: 0.0 }, zoom: 1.0 }
    }
}

const ZOOM_MIN: f64 = 0.03;
const ZOOM_MAX: f64 = 3.0;

/// What covers the stage at its sides, in pixels: no node may end below it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Insets {
    pub right: f64,
    pub bottom: f64,
}

impl Camera {
    pub fn to_screen(self, at: Point, size: Size) -> Point {
        Point {
            x: (at.x - self.centre.x) * self.zoom + size.width / 2.0,
            y: (at.y - self.centre.y) * self.zoom + size.height / 2.0,
        }
    }

    pub fn to_world(self, at: Point, size: Size) -> Point {
        Point {
            x: (at.x - size.width / 2.0) / self.zoom + self.centre.x,
            y: (at.y - size.height / 2.0) / self.zoom + self.centre.y,
        }
    }

    /// What is under `at` stays there.
    pub fn zoomed(self, factor: f64, at: Point, size: Size) -> Self {
        let held = self.to_world(at, size);
        let zoom = (self.zoom * factor).clamp(ZOOM_MIN, ZOOM_MAX);
        let centre =
            Point { x: held.x - (at.x - size.width / 2.0) / zoom, y: held.y - (at.y - size.height / 2.0) / zoom };
        Self { centre, zoom }
    }

    /// Where the zoom is between the least and the most, 0 to 1; each step of it makes everything as many times larger.
    pub fn zoom_share(self) -> f64 {
        (self.zoom / ZOOM_MIN).ln() / (ZOOM_MAX / ZOOM_MIN).ln()
    }

    /// How many times nearer that is.
    pub fn factor_to(self, zoom_share: f64) -> f64 {
        ZOOM_MIN * (ZOOM_MAX / ZOOM_MIN).powf(zoom_share.clamp(0.0, 1.0)) / self.zoom
    }

    pub fn panned(self, dx: f64, dy: f64) -> Self {
        let centre = Point { x: self.centre.x - dx / self.zoom, y: self.centre.y - dy / self.zoom };
        Self { centre, ..self }
    }

    /// What was under two fingers stays under them as they move, apart from that it is not turned.
    pub fn pinched(self, before: [Point; 2], after: [Point; 2], size: Size) -> Self {
        let apart = |[a, b]: [Point; 2]| (a.x - b.x).hypot(a.y - b.y).max(1.0);
        let middle = |[a, b]: [Point; 2]| Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 };
        let (from, to) = (middle(before), middle(after));
        self.zoomed(apart(after) / apart(before), from, size).panned(to.x - from.x, to.y - from.y)
    }

    /// All points in view with room for their labels.
    pub fn fit(points: impl Iterator<Item = Point>, size: Size, insets: Insets) -> Self {
        let mut low = Point { x: f64::MAX, y: f64::MAX };
        let mut high = Point { x: f64::MIN, y: f64::MIN };
        let mut any = false;
        for p in points {
            any = true;
            low = Point { x: low.x.min(p.x), y: low.y.min(p.y) };
            high = Point { x: high.x.max(p.x), y: high.y.max(p.y) };
        }
        if !any {
            return Self::default();
        }
        let (left, right, around) = (48.0, 150.0, 60.0);
        let room =
            Size { width: (size.width - insets.right).max(80.0), height: (size.height - insets.bottom).max(80.0) };
        let (width, height) = (high.x - low.x + left + right, high.y - low.y + 2.0 * around);
        let zoom = (room.width / width).min(room.height / height).clamp(ZOOM_MIN, 1.25);
        let middle = Point { x: (low.x - left + high.x + right) / 2.0, y: (low.y + high.y) / 2.0 };
        let centre = Point { x: middle.x + insets.right / 2.0 / zoom, y: middle.y + insets.bottom / 2.0 / zoom };
        Self { centre, zoom }
    }

    /// Whether something of a node there, or of its name, may be on what is painted.
    pub fn may_show(self, at: Point, size: Size) -> bool {
        let at = self.to_screen(at, size);
        at.x > -220.0 && at.x < size.width + 60.0 && at.y > -60.0 && at.y < size.height + 60.0
    }

    /// Whether all points are on the stage, with some of what is drawn around them.
    pub fn sees(self, mut points: impl Iterator<Item = Point>, size: Size, insets: Insets) -> bool {
        let margin = RADIUS * self.zoom;
        points.all(|point| {
            let at = self.to_screen(point, size);
            (margin..size.width - insets.right - margin).contains(&at.x)
                && (margin..size.height - insets.bottom - margin).contains(&at.y)
        })
    }

    pub fn between(self, other: Self, share: f64) -> Self {
        let mix = |a: f64, b: f64| a + (b - a) * share;
        let centre = Point { x: mix(self.centre.x, other.centre.x), y: mix(self.centre.y, other.centre.y) };
        // Zoom is a ratio: half way between 1 and 4 is 2.
        Self { centre, zoom: (mix(self.zoom.ln(), other.zoom.ln())).exp() }
    }
}

/// All of the graph in a small picture: picture = (world − origin) × scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Miniature {
    origin: Point,
    scale: f64,
}

impl Miniature {
    /// None where there is nothing to show. `margin` in pixels of the picture.
    pub fn of(points: impl Iterator<Item = Point>, size: Size, margin: f64) -> Option<Self> {
        let (mut low, mut high) = (Point { x: f64::MAX, y: f64::MAX }, Point { x: f64::MIN, y: f64::MIN });
        for p in points {
            low = Point { x: low.x.min(p.x), y: low.y.min(p.y) };
            high = Point { x: high.x.max(p.x), y: high.y.max(p.y) };
        }
        if low.x > high.x {
            return None;
        }
        let (width, height) = ((high.x - low.x).max(RADIUS * 4.0), (high.y - low.y).max(RADIUS * 4.0));
        let scale = ((size.width - 2.0 * margin) / width).min((size.height - 2.0 * margin) / height);
        let origin = Point {
            x: (low.x + high.x) / 2.0 - size.width / 2.0 / scale,
            y: (low.y + high.y) / 2.0 - size.height / 2.0 / scale,
        };
        Some(Self { origin, scale })
    }

    pub fn to_picture(self, at: Point) -> Point {
        Point { x: (at.x - self.origin.x) * self.scale, y: (at.y - self.origin.y) * self.scale }
    }

    pub fn to_world(self, at: Point) -> Point {
        Point { x: at.x / self.scale + self.origin.x, y: at.y / self.scale + self.origin.y }
    }

    /// What the camera sees: left, top, width and height in the picture.
    pub fn frame(self, camera: Camera, stage: Size) -> (f64, f64, f64, f64) {
        let corner = self.to_picture(camera.to_world(Point { x: 0.0, y: 0.0 }, stage));
        let ratio = self.scale / camera.zoom;
        (corner.x, corner.y, stage.width * ratio, stage.height * ratio)
    }
}

/// A shape's outline as a closed polygon around the origin; none for those that are drawn as curves.
pub fn polygon(kind: &str) -> Option<Vec<Point>> {
    let regular = |corners: usize, turn: f64| {
        (0..corners)
            .map(|n| {
                let angle = std::f64::consts::TAU * n as f64 / corners as f64 + turn;
                Point { x: angle.cos() * RADIUS, y: angle.sin() * RADIUS }
            })
            .collect()
    };
    let up = -std::f64::consts::FRAC_PI_2;
    match kind {
        "container" => Some(regular(6, up)),
        "service" | "stack" => Some(regular(7, up)),
        "daemon" => Some(regular(5, up)),
        "task" => Some(regular(3, up)),
        "image" => Some(regular(4, up)),
        // A port: wider at the top.
        "interface" => {
            let (a, b, h) = (RADIUS, RADIUS * 0.62, RADIUS * 0.8);
            Some([(-a, -h), (a, -h), (b, h), (-b, h)].map(|(x, y)| Point { x, y }).to_vec())
        }
        "process" => {
            let a = RADIUS * 0.82;
            Some([(-a, -a), (a, -a), (a, a), (-a, a)].map(|(x, y)| Point { x, y }).to_vec())
        }
        _ => None,
    }
}

/// How lines run between nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Run {
    /// Out at the bottom of one and in at the top of the other, where that is below.
    #[default]
    Upright,
    /// The shortest way.
    Straight,
}

/// How far a shape reaches from its middle: up and down.
pub fn extent(kind: &str) -> (f64, f64) {
    match (polygon(kind), kind) {
        (Some(corners), _) => {
            corners.iter().fold((0.0, 0.0), |(up, down), corner| (up.max(-corner.y), down.max(corner.y)))
        }
        (None, "network") => (RADIUS * 0.62, RADIUS * 0.62),
        (None, "outside") => (18.0, 15.5),
        (None, _) => (RADIUS, RADIUS),
    }
}

/// Whether an upright line between them leaves at the bottom and ends at the top.
pub fn is_downwards(source: Point, target: Point) -> bool {
    target.y - source.y > RADIUS * 2.5
}

/// From one place to another that is below, upright at both.
pub fn upright(start: Point, end: Point) -> Curve {
    let bend = ((end.y - start.y) * 0.5).max(24.0);
    [start, Point { x: start.x, y: start.y + bend }, Point { x: end.x, y: end.y - bend }, end]
}

/// Control points of an edge from the border of one node to that of another.
pub fn edge_curve(source: Point, target: Point, run: Run) -> Curve {
    let (a, d) = (RADIUS, RADIUS + HEAD_GAP);
    if run == Run::Straight {
        return straight(source, target, a, d);
    }
    if is_downwards(source, target) {
        return upright(Point { y: source.y + a, ..source }, Point { y: target.y - d, ..target });
    }
    // Sideways or upwards: out at one side, in at the near side of the other.
    let right = target.x >= source.x;
    let side = if right { 1.0 } else { -1.0 };
    let start = Point { x: source.x + side * a, y: source.y };
    let end = Point { x: target.x - side * d, y: target.y };
    let bend = side * ((end.x - start.x).abs() * 0.4).clamp(30.0, 140.0);
    [start, Point { x: start.x + bend, y: start.y }, Point { x: end.x - bend, y: end.y }, end]
}

/// A line that leaves and ends so far from its ends.
fn straight(source: Point, target: Point, leave: f64, arrive: f64) -> Curve {
    let (dx, dy) = (target.x - source.x, target.y - source.y);
    let length = dx.hypot(dy).max(leave + arrive + 1.0);
    let on = |far: f64| Point { x: source.x + dx * far / length, y: source.y + dy * far / length };
    let whole = length - leave - arrive;
    [leave, leave + whole / 3.0, leave + whole * 2.0 / 3.0, length - arrive].map(on)
}

/// Control points of what goes from one frame to another: a little aside, so that what comes back is beside it.
pub fn bundle_curve(source: &Frame, target: &Frame) -> Curve {
    let middle = |f: &Frame| Point { x: (f.left + f.right) / 2.0, y: (f.top + f.bottom) / 2.0 };
    let (a, b) = (middle(source), middle(target));
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx.hypot(dy).max(1.0);
    // From the middle of a frame to its border, as a share of the way.
    let out = |f: &Frame| {
        let (half_x, half_y) = ((f.right - f.left) / 2.0, (f.bottom - f.top) / 2.0);
        (half_x / dx.abs().max(1e-9)).min(half_y / dy.abs().max(1e-9)).min(0.5)
    };
    let aside = (length * 0.04).min(60.0);
    let at =
        |share: f64| Point { x: a.x + dx * share - dy / length * aside, y: a.y + dy * share + dx / length * aside };
    let (from, to) = (out(source), 1.0 - out(target));
    [from, from + (to - from) / 3.0, from + (to - from) * 2.0 / 3.0, to].map(at)
}

/// Without its last piece, where its head is.
pub fn shortened([a, b, c, d]: Curve, by: f64) -> Curve {
    let (dx, dy) = (d.x - c.x, d.y - c.y);
    let share = by / dx.hypot(dy).max(by * 1.01).max(1e-9);
    [a, b, c, Point { x: d.x - dx * share, y: d.y - dy * share }]
}

/// After that share of a way of several curves.
pub fn along(way: &[Curve], share: f64) -> Point {
    let length = |curve: &Curve| (curve[3].x - curve[0].x).hypot(curve[3].y - curve[0].y);
    let mut left = way.iter().map(length).sum::<f64>() * share;
    for curve in way {
        let own = length(curve);
        if left <= own {
            return on_curve(*curve, left / own.max(1e-9));
        }
        left -= own;
    }
    way.last().map_or(Point { x: 0.0, y: 0.0 }, |curve| curve[3])
}

pub fn on_curve(curve: Curve, t: f64) -> Point {
    let u = 1.0 - t;
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    let sum = |of: fn(&Point) -> f64| curve.iter().zip(weights).map(|(p, w)| of(p) * w).sum();
    Point { x: sum(|p| p.x), y: sum(|p| p.y) }
}

/// The node whose shape or name is nearest under the pointer.
pub fn node_at(nodes: &[(u32, Point)], at: Point, zoom: f64) -> Option<u32> {
    // Small nodes keep a target that a hand can hit.
    let reach = RADIUS.max(9.0 / zoom) + 3.0;
    let distance = |p: &Point| (p.x - at.x).hypot(p.y - at.y);
    let near = nodes.iter().map(|(slot, p)| (distance(p), *slot)).filter(|(d, _)| *d <= reach);
    near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, slot)| slot)
}

/// The node that is next in a direction, which is one of right, left, down and up as x and y.
pub fn next_node(nodes: &[(u32, Point)], from: Point, towards: (f64, f64)) -> Option<u32> {
    let ahead = nodes.iter().filter_map(|(slot, at)| {
        let (dx, dy) = (at.x - from.x, at.y - from.y);
        let (along, aside) = (dx * towards.0 + dy * towards.1, (dx * towards.1).abs() + (dy * towards.0).abs());
        // Who is more aside than ahead is in another direction.
        (along > 1.0 && aside <= along * 1.5).then_some((along + aside * 2.0, *slot))
    });
    ahead.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, slot)| slot)
}

/// The line that passes nearest under the pointer; `reach` is in the units of `at`.
pub fn line_at<W: Deref<Target = [Curve]>>(
    lines: impl Iterator<Item = ((u32, u32), W)>,
    at: Point,
    reach: f64,
) -> Option<(u32, u32)> {
    let near = lines.filter(|(ends, _)| ends.0 != ends.1).filter_map(|(ends, way)| {
        let least = way.iter().filter_map(|curve| from_curve(*curve, at, reach)).min_by(f64::total_cmp)?;
        Some((least, ends))
    });
    near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, ends)| ends)
}

/// How far it is from there, where that is no further than `reach`.
fn from_curve(curve: Curve, at: Point, reach: f64) -> Option<f64> {
    const STEPS: usize = 24;
    // A curve stays within the frame of its control points.
    let outside = |of: fn(&Point) -> f64, value: f64| {
        let all = curve.iter().map(of);
        all.clone().all(|v| v < value - reach) || all.clone().all(|v| v > value + reach)
    };
    if outside(|p| p.x, at.x) || outside(|p| p.y, at.y) {
        return None;
    }
    let mut before = curve[0];
    let mut least = f64::MAX;
    for n in 1..=STEPS {
        let next = on_curve(curve, n as f64 / STEPS as f64);
        least = least.min(from_segment(before, next, at));
        before = next;
    }
    (least <= reach).then_some(least)
}

fn from_segment(a: Point, b: Point, at: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let share = (((at.x - a.x) * dx + (at.y - a.y) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    (a.x + dx * share - at.x).hypot(a.y + dy * share - at.y)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 1000.0, height: 600.0 };

    #[test]
    fn what_is_under_the_pointer_stays_there_while_zooming() {
        let camera = Camera { centre: Point { x: 50.0, y: -20.0 }, zoom: 0.8 };
        let pointer = Point { x: 700.0, y: 130.0 };
        let before = camera.to_world(pointer, SIZE);
        let after = camera.zoomed(1.7, pointer, SIZE).to_world(pointer, SIZE);
        assert!((before.x - after.x).abs() < 1e-9 && (before.y - after.y).abs() < 1e-9);
    }

    #[test]
    fn what_is_under_two_fingers_stays_under_them() {
        let size = Size { width: 800.0, height: 600.0 };
        let camera = Camera { centre: Point { x: 40.0, y: -10.0 }, zoom: 0.5 };
        let (before, after) = ([(100.0, 100.0), (200.0, 200.0)], [(300.0, 50.0), (500.0, 250.0)]);
        let [before, after] = [before, after].map(|fingers| fingers.map(|(x, y)| Point { x, y }));
        let pinched = camera.pinched(before, after, size);
        assert_eq!(pinched.zoom, 1.0);
        for n in 0..2 {
            let (was, is) = (camera.to_world(before[n], size), pinched.to_world(after[n], size));
            assert!((was.x - is.x).abs() < 1e-9 && (was.y - is.y).abs() < 1e-9, "{was:?} {is:?}");
        }
        let same = camera.pinched([before[0]; 2], [after[0]; 2], size);
        assert_eq!(same.zoom, camera.zoom, "fingers in one place are no distance to divide by");
    }

    #[test]
    fn a_share_of_the_zoom_leads_back_to_it() {
        for zoom in [ZOOM_MIN, 0.4, 1.0, ZOOM_MAX] {
            let camera = Camera { zoom, ..Camera::default() };
            assert!((camera.factor_to(camera.zoom_share()) - 1.0).abs() < 1e-9);
        }
        let least = Camera { zoom: ZOOM_MIN, ..Camera::default() };
        assert!((least.factor_to(1.0) * ZOOM_MIN - ZOOM_MAX).abs() < 1e-9);
        assert!((least.factor_to(7.0) * ZOOM_MIN - ZOOM_MAX).abs() < 1e-9);
    }

    #[test]
    fn fitting_shows_every_node_beside_what_covers_the_stage() {
        let points = [Point { x: -4000.0, y: 0.0 }, Point { x: 3000.0, y: 900.0 }];
        let insets = Insets { right: 400.0, bottom: 50.0 };
        let camera = Camera::fit(points.into_iter(), SIZE, insets);
        for p in points {
            let s = camera.to_screen(p, SIZE);
            assert!((0.0..=600.0).contains(&s.x) && (0.0..=550.0).contains(&s.y), "{s:?}");
        }
        assert_eq!(Camera::fit(std::iter::empty(), SIZE, insets), Camera::default());
        assert!(camera.sees(points.into_iter(), SIZE, insets));
        let down = (570.0 - camera.to_screen(points[1], SIZE).y) / camera.zoom;
        let lower = Camera { centre: Point { y: camera.centre.y - down, ..camera.centre }, ..camera };
        assert!(lower.sees(points.into_iter(), SIZE, Insets::default()));
        assert!(!lower.sees(points.into_iter(), SIZE, insets), "below what covers the stage");
    }

    #[test]
    fn the_nearest_node_is_hit_also_when_nodes_are_small() {
        let nodes = [(1, Point { x: 0.0, y: 0.0 }), (2, Point { x: 190.0, y: 0.0 })];
        assert_eq!(node_at(&nodes, Point { x: 20.0, y: 5.0 }, 1.0), Some(1));
        assert_eq!(node_at(&nodes, Point { x: 90.0, y: 0.0 }, 1.0), None);
        assert_eq!(node_at(&nodes, Point { x: 110.0, y: 0.0 }, 0.05), Some(2));
    }

    #[test]
    fn the_nearest_line_is_hit_along_its_whole_curve() {
        let at = |x, y| Point { x, y };
        let curve = edge_curve(at(0.0, 0.0), at(300.0, 400.0), Run::Upright);
        let other = edge_curve(at(300.0, 400.0), at(0.0, 800.0), Run::Upright);
        let plain = edge_curve(at(0.0, 0.0), at(0.0, 400.0), Run::Upright);
        let lines = || [((1, 2), vec![plain]), ((1, 3), vec![curve, other])].into_iter();
        assert_eq!(line_at(lines(), at(3.0, 350.0), 5.0), Some((1, 2)));
        for t in [0.3, 0.55, 0.9] {
            assert_eq!(line_at(lines(), on_curve(curve, t), 5.0), Some((1, 3)));
            assert_eq!(line_at(lines(), on_curve(other, t), 5.0), Some((1, 3)));
        }
        assert_eq!(line_at(lines(), at(150.0, 60.0), 5.0), None);
        let half = along(&[curve, other], 0.5);
        assert!(half.x > 290.0 && (half.y - 400.0).abs() < 26.0, "{half:?}");
    }

    #[test]
    fn an_edge_ends_at_its_target() {
        for target in [Point { x: 300.0, y: 200.0 }, Point { x: -300.0, y: 0.0 }, Point { x: 5.0, y: -300.0 }] {
            let curve = edge_curve(Point { x: 0.0, y: 0.0 }, target, Run::Upright);
            let end = on_curve(curve, 1.0);
            assert!((end.x - target.x).hypot(end.y - target.y) < RADIUS + 5.0);
        }
    }

    #[test]
    fn a_miniature_shows_all_and_leads_back_to_where_it_is() {
        let (size, stage) = (Size { width: 160.0, height: 100.0 }, Size { width: 800.0, height: 600.0 });
        let points = [(0.0, 0.0), (1000.0, 200.0), (300.0, 900.0)].map(|(x, y)| Point { x, y });
        let map = Miniature::of(points.into_iter(), size, 6.0).unwrap();
        for p in points {
            let at = map.to_picture(p);
            assert!((5.9..=154.1).contains(&at.x) && (5.9..=94.1).contains(&at.y), "{at:?}");
            let back = map.to_world(at);
            assert!((back.x - p.x).abs() < 1e-6 && (back.y - p.y).abs() < 1e-6);
        }
        let camera = Camera { centre: Point { x: 500.0, y: 450.0 }, zoom: 2.0 };
        let (x, y, width, height) = map.frame(camera, stage);
        let middle = map.to_picture(camera.centre);
        assert!((x + width / 2.0 - middle.x).abs() < 1e-6 && (y + height / 2.0 - middle.y).abs() < 1e-6);
        assert!((width / height - 8.0 / 6.0).abs() < 1e-6);
        assert_eq!(Miniature::of(std::iter::empty(), size, 6.0), None);
        assert!(
            Miniature::of([Point { x: 3.0, y: 3.0 }].into_iter(), size, 6.0).is_some_and(|map| map.scale.is_finite())
        );
    }

    #[test]
    fn the_next_node_is_the_nearest_of_those_ahead() {
        let at = |x: f64, y: f64| Point { x, y };
        let nodes =
            [(1, at(0.0, 0.0)), (2, at(190.0, 20.0)), (3, at(400.0, 0.0)), (4, at(30.0, 112.0)), (5, at(0.0, -300.0))];
        let next = |towards| next_node(&nodes, at(0.0, 0.0), towards);
        assert_eq!(next((1.0, 0.0)), Some(2));
        assert_eq!(next((0.0, 1.0)), Some(4));
        assert_eq!(next((0.0, -1.0)), Some(5));
        assert_eq!(next((-1.0, 0.0)), None);
    }

    #[test]
    fn a_straight_line_and_a_bundle_go_from_border_to_border() {
        let (a, b) = (Point { x: 0.0, y: 0.0 }, Point { x: 300.0, y: 0.0 });
        let line = edge_curve(a, b, Run::Straight);
        assert_eq!((line[0].x, line[3].x, line[1].y), (RADIUS, 300.0 - RADIUS - 3.0, 0.0));
        let frame = |x: f64, y: f64| Frame { left: x - 100.0, right: x + 100.0, top: y - 50.0, bottom: y + 50.0 };
        for (to, ends) in [((400.0, 0.0), (100.0, 300.0)), ((-400.0, 0.0), (-100.0, -300.0))] {
            let (there, back) = (
                bundle_curve(&frame(0.0, 0.0), &frame(to.0, to.1)),
                bundle_curve(&frame(to.0, to.1), &frame(0.0, 0.0)),
            );
            assert_eq!((there[0].x, there[3].x), ends);
            assert_ne!(there[1].y, back[1].y, "one beside the other");
        }
    }
}
